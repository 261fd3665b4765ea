use m365_core::{Error, Result};

use super::absent;
use crate::command::{CmdletName, Command, ParameterName};
use crate::row::{Row, only};
use crate::types::ManagementRoleName;
use crate::{Cmdlet, Facts};

/// A management role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementRole {
    /// Its name.
    pub name: String,
    /// What kind of role it is, as Exchange writes it.
    pub role_type: String,
    /// The role that it was made from; `None` for built-in ones.
    pub parent: Option<String>,
}

impl ManagementRole {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            name: row.required("Name")?.to_owned(),
            role_type: row.owned("RoleType"),
            // Echoed with the roles above it, or with the path of the directory.
            parent: row.text("Parent").map(|p| p.rsplit(['/', '\\']).next().unwrap_or(p).to_owned()),
        })
    }
}

/// `Get-ManagementRole -Cmdlet`: the tenant's own truth about which roles contain a cmdlet.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementrole>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetManagementRole {
    cmdlet: CmdletName,
    parameters: Vec<&'static str>,
}

impl GetManagementRole {
    /// The roles with this cmdlet.
    pub const fn with_cmdlet(cmdlet: CmdletName) -> Self {
        Self { cmdlet, parameters: Vec::new() }
    }

    /// The roles with this cmdlet and these parameters of it; a role may hold the one without the others.
    pub fn with_parameters(cmdlet: CmdletName, parameters: &'static [&'static str]) -> Self {
        Self { cmdlet, parameters: parameters.to_vec() }
    }

    /// The same for the parameters of a command.
    pub fn permitting(cmdlet: CmdletName, parameters: impl IntoIterator<Item = ParameterName>) -> Self {
        Self { cmdlet, parameters: parameters.into_iter().map(ParameterName::as_str).collect() }
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
        rows.iter().map(ManagementRole::read).collect()
    }
}

/// `Get-ManagementRole -Identity`: one role, built-in or custom.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementrole>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindManagementRole {
    name: ManagementRoleName,
}

impl FindManagementRole {
    /// The role with this name.
    pub fn new(name: ManagementRoleName) -> Self {
        Self { name }
    }
}

impl Cmdlet for FindManagementRole {
    type Output = Option<ManagementRole>;

    const FACTS: &'static Facts = GetManagementRole::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(ManagementRole::read).collect::<Result<Vec<_>>>()?;
        only(all, self.name.as_str(), |r| r.name.to_lowercase() == self.name.as_str().to_lowercase())
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}
