use std::fmt;

use super::{ManagementScopeName, ObjectName, RecipientIdentity};
use crate::row::Row;

/// The mailboxes for which a role is granted. There is no default, because Exchange's own default is the whole
/// organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceScope {
    /// The direct members of a group (`-RecipientGroupScope`). Members of a nested group are *not* in it.
    Group(RecipientIdentity),
    /// The mailboxes that a management scope's filter holds (`-CustomResourceScope`).
    Custom(ManagementScopeName),
    /// The members of an administrative unit (`-RecipientAdministrativeUnitScope`), named by its id or name.
    AdministrativeUnit(ObjectName),
    /// Every mailbox of the tenant, including those of people who join later.
    Organization,
}

impl fmt::Display for ResourceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "direct members of {group}"),
            Self::Custom(scope) => write!(f, "management scope {scope}"),
            Self::AdministrativeUnit(unit) => write!(f, "administrative unit {unit}"),
            Self::Organization => f.write_str("the whole organisation"),
        }
    }
}

/// The scope of an assignment as Exchange reports it. Names are echoed in whatever form Exchange chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantedScope {
    /// The members of a group.
    Group(String),
    /// A management scope.
    Custom(String),
    /// An administrative unit.
    AdministrativeUnit(String),
    /// Every mailbox.
    Organization,
    /// A kind of scope without a name here: neither proof of a restriction nor of its absence.
    Unknown(String),
}

impl GrantedScope {
    pub(crate) fn read(row: &Row) -> Self {
        if let Some(scope) = row.text("CustomResourceScope") {
            return Self::Custom(scope.to_owned());
        }
        if let Some(group) = row.text("RecipientGroupScope") {
            return Self::Group(group.to_owned());
        }
        if let Some(unit) = row.text("RecipientAdministrativeUnitScope") {
            return Self::AdministrativeUnit(unit.to_owned());
        }
        match row.text("RecipientWriteScope") {
            None | Some("Organization") => Self::Organization,
            Some("CustomRecipientScope") => match row.text("CustomRecipientWriteScope") {
                Some(scope) => Self::Custom(scope.to_owned()),
                None => Self::Unknown("CustomRecipientScope".to_owned()),
            },
            Some(other) => Self::Unknown(other.to_owned()),
        }
    }
}
