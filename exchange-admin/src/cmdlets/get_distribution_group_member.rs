use m365_core::Result;

use super::Recipient;
use crate::command::Command;
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// `Get-DistributionGroupMember`: the direct members of a group. Nested groups come as groups; for RBAC for Applications
/// their members do not count.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-distributiongroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetDistributionGroupMember {
    group: RecipientIdentity,
}

impl GetDistributionGroupMember {
    /// All direct members of this group.
    pub fn new(group: impl Into<RecipientIdentity>) -> Self {
        Self { group: group.into() }
    }
}

impl Cmdlet for GetDistributionGroupMember {
    type Output = Vec<Recipient>;

    const FACTS: &'static Facts = facts!(
        "Get-DistributionGroupMember",
        "get-distributiongroupmember",
        ["View-Only Recipients", "Distribution Groups"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.group)
            .with("ResultSize", "Unlimited")
            .selecting(Recipient::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(Recipient::read).collect()
    }
}
