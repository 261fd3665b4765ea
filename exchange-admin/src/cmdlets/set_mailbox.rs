use m365_core::{Error, Result};

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// `Set-Mailbox`: what a set-up changes about a mailbox.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-mailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMailbox {
    mailbox: RecipientIdentity,
    on_behalf_added: Vec<String>,
    on_behalf_removed: Vec<String>,
    hidden: Option<bool>,
    copy_sent_as: Option<bool>,
}

impl SetMailbox {
    /// Of this mailbox; say at least one change.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self {
            mailbox: mailbox.into(),
            on_behalf_added: Vec::new(),
            on_behalf_removed: Vec::new(),
            hidden: None,
            copy_sent_as: None,
        }
    }

    /// Lets somebody send on behalf of the mailbox, besides those who do.
    #[must_use]
    pub fn with_send_on_behalf(mut self, grantee: &RecipientIdentity) -> Self {
        self.on_behalf_added.push(grantee.to_string());
        self
    }

    /// No longer lets somebody send on behalf of the mailbox.
    #[must_use]
    pub fn without_send_on_behalf(mut self, grantee: &RecipientIdentity) -> Self {
        self.on_behalf_removed.push(grantee.to_string());
        self
    }

    /// Hides it from address lists, or shows it.
    #[must_use]
    pub fn with_hidden_from_address_lists(mut self, hidden: bool) -> Self {
        self.hidden = Some(hidden);
        self
    }

    /// Keeps a copy of what others send as the mailbox in its own sent items, or does not.
    #[must_use]
    pub fn with_copy_of_sent_as(mut self, copy: bool) -> Self {
        self.copy_sent_as = Some(copy);
        self
    }
}

impl Cmdlet for SetMailbox {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-Mailbox",
        "set-mailbox",
        ["Mail Recipients"],
        RecipientManagement,
        PERMISSION,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        let on_behalf = (!self.on_behalf_added.is_empty() || !self.on_behalf_removed.is_empty()).then(|| {
            Value::Delta { add: self.on_behalf_added.clone(), remove: self.on_behalf_removed.clone() }
        });
        if on_behalf.is_none() && self.hidden.is_none() && self.copy_sent_as.is_none() {
            return Err(Error::invalid("nothing of the mailbox is to be changed"));
        }
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with_some("GrantSendOnBehalfTo", on_behalf)
            .with_some("HiddenFromAddressListsEnabled", self.hidden)
            .with_some("MessageCopyForSentAsEnabled", self.copy_sent_as)
            .anchored(self.mailbox.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
