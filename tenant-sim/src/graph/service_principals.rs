//! Enterprise applications. Page: <https://learn.microsoft.com/graph/api/resources/serviceprincipal>

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context,
    applications::READ,
    context_url,
    error::GraphError,
    grants, lifecycle, odata,
    request::{GraphRequest, Key},
};
use crate::{
    json::At,
    scenario::app_roles::{GRAPH_APP_ID, USER_READ},
    server::reply,
    state::{ServicePrincipal, Timed},
};

/// Everything under `/servicePrincipals`.
pub(crate) fn route(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    match (&request.method, names) {
        (&Method::GET, [_]) => {
            context.need(&READ)?;
            let visible = context.state.directory.service_principals.iter();
            let items = visible
                .filter(|sp| sp.is_configured() && sp.is_effective(context.now))
                .map(|sp| render(context, sp))
                .collect();
            odata::page(request, "servicePrincipals", items, odata::DIRECTORY, false)
        }
        (&Method::POST, [_]) => create(context, request),
        (&Method::GET, [_, _]) => {
            context.need(&READ)?;
            let item = render(context, find(context, request.segment(1))?);
            Ok(odata::object(request, "servicePrincipals", item, false))
        }
        (&Method::PATCH, [_, _]) => update(context, request),
        (&Method::DELETE, [_, _]) => {
            let id = writable(context, request.segment(1))?;
            forget(context, |sp| sp.id == id);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        (method, [_, _, "owners", ..]) => {
            let id = if *method == Method::GET {
                context.need(&READ)?;
                find(context, request.segment(1))?.value.id
            } else {
                writable(context, request.segment(1))?
            };
            lifecycle::principal_owners(context, request, names, id)
        }
        (&Method::GET, [_, _, "memberof"]) => {
            context.need(&READ)?;
            let id = find(context, request.segment(1))?.value.id;
            let held = context.state.directory.directory_roles.iter().filter(|(holder, _)| *holder == id);
            let items = held
                .map(
                    |(_, role)| json!({"@odata.type": "#microsoft.graph.directoryRole", "displayName": role}),
                )
                .collect();
            odata::page(request, "directoryObjects", items, odata::DIRECTORY, false)
        }
        (_, [_, _, "approleassignedto" | "approleassignments", ..]) => {
            grants::route_roles(context, request, names)
        }
        (&Method::GET, [_, _, "oauth2permissiongrants"]) => {
            let id = find(context, request.segment(1))?.value.id;
            grants::list_delegated(context, request, Some(id))
        }
        (_, [_] | [_, _]) => Err(GraphError::method()),
        _ => Err(GraphError::no_segment(&request.path)),
    }
}

/// The service principal that the key names, on a replica.
pub(crate) fn find<'a>(
    context: &'a Context<'_>,
    key: &str,
) -> Result<&'a Timed<ServicePrincipal>, GraphError> {
    let wanted = Key::read(key);
    context
        .state
        .directory
        .service_principals
        .iter()
        .filter(|sp| sp.is_configured() && sp.is_effective(context.now))
        .find(|sp| match wanted {
            Key::Id(id) => sp.value.id == id,
            Key::AppId(id) => sp.value.app_id == id,
            Key::UniqueName(_) | Key::Nothing => false,
        })
        .ok_or_else(|| GraphError::not_found(key))
}

fn writable(context: &Context<'_>, key: &str) -> Result<Uuid, GraphError> {
    context.need(&["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"])?;
    let found = find(context, key)?;
    let owned = || {
        context.state.directory.applications.iter().any(|a| {
            a.is_configured()
                && a.value.app_id == found.value.app_id
                && a.value.owners.contains(&context.caller.object_id)
        })
    };
    if context.caller.has_role("Application.ReadWrite.All") || owned() {
        Ok(found.value.id)
    } else {
        Err(GraphError::denied())
    }
}

