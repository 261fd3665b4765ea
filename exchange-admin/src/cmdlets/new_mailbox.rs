use m365_core::{MailboxAddress, Result};

use super::{Mailbox, last};
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::ObjectName;
use crate::{Cmdlet, Facts};

/// `New-Mailbox -Shared`: makes a shared mailbox. It needs no licence and no password; a mailbox with a password cannot be
/// made over REST.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-mailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSharedMailbox {
    pub(crate) name: ObjectName,
    pub(crate) address: MailboxAddress,
    display_name: Option<String>,
    alias: Option<String>,
}

impl NewSharedMailbox {
    /// A shared mailbox with this name and address.
    pub fn new(name: ObjectName, address: MailboxAddress) -> Self {
        Self { name, address, display_name: None, alias: None }
    }

    /// Another name for people.
    #[must_use]
    pub fn with_display_name(mut self, display_name: &str) -> Self {
        self.display_name = Some(display_name.to_owned());
        self
    }

    /// Another alias than Exchange would choose.
    #[must_use]
    pub fn with_alias(mut self, alias: &str) -> Self {
        self.alias = Some(alias.to_owned());
        self
    }
}

impl Cmdlet for NewSharedMailbox {
    type Output = Option<Mailbox>;

    const FACTS: &'static Facts = facts!(
        "New-Mailbox",
        "new-mailbox",
        ["Mail Recipient Creation"],
        RecipientManagement,
        NEW_MAILBOX,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Shared", Value::Switch(true))
            .with("Name", self.name.as_str())
            .with_some("DisplayName", self.display_name.as_deref())
            .with_some("Alias", self.alias.as_deref())
            .with("PrimarySmtpAddress", self.address.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(Mailbox::read).collect::<Result<Vec<_>>>().map(last)
    }
}
