use m365_core::{ApplicationObjectId, odata};
use serde::{Deserialize, Serialize};

/// A federated credential as the directory lists it:
/// <https://learn.microsoft.com/graph/api/resources/federatedidentitycredential>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FederatedIdentityCredential {
    /// Its id.
    pub id: String,
    /// Its name, unique on the application and unchangeable.
    pub name: String,
    /// Who issues the tokens (`iss`), compared without tolerance.
    pub issuer: String,
    /// Whom the tokens are about (`sub`), compared without tolerance; absent where an expression matches instead.
    pub subject: Option<String>,
    /// Whom the tokens are for (`aud`).
    #[serde(default)]
    pub audiences: Vec<String>,
    /// For people.
    pub description: Option<String>,
}

/// What a federated credential trusts, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedTrust {
    /// Who issues the tokens (`iss`).
    pub issuer: String,
    /// Whom the tokens are about (`sub`).
    pub subject: String,
    /// Whom the tokens are for (`aud`); Entra takes exactly one.
    pub audiences: Vec<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

pub(super) fn path(application: ApplicationObjectId) -> String {
    format!("/v1.0/applications/{application}/federatedIdentityCredentials")
}

/// The credential's name is an alternate key of it.
pub(super) fn path_by_name(application: ApplicationObjectId, name: &str) -> String {
    format!("{}/{}", path(application), odata::segment(name))
}
