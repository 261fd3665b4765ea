//! The token endpoint's requests and answers as pure functions.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode};
use m365_core::retry::retry_after;
use m365_core::{
    AccessToken, Acted, Authority, ClientId, Cloud, Error, ErrorKind, Resource, Result, TenantId, TenantName,
    later,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::TokenClaims;

/// Largest token answer accepted, in bytes.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;

/// Name under which the operation appears in errors and traces.
pub(super) const NAME: &str = "get token";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How a token request proves who asks.
#[derive(Clone)]
pub(super) enum Proof {
    /// The client secret.
    Secret(Arc<SecretString>),
    /// A signed statement about the client, good for this one request.
    Assertion(SecretString),
}

impl Proof {
    /// What no error, trace or memory may keep.
    pub(super) fn hidden(&self) -> &str {
        match self {
            Self::Secret(secret) => secret.expose_secret(),
            Self::Assertion(assertion) => assertion.expose_secret(),
        }
    }
}

/// The client credentials grant.
pub(super) fn request(
    cloud: &Cloud,
    tenant: &TenantName,
    client: ClientId,
    proof: &Proof,
    resource: &Resource,
    claims: Option<&str>,
    user_agent: &HeaderValue,
) -> Result<Request<Bytes>> {
    let (client, scope) = (client.to_string(), cloud.scope(resource));
    let (kind, name) = match proof {
        Proof::Secret(_) => ("", "client_secret"),
        Proof::Assertion(_) => (ASSERTION_TYPE, "client_assertion"),
    };
    let fields = [
        ("client_id", client.as_str()),
        ("scope", &scope),
        ("client_assertion_type", kind),
        (name, proof.hidden()),
        ("grant_type", "client_credentials"),
        ("claims", claims.unwrap_or_default()),
    ];
    post(&cloud.token_endpoint(tenant), &fields, user_agent)
}

/// A form sent to the token service; fields without a value are left out.
pub(super) fn post(url: &Url, fields: &[(&str, &str)], user_agent: &HeaderValue) -> Result<Request<Bytes>> {
    // Percent-encoding triples a byte at worst. With the room taken beforehand the buffer never moves, so no copy of the
    // secret stays behind in freed memory.
    let longest = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum::<usize>();
    let mut body = Zeroizing::new(Vec::with_capacity(longest));
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        for part in form_urlencoded::byte_serialize(value.as_bytes()) {
            body.extend_from_slice(part.as_bytes());
        }
    }
    let id = HeaderValue::try_from(uuid::Uuid::new_v4().to_string())
        .map_err(|e| Error::invalid("the request id cannot stand in a header").with_source(e))?;
    Request::post(url.as_str())
        .header(CONTENT_TYPE, const { HeaderValue::from_static("application/x-www-form-urlencoded") })
        .header(ACCEPT, const { HeaderValue::from_static("application/json") })
        .header(USER_AGENT, user_agent)
        .header("client-request-id", id)
        .header("x-client-sku", "graph-auth")
        .header("x-client-ver", env!("CARGO_PKG_VERSION"))
        .header("x-ms-lib-capability", "retry-after, h429")
        .body(Bytes::from_owner(body))
        .map_err(|e| Error::invalid("the token request cannot be built").with_source(e))
}

/// What the form's `claims` say: those of the challenge, and the capability to answer one.
///
/// <https://learn.microsoft.com/entra/identity-platform/claims-challenge#client-capabilities>
pub(super) fn claims(challenge: Option<&str>, cp1: bool) -> Option<Cow<'_, str>> {
    const ALONE: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let Some(challenge) = challenge else { return cp1.then_some(Cow::Borrowed(ALONE)) };
    let merged = || {
        let mut claims: Map<String, Value> = serde_json::from_str(challenge).ok()?;
        let access = claims.entry("access_token").or_insert_with(|| Map::new().into());
        access.as_object_mut()?.insert("xms_cc".to_owned(), json!({"values": ["cp1"]}));
        serde_json::to_string(&claims).ok().map(Cow::Owned)
    };
    // What cannot be joined is the resource's wish alone.
    Some(cp1.then(merged).flatten().unwrap_or(Cow::Borrowed(challenge)))
}

