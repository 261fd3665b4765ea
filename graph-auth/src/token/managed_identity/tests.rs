use std::collections::HashMap;

use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    HttpTransport, Resource, SharedClock, TokenCredential as _, TokenRequest, TransportErrorKind,
};

use super::*;

const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
const IMDS: &str = "/metadata/identity/oauth2/token";
const TOKEN: &str = r#"{"access_token":"abc","expires_in":"3599","resource":"https://graph.microsoft.com"}"#;

fn credential(vars: &[(&str, &str)], script: &ScriptedTransport) -> ManagedIdentityCredential {
    let vars: HashMap<String, String> =
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let clock = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    ManagedIdentityCredential::from_vars(Cloud::public(), |name| vars.get(name).cloned())
        .unwrap()
        .with_transport(Transport::new(script.clone()))
        .with_clock(SharedClock::new(clock))
}

fn graph() -> TokenRequest {
    TokenRequest::new(Resource::Graph)
}

fn resource_id() -> ManagedIdentityId {
    ManagedIdentityId::Resource("/subscriptions/s/x y".to_owned())
}

#[tokio::test]
async fn imds_is_probed_once_and_asked_with_its_header() {
    let script = ScriptedTransport::new()
        .on("GET", IMDS, Reply::json(400, "{}"))
        .on("GET", IMDS, Reply::json(200, TOKEN))
        .on("GET", IMDS, Reply::json(200, TOKEN));
    let credential = credential(&[], &script).with_identity(resource_id());
    let token = credential.get_token(&graph()).await.unwrap();
    assert_eq!(token.expires_on().to_string(), "2026-11-21T08:59:59Z", "a number in quotes");
    credential.get_token(&graph()).await.unwrap();
    credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
    script.assert_finished();
    let sent = script.requests();
    assert!(!sent[0].headers().contains_key("metadata"));
    assert_eq!(
        sent[1].uri(),
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fgraph.microsoft.com&msi_res_id=%2Fsubscriptions%2Fs%2Fx+y"
    );
    assert_eq!(sent[1].headers()["metadata"], "true");
    assert!(sent[2].uri().query().unwrap().contains("resource=https%3A%2F%2Foutlook.office365.com&"));
}

