use m365_core::{Error, Result};

use super::{ManagementRole, last};
use crate::command::{CmdletName, Command};
use crate::row::Row;
use crate::types::ManagementRoleName;
use crate::{ApplicationRole, Cmdlet, Facts};

/// `New-ManagementRole -Parent`: a role with some of the cmdlets of another one. A role never has more than its parent, and
/// the roles of apps have no children.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-managementrole>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewManagementRole {
    pub(crate) name: ManagementRoleName,
    pub(crate) parent: ManagementRoleName,
    pub(crate) cmdlets: Vec<CmdletName>,
    pub(crate) description: Option<String>,
}

impl NewManagementRole {
    /// A role with these cmdlets of `parent`. The parameter that names them (`-EnabledCmdlets`) is known from Exchange 2016
    /// on.
    pub fn new(
        name: ManagementRoleName,
        parent: ManagementRoleName,
        cmdlets: impl IntoIterator<Item = CmdletName>,
    ) -> Self {
        Self { name, parent, cmdlets: cmdlets.into_iter().collect(), description: None }
    }

    /// With a text that says what it is for.
    #[must_use]
    pub fn with_description(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }
}

impl Cmdlet for NewManagementRole {
    type Output = Option<ManagementRole>;

    const FACTS: &'static Facts = facts!(
        "New-ManagementRole",
        "new-managementrole",
        ["Role Management"],
        OrganizationManagement,
        ADMIN_ROLE,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        if self.cmdlets.is_empty() {
            return Err(Error::invalid(
                "a role without a cmdlet permits nothing; without this list it has them all",
            ));
        }
        if ApplicationRole::read(self.parent.as_str()).is_some() {
            return Err(Error::invalid(format!("{} is a role of apps, which has no children", self.parent)));
        }
        let cmdlets: Vec<String> = self.cmdlets.iter().map(ToString::to_string).collect();
        Ok(Command::new(Self::FACTS)
            .with("Name", self.name.as_str())
            .with("Parent", self.parent.as_str())
            .with("EnabledCmdlets", cmdlets)
            .with_some("Description", self.description.as_deref()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ManagementRole::read).collect::<Result<Vec<_>>>().map(last)
    }
}
