//! A small directory in memory, served as a transport. It knows what `graph-auth` calls, and nothing else.

mod lifecycle;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::testing::ManualClock;
use m365_core::{
    AccessToken, Body, Cloud, Credential, HttpTransport, Pipeline, Result, RetryPolicy, SharedClock,
    TokenCredential, TokenRequest, Transport, TransportError, TransportErrorKind,
};
use serde_json::{Value, json};

pub(crate) const GRAPH_SP: &str = "b0000000-0000-4000-8000-00000000000a";
pub(crate) const EXCHANGE_SP: &str = "b0000000-0000-4000-8000-00000000000b";
pub(crate) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
pub(crate) const EXCHANGE_APP: &str = "00000002-0000-0ff1-ce00-000000000000";
pub(crate) const USER_READ: &str = "e1fe6dd8-ba31-4d61-89e7-88639da4683d";

/// What happens to one call instead of, or after, being served.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Served, and the answer lost.
    LostAnswer,
    /// Not served: this status and body.
    Refuse(u16, String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Directory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) applications: Vec<Value>,
    pub(crate) principals: Vec<Value>,
    pub(crate) assignments: Vec<Value>,
    pub(crate) grants: Vec<Value>,
    /// (application or principal, owner).
    pub(crate) owners: Vec<(String, String)>,
    /// (application, credential).
    pub(crate) federated: Vec<(String, Value)>,
    /// Applications in the recycle bin.
    pub(crate) deleted: Vec<Value>,
    /// The tenant's default policy; none: the caller may not read policies.
    pub(crate) policy: Option<Value>,
    /// Policies of single applications: (application, policy).
    pub(crate) own_policies: Vec<(String, Value)>,
    pub(crate) upsert_served: bool,
    pub(crate) calls: Vec<String>,
    /// (part of "METHOD path", fault), each used once.
    pub(crate) faults: VecDeque<(String, Fault)>,
    /// After so many writes every call fails, as if the machine were gone. Counts down.
    pub(crate) writes_left: Option<u32>,
    /// The last of those writes is served, and its answer lost.
    pub(crate) last_answer_lost: bool,
    /// Strikes the n-th write from now, counted from 0, or the n-th read.
    pub(crate) nth_write: Option<(u32, Fault)>,
    pub(crate) nth_read: Option<(u32, Fault)>,
    /// Lets others run before each call, now and then.
    pub(crate) yields: Option<fastrand::Rng>,
    next: u32,
}

impl State {
    pub(crate) fn id(&mut self, kind: u8) -> String {
        self.next += 1;
        format!("{kind:02x}000000-0000-4000-8000-{:012x}", self.next)
    }

    fn application(&mut self, selector: &str) -> Option<&mut Value> {
        let (field, value) = match selector {
            s if s.starts_with("(uniqueName='") => ("uniqueName", &s[13..s.len() - 2]),
            s if s.starts_with("(appId='") => ("appId", &s[8..s.len() - 2]),
            s => ("id", s.trim_start_matches('/')),
        };
        let value = value.to_owned();
        self.applications.iter_mut().find(|a| a[field] == value)
    }
}

pub(crate) fn reply(status: u16, body: &Value) -> (u16, String) {
    (status, if body.is_null() { String::new() } else { body.to_string() })
}

pub(crate) fn graph_error(code: &str, message: &str) -> String {
    json!({"error": {"code": code, "message": message}}).to_string()
}

pub(crate) fn missing() -> (u16, String) {
    (
        404,
        graph_error(
            "Request_ResourceNotFound",
            "Resource does not exist or one of its queried reference-property objects are not present.",
        ),
    )
}

fn role(id: &str, value: &str) -> Value {
    json!({"id": id, "value": value, "displayName": value, "isEnabled": true, "allowedMemberTypes": ["Application"]})
}

