use m365_core::{Error, Result};

use super::ews_access::{EwsAgentPolicy, EwsAllowedApps, EwsChange, EwsSwitch, UserAgentPattern};
use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// `Set-OrganizationConfig`: the organisation's EWS switches.
///
/// Exchange has no way to add one app to the list of apps: the whole list is written. Read it, add to it, write it, read it
/// again; [`ExchangeAdmin::ensure_ews_allowed_app`](crate::ExchangeAdmin::ensure_ews_allowed_app) does. Set the list first
/// and the switch after it. The lists of user agents are changed entry by entry.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-organizationconfig>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetOrganizationConfig(EwsChange);

impl SetOrganizationConfig {
    /// Say at least one change.
    pub fn new() -> Self {
        Self::default()
    }

    /// The EWS switch.
    #[must_use]
    pub fn with_ews(mut self, switch: EwsSwitch) -> Self {
        self.0.switch = Some(switch);
        self
    }

    /// The whole list of apps. An empty one clears the property.
    #[must_use]
    pub fn with_ews_allowed_apps(mut self, apps: EwsAllowedApps) -> Self {
        self.0.apps = Some(apps);
        self
    }

    /// Which list of user agents counts.
    #[must_use]
    pub fn with_ews_agent_policy(mut self, policy: EwsAgentPolicy) -> Self {
        self.0.policy = Some(policy);
        self
    }

    /// One user agent more on the list of those that pass.
    #[must_use]
    pub fn with_ews_agent_allowed(mut self, agent: &UserAgentPattern) -> Self {
        self.0.allow.0.push(agent.as_str().to_owned());
        self
    }

    /// One user agent less on the list of those that pass.
    #[must_use]
    pub fn without_ews_agent_allowed(mut self, agent: &UserAgentPattern) -> Self {
        self.0.allow.1.push(agent.as_str().to_owned());
        self
    }

    /// One user agent more on the list of those that do not pass.
    #[must_use]
    pub fn with_ews_agent_blocked(mut self, agent: &UserAgentPattern) -> Self {
        self.0.block.0.push(agent.as_str().to_owned());
        self
    }

    /// One user agent less on the list of those that do not pass.
    #[must_use]
    pub fn without_ews_agent_blocked(mut self, agent: &UserAgentPattern) -> Self {
        self.0.block.1.push(agent.as_str().to_owned());
        self
    }
}

impl Cmdlet for SetOrganizationConfig {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-OrganizationConfig",
        "set-organizationconfig",
        ["Organization Configuration"],
        OrganizationManagement,
        EWS_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        if self.0.is_empty() {
            return Err(Error::invalid("nothing of the organisation's configuration is to be changed"));
        }
        Ok(self.0.command(Command::new(Self::FACTS)))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
