use m365_core::{Error, Result};

use super::{EwsBudget, absent};
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::ThrottlingPolicyName;
use crate::{Cmdlet, Facts};

/// A throttling policy of Exchange Server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottlingPolicy {
    /// Its name.
    pub name: String,
    /// What it says about EWS.
    pub ews: EwsBudget,
}

impl ThrottlingPolicy {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self { name: row.required("Name")?.to_owned(), ews: EwsBudget::read(row) })
    }
}

/// `Get-ThrottlingPolicy -Identity`: one throttling policy of Exchange Server.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-throttlingpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetThrottlingPolicy {
    name: ThrottlingPolicyName,
}

impl GetThrottlingPolicy {
    /// The one with this name.
    pub fn new(name: ThrottlingPolicyName) -> Self {
        Self { name }
    }
}

impl Cmdlet for GetThrottlingPolicy {
    type Output = Option<ThrottlingPolicy>;

    const FACTS: &'static Facts = facts!(
        "Get-ThrottlingPolicy",
        "get-throttlingpolicy",
        ["View-Only Configuration", "Recipient Policies"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        OnPremises
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(ThrottlingPolicy::read).collect::<Result<Vec<_>>>()?;
        only(all, self.name.as_str(), |o| o.name.to_lowercase() == self.name.as_str().to_lowercase())
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-ThrottlingPolicy`: all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListThrottlingPolicies;

impl ListThrottlingPolicies {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListThrottlingPolicies {
    type Output = Vec<ThrottlingPolicy>;

    const FACTS: &'static Facts = GetThrottlingPolicy::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ThrottlingPolicy::read).collect()
    }
}
