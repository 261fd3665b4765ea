use m365_core::Result;

use super::management_role_entry::{ManagementRoleEntry, identity};
use crate::command::Command;
use crate::row::Row;
use crate::types::ManagementRoleName;
use crate::{Cmdlet, Facts};

/// `Get-ManagementRoleEntry`: what a role, built-in or custom, permits.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementroleentry>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetManagementRoleEntry {
    role: ManagementRoleName,
}

impl GetManagementRoleEntry {
    /// Every entry of this role. One that does not exist is an error.
    pub fn of_role(role: ManagementRoleName) -> Self {
        Self { role }
    }
}

impl Cmdlet for GetManagementRoleEntry {
    type Output = Vec<ManagementRoleEntry>;

    const FACTS: &'static Facts = facts!(
        "Get-ManagementRoleEntry",
        "get-managementroleentry",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", identity(&self.role, "*")?)
            .with("ResultSize", "Unlimited"))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementRoleEntry::read).collect()
    }
}
