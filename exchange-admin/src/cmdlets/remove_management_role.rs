use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::ManagementRoleName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ManagementRole`: removes a custom role. Its assignments and role groups must be gone before; roles below it are
/// not removed with it.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-managementrole>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveManagementRole {
    role: ManagementRoleName,
}

impl RemoveManagementRole {
    /// The custom role with this name.
    pub fn new(role: ManagementRoleName) -> Self {
        Self { role }
    }
}

impl Cmdlet for RemoveManagementRole {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ManagementRole",
        "remove-managementrole",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.role.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
