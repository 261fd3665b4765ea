use m365_core::{
    AppRoleId, ApplicationObjectId, ClientId, Error, KeyId, Result, ServicePrincipalObjectId, TenantId,
};
use serde::{Deserialize, Serialize};

use super::{Owned, RegistrationState, RegistrationStep, StepOutcome};
use crate::directory::Owner;
use crate::{Api, Permission, Rotation, RotationPhase};

/// Version of the inventory's form.
pub const INVENTORY_SCHEMA: u32 = 1;

/// What was made of a registration in a tenant, by id: what an offboarding may remove. No secret is in it.
///
/// Keep it where the next run finds it. Tell it of a step before and after:
///
/// ```no_run
/// # use graph_auth::*;
/// # fn keep(_: &RegistrationInventory) {}
/// # async fn run(pipeline: &m365_core::Pipeline, registration: &AppRegistration, convergence: &Convergence,
/// #     mut inventory: RegistrationInventory) -> Result<()> {
/// let mut state = RegistrationState::read(pipeline, registration).await?;
/// // What an interrupted run had begun is there, or is not.
/// inventory.reconcile(&state);
/// for step in plan(registration, &state)? {
///     inventory.begin(&step);
///     keep(&inventory);
///     let outcome = apply_step(pipeline, &step, &mut state, convergence).await?;
///     inventory.record(&step, &outcome, &state);
///     keep(&inventory);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistrationInventory {
    /// [`INVENTORY_SCHEMA`].
    pub schema: u32,
    /// The registration's unique name.
    pub unique_name: String,
    /// The tenant, where the caller told it.
    pub tenant: Option<TenantId>,
    /// Who set it up: a caller that registers as an app owns what it registers.
    pub set_up_by: Option<Owner>,
    /// Client id.
    pub client_id: Option<ClientId>,
    /// The registration.
    pub application: Option<Made<ApplicationObjectId>>,
    /// The enterprise application.
    pub service_principal: Option<Made<ServicePrincipalObjectId>>,
    /// APIs whose service principals were made. They serve every app of the tenant, so no offboarding removes them.
    pub apis: Vec<Api>,
    /// Permissions declared.
    pub declared: Vec<(Api, AppRoleId)>,
    /// Consents given.
    pub consents: Vec<MadeConsent>,
    /// Names of federated credentials added.
    pub federated: Vec<String>,
    /// Secret IDs of secrets added.
    pub secrets: Vec<KeyId>,
    /// Ids of certificates added.
    pub certificates: Vec<KeyId>,
    /// Owners added.
    pub owners: Vec<(Owned, Owner)>,
    /// Addresses added.
    pub redirect_uris: Vec<String>,
    /// A step that was begun and whose end was not recorded.
    pub begun: Option<Begun>,
}

/// An object, and whether it was made or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made<T> {
    /// Its id.
    pub id: T,
    /// True: made. False: it was there already, and stays.
    pub made: bool,
}

/// A consent that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeConsent {
    /// Id of the assignment.
    pub assignment: String,
    /// The API.
    pub api: Api,
    /// The permission.
    pub app_role_id: AppRoleId,
}

/// A step that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Begun {
    /// Registering the application.
    Application,
    /// Making the enterprise application.
    ServicePrincipal,
    /// Making an API's service principal.
    Api(Api),
    /// Declaring permissions.
    Declare(Vec<(Api, AppRoleId)>),
    /// Consenting.
    Consent(Api, AppRoleId),
    /// Adding a federated credential of this name.
    Federated(String),
    /// Adding a secret of this displayed name.
    Secret(String),
    /// Adding the certificate of this SHA-1 thumbprint.
    Certificate(String),
    /// Adding an owner.
    Owner(Owned, Owner),
    /// Adding addresses.
    RedirectUris(Vec<String>),
}

impl RegistrationInventory {
    /// An empty one.
    pub fn new(unique_name: impl Into<String>) -> Self {
        Self {
            schema: INVENTORY_SCHEMA,
            unique_name: unique_name.into(),
            tenant: None,
            set_up_by: None,
            client_id: None,
            application: None,
            service_principal: None,
            apis: Vec::new(),
            declared: Vec::new(),
            consents: Vec::new(),
            federated: Vec::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            owners: Vec::new(),
            redirect_uris: Vec::new(),
            begun: None,
        }
    }

