use m365_core::Result;

use super::{ManagementScope, last};
use crate::command::Command;
use crate::filter::RecipientFilter;
use crate::row::Row;
use crate::types::ManagementScopeName;
use crate::{Cmdlet, Facts};

/// `New-ManagementScope`: names the mailboxes that a filter holds, for role assignments to point to.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-managementscope>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewManagementScope {
    pub(crate) name: ManagementScopeName,
    pub(crate) filter: RecipientFilter,
}

impl NewManagementScope {
    /// A scope with this name and filter.
    pub fn new(name: ManagementScopeName, filter: RecipientFilter) -> Self {
        Self { name, filter }
    }
}

impl Cmdlet for NewManagementScope {
    type Output = Option<ManagementScope>;

    const FACTS: &'static Facts = facts!(
        "New-ManagementScope",
        "new-managementscope",
        ["Role Management"],
        OrganizationManagement,
        APPLICATION_RBAC,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Name", self.name.as_str())
            .with("RecipientRestrictionFilter", self.filter.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementScope::read).collect::<Result<Vec<_>>>().map(last)
    }
}
