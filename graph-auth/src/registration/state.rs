use std::time::Duration;

use jiff::Timestamp;
use m365_core::odata::Page;
use m365_core::{
    ApplicationObjectId, ClientId, Error, ErrorKind, KeyId, Operation, Pipeline, Result,
    ServicePrincipalObjectId, until,
};

use super::{AppManagementPolicies, AppRegistration, lifecycle};
use crate::directory::{
    AppRoleAssignment, Application, DeletedApplication, FederatedIdentityCredential, GetApplication,
    GetServicePrincipal, ListAppRoleAssignments, ListApplications, ListPermissionGrants, ListedOwner,
    PasswordCredential, PermissionGrant, ServicePrincipal,
};
use crate::{Api, Convergence};

/// An object younger than this may not be visible everywhere yet, whoever created it: an earlier run may have been
/// interrupted seconds ago.
const YOUNG: Duration = Duration::from_secs(10 * 60);

/// Most rows of a list of one app.
pub(super) const MOST_ROWS: usize = 10_000;

/// What a tenant has of a registration.
#[derive(Clone, Debug)]
pub struct RegistrationState {
    pub(super) unique_name: String,
    pub(super) read_at: Timestamp,
    pub(super) application: Option<Application>,
    /// Client id of an application that is not, or no longer, registered here.
    pub(super) home_elsewhere: Option<ClientId>,
    pub(super) service_principal: Option<ServicePrincipal>,
    pub(super) assignments: Vec<AppRoleAssignment>,
    pub(super) grants: Vec<PermissionGrant>,
    pub(super) apis: Vec<(Api, Option<ServicePrincipal>)>,
    /// `None`: not read.
    pub(super) owners: Option<Vec<ListedOwner>>,
    pub(super) principal_owners: Option<Vec<ListedOwner>>,
    pub(super) federated: Option<Vec<FederatedIdentityCredential>>,
    pub(super) policies: Option<AppManagementPolicies>,
    pub(super) deleted: Option<Vec<DeletedApplication>>,
    /// Made by the run that holds this state.
    pub(super) created: bool,
}

impl RegistrationState {
    /// Reads it; nothing is changed. A 404 that Graph itself speaks means absent; every other failure is an error.
    ///
    /// # Errors
    /// What Graph says, classified; [`ErrorKind::Truncated`] when the app has more than 10,000 grants.
    pub async fn read(pipeline: &Pipeline, registration: &AppRegistration) -> Result<Self> {
        registration.check()?;
        let mut state = Self::empty(pipeline, &registration.unique_name).await?;
        state.home_elsewhere = registration.home_elsewhere;
        if registration.home_elsewhere.is_none() {
            state.application = find(pipeline, &registration.unique_name).await?;
        }
        state.reread_for_held_secret(pipeline, registration).await?;
        if let Some(client_id) = state.client_id() {
            state.service_principal = absent(pipeline.run(&GetServicePrincipal { client_id }).await)?;
        }
        state.read_grants(pipeline, &Convergence::new(pipeline.clock().clone())).await?;
        state.read_lifecycle(pipeline, lifecycle::Wanted::of(registration)).await?;
        Ok(state)
    }

    /// The APIs, and nothing of the app yet.
    pub(super) async fn empty(pipeline: &Pipeline, unique_name: &str) -> Result<Self> {
        let mut apis = Vec::new();
        for api in Api::ALL {
            // Both, whichever is used: a consent that nobody asked for must be seen.
            apis.push((
                api,
                absent(pipeline.run(&GetServicePrincipal { client_id: api.client_id() }).await)?,
            ));
        }
        Ok(Self {
            unique_name: unique_name.to_owned(),
            read_at: pipeline.clock().now(),
            application: None,
            home_elsewhere: None,
            service_principal: None,
            assignments: Vec::new(),
            grants: Vec::new(),
            apis,
            owners: None,
            principal_owners: None,
            federated: None,
            policies: None,
            deleted: None,
            created: false,
        })
    }

    /// As [`RegistrationState::read`], with owners, federated credentials, policies and the recycle bin whether the
    /// registration speaks of them or not: what [`drift`](crate::drift) and an offboarding look at.
    ///
    /// # Errors
    /// As [`RegistrationState::read`].
    pub async fn read_whole(pipeline: &Pipeline, registration: &AppRegistration) -> Result<Self> {
        let mut state = Self::read(pipeline, registration).await?;
        state.read_lifecycle(pipeline, lifecycle::Wanted::EVERYTHING).await?;
        Ok(state)
    }

    /// The registration.
    pub fn application(&self) -> Option<&Application> {
        self.application.as_ref()
    }

    /// The enterprise application.
    pub fn service_principal(&self) -> Option<&ServicePrincipal> {
        self.service_principal.as_ref()
    }

    /// Client id.
    pub fn client_id(&self) -> Option<ClientId> {
        self.application.as_ref().map(|a| a.client_id).or(self.home_elsewhere)
    }

