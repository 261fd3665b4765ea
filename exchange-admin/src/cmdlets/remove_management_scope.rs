use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::ManagementScopeName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ManagementScope`: removes a scope. Exchange refuses while an assignment points to it.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-managementscope>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveManagementScope {
    name: ManagementScopeName,
}

impl RemoveManagementScope {
    /// The scope with this name.
    pub fn new(name: ManagementScopeName) -> Self {
        Self { name }
    }
}

impl Cmdlet for RemoveManagementScope {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ManagementScope",
        "remove-managementscope",
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
