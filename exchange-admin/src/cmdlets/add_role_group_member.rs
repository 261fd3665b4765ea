use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::types::{Grantee, RoleGroupName};
use crate::{Cmdlet, Facts};

/// `Add-RoleGroupMember`: makes somebody or some app a member of a role group. An app is named by the object id of its
/// enterprise application.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-rolegroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddRoleGroupMember {
    group: RoleGroupName,
    member: Grantee,
}

impl AddRoleGroupMember {
    pub(crate) fn group(&self) -> &RoleGroupName {
        &self.group
    }

    pub(crate) fn member(&self) -> &Grantee {
        &self.member
    }

    /// This member, of this group.
    pub fn new(group: RoleGroupName, member: impl Into<Grantee>) -> Self {
        Self { group, member: member.into() }
    }
}

impl Cmdlet for AddRoleGroupMember {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Add-RoleGroupMember",
        "add-rolegroupmember",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.group.as_str()).with("Member", &self.member))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
