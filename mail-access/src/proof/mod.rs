//! Proof of access that joins what Entra says with what Exchange says: does this app reach this mailbox, and which apps do?
//!
//! [`verify`](crate::verify) proves what a profile set up. This proves any app, also one that nobody here has made.

mod list_consents;
mod principal_by_id;

use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::ExchangeAdmin;
use exchange_admin::access::{
    AccessPicture, AccessProof, AccessQuery, AppPicture, AppsOf, EntraGrant, EntraGrants, EntraPrincipal,
    Gap, Part, Question, Reached,
};
use exchange_admin::cmdlets::ListServicePrincipals;
use graph_auth::Api;
use graph_auth::directory::{AppRole, GetServicePrincipal, ListAppRoleAssignments, ServicePrincipal};
use m365_core::{ClientId, Error, ErrorKind, MailboxAddress, Pipeline, Result, ServicePrincipalObjectId};

use crate::onboarding::Onboarding;
use list_consents::ListConsents;
use principal_by_id::PrincipalById;

/// More consents than any app or API has; a list that goes on beyond is an error, not cut short.
const MOST: usize = 200_000;

/// What Entra knows of an app, and what of it could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntraReading {
    /// The app; parts that could not be read are unread in it, never absent.
    pub app: AppPicture,
    /// Why they could not.
    pub gaps: Vec<Gap>,
}

/// Reads an app's enterprise application and its consents for Microsoft Graph and Office 365 Exchange Online.
pub async fn read_app(graph: &Pipeline, client: ClientId) -> EntraReading {
    let mut reading = EntraReading { app: AppPicture::of_client(client), gaps: Vec::new() };
    let principal = match graph.run(&GetServicePrincipal { client_id: client }).await {
        Ok(principal) => principal,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            reading.app.principal = EntraPrincipal::Absent;
            reading.app.consents = EntraGrants::Read(BTreeSet::new());
            return reading;
        }
        Err(error) => {
            reading.gaps.push(gap(Part::EntraPrincipal, &error));
            reading.gaps.push(gap(Part::Consents, &error));
            return reading;
        }
    };
    describe(&mut reading.app, &principal);
    match consents(graph, principal.id).await {
        Ok(consents) => reading.app.consents = EntraGrants::Read(consents),
        Err(error) => reading.gaps.push(gap(Part::Consents, &error)),
    }
    reading
}

fn gap(part: Part, error: &Error) -> Gap {
    Gap { part, reason: error.to_string() }
}

fn describe(app: &mut AppPicture, principal: &ServicePrincipal) {
    app.display_name = principal.display_name.clone().unwrap_or_default();
    app.principal = EntraPrincipal::Present {
        object_id: principal.id,
        enabled: principal.account_enabled != Some(false),
    };
}

async fn consents(graph: &Pipeline, principal: ServicePrincipalObjectId) -> Result<BTreeSet<EntraGrant>> {
    let held = graph.list(&ListAppRoleAssignments { principal }, MOST).await?;
    let mut found = BTreeSet::new();
    for api in Api::ALL {
        let Some(offered) = api_principal(graph, api).await? else { continue };
        for assignment in held.iter().filter(|a| a.resource_id == offered.id) {
            let permission = name_of(&offered.app_roles, assignment.app_role_id);
            found.insert(EntraGrant { resource: api.client_id(), permission });
        }
    }
    Ok(found)
}