/// Reads the token endpoint's answer: by its body, whatever its content type says.
pub(super) fn read(
    response: &Response<Bytes>,
    now: jiff::Timestamp,
    tenant: Option<TenantId>,
    hidden: &str,
) -> Result<AccessToken> {
    let status = response.status();
    if status.is_success() {
        return success(response, now, tenant, hidden).map_err(|e| e.with_status(status));
    }
    Err(refused(response, now, hidden))
}

/// What the token service's refusal means.
pub(super) fn refused(response: &Response<Bytes>, now: jiff::Timestamp, hidden: &str) -> Error {
    let (status, body) = (response.status(), response.body());
    // A redirect is a gateway's doing: the token service itself sends none, so its body is not believed either.
    let said = serde_json::from_slice::<Failure>(body).ok().filter(|_| !status.is_redirection());
    let Some(failure) = said else {
        return foreign("the token service", response, now, hidden);
    };
    let (kind, acted) = kind_of(status, &failure.error);
    // Whoever answered may repeat what was sent.
    let clean = |text: &&str| !echoes(text, hidden);
    let code = Some(failure.error.as_str()).filter(clean);
    let text = failure.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let message = text.filter(clean).map(essence).or(code).unwrap_or("the refusal is withheld");
    let mut error = Error::new(kind, message)
        .with_authority(Authority::EntraToken)
        .with_status(status)
        .with_code(code.unwrap_or("withheld"))
        .with_acted(acted)
        .with_transient(kind != ErrorKind::Authentication)
        .with_retry_after(retry_after(response.headers(), now))
        .with_aadsts(failure.numbers());
    if let Some(id) =
        failure.trace_id.or(failure.correlation_id).or_else(|| header(response.headers(), "x-ms-request-id"))
        && !echoes(&id, hidden)
    {
        error = error.with_request_id(id);
    }
    error
}

/// Whether a text repeats what no error may keep, as it is or as a form spells it.
pub(super) fn echoes(text: &str, hidden: &str) -> bool {
    let encoded: Zeroizing<String> =
        Zeroizing::new(form_urlencoded::byte_serialize(hidden.as_bytes()).collect());
    !hidden.is_empty() && (text.contains(hidden) || text.contains(encoded.as_str()))
}

pub(super) fn success(
    response: &Response<Bytes>,
    now: jiff::Timestamp,
    tenant: Option<TenantId>,
    hidden: &str,
) -> Result<AccessToken> {
    let Ok(success) = serde_json::from_slice::<Success>(response.body()) else {
        return Err(Error::unreadable(format!(
            "the token answer is no token: {}",
            excerpt(response, hidden)
        ))
        .with_transient(false));
    };
    let claims = TokenClaims::parse(&success.access_token).ok();
    let expires_on = success
        .expires_in
        .and_then(seconds)
        .map(|life| later(now, life))
        .or_else(|| success.expires_on.and_then(|s| jiff::Timestamp::from_second(s as i64).ok()))
        .or_else(|| claims.as_ref().and_then(|c| c.expires_on))
        .filter(|at| *at > now)
        .ok_or_else(|| Error::unreadable("the token answer states no time for which the token is valid"))?;
    let mut token = AccessToken::new(&success.access_token, expires_on)?;
    if let Some(refresh) = success.refresh_in.and_then(seconds) {
        token = token.with_refresh_on(later(now, refresh));
    }
    if let (Some(wanted), Some(got)) = (tenant, claims.and_then(|c| c.tenant))
        && wanted != got
    {
        return Err(Error::new(
            ErrorKind::Authentication,
            format!("asked tenant {wanted} for a token and got one of tenant {got}"),
        ));
    }
    Ok(token)
}

