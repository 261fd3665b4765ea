//! Taking a registration away again: exactly what was made, in an order that never widens access.

use std::fmt;
use std::time::Duration;

use m365_core::{
    AppRoleId, ApplicationObjectId, Error, ErrorKind, KeyId, Pipeline, Result, ServicePrincipalObjectId,
};

use super::state::{MOST_ROWS, absent};
use super::{Owned, RegistrationInventory, RegistrationState, lifecycle};
use crate::Api;
use crate::directory::{GetApplication, GetServicePrincipal, ListDeletedApplications, Owner};

/// Seconds before each look for what the inventory knows: a replica that has not heard of it yet says that it is gone.
const LOOK_AGAIN: [u64; 4] = [0, 2, 5, 10];

/// How far an offboarding goes, and what it does about what others added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offboarding {
    /// How far.
    pub extent: Extent,
    /// Whether foreign entries on what is deleted may go with it.
    pub foreign: Foreign,
    /// Whether the registration is taken out of the recycle bin too, where it could be restored for 30 days.
    pub purge: bool,
}

/// How far an offboarding goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Extent {
    /// Everything that was made.
    #[default]
    Everything,
    /// What is in this tenant, for an application of several tenants: consents and the enterprise application. The
    /// registration stays, with the other customers that it serves.
    ThisTenant,
    /// The consents alone.
    Consents,
}

/// What is done about entries that others added to what would be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// Nothing is planned; the error names them.
    #[default]
    Refuse,
    /// They are deleted with it.
    Delete,
}

impl Offboarding {
    /// Everything; foreign entries are a reason to refuse; the recycle bin keeps the registration.
    pub const fn new() -> Self {
        Self { extent: Extent::Everything, foreign: Foreign::Refuse, purge: false }
    }

    /// As far as this.
    #[must_use]
    pub const fn with_extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// With this done about foreign entries.
    #[must_use]
    pub const fn with_foreign(mut self, foreign: Foreign) -> Self {
        self.foreign = foreign;
        self
    }

    /// Out of the recycle bin too.
    #[must_use]
    pub const fn with_purge(mut self) -> Self {
        self.purge = true;
        self
    }
}

/// One removal. Each can be applied by itself, and again without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffboardingStep {
    /// Takes a consent back. Tokens keep the role until they expire.
    RevokeConsent {
        /// Id of the assignment.
        assignment: String,
        /// The API.
        api: Api,
        /// The permission.
        app_role_id: AppRoleId,
    },
    /// Removes a federated credential.
    RemoveFederatedCredential {
        /// Its name.
        name: String,
    },
    /// Removes a secret.
    RemoveSecret {
        /// Its Secret ID.
        key_id: KeyId,
    },
    /// Removes a certificate.
    RemoveCertificate {
        /// Its id.
        key_id: KeyId,
    },
    /// Takes back what was declared, from a registration that stays.
    Undeclare {
        /// The permissions.
        roles: Vec<(Api, AppRoleId)>,
    },
    /// Removes addresses from a registration that stays.
    RemoveRedirectUris {
        /// The addresses.
        uris: Vec<String>,
    },
    /// Removes an owner from what stays; the last one is kept.
    RemoveOwner {
        /// What is owned.
        of: Owned,
        /// The owner.
        owner: Owner,
    },
    /// Deletes the enterprise application, and with it what is left of its consents.
    DeleteServicePrincipal {
        /// Its object id.
        id: ServicePrincipalObjectId,
    },
    /// Moves the registration to the recycle bin.
    DeleteApplication {
        /// Its object id.
        id: ApplicationObjectId,
    },
    /// Takes the registration out of the recycle bin for good.
    PurgeApplication {
        /// Its object id.
        id: ApplicationObjectId,
    },
}

