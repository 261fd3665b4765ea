use super::expression::{FilterExpression, FilterOperator, FilterProperty, FilterValue};

/// The same for filters that differ in spelling alone: case, order and repetition of operands, nested joints of one kind,
/// a negated comparison, a pattern without a wildcard, a number in quotes.
pub(super) fn canonical(expression: &FilterExpression) -> FilterExpression {
    match expression {
        FilterExpression::All(parts) => {
            let mut flat = Vec::new();
            for part in parts.iter().map(canonical) {
                match part {
                    FilterExpression::All(inner) => flat.extend(inner),
                    other => flat.push(other),
                }
            }
            joined(flat, FilterExpression::All)
        }
        FilterExpression::Any(parts) => {
            let mut flat = Vec::new();
            for part in parts.iter().map(canonical) {
                match part {
                    FilterExpression::Any(inner) => flat.extend(inner),
                    other => flat.push(other),
                }
            }
            joined(flat, FilterExpression::Any)
        }
        FilterExpression::Not(inner) => match canonical(inner) {
            FilterExpression::Not(twice) => *twice,
            FilterExpression::Compare(property, operator, value) => match opposite(operator) {
                Some(operator) => FilterExpression::Compare(property, operator, value),
                None => FilterExpression::Not(Box::new(FilterExpression::Compare(property, operator, value))),
            },
            other => FilterExpression::Not(Box::new(other)),
        },
        FilterExpression::Compare(property, operator, value) => compare(property, *operator, value),
    }
}

fn joined(
    mut parts: Vec<FilterExpression>,
    join: fn(Vec<FilterExpression>) -> FilterExpression,
) -> FilterExpression {
    parts.sort();
    parts.dedup();
    match <[FilterExpression; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => join(parts),
    }
}

/// Only where the negation of the one is the other for every recipient, also for one without the property.
fn opposite(operator: FilterOperator) -> Option<FilterOperator> {
    match operator {
        FilterOperator::Equal => Some(FilterOperator::NotEqual),
        FilterOperator::NotEqual => Some(FilterOperator::Equal),
        FilterOperator::Like => Some(FilterOperator::NotLike),
        FilterOperator::NotLike => Some(FilterOperator::Like),
        _ => None,
    }
}

fn compare(property: &FilterProperty, operator: FilterOperator, value: &FilterValue) -> FilterExpression {
    let value = match value {
        FilterValue::Text(text) => FilterValue::Text(text.to_lowercase()),
        FilterValue::Integer(number) => FilterValue::Text(number.to_string()),
        other => other.clone(),
    };
    let wildcard = matches!(&value, FilterValue::Text(text) if text.contains('*'));
    let operator = match operator {
        FilterOperator::Like if !wildcard => FilterOperator::Equal,
        FilterOperator::NotLike if !wildcard => FilterOperator::NotEqual,
        other => other,
    };
    FilterExpression::Compare(property.in_lower_case(), operator, value)
}
