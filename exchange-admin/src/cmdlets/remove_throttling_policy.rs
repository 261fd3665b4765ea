use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::ThrottlingPolicyName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ThrottlingPolicy`: removes a throttling policy of Exchange Server. Refused while an account has it.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-throttlingpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveThrottlingPolicy {
    name: ThrottlingPolicyName,
}

impl RemoveThrottlingPolicy {
    /// The one with this name.
    pub fn new(name: ThrottlingPolicyName) -> Self {
        Self { name }
    }
}

impl Cmdlet for RemoveThrottlingPolicy {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ThrottlingPolicy",
        "remove-throttlingpolicy",
        ["Recipient Policies"],
        OrganizationManagement,
        SERVER_SETTING,
        Idempotent,
        OnPremises
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
