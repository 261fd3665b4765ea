use m365_core::{Error, Result};

use super::already_gone;
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-DistributionGroup`: deletes a group. Its members stay; a scope that names it holds nobody afterwards.
/// Groups that the caller does not manage go as well, for which Recipient Management does not suffice.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-distributiongroup>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveDistributionGroup {
    group: RecipientIdentity,
}

impl RemoveDistributionGroup {
    /// This group.
    pub fn new(group: impl Into<RecipientIdentity>) -> Self {
        Self { group: group.into() }
    }
}

impl Cmdlet for RemoveDistributionGroup {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-DistributionGroup",
        "remove-distributiongroup",
        ["Security Group Creation and Membership"],
        OrganizationManagement,
        APPLICATION_RBAC,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.group)
            .with("BypassSecurityGroupManagerCheck", Value::Switch(true)))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
