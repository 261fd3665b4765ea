use m365_core::{ClientId, Error, Result};

use super::{ApplicationAccessPolicy, last};
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{AccessRight, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `New-ApplicationAccessPolicy`: limits an app's consent to the members of a group, or keeps it out of them. Superseded by
/// RBAC for Applications; for tenants that still ask for it.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-applicationaccesspolicy>
///
/// The scope is a mail-enabled security group (nested members count) or one user mailbox, not a shared mailbox, a
/// distribution list or a Microsoft 365 group. A tenant has room for about 100 policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApplicationAccessPolicy {
    pub(crate) app: ClientId,
    pub(crate) scope: RecipientIdentity,
    pub(crate) right: AccessRight,
    description: Option<String>,
}

impl NewApplicationAccessPolicy {
    /// The app, the group, and what of it.
    pub fn new(app: ClientId, scope: impl Into<RecipientIdentity>, right: AccessRight) -> Self {
        Self { app, scope: scope.into(), right, description: None }
    }

    /// A text for people. A long one takes room from other policies.
    #[must_use]
    pub fn with_description(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }
}

impl Cmdlet for NewApplicationAccessPolicy {
    type Output = Option<ApplicationAccessPolicy>;

    const FACTS: &'static Facts = facts!(
        "New-ApplicationAccessPolicy",
        "new-applicationaccesspolicy",
        ["Organization Configuration"],
        OrganizationManagement,
        ACCESS_POLICY,
        NotIdempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        if self.description.as_deref().is_some_and(|d| d.chars().any(char::is_control)) {
            return Err(Error::invalid("the access policy's description holds a control character"));
        }
        Ok(Command::new(Self::FACTS)
            .with("AppId", Value::List(vec![self.app.to_string()]))
            .with("PolicyScopeGroupId", &self.scope)
            .with("AccessRight", self.right)
            .with_some("Description", self.description.as_deref()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ApplicationAccessPolicy::read).collect::<Result<Vec<_>>>().map(last)
    }
}
