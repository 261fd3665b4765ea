//! What the targets share: a token service that answers whatever the fuzzer wants, and what must hold of every error.

use bytes::Bytes;
use graph_auth::{ClientSecretCredential, Error, ErrorKind};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use m365_core::testing::ManualClock;
use m365_core::transport::{Body, HttpTransport, TransportError};
use m365_core::{
    AccessToken, ClientId, Cloud, Resource, RetryPolicy, SharedClock, TenantName, TokenCredential as _,
    TokenRequest, Transport,
};

/// No error may repeat it.
pub const SECRET: &str = "Q8~fuzzed.secret-of-the-app";

#[derive(Debug)]
struct Answers {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl HttpTransport for Answers {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        let mut response = http::Response::new(Body::from_bytes(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        Ok(response)
    }
}

/// One token request to a service that answers like this.
///
/// # Panics
/// When what came of it is not as it must be.
pub fn ask(status: u16, header: Option<&[u8]>, body: &[u8]) {
    let now = now();
    let mut headers = HeaderMap::new();
    if let Some(value) = header.and_then(|bytes| HeaderValue::from_bytes(bytes).ok()) {
        headers.insert("retry-after", value.clone());
        headers.insert("x-ms-request-id", value.clone());
        headers.insert("date", value);
    }
    let status = StatusCode::from_u16(status).expect("a status");
    let credential =
        credential(Transport::new(Answers { status, headers, body: Bytes::copy_from_slice(body) }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    match runtime.block_on(credential.get_token(&TokenRequest::new(Resource::Graph))) {
        Ok(token) => good(&token, status, now),
        Err(error) => told(&error),
    }
}

/// The time by every clock in here.
pub fn now() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().expect("a time")
}

/// A token service that gives this token to everybody.
pub fn service(token: &str) -> Transport {
    let body = format!(r#"{{"access_token":"{token}","expires_in":3600}}"#).into();
    Transport::new(Answers { status: StatusCode::OK, headers: HeaderMap::new(), body })
}

/// An app's credential before this service.
pub fn credential(service: Transport) -> ClientSecretCredential {
    ClientSecretCredential::new(Cloud::public(), tenant(), client(), SECRET.into())
        .expect("a credential")
        .with_transport(service)
        .with_retry(RetryPolicy::default().with_max_attempts(1))
        .with_clock(SharedClock::new(ManualClock::at(now())))
}

pub fn tenant() -> TenantName {
    TenantName::parse("8c1f3a52-7d4e-4b60-9a1b-2c3d4e5f6071").expect("a tenant")
}

pub fn client() -> ClientId {
    ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").expect("a client")
}

fn good(token: &AccessToken, status: StatusCode, now: Timestamp) {
    assert!(status.is_success());
    assert!(token.expires_on() > now);
    assert!(!token.expose_secret().is_empty());
}

/// An error is one short line, without the secret, and knows what it means.
///
/// # Panics
/// When it is not.
pub fn told(error: &Error) {
    let text = error.to_string();
    assert!(text.chars().count() < 2_000, "{} characters", text.len());
    assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
    let debug = format!("{error:?}");
    assert!(!text.contains(SECRET) && !debug.contains(SECRET));
    assert!(!error.diagnosis().id().is_empty());
    assert!(error.kind() != ErrorKind::Throttled || error.is_transient());
}
