use m365_core::Result;

use super::EwsBudget;
use crate::command::Command;
use crate::row::Row;
use crate::types::ThrottlingPolicyName;
use crate::{Cmdlet, Facts};

/// `Set-ThrottlingPolicy`: changes a throttling policy of Exchange Server. Limits that it does not name stay as they are.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-throttlingpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetThrottlingPolicy {
    name: ThrottlingPolicyName,
    ews: EwsBudget,
}

impl SetThrottlingPolicy {
    /// With these limits for EWS; at least one.
    pub fn new(name: ThrottlingPolicyName, ews: EwsBudget) -> Self {
        Self { name, ews }
    }
}

impl Cmdlet for SetThrottlingPolicy {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-ThrottlingPolicy",
        "set-throttlingpolicy",
        ["Recipient Policies"],
        OrganizationManagement,
        SERVER_SETTING,
        Idempotent,
        OnPremises
    );

    fn command(&self) -> Result<Command> {
        self.ews.command(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
