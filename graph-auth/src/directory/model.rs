use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use jiff::Timestamp;
use m365_core::{AppRoleId, ApplicationObjectId, ClientId, KeyId, ServicePrincipalObjectId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::PublicCertificate;

/// Fields read of an application.
pub(super) const APPLICATION_FIELDS: &str = "id,appId,uniqueName,displayName,signInAudience,createdDateTime,\
     requiredResourceAccess,passwordCredentials,keyCredentials,web,verifiedPublisher";

/// Fields read of a service principal.
pub(super) const SERVICE_PRINCIPAL_FIELDS: &str =
    "id,appId,displayName,accountEnabled,appRoles,appOwnerOrganizationId,appRoleAssignmentRequired";

/// An app registration: <https://learn.microsoft.com/graph/api/resources/application>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Application {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
    /// Client id.
    #[serde(rename = "appId")]
    pub client_id: ClientId,
    /// The name under which it is found again, whatever it is displayed as.
    pub unique_name: Option<String>,
    /// Displayed name.
    #[serde(default)]
    pub display_name: String,
    /// Who can sign in: see [`Audience`] for the values that this crate writes.
    pub sign_in_audience: Option<String>,
    /// When it was created.
    pub created_date_time: Option<Timestamp>,
    /// Permissions that it declares to need; consent is another matter.
    #[serde(default)]
    pub required_resource_access: Vec<RequiredResourceAccess>,
    /// Its secrets, without their texts.
    #[serde(default)]
    pub password_credentials: Vec<PasswordCredential>,
    /// Its certificates.
    #[serde(default)]
    pub key_credentials: Vec<KeyCredential>,
    /// What it declares as a web application: where consent and sign-in lead back to.
    pub web: Option<WebSettings>,
    /// Who the publisher is, where Microsoft verified that.
    pub verified_publisher: Option<VerifiedPublisher>,
}

/// Who published an application: <https://learn.microsoft.com/graph/api/resources/verifiedpublisher>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerifiedPublisher {
    /// Displayed name; absent where nobody is verified.
    pub display_name: Option<String>,
    /// Partner id.
    pub verified_publisher_id: Option<String>,
}

/// Settings of a web application. What this crate does not know is kept as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSettings {
    /// Addresses that consent and sign-in may lead back to, compared without tolerance.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Further fields, sent back unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Permissions of one API that an application declares to need. What this crate does not know is kept as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequiredResourceAccess {
    /// The API.
    pub resource_app_id: ClientId,
    /// Its permissions.
    #[serde(default)]
    pub resource_access: Vec<ResourceAccess>,
    /// Further fields, sent back unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One declared permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceAccess {
    /// Id of the app role or of the delegated scope.
    pub id: Uuid,
    /// `Role` for application permissions, `Scope` for delegated ones.
    #[serde(rename = "type")]
    pub kind: String,
    /// Further fields, sent back unchanged.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ResourceAccess {
    /// An application permission.
    pub fn role(id: AppRoleId) -> Self {
        Self { id: uuid_of(id), kind: "Role".to_owned(), other: Map::new() }
    }

    /// Whether it is this application permission.
    pub fn is_role(&self, id: AppRoleId) -> bool {
        self.kind == "Role" && self.id == uuid_of(id)
    }
}

fn uuid_of(id: AppRoleId) -> Uuid {
    // An id prints as a GUID, so this never falls back.
    Uuid::parse_str(&id.to_string()).unwrap_or_default()
}

/// One secret, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PasswordCredential {
    /// The Secret ID.
    pub key_id: KeyId,
    /// Displayed name.
    pub display_name: Option<String>,
    /// When it begins to work.
    pub start_date_time: Option<Timestamp>,
    /// When it ends to work.
    pub end_date_time: Option<Timestamp>,
}

/// One certificate: <https://learn.microsoft.com/graph/api/resources/keycredential>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyCredential {
    /// Its id.
    pub key_id: KeyId,
    /// Displayed name.
    pub display_name: Option<String>,
    /// SHA-1 thumbprint, unless whoever added it chose another mark.
    pub custom_key_identifier: Option<String>,
    /// When it begins to work.
    pub start_date_time: Option<Timestamp>,
    /// When it ends to work.
    pub end_date_time: Option<Timestamp>,
    /// `AsymmetricX509Cert` for what an app signs in with.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `Verify` for what an app signs in with.
    pub usage: Option<String>,
    /// The certificate in base64 of its DER. Graph gives it when one object is read with `$select`, and never in lists.
    pub key: Option<String>,
}

