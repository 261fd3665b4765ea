//! What differs between the registration that is desired and the one that is there, and who can mend it.

use std::fmt;

use jiff::Timestamp;
use m365_core::{ApplicationObjectId, KeyId, Owner as Actor, Result, TenantId};

use super::{AppRegistration, Owned, RegistrationState, RegistrationStep, plan};
use crate::Permission;
use crate::directory::{Audience, Owner};

/// The differences found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The differences, those that stop the app first.
    pub findings: Vec<Finding>,
    /// What was not looked at, because it was not or could not be read: it may differ too.
    pub unknown: Vec<&'static str>,
}

impl Drift {
    /// Whether all is as desired, as far as it was looked at. Extra entries count as differences.
    pub fn is_none(&self) -> bool {
        self.findings.is_empty()
    }

    /// The steps that mend what can be mended, in an order that works. Steps that undo what a person did on purpose
    /// (switched off, deleted) are not among them: see [`Finding::repair`] of each.
    pub fn repair_steps(&self) -> impl Iterator<Item = &RegistrationStep> {
        let by_itself = |step: &&RegistrationStep| {
            !matches!(
                step,
                RegistrationStep::EnableServicePrincipal | RegistrationStep::RestoreApplication { .. }
            )
        };
        self.findings.iter().filter_map(|finding| finding.repair.as_ref()).filter(by_itself)
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What differs.
    pub difference: Difference,
    /// Who must act.
    pub actor: Actor,
    /// The step that mends it, for [`apply_step`](crate::apply_step); none where this crate must not touch it.
    pub repair: Option<RegistrationStep>,
}

/// How a registration differs from the desired one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// There is no application of this name.
    ApplicationMissing,
    /// It was deleted and lies in the recycle bin.
    ApplicationDeleted {
        /// Object id of the registration.
        id: ApplicationObjectId,
        /// When.
        at: Option<Timestamp>,
    },
    /// The application has no enterprise application in this tenant.
    ServicePrincipalMissing,
    /// Somebody switched sign-in off.
    SignInDisabled,
    /// Only assigned callers get tokens *for* it. An app that only calls others is not concerned.
    AssignmentRequired,
    /// It is displayed otherwise.
    DisplayNameChanged {
        /// As what.
        found: String,
    },
    /// It is for other tenants than desired.
    AudienceChanged {
        /// The value found.
        found: String,
    },
    /// It is registered in another tenant than expected.
    HomeTenantOther {
        /// The one found.
        found: TenantId,
    },
    /// Its publisher is not the one expected, or not verified.
    PublisherOther {
        /// The one found, when there is one.
        found: Option<String>,
    },
    /// Declared permissions differ.
    DeclarationsChanged,
    /// A wanted permission is not consented.
    ConsentMissing(Permission),
    /// A permission is consented that must not be.
    ConsentUnwanted(Permission),
    /// A permission is consented that nobody asked for; as name, or id where the API does not tell its name.
    ConsentExtra(String),
    /// Delegated permissions are consented.
    DelegatedExtra {
        /// Id of the grant.
        id: String,
        /// Its permissions.
        scopes: String,
    },
    /// A certificate of ours is not trusted; its SHA-1 thumbprint.
    CertificateMissing(String),
    /// A certificate of ours that was replaced is still trusted.
    CertificateLeft {
        /// Its displayed name.
        display_name: String,
        /// Its id.
        key_id: KeyId,
    },
    /// A certificate is trusted that nobody named. While a certificate follows another one, name both.
    CertificateExtra {
        /// Its displayed name.
        display_name: Option<String>,
        /// Its id.
        key_id: KeyId,
    },
    /// The portal's `User.Read` is there.
    DefaultUserRead,
    /// An API has no service principal in this tenant.
    ApiMissing(crate::Api),
    /// A redirect address is not declared.
    RedirectUrisMissing(Vec<String>),
    /// An owner is missing.
    OwnerMissing(Owned, Owner),
    /// A former owner still owns it.
    OwnerLeft(Owned, Owner),
    /// Somebody owns it whom nobody named; object id.
    OwnerExtra(Owned, String),
    /// A federated credential is missing.
    FederatedMissing(String),
    /// A federated credential trusts something else.
    FederatedChanged(String),
    /// A federated credential should be gone.
    FederatedLeft(String),
    /// A federated credential that nobody named.
    FederatedExtra(String),
    /// The secret is missing, ended, or not held.
    SecretMissing,
    /// A secret of ours whose text nobody holds.
    SecretLost,
    /// A secret that nobody named, the new one of a rotation that is under way included.
    SecretExtra {
        /// Its displayed name.
        display_name: Option<String>,
        /// Its Secret ID.
        key_id: KeyId,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApplicationMissing => f.write_str("the application is not registered"),
            Self::ApplicationDeleted { id, .. } => {
                write!(f, "the application {id} was deleted and can be restored")
            }
            Self::ServicePrincipalMissing => f.write_str("the enterprise application is missing"),
            Self::SignInDisabled => f.write_str("sign-in of the enterprise application is switched off"),
            Self::AssignmentRequired => f.write_str("tokens for the app are given to assigned callers only"),
            Self::DisplayNameChanged { found } => write!(f, "it is displayed as \"{found}\""),
            Self::AudienceChanged { found } => write!(f, "its audience is {found}"),
            Self::HomeTenantOther { found } => write!(f, "it is registered in tenant {found}"),
            Self::PublisherOther { found: Some(found) } => write!(f, "its publisher is \"{found}\""),
            Self::PublisherOther { found: None } => f.write_str("its publisher is not verified"),
            Self::DeclarationsChanged => f.write_str("its declared permissions differ"),
            Self::ConsentMissing(permission) => write!(f, "{permission} is not consented"),
            Self::ConsentUnwanted(permission) => write!(f, "{permission} is consented and must not be"),
            Self::ConsentExtra(name) => write!(f, "{name} is consented, which nobody asked for"),
            Self::DelegatedExtra { scopes, .. } => {
                write!(f, "delegated permissions are consented: {}", scopes.trim())
            }
            Self::DefaultUserRead => f.write_str("the portal's delegated User.Read is there"),
            Self::ApiMissing(api) => write!(f, "the tenant has no service principal of {api}"),
            Self::RedirectUrisMissing(uris) => write!(f, "it may not lead back to {}", uris.join(", ")),
            Self::OwnerMissing(_, owner) => write!(f, "{owner} does not own it"),
            Self::OwnerLeft(_, owner) => write!(f, "{owner} still owns it"),
            Self::OwnerExtra(_, id) => write!(f, "{id} owns it, whom nobody named"),
            Self::FederatedMissing(name) => write!(f, "the federated credential \"{name}\" is missing"),
            Self::FederatedChanged(name) => {
                write!(f, "the federated credential \"{name}\" trusts something else")
            }
            Self::FederatedLeft(name) => write!(f, "the federated credential \"{name}\" is still there"),
            Self::FederatedExtra(name) => {
                write!(f, "the federated credential \"{name}\" is there, which nobody named")
            }
            Self::SecretMissing => f.write_str("the secret is missing, has ended, or is not held"),
            Self::CertificateMissing(thumbprint) => {
                write!(f, "the certificate {thumbprint} is not trusted")
            }
            Self::CertificateLeft { display_name, .. } => {
                write!(f, "the certificate \"{display_name}\" is still trusted, although it was replaced")
            }
            Self::CertificateExtra { display_name, key_id } => {
                let name = display_name.as_deref().unwrap_or_default();
                write!(f, "the certificate \"{name}\" ({key_id}) is trusted, which nobody named")
            }
            Self::SecretLost => f.write_str("a secret is there whose text nobody holds"),
            Self::SecretExtra { display_name, key_id } => {
                let name = display_name.as_deref().unwrap_or_default();
                write!(f, "the secret \"{name}\" ({key_id}) is there, which nobody named")
            }
        }
    }
}

