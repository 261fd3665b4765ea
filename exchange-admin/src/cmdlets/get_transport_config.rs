use m365_core::{Error, Result};

use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// What of the organisation's transport settings decides about apps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportConfig {
    /// Authenticated SMTP, turned off for all mailboxes that do not say otherwise; `None`: the answer does not say.
    pub smtp_client_authentication_disabled: Option<bool>,
}

/// `Get-TransportConfig`: the organisation's transport settings.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-transportconfig>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetTransportConfig;

impl GetTransportConfig {
    /// The settings.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for GetTransportConfig {
    type Output = TransportConfig;

    const FACTS: &'static Facts = facts!(
        "Get-TransportConfig",
        "get-transportconfig",
        ["View-Only Configuration", "Organization Transport Settings"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).selecting(&["Name", "SmtpClientAuthenticationDisabled"]))
    }

    fn read(&self, rows: Vec<Row>) -> Result<TransportConfig> {
        let [row] = rows.as_slice() else {
            return Err(Error::unreadable(format!("one organisation was expected, {} came", rows.len())));
        };
        Ok(TransportConfig {
            smtp_client_authentication_disabled: row.truth("SmtpClientAuthenticationDisabled"),
        })
    }
}
