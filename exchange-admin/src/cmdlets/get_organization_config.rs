use m365_core::{Error, Result};

use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// What of the organisation's configuration decides about apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationConfig {
    /// Whether the tenant still has Microsoft's shared default configuration. Then scopes and assignments are refused until
    /// `Enable-OrganizationCustomization` has run, once. `None`: the answer does not say.
    pub is_dehydrated: Option<bool>,
    /// The EWS switch; `None` when it was never set.
    pub ews_enabled: Option<bool>,
}

/// `Get-OrganizationConfig`: the organisation's configuration.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-organizationconfig>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetOrganizationConfig;

impl GetOrganizationConfig {
    /// The configuration.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for GetOrganizationConfig {
    type Output = OrganizationConfig;

    const FACTS: &'static Facts = facts!(
        "Get-OrganizationConfig",
        "get-organizationconfig",
        ["View-Only Configuration", "Organization Configuration"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).selecting(&["Name", "IsDehydrated", "EwsEnabled"]))
    }

    fn read(&self, rows: Vec<Row>) -> Result<OrganizationConfig> {
        let [row] = rows.as_slice() else {
            return Err(Error::unreadable(format!("one organisation was expected, {} came", rows.len())));
        };
        Ok(OrganizationConfig {
            is_dehydrated: row.truth("IsDehydrated"),
            ews_enabled: row.truth("EwsEnabled"),
        })
    }
}
