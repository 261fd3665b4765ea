use m365_core::{Error, Result};

use super::{AccessPolicyIdentity, already_gone};
use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ApplicationAccessPolicy`: removes a policy. Removing the last restriction of an app opens every mailbox to its
/// consent.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-applicationaccesspolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveApplicationAccessPolicy {
    identity: AccessPolicyIdentity,
}

impl RemoveApplicationAccessPolicy {
    /// The policy with this identity.
    pub fn new(identity: AccessPolicyIdentity) -> Self {
        Self { identity }
    }
}

impl Cmdlet for RemoveApplicationAccessPolicy {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ApplicationAccessPolicy",
        "remove-applicationaccesspolicy",
        ["Organization Configuration"],
        OrganizationManagement,
        ACCESS_POLICY,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.identity.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
