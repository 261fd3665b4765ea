use m365_core::Result;

use super::{ManagementRoleAssignment, NewManagementRoleAssignment, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::{
    ManagementScopeName, OrganizationalUnit, RecipientIdentity, RoleAssignmentName, RoleGroupName,
};
use crate::{Cmdlet, Facts};

/// Whose mailboxes a service account of Exchange Server impersonates. There is no default, because Exchange's own default
/// is every mailbox of the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImpersonationScope {
    /// Those that a management scope's filter holds (`-CustomRecipientWriteScope`).
    Custom(ManagementScopeName),
    /// Those in a unit of Active Directory (`-RecipientOrganizationalUnitScope`).
    OrganizationalUnit(OrganizationalUnit),
    /// Every mailbox, including those of people who join later.
    Organization,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Impersonator {
    User(RecipientIdentity),
    RoleGroup(RoleGroupName),
}

/// `New-ManagementRoleAssignment -Role ApplicationImpersonation`: lets an account of Exchange Server open mailboxes over
/// EWS in their owners' name. From Exchange 2010 on; the role is gone from Exchange Online, where
/// [`NewManagementRoleAssignment`] with
/// [`ApplicationRole::EwsAccessAsApp`](crate::ApplicationRole::EwsAccessAsApp) stands in its place.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-managementroleassignment>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImpersonationAssignment {
    name: RoleAssignmentName,
    to: Impersonator,
    scope: ImpersonationScope,
}

impl NewImpersonationAssignment {
    /// To one account.
    pub fn to_user(
        name: RoleAssignmentName,
        account: impl Into<RecipientIdentity>,
        scope: ImpersonationScope,
    ) -> Self {
        Self { name, to: Impersonator::User(account.into()), scope }
    }

    /// To the members of a role group.
    pub fn to_role_group(name: RoleAssignmentName, group: RoleGroupName, scope: ImpersonationScope) -> Self {
        Self { name, to: Impersonator::RoleGroup(group), scope }
    }
}

impl Cmdlet for NewImpersonationAssignment {
    type Output = Option<ManagementRoleAssignment>;

    const FACTS: &'static Facts = &Facts {
        window: crate::PropagationWindow::SERVER_SETTING,
        premises: crate::Premises::OnPremises,
        ..*NewManagementRoleAssignment::FACTS
    };

    fn command(&self) -> Result<Command> {
        let command = Command::new(Self::FACTS)
            .with("Name", self.name.as_str())
            .with("Role", "ApplicationImpersonation");
        let command = match &self.to {
            Impersonator::User(account) => command.with("User", account),
            Impersonator::RoleGroup(group) => command.with("SecurityGroup", group.as_str()),
        };
        Ok(match &self.scope {
            ImpersonationScope::Custom(scope) => command.with("CustomRecipientWriteScope", scope.as_str()),
            ImpersonationScope::OrganizationalUnit(unit) => {
                command.with("RecipientOrganizationalUnitScope", unit.as_str())
            }
            ImpersonationScope::Organization => command,
        })
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementRoleAssignment::read).collect::<Result<Vec<_>>>().map(last)
    }
}