/// Behaviour hangs on status and `error` alone; the numbers in the text may change any day.
fn kind_of(status: StatusCode, error: &str) -> (ErrorKind, Acted) {
    match (status.as_u16(), error) {
        (429, _) => (ErrorKind::Throttled, Acted::No),
        (408, _) => (ErrorKind::Timeout, Acted::No),
        (500..=599, _) | (_, "temporarily_unavailable" | "server_error") => {
            (ErrorKind::Unavailable, Acted::No)
        }
        _ => (ErrorKind::Authentication, Acted::No),
    }
}

/// An answer that Entra did not write: a proxy's page, an empty body, a cut one.
pub(super) fn foreign(who: &str, response: &Response<Bytes>, now: jiff::Timestamp, hidden: &str) -> Error {
    let status = response.status();
    let kind = match status.as_u16() {
        429 => ErrorKind::Throttled,
        408 => ErrorKind::Timeout,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::InvalidResponse,
    };
    let mut error =
        Error::new(kind, format!("{who} did not answer as it should: {}", excerpt(response, hidden)))
            .with_authority(Authority::Network)
            .with_status(status)
            .with_acted(Acted::No)
            .with_transient(kind != ErrorKind::InvalidResponse)
            .with_retry_after(retry_after(response.headers(), now));
    if let Some(id) = header(response.headers(), "x-ms-request-id").filter(|id| !echoes(id, hidden)) {
        error = error.with_request_id(id);
    }
    error
}

/// The first bytes of a body that could not be read, unless a token or the secret could be among them.
fn excerpt(response: &Response<Bytes>, hidden: &str) -> String {
    let whole = String::from_utf8_lossy(response.body());
    if whole.trim().is_empty() {
        "(empty)".to_owned()
    } else if whole.contains("access_token") || whole.contains("eyJ") || echoes(&whole, hidden) {
        "(withheld)".to_owned()
    } else {
        whole.chars().take(200).collect()
    }
}

/// The part of a description before the ids, which are separated by line breaks or by blanks.
fn essence(text: &str) -> &str {
    let line = text.split(['\r', '\n']).next().unwrap_or(text);
    line.split(" Trace ID:").next().unwrap_or(line).trim()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// A life in seconds; none when it is not a positive number.
fn seconds(value: f64) -> Option<Duration> {
    (value > 0.0).then(|| Duration::try_from_secs_f64(value).ok()).flatten()
}

#[derive(Deserialize)]
struct Success {
    access_token: Zeroed,
    #[serde(default, deserialize_with = "number")]
    expires_in: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    expires_on: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    refresh_in: Option<f64>,
}

/// A text that leaves no copy behind in freed memory.
pub(super) struct Zeroed(Zeroizing<String>);

impl<'de> Deserialize<'de> for Zeroed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl std::ops::Deref for Zeroed {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
struct Failure {
    error: String,
    #[serde(rename = "error_description")]
    description: Option<String>,
    #[serde(default)]
    error_codes: Vec<Value>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

impl Failure {
    fn numbers(&self) -> Vec<u32> {
        let listed: Vec<u32> = self
            .error_codes
            .iter()
            .filter_map(|v| {
                v.as_u64().and_then(|n| u32::try_from(n).ok()).or_else(|| v.as_str()?.parse().ok())
            })
            .collect();
        if !listed.is_empty() {
            return listed;
        }
        aadsts(self.description.as_deref().unwrap_or_default())
    }
}

/// The AADSTS numbers of a text.
pub(super) fn aadsts(text: &str) -> Vec<u32> {
    text.split("AADSTS")
        .skip(1)
        .filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest.get(..end)?.parse().ok()
        })
        .collect()
}

/// A number, or a number in quotes, as the older endpoints write it.
pub(super) fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Number(n) => Some(n),
        Either::Text(text) => text.trim().parse().ok(),
        Either::Other(_) => None,
    })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
