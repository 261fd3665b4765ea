//! The slice of `$filter` that clients use: comparisons joined by `and` or `or`, and `startswith`.

use serde_json::Value;

/// A filter: any of several groups, in each of which all terms hold.
#[derive(Debug, PartialEq)]
pub(crate) struct Filter(Vec<Vec<Term>>);

#[derive(Debug, PartialEq)]
struct Term {
    property: String,
    operator: Operator,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    StartsWith,
}

impl Filter {
    /// True when the object satisfies it; texts are compared without case, as the directory does.
    pub(crate) fn holds(&self, item: &Value) -> bool {
        self.0.iter().any(|all| all.iter().all(|term| term.holds(item)))
    }
}

impl Term {
    fn holds(&self, item: &Value) -> bool {
        let found = self.property.split('/').try_fold(item, |at, name| {
            at.as_object()?.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v)
        });
        let found = found.unwrap_or(&Value::Null);
        let fold = |v: &Value| match v {
            Value::String(s) => s.to_lowercase(),
            other => other.to_string(),
        };
        let (left, right) = (fold(found), fold(&self.value));
        match self.operator {
            Operator::Eq => left == right,
            Operator::Ne => left != right,
            Operator::Gt => left > right,
            Operator::Ge => left >= right,
            Operator::Lt => left < right,
            Operator::Le => left <= right,
            Operator::StartsWith => found.is_string() && left.starts_with(&right),
        }
    }
}

/// `None` when the text is not of this slice.
pub(crate) fn parse(text: &str) -> Option<Filter> {
    let mut words = tokens(text)?.into_iter().peekable();
    let mut groups = vec![Vec::new()];
    loop {
        let property = words.next()?;
        let term = if property.eq_ignore_ascii_case("startswith") {
            let property = words.next()?;
            Term { property, operator: Operator::StartsWith, value: literal(&words.next()?)? }
        } else {
            let operator = match words.next()?.to_ascii_lowercase().as_str() {
                "eq" => Operator::Eq,
                "ne" => Operator::Ne,
                "gt" => Operator::Gt,
                "ge" => Operator::Ge,
                "lt" => Operator::Lt,
                "le" => Operator::Le,
                _ => return None,
            };
            Term { property, operator, value: literal(&words.next()?)? }
        };
        groups.last_mut()?.push(term);
        match words.next().map(|w| w.to_ascii_lowercase()).as_deref() {
            None => return Some(Filter(groups)),
            Some("and") => {}
            Some("or") => groups.push(Vec::new()),
            Some(_) => return None,
        }
    }
}

/// Words and quoted texts (kept with their opening quote); parentheses and commas only separate.
fn tokens(text: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let mut word = String::from('\'');
                loop {
                    match chars.next()? {
                        '\'' if chars.peek() == Some(&'\'') => {
                            chars.next();
                            word.push('\'');
                        }
                        '\'' => break,
                        other => word.push(other),
                    }
                }
                all.push(word);
            }
            c if c.is_whitespace() || matches!(c, '(' | ')' | ',') => {}
            c => {
                let mut word = String::from(c);
                while let Some(next) =
                    chars.next_if(|n| !n.is_whitespace() && !matches!(n, '(' | ')' | ',' | '\''))
                {
                    word.push(next);
                }
                all.push(word);
            }
        }
    }
    Some(all)
}

fn literal(word: &str) -> Option<Value> {
    if let Some(text) = word.strip_prefix('\'') {
        return Some(Value::String(text.to_owned()));
    }
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        // Dates and bare GUIDs; dates compare as text when both are UTC without fractions.
        other => Some(Value::String(match other.parse::<jiff::Timestamp>() {
            Ok(at) => at.to_string(),
            Err(_) => other.to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn apostrophes_are_doubled() {
        let filter = parse("displayName eq 'O''Brien' or startswith(mail,'a')").expect("parses");
        assert!(filter.holds(&json!({"displayName": "o'brien"})));
        assert!(filter.holds(&json!({"mail": "alice@x"})));
        assert!(!filter.holds(&json!({"displayName": "other", "mail": null})));
        assert!(parse("displayName eq 'open").is_none());
        assert!(parse("displayName").is_none());
    }

    #[test]
    fn dates_compare_in_any_offset() {
        let filter = parse("receivedDateTime ge 2026-11-21T08:00:00+01:00").expect("parses");
        assert!(filter.holds(&json!({"receivedDateTime": "2026-11-21T07:00:00Z"})));
        assert!(!filter.holds(&json!({"receivedDateTime": "2026-11-21T06:59:59Z"})));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = parse(&text);
        }
    }
}
