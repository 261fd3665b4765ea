use m365_core::{Error, Result};

use super::absent;
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::RoleGroupName;
use crate::{Cmdlet, Facts};

/// A role group: administrators with the same roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRoleGroup {
    /// Its name.
    pub name: String,
    /// Its roles, by name.
    pub roles: Vec<String>,
    /// Its members as Exchange echoes them; read
    /// [`GetRoleGroupMember`](super::GetRoleGroupMember) for their ids.
    pub members: Vec<String>,
}

impl AdminRoleGroup {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            name: row.required("Name")?.to_owned(),
            roles: row.list("Roles").iter().map(|r| short(r)).collect(),
            members: row.list("Members"),
        })
    }
}

/// Roles may be echoed with the path of the directory before them.
fn short(role: &str) -> String {
    role.rsplit('/').next().unwrap_or(role).trim().to_owned()
}

/// `Get-RoleGroup -Identity`: one role group.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-rolegroup>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRoleGroup {
    name: RoleGroupName,
}

impl GetRoleGroup {
    /// The one with this name.
    pub fn new(name: RoleGroupName) -> Self {
        Self { name }
    }
}

impl Cmdlet for GetRoleGroup {
    type Output = Option<AdminRoleGroup>;

    const FACTS: &'static Facts = facts!(
        "Get-RoleGroup",
        "get-rolegroup",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(AdminRoleGroup::read).collect::<Result<Vec<_>>>()?;
        only(all, self.name.as_str(), |o| o.name.to_lowercase() == self.name.as_str().to_lowercase())
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-RoleGroup`: all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListRoleGroups;

impl ListRoleGroups {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListRoleGroups {
    type Output = Vec<AdminRoleGroup>;

    const FACTS: &'static Facts = GetRoleGroup::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(AdminRoleGroup::read).collect()
    }
}