impl KeyCredential {
    /// Whether it is this certificate: by its bytes where they were read, else by its SHA-1 thumbprint, which Graph writes
    /// in hexadecimal digits or in base64.
    pub fn is(&self, certificate: &PublicCertificate) -> bool {
        match &self.key {
            Some(key) => STANDARD.decode(key).is_ok_and(|der| der == certificate.der()),
            None => self.has_thumbprint(certificate.thumbprint()),
        }
    }

    /// Whether its mark is this SHA-1 thumbprint in hexadecimal digits.
    pub fn has_thumbprint(&self, thumbprint: &str) -> bool {
        let Some(mark) = &self.custom_key_identifier else { return false };
        let decoded = || {
            let bytes = STANDARD.decode(mark).ok().filter(|bytes| bytes.len() == 20)?;
            Some(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
        };
        mark.eq_ignore_ascii_case(thumbprint)
            || decoded().is_some_and(|mark| mark.eq_ignore_ascii_case(thumbprint))
    }
}

/// What may be set on an application. Fields left out stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSettings {
    /// Displayed name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Who can sign in. A new application without it would be open to personal accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in_audience: Option<Audience>,
    /// Declared permissions. They **replace** all that were declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_resource_access: Option<Vec<RequiredResourceAccess>>,
    /// Settings of a web application. Its addresses **replace** all that were there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<WebSettings>,
}

/// The tenants in which an application can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// Its own tenant only.
    #[default]
    #[serde(rename = "AzureADMyOrg", alias = "single-tenant")]
    SingleTenant,
    /// Any organisation's tenant.
    #[serde(rename = "AzureADMultipleOrgs", alias = "multi-tenant")]
    MultiTenant,
}

impl Audience {
    /// The value of `signInAudience`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SingleTenant => "AzureADMyOrg",
            Self::MultiTenant => "AzureADMultipleOrgs",
        }
    }
}

/// An enterprise application: <https://learn.microsoft.com/graph/api/resources/serviceprincipal>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServicePrincipal {
    /// Object id of the enterprise application.
    pub id: ServicePrincipalObjectId,
    /// Client id of the application behind it.
    #[serde(rename = "appId")]
    pub client_id: ClientId,
    /// Displayed name.
    pub display_name: Option<String>,
    /// Whether it may sign in.
    pub account_enabled: Option<bool>,
    /// Whether only those who are assigned to it may get tokens for it. It concerns an app that others call, and not one
    /// that only calls.
    pub app_role_assignment_required: Option<bool>,
    /// The tenant in which the application is registered.
    #[serde(rename = "appOwnerOrganizationId")]
    pub home_tenant: Option<TenantId>,
    /// Application permissions and user roles that it offers.
    #[serde(default)]
    pub app_roles: Vec<AppRole>,
}

/// A role that an API offers: <https://learn.microsoft.com/graph/api/resources/approle>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppRole {
    /// Its id.
    pub id: AppRoleId,
    /// Its name, as it stands in a token's `roles`.
    pub value: Option<String>,
    /// Displayed name.
    pub display_name: Option<String>,
    /// Whether it can be granted.
    #[serde(default)]
    pub is_enabled: bool,
    /// `Application`, `User` or both.
    #[serde(default)]
    pub allowed_member_types: Vec<String>,
}

impl AppRole {
    /// Whether it can be granted to applications.
    pub fn is_usable(&self) -> bool {
        self.is_enabled && self.allowed_member_types.iter().any(|kind| kind == "Application")
    }
}

/// Consent to one application permission: <https://learn.microsoft.com/graph/api/resources/approleassignment>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppRoleAssignment {
    /// Its id.
    pub id: String,
    /// The permission.
    pub app_role_id: AppRoleId,
    /// Who holds it.
    pub principal_id: Uuid,
    /// The API.
    pub resource_id: ServicePrincipalObjectId,
}

/// Consent to delegated permissions: <https://learn.microsoft.com/graph/api/resources/oauth2permissiongrant>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PermissionGrant {
    /// Its id.
    pub id: String,
    /// The service principal that may act.
    pub client_id: ServicePrincipalObjectId,
    /// The API.
    pub resource_id: ServicePrincipalObjectId,
    /// `AllPrincipals`, or `Principal` for one user.
    pub consent_type: Option<String>,
    /// Permissions, separated by blanks.
    pub scope: Option<String>,
}

impl PermissionGrant {
    /// The permissions one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.as_deref().unwrap_or_default().split_whitespace()
    }
}