    /// In this tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Set up by this identity, whose ownership is then no surprise.
    #[must_use]
    pub fn with_set_up_by(mut self, owner: Owner) -> Self {
        self.set_up_by = Some(owner);
        self
    }

    /// Notes that a step is about to be taken. Keep the inventory before taking it.
    pub fn begin(&mut self, step: &RegistrationStep) {
        self.begun = match step {
            RegistrationStep::CreateApplication { .. } => Some(Begun::Application),
            RegistrationStep::CreateServicePrincipal => Some(Begun::ServicePrincipal),
            RegistrationStep::CreateApiServicePrincipal { api } => Some(Begun::Api(*api)),
            RegistrationStep::DeclarePermissions { add, .. } => {
                Some(Begun::Declare(add.iter().map(|d| (d.permission.api, d.app_role_id)).collect()))
            }
            RegistrationStep::GrantAppRole { api, app_role_id, .. } => {
                Some(Begun::Consent(*api, *app_role_id))
            }
            RegistrationStep::AddFederatedCredential { credential } => {
                Some(Begun::Federated(credential.name.clone()))
            }
            RegistrationStep::AddSecret { policy, .. } => Some(Begun::Secret(policy.display_name.clone())),
            RegistrationStep::AddCertificate { certificate } => {
                Some(Begun::Certificate(certificate.certificate.thumbprint().to_owned()))
            }
            RegistrationStep::AddOwner { of, owner } => Some(Begun::Owner(*of, *owner)),
            RegistrationStep::AddRedirectUris { add } => Some(Begun::RedirectUris(add.clone())),
            _ => None,
        };
    }

    /// Notes what became of a step. Keep the inventory afterwards.
    pub fn record(&mut self, step: &RegistrationStep, outcome: &StepOutcome, state: &RegistrationState) {
        let begun = self.begun.take();
        match outcome {
            StepOutcome::AlreadyThere => {}
            StepOutcome::Secret { key_id, .. } => add(&mut self.secrets, *key_id),
            _ => {
                if let Some(begun) = begun {
                    self.note(begun, state);
                }
            }
        }
        match step {
            RegistrationStep::RemoveOrphanSecret { key_id, .. } => self.secrets.retain(|id| id != key_id),
            RegistrationStep::RemoveCertificate { key_id, .. } => self.certificates.retain(|id| id != key_id),
            RegistrationStep::RemoveFederatedCredential { name } => self.federated.retain(|n| n != name),
            RegistrationStep::RevokeAppRole { api, app_role_id, .. } => {
                self.consents.retain(|c| !(c.api == *api && c.app_role_id == *app_role_id));
            }
            RegistrationStep::RemoveOwner { of, owner } => self.owners.retain(|o| o != &(*of, *owner)),
            RegistrationStep::DeclarePermissions { remove, .. } => {
                self.declared.retain(|d| !remove.iter().any(|r| (r.permission.api, r.app_role_id) == *d));
            }
            _ => {}
        }
        self.note_ids(state);
    }

    /// Settles what an interrupted run had begun: what is there now, and was not when it was planned, was made by it.
    pub fn reconcile(&mut self, state: &RegistrationState) {
        if let Some(begun) = self.begun.take() {
            self.note(begun, state);
        }
        self.note_ids(state);
    }

    /// Takes what an administrator's consent by URL made for one's own: the consents to these permissions, and the
    /// enterprise application unless the inventory knows it already. [Reconcile](Self::reconcile) with the state before
    /// the consent first, so that one that was there is known.
    pub fn adopt_consents(&mut self, state: &RegistrationState, permissions: &[Permission]) {
        if self.service_principal.is_none() {
            self.note(Begun::ServicePrincipal, state);
        }
        for permission in permissions {
            let offered = state.api(permission.api).map_or(&[][..], |api| &api.app_roles);
            if let Ok(role) = permission.resolve(offered) {
                self.note(Begun::Consent(permission.api, role), state);
            }
        }
        self.note_ids(state);
    }

