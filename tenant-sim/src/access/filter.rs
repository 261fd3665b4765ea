//! OPATH recipient filters, as far as management scopes for apps use them.
//! <https://learn.microsoft.com/powershell/exchange/recipientfilter-properties>

use std::fmt;

use crate::state::MailboxRecipient;

/// Nesting beyond this is refused, so that a hostile filter cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Filters with more tokens are refused, for the same reason.
const MAX_TOKENS: usize = 4000;

/// Properties with a value in this simulator; `MemberOfGroup` is answered by the caller.
const KNOWN: [&str; 8] = [
    "MemberOfGroup",
    "Alias",
    "PrimarySmtpAddress",
    "RecipientTypeDetails",
    "Name",
    "DisplayName",
    "UserPrincipalName",
    "EmailAddresses",
];

/// Properties that Exchange can filter on and that are empty on every recipient here.
const EMPTY: [&str; 9] = [
    "Department",
    "Company",
    "City",
    "Office",
    "Title",
    "StateOrProvince",
    "CountryOrRegion",
    "Manager",
    "Notes",
];

/// A parsed filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// All must hold.
    And(Box<Filter>, Box<Filter>),
    /// One must hold.
    Or(Box<Filter>, Box<Filter>),
    /// Must not hold.
    Not(Box<Filter>),
    /// One comparison.
    Compare {
        /// Property, in Exchange's spelling.
        property: String,
        /// Operator.
        operator: Operator,
        /// Right-hand side without quotes.
        value: String,
    },
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `-eq`
    Equal,
    /// `-ne`
    NotEqual,
    /// `-like`, with `*`
    Like,
    /// `-notlike`
    NotLike,
}

impl Filter {
    /// Reads a filter; the error is a sentence for the administrator.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: tokens.into_iter().peekable() };
        let filter = parser.or(0)?;
        match parser.tokens.next() {
            None => Ok(filter),
            Some(extra) => Err(format!("Unexpected {extra:?} after the end of the filter.")),
        }
    }

    /// True when the filter selects the mailbox; `member_of` answers for a group's distinguished name.
    pub(crate) fn matches(&self, mailbox: &MailboxRecipient, member_of: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::And(a, b) => a.matches(mailbox, member_of) && b.matches(mailbox, member_of),
            Self::Or(a, b) => a.matches(mailbox, member_of) || b.matches(mailbox, member_of),
            Self::Not(inner) => !inner.matches(mailbox, member_of),
            Self::Compare { property, operator, value } => {
                let hit = if property == "MemberOfGroup" {
                    member_of(value)
                } else {
                    values(mailbox, property).iter().any(|actual| match operator {
                        Operator::Equal | Operator::NotEqual => same(actual, value),
                        Operator::Like | Operator::NotLike => like(actual, value),
                    })
                };
                match operator {
                    Operator::Equal | Operator::Like => hit,
                    Operator::NotEqual | Operator::NotLike => !hit,
                }
            }
        }
    }
}

