use m365_core::{Error, Result};

use super::{DistributionGroup, absent};
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::{Names, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `Get-DistributionGroup -Identity`: one group. Microsoft 365 groups are not among them.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-distributiongroup>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetDistributionGroup {
    group: RecipientIdentity,
}

impl GetDistributionGroup {
    /// By address, id or name.
    pub fn new(group: impl Into<RecipientIdentity>) -> Self {
        Self { group: group.into() }
    }
}

impl Cmdlet for GetDistributionGroup {
    type Output = Option<DistributionGroup>;

    const FACTS: &'static Facts = facts!(
        "Get-DistributionGroup",
        "get-distributiongroup",
        ["View-Only Recipients", "Distribution Groups"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.group).selecting(DistributionGroup::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.group.to_string();
        let all = rows.iter().filter(|r| Names::of_recipient(r).contain(&wanted));
        only(all.map(DistributionGroup::read).collect::<Result<_>>()?, &wanted, |_| true)
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-DistributionGroup`: all groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListDistributionGroups;

impl ListDistributionGroups {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListDistributionGroups {
    type Output = Vec<DistributionGroup>;

    const FACTS: &'static Facts = GetDistributionGroup::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("ResultSize", "Unlimited").selecting(DistributionGroup::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(DistributionGroup::read).collect()
    }
}