    /// Notes what a rotation has made and removed: the new credential is one's own from the moment it is in the directory,
    /// and the old one is forgotten once it is gone. Call it wherever the record of the rotation is stored
    /// ([`RotationHost::save`](crate::RotationHost::save)), or after each call of [`rotate`](crate::rotate) or `rotate_own`;
    /// to repeat it does no harm. A certificate whose id the rotation could not learn is found by the next
    /// [`reconcile`](Self::reconcile).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the rotation is of another registration.
    pub fn record_rotation(&mut self, rotation: &Rotation) -> Result<()> {
        if self.application.map(|made| made.id) != Some(rotation.application()) {
            return Err(Error::invalid("the rotation is of another registration than the inventory"));
        }
        let phase = rotation.phase();
        let thumbprint = rotation.new_thumbprint();
        let list = if thumbprint.is_some() { &mut self.certificates } else { &mut self.secrets };
        match (rotation.new_key(), phase) {
            (Some(key_id), RotationPhase::Withdrawn) => list.retain(|id| *id != key_id),
            (Some(key_id), _) => add(list, key_id),
            (None, RotationPhase::Begun | RotationPhase::Withdrawn) => {}
            (None, _) => {
                if let (Some(thumbprint), None) = (thumbprint, &self.begun) {
                    self.begun = Some(Begun::Certificate(thumbprint.to_owned()));
                }
            }
        }
        if let (Some(old), RotationPhase::Done) = (rotation.old_key(), phase) {
            self.secrets.retain(|id| *id != old);
            self.certificates.retain(|id| *id != old);
        }
        Ok(())
    }

    fn note(&mut self, begun: Begun, state: &RegistrationState) {
        match begun {
            Begun::Application => {
                if let Some(id) = state.application_id() {
                    self.application = Some(Made { id, made: true });
                }
            }
            Begun::ServicePrincipal => {
                if let Some(id) = state.service_principal_id() {
                    self.service_principal = Some(Made { id, made: true });
                }
            }
            Begun::Api(api) => {
                if state.api(api).is_some() {
                    add(&mut self.apis, api);
                }
            }
            Begun::Declare(list) => {
                for (api, role) in list {
                    let declared = |a: &crate::directory::Application| {
                        let mut entries = a.required_resource_access.iter();
                        entries.any(|e| {
                            e.resource_app_id == api.client_id()
                                && e.resource_access.iter().any(|x| x.is_role(role))
                        })
                    };
                    if state.application().is_some_and(declared) {
                        add(&mut self.declared, (api, role));
                    }
                }
            }
            Begun::Consent(api, app_role_id) => {
                let resource = state.api(api).map(|principal| principal.id);
                let given = state
                    .assignments()
                    .iter()
                    .find(|a| Some(a.resource_id) == resource && a.app_role_id == app_role_id);
                if let Some(given) = given {
                    add(&mut self.consents, MadeConsent { assignment: given.id.clone(), api, app_role_id });
                }
            }
            // Whether it is there, the offboarding sees; the name was free when the step was planned.
            Begun::Federated(name) => add(&mut self.federated, name),
            Begun::Secret(name) => {
                let secrets = state.application().into_iter().flat_map(|a| &a.password_credentials);
                for secret in secrets.filter(|s| s.display_name.as_ref() == Some(&name)) {
                    add(&mut self.secrets, secret.key_id);
                }
            }
            Begun::Certificate(thumbprint) => {
                let keys = state.application().into_iter().flat_map(|a| &a.key_credentials);
                for key in keys.filter(|key| key.has_thumbprint(&thumbprint)) {
                    add(&mut self.certificates, key.key_id);
                }
            }
            Begun::Owner(of, owner) => add(&mut self.owners, (of, owner)),
            Begun::RedirectUris(list) => list.into_iter().for_each(|uri| add(&mut self.redirect_uris, uri)),
        }
    }

    fn note_ids(&mut self, state: &RegistrationState) {
        self.client_id = state.client_id().or(self.client_id);
        if let Some(id) = state.application_id() {
            self.application.get_or_insert(Made { id, made: false });
        }
        if let Some(id) = state.service_principal_id() {
            self.service_principal.get_or_insert(Made { id, made: false });
        }
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
