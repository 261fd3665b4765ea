//! The page where an administrator consents for the whole tenant.
//!
//! Page: <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Refused, known_tenant};
use crate::{
    server::{
        Shared, lock,
        reply::{self, Reply},
        uuid,
    },
    state::{AdminDecision, AppRoleAssignment, Application, ServicePrincipal, State, Timed},
};

/// Leads back to the application with the administrator's answer. What is wrong with the request itself is shown to the
/// administrator and leads nowhere.
pub(super) fn answer(
    shared: &Shared,
    tenant: &str,
    request: &Request<Bytes>,
    has_scope: bool,
) -> Result<Reply, Refused> {
    let now = shared.clock.now();
    let mut state = lock(&shared.state);
    known_tenant(&state, tenant)?;
    let query: Vec<(String, String)> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    let get =
        |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty());
    let missing = |name: &str| {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        Refused::new(400, "invalid_request", 900_144, &text)
    };
    let client: Uuid = get("client_id").ok_or_else(|| missing("client_id"))?.parse().unwrap_or_default();
    let redirect = get("redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    let scope = get("scope");
    if has_scope && scope.is_none() {
        return Err(missing("scope"));
    }
    let application = find(&state, client, now).ok_or_else(|| {
        Refused::new(
            400,
            "unauthorized_client",
            700_016,
            &format!("Application with identifier '{client}' was not found in the directory."),
        )
    })?;
    if !state.directory.lifecycle.redirect_uris_of(application.id).iter().any(|uri| uri == redirect) {
        return Err(Refused::new(
            400,
            "invalid_request",
            50_011,
            &format!(
                "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the application."
            ),
        ));
    }
    let mut back = form_urlencoded::Serializer::new(String::new());
    match state.directory.lifecycle.admin {
        AdminDecision::Decline => {
            back.append_pair("error", "access_denied").append_pair(
                "error_description",
                "AADSTS65004: User declined to consent to access the app.\r\nTrace ID: 00000000-0000-4000-8000-000000000000",
            );
        }
        AdminDecision::Approve => {
            let ids = [(); 2].map(|()| uuid(&mut lock(&shared.rng)));
            consent(&mut state, &application, ids, now);
            back.append_pair("admin_consent", "True").append_pair("tenant", &state.tenant_id.to_string());
            if let Some(scope) = scope {
                back.append_pair("scope", scope);
            }
        }
    }
    if let Some(text) = get("state") {
        back.append_pair("state", text);
    }
    let joint = if redirect.contains('?') { '&' } else { '?' };
    let mut reply = reply::empty(StatusCode::FOUND);
    reply::set(&mut reply, "location", &format!("{redirect}{joint}{}", back.finish()));
    Ok(reply)
}

fn find(state: &State, client: Uuid, now: Timestamp) -> Option<Application> {
    let own = state
        .directory
        .applications
        .iter()
        .filter(|a| a.is_configured() && a.is_effective(now))
        .map(|a| &a.value);
    let guests = state.directory.lifecycle.guests.iter().map(|(_, a)| a);
    own.chain(guests).find(|a| a.app_id == client).cloned()
}

/// Exactly what is declared is granted: what is missing is added, and what is no longer declared is taken back.
fn consent(state: &mut State, application: &Application, [principal_id, salt]: [Uuid; 2], now: Timestamp) {
    let delays = state.propagation.clone();
    let directory = &mut state.directory;
    let known = directory
        .service_principals
        .iter()
        .find(|sp| sp.is_configured() && sp.value.app_id == application.app_id);
    let principal = known.map(|sp| sp.value.id).unwrap_or_else(|| {
        let principal = ServicePrincipal {
            id: principal_id,
            app_id: application.app_id,
            display_name: application.display_name.clone(),
            account_enabled: true,
            app_roles: Vec::new(),
        };
        directory.service_principals.push(Timed::new(principal, now, delays.service_principal));
        principal_id
    });
    let mut wanted: Vec<(Uuid, Uuid)> = Vec::new();
    for resource in &application.required_resource_access {
        let apis = directory.service_principals.iter().filter(|sp| sp.is_configured());
        let Some(api) = apis.map(|sp| &sp.value).find(|sp| sp.app_id == resource.resource_app_id) else {
            continue;
        };
        let roles = resource.access.iter().filter(|a| a.kind == "Role").map(|a| a.id);
        wanted.extend(
            roles.filter(|id| api.app_roles.iter().any(|r| r.id == *id && r.enabled)).map(|id| (api.id, id)),
        );
    }
    let assignments = &mut directory.app_role_assignments;
    for given in assignments.iter_mut().filter(|a| a.is_configured() && a.value.principal_id == principal) {
        if !wanted.contains(&(given.value.resource_id, given.value.app_role_id)) {
            given.delete(now, delays.consent);
        }
    }
    for (n, (resource_id, app_role_id)) in wanted.into_iter().enumerate() {
        let given = assignments.iter().any(|a| {
            a.is_configured()
                && (a.value.principal_id, a.value.resource_id, a.value.app_role_id)
                    == (principal, resource_id, app_role_id)
        });
        if !given {
            let assignment = AppRoleAssignment {
                id: format!("{}-{n}", salt.simple()),
                principal_id: principal,
                resource_id,
                app_role_id,
            };
            assignments.push(Timed::new(assignment, now, delays.consent));
        }
    }
}
