use m365_core::{Error, Result};

use crate::classify::member_not_found;
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-DistributionGroupMember`: takes a member out of a group, also of one that the caller does not
/// manage. Recipient Management does not suffice for that.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-distributiongroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveDistributionGroupMember {
    group: RecipientIdentity,
    member: RecipientIdentity,
}

impl RemoveDistributionGroupMember {
    /// Takes `member` out of `group`.
    pub fn new(group: impl Into<RecipientIdentity>, member: impl Into<RecipientIdentity>) -> Self {
        Self { group: group.into(), member: member.into() }
    }
}

impl Cmdlet for RemoveDistributionGroupMember {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-DistributionGroupMember",
        "remove-distributiongroupmember",
        ["Security Group Creation and Membership"],
        OrganizationManagement,
        APPLICATION_RBAC,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.group)
            .with("Member", &self.member)
            .with("BypassSecurityGroupManagerCheck", Value::Switch(true)))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        if member_not_found(&error) { Ok(Removal::AlreadyGone) } else { Err(error) }
    }
}
