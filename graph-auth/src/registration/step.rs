use m365_core::{AppRoleId, KeyId};

use super::SecretPolicy;
use crate::directory::{Audience, NewCertificate};
use crate::{Api, Permission};

/// A permission with its id in the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The permission.
    pub permission: Permission,
    /// Its id.
    pub app_role_id: AppRoleId,
}

/// One change between a tenant's state and the desired one. Each can be applied by itself once what it needs is there,
/// and applied again without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationStep {
    /// Registers the application.
    CreateApplication {
        /// The name under which it is found again.
        unique_name: String,
        /// Displayed name.
        display_name: String,
        /// The tenants in which it can be used.
        audience: Audience,
    },
    /// Changes the application's name or audience.
    UpdateApplication {
        /// The new displayed name.
        display_name: Option<String>,
        /// The new audience.
        audience: Option<Audience>,
    },
    /// Makes the service principal of an API that the tenant lacks.
    CreateApiServicePrincipal {
        /// The API.
        api: Api,
    },
    /// Makes the enterprise application. Needs the application.
    CreateServicePrincipal,
    /// Removes the delegated `User.Read` of the portal, declaration and grant.
    RemoveDefaultUserRead,
    /// Declares the permissions needed, and takes back those that must not be consented. Needs the application.
    DeclarePermissions {
        /// To be declared.
        add: Vec<Declared>,
        /// No longer to be declared.
        remove: Vec<Declared>,
    },
    /// Takes back consent to a permission that a scoped Exchange role grants.
    RevokeAppRole {
        /// The API.
        api: Api,
        /// The permission's name.
        name: String,
        /// The permission's id.
        app_role_id: AppRoleId,
    },
    /// Consents to a permission tenant-wide. Needs the enterprise application.
    GrantAppRole {
        /// The API.
        api: Api,
        /// The permission's name.
        name: String,
        /// The permission's id.
        app_role_id: AppRoleId,
    },
    /// Removes a secret of ours whose text nobody holds.
    RemoveOrphanSecret {
        /// Its displayed name.
        display_name: String,
        /// Its Secret ID.
        key_id: KeyId,
    },
    /// Adds a secret. Needs the application.
    AddSecret {
        /// Name and lifetime.
        policy: SecretPolicy,
        /// The Secret ID that the caller holds already and that stays.
        held: Option<KeyId>,
    },
    /// Lets the application trust a certificate, beside those that it trusts. Needs the application.
    AddCertificate {
        /// Name and certificate.
        certificate: NewCertificate,
    },
    /// Takes away a certificate of ours that was replaced.
    RemoveCertificate {
        /// Its displayed name.
        display_name: String,
        /// Its id.
        key_id: KeyId,
    },
}