/// What differs. Pure; read the state with [`RegistrationState::read_whole`], or parts of it are `unknown`.
///
/// Whatever [`plan`](crate::plan) would do is a finding with its step. What others added is a finding without one: it is
/// reported and never touched.
///
/// # Errors
/// As [`plan`](crate::plan).
pub fn drift(desired: &AppRegistration, state: &RegistrationState) -> Result<Drift> {
    let mut drift = Drift::default();
    let mut add = |difference, actor, repair| drift.findings.push(Finding { difference, actor, repair });

    for deleted in state.deleted.iter().flatten() {
        let restore = RegistrationStep::RestoreApplication { id: deleted.id };
        let difference = Difference::ApplicationDeleted { id: deleted.id, at: deleted.deleted_date_time };
        add(difference, Actor::CustomerAdmin, Some(restore));
    }
    if let Some(principal) = &state.service_principal {
        if principal.account_enabled == Some(false) {
            let enable = RegistrationStep::EnableServicePrincipal;
            add(Difference::SignInDisabled, Actor::CustomerAdmin, Some(enable));
        }
        if principal.app_role_assignment_required == Some(true) {
            add(Difference::AssignmentRequired, Actor::CustomerAdmin, None);
        }
        if let (Some(wanted), Some(found)) = (desired.home_tenant, principal.home_tenant)
            && wanted != found
        {
            add(Difference::HomeTenantOther { found }, Actor::CustomerAdminOrVendor, None);
        }
    }
    if let (Some(wanted), Some(application)) = (&desired.publisher, &state.application) {
        let publisher = application.verified_publisher.as_ref();
        let found = publisher.and_then(|p| p.verified_publisher_id.clone());
        if found.as_ref() != Some(wanted) {
            add(Difference::PublisherOther { found }, Actor::VendorOperations, None);
        }
    }
    for step in plan(desired, state)? {
        for difference in differences(&step, state) {
            add(difference, actor(&step), Some(step.clone()));
        }
    }
    extras(desired, state, &mut drift.findings);
    dedup_repairs(&mut drift.findings);

    let looked_at = [
        ("owners", state.owners.is_some()),
        ("owners of the enterprise application", state.principal_owners.is_some()),
        ("federated credentials", state.federated.is_some()),
        ("recycle bin", state.application.is_some() || state.deleted.is_some()),
    ];
    let is_guest = desired.home_elsewhere.is_some();
    drift.unknown =
        looked_at.into_iter().filter(|(_, read)| !read && !is_guest).map(|(what, _)| what).collect();
    Ok(drift)
}

