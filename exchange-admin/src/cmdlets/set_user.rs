use m365_core::Result;

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{AuthenticationPolicyName, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `Set-User -AuthenticationPolicy`: gives a user an authentication policy of its own.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-user>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetUser {
    user: RecipientIdentity,
    policy: Option<AuthenticationPolicyName>,
}

impl SetUser {
    /// Has this policy decide for the user.
    pub fn with_authentication_policy(
        user: impl Into<RecipientIdentity>,
        policy: AuthenticationPolicyName,
    ) -> Self {
        Self { user: user.into(), policy: Some(policy) }
    }

    /// Has the organisation's policy decide again.
    pub fn without_authentication_policy(user: impl Into<RecipientIdentity>) -> Self {
        Self { user: user.into(), policy: None }
    }
}

impl Cmdlet for SetUser {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-User",
        "set-user",
        ["Organization Configuration", "Mail Recipients"],
        OrganizationManagement,
        PROTOCOL_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        let policy = self.policy.as_ref().map_or(Value::Null, |p| Value::from(p.as_str()));
        Ok(Command::new(Self::FACTS).with("Identity", &self.user).with("AuthenticationPolicy", policy))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
