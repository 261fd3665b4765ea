//! The application permissions of an app, by name, and taking one of them back.

use std::collections::BTreeSet;

use exchange_admin::migration::Consent;
use graph_auth::directory::{
    AppRole, GetServicePrincipal, GrantAppRole, ListAppRoleAssignments, RevokeAppRole, ServicePrincipal,
};
use m365_core::{Acted, AppRoleId, ClientId, Error, ErrorKind, Pipeline, Result, ServicePrincipalObjectId};

/// More consents than any app holds.
const MOST_CONSENTS: usize = 5000;

/// An app's enterprise application and what was consented to it.
#[derive(Debug)]
pub(crate) struct AppConsents {
    pub(crate) object: ServicePrincipalObjectId,
    pub(crate) display_name: String,
    held: Vec<Held>,
}

/// One consent, and by which ids it is taken back and given again.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    consent: Consent,
    assignment: String,
    api: ServicePrincipalObjectId,
    role: AppRoleId,
}

impl AppConsents {
    pub(crate) fn consents(&self) -> BTreeSet<Consent> {
        self.held.iter().map(|h| h.consent.clone()).collect()
    }

    pub(crate) fn of(&self, consent: &Consent) -> Vec<Held> {
        self.held.iter().filter(|h| h.consent == *consent).cloned().collect()
    }
}

/// Reads the app's consents on the two APIs that have to do with mailboxes.
pub(crate) async fn read(graph: &Pipeline, app: ClientId) -> Result<AppConsents> {
    let principal = graph.run(&GetServicePrincipal { client_id: app }).await?;
    let assignments = graph.list(&ListAppRoleAssignments { principal: principal.id }, MOST_CONSENTS).await?;
    let mut held = Vec::new();
    for resource in [ClientId::MICROSOFT_GRAPH, ClientId::EXCHANGE_ONLINE] {
        let Some(api) = api(graph, resource).await? else { continue };
        for assignment in assignments.iter().filter(|a| a.resource_id == api.id) {
            // A role that the API does not list any more may still be in tokens: unknown, and not nothing.
            let role = api.app_roles.iter().find(|r: &&AppRole| r.id == assignment.app_role_id);
            let name =
                role.and_then(|r| r.value.clone()).unwrap_or_else(|| assignment.app_role_id.to_string());
            held.push(Held {
                consent: Consent::new(resource, &name),
                assignment: assignment.id.clone(),
                api: api.id,
                role: assignment.app_role_id,
            });
        }
    }
    Ok(AppConsents {
        object: principal.id,
        display_name: principal.display_name.unwrap_or_else(|| app.to_string()),
        held,
    })
}

/// An API's service principal; without it in the tenant nobody has consent to it.
async fn api(graph: &Pipeline, resource: ClientId) -> Result<Option<ServicePrincipal>> {
    match graph.run(&GetServicePrincipal { client_id: resource }).await {
        Ok(api) => Ok(Some(api)),
        Err(error) if error.kind() == ErrorKind::NotFound && resource != ClientId::MICROSOFT_GRAPH => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Takes a consent back. One that is gone is as gone as it should be.
pub(crate) async fn revoke(graph: &Pipeline, app: ServicePrincipalObjectId, held: &Held) -> Result<()> {
    let revoke = RevokeAppRole { principal: app, assignment: held.assignment.clone() };
    match graph.run(&revoke).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives a consent back.
pub(crate) async fn restore(graph: &Pipeline, app: ServicePrincipalObjectId, held: &Held) -> Result<()> {
    let grant = GrantAppRole { principal: app, api: held.api, role: held.role };
    match graph.run(&grant).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Fails while any of these consents is there.
pub(crate) async fn none_of(
    graph: &Pipeline,
    app: ClientId,
    limited: impl Fn(&Consent) -> bool,
) -> Result<()> {
    let consents = read(graph, app).await?.consents();
    let left: Vec<String> = consents.iter().filter(|c| limited(c)).map(ToString::to_string).collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "{} is consented (again): without a policy it would open every mailbox; plan anew",
            left.join(", ")
        ),
    )
    .with_acted(Acted::No))
}