    /// Object id of the registration.
    pub fn application_id(&self) -> Option<ApplicationObjectId> {
        self.application.as_ref().map(|a| a.id)
    }

    /// Object id of the enterprise application: what Exchange wants.
    pub fn service_principal_id(&self) -> Option<ServicePrincipalObjectId> {
        self.service_principal.as_ref().map(|s| s.id)
    }

    /// Application permissions consented to the app.
    pub fn assignments(&self) -> &[AppRoleAssignment] {
        &self.assignments
    }

    /// Delegated permissions consented to the app.
    pub fn permission_grants(&self) -> &[PermissionGrant] {
        &self.grants
    }

    /// The service principal of an API in this tenant, where it was read and exists.
    pub fn api(&self, api: Api) -> Option<&ServicePrincipal> {
        self.apis.iter().find(|(a, _)| *a == api).and_then(|(_, sp)| sp.as_ref())
    }

    /// Whether the application was made a moment ago, so that replicas may not know it yet.
    pub(super) fn is_young(&self, now: Timestamp) -> bool {
        let born = self.application.as_ref().and_then(|a| a.created_date_time);
        self.created || born.is_some_and(|born| until(born, now) < YOUNG)
    }

    pub(super) fn set_api(&mut self, api: Api, principal: ServicePrincipal) {
        self.apis.retain(|(a, _)| *a != api);
        self.apis.push((api, Some(principal)));
    }

    pub(super) async fn read_grants(&mut self, pipeline: &Pipeline, convergence: &Convergence) -> Result<()> {
        let Some(principal) = self.service_principal_id() else {
            (self.assignments, self.grants) = (Vec::new(), Vec::new());
            return Ok(());
        };
        let young = self.is_young(pipeline.clock().now());
        let assignments = ListAppRoleAssignments { principal };
        self.assignments = list_young(pipeline, convergence, young, &assignments).await?;
        self.grants =
            list_young(pipeline, convergence, young, &ListPermissionGrants { client: principal }).await?;
        Ok(())
    }

    /// Credential lists flap between replicas for seconds. Before a held secret is believed gone, and a second one made,
    /// the list is read again.
    async fn reread_for_held_secret(
        &mut self,
        pipeline: &Pipeline,
        registration: &AppRegistration,
    ) -> Result<()> {
        let (Some(held), Some(_)) = (registration.held_secret, &registration.secret) else {
            return Ok(());
        };
        for wait in [2, 5, 10] {
            let Some(application) = &self.application else { return Ok(()) };
            if holds(application, held) {
                return Ok(());
            }
            pipeline.clock().sleep(Duration::from_secs(wait)).await;
            if let Some(again) = absent(pipeline.run(&GetApplication::by_object_id(application.id)).await)? {
                self.application = Some(again);
            }
        }
        Ok(())
    }
}

pub(super) async fn list_young<O, T>(
    pipeline: &Pipeline,
    convergence: &Convergence,
    young: bool,
    operation: &O,
) -> Result<Vec<T>>
where
    O: Operation<Output = Page<T>>,
    T: Send,
{
    let mut patience = convergence.patience("the new object to be readable");
    loop {
        match pipeline.list(operation, MOST_ROWS).await {
            Err(error) if young && error.kind() == ErrorKind::NotFound => {
                if !patience.wait(error.message(), None).await {
                    return Err(error.with_attempts(patience.tries()));
                }
            }
            other => return other,
        }
    }
}

/// The application of this unique name; by search where the alternate key is not served.
pub(super) async fn find(pipeline: &Pipeline, unique_name: &str) -> Result<Option<Application>> {
    match absent(pipeline.run(&GetApplication::by_unique_name(unique_name)).await) {
        Err(error) if error.status() == Some(http::StatusCode::BAD_REQUEST) => {
            search(pipeline, unique_name).await
        }
        other => other,
    }
}

pub(super) async fn search(pipeline: &Pipeline, unique_name: &str) -> Result<Option<Application>> {
    let operation = ListApplications { unique_name: unique_name.to_owned() };
    let found = pipeline.list(&operation, MOST_ROWS).await?;
    let mut found = found.into_iter().filter(|a| a.unique_name.as_deref() == Some(unique_name));
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(Error::new(
            ErrorKind::Conflict,
            format!("two applications have the unique name {unique_name}: {} and {}", first.id, second.id),
        )),
        (first, _) => Ok(first),
    }
}

/// Only Graph's own word that an object does not exist counts; a proxy's 404 is an error.
pub(super) fn absent<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound && error.service_code().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn holds(application: &Application, key_id: KeyId) -> bool {
    application.password_credentials.iter().any(|secret| secret.key_id == key_id)
}

/// Secrets of this name but the held one: their texts are lost.
pub(super) fn orphans<'a>(
    application: &'a Application,
    display_name: &'a str,
    held: Option<KeyId>,
) -> impl Iterator<Item = &'a PasswordCredential> {
    application.password_credentials.iter().filter(move |secret| {
        secret.display_name.as_deref() == Some(display_name) && Some(secret.key_id) != held
    })
}
