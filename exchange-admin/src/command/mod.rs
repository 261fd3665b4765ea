//! The one intermediate form of a cmdlet call. It is rendered to an Admin API body ([`Command::to_invoke_body`]) or to
//! a line of PowerShell ([`Command::to_powershell`]); both say the same.

mod invoke;
pub(crate) mod powershell;

use std::fmt;

use m365_core::MailboxAddress;
use uuid::Uuid;

use crate::Result;
use crate::cmdlet::Facts;

/// A cmdlet's name, from this crate's fixed table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CmdletName(&'static str);

impl CmdletName {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// `Verb-Noun`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// True for cmdlets that ask before they act; we answer in advance.
    fn asks_for_confirmation(self) -> bool {
        self.0.starts_with("Remove-") || self.0.starts_with("Set-") || self.0 == "Add-RecipientPermission"
    }
}

impl fmt::Display for CmdletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for CmdletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A parameter's name, from this crate's fixed table; never a caller's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterName(&'static str);

impl ParameterName {
    /// The name without its dash.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A string; it may be a caller's text.
    Text(String),
    /// A `[bool]`, sent either way.
    Bool(bool),
    /// A switch: off is left out.
    Switch(bool),
    /// A number.
    Int(i64),
    /// A `string[]`.
    List(Vec<String>),
    /// A flag enum: one string, members joined by commas.
    Flags(Vec<&'static str>),
    /// A password that the person at the script's prompt types. There is no value here, and no route but the script takes
    /// it.
    SecretPrompt(&'static str),
    /// `$null`, which clears a property. Only ever on purpose.
    Null,
    /// A change of a multi-valued property. Not empty: an empty table would empty the property instead.
    Delta {
        /// Values to add.
        add: Vec<String>,
        /// Values to remove.
        remove: Vec<String>,
    },
}

/// Which back end should answer: header `X-AnchorMailbox`. Tenants are named by GUID there, since paging fails with a
/// vanity domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anchor {
    /// The organisation's system mailbox.
    Organization,
    /// The mailbox with this address.
    Address(MailboxAddress),
    /// The mailbox with this `ExchangeGuid`.
    ExchangeGuid(Uuid),
}

/// One cmdlet call, made by a typed cmdlet ([`crate::Cmdlet::command`]) and by nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    facts: &'static Facts,
    parameters: Vec<(ParameterName, Value)>,
    anchor: Anchor,
    select: &'static [&'static str],
}

impl Command {
    pub(crate) fn new(facts: &'static Facts) -> Self {
        let mut parameters = Vec::new();
        if facts.name.asks_for_confirmation() {
            parameters.push((ParameterName("Confirm"), Value::Bool(false)));
        }
        Self { facts, parameters, anchor: Anchor::Organization, select: &[] }
    }

    /// Sets a parameter; `Confirm` stays last, where a reader of the script expects it.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let at = match self.parameters.last() {
            Some((ParameterName("Confirm"), _)) => self.parameters.len() - 1,
            _ => self.parameters.len(),
        };
        self.parameters.insert(at, (ParameterName(name), value.into()));
        self
    }

    /// Sets a parameter when there is a value.
    #[must_use]
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same without a parameter.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(n, _)| n.0 != name);
        self
    }

    #[must_use]
    pub(crate) fn anchored(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    #[must_use]
    pub(crate) fn selecting(mut self, properties: &'static [&'static str]) -> Self {
        self.select = properties;
        self
    }

    /// The cmdlet's name.
    pub fn name(&self) -> CmdletName {
        self.facts.name
    }

    /// What is known of the cmdlet: page, role, propagation, idempotency.
    pub fn facts(&self) -> &'static Facts {
        self.facts
    }

    /// The parameters, in the order in which they are written.
    pub fn parameters(&self) -> &[(ParameterName, Value)] {
        &self.parameters
    }

    /// The value of one parameter.
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find_map(|(n, v)| (n.0 == name).then_some(v))
    }

    /// Which back end should answer.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The properties asked for; empty: all of them. A row shrinks from 15 kB to 0.4 kB by it.
    pub fn select(&self) -> &'static [&'static str] {
        self.select
    }

    /// The JSON body of `InvokeCommand`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an empty [`Value::Delta`];
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for a [`Value::SecretPrompt`].
    pub fn to_invoke_body(&self) -> Result<Vec<u8>> {
        invoke::body(self)
    }

    /// One line of PowerShell.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) naming the parameter when a value holds a control
    /// character, a line separator or a character that changes the direction of writing, and for an empty
    /// [`Value::Delta`].
    pub fn to_powershell(&self) -> Result<String> {
        powershell::line(self)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}
