//! Owners, federated credentials, policies, the recycle bin, and deletions.

use serde_json::{Value, json};

use super::{State, graph_error, missing, reply};

/// The answer, when the call is one of these.
pub(super) fn serve(state: &mut State, method: &str, path: &str, body: &Value) -> Option<(u16, String)> {
    let path = path.strip_prefix("/v1.0/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let answer = match (method, parts.as_slice()) {
        ("GET", ["policies", "defaultAppManagementPolicy"]) => match &state.policy {
            Some(policy) => reply(200, policy),
            None => denied(),
        },
        ("GET", ["applications", id, "appManagementPolicies"]) => {
            if state.policy.is_none() {
                return Some(denied());
            }
            let rows: Vec<&Value> =
                state.own_policies.iter().filter(|(of, _)| of == id).map(|(_, p)| p).collect();
            reply(200, &json!({ "value": rows }))
        }
        (_, ["applications" | "servicePrincipals", id, "owners", rest @ ..]) => {
            owners(state, method, id, rest, body)
        }
        (_, ["applications", id, "federatedIdentityCredentials", rest @ ..]) => {
            federated(state, method, id, rest.first().copied(), body)
        }
        ("DELETE", ["applications", id]) => {
            let Some(at) = state.applications.iter().position(|a| a["id"] == **id) else {
                return Some(missing());
            };
            let application = state.applications.remove(at);
            let client = application["appId"].clone();
            state.deleted.push(application);
            let gone: Vec<Value> =
                state.principals.iter().filter(|p| p["appId"] == client).map(|p| p["id"].clone()).collect();
            for principal in gone {
                forget(state, principal.as_str().unwrap());
            }
            (204, String::new())
        }
        ("DELETE", ["servicePrincipals", id]) => {
            if !state.principals.iter().any(|p| p["id"] == **id) {
                return Some(missing());
            }
            forget(state, id);
            (204, String::new())
        }
        ("PATCH", ["servicePrincipals", id]) => {
            let Some(principal) = state.principals.iter_mut().find(|p| p["id"] == **id) else {
                return Some(missing());
            };
            principal["accountEnabled"] = body["accountEnabled"].clone();
            (204, String::new())
        }
        ("GET", ["directory", "deletedItems", "microsoft.graph.application"]) => {
            reply(200, &json!({ "value": state.deleted }))
        }
        (_, ["directory", "deletedItems", id, rest @ ..]) => {
            let Some(at) = state.deleted.iter().position(|a| a["id"] == **id) else { return Some(missing()) };
            let application = state.deleted.remove(at);
            if method == "POST" && rest == ["restore"] {
                state.applications.push(application.clone());
                reply(200, &application)
            } else {
                (204, String::new())
            }
        }
        _ => return None,
    };
    Some(answer)
}

fn denied() -> (u16, String) {
    (403, graph_error("Authorization_RequestDenied", "Insufficient privileges to complete the operation."))
}

fn forget(state: &mut State, principal: &str) {
    state.principals.retain(|p| p["id"] != principal);
    state.assignments.retain(|a| a["principalId"] != principal);
    state.grants.retain(|g| g["clientId"] != principal);
}

fn owners(state: &mut State, method: &str, of: &str, rest: &[&str], body: &Value) -> (u16, String) {
    match (method, rest) {
        ("GET", []) => {
            let rows: Vec<Value> = state
                .owners
                .iter()
                .filter(|(object, _)| object == of)
                .map(|(_, owner)| json!({"id": owner}))
                .collect();
            reply(200, &json!({ "value": rows }))
        }
        ("POST", ["$ref"]) => {
            let owner = body["@odata.id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let row = (of.to_owned(), owner);
            if state.owners.contains(&row) {
                let text = "One or more added object references already exist for the following modified properties: 'owners'.";
                return (400, graph_error("Request_BadRequest", text));
            }
            state.owners.push(row);
            (204, String::new())
        }
        ("DELETE", [owner, "$ref"]) => {
            let before = state.owners.len();
            state.owners.retain(|(object, listed)| !(object == of && listed == owner));
            if state.owners.len() < before { (204, String::new()) } else { missing() }
        }
        _ => (500, "not served".to_owned()),
    }
}

fn federated(state: &mut State, method: &str, of: &str, key: Option<&str>, body: &Value) -> (u16, String) {
    let is = |row: &&mut (String, Value)| {
        row.0 == of && key.is_some_and(|k| row.1["id"] == k || row.1["name"] == k)
    };
    match method {
        "GET" => {
            let rows: Vec<&Value> =
                state.federated.iter().filter(|(id, _)| id == of).map(|(_, c)| c).collect();
            reply(200, &json!({ "value": rows }))
        }
        "POST" => {
            let own: Vec<&Value> =
                state.federated.iter().filter(|(id, _)| id == of).map(|(_, c)| c).collect();
            let twin = |c: &&Value| {
                c["name"] == body["name"]
                    || (c["issuer"] == body["issuer"] && c["subject"] == body["subject"])
            };
            if own.iter().any(twin) {
                return (
                    409,
                    graph_error(
                        "Request_MultipleObjectsWithSameKeyValue",
                        "FederatedIdentityCredential exists.",
                    ),
                );
            }
            let mut row = body.clone();
            row["id"] = json!(state.id(0xf0));
            state.federated.push((of.to_owned(), row.clone()));
            reply(201, &row)
        }
        "PATCH" => match state.federated.iter_mut().find(is) {
            Some((_, row)) => {
                super::merge(row, body);
                (204, String::new())
            }
            None => missing(),
        },
        _ => {
            let before = state.federated.len();
            state
                .federated
                .retain(|(id, c)| !(id == of && key.is_some_and(|k| c["id"] == k || c["name"] == k)));
            if state.federated.len() < before { (204, String::new()) } else { missing() }
        }
    }
}
