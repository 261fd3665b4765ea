//! What a plan's reader is told of a step.

use std::fmt;
use std::time::Duration;

use m365_core::Result;

use super::{Declared, Owned, RegistrationStep, script};
use crate::Api;
use crate::directory::NewCertificate;

/// A role of Microsoft Entra, for whoever signs in to run a step.
///
/// <https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DirectoryRole {
    /// Registers applications; any member may where the tenant does not restrict it.
    ApplicationDeveloper,
    /// Manages all applications and consents to all permissions but those of Microsoft Graph.
    CloudApplicationAdministrator,
    /// Consents to any permission of any API.
    PrivilegedRoleAdministrator,
}

impl DirectoryRole {
    /// Its name as the portal shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApplicationDeveloper => "Application Developer",
            Self::CloudApplicationAdministrator => "Cloud Application Administrator",
            Self::PrivilegedRoleAdministrator => "Privileged Role Administrator",
        }
    }
}

impl fmt::Display for DirectoryRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The call behind a step: method and path template below Graph's `/v1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestCall {
    /// HTTP method.
    pub method: &'static str,
    /// Path with `{placeholders}`.
    pub path: &'static str,
}

impl fmt::Display for RestCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// After how long a change is effective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Never before.
    pub earliest: Duration,
    /// Mostly by then.
    pub likely: Duration,
    /// Past this, something is wrong.
    pub latest: Duration,
}

impl Window {
    const fn seconds(earliest: u64, likely: u64, latest: u64) -> Self {
        Self {
            earliest: Duration::from_secs(earliest),
            likely: Duration::from_secs(likely),
            latest: Duration::from_secs(latest),
        }
    }
}

/// How a step is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inverse {
    /// In words.
    pub sentence: String,
    /// As a Microsoft Graph PowerShell line.
    pub powershell: String,
}

