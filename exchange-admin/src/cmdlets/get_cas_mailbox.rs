use m365_core::{Error, Result};

use super::{CasMailbox, absent};
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::{Names, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `Get-CASMailbox -Identity`: the protocol switches of one mailbox.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-casmailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetCasMailbox {
    mailbox: RecipientIdentity,
}

impl GetCasMailbox {
    /// Of this mailbox.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into() }
    }
}

impl Cmdlet for GetCasMailbox {
    type Output = Option<CasMailbox>;

    const FACTS: &'static Facts = facts!(
        "Get-CASMailbox",
        "get-casmailbox",
        ["View-Only Recipients", "Organization Client Access"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .anchored(self.mailbox.anchor())
            .selecting(CasMailbox::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.mailbox.to_string();
        let all = rows.iter().filter(|r| Names::of_recipient(r).contain(&wanted));
        only(all.map(CasMailbox::read).collect::<Result<_>>()?, &wanted, |_| true)
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}
