//! Entra: what Microsoft Graph's directory endpoints read and write.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Lifecycle, Timed};

/// Applications, service principals, users, groups and grants.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// App registrations.
    pub applications: Vec<Timed<Application>>,
    /// Enterprise applications, the resource APIs included.
    pub service_principals: Vec<Timed<ServicePrincipal>>,
    /// Application permissions granted to service principals.
    pub app_role_assignments: Vec<Timed<AppRoleAssignment>>,
    /// Delegated permissions granted.
    pub oauth2_permission_grants: Vec<Timed<OAuth2PermissionGrant>>,
    /// Users; every mailbox belongs to one.
    pub users: Vec<Timed<User>>,
    /// Groups, the mail-enabled ones of Exchange included.
    pub groups: Vec<Timed<DirectoryGroup>>,
    /// Directory roles held by service principals: (service principal object id, role name).
    pub directory_roles: Vec<(Uuid, String)>,
    /// What happens to registrations over their life.
    pub lifecycle: Lifecycle,
}

/// An app registration.
#[derive(Clone, Debug)]
pub struct Application {
    /// Object id of the registration; not the client id, not the enterprise application's id.
    pub id: Uuid,
    /// Client id.
    pub app_id: Uuid,
    /// Alternate key for upserts.
    pub unique_name: Option<String>,
    /// Display name.
    pub display_name: String,
    /// `AzureADMyOrg`, `AzureADMultipleOrgs`, …
    pub sign_in_audience: String,
    /// Declared (not yet consented) permissions.
    pub required_resource_access: Vec<RequiredResource>,
    /// Secrets; each becomes usable on its own clock.
    pub passwords: Vec<Timed<PasswordCredential>>,
    /// Certificates.
    pub keys: Vec<Timed<KeyCredential>>,
    /// Object ids of the owners.
    pub owners: Vec<Uuid>,
    /// Free text, tags and notes that clients write and read back untouched.
    pub notes: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// One resource API of a registration's declared permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredResource {
    /// Client id of the resource API.
    pub resource_app_id: Uuid,
    /// Roles and scopes declared.
    pub access: Vec<ResourceAccess>,
}

/// One declared permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceAccess {
    /// Id of the app role or delegated scope.
    pub id: Uuid,
    /// `Role` (application) or `Scope` (delegated).
    pub kind: String,
}

/// A client secret.
#[derive(Clone)]
pub struct PasswordCredential {
    /// The "Secret ID" that people paste by mistake.
    pub key_id: Uuid,
    /// Name shown in the portal.
    pub display_name: Option<String>,
    /// The secret itself; shown once by `addPassword`.
    pub secret: String,
    /// Start of validity.
    pub start: Timestamp,
    /// End of validity.
    pub end: Timestamp,
}

impl std::fmt::Debug for PasswordCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordCredential").field("key_id", &self.key_id).field("end", &self.end).finish()
    }
}

/// A certificate.
#[derive(Clone, Debug)]
pub struct KeyCredential {
    /// Id of the entry.
    pub key_id: Uuid,
    /// Name shown in the portal.
    pub display_name: Option<String>,
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// Start of validity.
    pub start: Timestamp,
    /// End of validity.
    pub end: Timestamp,
}

/// An enterprise application.
#[derive(Clone, Debug)]
pub struct ServicePrincipal {
    /// Object id: the token's `oid`, and what Exchange's New-ServicePrincipal wants.
    pub id: Uuid,
    /// Client id of the application behind it.
    pub app_id: Uuid,
    /// Display name.
    pub display_name: String,
    /// False refuses sign-in.
    pub account_enabled: bool,
    /// What this API offers, when it is a resource.
    pub app_roles: Vec<AppRole>,
}

/// An application permission offered by a resource API.
#[derive(Clone, Debug)]
pub struct AppRole {
    /// Id of the role.
    pub id: Uuid,
    /// Name, e.g. `Mail.ReadWrite`.
    pub value: String,
    /// Disabled roles cannot be granted.
    pub enabled: bool,
    /// `Application`, `User`, or both.
    pub allowed_member_types: Vec<String>,
}

/// An application permission granted.
#[derive(Clone, Debug)]
pub struct AppRoleAssignment {
    /// Opaque id.
    pub id: String,
    /// Service principal that received the permission.
    pub principal_id: Uuid,
    /// Service principal of the resource API.
    pub resource_id: Uuid,
    /// The role.
    pub app_role_id: Uuid,
}

/// A delegated permission granted.
#[derive(Clone, Debug)]
pub struct OAuth2PermissionGrant {
    /// Opaque id.
    pub id: String,
    /// Service principal of the client.
    pub client_id: Uuid,
    /// Service principal of the resource API.
    pub resource_id: Uuid,
    /// Scopes, separated by blanks.
    pub scope: String,
    /// `AllPrincipals` or `Principal`.
    pub consent_type: String,
}

/// A user of the directory.
#[derive(Clone, Debug)]
pub struct User {
    /// Object id.
    pub id: Uuid,
    /// User principal name.
    pub upn: String,
    /// Display name.
    pub display_name: String,
    /// Primary address, when the user has a mailbox.
    pub mail: Option<String>,
    /// False for the users behind shared mailboxes.
    pub account_enabled: bool,
}

/// A group of the directory.
#[derive(Clone, Debug)]
pub struct DirectoryGroup {
    /// Object id; Exchange's `ExternalDirectoryObjectId`.
    pub id: Uuid,
    /// Display name.
    pub display_name: String,
    /// Address, when mail-enabled.
    pub mail: Option<String>,
    /// True for security groups.
    pub security_enabled: bool,
    /// True when it has an address.
    pub mail_enabled: bool,
    /// Object ids of direct members (users, groups, service principals).
    pub members: Vec<Uuid>,
}
