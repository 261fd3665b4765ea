use m365_core::Result;

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// `Add-DistributionGroupMember`: adds a member to a group, also to one that the caller does not manage.
/// Recipient Management does not suffice for that.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-distributiongroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddDistributionGroupMember {
    pub(crate) group: RecipientIdentity,
    pub(crate) member: RecipientIdentity,
}

impl AddDistributionGroupMember {
    /// Adds `member` to `group`.
    pub fn new(group: impl Into<RecipientIdentity>, member: impl Into<RecipientIdentity>) -> Self {
        Self { group: group.into(), member: member.into() }
    }
}

impl Cmdlet for AddDistributionGroupMember {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Add-DistributionGroupMember",
        "add-distributiongroupmember",
        ["Security Group Creation and Membership"],
        OrganizationManagement,
        APPLICATION_RBAC,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.group)
            .with("Member", &self.member)
            .with("BypassSecurityGroupManagerCheck", Value::Switch(true)))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