/// A step that mends two differences is offered once.
fn dedup_repairs(findings: &mut [Finding]) {
    let mut seen: Vec<RegistrationStep> = Vec::new();
    for finding in findings {
        match &finding.repair {
            Some(step) if seen.contains(step) => finding.repair = None,
            Some(step) => seen.push(step.clone()),
            None => {}
        }
    }
}

fn differences(step: &RegistrationStep, state: &RegistrationState) -> Vec<Difference> {
    let one = match step {
        RegistrationStep::CreateApplication { .. } => Difference::ApplicationMissing,
        RegistrationStep::UpdateApplication { display_name, audience } => {
            let application = state.application.as_ref();
            let name = display_name.as_ref().map(|_| Difference::DisplayNameChanged {
                found: application.map(|a| a.display_name.clone()).unwrap_or_default(),
            });
            let audience = audience.map(|_: Audience| Difference::AudienceChanged {
                found: application.and_then(|a| a.sign_in_audience.clone()).unwrap_or_default(),
            });
            return name.into_iter().chain(audience).collect();
        }
        RegistrationStep::CreateApiServicePrincipal { api } => Difference::ApiMissing(*api),
        RegistrationStep::CreateServicePrincipal => Difference::ServicePrincipalMissing,
        RegistrationStep::RemoveDefaultUserRead => Difference::DefaultUserRead,
        RegistrationStep::DeclarePermissions { .. } => Difference::DeclarationsChanged,
        RegistrationStep::RevokeAppRole { api, name, .. } => {
            Difference::ConsentUnwanted(Permission::new(*api, name))
        }
        RegistrationStep::GrantAppRole { api, name, .. } => {
            Difference::ConsentMissing(Permission::new(*api, name))
        }
        RegistrationStep::RemoveOrphanSecret { .. } => Difference::SecretLost,
        RegistrationStep::AddSecret { .. } => Difference::SecretMissing,
        RegistrationStep::AddCertificate { certificate } => {
            Difference::CertificateMissing(certificate.certificate.thumbprint().to_owned())
        }
        RegistrationStep::RemoveCertificate { display_name, key_id } => {
            Difference::CertificateLeft { display_name: display_name.clone(), key_id: *key_id }
        }
        RegistrationStep::AddRedirectUris { add } => Difference::RedirectUrisMissing(add.clone()),
        RegistrationStep::RemoveFederatedCredential { name } => Difference::FederatedLeft(name.clone()),
        RegistrationStep::UpdateFederatedCredential { credential } => {
            Difference::FederatedChanged(credential.name.clone())
        }
        RegistrationStep::AddFederatedCredential { credential } => {
            Difference::FederatedMissing(credential.name.clone())
        }
        RegistrationStep::AddOwner { of, owner } => Difference::OwnerMissing(*of, *owner),
        RegistrationStep::RemoveOwner { of, owner } => Difference::OwnerLeft(*of, *owner),
        // No plan holds them.
        RegistrationStep::EnableServicePrincipal | RegistrationStep::RestoreApplication { .. } => {
            return Vec::new();
        }
    };
    vec![one]
}

