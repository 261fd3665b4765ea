use super::expression::{FilterExpression, FilterOperator, FilterValue};

/// What is known of one property of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// It was not read, or reading failed.
    Unread,
    /// Its values, each as Exchange writes it; empty when the recipient has none.
    Values(Vec<String>),
    /// Some of its values, and some that it surely does not have; of all others nothing is known. So `MemberOfGroup` is
    /// answered from the member lists of the groups that were read.
    Partly {
        /// Values it has.
        has: Vec<String>,
        /// Values it does not have.
        lacks: Vec<String>,
    },
}

impl From<&str> for Attribute {
    fn from(value: &str) -> Self {
        Self::Values(vec![value.to_owned()])
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Values(vec![if value { "True" } else { "False" }.to_owned()])
    }
}

/// Whether the expression holds: yes, no, or not known. A part that is not known matters only where the others leave the
/// matter open.
pub(super) fn holds(expression: &FilterExpression, attribute: &dyn Fn(&str) -> Attribute) -> Option<bool> {
    match expression {
        FilterExpression::All(parts) => all(parts.iter().map(|part| holds(part, attribute))),
        FilterExpression::Any(parts) => {
            all(parts.iter().map(|part| holds(part, attribute).map(|held| !held))).map(|none| !none)
        }
        FilterExpression::Not(inner) => holds(inner, attribute).map(|held| !held),
        FilterExpression::Compare(property, operator, value) => {
            compare(&attribute(property.as_str()), *operator, value)
        }
    }
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut verdict = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => verdict = None,
            Some(true) => {}
        }
    }
    verdict
}

fn compare(attribute: &Attribute, operator: FilterOperator, value: &FilterValue) -> Option<bool> {
    match operator {
        FilterOperator::Equal => equal(attribute, value),
        FilterOperator::NotEqual => equal(attribute, value).map(|held| !held),
        FilterOperator::Like => like(attribute, value),
        FilterOperator::NotLike => like(attribute, value).map(|held| !held),
        FilterOperator::Greater => ordered(attribute, value, |a, b| a > b),
        FilterOperator::GreaterOrEqual => ordered(attribute, value, |a, b| a >= b),
        FilterOperator::Less => ordered(attribute, value, |a, b| a < b),
        FilterOperator::LessOrEqual => ordered(attribute, value, |a, b| a <= b),
    }
}

fn equal(attribute: &Attribute, value: &FilterValue) -> Option<bool> {
    let wanted = match value {
        FilterValue::Text(text) => text.clone(),
        FilterValue::Integer(number) => number.to_string(),
        FilterValue::Bool(true) => "True".to_owned(),
        FilterValue::Bool(false) => "False".to_owned(),
        FilterValue::Null => {
            return match attribute {
                Attribute::Unread => None,
                Attribute::Values(values) => Some(values.is_empty()),
                Attribute::Partly { has, .. } => (!has.is_empty()).then_some(false),
            };
        }
    };
    // What Exchange makes of an empty text is not published.
    if wanted.trim().is_empty() {
        return None;
    }
    match attribute {
        Attribute::Unread => None,
        // A truth value that was never set is not the same as one that was not read; Exchange shows both as False.
        Attribute::Values(values) if values.is_empty() && matches!(value, FilterValue::Bool(_)) => None,
        Attribute::Values(values) => Some(contains(values, &wanted)),
        Attribute::Partly { has, .. } if contains(has, &wanted) => Some(true),
        Attribute::Partly { lacks, .. } if contains(lacks, &wanted) => Some(false),
        Attribute::Partly { .. } => None,
    }
}

fn contains(values: &[String], wanted: &str) -> bool {
    values.iter().any(|v| same(v, wanted))
}

pub(super) fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn like(attribute: &Attribute, value: &FilterValue) -> Option<bool> {
    let pattern = match value {
        // Whether other wildcards than the star are any is not published.
        FilterValue::Text(text) if text.contains(['?', '[', ']']) => return None,
        FilterValue::Text(text) if text.contains('*') => text.to_lowercase(),
        FilterValue::Bool(_) | FilterValue::Null => return None,
        value => return equal(attribute, value),
    };
    match attribute {
        Attribute::Unread => None,
        Attribute::Values(values) => Some(values.iter().any(|v| fits(&v.to_lowercase(), &pattern))),
        Attribute::Partly { has, .. } => {
            has.iter().any(|v| fits(&v.to_lowercase(), &pattern)).then_some(true)
        }
    }
}

/// `*` stands for any run of characters.
fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Numbers only: in which order the directory has texts and times is not ours to guess.
fn ordered(attribute: &Attribute, value: &FilterValue, test: fn(i64, i64) -> bool) -> Option<bool> {
    let wanted: i64 = match value {
        FilterValue::Integer(number) => *number,
        FilterValue::Text(text) => text.trim().parse().ok()?,
        FilterValue::Bool(_) | FilterValue::Null => return None,
    };
    let Attribute::Values(values) = attribute else {
        return None;
    };
    let numbers: Option<Vec<i64>> = values.iter().map(|v| v.trim().parse().ok()).collect();
    Some(numbers?.into_iter().any(|number| test(number, wanted)))
}
