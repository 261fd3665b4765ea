mod certificates;
mod lifecycle;
mod offboard;
mod secrets;
mod settle;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use m365_core::{ApplicationObjectId, Error, ErrorKind, KeyId, Pipeline, Result};
use secrecy::SecretString;

pub use offboard::offboard_step;

use crate::convergence::{Call, Convergence, Settled, is_not_served};
use crate::directory::{
    Application, ApplicationSettings, Audience, CreateApplication, CreateServicePrincipal,
    DeletePermissionGrant, GetApplication, GetServicePrincipal, GrantAppRole, ListPermissionGrants,
    RequiredResourceAccess, ResourceAccess, RevokeAppRole, UpdateApplication, UpdatePermissionGrant,
    UpsertApplication,
};
use crate::permissions::USER_READ;
use crate::registration::state::{MOST_ROWS, RegistrationState, absent, find, search};
use crate::registration::{Declared, RegistrationStep};
use crate::{Api, Permission};

/// What became of a step.
#[derive(Clone)]
#[non_exhaustive]
pub enum StepOutcome {
    /// It was done.
    Applied,
    /// There was nothing to do any more.
    AlreadyThere,
    /// A secret was added. This is the only time that its text is seen.
    Secret {
        /// Its Secret ID, to be kept beside the text and handed to
        /// [`AppRegistration::with_held_secret`](crate::AppRegistration::with_held_secret).
        key_id: KeyId,
        /// Its text.
        secret: SecretString,
        /// When it ends to work.
        end: Timestamp,
    },
}

impl fmt::Debug for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("Applied"),
            Self::AlreadyThere => f.write_str("AlreadyThere"),
            Self::Secret { key_id, end, .. } => {
                f.debug_struct("Secret").field("key_id", key_id).field("end", end).finish_non_exhaustive()
            }
        }
    }
}

/// Applies one step and keeps `state` up to date. May be called again after any failure: where an answer was lost, what
/// is there decides.
///
/// Replication is waited for within `convergence`: an object made a moment ago may be unknown for a while, one that is
/// old is not.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the step needs another one first. [`ErrorKind::PermissionDenied`] when the caller lacks
/// the right ([`RegistrationStep::minimum_role`] names the role). Otherwise what Graph says.
pub async fn apply_step(
    pipeline: &Pipeline,
    step: &RegistrationStep,
    state: &mut RegistrationState,
    convergence: &Convergence,
) -> Result<StepOutcome> {
    let _lock = convergence.lock(&state.unique_name).await;
    let mut apply = Apply { pipeline, state, convergence };
    let applied = match step {
        RegistrationStep::CreateApplication { unique_name, display_name, audience } => {
            apply.create_application(unique_name, display_name, *audience).await
        }
        RegistrationStep::UpdateApplication { display_name, audience } => {
            apply.update_application(display_name.clone(), *audience).await
        }
        RegistrationStep::CreateApiServicePrincipal { api } => apply.create_api(*api).await,
        RegistrationStep::CreateServicePrincipal => apply.create_service_principal().await,
        RegistrationStep::RemoveDefaultUserRead => apply.remove_user_read().await,
        RegistrationStep::DeclarePermissions { add, remove } => apply.declare(add, remove).await,
        RegistrationStep::RevokeAppRole { api, app_role_id, .. } => apply.revoke(*api, *app_role_id).await,
        RegistrationStep::GrantAppRole { api, name, app_role_id } => {
            apply.grant(&Permission::new(*api, name), *app_role_id).await
        }
        RegistrationStep::RemoveOrphanSecret { key_id, .. } => apply.remove_secret(*key_id).await,
        RegistrationStep::AddSecret { policy, held } => apply.add_secret(policy, *held).await,
        RegistrationStep::AddCertificate { certificate } => apply.add_certificate(certificate).await,
        RegistrationStep::RemoveCertificate { key_id, .. } => apply.remove_certificate(*key_id).await,
        RegistrationStep::AddRedirectUris { add } => apply.add_redirect_uris(add).await,
        RegistrationStep::RemoveFederatedCredential { name } => apply.remove_federated(name).await,
        RegistrationStep::UpdateFederatedCredential { credential }
        | RegistrationStep::AddFederatedCredential { credential } => apply.set_federated(credential).await,
        RegistrationStep::AddOwner { of, owner } => apply.add_owner(*of, *owner).await,
        RegistrationStep::RemoveOwner { of, owner } => apply.remove_owner(*of, *owner).await,
        RegistrationStep::EnableServicePrincipal => apply.enable_principal().await,
        RegistrationStep::RestoreApplication { id } => apply.restore(*id).await,
    };
    applied.map_err(|error| {
        // Other refusals, of a tenant's policy for example, no role would lift.
        let lacks_right = error.service_code() == Some("Authorization_RequestDenied");
        if lacks_right { name_role(error, step) } else { error }
    })
}

