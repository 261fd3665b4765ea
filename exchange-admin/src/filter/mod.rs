//! Recipient filters (OPATH), the second level of quoting below PowerShell's.
//! <https://learn.microsoft.com/powershell/exchange/recipient-filters>

mod expression;
mod holds;
mod parse;
mod same;

use std::collections::BTreeSet;
use std::fmt;

use m365_core::{Error, Result};

pub use self::expression::{FilterExpression, FilterOperator, FilterProperty, FilterValue};
pub use self::holds::Attribute;
use self::parse::{Precedence, parse};
use self::same::canonical;
use crate::types::RecipientKind;

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
/// use exchange_admin::{FilterProperty, RecipientFilter, RecipientKind};
/// let wanted = RecipientFilter::members_of(["CN=Queues,OU=contoso,DC=x"])?;
/// assert_eq!(wanted.as_str(), "MemberOfGroup -eq 'CN=Queues,OU=contoso,DC=x'");
/// // Exchange hands it back in its own spelling.
/// let read = RecipientFilter::parse("((MemberOfGroup -eq 'cn=queues,ou=contoso,dc=X'))")?;
/// assert!(wanted.same_as(&read));
///
/// let rooms = RecipientFilter::of_kind(&RecipientKind::RoomMailbox)?;
/// let north = RecipientFilter::equals(FilterProperty::custom_attribute(3)?, "North")?;
/// assert_eq!(
///     RecipientFilter::all_of([rooms, north])?.as_str(),
///     "(RecipientTypeDetails -eq 'RoomMailbox') -and (CustomAttribute3 -eq 'North')"
/// );
/// # Ok::<(), exchange_admin::Error>(())
/// ```
///
/// # Precedence
/// Exchange's page on filters sends its readers to PowerShell's, where `-and` and `-or` are alike and count from left to
/// right (<https://learn.microsoft.com/powershell/exchange/recipient-filters>). That the server reads them so too is said
/// nowhere. So a filter that mixes them without parentheses is kept with both readings: it [holds](Self::holds) when both
/// hold, and is the [same as](Self::same_as) another when both readings are. What is built here has every parenthesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientFilter {
    text: String,
    expression: FilterExpression,
    /// What it says when `-and` goes before `-or`, where that differs.
    and_first: Option<FilterExpression>,
}

impl RecipientFilter {
    /// The direct members of any of these groups, each named by its distinguished name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when there is no group, or a name is no
    /// distinguished name.
    pub fn members_of<S: AsRef<str>>(groups: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut names = BTreeSet::new();
        for group in groups {
            let group = group.as_ref().trim();
            if !group.to_ascii_uppercase().starts_with("CN=") {
                return Err(Error::invalid(format!(
                    "a scope names its groups by distinguished name (CN=…), not by \"{}\"",
                    m365_core::redact::line(group)
                )));
            }
            names.insert(group.to_owned());
        }
        let member_of = || FilterProperty::fixed("MemberOfGroup");
        let terms = names.iter().map(|name| Self::equals(member_of(), name.as_str()));
        match terms.collect::<Result<Vec<_>>>()? {
            terms if terms.is_empty() => {
                Err(Error::invalid("a scope without a group would hold every mailbox"))
            }
            terms => Self::any_of(terms),
        }
    }

    /// The recipients of one kind: `RecipientTypeDetails -eq '…'`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an unnamed kind with an empty name.
    pub fn of_kind(kind: &RecipientKind) -> Result<Self> {
        Self::equals(FilterProperty::fixed("RecipientTypeDetails"), kind.as_str())
    }

    /// The recipients of a department: `Department -eq '…'`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an empty name.
    pub fn department(name: &str) -> Result<Self> {
        Self::equals(FilterProperty::fixed("Department"), name)
    }

    /// The recipients of which a property has this value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an empty text.
    pub fn equals(property: FilterProperty, value: impl Into<FilterValue>) -> Result<Self> {
        Self::from_expression(FilterExpression::compare(property, FilterOperator::Equal, value))
    }

    /// The recipients that every one of these filters holds.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when there is none, and for one whose
    /// [readings](Self#precedence) differ.
    pub fn all_of(filters: impl IntoIterator<Item = Self>) -> Result<Self> {
        Self::joined(filters, FilterExpression::All)
    }

    /// The recipients that any of these filters holds.
    ///
    /// # Errors
    /// As [`all_of`](Self::all_of).
    pub fn any_of(filters: impl IntoIterator<Item = Self>) -> Result<Self> {
        Self::joined(filters, FilterExpression::Any)
    }

