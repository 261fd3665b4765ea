//! `/beta/roleManagement/exchange`: RBAC for Applications as Graph shows it.
//! <https://learn.microsoft.com/graph/api/rbacapplication-post-roleassignments>

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context,
    error::GraphError,
    odata::{self, DIRECTORY},
    request::GraphRequest,
};
use crate::access::rbac;
use crate::exchange::run_for_graph;
use crate::json::At;
use crate::server::reply;
use crate::state::{AdministrativeUnit, ResourceScope};

/// True for addresses that only the beta version has.
pub(crate) fn is_path(path: &str) -> bool {
    let path = path.trim_start_matches('/').to_ascii_lowercase();
    path.split_once('/').is_some_and(|(_, rest)| rest.starts_with("rolemanagement/exchange/"))
}

pub(crate) fn route(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    context.need(&["RoleManagement.ReadWrite.Exchange"])?;
    match (names, &request.method) {
        ([_, _, "roledefinitions"], &Method::GET) => {
            let items = rbac::ROLES.iter().map(|(role, _)| definition(role)).collect();
            odata::page(request, "roleManagement/exchange/roleDefinitions", items, DIRECTORY, true)
        }
        ([_, _, "customappscopes"], &Method::GET) => {
            let scopes = context.state.exchange.scopes.iter().filter(|s| s.is_configured());
            let items = scopes.map(|s| {
                json!({
                    "id": id_of(&s.value.name),
                    "type": "RecipientScope",
                    "displayName": s.value.name,
                    "customAttributes": {
                        "Exclusive": s.value.exclusive,
                        "RecipientFilter": s.value.recipient_filter,
                    },
                })
            });
            odata::page(request, "roleManagement/exchange/customAppScopes", items.collect(), DIRECTORY, true)
        }
        ([_, _, "customappscopes"], &Method::POST) => create_scope(context, &request.json()?),
        ([_, _, "roleassignments"], &Method::GET) => {
            let items = assignments(context);
            odata::page(request, "roleManagement/exchange/roleAssignments", items, DIRECTORY, true)
        }
        ([_, _, "roleassignments"], &Method::POST) => assign(context, &request.json()?),
        _ => Err(GraphError::no_segment(&request.path)),
    }
}

fn id_of(name: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(name.to_lowercase())
}

fn definition(role: &str) -> Value {
    json!({"id": id_of(role), "displayName": role, "isEnabled": true, "isBuiltIn": true})
}

fn create_scope(context: &mut Context<'_>, body: &Value) -> Answer {
    let attributes = body.at("customAttributes");
    let (Some(name), Some(filter)) =
        (body.at("displayName").as_str(), attributes.at("RecipientFilter").as_str())
    else {
        return Err(GraphError::bad_request("displayName and RecipientFilter are required."));
    };
    let parameters = parameters(&[("Name", name), ("RecipientRestrictionFilter", filter)]);
    let row = run_for_graph(context.state, context.now, "New-ManagementScope", &parameters)
        .map_err(|text| GraphError::bad_request(&text))?;
    let made = json!({
        "id": id_of(name),
        "type": "RecipientScope",
        "displayName": name,
        "customAttributes": {"Exclusive": false, "RecipientFilter": row.at("RecipientFilter")},
    });
    Ok(reply::json(StatusCode::CREATED, &made))
}

fn assign(context: &mut Context<'_>, body: &Value) -> Answer {
    let text = |name: &str| body.at(name).as_str();
    let app = text("principalId").and_then(|p| p.strip_prefix("/ServicePrincipals/"));
    let role = text("roleDefinitionId")
        .and_then(|id| rbac::ROLES.iter().map(|(role, _)| *role).find(|role| id_of(role) == id));
    let (Some(app), Some(role)) = (app, role) else {
        return Err(GraphError::bad_request("principalId or roleDefinitionId is not known."));
    };
    let mut parameters = parameters(&[("App", app), ("Role", role)]);
    match (text("directoryScopeId"), text("appScopeId")) {
        (Some("/"), None) => {}
        (None, Some(id)) => {
            let mut scopes = context.state.exchange.scopes.iter().filter(|s| s.is_configured());
            let scope =
                scopes.find(|s| id_of(&s.value.name) == id).ok_or_else(|| GraphError::not_found(id))?;
            parameters.insert("CustomResourceScope".to_owned(), json!(scope.value.name));
        }
        (Some(path), None) => {
            let (name, id) = match path.trim_start_matches('/').split_once('/') {
                Some(("groups", id)) => ("RecipientGroupScope", id),
                Some(("administrativeUnits", id)) => ("RecipientAdministrativeUnitScope", id),
                _ => return Err(GraphError::bad_request("The directory scope is not supported here.")),
            };
            parameters.insert(name.to_owned(), json!(id));
        }
        _ => {
            return Err(GraphError::bad_request(
                "Exactly one of directoryScopeId and appScopeId must be specified.",
            ));
        }
    }
    let row = run_for_graph(context.state, context.now, "New-ManagementRoleAssignment", &parameters)
        .map_err(|text| GraphError::bad_request(&text))?;
    let name = row.at("Name").as_str().unwrap_or_default().to_owned();
    let made = assignments(context).into_iter().find(|a| a.at("id").as_str() == Some(&id_of(&name)));
    Ok(reply::json(StatusCode::CREATED, &made.unwrap_or_default()))
}

fn parameters(given: &[(&str, &str)]) -> Map<String, Value> {
    given.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn assignments(context: &Context<'_>) -> Vec<Value> {
    let exchange = &context.state.exchange;
    let unit = |name: &str| {
        let mut units = exchange.administrative_units.iter().filter(|u| u.is_configured());
        units.find(|u| AdministrativeUnit::answers_to(&u.value, name)).map(|u| u.value.id)
    };
    let configured = exchange.role_assignments.iter().filter(|a| a.is_configured());
    configured
        .map(|a| {
            let a = &a.value;
            let (directory, app_scope) = match &a.scope {
                ResourceScope::Organization => (Some("/".to_owned()), None),
                ResourceScope::Custom(name) => (None, Some(id_of(name))),
                ResourceScope::Group(id) => (Some(format!("/groups/{id}")), None),
                ResourceScope::AdministrativeUnit(name) => {
                    (Some(format!("/administrativeUnits/{}", unit(name).unwrap_or_default())), None)
                }
            };
            json!({
                "id": id_of(&a.name),
                "principalId": format!("/ServicePrincipals/{}", a.app),
                "roleDefinitionId": id_of(&a.role),
                "directoryScopeId": directory,
                "appScopeId": app_scope,
            })
        })
        .collect()
}
