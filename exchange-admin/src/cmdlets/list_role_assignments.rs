use m365_core::Result;

use super::{GetManagementRoleAssignment, ManagementRoleAssignment};
use crate::command::Command;
use crate::row::Row;
use crate::types::{ManagementRoleName, RoleGroupName};
use crate::{Cmdlet, Facts};

#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Role(ManagementRoleName),
    RoleGroup(RoleGroupName),
}

/// `Get-ManagementRoleAssignment -Delegating:$false`: who holds a role, or which roles a role group holds, and with which
/// write scope. Assignments that only let somebody hand the role on are left out.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementroleassignment>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRoleAssignments {
    by: By,
}

impl ListRoleAssignments {
    /// Of this role, to whomever.
    pub fn of_role(role: ManagementRoleName) -> Self {
        Self { by: By::Role(role) }
    }

    /// Of this role group. Compare what comes back ([`ManagementRoleAssignment::is_of`]): Exchange may answer a name that
    /// it does not know with everybody's.
    pub fn of_role_group(group: RoleGroupName) -> Self {
        Self { by: By::RoleGroup(group) }
    }

    fn command_of(&self) -> Command {
        let command = Command::new(Self::FACTS);
        match &self.by {
            By::Role(role) => command.with("Role", role.as_str()),
            By::RoleGroup(group) => command.with("RoleAssignee", group.as_str()),
        }
        .with("Delegating", false)
    }
}

impl Cmdlet for ListRoleAssignments {
    type Output = Vec<ManagementRoleAssignment>;

    const FACTS: &'static Facts = GetManagementRoleAssignment::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(self.command_of())
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementRoleAssignment::read).collect()
    }
}

/// Somebody who holds a role in the end, through groups too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveRoleUser {
    /// The account, as Exchange echoes it.
    pub user: String,
    /// The assignment that gives the role.
    pub assignment: ManagementRoleAssignment,
}

/// `Get-ManagementRoleAssignment -Role -GetEffectiveUsers`: everybody who holds a role in the end.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementroleassignment>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEffectiveRoleUsers {
    role: ManagementRoleName,
}

impl ListEffectiveRoleUsers {
    /// Of this role.
    pub fn of_role(role: ManagementRoleName) -> Self {
        Self { role }
    }
}

impl Cmdlet for ListEffectiveRoleUsers {
    type Output = Vec<EffectiveRoleUser>;

    const FACTS: &'static Facts = GetManagementRoleAssignment::FACTS;

    fn command(&self) -> Result<Command> {
        let list = ListRoleAssignments::of_role(self.role.clone());
        Ok(list.command_of().with("GetEffectiveUsers", crate::Value::Switch(true)))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter()
            .map(|row| {
                Ok(EffectiveRoleUser {
                    user: row.required("EffectiveUserName")?.to_owned(),
                    assignment: ManagementRoleAssignment::read(row)?,
                })
            })
            .collect()
    }
}
