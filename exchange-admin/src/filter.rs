//! Recipient filters (OPATH), the second level of quoting below PowerShell's.

use std::collections::BTreeSet;
use std::fmt;

use m365_core::{Error, Result};

/// A string literal of an OPATH filter: the ASCII apostrophe is doubled, and only that one. Written into a script, the
/// whole filter is quoted a second time.
///
/// ```
/// use exchange_admin::opath_literal;
/// assert_eq!(opath_literal("CN=Café d'Or,OU=x")?, "'CN=Café d''Or,OU=x'");
/// # Ok::<(), exchange_admin::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an empty text and for control characters.
pub fn opath_literal(text: &str) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::invalid("an empty value in a recipient filter would match too much"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid("a value of a recipient filter holds a control character"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// The filter of a management scope; never empty.
///
/// ```
/// use exchange_admin::RecipientFilter;
/// let wanted = RecipientFilter::members_of(["CN=Queues,OU=contoso,DC=x"])?;
/// assert_eq!(wanted.as_str(), "MemberOfGroup -eq 'CN=Queues,OU=contoso,DC=x'");
/// // Exchange hands it back in its own spelling.
/// let read = RecipientFilter::parse("((MemberOfGroup -eq 'cn=queues,ou=contoso,dc=X'))")?;
/// assert!(wanted.same_as(&read));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientFilter(String);

impl RecipientFilter {
    /// The direct members of any of these groups, each named by its distinguished name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when there is no group, or a name is no
    /// distinguished name.
    pub fn members_of<S: AsRef<str>>(groups: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut terms = BTreeSet::new();
        for group in groups {
            let group = group.as_ref().trim();
            if !group.to_ascii_uppercase().starts_with("CN=") {
                return Err(Error::invalid(format!(
                    "a scope names its groups by distinguished name (CN=…), not by \"{}\"",
                    m365_core::redact::line(group)
                )));
            }
            terms.insert(format!("MemberOfGroup -eq {}", opath_literal(group)?));
        }
        match terms.len() {
            0 => Err(Error::invalid("a scope without a group would hold every mailbox")),
            1 => Ok(Self(terms.into_iter().collect())),
            _ => {
                let terms: Vec<String> = terms.into_iter().map(|t| format!("({t})")).collect();
                Ok(Self(terms.join(" -or ")))
            }
        }
    }

    /// Another filter, as it is: by attribute or kind of recipient.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is empty (it would match everybody), has a
    /// literal without end, or holds a control character.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::invalid("an empty recipient filter holds every mailbox"));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::invalid("a recipient filter holds a control character"));
        }
        tokens(text).ok_or_else(|| Error::invalid("a literal of the recipient filter has no end"))?;
        Ok(Self(text.to_owned()))
    }

    /// The filter's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The groups whose members it holds, in lower case; `None` when it says anything but that.
    pub fn groups(&self) -> Option<BTreeSet<String>> {
        let tokens = tokens(&self.0)?;
        let mut depth = 0usize;
        let mut groups = BTreeSet::new();
        let mut rest = tokens.iter().filter(|token| match token {
            Token::Open => {
                depth += 1;
                false
            }
            Token::Close => {
                depth = depth.wrapping_sub(1);
                false
            }
            _ => true,
        });
        loop {
            match (rest.next()?, rest.next()?, rest.next()?) {
                (Token::Word(property), Token::Word(operator), Token::Literal(group))
                    if property.eq_ignore_ascii_case("MemberOfGroup")
                        && operator.eq_ignore_ascii_case("-eq") =>
                {
                    groups.insert(group.to_lowercase());
                }
                _ => return None,
            }
            match rest.next() {
                None => break,
                Some(Token::Word(or)) if or.eq_ignore_ascii_case("-or") => {}
                Some(_) => return None,
            }
        }
        (depth == 0).then_some(groups)
    }

    /// Whether both hold the same mailboxes: the same set of groups, or the same text but for case, blanks and outer
    /// parentheses. Exchange changes spelling when it stores a filter, so texts are never compared as they are.
    pub fn same_as(&self, other: &Self) -> bool {
        match (self.groups(), other.groups()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => match (plain(&self.0), plain(&other.0)) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
            _ => false,
        }
    }
}

