//! Microsoft Entra: discovery, keys and the token endpoint.
//!
//! Pages: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>,
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>

mod admin_consent;
mod assertion;
mod authorize;
pub(crate) mod continuous;
pub(crate) mod delegated;
mod devicecode;
pub(crate) mod federated;
pub(crate) mod jwt;
pub(crate) mod sign_ins;
mod token;
mod user_token;
pub(crate) mod x509;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    server::{
        Line, Shared, lock, not_served, origin,
        reply::{self, Reply},
    },
    state::State,
};

/// `aud` of Graph tokens, whatever host serves them here.
pub(crate) const GRAPH_AUDIENCE: &str = "https://graph.microsoft.com";
/// `aud` of tokens for Exchange: Admin API, IMAP, POP, SMTP, EWS.
pub(crate) const EXCHANGE_AUDIENCE: &str = "https://outlook.office365.com";

/// A refusal of the token endpoint.
#[derive(Debug)]
pub(crate) struct Refused {
    status: u16,
    error: &'static str,
    number: u32,
    text: String,
    suberror: Option<&'static str>,
}

impl Refused {
    fn new(status: u16, error: &'static str, number: u32, text: &str) -> Self {
        Self { status, error, number, text: text.to_owned(), suberror: None }
    }

    /// What a client has to do about it, where Entra says so.
    fn with_suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }
}

/// Answers everything that is neither Graph nor the Admin API.
pub(crate) fn handle(shared: &Shared, request: &Request<Bytes>, line: &mut Line) -> Reply {
    let path = request.uri().path();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let now = shared.clock.now();
    match (request.method(), segments.as_slice()) {
        (&Method::GET, ["common", "discovery", "instance"]) => instance_discovery(shared, request),
        (
            &Method::GET,
            [tenant, ".well-known", "openid-configuration"]
            | [tenant, "v2.0", ".well-known", "openid-configuration"],
        ) => {
            // Bound first: a guard in the match's head would live through its arms.
            let known = known_tenant(&lock(&shared.state), tenant);
            match known {
                Ok(()) => openid_configuration(shared, tenant, &origin(request)),
                Err(refused) => refuse(&refused, now, request.headers()),
            }
        }
        (&Method::GET, [tenant, "adminconsent"]) => admin_consent::answer(shared, tenant, request, false)
            .unwrap_or_else(|refused| refuse(&refused, now, request.headers())),
        (&Method::GET, [tenant, "v2.0", "adminconsent"]) => {
            admin_consent::answer(shared, tenant, request, true)
                .unwrap_or_else(|refused| refuse(&refused, now, request.headers()))
        }
        (&Method::GET, [_, "discovery", "v2.0", "keys"]) => reply::json(StatusCode::OK, &shared.key.jwks()),
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => {
            let issued = if user_token::is_for_people(request) {
                user_token::issue(shared, tenant, request, line)
            } else {
                token::issue(shared, tenant, request, line)
            };
            uncached(issued, now, request.headers())
        }
        (&Method::POST, [tenant, "oauth2", "v2.0", "devicecode"]) => {
            uncached(devicecode::start(shared, tenant, request, line), now, request.headers())
        }
        (&Method::GET, [tenant, "oauth2", "v2.0", "authorize"]) => {
            let answered = authorize::authorize(shared, tenant, request, line);
            answered.unwrap_or_else(|refused| refuse(&refused, now, request.headers()))
        }
        _ => not_served(path),
    }
}

/// An answer with a token or a code in it.
fn uncached(answer: Result<serde_json::Value, Refused>, now: Timestamp, headers: &HeaderMap) -> Reply {
    match answer {
        Ok(body) => {
            let mut reply = reply::json(StatusCode::OK, &body);
            reply::set(&mut reply, "cache-control", "no-store, no-cache");
            reply::set(&mut reply, "pragma", "no-cache");
            reply
        }
        Err(refused) => refuse(&refused, now, headers),
    }
}

fn is_multi_tenant(tenant: &str) -> bool {
    ["common", "organizations", "consumers"].iter().any(|t| t.eq_ignore_ascii_case(tenant))
}

/// The tenant id, a verified domain, or one of the multi-tenant names.
fn known_tenant(state: &State, tenant: &str) -> Result<(), Refused> {
    let known = is_multi_tenant(tenant)
        || tenant.parse::<uuid::Uuid>().is_ok_and(|id| id == state.tenant_id)
        || state.domains.iter().any(|d| d.eq_ignore_ascii_case(tenant));
    if known {
        return Ok(());
    }
    Err(Refused::new(
        400,
        "invalid_request",
        90002,
        &format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        ),
    ))
}

fn openid_configuration(shared: &Shared, tenant: &str, origin: &str) -> Reply {
    let id = if is_multi_tenant(tenant) {
        "{tenantid}".to_owned()
    } else {
        lock(&shared.state).tenant_id.to_string()
    };
    reply::json(
        StatusCode::OK,
        &json!({
            "token_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{origin}/{tenant}/discovery/v2.0/keys"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{origin}/{id}/v2.0"),
            "authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/devicecode"),
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "msgraph_host": "graph.microsoft.com",
        }),
    )
}

fn instance_discovery(shared: &Shared, request: &Request<Bytes>) -> Reply {
    let host = request.headers().get("host").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let tenant = lock(&shared.state).tenant_id;
    reply::json(
        StatusCode::OK,
        &json!({
            "tenant_discovery_endpoint":
                format!("{}/{tenant}/v2.0/.well-known/openid-configuration", origin(request)),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }),
    )
}

fn refuse(refused: &Refused, now: Timestamp, headers: &HeaderMap) -> Reply {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut reply = error_reply(status, refused.error, refused.number, &refused.text, now, headers);
    if let Some(suberror) = refused.suberror
        && let Ok(serde_json::Value::Object(mut body)) = serde_json::from_slice(reply.body())
    {
        body.insert("suberror".to_owned(), suberror.into());
        *reply.body_mut() = serde_json::Value::Object(body).to_string().into();
    }
    reply
}

/// An error in Entra's JSON shape. Numbers of seven digits come with blanks between the parts of the description,
/// shorter ones with line ends: both forms occur in the field.
pub(crate) fn error_reply(
    status: StatusCode,
    error: &str,
    number: u32,
    text: &str,
    now: Timestamp,
    headers: &HeaderMap,
) -> Reply {
    let correlation = headers
        .get("client-request-id")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok())
        .unwrap_or_else(uuid::Uuid::new_v4);
    let (trace, at) = (uuid::Uuid::new_v4(), now.strftime("%Y-%m-%d %H:%M:%SZ"));
    let gap = if number >= 1_000_000 { " " } else { "\r\n" };
    reply::json(
        status,
        &json!({
            "error": error,
            "error_description": format!(
                "AADSTS{number}: {text}{gap}Trace ID: {trace}{gap}Correlation ID: {correlation}{gap}Timestamp: {at}"
            ),
            "error_codes": [number],
            "timestamp": at.to_string(),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        }),
    )
}
