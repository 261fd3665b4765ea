use m365_core::{Error, Result};

use super::{AccessPolicyIdentity, ApplicationAccessPolicy, absent};
use crate::classify::object_not_found;
use crate::command::Command;
use crate::row::{Row, only};
use crate::{Cmdlet, Facts};

/// `Get-ApplicationAccessPolicy -Identity`: one policy.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-applicationaccesspolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetApplicationAccessPolicy {
    identity: AccessPolicyIdentity,
}

impl GetApplicationAccessPolicy {
    /// The policy with this identity.
    pub fn new(identity: AccessPolicyIdentity) -> Self {
        Self { identity }
    }
}

impl Cmdlet for GetApplicationAccessPolicy {
    type Output = Option<ApplicationAccessPolicy>;

    const FACTS: &'static Facts = facts!(
        "Get-ApplicationAccessPolicy",
        "get-applicationaccesspolicy",
        ["View-Only Configuration", "Organization Configuration"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.identity.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(ApplicationAccessPolicy::read).collect::<Result<Vec<_>>>()?;
        only(all, "the access policy", |p| p.identity.as_str().eq_ignore_ascii_case(self.identity.as_str()))
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-ApplicationAccessPolicy`: all policies of the tenant. A tenant without any answers with an error, told apart by
/// its type since its text is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListApplicationAccessPolicies;

impl ListApplicationAccessPolicies {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListApplicationAccessPolicies {
    type Output = Vec<ApplicationAccessPolicy>;

    const FACTS: &'static Facts = GetApplicationAccessPolicy::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ApplicationAccessPolicy::read).collect()
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        if object_not_found(&error) { Ok(Vec::new()) } else { Err(error) }
    }
}
