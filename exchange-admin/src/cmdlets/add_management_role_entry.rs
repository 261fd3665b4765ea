use std::collections::BTreeSet;

use m365_core::{Error, Result};

use super::management_role_entry::identity;
use crate::command::{CmdletName, Command, ParameterName};
use crate::row::Row;
use crate::types::ManagementRoleName;
use crate::{Cmdlet, Facts};

/// `Add-ManagementRoleEntry`: adds a cmdlet with these parameters to a custom role, whose parent must have both. Built-in roles cannot be changed.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-managementroleentry>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddManagementRoleEntry {
    role: ManagementRoleName,
    cmdlet: CmdletName,
    parameters: BTreeSet<ParameterName>,
}

impl AddManagementRoleEntry {
    /// This cmdlet of this role.
    pub fn new(
        role: ManagementRoleName,
        cmdlet: CmdletName,
        parameters: impl IntoIterator<Item = ParameterName>,
    ) -> Self {
        Self { role, cmdlet, parameters: parameters.into_iter().collect() }
    }
}

impl Cmdlet for AddManagementRoleEntry {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Add-ManagementRoleEntry",
        "add-managementroleentry",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        let names: Vec<String> = self.parameters.iter().map(|p| p.as_str().to_owned()).collect();
        if names.is_empty() {
            return Err(Error::invalid(
                "an entry that is added without parameters gets all that its parent has",
            ));
        }
        Ok(Command::new(Self::FACTS)
            .with("Identity", identity(&self.role, self.cmdlet.as_str())?)
            .with("Parameters", names))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
