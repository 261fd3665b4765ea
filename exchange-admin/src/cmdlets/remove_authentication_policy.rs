use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::AuthenticationPolicyName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-AuthenticationPolicy`: removes an authentication policy. Users keep pointing to it until they are given another.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-authenticationpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveAuthenticationPolicy {
    name: AuthenticationPolicyName,
}

impl RemoveAuthenticationPolicy {
    /// The one with this name.
    pub fn new(name: AuthenticationPolicyName) -> Self {
        Self { name }
    }
}

impl Cmdlet for RemoveAuthenticationPolicy {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-AuthenticationPolicy",
        "remove-authenticationpolicy",
        ["Organization Configuration"],
        OrganizationManagement,
        PROTOCOL_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
