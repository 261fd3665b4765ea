use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// `Set-TransportConfig -SmtpClientAuthenticationDisabled`: turns authenticated SMTP on or off for all mailboxes that do
/// not say otherwise. One mailbox's own switch ([`SetCasMailbox`](super::SetCasMailbox)) is the smaller step.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-transportconfig>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetTransportConfig {
    smtp_disabled: bool,
}

impl SetTransportConfig {
    /// Turned off (`true`) or on.
    pub const fn smtp_client_authentication_disabled(disabled: bool) -> Self {
        Self { smtp_disabled: disabled }
    }
}

impl Cmdlet for SetTransportConfig {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-TransportConfig",
        "set-transportconfig",
        ["Organization Transport Settings"],
        OrganizationManagement,
        PROTOCOL_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("SmtpClientAuthenticationDisabled", self.smtp_disabled))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
