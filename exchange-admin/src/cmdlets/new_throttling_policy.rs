use m365_core::Result;

use super::{EwsBudget, ThrottlingPolicy, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::ThrottlingPolicyName;
use crate::{Cmdlet, Facts};

/// `New-ThrottlingPolicy`: a throttling policy for the accounts that it is given to, in Exchange Server. Limits that
/// it does not name are those of the default policy.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-throttlingpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewThrottlingPolicy {
    name: ThrottlingPolicyName,
    ews: EwsBudget,
}

impl NewThrottlingPolicy {
    /// With these limits for EWS; at least one.
    pub fn new(name: ThrottlingPolicyName, ews: EwsBudget) -> Self {
        Self { name, ews }
    }
}

impl Cmdlet for NewThrottlingPolicy {
    type Output = Option<ThrottlingPolicy>;

    const FACTS: &'static Facts = facts!(
        "New-ThrottlingPolicy",
        "new-throttlingpolicy",
        ["Recipient Policies"],
        OrganizationManagement,
        SERVER_SETTING,
        NotIdempotent,
        OnPremises
    );

    fn command(&self) -> Result<Command> {
        self.ews.command(
            Command::new(Self::FACTS)
                .with("Name", self.name.as_str())
                .with("ThrottlingPolicyScope", "Regular"),
        )
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ThrottlingPolicy::read).collect::<Result<Vec<_>>>().map(last)
    }
}