fn create(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    context.need(&["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"])?;
    let body = request.json()?;
    let app_id: Uuid = body.at("appId").as_str().and_then(|v| v.parse().ok()).ok_or_else(|| {
        GraphError::bad_request("A value is required for property 'appId' of resource 'ServicePrincipal'.")
    })?;
    let existing = &context.state.directory.service_principals;
    if existing.iter().any(|sp| sp.is_configured() && sp.value.app_id == app_id) {
        return Err(GraphError::conflict("appId"));
    }
    let application = context
        .state
        .directory
        .applications
        .iter()
        .find(|a| a.is_configured() && a.is_effective(context.now) && a.value.app_id == app_id)
        .map(|a| (a.value.display_name.clone(), a.value.owners.contains(&context.caller.object_id)));
    let all = context.caller.has_role("Application.ReadWrite.All");
    let guest = context.state.directory.lifecycle.guests.iter().find(|(_, a)| a.app_id == app_id);
    let application =
        application.or_else(|| guest.filter(|_| all).map(|(_, a)| (a.display_name.clone(), false)));
    let display_name = match application {
        Some((name, owned)) if all || owned => name,
        Some(_) => return Err(GraphError::denied()),
        None if all => {
            return Err(GraphError::bad_request(&format!(
                "The appId '{app_id}' of the service principal does not reference a valid application object."
            ))
            .with_detail("NoBackingApplicationObject", "appId"));
        }
        // What an app-only caller with the narrow permission gets while the registration replicates: misleading.
        None => {
            return Err(GraphError::new(
                StatusCode::FORBIDDEN,
                "Authorization_RequestDenied",
                "When using this permission, the backing application of the service principal being created must in the local tenant",
            ));
        }
    };
    let principal = ServicePrincipal {
        id: context.new_id(),
        app_id,
        display_name,
        account_enabled: body.at("accountEnabled").as_bool().unwrap_or(true),
        app_roles: Vec::new(),
    };
    let record = Timed::new(principal, context.now, context.state.propagation.service_principal);
    let mut item = render(context, &record);
    context.state.directory.service_principals.push(record);
    if let Some(map) = item.as_object_mut() {
        map.insert("@odata.context".to_owned(), context_url(request, "servicePrincipals/$entity"));
    }
    Ok(reply::json(StatusCode::CREATED, &item))
}

fn update(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let id = writable(context, request.segment(1))?;
    let body = request.json()?;
    let Some(found) = context.state.directory.service_principals.iter_mut().find(|sp| sp.value.id == id)
    else {
        return Err(GraphError::not_found(request.segment(1)));
    };
    for (name, value) in body.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("accountEnabled", Value::Bool(enabled)) => found.value.account_enabled = *enabled,
            ("displayName", Value::String(text)) => found.value.display_name.clone_from(text),
            _ => return Err(GraphError::invalid_property(name)),
        }
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Deletes service principals with their grants. Exchange drops its pointer and its role assignments as well, but
/// keeps scopes, groups and access policies.
pub(crate) fn forget(context: &mut Context<'_>, which: impl Fn(&ServicePrincipal) -> bool) {
    let now = context.now;
    let delays = context.state.propagation.clone();
    let directory = &mut context.state.directory;
    let mut gone = Vec::new();
    for sp in directory.service_principals.iter_mut().filter(|sp| sp.is_configured() && which(&sp.value)) {
        sp.delete(now, jiff::SignedDuration::ZERO);
        gone.push(sp.value.id);
    }
    for grant in directory.app_role_assignments.iter_mut().filter(|g| gone.contains(&g.value.principal_id)) {
        grant.delete(now, delays.consent);
    }
    for grant in directory.oauth2_permission_grants.iter_mut().filter(|g| gone.contains(&g.value.client_id)) {
        grant.delete(now, delays.consent);
    }
    directory.directory_roles.retain(|(holder, _)| !gone.contains(holder));
    let exchange = &mut context.state.exchange;
    for pointer in exchange.service_principals.iter_mut().filter(|p| gone.contains(&p.value.object_id)) {
        pointer.delete(now, delays.mailbox_permission);
    }
    for assignment in exchange.role_assignments.iter_mut().filter(|a| gone.contains(&a.value.app)) {
        assignment.delete(now, jiff::SignedDuration::ZERO);
    }
}

fn render(context: &Context<'_>, record: &Timed<ServicePrincipal>) -> Value {
    let sp = &record.value;
    let roles: Vec<Value> = sp
        .app_roles
        .iter()
        .map(|r| {
            json!({
                "id": r.id, "value": r.value, "displayName": r.value, "description": r.value,
                "isEnabled": r.enabled, "allowedMemberTypes": r.allowed_member_types, "origin": "Application",
            })
        })
        .collect();
    let scopes = if sp.app_id == GRAPH_APP_ID {
        json!([{"id": USER_READ, "value": "User.Read", "type": "User", "isEnabled": true}])
    } else {
        json!([])
    };
    let guest = context.state.directory.lifecycle.guests.iter().find(|(_, a)| a.app_id == sp.app_id);
    json!({
        "id": sp.id,
        "deletedDateTime": null,
        "accountEnabled": sp.account_enabled,
        "appDisplayName": sp.display_name,
        "appId": sp.app_id,
        "appOwnerOrganizationId": if let Some((home, _)) = guest { json!(home) } else if sp.app_roles.is_empty() { json!(context.state.tenant_id) } else { json!("f8cdef31-a31e-4b4a-93e4-5f571e91255a") },
        "appRoleAssignmentRequired": false,
        "createdDateTime": record.created.to_string(),
        "displayName": sp.display_name,
        "servicePrincipalNames": [sp.app_id],
        "servicePrincipalType": "Application",
        "tags": [],
        "appRoles": roles,
        "oauth2PermissionScopes": scopes,
        "keyCredentials": [],
        "passwordCredentials": [],
    })
}
