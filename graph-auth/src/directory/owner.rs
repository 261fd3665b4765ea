use std::fmt;

use m365_core::{ApplicationObjectId, ServicePrincipalObjectId, UserObjectId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Somebody who may own a registration: a person, or an app by its enterprise application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Owner {
    /// A person.
    User(UserObjectId),
    /// An app: the object id of its enterprise application, not its client id.
    ServicePrincipal(ServicePrincipalObjectId),
}

impl Owner {
    /// Whether this row of a list is the same object.
    pub fn is(&self, listed: &ListedOwner) -> bool {
        self.to_string() == listed.id.to_string()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::ServicePrincipal(id) => id.fmt(f),
        }
    }
}

/// An owner as the directory lists it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListedOwner {
    /// Object id.
    pub id: Uuid,
    /// `#microsoft.graph.user`, `#microsoft.graph.servicePrincipal`, where the answer says so.
    #[serde(rename = "@odata.type")]
    pub kind: Option<String>,
    /// Displayed name, where the caller may see it.
    pub display_name: Option<String>,
}

/// What an owner owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnedObject {
    /// The registration.
    Application(ApplicationObjectId),
    /// The enterprise application.
    ServicePrincipal(ServicePrincipalObjectId),
}

impl OwnedObject {
    pub(super) fn path(self) -> String {
        match self {
            Self::Application(id) => format!("/v1.0/applications/{id}/owners"),
            Self::ServicePrincipal(id) => format!("/v1.0/servicePrincipals/{id}/owners"),
        }
    }
}
