//! Consent: application permissions and delegated permissions.
//! Pages: <https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignedto>,
//! <https://learn.microsoft.com/graph/api/resources/oauth2permissiongrant>

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, applications::READ, context_url, error::GraphError, odata, request::GraphRequest,
    service_principals::find,
};
use crate::{
    entra::delegated::may_grant_graph_roles,
    json::At,
    scenario::app_roles::GRAPH_APP_ID,
    server::reply,
    state::{AppRoleAssignment, Timed},
};

const WRITE_ROLES: &str = "AppRoleAssignment.ReadWrite.All";

/// `/servicePrincipals/{id}/appRoleAssignedTo` (the resource's side) and `…/appRoleAssignments` (the client's side).
pub(crate) fn route_roles(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    let resource_side = names.get(2) == Some(&"approleassignedto");
    match (&request.method, names) {
        (&Method::GET, [_, _, _]) => {
            if !context.caller.has_role(WRITE_ROLES) {
                context.need(&READ)?;
            }
            let id = find(context, request.segment(1))?.value.id;
            let items = context
                .state
                .directory
                .app_role_assignments
                .iter()
                .filter(|a| a.is_configured())
                .filter(
                    |a| if resource_side { a.value.resource_id == id } else { a.value.principal_id == id },
                )
                .map(|a| render(context, a))
                .collect();
            odata::page(request, "appRoleAssignments", items, odata::DIRECTORY, false)
        }
        (&Method::POST, [_, _, _]) => grant(context, request),
        (&Method::DELETE, [_, _, _, _]) => {
            context.need(&[WRITE_ROLES])?;
            let (now, delay, wanted) = (context.now, context.state.propagation.consent, request.segment(3));
            let grants = &mut context.state.directory.app_role_assignments;
            let found = grants
                .iter_mut()
                .find(|a| a.is_configured() && a.value.id == wanted)
                .ok_or_else(|| GraphError::not_found(wanted))?;
            found.delete(now, delay);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(GraphError::method()),
    }
}

fn grant(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    context.need(&[WRITE_ROLES])?;
    find(context, request.segment(1))?;
    let body = request.json()?;
    let id = |name: &str| {
        body.at(name)
            .as_str()
            .and_then(|v| v.parse::<Uuid>().ok())
            .ok_or_else(|| GraphError::invalid_property(name))
    };
    let (principal, resource, role) = (id("principalId")?, id("resourceId")?, id("appRoleId")?);
    let exists = |wanted: Uuid| {
        let known = &context.state.directory.service_principals;
        known.iter().find(|sp| sp.is_configured() && sp.value.id == wanted)
    };
    // A principal that was made a moment ago is known here, but not yet to the replica that links it.
    match exists(principal) {
        None => return Err(GraphError::not_found(&principal.to_string())),
        Some(sp) if !sp.is_effective(context.now) => {
            return Err(GraphError::bad_request("Not a valid reference update."));
        }
        Some(_) => {}
    }
    let offered = exists(resource).ok_or_else(|| GraphError::not_found(&resource.to_string()))?;
    // Application administrators consent for every API but Microsoft Graph.
    let limited = context.caller.user_roles.as_ref().is_some_and(|held| !may_grant_graph_roles(held));
    if limited && offered.value.app_id == GRAPH_APP_ID {
        return Err(GraphError::denied());
    }
    let grantable = offered
        .value
        .app_roles
        .iter()
        .any(|r| r.id == role && r.enabled && r.allowed_member_types.iter().any(|t| t == "Application"));
    if !grantable {
        return Err(GraphError::bad_request("Permission being assigned was not found on application."));
    }
    let same = |a: &Timed<AppRoleAssignment>| {
        a.is_configured()
            && (a.value.principal_id, a.value.resource_id, a.value.app_role_id) == (principal, resource, role)
    };
    if context.state.directory.app_role_assignments.iter().any(same) {
        return Err(GraphError::bad_request("Permission being assigned already exists on the object")
            .with_detail("InvalidUpdate", "appRoleAssignment"));
    }
    let id = BASE64_URL_SAFE_NO_PAD.encode(context.rng.u128(..).to_be_bytes());
    let assignment =
        AppRoleAssignment { id, principal_id: principal, resource_id: resource, app_role_id: role };
    let record = Timed::new(assignment, context.now, context.state.propagation.consent);
    let mut item = render(context, &record);
    context.state.directory.app_role_assignments.push(record);
    if let Some(map) = item.as_object_mut() {
        map.insert("@odata.context".to_owned(), context_url(request, "appRoleAssignments/$entity"));
    }
    Ok(reply::json(StatusCode::CREATED, &item))
}

fn render(context: &Context<'_>, record: &Timed<AppRoleAssignment>) -> Value {
    let name = |id: Uuid| {
        let known = &context.state.directory.service_principals;
        known.iter().find(|sp| sp.value.id == id).map(|sp| sp.value.display_name.clone())
    };
    let a = &record.value;
    json!({
        "id": a.id,
        "deletedDateTime": null,
        "appRoleId": a.app_role_id,
        "createdDateTime": record.created.to_string(),
        "principalDisplayName": name(a.principal_id),
        "principalId": a.principal_id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": name(a.resource_id),
        "resourceId": a.resource_id,
    })
}

/// `/oauth2PermissionGrants`.
pub(crate) fn route_delegated(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    match (&request.method, names) {
        (&Method::GET, [_]) => list_delegated(context, request, None),
        (&Method::DELETE, [_, _]) => {
            context.need(&["DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"])?;
            let (now, delay, wanted) = (context.now, context.state.propagation.consent, request.segment(1));
            let grants = &mut context.state.directory.oauth2_permission_grants;
            let found = grants
                .iter_mut()
                .find(|g| g.is_configured() && g.value.id == wanted)
                .ok_or_else(|| GraphError::not_found(wanted))?;
            found.delete(now, delay);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        // Only the scopes of a grant can be changed.
        (&Method::PATCH, [_, _]) => {
            context.need(&["DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"])?;
            let (body, wanted) = (request.json()?, request.segment(1));
            let scope = body.at("scope").as_str().ok_or_else(|| GraphError::invalid_property("scope"))?;
            let grants = &mut context.state.directory.oauth2_permission_grants;
            let found = grants
                .iter_mut()
                .find(|g| g.is_configured() && g.value.id == wanted)
                .ok_or_else(|| GraphError::not_found(wanted))?;
            scope.clone_into(&mut found.value.scope);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(GraphError::method()),
    }
}

pub(crate) fn list_delegated(context: &Context<'_>, request: &GraphRequest, client: Option<Uuid>) -> Answer {
    context.need(&[
        "DelegatedPermissionGrant.ReadWrite.All",
        "DelegatedPermissionGrant.Read.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
        "Application.Read.All",
    ])?;
    let items = context
        .state
        .directory
        .oauth2_permission_grants
        .iter()
        .filter(|g| g.is_configured() && client.is_none_or(|c| c == g.value.client_id))
        .map(|g| {
            let g = &g.value;
            json!({
                "id": g.id, "clientId": g.client_id, "consentType": g.consent_type, "principalId": null,
                "resourceId": g.resource_id, "scope": g.scope,
            })
        })
        .collect();
    odata::page(request, "oauth2PermissionGrants", items, odata::DIRECTORY, false)
}