impl fmt::Display for OffboardingStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RevokeConsent { api, app_role_id, .. } => {
                write!(f, "Take back the consent to {app_role_id} of {api}.")
            }
            Self::RemoveFederatedCredential { name } => {
                write!(f, "Remove the federated credential \"{name}\".")
            }
            Self::RemoveSecret { key_id } => write!(f, "Remove the secret with Secret ID {key_id}."),
            Self::RemoveCertificate { key_id } => write!(f, "Remove the certificate with key id {key_id}."),
            Self::Undeclare { roles } => write!(f, "Declare {} permissions no longer.", roles.len()),
            Self::RemoveRedirectUris { uris } => write!(f, "Remove the addresses {}.", uris.join(", ")),
            Self::RemoveOwner { owner, .. } => write!(f, "Let {owner} own it no longer."),
            Self::DeleteServicePrincipal { id } => write!(f, "Delete the enterprise application {id}."),
            Self::DeleteApplication { id } => {
                write!(f, "Delete the application {id}; it stays in the recycle bin for 30 days.")
            }
            Self::PurgeApplication { id } => write!(f, "Delete the application {id} for good."),
        }
    }
}

/// Something on a registration of ours that others added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignEntry {
    /// A consent to this permission, by its assignment's id.
    Consent(String),
    /// A delegated consent: its id and scopes.
    DelegatedGrant(String, String),
    /// A secret.
    Secret(KeyId),
    /// A certificate.
    Certificate(KeyId),
    /// A federated credential, by name.
    FederatedCredential(String),
    /// An owner, by object id.
    Owner(String),
}

impl fmt::Display for ForeignEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consent(id) => write!(f, "consent {id}"),
            Self::DelegatedGrant(id, scopes) => write!(f, "delegated consent {id} ({})", scopes.trim()),
            Self::Secret(id) => write!(f, "secret {id}"),
            Self::Certificate(id) => write!(f, "certificate {id}"),
            Self::FederatedCredential(name) => write!(f, "federated credential \"{name}\""),
            Self::Owner(id) => write!(f, "owner {id}"),
        }
    }
}

impl RegistrationState {
    /// Reads what a tenant has of an inventory, by the ids in it: a renamed registration is found, and another one that
    /// bears its name is not taken for it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an inventory of nothing; otherwise what Graph says.
    pub async fn read_inventory(pipeline: &Pipeline, inventory: &RegistrationInventory) -> Result<Self> {
        let Some(client_id) = inventory.client_id else {
            return Err(Error::invalid("the inventory knows no client id: nothing was recorded"));
        };
        let mut state = Self::empty(pipeline, &inventory.unique_name).await?;
        state.home_elsewhere = Some(client_id);
        if let Some(made) = inventory.application {
            for wait in LOOK_AGAIN {
                pipeline.clock().sleep(Duration::from_secs(wait)).await;
                state.application = absent(pipeline.run(&GetApplication::by_object_id(made.id)).await)?;
                if state.application.is_some() {
                    break;
                }
                let mut deleted = pipeline.list(&ListDeletedApplications, MOST_ROWS).await?;
                deleted.retain(|a| a.id == made.id);
                let is_in_bin = !deleted.is_empty();
                state.deleted = Some(deleted);
                if is_in_bin {
                    break;
                }
            }
        }
        for wait in LOOK_AGAIN {
            pipeline.clock().sleep(Duration::from_secs(wait)).await;
            state.service_principal = absent(pipeline.run(&GetServicePrincipal { client_id }).await)?;
            let is_in_bin = state.deleted.iter().flatten().next().is_some();
            if state.service_principal.is_some() || inventory.service_principal.is_none() || is_in_bin {
                break;
            }
        }
        state.read_grants(pipeline, &crate::Convergence::new(pipeline.clock().clone())).await?;
        state.read_lifecycle(pipeline, lifecycle::Wanted::OWN_ENTRIES).await?;
        Ok(state)
    }
}

