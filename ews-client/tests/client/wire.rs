//! The shipped transport, and time.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use ews_client::{CallOptions, ErrorKind, EwsClient, EwsCredential, EwsEndpoint};
use m365_core::{
    Acted, Body, Clock, HttpTransport, RetryPolicy, SharedClock, Transport, TransportError, later,
};

use crate::help::*;

/// An answer with one element, compressed.
const COMPRESSED: &[&str] = &[
    "H4sIAAAAAAACA21QQQ6CMBD8CuEBrHrw0GAPGmM86EFf0JQVTChLOpXo76URglFu09mZnZ3mUPum41paTp6ubqCwSasQWkUE",
    "W7EzyHoeYtpMfEkREA8OSgeP+/O4u/UCuYXMiiN+2so0JRPYd3fLoNVisSbHgCkZqc6htlK8dO7UgcMxsLswWmnAkRrxadDP",
    "yIZRMr53tUHf5PqwfVoMmLbspGB9lr334nP64XtdXAu9jKMPjGg+Tn/7p+topgWNDWn6cf0Gp2l8434BAAA=",
];

fn basic() -> EwsCredential {
    EwsCredential::basic("svc-calendar", "not a real one".into())
}

#[cfg(feature = "reqwest")]
async fn answered(template: wiremock::ResponseTemplate) -> ews_client::Result<Vec<String>> {
    let server = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("POST"))
        .and(wiremock::matchers::path(PATH))
        .and(wiremock::matchers::header("accept-encoding", "gzip"))
        .respond_with(template)
        .expect(1)
        .mount(&server)
        .await;
    let endpoint = EwsEndpoint::on_premises_without_tls(server.uri().parse().unwrap()).unwrap();
    let client = EwsClient::builder(endpoint, basic()).build().unwrap();
    client.call(&Ask::of(&["1"]), &anna()).await.map(|answer| said(&answer))
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn trap_02_a_compressed_answer_is_read() {
    let body = base64::engine::general_purpose::STANDARD.decode(COMPRESSED.concat()).unwrap();
    let template =
        wiremock::ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_bytes(body);
    assert_eq!(answered(template).await.unwrap(), ["1"]);
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn trap_02_a_refusal_that_says_gzip_over_nul_bytes_is_a_refusal_still() {
    let template = wiremock::ResponseTemplate::new(403)
        .insert_header("content-encoding", "gzip")
        .insert_header("x-ews-policy-reason", "EWS is disabled for this user or tenant")
        .set_body_bytes(vec![0; 64]);
    let error = answered(template).await.unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::PermissionDenied, "EWS-DISABLED"));
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn credentials_follow_no_redirect() {
    let template = wiremock::ResponseTemplate::new(307).insert_header("location", PATH);
    assert_eq!(answered(template).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
}

/// Never answers.
#[derive(Debug)]
struct Silence;

impl HttpTransport for Silence {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        std::future::pending().await
    }
}

/// Tokio's time, which tests can stop.
#[derive(Debug)]
struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> jiff::Timestamp {
        later(jiff::Timestamp::UNIX_EPOCH, self.0.elapsed())
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn silent() -> EwsClient {
    EwsClient::builder(endpoint(), basic())
        .transport(Transport::new(Silence))
        .clock(SharedClock::new(TokioClock(tokio::time::Instant::now())))
        .attempt_timeout(Duration::from_secs(60))
        .retry(RetryPolicy::default().with_max_attempts(2))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_attempts_time() {
    let began = tokio::time::Instant::now();
    let write = Ask { once: true, ..Ask::of(&["1"]) };
    let error = silent().call(&write, &anna()).await.unwrap_err();
    assert_eq!((error.kind(), error.acted(), error.attempts()), (ErrorKind::Timeout, Acted::Unknown, 1));
    assert_eq!(began.elapsed().as_secs(), 60);
    let opened = silent().open(&write, &anna(), &CallOptions::default()).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_an_attempt_too() {
    let began = tokio::time::Instant::now();
    let options = CallOptions::default().with_deadline(Duration::from_secs(7));
    let error = silent().call_with(&Ask::of(&["1"]), &anna(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!((7..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