/// An API's service principal in this tenant; a tenant without it has consented to none of its permissions.
async fn api_principal(graph: &Pipeline, api: Api) -> Result<Option<ServicePrincipal>> {
    match graph.run(&GetServicePrincipal { client_id: api.client_id() }).await {
        Ok(principal) => Ok(Some(principal)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A permission that the API does not offer any more keeps its id for a name.
fn name_of(roles: &[AppRole], id: m365_core::AppRoleId) -> String {
    let role = roles.iter().find(|role| role.id == id);
    role.and_then(|role| role.value.clone()).unwrap_or_else(|| id.to_string())
}

/// Every app that holds a consent for mailboxes, and every app that Exchange has a service principal of, each with what
/// Entra knows of it.
///
/// # Errors
/// When one of the lists cannot be read whole: the answer would be silently short.
pub async fn apps_with_access(graph: &Pipeline, exchange: &ExchangeAdmin) -> Result<Vec<AppPicture>> {
    let mut held: BTreeMap<ServicePrincipalObjectId, BTreeSet<EntraGrant>> = BTreeMap::new();
    for api in Api::ALL {
        let Some(offered) = api_principal(graph, api).await? else { continue };
        for assignment in graph.list(&ListConsents { api: offered.id }, MOST).await? {
            let grant = EntraGrant {
                resource: api.client_id(),
                permission: name_of(&offered.app_roles, assignment.app_role_id),
            };
            let holder = ServicePrincipalObjectId::from_bytes(*assignment.principal_id.as_bytes());
            held.entry(holder).or_default().insert(grant);
        }
    }
    let mut apps: Vec<AppPicture> = Vec::new();
    for (holder, grants) in &held {
        if !grants.iter().any(|g| g.concerns_mailboxes() || g.is_unnamed()) {
            continue;
        }
        match graph.run(&PrincipalById { id: *holder }).await {
            Ok(principal) => {
                let mut app =
                    AppPicture::of_client(principal.client_id).with_consents(grants.iter().cloned());
                describe(&mut app, &principal);
                apps.push(app);
            }
            // Users and groups hold roles of APIs too; they are no service principals.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for pointer in exchange.run(&ListServicePrincipals::new()).await?.value {
        if apps.iter().any(|app| app.client_id == Some(pointer.app_id)) {
            continue;
        }
        let mut app = AppPicture::of_client(pointer.app_id).with_display_name(pointer.display_name);
        match graph.run(&GetServicePrincipal { client_id: pointer.app_id }).await {
            Ok(principal) => {
                app = app.with_consents(held.get(&principal.id).into_iter().flatten().cloned());
                describe(&mut app, &principal);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => app.principal = EntraPrincipal::Absent,
            Err(error) => return Err(error),
        }
        apps.push(app);
    }
    Ok(apps)
}

impl Onboarding {
    /// Whether an app reaches a mailbox in this way: Entra and Exchange are read, Exchange's own tests asked, and the whole
    /// chain is told. Nothing is written. What cannot be read makes the proof unknown, and stands in its gaps.
    ///
    /// `needs` are all the permissions that the app needs for its work, for advice about those that it does not.
    pub async fn prove_access(
        &self,
        client: ClientId,
        mailbox: &MailboxAddress,
        question: &Question<'_>,
        needs: &[EntraGrant],
    ) -> AccessProof {
        let query =
            |app| AccessQuery::of(app).for_mailbox(mailbox.clone()).over([question.way()]).with_tests();
        self.picture_of(client, query).await.prove(mailbox, question, needs)
    }

    /// Which mailboxes an app reaches in this way, the members of its groups one by one. An app that reaches all of them
    /// gets one line, not a list.
    pub async fn mailboxes_of(&self, client: ClientId, question: &Question<'_>) -> Vec<Reached> {
        let picture =
            self.picture_of(client, |app| AccessQuery::of(app).over([question.way()]).with_members()).await;
        picture.mailboxes_of(question).collect()
    }

    async fn picture_of(
        &self,
        client: ClientId,
        query: impl FnOnce(AppPicture) -> AccessQuery,
    ) -> AccessPicture {
        let reading = read_app(&self.inner.graph, client).await;
        let pictures = self.inner.exchange.access_pictures(query(reading.app.clone())).await;
        let mut picture = pictures.into_iter().next().unwrap_or_else(|| AccessPicture::of(reading.app));
        picture.gaps.extend(reading.gaps);
        picture
    }

    /// Which apps reach a mailbox, over every way: those with consents in Entra, and those that Exchange knows.
    ///
    /// # Errors
    /// When the apps cannot be listed whole. What else cannot be read is in [`AppsOf::gaps`], and the apps it concerns are
    /// unknown.
    pub async fn apps_of(&self, mailbox: &MailboxAddress) -> Result<AppsOf> {
        let apps = apps_with_access(&self.inner.graph, &self.inner.exchange).await?;
        self.inner.exchange.apps_of(mailbox, apps).await
    }
}
