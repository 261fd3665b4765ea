use m365_core::Result;

use crate::command::Command;
use crate::filter::RecipientFilter;
use crate::row::Row;
use crate::types::ManagementScopeName;
use crate::{Cmdlet, Facts};

/// `Set-ManagementScope`: gives a scope another filter, for every assignment that points to it. Apps keep the old one until
/// their cache runs out.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-managementscope>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetManagementScope {
    name: ManagementScopeName,
    filter: RecipientFilter,
}

impl SetManagementScope {
    /// The scope with this name gets this filter.
    pub fn new(name: ManagementScopeName, filter: RecipientFilter) -> Self {
        Self { name, filter }
    }
}

impl Cmdlet for SetManagementScope {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-ManagementScope",
        "set-managementscope",
        ["Role Management"],
        OrganizationManagement,
        APPLICATION_RBAC,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", self.name.as_str())
            .with("RecipientRestrictionFilter", self.filter.as_str()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
