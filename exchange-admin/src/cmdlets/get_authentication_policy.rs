use m365_core::{Error, Result};

use super::{SignInRules, absent};
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::AuthenticationPolicyName;
use crate::{Cmdlet, Facts};

/// An authentication policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationPolicy {
    /// Its name.
    pub name: String,
    /// What it says.
    pub rules: SignInRules,
}

impl AuthenticationPolicy {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self { name: row.required("Name")?.to_owned(), rules: SignInRules::read(row) })
    }
}

/// `Get-AuthenticationPolicy -Identity`: one authentication policy.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-authenticationpolicy>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAuthenticationPolicy {
    name: AuthenticationPolicyName,
}

impl GetAuthenticationPolicy {
    /// The one with this name.
    pub fn new(name: AuthenticationPolicyName) -> Self {
        Self { name }
    }
}

impl Cmdlet for GetAuthenticationPolicy {
    type Output = Option<AuthenticationPolicy>;

    const FACTS: &'static Facts = facts!(
        "Get-AuthenticationPolicy",
        "get-authenticationpolicy",
        ["View-Only Configuration", "Organization Configuration"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(AuthenticationPolicy::read).collect::<Result<Vec<_>>>()?;
        only(all, self.name.as_str(), |o| o.name.to_lowercase() == self.name.as_str().to_lowercase())
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-AuthenticationPolicy`: all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListAuthenticationPolicies;

impl ListAuthenticationPolicies {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListAuthenticationPolicies {
    type Output = Vec<AuthenticationPolicy>;

    const FACTS: &'static Facts = GetAuthenticationPolicy::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(AuthenticationPolicy::read).collect()
    }
}
