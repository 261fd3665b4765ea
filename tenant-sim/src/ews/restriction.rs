//! Restrictions: comparisons of properties, joined by and, or, not.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/restriction>

use std::cmp::Ordering;

use jiff::Timestamp;

use super::operations::Failure;
use super::schema_violation;
use super::shape::{extended_name, field_uri};
use super::soap::{Element, Fault, TYPES};
use crate::state::ExtendedName;

/// Nodes of one restriction.
const MAX_NODES: usize = 255;

/// A property that is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// One of the schema's own.
    Field(String),
    /// One that a client named.
    Extended(ExtendedName),
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Restriction {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Exists(Path),
    Compare {
        path: Path,
        test: Test,
        constant: String,
    },
    Contains {
        path: Path,
        mode: String,
        case: bool,
        constant: String,
    },
    /// What this tenant does not evaluate.
    Unsupported,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Restriction {
    /// The condition in `Restriction`.
    pub(super) fn read(element: &Element) -> Result<Self, Fault> {
        fn count(element: &Element) -> usize {
            1 + element.children.iter().map(count).sum::<usize>()
        }
        if count(element) > MAX_NODES * 4 {
            return Err(Fault::new("ErrorRestrictionTooLong", "The restriction is too long."));
        }
        match element.children.as_slice() {
            [one] => Self::node(one),
            _ => Err(schema_violation("Restriction holds one condition.")),
        }
    }

    fn node(element: &Element) -> Result<Self, Fault> {
        let all = || element.children.iter().map(Self::node).collect::<Result<Vec<_>, _>>();
        let path = || -> Result<Option<Path>, Fault> {
            if let Some(named) = element.child(TYPES, "ExtendedFieldURI") {
                return Ok(Some(Path::Extended(extended_name(named))));
            }
            let uri = element.child(TYPES, "FieldURI").map(field_uri).transpose()?;
            Ok(uri.map(|uri| Path::Field(uri.to_owned())))
        };
        let test = match element.name.as_str() {
            "And" => return Ok(Self::And(all()?)),
            "Or" => return Ok(Self::Or(all()?)),
            "Not" => {
                let one = all()?.into_iter().next();
                return one.map(|r| Self::Not(Box::new(r))).ok_or_else(|| schema_violation("Not is empty."));
            }
            "Exists" => return Ok(path()?.map_or(Self::Unsupported, Self::Exists)),
            "Contains" => {
                let attribute = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
                let constant =
                    element.child(TYPES, "Constant").and_then(|c| c.attribute("Value")).unwrap_or_default();
                let Some(path) = path()? else { return Ok(Self::Unsupported) };
                return Ok(Self::Contains {
                    path,
                    mode: attribute("ContainmentMode"),
                    case: attribute("ContainmentComparison") == "Exact",
                    constant: constant.to_owned(),
                });
            }
            "IsEqualTo" => Test::Equal,
            "IsNotEqualTo" => Test::NotEqual,
            "IsGreaterThan" => Test::Greater,
            "IsGreaterThanOrEqualTo" => Test::GreaterOrEqual,
            "IsLessThan" => Test::Less,
            "IsLessThanOrEqualTo" => Test::LessOrEqual,
            _ => return Ok(Self::Unsupported),
        };
        let constant = element
            .child(TYPES, "FieldURIOrConstant")
            .and_then(|c| c.child(TYPES, "Constant"))
            .and_then(|c| c.attribute("Value"));
        Ok(match (path()?, constant) {
            (Some(path), Some(constant)) => Self::Compare { path, test, constant: constant.to_owned() },
            _ => Self::Unsupported,
        })
    }

    /// Whether it holds for an item with these properties.
    pub(super) fn holds(&self, value: &impl Fn(&Path) -> Option<String>) -> Result<bool, Failure> {
        Ok(match self {
            Self::And(all) => {
                let mut holds = true;
                for one in all {
                    holds &= one.holds(value)?;
                }
                holds
            }
            Self::Or(any) => {
                let mut holds = false;
                for one in any {
                    holds |= one.holds(value)?;
                }
                holds
            }
            Self::Not(one) => !one.holds(value)?,
            Self::Exists(path) => value(path).is_some(),
            Self::Compare { path, test, constant } => match (value(path), test) {
                (None, test) => *test == Test::NotEqual,
                (Some(value), test) => {
                    let order = compare(&value, constant);
                    match test {
                        Test::Equal => order == Ordering::Equal,
                        Test::NotEqual => order != Ordering::Equal,
                        Test::Greater => order == Ordering::Greater,
                        Test::GreaterOrEqual => order != Ordering::Less,
                        Test::Less => order == Ordering::Less,
                        Test::LessOrEqual => order != Ordering::Greater,
                    }
                }
            },
            Self::Contains { path, mode, case, constant } => {
                let fold = |text: &str| if *case { text.to_owned() } else { text.to_lowercase() };
                let (value, wanted) = (fold(&value(path).unwrap_or_default()), fold(constant));
                match mode.as_str() {
                    "FullString" => value == wanted,
                    "Prefixed" | "PrefixOnWords" => value.starts_with(&wanted),
                    _ => value.contains(&wanted),
                }
            }
            Self::Unsupported => {
                return Err(Failure::new(
                    "ErrorUnsupportedPathForQuery",
                    "The property can not be used with this type of restriction.",
                ));
            }
        })
    }
}

/// Times and numbers by their value, texts without case.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    if let (Ok(one), Ok(other)) = (one.parse::<Timestamp>(), other.parse::<Timestamp>()) {
        return one.cmp(&other);
    }
    if let (Ok(one), Ok(other)) = (one.parse::<i64>(), other.parse::<i64>()) {
        return one.cmp(&other);
    }
    one.to_lowercase().cmp(&other.to_lowercase())
}
