use std::collections::BTreeSet;

use m365_core::Result;

use super::management_role_entry::identity;
use crate::command::{CmdletName, Command, ParameterName, Value};
use crate::row::Row;
use crate::types::ManagementRoleName;
use crate::{Cmdlet, Facts};

/// `Set-ManagementRoleEntry`: makes these the only parameters of a cmdlet that a custom role permits. Its parent must have them. Built-in roles cannot be changed.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-managementroleentry>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetManagementRoleEntry {
    role: ManagementRoleName,
    cmdlet: CmdletName,
    parameters: BTreeSet<ParameterName>,
}

impl SetManagementRoleEntry {
    /// This cmdlet of this role.
    pub fn new(
        role: ManagementRoleName,
        cmdlet: CmdletName,
        parameters: impl IntoIterator<Item = ParameterName>,
    ) -> Self {
        Self { role, cmdlet, parameters: parameters.into_iter().collect() }
    }
}

impl Cmdlet for SetManagementRoleEntry {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-ManagementRoleEntry",
        "set-managementroleentry",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        let names: Vec<String> = self.parameters.iter().map(|p| p.as_str().to_owned()).collect();
        // Null takes all of them away.
        let names = if names.is_empty() { Value::Null } else { Value::List(names) };
        Ok(Command::new(Self::FACTS)
            .with("Identity", identity(&self.role, self.cmdlet.as_str())?)
            .with("Parameters", names))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
