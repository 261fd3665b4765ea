use m365_core::{Error, Result};

use super::absent;
use crate::command::Command;
use crate::filter::RecipientFilter;
use crate::row::{Row, only};
use crate::types::ManagementScopeName;
use crate::{Cmdlet, Facts};

/// A management scope: the mailboxes that a filter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementScope {
    /// Its name.
    pub name: String,
    /// Its filter; `None` when it has none, or one that cannot be read: then it is not known what it holds.
    pub filter: Option<RecipientFilter>,
    /// Exclusive scopes do not restrict apps.
    pub exclusive: bool,
}

impl ManagementScope {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        // "RecipientFilter" is what Exchange made of "RecipientRestrictionFilter".
        let filter = row.text("RecipientFilter").or_else(|| row.text("RecipientRestrictionFilter"));
        Ok(Self {
            name: row.required("Name")?.to_owned(),
            filter: filter.and_then(|f| RecipientFilter::parse(f).ok()),
            exclusive: row.truth("Exclusive").unwrap_or(false),
        })
    }
}

/// `Get-ManagementScope -Identity`: one scope.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-managementscope>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetManagementScope {
    name: ManagementScopeName,
}

impl GetManagementScope {
    /// The scope with this name.
    pub fn new(name: ManagementScopeName) -> Self {
        Self { name }
    }
}

impl Cmdlet for GetManagementScope {
    type Output = Option<ManagementScope>;

    const FACTS: &'static Facts = facts!(
        "Get-ManagementScope",
        "get-managementscope",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.name.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(ManagementScope::read).collect::<Result<Vec<_>>>()?;
        only(all, self.name.as_str(), |s| s.name.to_lowercase() == self.name.as_str().to_lowercase())
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-ManagementScope`: all scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListManagementScopes;

impl ListManagementScopes {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListManagementScopes {
    type Output = Vec<ManagementScope>;

    const FACTS: &'static Facts = GetManagementScope::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementScope::read).collect()
    }
}
