//! Recipient filters, evaluated as far as a mailbox's attributes and its groups were read.

use std::collections::BTreeMap;

use super::Outcome;
use crate::{Attribute, FilterExpression, FilterValue, RecipientFilter};

const MEMBER_OF_GROUP: &str = "MemberOfGroup";

/// Whether the filter holds a mailbox with these attributes (by their names in lower case). Unknown where something that
/// matters was not read, and for every comparison whose meaning is not certain.
pub(super) fn holds(
    filter: &RecipientFilter,
    attributes: &BTreeMap<String, Vec<String>>,
    member_of: impl Fn(&str) -> Outcome,
) -> Outcome {
    let held = filter.holds(|property| {
        if property.eq_ignore_ascii_case(MEMBER_OF_GROUP) {
            let (mut has, mut lacks) = (Vec::new(), Vec::new());
            for dn in mentions(filter).1 {
                match member_of(&dn) {
                    Outcome::Allowed => has.push(dn),
                    Outcome::Denied => lacks.push(dn),
                    Outcome::Unknown => {}
                }
            }
            return Attribute::Partly { has, lacks };
        }
        attributes
            .get(&property.to_lowercase())
            .map_or(Attribute::Unread, |values| Attribute::Values(values.clone()))
    });
    held.map_or(Outcome::Unknown, Outcome::of)
}

/// The properties that a filter asks for, in lower case, and the groups it names.
pub(super) fn mentions(filter: &RecipientFilter) -> (Vec<String>, Vec<String>) {
    let (mut properties, mut groups) = (Vec::new(), Vec::new());
    let mut open = vec![filter.expression()];
    while let Some(expression) = open.pop() {
        match expression {
            FilterExpression::All(parts) | FilterExpression::Any(parts) => open.extend(parts),
            FilterExpression::Not(inner) => open.push(inner),
            FilterExpression::Compare(property, _, FilterValue::Text(dn)) if property.is(MEMBER_OF_GROUP) => {
                groups.push(dn.clone());
            }
            FilterExpression::Compare(property, ..) => properties.push(property.as_str().to_lowercase()),
        }
    }
    (properties, groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(filter: &str) -> Outcome {
        let attributes = BTreeMap::from([
            ("alias".to_owned(), vec!["blue.room".to_owned()]),
            ("department".to_owned(), vec![]),
            ("customattribute1".to_owned(), vec!["Blue, first".to_owned()]),
        ]);
        holds(&RecipientFilter::parse(filter).unwrap(), &attributes, |dn| match dn {
            "CN=in" => Outcome::Allowed,
            "CN=out" => Outcome::Denied,
            _ => Outcome::Unknown,
        })
    }

    #[test]
    fn what_was_read_is_compared_and_the_rest_is_unknown() {
        for (filter, wanted) in [
            ("Alias -eq 'BLUE.room'", Outcome::Allowed),
            ("Alias -ne 'blue.room'", Outcome::Denied),
            ("Alias -like 'blue*' -and CustomAttribute1 -like '*FIRST'", Outcome::Allowed),
            ("Alias -notlike '*e.r*'", Outcome::Denied),
            ("Department -eq 'Sales'", Outcome::Denied),
            ("Department -ne 'Sales'", Outcome::Allowed),
            ("Department -eq $null", Outcome::Allowed),
            ("Alias -ne $null", Outcome::Allowed),
            ("City -eq 'Berlin'", Outcome::Unknown),
            ("City -eq 'Berlin' -or Alias -eq 'blue.room'", Outcome::Allowed),
            ("City -eq 'Berlin' -and Alias -eq 'x'", Outcome::Denied),
            ("-not (City -eq 'Berlin')", Outcome::Unknown),
            ("-not (Alias -eq 'x')", Outcome::Allowed),
            ("(Alias -eq 'blue.room' -or Alias -eq 'a') -and Alias -eq 'b'", Outcome::Denied),
            // It holds when -and goes before -or, and not when it is read from left to right.
            ("Alias -eq 'blue.room' -or Alias -eq 'a' -and Alias -eq 'b'", Outcome::Unknown),
            ("MemberOfGroup -eq 'CN=in' -and Alias -like 'b*'", Outcome::Allowed),
            ("MemberOfGroup -ne 'CN=in'", Outcome::Denied),
            ("MemberOfGroup -eq 'CN=out'", Outcome::Denied),
            ("MemberOfGroup -eq 'CN=elsewhere'", Outcome::Unknown),
            ("MemberOfGroup -eq 'CN=elsewhere' -or MemberOfGroup -eq 'CN=in'", Outcome::Allowed),
            ("Alias -gt 'a'", Outcome::Unknown),
            ("Alias -like 'blue?room'", Outcome::Unknown),
        ] {
            assert_eq!(of(filter), wanted, "{filter}");
        }
    }

    #[test]
    fn what_a_filter_asks_for_is_named() {
        let filter =
            RecipientFilter::parse("(Department -eq 'x') -and -not (MemberOfGroup -eq 'CN=in')").unwrap();
        assert_eq!(mentions(&filter), (vec!["department".to_owned()], vec!["CN=in".to_owned()]));
    }
}
