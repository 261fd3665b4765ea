//! The shipped transport.

use base64::Engine as _;
use ews_client::{ErrorKind, EwsClient, EwsCredential, EwsEndpoint};

use crate::help::*;

/// An answer with one element, compressed.
const COMPRESSED: &[&str] = &[
    "H4sIAAAAAAACA21QQQ6CMBD8CuEBrHrw0GAPGmM86EFf0JQVTChLOpXo76URglFu09mZnZ3mUPum41paTp6ubqCwSasQWkUE",
    "W7EzyHoeYtpMfEkREA8OSgeP+/O4u/UCuYXMiiN+2so0JRPYd3fLoNVisSbHgCkZqc6htlK8dO7UgcMxsLswWmnAkRrxadDP",
    "yIZRMr53tUHf5PqwfVoMmLbspGB9lr334nP64XtdXAu9jKMPjGg+Tn/7p+topgWNDWn6cf0Gp2l8434BAAA=",
];

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
    let client = EwsClient::builder(endpoint, EwsCredential::basic("svc-calendar", "not a real one".into()))
        .build()
        .unwrap();
    client.call(&Ask::of(&["1"]), &anna()).await.map(|answer| said(&answer))
}

#[tokio::test]
async fn trap_02_a_compressed_answer_is_read() {
    let body = base64::engine::general_purpose::STANDARD.decode(COMPRESSED.concat()).unwrap();
    let template =
        wiremock::ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_bytes(body);
    assert_eq!(answered(template).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn trap_02_a_refusal_that_says_gzip_over_nul_bytes_is_a_refusal_still() {
    let template = wiremock::ResponseTemplate::new(403)
        .insert_header("content-encoding", "gzip")
        .insert_header("x-ews-policy-reason", "EWS is disabled for this user or tenant")
        .set_body_bytes(vec![0; 64]);
    let error = answered(template).await.unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::PermissionDenied, "EWS-DISABLED"));
}

#[tokio::test]
async fn credentials_follow_no_redirect() {
    let template = wiremock::ResponseTemplate::new(307).insert_header("location", PATH);
    assert_eq!(answered(template).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
}
