use m365_core::{AppRoleId, ApplicationObjectId, KeyId};
use serde::{Deserialize, Serialize};

use super::{FederatedCredential, SecretPolicy};
use crate::directory::{Audience, NewCertificate, Owner};
use crate::{Api, Permission};

/// A permission with its id in the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The permission.
    pub permission: Permission,
    /// Its id.
    pub app_role_id: AppRoleId,
}

/// Which of the two objects of a registration is owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owned {
    /// The application.
    Application,
    /// The enterprise application.
    ServicePrincipal,
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
    /// Adds addresses that consent and sign-in may lead back to. Needs the application.
    AddRedirectUris {
        /// The addresses.
        add: Vec<String>,
    },
    /// Removes a federated credential of ours. Needs the application.
    RemoveFederatedCredential {
        /// Its name.
        name: String,
    },
    /// Changes what a federated credential of ours trusts. Needs the application.
    UpdateFederatedCredential {
        /// What it shall trust.
        credential: FederatedCredential,
    },
    /// Adds a federated credential. Needs the application.
    AddFederatedCredential {
        /// What it trusts.
        credential: FederatedCredential,
    },
    /// Adds an owner. Needs what is owned.
    AddOwner {
        /// What is owned.
        of: Owned,
        /// The new owner.
        owner: Owner,
    },
    /// Takes ownership away, unless it is the last owner's. Needs what is owned.
    RemoveOwner {
        /// What is owned.
        of: Owned,
        /// The former owner.
        owner: Owner,
    },
    /// Lets the enterprise application sign in again. No plan contains it: who switched it off decides.
    EnableServicePrincipal,
    /// Takes the application out of the recycle bin. No plan contains it: who deleted it decides.
    RestoreApplication {
        /// Object id of the registration.
        id: ApplicationObjectId,
    },
}