#[tokio::test]
async fn a_host_without_imds_is_asked_once_and_then_left_alone() {
    let script = ScriptedTransport::new().on("GET", IMDS, Reply::failure(TransportErrorKind::NotSent));
    let credential = credential(&[], &script);
    for _ in 0..20 {
        let error = credential.get_token(&graph()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unsupported, false));
    }
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_leads_nowhere_costs_two_seconds() {
    #[derive(Debug)]
    struct Nowhere;
    impl HttpTransport for Nowhere {
        async fn send(
            &self,
            _request: http::Request<Bytes>,
        ) -> Result<Response<m365_core::Body>, m365_core::TransportError> {
            std::future::pending().await
        }
    }
    let credential = credential(&[], &ScriptedTransport::new()).with_transport(Transport::new(Nowhere));
    let started = tokio::time::Instant::now();
    assert_eq!(credential.get_token(&graph()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(started.elapsed(), PROBE);
}

#[tokio::test]
async fn imds_under_update_is_asked_again_and_a_missing_identity_is_not() {
    let vars = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:2579/")];
    let script = ScriptedTransport::new()
        .on("GET", IMDS, Reply::new(410, ""))
        .on("GET", IMDS, Reply::json(404, r#"{"error":"not_found"}"#))
        .on("GET", IMDS, Reply::json(429, r#"{"error":"too_many_requests"}"#))
        .on("GET", IMDS, Reply::json(200, TOKEN));
    credential(&vars, &script).get_token(&graph()).await.unwrap();
    script.assert_finished();
    let refused = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let script = ScriptedTransport::new().on("GET", IMDS, Reply::json(400, refused));
    let error = credential(&vars, &script).get_token(&graph()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 1));
    assert!(error.message().contains("Identity not found"), "{error}");
}

#[tokio::test]
async fn app_service_gets_its_header_and_answers_with_a_time() {
    let vars =
        [("IDENTITY_ENDPOINT", "http://172.16.0.9:8081/msi/token/"), ("IDENTITY_HEADER", "h34der-value")];
    let answer = r#"{"access_token":"abc","expires_on":"1795251600","token_type":"Bearer"}"#;
    let script = ScriptedTransport::new().on("GET", "/msi/token/", Reply::json(200, answer));
    let credential = credential(&vars, &script).with_identity(resource_id());
    let token = credential.get_token(&graph()).await.unwrap();
    assert_eq!(token.expires_on().as_second(), 1_795_251_600);
    let sent = &script.requests()[0];
    assert_eq!(
        sent.uri().query().unwrap(),
        "api-version=2019-08-01&resource=https%3A%2F%2Fgraph.microsoft.com&mi_res_id=%2Fsubscriptions%2Fs%2Fx+y"
    );
    assert_eq!(sent.headers()["x-identity-header"], "h34der-value");
    assert!(sent.headers()["x-identity-header"].is_sensitive() && !sent.headers().contains_key("metadata"));
}

#[tokio::test]
async fn trap_11_the_identity_header_is_in_no_error() {
    let vars = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi"), ("IDENTITY_HEADER", "h34der-value")];
    for (status, body) in
        [(403, "<p>h34der-value</p>"), (400, r#"{"code":"bad","message":"header h34der-value is unknown"}"#)]
    {
        let script = ScriptedTransport::new().on("GET", "/msi", Reply::new(status, body));
        let credential = credential(&vars, &script);
        let error = credential.get_token(&graph()).await.unwrap_err();
        assert!(!format!("{error} {error:?} {credential:?}").contains("h34der"), "{error:?}");
    }
}

#[tokio::test]
async fn arc_reads_the_key_that_the_challenge_names() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("7.key");
    std::fs::write(&key, "arc-k3y").unwrap();
    let vars = [
        ("IDENTITY_ENDPOINT", "http://localhost:40342/metadata/identity/oauth2/token"),
        ("IMDS_ENDPOINT", "http://localhost:40342"),
    ];
    let challenge = |file: &std::path::Path| {
        Reply::new(401, "").header("www-authenticate", &format!("Basic realm={}", file.display()))
    };
    let script = ScriptedTransport::new()
        .on("GET", IMDS, challenge(&key))
        .on("GET", IMDS, Reply::json(200, TOKEN))
        .on("GET", IMDS, challenge(std::path::Path::new("/etc/shadow.key")));
    let credential =
        credential(&vars, &script).change(|issuer| issuer.arc_directory = directory.path().to_owned());
    credential.get_token(&graph()).await.unwrap();
    let sent = script.requests();
    assert!(!sent[0].headers().contains_key("authorization"));
    assert_eq!(sent[1].headers()["authorization"], "Basic arc-k3y");
    assert_eq!(sent[1].headers()["metadata"], "true");
    assert!(sent[1].uri().query().unwrap().starts_with("api-version=2020-06-01&"));
    let error = credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap_err();
    assert!(error.message().contains("outside"), "{error}");
    script.assert_finished();
}

#[tokio::test]
async fn arc_must_echo_the_identity_asked_for() {
    let vars = [("IDENTITY_ENDPOINT", "http://localhost:40342/t"), ("IMDS_ENDPOINT", "x")];
    let wanted = ManagedIdentityId::Client(ClientId::parse(CLIENT).unwrap());
    for (body, good) in [
        (TOKEN.to_owned(), false),
        (TOKEN.replace('}', r#","client_id":"00000000-0000-4000-8000-000000000001"}"#), false),
        (TOKEN.replace('}', &format!(r#","client_id":"{CLIENT}"}}"#)), true),
    ] {
        let script = ScriptedTransport::new().on("GET", "/t", Reply::json(200, &body));
        let credential = credential(&vars, &script).with_identity(wanted.clone());
        assert_eq!(credential.get_token(&graph()).await.is_ok(), good, "{body}");
    }
}

#[tokio::test]
async fn another_tenant_or_claims_are_refused_before_anything_is_sent() {
    let script = ScriptedTransport::new();
    let credential = credential(&[], &script);
    let elsewhere = graph().with_tenant(TenantName::parse("fabrikam.example").unwrap());
    assert_eq!(credential.get_token(&elsewhere).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let challenged = graph().with_claims("{}");
    assert_eq!(credential.get_token(&challenged).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(script.requests().is_empty());
}

#[test]
fn addresses_outside_are_refused() {
    let vars = |name: &str| match name {
        "IDENTITY_ENDPOINT" => Some("http://identity.example/".to_owned()),
        "IDENTITY_HEADER" => Some("x".to_owned()),
        _ => None,
    };
    let error = ManagedIdentityCredential::from_vars(Cloud::public(), vars).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
