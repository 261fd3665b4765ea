use jiff::Timestamp;
use serde::Deserialize;

/// What a tenant allows of credentials and audiences:
/// <https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy> (the tenant's default) and
/// <https://learn.microsoft.com/graph/api/resources/appmanagementpolicy> (for single applications).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppManagementPolicy {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Displayed name.
    pub display_name: Option<String>,
    /// Whether it is enforced.
    #[serde(default)]
    pub is_enabled: bool,
    /// What it restricts on registrations; a policy for single applications says `restrictions` instead.
    #[serde(default, alias = "restrictions")]
    pub application_restrictions: Option<AppRestrictions>,
}

/// The restrictions of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppRestrictions {
    /// On secrets.
    #[serde(default)]
    pub password_credentials: Vec<CredentialRestriction>,
    /// On certificates.
    #[serde(default)]
    pub key_credentials: Vec<CredentialRestriction>,
    /// On the tenants that applications are for, where the tenant has such.
    pub audiences: Option<AudienceRestrictions>,
}

/// One restriction on credentials:
/// <https://learn.microsoft.com/graph/api/resources/passwordcredentialconfiguration>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CredentialRestriction {
    /// `passwordAddition`, `passwordLifetime`, `symmetricKeyAddition`, `asymmetricKeyLifetime`, …
    #[serde(default)]
    pub restriction_type: String,
    /// `disabled` takes it out of force; whatever else, and nothing, means enforced.
    pub state: Option<String>,
    /// The longest life, as an ISO 8601 duration.
    pub max_lifetime: Option<String>,
    /// Only applications created from then on are restricted; every one when it is absent.
    pub restrict_for_apps_created_after_date_time: Option<Timestamp>,
}

/// Restrictions on audiences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AudienceRestrictions {
    /// On `AzureADMultipleOrgs`.
    #[serde(rename = "azureAdMultipleOrgs")]
    pub multi_tenant: Option<AudienceRestriction>,
}

/// One restriction on an audience.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AudienceRestriction {
    /// As of a credential's restriction.
    pub state: Option<String>,
    /// As of a credential's restriction.
    pub restrict_for_apps_created_after_date_time: Option<Timestamp>,
}
