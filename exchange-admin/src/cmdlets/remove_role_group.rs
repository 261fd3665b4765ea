use m365_core::{Error, Result};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::types::RoleGroupName;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-RoleGroup`: removes a role group with its assignments. The built-in ones stay.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-rolegroup>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveRoleGroup {
    name: RoleGroupName,
}

impl RemoveRoleGroup {
    /// The one with this name.
    pub fn new(name: RoleGroupName) -> Self {
        Self { name }
    }
}

impl Cmdlet for RemoveRoleGroup {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-RoleGroup",
        "remove-rolegroup",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
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
