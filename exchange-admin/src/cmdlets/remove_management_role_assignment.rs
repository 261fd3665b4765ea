use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::RoleAssignmentName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ManagementRoleAssignment`: takes a role back.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-managementroleassignment>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveManagementRoleAssignment {
    name: RoleAssignmentName,
}

impl RemoveManagementRoleAssignment {
    /// The assignment with this name.
    pub fn new(name: RoleAssignmentName) -> Self {
        Self { name }
    }
}

impl Cmdlet for RemoveManagementRoleAssignment {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ManagementRoleAssignment",
        "remove-managementroleassignment",
        ["Role Management"],
        OrganizationManagement,
        APPLICATION_RBAC,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
