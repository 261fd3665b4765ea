//! Recipient filters, evaluated as far as a mailbox's attributes were read.

use std::collections::BTreeMap;

use super::Outcome;
use crate::RecipientFilter;
use crate::filter::{Token, tokens};

/// Deeper filters are not evaluated.
const MAX_DEPTH: usize = 64;

/// Whether the filter holds a mailbox with these attributes. Unknown where an attribute was not read, and for every
/// operator whose meaning is not certain.
pub(super) fn holds(
    filter: &RecipientFilter,
    attributes: &BTreeMap<String, Vec<String>>,
    member_of: impl Fn(&str) -> Outcome,
) -> Outcome {
    let Some(tokens) = tokens(filter.as_str()) else { return Outcome::Unknown };
    let mut parser = Parser { rest: &tokens, attributes, member_of: &member_of };
    match parser.any_of(0) {
        Some(outcome) if parser.rest.is_empty() => outcome,
        _ => Outcome::Unknown,
    }
}

/// The properties that a filter asks for, in lower case, and the groups it names.
pub(super) fn mentions(filter: &RecipientFilter) -> (Vec<String>, Vec<String>) {
    let tokens = tokens(filter.as_str()).unwrap_or_default();
    let (mut properties, mut groups) = (Vec::new(), Vec::new());
    for window in tokens.windows(3) {
        if let [Token::Word(property), Token::Word(operator), value] = window
            && operator.starts_with('-')
            && !property.starts_with('-')
        {
            match value {
                Token::Literal(dn) if property.eq_ignore_ascii_case("MemberOfGroup") => {
                    groups.push(dn.clone());
                }
                _ => properties.push(property.to_lowercase()),
            }
        }
    }
    (properties, groups)
}

struct Parser<'a> {
    rest: &'a [Token],
    attributes: &'a BTreeMap<String, Vec<String>>,
    member_of: &'a dyn Fn(&str) -> Outcome,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn next_is(&mut self, word: &str) -> bool {
        let hit = matches!(self.rest.first(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        if hit {
            self.next();
        }
        hit
    }

    fn any_of(&mut self, depth: usize) -> Option<Outcome> {
        let mut outcome = self.all_of(depth)?;
        while self.next_is("-or") {
            outcome = outcome.or(self.all_of(depth)?);
        }
        Some(outcome)
    }

    fn all_of(&mut self, depth: usize) -> Option<Outcome> {
        let mut outcome = self.term(depth)?;
        while self.next_is("-and") {
            outcome = outcome.and(self.term(depth)?);
        }
        Some(outcome)
    }

    fn term(&mut self, depth: usize) -> Option<Outcome> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.next_is("-not") {
            return self.term(depth + 1).map(Outcome::not);
        }
        match (self.next()?, self.rest) {
            (Token::Open, _) => {
                let inner = self.any_of(depth + 1)?;
                matches!(self.next()?, Token::Close).then_some(inner)
            }
            (
                Token::Word(property),
                [Token::Word(operator), value @ (Token::Literal(_) | Token::Word(_)), ..],
            ) => {
                self.next();
                self.next();
                Some(self.compare(&property.to_lowercase(), &operator.to_lowercase(), value))
            }
            _ => None,
        }
    }

    fn compare(&self, property: &str, operator: &str, value: &Token) -> Outcome {
        if property == "memberofgroup" {
            return match (operator, value) {
                ("-eq", Token::Literal(dn)) => (self.member_of)(dn),
                ("-ne", Token::Literal(dn)) => (self.member_of)(dn).not(),
                _ => Outcome::Unknown,
            };
        }
        let Some(actual) = self.attributes.get(property) else { return Outcome::Unknown };
        let wanted = match value {
            Token::Word(null) if null.eq_ignore_ascii_case("$null") => {
                return match operator {
                    "-eq" => Outcome::of(actual.is_empty()),
                    "-ne" => Outcome::of(!actual.is_empty()),
                    _ => Outcome::Unknown,
                };
            }
            Token::Word(word) if word.starts_with('$') => return Outcome::Unknown,
            Token::Word(text) | Token::Literal(text) => text.to_lowercase(),
            Token::Open | Token::Close => return Outcome::Unknown,
        };
        let has = |like: bool| {
            actual.iter().any(|a| {
                let a = a.to_lowercase();
                if like { matches(&a, &wanted) } else { a == wanted }
            })
        };
        match operator {
            "-eq" => Outcome::of(has(false)),
            "-ne" => Outcome::of(!has(false)),
            // Other wildcards than the star are not promised to mean the same everywhere.
            "-like" | "-notlike" if wanted.contains(['?', '[', ']']) => Outcome::Unknown,
            "-like" => Outcome::of(has(true)),
            "-notlike" => Outcome::of(!has(true)),
            _ => Outcome::Unknown,
        }
    }
}

fn matches(actual: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| actual.strip_prefix(head)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            ("Alias -eq 'blue.room' -or Alias -eq 'a' -and Alias -eq 'b'", Outcome::Allowed),
            ("(Alias -eq 'blue.room' -or Alias -eq 'a') -and Alias -eq 'b'", Outcome::Denied),
            ("MemberOfGroup -eq 'CN=in' -and Alias -like 'b*'", Outcome::Allowed),
            ("MemberOfGroup -ne 'CN=in'", Outcome::Denied),
            ("MemberOfGroup -eq 'CN=elsewhere'", Outcome::Unknown),
            ("Alias -gt 'a'", Outcome::Unknown),
            ("Alias -like 'blue?room'", Outcome::Unknown),
            ("(Alias -eq 'blue.room'", Outcome::Unknown),
            ("Alias -eq 'blue.room') -or", Outcome::Unknown),
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

    proptest! {
        #[test]
        fn no_filter_makes_it_panic(text in "[ ()'!$a-zA-Z*.=,-]{0,60}") {
            if let Ok(filter) = RecipientFilter::parse(&text) {
                holds(&filter, &BTreeMap::new(), |_| Outcome::Unknown);
                mentions(&filter);
            }
        }
    }
}
