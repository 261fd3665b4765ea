use std::collections::BTreeSet;

use m365_core::{Error, Result};

use crate::command::{CmdletName, ParameterName};
use crate::row::Row;
use crate::types::ManagementRoleName;

/// A cmdlet in a role, with those of its parameters that the role permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementRoleEntry {
    /// The role, by name.
    pub role: String,
    /// The cmdlet.
    pub cmdlet: String,
    /// The parameters that may be given.
    pub parameters: Vec<String>,
}

impl ManagementRoleEntry {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            role: row.owned("Role"),
            cmdlet: row.required("Name")?.to_owned(),
            parameters: row.list("Parameters"),
        })
    }

    /// Whether it is for this cmdlet.
    pub fn is_of(&self, cmdlet: CmdletName) -> bool {
        self.cmdlet.eq_ignore_ascii_case(cmdlet.as_str())
    }

    /// Whether it permits exactly these parameters.
    pub fn permits_exactly(&self, parameters: &BTreeSet<ParameterName>) -> bool {
        let own: BTreeSet<String> = self.parameters.iter().map(|p| p.to_ascii_lowercase()).collect();
        own == parameters.iter().map(|p| p.as_str().to_ascii_lowercase()).collect()
    }
}

/// `role\cmdlet`; `*` stands for any cmdlet.
pub(super) fn identity(role: &ManagementRoleName, cmdlet: &str) -> Result<String> {
    if role.as_str().contains(['\\', '*']) {
        return Err(Error::invalid(format!("the entries of {role} cannot be named: it holds a \\ or a *")));
    }
    Ok(format!("{role}\\{cmdlet}"))
}
