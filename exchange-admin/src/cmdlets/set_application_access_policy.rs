use m365_core::Result;

use super::AccessPolicyIdentity;
use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// `Set-ApplicationAccessPolicy`: changes a policy's description, and nothing else. Whoever wants another scope or another
/// right makes a new policy and then removes the old one.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-applicationaccesspolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetApplicationAccessPolicy {
    identity: AccessPolicyIdentity,
    description: String,
}

impl SetApplicationAccessPolicy {
    /// Another description of this policy. A short one leaves room in the store.
    pub fn new(identity: AccessPolicyIdentity, description: &str) -> Self {
        Self { identity, description: description.to_owned() }
    }
}

impl Cmdlet for SetApplicationAccessPolicy {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-ApplicationAccessPolicy",
        "set-applicationaccesspolicy",
        ["Organization Configuration"],
        OrganizationManagement,
        ACCESS_POLICY,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", self.identity.as_str())
            .with("Description", self.description.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
