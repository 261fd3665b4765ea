use m365_core::Result;

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{RecipientIdentity, ThrottlingPolicyName};
use crate::{Cmdlet, Facts};

/// `Set-ThrottlingPolicyAssociation`: gives an account of Exchange Server a throttling policy.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-throttlingpolicyassociation>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetThrottlingPolicyAssociation {
    account: RecipientIdentity,
    policy: Option<ThrottlingPolicyName>,
}

impl SetThrottlingPolicyAssociation {
    /// The account gets this policy.
    pub fn new(account: impl Into<RecipientIdentity>, policy: ThrottlingPolicyName) -> Self {
        Self { account: account.into(), policy: Some(policy) }
    }

    /// The account gets the default policy again.
    pub fn to_default(account: impl Into<RecipientIdentity>) -> Self {
        Self { account: account.into(), policy: None }
    }
}

impl Cmdlet for SetThrottlingPolicyAssociation {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-ThrottlingPolicyAssociation",
        "set-throttlingpolicyassociation",
        ["Recipient Policies"],
        OrganizationManagement,
        SERVER_SETTING,
        Idempotent,
        OnPremises
    );

    fn command(&self) -> Result<Command> {
        let policy = self.policy.as_ref().map_or(Value::Null, |p| Value::from(p.as_str()));
        Ok(Command::new(Self::FACTS).with("Identity", &self.account).with("ThrottlingPolicy", policy))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
