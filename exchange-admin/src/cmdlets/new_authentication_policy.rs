use m365_core::Result;

use super::{AuthenticationPolicy, SignInRules, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::AuthenticationPolicyName;
use crate::{Cmdlet, Facts};

/// `New-AuthenticationPolicy`: a policy for users to be given with [`SetUser`](super::SetUser).
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-authenticationpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuthenticationPolicy {
    name: AuthenticationPolicyName,
    rules: SignInRules,
}

impl NewAuthenticationPolicy {
    /// With these rules; without any, Exchange Online refuses basic authentication everywhere.
    pub fn new(name: AuthenticationPolicyName, rules: SignInRules) -> Self {
        Self { name, rules }
    }
}

impl Cmdlet for NewAuthenticationPolicy {
    type Output = Option<AuthenticationPolicy>;

    const FACTS: &'static Facts = facts!(
        "New-AuthenticationPolicy",
        "new-authenticationpolicy",
        ["Organization Configuration"],
        OrganizationManagement,
        PROTOCOL_SWITCH,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        self.rules.command(Command::new(Self::FACTS).with("Name", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(AuthenticationPolicy::read).collect::<Result<Vec<_>>>().map(last)
    }
}
