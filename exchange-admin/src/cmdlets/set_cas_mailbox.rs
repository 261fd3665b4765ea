use m365_core::{Error, Result};

use crate::command::Command;
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// `Set-CASMailbox`: turns protocols of one mailbox on or off.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-casmailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCasMailbox {
    mailbox: RecipientIdentity,
    imap: Option<bool>,
    pop: Option<bool>,
}

impl SetCasMailbox {
    /// Of this mailbox; say at least one switch.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into(), imap: None, pop: None }
    }

    /// IMAP on or off.
    #[must_use]
    pub fn with_imap_enabled(mut self, enabled: bool) -> Self {
        self.imap = Some(enabled);
        self
    }

    /// POP on or off.
    #[must_use]
    pub fn with_pop_enabled(mut self, enabled: bool) -> Self {
        self.pop = Some(enabled);
        self
    }
}

impl Cmdlet for SetCasMailbox {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-CASMailbox",
        "set-casmailbox",
        ["Organization Client Access", "Mail Recipients"],
        RecipientManagement,
        PROTOCOL_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        if self.imap.is_none() && self.pop.is_none() {
            return Err(Error::invalid("no switch of the mailbox is to be set"));
        }
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with_some("ImapEnabled", self.imap)
            .with_some("PopEnabled", self.pop)
            .anchored(self.mailbox.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