impl Directory {
    pub(crate) fn new() -> Self {
        let directory = Self::default();
        {
            let mut state = directory.state();
            state.upsert_served = true;
            state.principals = vec![
                json!({"id": GRAPH_SP, "appId": GRAPH_APP, "appRoles": [
                    role("810c84a8-4a9e-49e6-bf7d-12d183f40d01", "Mail.Read"),
                    role("b633e1c5-b582-4048-a93e-9f11b44c7e96", "Mail.Send"),
                    role("798ee544-9d2d-430c-a058-570e29e34338", "Calendars.Read"),
                    role("df021288-bdef-4463-88db-98f22de89214", "User.Read.All"),
                ]}),
                json!({"id": EXCHANGE_SP, "appId": EXCHANGE_APP, "appRoles": [
                    role("5e5addcd-3e8d-4e90-baf5-964efab2b20a", "IMAP.AccessAsApp"),
                    role("cb842b43-da6e-4506-86fe-bb12199c656d", "POP.AccessAsApp"),
                ]}),
            ];
        }
        directory
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fault(&self, call: &str, fault: Fault) {
        self.state().faults.push_back((call.to_owned(), fault));
    }

    /// A pipeline to it, on a clock of its own that shows 2026-11-21.
    pub(crate) fn pipeline(&self) -> (Pipeline, SharedClock) {
        let clock = SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap()));
        let pipeline =
            Pipeline::builder(Cloud::public(), Transport::new(self.clone()), Credential::new(Anyone))
                .clock(clock.clone())
                .retry(RetryPolicy::default().with_max_attempts(3))
                .build();
        (pipeline, clock)
    }

    fn serve(&self, method: &Method, path: &str, query: &str, body: &Value) -> (u16, String) {
        let mut state = self.state();
        let is = |m: &str| method.as_str() == m;
        if let Some(answer) = lifecycle::serve(&mut state, method.as_str(), path, body) {
            return answer;
        }
        if let Some(rest) = path.strip_prefix("/v1.0/applications") {
            return applications(&mut state, method.as_str(), rest, query, body);
        }
        if let Some(rest) = path.strip_prefix("/v1.0/servicePrincipals") {
            return principals(&mut state, method.as_str(), rest, body);
        }
        if let Some(rest) = path.strip_prefix("/v1.0/oauth2PermissionGrants") {
            let id = rest.trim_start_matches('/');
            if is("GET") {
                let rows: Vec<&Value> =
                    state.grants.iter().filter(|g| query.contains(g["clientId"].as_str().unwrap())).collect();
                return reply(200, &json!({ "value": rows }));
            }
            let Some(at) = state.grants.iter().position(|g| g["id"] == id) else { return missing() };
            if is("DELETE") {
                state.grants.remove(at);
            } else {
                state.grants[at]["scope"] = body["scope"].clone();
            }
            return (204, String::new());
        }
        (500, format!("not served: {method} {path}"))
    }
}

fn applications(state: &mut State, method: &str, rest: &str, query: &str, body: &Value) -> (u16, String) {
    let new = |state: &mut State, unique_name: &str| {
        let (id, client) = (state.id(0xa0), state.id(0xc0));
        let mut application = json!({
            "id": id, "appId": client, "uniqueName": unique_name, "createdDateTime": "2026-11-21T08:00:00Z",
            "displayName": "", "signInAudience": "AzureADandPersonalMicrosoftAccount",
            "requiredResourceAccess": [], "passwordCredentials": [], "keyCredentials": [],
        });
        merge(&mut application, body);
        state.applications.push(application.clone());
        reply(201, &application)
    };
    if let Some((id, action)) = rest.trim_start_matches('/').split_once('/') {
        let key = state.id(0xd0);
        let Some(application) = state.application(id) else { return missing() };
        let secrets = application["passwordCredentials"].as_array_mut().unwrap();
        if action == "addPassword" {
            let credential = &body["passwordCredential"];
            secrets.push(json!({"keyId": key, "displayName": credential["displayName"], "endDateTime": credential["endDateTime"]}));
            return reply(
                200,
                &json!({"keyId": key, "secretText": format!("Zx1~{key}"), "hint": "Zx1", "endDateTime": credential["endDateTime"]}),
            );
        }
        let before = secrets.len();
        secrets.retain(|s| s["keyId"] != body["keyId"]);
        return if secrets.len() < before {
            (204, String::new())
        } else {
            (400, graph_error("Request_BadRequest", "No password credential found with keyId."))
        };
    }
    match (method, rest) {
        ("GET", "") => {
            let rows: Vec<&Value> = state
                .applications
                .iter()
                .filter(|a| query.contains(&format!("%27{}%27", a["uniqueName"].as_str().unwrap())))
                .collect();
            reply(200, &json!({ "value": rows }))
        }
        ("GET", selector) => match state.application(selector) {
            Some(application) => reply(200, application),
            None => missing(),
        },
        ("POST", "") => {
            let name = body["uniqueName"].as_str().unwrap().to_owned();
            new(state, &name)
        }
        ("PATCH", selector) if selector.starts_with("(uniqueName") => {
            if !state.upsert_served {
                return (400, graph_error("Request_BadRequest", "Resource not found for the segment."));
            }
            match state.application(selector) {
                Some(application) => {
                    merge(application, body);
                    (204, String::new())
                }
                None => new(state, &selector[13..selector.len() - 2]),
            }
        }
        ("PATCH", selector) => match state.application(selector) {
            Some(application) => {
                merge(application, body);
                (204, String::new())
            }
            None => missing(),
        },
        _ => (500, format!("not served: {method} applications{rest}")),
    }
}