/// Exchange shows filters in its own normal form: every part of a compound one in parentheses.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(a, b) => write!(f, "(({a}) -and ({b}))"),
            Self::Or(a, b) => write!(f, "(({a}) -or ({b}))"),
            Self::Not(inner) => write!(f, "-not({inner})"),
            Self::Compare { property, operator, value } => {
                let operator = match operator {
                    Operator::Equal => "-eq",
                    Operator::NotEqual => "-ne",
                    Operator::Like => "-like",
                    Operator::NotLike => "-notlike",
                };
                write!(f, "{property} {operator} '{}'", value.replace('\'', "''"))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Dash(String),
    Word(String),
    Text(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = vec![];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if out.len() >= MAX_TOKENS {
            return Err("The filter is too long.".to_owned());
        }
        match c {
            c if c.is_whitespace() => {}
            '(' => out.push(Token::Open),
            ')' => out.push(Token::Close),
            '!' => out.push(Token::Dash("not".to_owned())),
            quote @ ('\'' | '"') => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        None => return Err("A quoted value in the filter has no end.".to_owned()),
                        Some(c) if c == quote && chars.peek() == Some(&quote) => {
                            value.push(quote);
                            chars.next();
                        }
                        Some(c) if c == quote => break,
                        Some(c) => value.push(c),
                    }
                }
                out.push(Token::Text(value));
            }
            c if c == '-' || c == '$' || c.is_alphanumeric() => {
                let mut word = String::new();
                if c != '-' {
                    word.push(c);
                }
                while let Some(next) =
                    chars.next_if(|n| n.is_alphanumeric() || matches!(n, '.' | '_' | '@' | '*'))
                {
                    word.push(next);
                }
                out.push(if c == '-' { Token::Dash(word.to_ascii_lowercase()) } else { Token::Word(word) });
            }
            other => return Err(format!("The filter holds the character '{other}' where none is allowed.")),
        }
    }
    Ok(out)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn or(&mut self, depth: usize) -> Result<Filter, String> {
        let mut left = self.and(depth)?;
        while self.tokens.next_if(|t| matches!(t, Token::Dash(op) if op == "or")).is_some() {
            left = Filter::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Filter, String> {
        let mut left = self.unary(depth)?;
        while self.tokens.next_if(|t| matches!(t, Token::Dash(op) if op == "and")).is_some() {
            left = Filter::And(Box::new(left), Box::new(self.unary(depth)?));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > MAX_DEPTH {
            return Err("The filter is nested too deeply.".to_owned());
        }
        match self.tokens.next() {
            Some(Token::Open) => {
                let inner = self.or(depth + 1)?;
                match self.tokens.next() {
                    Some(Token::Close) => Ok(inner),
                    _ => Err("A closing parenthesis is missing in the filter.".to_owned()),
                }
            }
            Some(Token::Dash(op)) if op == "not" => Ok(Filter::Not(Box::new(self.unary(depth + 1)?))),
            Some(Token::Word(property)) => self.comparison(&property),
            Some(other) => Err(format!("Unexpected {other:?} in the filter.")),
            None => Err("The filter is empty or ends too early.".to_owned()),
        }
    }

    fn comparison(&mut self, property: &str) -> Result<Filter, String> {
        let property = spelling(property)
            .ok_or_else(|| format!("\"{property}\" is not a recognized filterable property."))?;
        let operator = match self.tokens.next() {
            Some(Token::Dash(op)) => match op.as_str() {
                "eq" => Operator::Equal,
                "ne" => Operator::NotEqual,
                "like" => Operator::Like,
                "notlike" => Operator::NotLike,
                other => return Err(format!("The operator -{other} is not supported here.")),
            },
            _ => return Err(format!("An operator is missing after {property}.")),
        };
        match self.tokens.next() {
            Some(Token::Text(value) | Token::Word(value)) => {
                Ok(Filter::Compare { property, operator, value })
            }
            _ => Err(format!("A value is missing after {property}.")),
        }
    }
}

fn spelling(property: &str) -> Option<String> {
    if let Some(known) = KNOWN.iter().chain(&EMPTY).find(|known| known.eq_ignore_ascii_case(property)) {
        return Some((*known).to_owned());
    }
    let number = property.to_ascii_lowercase().strip_prefix("customattribute")?.parse::<u8>().ok()?;
    (1..=15).contains(&number).then(|| format!("CustomAttribute{number}"))
}

fn values(mailbox: &MailboxRecipient, property: &str) -> Vec<String> {
    match property {
        "Alias" => vec![mailbox.alias.clone()],
        "PrimarySmtpAddress" => vec![mailbox.primary_smtp_address.clone()],
        "RecipientTypeDetails" => vec![mailbox.recipient_type_details().to_owned()],
        "Name" => vec![mailbox.name.clone()],
        "DisplayName" => vec![mailbox.display_name.clone()],
        "UserPrincipalName" => vec![mailbox.upn.clone()],
        "EmailAddresses" => mailbox.proxy_addresses(),
        _ => vec![],
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// `*` stands for any run of characters.
fn like(actual: &str, pattern: &str) -> bool {
    let (actual, pattern) = (actual.to_lowercase(), pattern.to_lowercase());
    let Some((head, tail)) = pattern.split_once('*') else {
        return actual == pattern;
    };
    let Some(mut rest) = actual.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
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
    use proptest::prelude::*;

    use super::*;
    use crate::state::MailboxKind;

    fn room() -> MailboxRecipient {
        MailboxRecipient {
            object_id: uuid::Uuid::from_u128(7),
            exchange_guid: uuid::Uuid::from_u128(8),
            name: "Blue Room".to_owned(),
            alias: "blue.room".to_owned(),
            display_name: "Blue Room".to_owned(),
            upn: "blue.room@adatum.example".to_owned(),
            primary_smtp_address: "blue.room@adatum.example".to_owned(),
            aliases: vec![],
            kind: MailboxKind::Room,
            imap_enabled: true,
            remote: false,
        }
    }

    fn selects(filter: &str) -> bool {
        Filter::parse(filter).expect(filter).matches(&room(), &|dn| dn == "CN=rooms,DC=x")
    }

    #[test]
    fn comparisons_ignore_case_and_know_wildcards() {
        assert!(selects("recipienttypedetails -EQ 'roommailbox'"));
        assert!(
            selects("Alias -like 'BLUE*'")
                && selects("Alias -like '*ue*om'")
                && !selects("Alias -like 'lue*'")
        );
        assert!(selects("Alias -ne 'red'") && !selects("Alias -ne 'blue.room'"));
        assert!(!selects("Department -eq 'Sales'") && selects("Department -ne 'Sales'"));
        assert!(!selects("CustomAttribute7 -eq 'x'") && Filter::parse("CustomAttribute16 -eq 'x'").is_err());
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(selects("Alias -eq 'blue.room' -or Alias -eq 'a' -and Alias -eq 'b'"));
        assert!(!selects("(Alias -eq 'blue.room' -or Alias -eq 'a') -and Alias -eq 'b'"));
        assert!(selects("MemberOfGroup -eq 'CN=rooms,DC=x' -and -not (Name -eq 'x')"));
    }

    #[test]
    fn broken_filters_are_refused() {
        for broken in
            ["", "Alias", "Alias -eq", "Alias -eq 'x", "(Alias -eq 'x'", "Alias -eq 'x')", "Colour -eq 'x'"]
        {
            assert!(Filter::parse(broken).is_err(), "{broken}");
        }
        assert!(Filter::parse(&"(".repeat(100_000)).is_err());
        assert!(Filter::parse(&"Alias -eq 'x' -or ".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[ ()'!$a-zA-Z*.=,-]{0,80}|.{0,80}") {
            let _ignored = Filter::parse(&text).map(|f| f.matches(&room(), &|_| true));
        }

        #[test]
        fn a_quoted_value_survives_its_normal_form(value in "[^\u{0}]{0,20}") {
            let text = format!("alias -eq '{}' -or (Name -ne 'x')", value.replace('\'', "''"));
            let filter = Filter::parse(&text).unwrap();
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }
}
