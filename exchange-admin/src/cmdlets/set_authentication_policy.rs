use m365_core::{Error, Result};

use super::{BasicAuthProtocol, LegacyAuthProtocol};
use crate::command::Command;
use crate::row::Row;
use crate::types::AuthenticationPolicyName;
use crate::{Cmdlet, Facts};

/// `Set-AuthenticationPolicy`: changes single switches of a policy; the others stay as they are.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-authenticationpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAuthenticationPolicy {
    name: AuthenticationPolicyName,
    switches: Vec<(&'static str, bool)>,
}

impl SetAuthenticationPolicy {
    /// Of this policy; say at least one switch.
    pub fn new(name: AuthenticationPolicyName) -> Self {
        Self { name, switches: Vec::new() }
    }

    /// Exchange Online: takes basic authentication for this protocol, or refuses it.
    #[must_use]
    pub fn with_basic_allowed(self, protocol: BasicAuthProtocol, allowed: bool) -> Self {
        self.with(protocol.as_str(), allowed)
    }

    /// Exchange Server: takes only modern authentication for this protocol, or the older kinds too.
    #[must_use]
    pub fn with_legacy_blocked(self, protocol: LegacyAuthProtocol, blocked: bool) -> Self {
        self.with(protocol.as_str(), blocked)
    }

    fn with(mut self, name: &'static str, on: bool) -> Self {
        self.switches.retain(|(n, _)| *n != name);
        self.switches.push((name, on));
        self
    }
}

impl Cmdlet for SetAuthenticationPolicy {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-AuthenticationPolicy",
        "set-authenticationpolicy",
        ["Organization Configuration"],
        OrganizationManagement,
        PROTOCOL_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        if self.switches.is_empty() {
            return Err(Error::invalid("no switch of the authentication policy is to be set"));
        }
        let command = Command::new(Self::FACTS).with("Identity", self.name.as_str());
        // A switch that is left out keeps its state, so "off" must be said: `-Switch:$false`.
        Ok(self.switches.iter().fold(command, |command, (name, on)| command.with(name, *on)))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