/// What others added to what the offboarding would delete. Pure.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when `state` lacks a list that decides, or is of another application than the inventory:
/// read it with [`RegistrationState::read_inventory`].
pub fn foreign_entries(
    inventory: &RegistrationInventory,
    state: &RegistrationState,
    offboarding: Offboarding,
) -> Result<Vec<ForeignEntry>> {
    check(inventory, state, offboarding)?;
    let mut found = Vec::new();
    if deletes_principal(inventory, state, offboarding) {
        let ours = |id: &str| inventory.consents.iter().any(|c| c.assignment == id);
        found.extend(
            state.assignments.iter().filter(|a| !ours(&a.id)).map(|a| ForeignEntry::Consent(a.id.clone())),
        );
        found.extend(
            state
                .grants
                .iter()
                .map(|g| ForeignEntry::DelegatedGrant(g.id.clone(), g.scope.clone().unwrap_or_default())),
        );
        found.extend(foreign_owners(inventory, state, Owned::ServicePrincipal));
    }
    if let Some(application) =
        state.application.as_ref().filter(|_| deletes_application(inventory, offboarding))
    {
        let secrets = application.password_credentials.iter().map(|s| s.key_id);
        found.extend(secrets.filter(|id| !inventory.secrets.contains(id)).map(ForeignEntry::Secret));
        let keys = application.key_credentials.iter().map(|k| k.key_id);
        found.extend(keys.filter(|id| !inventory.certificates.contains(id)).map(ForeignEntry::Certificate));
        let federated = state.federated.iter().flatten().filter(|c| !inventory.federated.contains(&c.name));
        found.extend(federated.map(|c| ForeignEntry::FederatedCredential(c.name.clone())));
        found.extend(foreign_owners(inventory, state, Owned::Application));
    }
    Ok(found)
}

/// Of the very application, and with every list read that decides: one that was not read is not an empty one.
fn check(
    inventory: &RegistrationInventory,
    state: &RegistrationState,
    offboarding: Offboarding,
) -> Result<()> {
    let invalid = |what: &str| {
        let text = format!("{what}: read the state with read_inventory; nothing was deleted");
        Err(Error::invalid(text).with_operation("plan offboarding"))
    };
    let other_id = state.application_id().zip(inventory.application).is_some_and(|(id, made)| id != made.id);
    let other_client = state.client_id().zip(inventory.client_id).is_some_and(|(id, known)| id != known);
    if other_id || other_client {
        return invalid("the state is of another application than the inventory, perhaps of the same name");
    }
    let deletes = deletes_application(inventory, offboarding);
    let whole = offboarding.extent == Extent::Everything;
    let added_owners = |on: Owned| whole && inventory.owners.iter().any(|(of, _)| *of == on);
    if state.application.is_some() {
        if state.federated.is_none() && (deletes || whole && !inventory.federated.is_empty()) {
            return invalid("federated credentials were not read");
        }
        if state.owners.is_none() && (deletes || added_owners(Owned::Application)) {
            return invalid("owners of the application were not read");
        }
    } else if deletes && offboarding.purge && state.deleted.is_none() {
        return invalid("the recycle bin was not read");
    }
    if state.service_principal.is_some()
        && state.principal_owners.is_none()
        && (deletes_principal(inventory, state, offboarding) || added_owners(Owned::ServicePrincipal))
    {
        return invalid("owners of the enterprise application were not read");
    }
    Ok(())
}

fn foreign_owners<'a>(
    inventory: &'a RegistrationInventory,
    state: &'a RegistrationState,
    of: Owned,
) -> impl Iterator<Item = ForeignEntry> {
    state
        .owners_of(of)
        .into_iter()
        .flatten()
        .filter(move |listed| {
            let added = inventory.owners.iter().any(|(on, owner)| *on == of && owner.is(listed));
            !added && !inventory.set_up_by.is_some_and(|owner| owner.is(listed))
        })
        .map(|listed| ForeignEntry::Owner(listed.id.to_string()))
}

/// Only what was made is deleted, and only the very object.
fn deletes_principal(
    inventory: &RegistrationInventory,
    state: &RegistrationState,
    offboarding: Offboarding,
) -> bool {
    let made =
        inventory.service_principal.is_some_and(|p| p.made && Some(p.id) == state.service_principal_id());
    // Deleting the registration deletes it in its own tenant in any case.
    offboarding.extent != Extent::Consents
        && state.service_principal.is_some()
        && (made || deletes_application(inventory, offboarding))
}

fn deletes_application(inventory: &RegistrationInventory, offboarding: Offboarding) -> bool {
    offboarding.extent == Extent::Everything && inventory.application.is_some_and(|a| a.made)
}

