use m365_core::Result;

use crate::command::{CmdletName, Command};
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// A management role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementRole {
    /// Its name.
    pub name: String,
    /// What kind of role it is, as Exchange writes it.
    pub role_type: String,
}

/// `Get-ManagementRole -Cmdlet`: the tenant's own truth about which roles contain a cmdlet.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementrole>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetManagementRole {
    cmdlet: CmdletName,
    parameters: &'static [&'static str],
}

impl GetManagementRole {
    /// The roles with this cmdlet.
    pub const fn with_cmdlet(cmdlet: CmdletName) -> Self {
        Self { cmdlet, parameters: &[] }
    }

    /// The roles with this cmdlet and these parameters of it; a role may hold the one without the others.
    pub const fn with_parameters(cmdlet: CmdletName, parameters: &'static [&'static str]) -> Self {
        Self { cmdlet, parameters }
    }
}

impl Cmdlet for GetManagementRole {
    type Output = Vec<ManagementRole>;

    const FACTS: &'static Facts = facts!(
        "Get-ManagementRole",
        "get-managementrole",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        let parameters: Vec<String> = self.parameters.iter().map(|p| (*p).to_owned()).collect();
        Ok(Command::new(Self::FACTS)
            .with("Cmdlet", self.cmdlet.as_str())
            .with_some("CmdletParameters", (!parameters.is_empty()).then_some(parameters)))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter()
            .map(|row| {
                Ok(ManagementRole {
                    name: row.required("Name")?.to_owned(),
                    role_type: row.owned("RoleType"),
                })
            })
            .collect()
    }
}