impl RegistrationStep {
    /// What it does, in one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::CreateApplication { unique_name, display_name, audience } => format!(
                "Register the application \"{display_name}\" (unique name {unique_name}) for {}.",
                match audience {
                    crate::directory::Audience::SingleTenant => "this tenant only",
                    crate::directory::Audience::MultiTenant => "any organisation's tenant",
                }
            ),
            Self::UpdateApplication { display_name, audience } => {
                let name = display_name.as_ref().map(|name| format!("displayed name \"{name}\""));
                let audience = audience.map(|audience| format!("audience {}", audience.as_str()));
                let what: Vec<String> = name.into_iter().chain(audience).collect();
                format!("Change the application: {}.", what.join(", "))
            }
            Self::CreateApiServicePrincipal { api } => {
                format!("Make the service principal of {api}, which this tenant lacks.")
            }
            Self::CreateServicePrincipal => {
                "Make the enterprise application (service principal) of the application.".to_owned()
            }
            Self::RemoveDefaultUserRead => {
                "Remove the delegated User.Read, which the portal adds to every application and an app without users \
                 does not need."
                    .to_owned()
            }
            Self::DeclarePermissions { add, remove } => {
                let part = |verb: &str, list: &[Declared]| {
                    let names: Vec<String> = list.iter().map(|d| d.permission.to_string()).collect();
                    (!names.is_empty()).then(|| format!("{verb} {}", names.join(", ")))
                };
                let parts: Vec<String> = part("declare", add).into_iter().chain(part("no longer declare", remove)).collect();
                format!("In the application's list of needed permissions, {}.", parts.join("; "))
            }
            Self::RevokeAppRole { api, name, .. } => format!(
                "Take back the tenant-wide consent to {name} ({api}): a scoped Exchange role grants it, and a consent \
                 beside it would open every mailbox."
            ),
            Self::GrantAppRole { api, name, .. } => {
                format!("Consent to {name} ({api}) for the whole tenant.")
            }
            Self::RemoveOrphanSecret { display_name, key_id } => format!(
                "Remove the secret \"{display_name}\" with Secret ID {key_id}: it is ours, and its text is not held."
            ),
            Self::AddSecret { policy, .. } => format!(
                "Add the secret \"{}\", valid for {} days; its text is shown this once.",
                policy.display_name,
                policy.lifetime.as_secs() / 86_400
            ),
            Self::AddCertificate { certificate: NewCertificate { display_name, certificate } } => format!(
                "Let the application trust the certificate \"{display_name}\" ({}, thumbprint {}, valid until {}), \
                 beside those that it trusts.",
                certificate.subject(),
                certificate.thumbprint(),
                certificate.not_after()
            ),
            Self::RemoveCertificate { display_name, key_id } => format!(
                "Remove the certificate \"{display_name}\" with key id {key_id}: it is ours, and another one has \
                 replaced it."
            ),
            Self::AddRedirectUris { add } => {
                format!("Let consent and sign-in lead back to {}.", add.join(", "))
            }
            Self::RemoveFederatedCredential { name } => {
                format!("Remove the federated credential \"{name}\": its tokens stand for the app no longer.")
            }
            Self::UpdateFederatedCredential { credential } => {
                format!("Correct the federated credential {credential}.")
            }
            Self::AddFederatedCredential { credential } => format!(
                "Add the federated credential {credential}: that issuer's tokens about this subject stand for the app."
            ),
            Self::AddOwner { of, owner } => format!("Make {owner} an owner of {}.", owned(*of)),
            Self::RemoveOwner { of, owner } => format!("Let {owner} own {} no longer.", owned(*of)),
            Self::EnableServicePrincipal => {
                "Let the enterprise application sign in again, which somebody switched off.".to_owned()
            }
            Self::RestoreApplication { id } => {
                format!("Take the application {id} out of the recycle bin, with its credentials.")
            }
        }
    }

    /// The least role of whoever signs in to run it. The application's owner can do without, for what touches the
    /// application alone.
    pub const fn minimum_role(&self) -> DirectoryRole {
        match self {
            Self::CreateApplication { .. } | Self::CreateServicePrincipal => {
                DirectoryRole::ApplicationDeveloper
            }
            Self::GrantAppRole { api: Api::Graph, .. } | Self::RevokeAppRole { api: Api::Graph, .. } => {
                DirectoryRole::PrivilegedRoleAdministrator
            }
            _ => DirectoryRole::CloudApplicationAdministrator,
        }
    }

    /// The least Graph application permissions of an app that runs it.
    pub const fn least_rights(&self) -> &'static [&'static str] {
        match self {
            Self::CreateApiServicePrincipal { .. } => &["Application.ReadWrite.All"],
            Self::RemoveDefaultUserRead => {
                &["Application.ReadWrite.OwnedBy", "DelegatedPermissionGrant.ReadWrite.All"]
            }
            Self::GrantAppRole { .. } | Self::RevokeAppRole { .. } => {
                &["AppRoleAssignment.ReadWrite.All", "Application.Read.All"]
            }
            Self::AddOwner { .. } | Self::RemoveOwner { .. } => {
                &["Application.ReadWrite.OwnedBy", "Directory.Read.All"]
            }
            Self::RestoreApplication { .. } => &["Application.ReadWrite.All"],
            _ => &["Application.ReadWrite.OwnedBy"],
        }
    }

    /// Its call, for the plan's reader.
    pub const fn rest_call(&self) -> RestCall {
        let (method, path) = match self {
            Self::CreateApplication { .. } => ("PATCH", "/applications(uniqueName='{uniqueName}')"),
            Self::UpdateApplication { .. }
            | Self::DeclarePermissions { .. }
            | Self::RemoveDefaultUserRead
            | Self::AddCertificate { .. }
            | Self::RemoveCertificate { .. } => ("PATCH", "/applications/{application.id}"),
            Self::CreateServicePrincipal | Self::CreateApiServicePrincipal { .. } => {
                ("POST", "/servicePrincipals")
            }
            Self::GrantAppRole { .. } => ("POST", "/servicePrincipals/{api.id}/appRoleAssignedTo"),
            Self::RevokeAppRole { .. } => {
                ("DELETE", "/servicePrincipals/{servicePrincipal.id}/appRoleAssignments/{assignment.id}")
            }
            Self::RemoveOrphanSecret { .. } => ("POST", "/applications/{application.id}/removePassword"),
            Self::AddSecret { .. } => ("POST", "/applications/{application.id}/addPassword"),
            Self::AddRedirectUris { .. } => ("PATCH", "/applications/{application.id}"),
            Self::RemoveFederatedCredential { .. } => {
                ("DELETE", "/applications/{application.id}/federatedIdentityCredentials/{name}")
            }
            Self::UpdateFederatedCredential { .. } => {
                ("PATCH", "/applications/{application.id}/federatedIdentityCredentials/{credential.id}")
            }
            Self::AddFederatedCredential { .. } => {
                ("POST", "/applications/{application.id}/federatedIdentityCredentials")
            }
            Self::AddOwner { of: Owned::Application, .. } => {
                ("POST", "/applications/{application.id}/owners/$ref")
            }
            Self::AddOwner { of: Owned::ServicePrincipal, .. } => {
                ("POST", "/servicePrincipals/{servicePrincipal.id}/owners/$ref")
            }
            Self::RemoveOwner { of: Owned::Application, .. } => {
                ("DELETE", "/applications/{application.id}/owners/{owner.id}/$ref")
            }
            Self::RemoveOwner { of: Owned::ServicePrincipal, .. } => {
                ("DELETE", "/servicePrincipals/{servicePrincipal.id}/owners/{owner.id}/$ref")
            }
            Self::EnableServicePrincipal => ("PATCH", "/servicePrincipals/{servicePrincipal.id}"),
            Self::RestoreApplication { .. } => ("POST", "/directory/deletedItems/{application.id}/restore"),
        };
        RestCall { method, path }
    }

    /// It as Microsoft Graph PowerShell, on top of [`powershell_prelude`](super::powershell_prelude).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when a value holds a control character.
    pub fn powershell(&self) -> Result<String> {
        script::forward(self)
    }

    /// After how long it is effective.
    pub const fn window(&self) -> Window {
        match self {
            // Old tokens keep the role until they expire, with continuous access evaluation up to 28 hours.
            Self::RevokeAppRole { .. } => Window::seconds(0, 90 * 60, 28 * 3600),
            Self::GrantAppRole { .. } => Window::seconds(1, 30, 5 * 60),
            Self::AddSecret { .. } => Window::seconds(1, 15, 5 * 60),
            Self::AddCertificate { .. } => Window::seconds(1, 60, 5 * 60),
            Self::RemoveOrphanSecret { .. } => Window::seconds(0, 15, 5 * 60),
            _ => Window::seconds(1, 30, 2 * 60),
        }
    }

    /// How it is taken back.
    ///
    /// # Errors
    /// As [`RegistrationStep::powershell`].
    pub fn inverse(&self) -> Result<Inverse> {
        let sentence = match self {
            Self::CreateApplication { display_name, .. } => {
                format!("Delete the application \"{display_name}\"; it stays in the recycle bin for 30 days.")
            }
            Self::UpdateApplication { .. } => "Set the former values again.".to_owned(),
            Self::CreateApiServicePrincipal { api } => format!("Delete the service principal of {api}."),
            Self::CreateServicePrincipal => "Delete the enterprise application.".to_owned(),
            Self::RemoveDefaultUserRead => "Grant the delegated User.Read again.".to_owned(),
            Self::DeclarePermissions { add, remove } => {
                Self::DeclarePermissions { add: remove.clone(), remove: add.clone() }.sentence()
            }
            Self::RevokeAppRole { api, name, .. } => format!("Consent to {name} ({api}) again."),
            Self::GrantAppRole { api, name, .. } => format!("Take back the consent to {name} ({api})."),
            Self::RemoveOrphanSecret { .. } => {
                "None: a removed secret cannot come back; add another one.".to_owned()
            }
            Self::AddSecret { policy, .. } => format!("Remove the secret \"{}\".", policy.display_name),
            Self::AddCertificate { certificate } => {
                format!("Remove the certificate \"{}\".", certificate.display_name)
            }
            Self::RemoveCertificate { .. } => {
                "Add the certificate again from its file; its key is not in the directory.".to_owned()
            }
            Self::AddRedirectUris { add } => format!("Remove the addresses {}.", add.join(", ")),
            Self::RemoveFederatedCredential { name } => {
                format!("Add the federated credential \"{name}\" again.")
            }
            Self::UpdateFederatedCredential { .. } => "Set the former values again.".to_owned(),
            Self::AddFederatedCredential { credential } => {
                format!("Remove the federated credential \"{}\".", credential.name)
            }
            Self::AddOwner { of, owner } => Self::RemoveOwner { of: *of, owner: *owner }.sentence(),
            Self::RemoveOwner { of, owner } => Self::AddOwner { of: *of, owner: *owner }.sentence(),
            Self::EnableServicePrincipal => "Switch the enterprise application off.".to_owned(),
            Self::RestoreApplication { .. } => {
                "Delete the application; it goes back to the recycle bin.".to_owned()
            }
        };
        Ok(Inverse { sentence, powershell: script::backward(self)? })
    }
}

fn owned(of: Owned) -> &'static str {
    match of {
        Owned::Application => "the application",
        Owned::ServicePrincipal => "the enterprise application",
    }
}