    /// The recipients that this filter does not hold.
    ///
    /// # Errors
    /// As [`all_of`](Self::all_of).
    pub fn negated(self) -> Result<Self> {
        Self::from_expression(FilterExpression::Not(Box::new(self.certain()?)))
    }

    fn joined(
        filters: impl IntoIterator<Item = Self>,
        join: fn(Vec<FilterExpression>) -> FilterExpression,
    ) -> Result<Self> {
        let parts = filters.into_iter().map(Self::certain).collect::<Result<Vec<_>>>()?;
        match <[FilterExpression; 1]>::try_from(parts) {
            Ok([only]) => Self::from_expression(only),
            Err(parts) => Self::from_expression(join(parts)),
        }
    }

    fn certain(self) -> Result<FilterExpression> {
        match self.and_first {
            None => Ok(self.expression),
            Some(_) => {
                Err(Error::invalid("a recipient filter with -and and -or needs parentheses between them"))
            }
        }
    }

    /// A filter of this expression.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a joint of fewer than two parts, for an empty text
    /// and one with control characters, for `$true`, `$false` or `$null` with another operator than `-eq` and `-ne`, and
    /// for nesting beyond 64.
    pub fn from_expression(expression: FilterExpression) -> Result<Self> {
        expression.check(0)?;
        Ok(Self { text: expression.to_string(), expression, and_first: None })
    }

    /// A filter as somebody wrote it; its text is kept as it is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is empty (it would match everybody), holds a
    /// control character, or is no filter of comparisons.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::invalid("an empty recipient filter holds every mailbox"));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::invalid("a recipient filter holds a control character"));
        }
        let (expression, mixed) = parse(text, Precedence::LeftToRight)?;
        let and_first = if mixed { Some(parse(text, Precedence::AndFirst)?.0) } else { None };
        let and_first = and_first.filter(|other| canonical(other) != canonical(&expression));
        Ok(Self { text: text.to_owned(), expression, and_first })
    }

    /// The filter's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it says, read from left to right.
    pub fn expression(&self) -> &FilterExpression {
        &self.expression
    }

    /// True when it mixes `-and` and `-or` without parentheses, so that what it says hangs on their
    /// [precedence](Self#precedence).
    pub fn is_ambiguous(&self) -> bool {
        self.and_first.is_some()
    }

    /// Whether it holds a recipient, of which `attribute` tells the properties by name. `None` when that cannot be known:
    /// a property that matters was not read, texts are compared by order, or the two [readings](Self#precedence) differ.
    ///
    /// The names come as the filter writes them, in whatever case.
    ///
    /// A recipient without the property is one whose property is not equal to anything, as in the directory.
    ///
    /// ```
    /// use exchange_admin::{Attribute, RecipientFilter};
    /// let filter = RecipientFilter::parse("Department -eq 'Sales' -and -not (City -like 'Ber*')")?;
    /// let read = |name: &str| match name {
    ///     "Department" => Attribute::from("sales"),
    ///     "City" => Attribute::from("Oslo"),
    ///     _ => Attribute::Unread,
    /// };
    /// assert_eq!(filter.holds(read), Some(true));
    /// assert_eq!(filter.holds(|_| Attribute::Unread), None);
    /// # Ok::<(), exchange_admin::Error>(())
    /// ```
    pub fn holds(&self, attribute: impl Fn(&str) -> Attribute) -> Option<bool> {
        let held = holds::holds(&self.expression, &attribute);
        match &self.and_first {
            Some(other) if holds::holds(other, &attribute) != held => None,
            _ => held,
        }
    }

    /// The groups whose members it holds, in lower case; `None` when it says anything but that.
    pub fn groups(&self) -> Option<BTreeSet<String>> {
        if self.is_ambiguous() {
            return None;
        }
        let group = |part: FilterExpression| match part {
            FilterExpression::Compare(property, FilterOperator::Equal, FilterValue::Text(name))
                if property.is("MemberOfGroup") =>
            {
                Some(name)
            }
            _ => None,
        };
        match canonical(&self.expression) {
            FilterExpression::Any(parts) => parts.into_iter().map(group).collect(),
            other => Some(BTreeSet::from([group(other)?])),
        }
    }

    /// Whether both say the same, whatever their case, blanks, parentheses, and order of what `-and` and `-or` join.
    /// Exchange changes spelling when it stores a filter, so texts are never compared as they are. Filters that differ and
    /// yet hold the same mailboxes are not the same.
    pub fn same_as(&self, other: &Self) -> bool {
        let and_first = |filter: &Self| filter.and_first.as_ref().map(canonical);
        canonical(&self.expression) == canonical(&other.expression) && and_first(self) == and_first(other)
    }
}

impl fmt::Display for RecipientFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
