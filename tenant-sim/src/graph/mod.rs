//! Microsoft Graph v1.0: the directory and the mailboxes, as far as app-only access needs them.

mod applications;
mod batch;
mod calendar;
mod credentials;
mod directory;
mod error;
mod exchange_roles;
mod filter;
mod grants;
mod lifecycle;
mod mail;
pub(crate) mod mime;
mod odata;
mod own_keys;
mod request;
mod send;
mod service_principals;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use self::error::GraphError;
pub(crate) use self::exchange_roles::is_path as is_exchange_roles;
pub(crate) use self::request::GraphRequest;
pub(crate) use self::{credentials::secret_text, send::item_id};
use crate::{
    Caller,
    entra::jwt::TokenFault,
    server::reply::{self, Reply},
    state::State,
};

/// Requests in flight that Outlook allows per app and mailbox.
/// Source: <https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits>
pub(crate) const MAILBOX_CONCURRENCY: u32 = 4;

/// What one request is evaluated with.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) caller: &'a Caller,
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a mut fastrand::Rng,
    /// Running number of requests: replicas answer in turn.
    pub(crate) reads: u64,
}

impl Context<'_> {
    /// Refuses a caller whose token carries none of these directory permissions.
    fn need(&self, any_of: &[&str]) -> Result<(), GraphError> {
        if any_of.iter().any(|role| self.caller.has_role(role)) { Ok(()) } else { Err(GraphError::denied()) }
    }

    fn new_id(&mut self) -> Uuid {
        crate::server::uuid(self.rng)
    }
}

type Answer = Result<Reply, GraphError>;

/// Answers one request, a batch included.
pub(crate) fn handle(context: &mut Context<'_>, request: &GraphRequest) -> Reply {
    let names: Vec<&str> = request.names.iter().map(String::as_str).collect();
    if names.as_slice() == ["$batch"] && request.method == Method::POST {
        let answer = batch::run(context, request);
        return answer.unwrap_or_else(|e| e.render(context.now, &request.headers));
    }
    single(context, request)
}

fn single(context: &mut Context<'_>, request: &GraphRequest) -> Reply {
    let names: Vec<&str> = request.names.iter().map(String::as_str).collect();
    let answer = match names.as_slice() {
        ["applications", ..] => applications::route(context, request, &names),
        ["serviceprincipals", ..] => service_principals::route(context, request, &names),
        ["policies", ..] => lifecycle::policies(context, request, &names),
        ["directory", "deleteditems", ..] => lifecycle::deleted_items(context, request, &names),
        ["rolemanagement", "exchange", ..] => exchange_roles::route(context, request, &names),
        ["oauth2permissiongrants", ..] => grants::route_delegated(context, request, &names),
        ["users"] | ["users", _] | ["groups", ..] | ["organization"] => {
            directory::route(context, request, &names)
        }
        ["users", _, ..] => mail::route(context, request, &names),
        _ => Err(GraphError::no_segment(&request.path)),
    };
    answer.unwrap_or_else(|e| e.render(context.now, &request.headers))
}

/// Object id of the mailbox's user, when `/users/{identity}/…` names one.
pub(crate) fn mailbox_key(state: &State, identity: &str) -> Option<Uuid> {
    directory::find_user(state, identity).map(|u| u.id)
}

/// 401 as Graph words it.
pub(crate) fn unauthorized(fault: &TokenFault, request: &Request<Bytes>, now: Timestamp) -> Reply {
    let text = match fault {
        TokenFault::Missing => "Access token is empty.",
        TokenFault::Malformed => "CompactToken parsing failed with error code: 80049217",
        TokenFault::BadSignature => "Access token validation failure. Invalid signature.",
        TokenFault::Expired => "Lifetime validation failed, the token is expired.",
        TokenFault::NotYetValid => "Lifetime validation failed, the token is not yet valid.",
        TokenFault::WrongIssuer => "Access token validation failure. Invalid issuer.",
        TokenFault::WrongAudience => "Access token validation failure. Invalid audience.",
    };
    let error = GraphError::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", text);
    let mut reply = error.render(now, request.headers());
    let detail = if *fault == TokenFault::Missing { "" } else { ", error=\"invalid_token\"" };
    reply::set(
        &mut reply,
        "www-authenticate",
        &format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"{detail}"
        ),
    );
    reply
}

/// 401 with a claims challenge.
pub(crate) fn challenged(challenge: &str, request: &Request<Bytes>, now: Timestamp) -> Reply {
    let text = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp";
    let error = GraphError::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", text);
    let mut reply = error.render(now, request.headers());
    reply::set(&mut reply, "www-authenticate", challenge);
    reply
}

/// 429 for the fifth request in flight of one app to one mailbox.
pub(crate) fn throttled(request: &Request<Bytes>, now: Timestamp) -> Reply {
    GraphError::throttled().render(now, request.headers())
}

/// Only v1.0 is served.
pub(crate) fn unknown_version(request: &Request<Bytes>, now: Timestamp) -> Reply {
    GraphError::new(
        StatusCode::BAD_REQUEST,
        "BadRequest",
        "Invalid version: the simulated tenant serves v1.0 only.",
    )
    .render(now, request.headers())
}

/// `Prefer` values of the request, in lower case and without blanks around `=`.
fn preferences(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split([',', ';']))
        .map(|v| v.trim().to_ascii_lowercase().replace('"', ""))
        .collect()
}

fn context_url(request: &GraphRequest, what: &str) -> serde_json::Value {
    json!(format!("{}/v1.0/$metadata#{what}", request.origin))
}
