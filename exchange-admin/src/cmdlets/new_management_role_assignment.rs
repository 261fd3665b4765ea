use m365_core::{Result, ServicePrincipalObjectId};

use super::{ManagementRoleAssignment, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::{ApplicationRole, ResourceScope, RoleAssignmentName};
use crate::{Cmdlet, Facts};

/// `New-ManagementRoleAssignment -App`: gives an app a role for the mailboxes of a scope.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-managementroleassignment>
///
/// Exchange takes a missing scope for the whole organisation. Here the scope is required, and the whole organisation must be
/// spelled out:
///
/// ```
/// use exchange_admin::{ApplicationRole, MailboxAddress, ResourceScope, RoleAssignmentName, ServicePrincipalObjectId};
/// use exchange_admin::cmdlets::NewManagementRoleAssignment;
/// # fn f() -> exchange_admin::Result<()> {
/// let app = ServicePrincipalObjectId::parse("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b")?;
/// let queues = ResourceScope::Group(MailboxAddress::parse("queues@contoso.example")?.into());
/// NewManagementRoleAssignment::new(RoleAssignmentName::parse("Acme reads queues")?, app, ApplicationRole::MailRead, queues);
/// # Ok(()) }
/// # f().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewManagementRoleAssignment {
    pub(crate) name: RoleAssignmentName,
    pub(crate) app: ServicePrincipalObjectId,
    pub(crate) role: ApplicationRole,
    pub(crate) scope: ResourceScope,
}

impl NewManagementRoleAssignment {
    /// The assignment of `role` to `app` for `scope`. It needs a name, so that a second run finds it.
    pub fn new(
        name: RoleAssignmentName,
        app: ServicePrincipalObjectId,
        role: ApplicationRole,
        scope: ResourceScope,
    ) -> Self {
        Self { name, app, role, scope }
    }
}

impl Cmdlet for NewManagementRoleAssignment {
    type Output = Option<ManagementRoleAssignment>;

    const FACTS: &'static Facts = facts!(
        "New-ManagementRoleAssignment",
        "new-managementroleassignment",
        ["Role Management"],
        OrganizationManagement,
        APPLICATION_RBAC,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        let command = Command::new(Self::FACTS)
            .with("Name", self.name.as_str())
            .with("App", self.app.to_string())
            .with("Role", self.role);
        Ok(match &self.scope {
            ResourceScope::Group(group) => command.with("RecipientGroupScope", group),
            ResourceScope::Custom(scope) => command.with("CustomResourceScope", scope.as_str()),
            ResourceScope::AdministrativeUnit(unit) => {
                command.with("RecipientAdministrativeUnitScope", unit.as_str())
            }
            ResourceScope::Organization => command,
        })
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementRoleAssignment::read).collect::<Result<Vec<_>>>().map(last)
    }
}