/// Consents are the customer's to give; credentials are the vendor's to keep.
fn actor(step: &RegistrationStep) -> Actor {
    match step {
        RegistrationStep::AddSecret { .. }
        | RegistrationStep::RemoveOrphanSecret { .. }
        | RegistrationStep::AddCertificate { .. }
        | RegistrationStep::RemoveCertificate { .. }
        | RegistrationStep::AddFederatedCredential { .. }
        | RegistrationStep::UpdateFederatedCredential { .. }
        | RegistrationStep::RemoveFederatedCredential { .. }
        | RegistrationStep::AddRedirectUris { .. } => Actor::VendorOperations,
        _ => Actor::CustomerAdmin,
    }
}

fn extras(desired: &AppRegistration, state: &RegistrationState, findings: &mut Vec<Finding>) {
    let mut add = |difference| {
        findings.push(Finding { difference, actor: Actor::CustomerAdminOrVendor, repair: None });
    };
    for assignment in &state.assignments {
        let api = state.apis.iter().find_map(|(api, sp)| {
            sp.as_ref().filter(|sp| sp.id == assignment.resource_id).map(|sp| (*api, sp))
        });
        let role = api.and_then(|(api, sp)| {
            let role = sp.app_roles.iter().find(|role| role.id == assignment.app_role_id)?;
            Some(Permission::new(api, role.value.clone()?))
        });
        match role {
            Some(p) if desired.consented.contains(&p) || desired.not_consented.contains(&p) => {}
            Some(permission) => add(Difference::ConsentExtra(permission.to_string())),
            None => add(Difference::ConsentExtra(assignment.app_role_id.to_string())),
        }
    }
    let graph = state.api(crate::Api::Graph).map(|graph| graph.id);
    for grant in &state.grants {
        let default = |scope: &str| {
            desired.remove_default_user_read && Some(grant.resource_id) == graph && scope == "User.Read"
        };
        let scopes: Vec<&str> = grant.scopes().filter(|scope| !default(scope)).collect();
        if !scopes.is_empty() {
            add(Difference::DelegatedExtra { id: grant.id.clone(), scopes: scopes.join(" ") });
        }
    }
    for of in [Owned::Application, Owned::ServicePrincipal] {
        let named = |listed: &crate::directory::ListedOwner| {
            desired.owners.iter().chain(&desired.former_owners).any(|owner| owner.is(listed))
        };
        let listed = state.owners_of(of).into_iter().flatten().filter(|listed| !named(listed));
        listed.for_each(|listed| add(Difference::OwnerExtra(of, listed.id.to_string())));
    }
    let application = state.application.iter();
    for key in application.clone().flat_map(|a| &a.key_credentials) {
        let named = desired.certificates.iter().any(|new| key.is(&new.certificate))
            || desired.retired_certificates.iter().any(|thumbprint| key.has_thumbprint(thumbprint));
        if !named {
            let (display_name, key_id) = (key.display_name.clone(), key.key_id);
            add(Difference::CertificateExtra { display_name, key_id });
        }
    }
    for secret in application.flat_map(|a| &a.password_credentials) {
        let named = desired.held_secret == Some(secret.key_id)
            || desired.secret.as_ref().is_some_and(|p| secret.display_name.as_ref() == Some(&p.display_name));
        if !named {
            let (display_name, key_id) = (secret.display_name.clone(), secret.key_id);
            add(Difference::SecretExtra { display_name, key_id });
        }
    }
    for listed in state.federated.iter().flatten() {
        let named = desired.federated.iter().any(|c| c.name == listed.name)
            || desired.former_federated.contains(&listed.name);
        if !named {
            add(Difference::FederatedExtra(listed.name.clone()));
        }
    }
}
