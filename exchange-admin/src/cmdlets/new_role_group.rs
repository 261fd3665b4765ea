use m365_core::{Error, Result};

use super::{AdminRoleGroup, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::{Grantee, ManagementRoleName, ManagementScopeName, RoleGroupName};
use crate::{Cmdlet, Facts};

/// `New-RoleGroup`: administrators with these roles and no others. An app may be a member, by the object id of its
/// enterprise application: the least that an app needs to run cmdlets.
///
/// The roles for an app's *access to mailboxes* cannot be given this way, only by
/// [`NewManagementRoleAssignment`](super::NewManagementRoleAssignment); such a role is refused here.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-rolegroup>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoleGroup {
    name: RoleGroupName,
    roles: Vec<ManagementRoleName>,
    members: Vec<Grantee>,
    write_scope: Option<ManagementScopeName>,
    description: Option<String>,
}

impl NewRoleGroup {
    /// A group with these roles.
    pub fn new(name: RoleGroupName, roles: impl IntoIterator<Item = ManagementRoleName>) -> Self {
        Self {
            name,
            roles: roles.into_iter().collect(),
            members: Vec::new(),
            write_scope: None,
            description: None,
        }
    }

    pub(crate) fn name(&self) -> &RoleGroupName {
        &self.name
    }

    /// With this member.
    #[must_use]
    pub fn with_member(mut self, member: impl Into<Grantee>) -> Self {
        self.members.push(member.into());
        self
    }

    /// With writes limited to the recipients of a management scope.
    #[must_use]
    pub fn with_write_scope(mut self, scope: ManagementScopeName) -> Self {
        self.write_scope = Some(scope);
        self
    }

    /// With a text that says what it is for.
    #[must_use]
    pub fn with_description(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }
}

impl Cmdlet for NewRoleGroup {
    type Output = Option<AdminRoleGroup>;

    const FACTS: &'static Facts = facts!(
        "New-RoleGroup",
        "new-rolegroup",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        if self.roles.is_empty() {
            return Err(Error::invalid("a role group without a role permits nothing"));
        }
        if let Some(role) = self.roles.iter().find(|r| crate::ApplicationRole::read(r.as_str()).is_some()) {
            return Err(Error::invalid(format!("{role} is a role of apps, which no role group takes")));
        }
        let members: Vec<String> = self.members.iter().map(ToString::to_string).collect();
        Ok(Command::new(Self::FACTS)
            .with("Name", self.name.as_str())
            .with("Roles", self.roles.iter().map(ToString::to_string).collect::<Vec<_>>())
            .with_some("Members", (!members.is_empty()).then_some(members))
            .with_some("CustomRecipientWriteScope", self.write_scope.as_ref().map(|s| s.as_str()))
            .with_some("Description", self.description.as_deref()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(AdminRoleGroup::read).collect::<Result<Vec<_>>>().map(last)
    }
}