/// The removals that are left to do; none when everything is gone. Pure.
///
/// Consents go first and the registration last, so that whatever interrupts it leaves less access than before. Credentials
/// go before the registration too: one that is restored from the recycle bin comes back without them.
///
/// # Errors
/// [`ErrorKind::Conflict`] naming the foreign entries, when there are some and they may not be deleted; as
/// [`foreign_entries`].
pub fn plan_offboarding(
    inventory: &RegistrationInventory,
    state: &RegistrationState,
    offboarding: Offboarding,
) -> Result<Vec<OffboardingStep>> {
    let foreign = foreign_entries(inventory, state, offboarding)?;
    if !foreign.is_empty() && offboarding.foreign == Foreign::Refuse {
        let names: Vec<String> = foreign.iter().map(ToString::to_string).collect();
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("others added to it: {}; nothing was deleted", names.join(", ")),
        )
        .with_operation("plan offboarding"));
    }
    let mut steps = Vec::new();
    for consent in &inventory.consents {
        if state.assignments.iter().any(|a| a.id == consent.assignment) {
            steps.push(OffboardingStep::RevokeConsent {
                assignment: consent.assignment.clone(),
                api: consent.api,
                app_role_id: consent.app_role_id,
            });
        }
    }
    if offboarding.extent == Extent::Consents {
        return Ok(steps);
    }
    if offboarding.extent == Extent::Everything {
        credential_steps(inventory, state, &mut steps);
        if !deletes_application(inventory, offboarding) {
            adopted_steps(inventory, state, &mut steps);
        }
    }
    if let (true, Some(id)) = (deletes_principal(inventory, state, offboarding), state.service_principal_id())
    {
        steps.push(OffboardingStep::DeleteServicePrincipal { id });
    }
    if deletes_application(inventory, offboarding)
        && let Some(made) = inventory.application
    {
        if state.application.is_some() {
            steps.push(OffboardingStep::DeleteApplication { id: made.id });
        }
        let in_bin = state.deleted.iter().flatten().any(|a| a.id == made.id);
        if offboarding.purge && (state.application.is_some() || in_bin) {
            steps.push(OffboardingStep::PurgeApplication { id: made.id });
        }
    }
    Ok(steps)
}

fn credential_steps(
    inventory: &RegistrationInventory,
    state: &RegistrationState,
    steps: &mut Vec<OffboardingStep>,
) {
    for listed in state.federated.iter().flatten().filter(|c| inventory.federated.contains(&c.name)) {
        steps.push(OffboardingStep::RemoveFederatedCredential { name: listed.name.clone() });
    }
    let secrets = state.application.iter().flat_map(|a| &a.password_credentials);
    for secret in secrets.filter(|s| inventory.secrets.contains(&s.key_id)) {
        steps.push(OffboardingStep::RemoveSecret { key_id: secret.key_id });
    }
    let keys = state.application.iter().flat_map(|a| &a.key_credentials);
    for key in keys.filter(|key| inventory.certificates.contains(&key.key_id)) {
        steps.push(OffboardingStep::RemoveCertificate { key_id: key.key_id });
    }
}

/// From a registration that was there before, only what was added goes.
fn adopted_steps(
    inventory: &RegistrationInventory,
    state: &RegistrationState,
    steps: &mut Vec<OffboardingStep>,
) {
    let Some(application) = &state.application else { return };
    let declared = |(api, role): &&(Api, AppRoleId)| {
        application.required_resource_access.iter().any(|e| {
            e.resource_app_id == api.client_id() && e.resource_access.iter().any(|x| x.is_role(*role))
        })
    };
    let roles: Vec<(Api, AppRoleId)> = inventory.declared.iter().filter(declared).copied().collect();
    if !roles.is_empty() {
        steps.push(OffboardingStep::Undeclare { roles });
    }
    let there = application.web.as_ref().map(|w| &*w.redirect_uris).unwrap_or_default();
    let uris: Vec<String> =
        inventory.redirect_uris.iter().filter(|uri| there.contains(uri)).cloned().collect();
    if !uris.is_empty() {
        steps.push(OffboardingStep::RemoveRedirectUris { uris });
    }
    for of in [Owned::Application, Owned::ServicePrincipal] {
        let listed = state.owners_of(of).map(Vec::as_slice).unwrap_or_default();
        let added =
            inventory.owners.iter().filter(|(on, owner)| *on == of && listed.iter().any(|l| owner.is(l)));
        // The last owner is kept, also when all of them were added.
        let removable = listed.len().saturating_sub(1);
        steps.extend(
            added.take(removable).map(|(_, owner)| OffboardingStep::RemoveOwner { of, owner: *owner }),
        );
    }
}