fn principals(state: &mut State, method: &str, rest: &str, body: &Value) -> (u16, String) {
    if method == "POST" && rest.is_empty() {
        if state.principals.iter().any(|p| p["appId"] == body["appId"]) {
            return (
                409,
                graph_error("Request_MultipleObjectsWithSameKeyValue", "Another object exists already."),
            );
        }
        let id = state.id(0xb0);
        let principal = json!({"id": id, "appId": body["appId"], "appRoles": []});
        let known = state.applications.iter().any(|a| a["appId"] == body["appId"])
            || [GRAPH_APP, EXCHANGE_APP].iter().any(|api| body["appId"] == **api);
        assert!(known, "a principal of an unknown application");
        state.principals.push(principal.clone());
        return reply(201, &principal);
    }
    if let Some(client) = rest.strip_prefix("(appId='") {
        let client = client.trim_end_matches("')");
        return state
            .principals
            .iter()
            .find(|p| p["appId"] == client)
            .map_or_else(missing, |p| reply(200, p));
    }
    let mut parts = rest.trim_start_matches('/').split('/');
    let (id, list, item) = (parts.next().unwrap(), parts.next().unwrap(), parts.next());
    match (method, list, item) {
        ("GET", "appRoleAssignments", None) => {
            let rows: Vec<&Value> = state.assignments.iter().filter(|a| a["principalId"] == id).collect();
            reply(200, &json!({ "value": rows }))
        }
        ("POST", "appRoleAssignedTo", None) => {
            let same = |a: &Value| {
                a["principalId"] == body["principalId"]
                    && a["resourceId"] == body["resourceId"]
                    && a["appRoleId"] == body["appRoleId"]
            };
            if state.assignments.iter().any(same) {
                return (
                    400,
                    graph_error(
                        "Request_BadRequest",
                        "Permission being assigned already exists on the object",
                    ),
                );
            }
            let mut row = body.clone();
            row["id"] = json!(state.id(0xe0));
            state.assignments.push(row.clone());
            reply(201, &row)
        }
        ("DELETE", "appRoleAssignments", Some(item)) => {
            let before = state.assignments.len();
            state.assignments.retain(|a| a["id"] != item);
            if state.assignments.len() < before { (204, String::new()) } else { missing() }
        }
        _ => (500, format!("not served: {method} servicePrincipals{rest}")),
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
}

impl HttpTransport for Directory {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let call = format!("{} {}", request.method(), request.uri().path());
        let pauses = self.state().yields.as_mut().map_or(0, |rng| rng.u32(..4));
        for _ in 0..pauses {
            tokio::task::yield_now().await;
        }
        let fault = {
            let mut state = self.state();
            state.calls.push(call.clone());
            match state.writes_left {
                Some(0) => return Err(TransportError::new(TransportErrorKind::NotSent, "interrupted")),
                Some(left) if request.method() != Method::GET => {
                    state.writes_left = Some(left - 1);
                    if left == 1 && state.last_answer_lost {
                        state.faults.push_front((call.clone(), Fault::LostAnswer));
                    }
                }
                _ => {}
            }
            let is_read = request.method() == Method::GET;
            let nth = if is_read { &mut state.nth_read } else { &mut state.nth_write };
            match nth.take() {
                Some((0, fault)) => state.faults.push_front((call.clone(), fault)),
                Some((left, fault)) => *nth = Some((left - 1, fault)),
                None => {}
            }
            let at = state.faults.iter().position(|(part, _)| call.contains(part.as_str()));
            at.and_then(|at| state.faults.remove(at)).map(|(_, fault)| fault)
        };
        let (status, body) = match &fault {
            Some(Fault::Refuse(status, body)) => (*status, body.clone()),
            _ => {
                let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
                self.serve(request.method(), request.uri().path(), request.uri().query().unwrap_or(""), &body)
            }
        };
        if matches!(fault, Some(Fault::LostAnswer)) {
            return Err(TransportError::new(TransportErrorKind::Interrupted, "fault"));
        }
        let mut response = Response::new(Body::from_bytes(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}

#[derive(Debug)]
struct Anyone;

impl TokenCredential for Anyone {
    async fn get_token(&self, _request: &TokenRequest) -> Result<AccessToken> {
        AccessToken::new("admin", jiff::Timestamp::MAX)
    }
}