/// A missing right is no use to know without the role that has it.
fn name_role(error: Error, step: &RegistrationStep) -> Error {
    let mut named = Error::new(
        error.kind(),
        format!("{}; this step needs the role {}", error.message(), step.minimum_role()),
    )
    .with_authority(error.authority())
    .with_acted(error.acted())
    .with_attempts(error.attempts())
    .with_diagnosis(error.diagnosis().id());
    if let Some(status) = error.status() {
        named = named.with_status(status);
    }
    if let Some(code) = error.service_code() {
        named = named.with_code(code);
    }
    if let Some(id) = error.request_id() {
        named = named.with_request_id(id);
    }
    if let Some(operation) = error.operation() {
        named = named.with_operation(operation.to_owned());
    }
    named.with_source(error)
}

struct Apply<'a> {
    pipeline: &'a Pipeline,
    state: &'a mut RegistrationState,
    convergence: &'a Convergence,
}

impl Apply<'_> {
    async fn create_application(
        &mut self,
        unique_name: &str,
        display_name: &str,
        audience: Audience,
    ) -> Result<StepOutcome> {
        if unique_name != self.state.unique_name {
            return Err(Error::invalid("the step is of another registration than the state"));
        }
        let settings = ApplicationSettings {
            display_name: Some(display_name.to_owned()),
            sign_in_audience: Some(audience),
            // Permissions have their own step: this call would replace those of an application that exists.
            ..ApplicationSettings::default()
        };
        let was_there = self.state.application.is_some();
        let upsert = UpsertApplication { unique_name: unique_name.to_owned(), settings: settings.clone() };
        let made = match self.converge(Call::Change, &upsert, false).await {
            Ok(Settled::Answer(made)) => made,
            Ok(Settled::Done) => None,
            Err(error) if is_not_served(&error) => self.find_or_create(unique_name, settings).await?,
            Err(error) => return Err(error),
        };
        let created = made.is_some();
        self.state.created |= created || !was_there;
        let read = match made {
            Some(application) => {
                let id = application.id;
                self.state.application = Some(application);
                self.confirm_application(id, |_| true).await?
            }
            None => {
                let (pipeline, readings) = (self.pipeline, self.few_readings());
                let what = "the application to be readable";
                self.convergence.confirm(what, readings, || find(pipeline, unique_name)).await?
            }
        };
        match read {
            Some(application) => self.state.application = Some(application),
            None if self.state.application.is_some() => {}
            None => return Err(not_ready("the application was written and cannot be read yet")),
        }
        let young = self.state.is_young(self.convergence.clock().now());
        Ok(if created || young { StepOutcome::Applied } else { StepOutcome::AlreadyThere })
    }

    /// Where upsert is not served: the unique name makes a second create fail instead of making a second application.
    async fn find_or_create(
        &self,
        unique_name: &str,
        settings: ApplicationSettings,
    ) -> Result<Option<Application>> {
        if let Some(found) = search(self.pipeline, unique_name).await? {
            let update = UpdateApplication { id: found.id, settings };
            self.converge(Call::Change, &update, false).await?;
            return Ok(None);
        }
        let create = CreateApplication { unique_name: unique_name.to_owned(), settings };
        match self.converge(Call::CreateApplication, &create, false).await? {
            Settled::Answer(application) => Ok(Some(application)),
            Settled::Done => Ok(None),
        }
    }

    async fn update_application(
        &mut self,
        display_name: Option<String>,
        audience: Option<Audience>,
    ) -> Result<StepOutcome> {
        let id = self.application()?.id;
        let settings = ApplicationSettings {
            display_name,
            sign_in_audience: audience,
            ..ApplicationSettings::default()
        };
        self.patch(id, settings).await?;
        Ok(StepOutcome::Applied)
    }

    async fn create_api(&mut self, api: Api) -> Result<StepOutcome> {
        let client_id = api.client_id();
        let get = GetServicePrincipal { client_id };
        if let Some(principal) = absent(self.pipeline.run(&get).await)? {
            self.state.set_api(api, principal);
            return Ok(StepOutcome::AlreadyThere);
        }
        self.converge(Call::CreateServicePrincipal, &CreateServicePrincipal { client_id }, false).await?;
        // Read, whatever the create answered: the roles may come later than the principal.
        let principal = self
            .confirm_principal(&get, |p| !p.app_roles.is_empty())
            .await?
            .ok_or_else(|| not_ready("the API's service principal was made and cannot be read yet"))?;
        self.state.set_api(api, principal);
        Ok(StepOutcome::Applied)
    }

    async fn create_service_principal(&mut self) -> Result<StepOutcome> {
        if self.state.service_principal.is_some() {
            return Ok(StepOutcome::AlreadyThere);
        }
        let needs = || Error::invalid("the step needs the application first");
        let client_id = self.state.client_id().ok_or_else(needs)?;
        let create = CreateServicePrincipal { client_id };
        let made = self.converge(Call::CreateServicePrincipal, &create, self.is_new()).await?;
        let read = self.confirm_principal(&GetServicePrincipal { client_id }, |_| true).await?;
        let (principal, outcome) = match (made, read) {
            (Settled::Answer(_), Some(read)) => (read, StepOutcome::Applied),
            (Settled::Answer(made), None) => (made, StepOutcome::Applied),
            (Settled::Done, Some(read)) => (read, StepOutcome::AlreadyThere),
            (Settled::Done, None) => {
                return Err(not_ready("the enterprise application exists and cannot be read yet"));
            }
        };
        self.state.service_principal = Some(principal);
        if matches!(outcome, StepOutcome::AlreadyThere) {
            self.state.read_grants(self.pipeline, self.convergence).await?;
        }
        Ok(outcome)
    }

    async fn remove_user_read(&mut self) -> Result<StepOutcome> {
        let mut outcome = self.undeclare_user_read().await?;
        let (Some(client), Some(graph)) =
            (self.state.service_principal_id(), self.state.api(Api::Graph).map(|g| g.id))
        else {
            return Ok(outcome);
        };
        let grants = self.pipeline.list(&ListPermissionGrants { client }, MOST_ROWS).await?;
        for grant in grants.iter().filter(|g| g.resource_id == graph) {
            let rest: Vec<&str> = grant.scopes().filter(|s| *s != "User.Read").collect();
            if rest.len() == grant.scopes().count() {
                continue;
            }
            let id = grant.id.clone();
            if rest.is_empty() {
                self.converge(Call::Remove, &DeletePermissionGrant { id }, false).await?;
            } else {
                let update = UpdatePermissionGrant { id, scope: rest.join(" ") };
                self.converge(Call::Change, &update, false).await?;
            }
            outcome = StepOutcome::Applied;
        }
        if matches!(outcome, StepOutcome::Applied) {
            let pipeline = self.pipeline;
            let read = async || {
                let grants = pipeline.list(&ListPermissionGrants { client }, MOST_ROWS).await?;
                let left =
                    grants.iter().any(|g| g.resource_id == graph && g.scopes().any(|s| s == "User.Read"));
                Ok((!left).then_some(grants))
            };
            let what = "the delegated User.Read to be gone";
            if let Some(grants) = self.convergence.confirm(what, self.few_readings(), read).await? {
                self.state.grants = grants;
            }
        }
        Ok(outcome)
    }

    async fn undeclare_user_read(&mut self) -> Result<StepOutcome> {
        // What another tenant's registration declares is not ours to change.
        if self.state.application.is_none() && self.state.home_elsewhere.is_some() {
            return Ok(StepOutcome::AlreadyThere);
        }
        self.change_access(|access| {
            for entry in access.iter_mut().filter(|e| e.resource_app_id == Api::Graph.client_id()) {
                entry.resource_access.retain(|a| !(a.kind == "Scope" && a.id == USER_READ));
            }
            drop_empty(access);
        })
        .await
    }

    async fn declare(&mut self, add: &[Declared], remove: &[Declared]) -> Result<StepOutcome> {
        self.change_access(|access| {
            for Declared { permission, app_role_id } in remove {
                for entry in access.iter_mut().filter(|e| e.resource_app_id == permission.api.client_id()) {
                    entry.resource_access.retain(|a| !a.is_role(*app_role_id));
                }
            }
            drop_empty(access);
            for Declared { permission, app_role_id } in add {
                let resource_app_id = permission.api.client_id();
                let role = ResourceAccess::role(*app_role_id);
                match access.iter_mut().find(|e| e.resource_app_id == resource_app_id) {
                    Some(entry) if entry.resource_access.iter().any(|a| a.is_role(*app_role_id)) => {}
                    Some(entry) => entry.resource_access.push(role),
                    None => access.push(RequiredResourceAccess {
                        resource_app_id,
                        resource_access: vec![role],
                        other: serde_json::Map::new(),
                    }),
                }
            }
        })
        .await
    }

    async fn grant(&mut self, permission: &Permission, role: m365_core::AppRoleId) -> Result<StepOutcome> {
        let principal = self.principal()?;
        let api = self.api(permission.api)?;
        let resolved = permission.resolve(&api.app_roles)?;
        if resolved != role {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{permission}: planned with {role}, but the tenant says {resolved}; nothing was granted"
                ),
            ));
        }
        let api = api.id;
        let granted = |state: &RegistrationState| {
            state.assignments.iter().any(|a| a.resource_id == api && a.app_role_id == role)
        };
        if granted(self.state) {
            return Ok(StepOutcome::AlreadyThere);
        }
        let outcome = match self
            .converge(Call::GrantAppRole, &GrantAppRole { principal, api, role }, self.is_new())
            .await
        {
            Ok(Settled::Answer(assignment)) => {
                self.state.assignments.push(assignment);
                StepOutcome::Applied
            }
            Ok(Settled::Done) => StepOutcome::AlreadyThere,
            Err(error) if error.status() == Some(http::StatusCode::BAD_REQUEST) => {
                // A refusal whose text says nothing we know: what is there decides.
                self.state.assignments = self.assignments(principal).await?;
                if granted(self.state) { StepOutcome::AlreadyThere } else { return Err(error) }
            }
            Err(error) => return Err(error),
        };
        let present = |list: &[crate::directory::AppRoleAssignment]| {
            list.iter().any(|a| a.resource_id == api && a.app_role_id == role)
        };
        let confirmed = self.confirm_assignments(principal, "the consent to be readable", present).await?;
        if !confirmed && matches!(outcome, StepOutcome::AlreadyThere) {
            return Err(not_ready("the consent is said to exist and cannot be read"));
        }
        Ok(outcome)
    }

    async fn revoke(&mut self, api: Api, role: m365_core::AppRoleId) -> Result<StepOutcome> {
        let principal = self.principal()?;
        let api = self.api(api)?.id;
        let mut known = self.assignments(principal).await?;
        known.extend(self.state.assignments.iter().cloned());
        known.retain(|a| a.resource_id == api && a.app_role_id == role);
        known.sort_by(|a, b| a.id.cmp(&b.id));
        known.dedup_by(|a, b| a.id == b.id);
        let mut outcome = StepOutcome::AlreadyThere;
        for assignment in known {
            let delete = RevokeAppRole { principal, assignment: assignment.id };
            if let Settled::Answer(()) = self.converge(Call::Remove, &delete, false).await? {
                outcome = StepOutcome::Applied;
            }
        }
        self.state.assignments.retain(|a| !(a.resource_id == api && a.app_role_id == role));
        let gone = |list: &[crate::directory::AppRoleAssignment]| {
            !list.iter().any(|a| a.resource_id == api && a.app_role_id == role)
        };
        if !self.confirm_assignments(principal, "the consent to be gone", gone).await? {
            return Err(not_ready("the consent was taken back and can still be read"));
        }
        Ok(outcome)
    }

    /// Changes the declared permissions. Their list is read and written as a whole, so a run in another process may take a
    /// change back in between: what is read afterwards decides, and it is done again. The next read-modify-write must not
    /// start from an old list either.
    async fn change_access(
        &mut self,
        change: impl Fn(&mut Vec<RequiredResourceAccess>) + Send + Sync,
    ) -> Result<StepOutcome> {
        const TRIES: u32 = 4;
        let mut outcome = StepOutcome::AlreadyThere;
        for _ in 0..TRIES {
            let application = self.reread().await?;
            let mut access = application.required_resource_access.clone();
            change(&mut access);
            if access == application.required_resource_access {
                return Ok(outcome);
            }
            outcome = StepOutcome::Applied;
            let settings = ApplicationSettings {
                required_resource_access: Some(access),
                ..ApplicationSettings::default()
            };
            let update = UpdateApplication { id: application.id, settings };
            self.converge(Call::Change, &update, self.is_new()).await?;
            // What others changed meanwhile may be there or not: what we change must be.
            let (pipeline, get) = (self.pipeline, GetApplication::by_object_id(application.id));
            let read = async || {
                Ok(absent(pipeline.run(&get).await)?.filter(|a| {
                    let mut again = a.required_resource_access.clone();
                    change(&mut again);
                    same_access(&a.required_resource_access, &again)
                }))
            };
            let patient = self.convergence.within(Duration::from_secs(60));
            let what = "the declared permissions to be readable";
            if let Some(read) = patient.confirm(what, self.few_readings(), read).await? {
                self.state.application = Some(read);
                return Ok(outcome);
            }
        }
        Err(not_ready("the declared permissions were written and are not read back"))
    }

    async fn patch(&mut self, id: ApplicationObjectId, settings: ApplicationSettings) -> Result<()> {
        let wanted = settings.clone();
        self.converge(Call::Change, &UpdateApplication { id, settings }, self.is_new()).await?;
        let read = self
            .confirm_application(id, |a| {
                wanted.display_name.as_ref().is_none_or(|name| *name == a.display_name)
                    && wanted
                        .sign_in_audience
                        .is_none_or(|w| a.sign_in_audience.as_deref() == Some(w.as_str()))
            })
            .await?;
        self.keep(read, |application| {
            if let Some(name) = wanted.display_name {
                application.display_name = name;
            }
            if let Some(audience) = wanted.sign_in_audience {
                application.sign_in_audience = Some(audience.as_str().to_owned());
            }
        });
        Ok(())
    }
}

/// An API without permissions is not declared. What somebody else wrote into the entry keeps it.
fn drop_empty(access: &mut Vec<RequiredResourceAccess>) {
    access.retain(|entry| !entry.resource_access.is_empty() || !entry.other.is_empty());
}

/// The same permissions, in whatever order the directory gives them back.
fn same_access(a: &[RequiredResourceAccess], b: &[RequiredResourceAccess]) -> bool {
    let flat = |list: &[RequiredResourceAccess]| {
        let mut flat: Vec<(String, uuid::Uuid, String)> = list
            .iter()
            .flat_map(|e| {
                e.resource_access.iter().map(|a| (e.resource_app_id.to_string(), a.id, a.kind.clone()))
            })
            .collect();
        flat.sort();
        flat
    };
    flat(a) == flat(b)
}

pub(super) fn not_ready(what: &str) -> Error {
    Error::new(ErrorKind::NotReady, what)
}
