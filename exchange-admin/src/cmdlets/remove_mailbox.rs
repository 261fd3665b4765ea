use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-Mailbox`: deletes a mailbox and its user. Exchange keeps it for 30 days. It is the inverse of
/// [`NewSharedMailbox`](super::NewSharedMailbox) and nothing else; mail that arrived in the meantime goes with it.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-mailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveMailbox {
    mailbox: RecipientIdentity,
}

impl RemoveMailbox {
    /// This mailbox.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into() }
    }
}

impl Cmdlet for RemoveMailbox {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-Mailbox",
        "remove-mailbox",
        ["Mail Recipient Creation"],
        RecipientManagement,
        NEW_MAILBOX,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.mailbox).anchored(self.mailbox.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
