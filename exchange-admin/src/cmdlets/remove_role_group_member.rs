use m365_core::{Error, Result};

use crate::classify::member_not_found;
use crate::command::Command;
use crate::row::Row;
use crate::types::{Grantee, RoleGroupName};
use crate::{Cmdlet, Facts, Removal};

/// `Remove-RoleGroupMember`: takes a member out of a role group. An app is named by the object id of its
/// enterprise application.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-rolegroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveRoleGroupMember {
    group: RoleGroupName,
    member: Grantee,
}

impl RemoveRoleGroupMember {
    /// This member, of this group.
    pub fn new(group: RoleGroupName, member: impl Into<Grantee>) -> Self {
        Self { group, member: member.into() }
    }
}

impl Cmdlet for RemoveRoleGroupMember {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-RoleGroupMember",
        "remove-rolegroupmember",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.group.as_str()).with("Member", &self.member))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        if member_not_found(&error) { Ok(Removal::AlreadyGone) } else { Err(error) }
    }
}
