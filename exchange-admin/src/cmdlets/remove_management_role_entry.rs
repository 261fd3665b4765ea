use m365_core::{Error, Result};

use super::already_gone;
use super::management_role_entry::identity;
use crate::command::{CmdletName, Command};
use crate::row::Row;
use crate::types::ManagementRoleName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ManagementRoleEntry`: takes a cmdlet out of a custom role. Built-in roles cannot be changed.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-managementroleentry>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveManagementRoleEntry {
    role: ManagementRoleName,
    cmdlet: String,
}

impl RemoveManagementRoleEntry {
    /// This cmdlet of this role.
    pub fn new(role: ManagementRoleName, cmdlet: CmdletName) -> Self {
        Self { role, cmdlet: cmdlet.to_string() }
    }

    /// A cmdlet that was read from the role and may have no type here.
    pub(crate) fn named(role: ManagementRoleName, cmdlet: &str) -> Self {
        Self { role, cmdlet: cmdlet.to_owned() }
    }
}

impl Cmdlet for RemoveManagementRoleEntry {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ManagementRoleEntry",
        "remove-managementroleentry",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", identity(&self.role, &self.cmdlet)?))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
