//! The directory over Microsoft Graph: one [`Operation`](m365_core::Operation) per call.
//!
//! Each is a plain value; run it with [`Pipeline::run`](m365_core::Pipeline::run), or
//! [`Pipeline::list`](m365_core::Pipeline::list) where the output is a page. The four ids of a registration are four
//! types, so that none stands in another's place.

mod add_federated_credential;
mod add_key;
mod add_owner;
mod add_password;
mod app_management_policy;
mod create_application;
mod create_service_principal;
mod delete_application;
mod delete_permission_grant;
mod delete_service_principal;
mod federated_credential;
mod get_application;
mod get_credentials;
mod get_default_app_management_policy;
mod get_group;
mod get_organization;
mod get_service_principal;
mod get_user;
mod grant_app_role;
mod list_all_applications;
mod list_app_management_policies;
mod list_app_role_assignments;
mod list_applications;
mod list_deleted_applications;
mod list_federated_credentials;
mod list_owners;
mod list_permission_grants;
mod model;
mod owner;
mod purge_application;
mod remove_federated_credential;
mod remove_key;
mod remove_owner;
mod remove_password;
mod replace_certificates;
mod restore_application;
mod revoke_app_role;
mod update_application;
mod update_federated_credential;
mod update_permission_grant;
mod update_service_principal;
mod upsert_application;

use m365_core::{Idempotency, Meta, Resource, Service};

pub use add_federated_credential::AddFederatedCredential;
pub use add_key::AddKey;
pub use add_owner::AddOwner;
pub use add_password::{AddPassword, NewPassword};
pub use app_management_policy::{
    AppManagementPolicy, AppRestrictions, AudienceRestriction, AudienceRestrictions, CredentialRestriction,
};
pub use create_application::CreateApplication;
pub use create_service_principal::CreateServicePrincipal;
pub use delete_application::DeleteApplication;
pub use delete_permission_grant::DeletePermissionGrant;
pub use delete_service_principal::DeleteServicePrincipal;
pub use federated_credential::{FederatedIdentityCredential, FederatedTrust};
pub use get_application::GetApplication;
pub use get_credentials::{CredentialLists, GetCredentials, KeyEntry};
pub use get_default_app_management_policy::GetDefaultAppManagementPolicy;
pub use get_group::{GetGroup, Group};
pub use get_organization::{GetOrganization, Organization, VerifiedDomain};
pub use get_service_principal::GetServicePrincipal;
pub use get_user::{GetUser, User};
pub use grant_app_role::GrantAppRole;
pub use list_all_applications::ListAllApplications;
pub use list_app_management_policies::ListAppManagementPolicies;
pub use list_app_role_assignments::ListAppRoleAssignments;
pub use list_applications::ListApplications;
pub use list_deleted_applications::{DeletedApplication, ListDeletedApplications};
pub use list_federated_credentials::ListFederatedCredentials;
pub use list_owners::ListOwners;
pub use list_permission_grants::ListPermissionGrants;
pub use model::{
    AppRole, AppRoleAssignment, Application, ApplicationSettings, Audience, KeyCredential,
    PasswordCredential, PermissionGrant, RequiredResourceAccess, ResourceAccess, ServicePrincipal,
    VerifiedPublisher, WebSettings,
};
pub use owner::{ListedOwner, OwnedObject, Owner};
pub use purge_application::PurgeApplication;
pub use remove_federated_credential::RemoveFederatedCredential;
pub use remove_key::RemoveKey;
pub use remove_owner::RemoveOwner;
pub use remove_password::RemovePassword;
pub use replace_certificates::{NewCertificate, ReplaceCertificates};
pub use restore_application::RestoreApplication;
pub use revoke_app_role::RevokeAppRole;
pub use update_application::UpdateApplication;
pub use update_federated_credential::UpdateFederatedCredential;
pub use update_permission_grant::UpdatePermissionGrant;
pub use update_service_principal::UpdateServicePrincipal;
pub use upsert_application::UpsertApplication;

const fn meta(name: &'static str, idempotency: Idempotency) -> Meta<'static> {
    Meta::new(name, Resource::Graph, Service::Directory, idempotency)
}

/// `name='…'` of an alternate key in a path: quotes doubled for OData, the rest encoded for the URL.
fn key(name: &str, value: &str) -> String {
    format!("{name}='{}'", m365_core::odata::segment(&value.replace('\'', "''")))
}

#[cfg(test)]
pub(crate) mod testing {
    use bytes::Bytes;
    use m365_core::{Cloud, Operation};

    pub(crate) const APPLICATION: &str = "a0000000-0000-4000-8000-000000000001";
    pub(crate) const CLIENT: &str = "c0000000-0000-4000-8000-000000000002";
    pub(crate) const PRINCIPAL: &str = "b0000000-0000-4000-8000-000000000003";
    pub(crate) const API: &str = "b0000000-0000-4000-8000-000000000004";
    pub(crate) const ROLE: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";

    /// Method, path with query below the base, and body.
    pub(crate) fn sent(operation: &impl Operation) -> String {
        let request = operation.request(&Cloud::public()).unwrap();
        let uri = request.uri().to_string();
        let path = uri.strip_prefix("https://graph.microsoft.com/v1.0").unwrap();
        format!("{} {path} {}", request.method(), String::from_utf8_lossy(request.body())).trim().to_owned()
    }

    pub(crate) fn answered<O: Operation>(
        operation: &O,
        status: u16,
        body: &str,
    ) -> m365_core::Result<O::Output> {
        let response =
            http::Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        operation.classify(&response, jiff::Timestamp::UNIX_EPOCH)?;
        operation.read(response)
    }
}
