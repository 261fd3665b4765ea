use std::fmt;

use m365_core::{Error, Result};

use super::opath_literal;

/// Nesting beyond this is refused, so that no filter exhausts the stack.
pub(super) const MAX_DEPTH: usize = 64;

/// What a filter says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FilterExpression {
    /// Every one of these holds: `(a) -and (b)`. Two or more.
    All(Vec<FilterExpression>),
    /// At least one of these holds: `(a) -or (b)`. Two or more.
    Any(Vec<FilterExpression>),
    /// This does not hold: `-not (a)`.
    Not(Box<FilterExpression>),
    /// A property is compared with a value: `Department -eq 'Sales'`.
    Compare(FilterProperty, FilterOperator, FilterValue),
}

/// The name of a property that recipients are filtered by, such as `Department` or `CustomAttribute7`.
/// <https://learn.microsoft.com/powershell/exchange/recipientfilter-properties>
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterProperty(Box<str>);

impl FilterProperty {
    /// Checks a name: letters and digits, a letter first. Whether Exchange knows it is for Exchange to say.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn parse(name: &str) -> Result<Self> {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.len() <= 64;
        if plain {
            Ok(Self(name.into()))
        } else {
            Err(Error::invalid("the property of a recipient filter is a word of letters and digits"))
        }
    }

    /// `CustomAttribute1` to `CustomAttribute15`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for another number.
    pub fn custom_attribute(number: u8) -> Result<Self> {
        if (1..=15).contains(&number) {
            Ok(Self(format!("CustomAttribute{number}").into()))
        } else {
            Err(Error::invalid(format!("there is no custom attribute {number}, only 1 to 15")))
        }
    }

    pub(super) fn fixed(name: &'static str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn in_lower_case(&self) -> Self {
        Self(self.0.to_ascii_lowercase().into())
    }

    /// Whether it is the property with this name; case does not matter.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

/// How a property is compared. Case never matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FilterOperator {
    /// `-eq`
    Equal,
    /// `-ne`
    NotEqual,
    /// `-like`: `*` stands for any text. Exchange Online promises it at the end of a value only.
    Like,
    /// `-notlike`
    NotLike,
    /// `-gt`
    Greater,
    /// `-ge`
    GreaterOrEqual,
    /// `-lt`
    Less,
    /// `-le`
    LessOrEqual,
}

impl FilterOperator {
    const ALL: [Self; 8] = [
        Self::Equal,
        Self::NotEqual,
        Self::Like,
        Self::NotLike,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    /// As it is written, without its dash.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Like => "like",
            Self::NotLike => "notlike",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str().eq_ignore_ascii_case(word))
    }
}

/// What a property is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FilterValue {
    /// `'text'`
    Text(String),
    /// `500`
    Integer(i64),
    /// `$true` and `$false`
    Bool(bool),
    /// `$null`: the property has no value.
    Null,
}

impl From<&str> for FilterValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for FilterValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for FilterValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl FilterExpression {
    /// Compares a property.
    pub fn compare(
        property: FilterProperty,
        operator: FilterOperator,
        value: impl Into<FilterValue>,
    ) -> Self {
        Self::Compare(property, operator, value.into())
    }

    /// True when operands are missing anywhere, nesting is too deep, or a value may not be written.
    pub(super) fn check(&self, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid("the recipient filter is nested too deeply"));
        }
        match self {
            Self::All(parts) | Self::Any(parts) => {
                if parts.len() < 2 {
                    return Err(Error::invalid("-and and -or of a recipient filter join two or more parts"));
                }
                parts.iter().try_for_each(|part| part.check(depth + 1))
            }
            Self::Not(inner) => inner.check(depth + 1),
            Self::Compare(_, operator, value) => match (operator, value) {
                (_, FilterValue::Text(text)) => opath_literal(text).map(drop),
                (FilterOperator::Equal | FilterOperator::NotEqual, _) | (_, FilterValue::Integer(_)) => {
                    Ok(())
                }
                _ => Err(Error::invalid("$true, $false and $null are compared with -eq and -ne only")),
            },
        }
    }

    fn part<'a>(&'a self) -> impl fmt::Display + 'a {
        struct InParentheses<'a>(&'a FilterExpression);
        impl fmt::Display for InParentheses<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "({})", self.0)
            }
        }
        InParentheses(self)
    }
}

/// Every part in parentheses of its own, so that no rule of precedence is ever needed to read it.
impl fmt::Display for FilterExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, between) = match self {
            Self::All(parts) => (parts, " -and "),
            Self::Any(parts) => (parts, " -or "),
            Self::Not(inner) => return write!(f, "-not {}", inner.part()),
            Self::Compare(property, operator, value) => {
                return write!(f, "{} -{} {value}", property.as_str(), operator.as_str());
            }
        };
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                f.write_str(between)?;
            }
            write!(f, "{}", part.part())?;
        }
        Ok(())
    }
}

impl fmt::Display for FilterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bool(true) => f.write_str("$true"),
            Self::Bool(false) => f.write_str("$false"),
            Self::Null => f.write_str("$null"),
        }
    }
}
