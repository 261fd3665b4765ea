use m365_core::{Error, Result};

use super::ews_access::{EwsAgents, EwsAllowedApps};
use crate::command::{Command, Value};
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// What of the organisation's configuration decides about apps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrganizationConfig {
    /// Whether the tenant still has Microsoft's shared default configuration. Then scopes and assignments are refused until
    /// `Enable-OrganizationCustomization` has run, once. `None`: the answer does not say.
    pub is_dehydrated: Option<bool>,
    /// The EWS switch; `None` when it was never set.
    pub ews_enabled: Option<bool>,
    /// The apps whose EWS calls pass while the switch is on. `None` when it was not asked for
    /// ([`GetOrganizationConfig::with_ews_allowed_apps`]): Exchange does not show it otherwise.
    pub ews_allowed_apps: Option<EwsAllowedApps>,
    /// The lists of user agents.
    pub ews_agents: EwsAgents,
}

/// `Get-OrganizationConfig`: the organisation's configuration.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-organizationconfig>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetOrganizationConfig {
    ews_operations: bool,
}

impl GetOrganizationConfig {
    /// The configuration, without the list of apps allowed for EWS.
    pub const fn new() -> Self {
        Self { ews_operations: false }
    }

    /// With that list, which only the switch `-RetrieveEwsOperationAccessPolicy` shows. Exchange Online only.
    #[must_use]
    pub const fn with_ews_allowed_apps(mut self) -> Self {
        self.ews_operations = true;
        self
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
        let command = Command::new(Self::FACTS).selecting(&[
            "Name",
            "IsDehydrated",
            "EwsEnabled",
            "EwsAllowedAppIDs",
            "EwsApplicationAccessPolicy",
            "EwsAllowList",
            "EwsBlockList",
        ]);
        Ok(match self.ews_operations {
            true => command.with("RetrieveEwsOperationAccessPolicy", Value::Switch(true)),
            false => command,
        })
    }

    fn read(&self, rows: Vec<Row>) -> Result<OrganizationConfig> {
        let [row] = rows.as_slice() else {
            return Err(Error::unreadable(format!("one organisation was expected, {} came", rows.len())));
        };
        let apps = match (self.ews_operations, row.as_map().get("EwsAllowedAppIDs")) {
            (false, _) => None,
            (true, None) => {
                return Err(Error::unreadable("the answer lacks the list of apps allowed for EWS"));
            }
            (true, Some(_)) => Some(EwsAllowedApps::parse(&row.list("EwsAllowedAppIDs").join(","))?),
        };
        Ok(OrganizationConfig {
            is_dehydrated: row.truth("IsDehydrated"),
            ews_enabled: row.truth("EwsEnabled"),
            ews_allowed_apps: apps,
            ews_agents: EwsAgents::read(row),
        })
    }
}
