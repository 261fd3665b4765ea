use m365_core::Result;

use super::Recipient;
use crate::command::Command;
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// `Get-DynamicDistributionGroupMember`: whom the filter of a dynamic distribution list held when Exchange last computed
/// it, once a day. Neither access policies nor scopes take such a list; it is read to see who would be meant.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-dynamicdistributiongroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetDynamicDistributionGroupMember {
    group: RecipientIdentity,
}

impl GetDynamicDistributionGroupMember {
    /// All members of this list.
    pub fn new(group: impl Into<RecipientIdentity>) -> Self {
        Self { group: group.into() }
    }
}

impl Cmdlet for GetDynamicDistributionGroupMember {
    type Output = Vec<Recipient>;

    const FACTS: &'static Facts = facts!(
        "Get-DynamicDistributionGroupMember",
        "get-dynamicdistributiongroupmember",
        ["View-Only Recipients", "Distribution Groups"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        Online
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
