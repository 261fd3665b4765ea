use m365_core::{Error, Result, ServicePrincipalObjectId};

use super::{ServicePrincipal, absent};
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::{ApplicationRole, GrantedScope, Names, RoleAssignmentName};
use crate::{Cmdlet, Facts};

/// A role given to somebody; here, to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementRoleAssignment {
    /// Its name.
    pub name: String,
    /// The role as Exchange writes it.
    pub role_name: String,
    /// The role, when it is one for apps.
    pub role: Option<ApplicationRole>,
    /// Where it holds.
    pub scope: GrantedScope,
    /// To whom, under all the names that Exchange echoes.
    pub assignees: Vec<String>,
    /// A disabled assignment grants nothing.
    pub enabled: bool,
}

impl ManagementRoleAssignment {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        let role_name = row.required("Role")?.to_owned();
        let assignees = ["App", "RoleAssignee", "RoleAssigneeName"];
        Ok(Self {
            name: row.required("Name")?.to_owned(),
            role: ApplicationRole::read(&role_name),
            role_name,
            scope: GrantedScope::read(row),
            assignees: assignees.iter().filter_map(|p| row.text(p)).map(str::to_owned).collect(),
            enabled: row.truth("Enabled").unwrap_or(true),
        })
    }

    /// Whether it is that of somebody with these names. One that names nobody is not: Exchange may answer a name that it
    /// does not know with everybody's.
    pub fn is_of(&self, names: &Names) -> bool {
        self.assignees.iter().any(|a| names.contain(a))
    }

    /// Whether it is this app's. A display name counts only where no id is shown: two apps may share one.
    pub fn is_of_app(&self, app: &ServicePrincipal) -> bool {
        self.is_of(&app.sure_names())
            || (self.is_of(&app.names())
                && !self.assignees.iter().any(|a| uuid::Uuid::parse_str(a.trim()).is_ok()))
    }
}

/// `Get-ManagementRoleAssignment -Identity`: one assignment.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementroleassignment>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetManagementRoleAssignment {
    name: RoleAssignmentName,
}

impl GetManagementRoleAssignment {
    /// The assignment with this name.
    pub fn new(name: RoleAssignmentName) -> Self {
        Self { name }
    }
}

impl Cmdlet for GetManagementRoleAssignment {
    type Output = Option<ManagementRoleAssignment>;

    const FACTS: &'static Facts = facts!(
        "Get-ManagementRoleAssignment",
        "get-managementroleassignment",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(ManagementRoleAssignment::read).collect::<Result<Vec<_>>>()?;
        only(all, self.name.as_str(), |a| a.name.to_lowercase() == self.name.as_str().to_lowercase())
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-ManagementRoleAssignment -RoleAssignee`: what Exchange answers for one app, others' assignments possibly among it.
/// [`ExchangeAdmin::assignments_of`](crate::ExchangeAdmin::assignments_of) compares; otherwise use
/// [`ManagementRoleAssignment::is_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListManagementRoleAssignments {
    app: ServicePrincipalObjectId,
}

impl ListManagementRoleAssignments {
    /// Of the app with this enterprise application.
    pub const fn of_app(app: ServicePrincipalObjectId) -> Self {
        Self { app }
    }
}

impl Cmdlet for ListManagementRoleAssignments {
    type Output = Vec<ManagementRoleAssignment>;

    const FACTS: &'static Facts = GetManagementRoleAssignment::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("RoleAssignee", self.app.to_string()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementRoleAssignment::read).collect()
    }
}
