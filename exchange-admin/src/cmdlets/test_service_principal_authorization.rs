use m365_core::{Result, ServicePrincipalObjectId};

use crate::command::Command;
use crate::row::Row;
use crate::types::{ApplicationRole, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// Whether a mailbox is in a role's scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InScope {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Nobody asked for a mailbox, or Exchange did not look.
    NotRun,
    /// Another word; neither yes nor no.
    Unknown(String),
}

/// One role of an app, and what it comes to. The cmdlet looks past the cache that is enforced, and knows nothing of
/// consents in Entra: a verdict on the configuration, never proof of access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAuthorization {
    /// The role as Exchange writes it.
    pub role_name: String,
    /// The role, when its name is known here.
    pub role: Option<ApplicationRole>,
    /// The permissions that it grants.
    pub granted_permissions: Vec<String>,
    /// Name of the scope.
    pub allowed_resource_scope: String,
    /// Kind of the scope.
    pub scope_type: String,
    /// Whether the mailbox asked for is in it.
    pub in_scope: InScope,
}

impl RoleAuthorization {
    fn read(row: &Row) -> Result<Self> {
        let role_name = row.required("RoleName")?.to_owned();
        let in_scope = match (row.truth("InScope"), row.text("InScope")) {
            (Some(true), _) => InScope::Yes,
            (Some(false), _) => InScope::No,
            (None, None) => InScope::NotRun,
            (None, Some(text)) => match text.replace(' ', "").to_ascii_lowercase().as_str() {
                "notrun" => InScope::NotRun,
                _ => InScope::Unknown(text.to_owned()),
            },
        };
        Ok(Self {
            role: ApplicationRole::read(&role_name),
            role_name,
            granted_permissions: row.list("GrantedPermissions"),
            allowed_resource_scope: row.owned("AllowedResourceScope"),
            scope_type: row.owned("ScopeType"),
            in_scope,
        })
    }
}

/// `Test-ServicePrincipalAuthorization`: the roles of an app, and whether a mailbox is in their scope.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/test-serviceprincipalauthorization>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestServicePrincipalAuthorization {
    app: ServicePrincipalObjectId,
    mailbox: Option<RecipientIdentity>,
}

impl TestServicePrincipalAuthorization {
    /// All roles of this app.
    pub const fn new(app: ServicePrincipalObjectId) -> Self {
        Self { app, mailbox: None }
    }

    /// And whether this mailbox is in their scope.
    #[must_use]
    pub fn with_resource(mut self, mailbox: impl Into<RecipientIdentity>) -> Self {
        self.mailbox = Some(mailbox.into());
        self
    }
}

impl Cmdlet for TestServicePrincipalAuthorization {
    type Output = Vec<RoleAuthorization>;

    const FACTS: &'static Facts = facts!(
        "Test-ServicePrincipalAuthorization",
        "test-serviceprincipalauthorization",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", self.app.to_string())
            .with_some("Resource", self.mailbox.as_ref()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(RoleAuthorization::read).collect()
    }
}