impl fmt::Display for RecipientFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Open,
    Close,
    Word(String),
    Literal(String),
}

/// Tokens in lower case, without parentheses around the whole.
fn plain(text: &str) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = tokens(text)?
        .into_iter()
        .map(|token| match token {
            Token::Word(word) => Token::Word(word.to_lowercase()),
            Token::Literal(text) => Token::Literal(text.to_lowercase()),
            other => other,
        })
        .collect();
    while let [Token::Open, inner @ .., Token::Close] = tokens.as_slice() {
        // `(a) -or (b)` also begins and ends with a parenthesis, and they are not a pair.
        let mut depth = 1i32;
        let pair = inner.iter().all(|token| {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                _ => {}
            }
            depth > 0
        });
        if !pair {
            break;
        }
        tokens = inner.to_vec();
    }
    Some(tokens)
}

pub(crate) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => out.push(Token::Open),
            ')' => out.push(Token::Close),
            quote @ ('\'' | '"') => {
                let mut literal = String::new();
                loop {
                    match chars.next()? {
                        c if c != quote => literal.push(c),
                        _ if chars.next_if_eq(&quote).is_some() => literal.push(quote),
                        _ => break,
                    }
                }
                out.push(Token::Literal(literal));
            }
            c => {
                let mut word = c.to_string();
                while let Some(c) =
                    chars.next_if(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '\'' | '"'))
                {
                    word.push(c);
                }
                out.push(Token::Word(word));
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(text: &str) -> RecipientFilter {
        RecipientFilter::parse(text).unwrap()
    }

    #[test]
    fn trap_16_an_empty_or_unknown_filter_is_refused_and_sets_of_groups_are_compared() {
        assert!(RecipientFilter::parse(" \t").is_err());
        assert!(RecipientFilter::members_of(Vec::<String>::new()).is_err());
        assert!(RecipientFilter::members_of([""]).is_err());
        assert!(RecipientFilter::members_of(["queues@contoso.example"]).is_err());
        let wanted = RecipientFilter::members_of(["CN=B,DC=x", "CN=A'1,DC=x"]).unwrap();
        assert!(
            wanted
                .same_as(&filter("((memberofgroup -EQ 'cn=a''1,dc=X') -or (MemberOfGroup -eq 'CN=b,DC=x'))"))
        );
        assert!(!wanted.same_as(&filter("MemberOfGroup -eq 'CN=B,DC=x'")));
        assert!(!wanted.same_as(&filter("Department -eq 'x'")));
        assert!(
            !filter("MemberOfGroup -eq 'CN=B,DC=x' -and Name -eq 'y'")
                .same_as(&filter("MemberOfGroup -eq 'CN=B,DC=x'"))
        );
        assert_eq!(filter("MemberOfGroup -ne 'CN=B,DC=x'").groups(), None);
        assert_eq!(filter("-not (MemberOfGroup -eq 'CN=B,DC=x')").groups(), None);
        assert!(filter("(Department -eq 'Sales')").same_as(&filter("department  -eq 'sales'")));
        assert!(!filter("(A -eq '1') -or (B -eq '2')").same_as(&filter("A -eq '1') -or (B -eq '2'")));
    }

    proptest! {
        #[test]
        fn a_value_never_ends_its_opath_literal(name in "[a-z'\"()\u{2018}\u{2019} -]{1,40}") {
            let dn = format!("CN={name},DC=x");
            let filter = RecipientFilter::members_of([&dn]).unwrap();
            prop_assert_eq!(filter.groups(), Some(BTreeSet::from([dn.trim().to_lowercase()])));
        }
    }
}
