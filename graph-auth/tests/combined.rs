//! Federated, environment, chained and rotating credentials, by script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use futures_util::FutureExt as _;
use graph_auth::{
    AssertionRequest, ChainAnswers, ChainedCredential, ClientAssertionCredential, ClientSecretCredential,
    EnvironmentCredential, Error, ErrorKind, GitHubActionsCredential, ManagedIdentityCredential,
    RotatingCredential, WorkloadIdentityCredential,
};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    ClientId, Cloud, Credential, Resource, SharedClock, TenantName, TokenCredential as _, TokenRequest,
    Transport, TransportErrorKind,
};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
const TOKEN_PATH: &str = "/contoso.example/oauth2/v2.0/token";
const GOOD: &str = r#"{"access_token":"abc","expires_in":3600}"#;
const REFUSED: &str = r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired.","error_codes":[7000222]}"#;

fn tenant() -> TenantName {
    TenantName::parse("contoso.example").unwrap()
}

fn client() -> ClientId {
    ClientId::parse(CLIENT).unwrap()
}

fn clock() -> SharedClock {
    SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap()))
}

fn on(script: &ScriptedTransport) -> Transport {
    Transport::new(script.clone())
}

fn graph() -> TokenRequest {
    TokenRequest::new(Resource::Graph)
}

fn vars(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<> {
    let map: HashMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    move |name| map.get(name).cloned()
}

fn field(script: &ScriptedTransport, at: usize, name: &str) -> String {
    let requests = script.requests();
    let found = form_urlencoded::parse(requests[at].body()).find(|(n, _)| n == name).unwrap();
    found.1.into_owned()
}

fn tokens(answers: usize) -> ScriptedTransport {
    (0..answers).fold(ScriptedTransport::new(), |s, _| s.on("POST", TOKEN_PATH, Reply::json(200, GOOD)))
}

fn secret(value: &str, script: &ScriptedTransport) -> ClientSecretCredential {
    ClientSecretCredential::new(Cloud::public(), tenant(), client(), value.into())
        .unwrap()
        .with_transport(on(script))
        .with_clock(clock())
}

#[tokio::test]
async fn a_callback_is_asked_once_for_each_token_request() {
    let script = tokens(2);
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let credential = ClientAssertionCredential::new(
        Cloud::us_gov_l4(),
        tenant(),
        client(),
        move |request: AssertionRequest| {
            assert_eq!(request.audience, format!("https://login.microsoftonline.us{TOKEN_PATH}"));
            assert_eq!(request.client, client());
            let number = counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("e30.e30.n{number}\n").into()) }
        },
    )
    .with_transport(on(&script))
    .with_clock(clock());
    for _ in 0..3 {
        credential.get_token(&graph()).await.unwrap();
    }
    credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!([0, 1].map(|n| field(&script, n, "client_assertion")), ["e30.e30.n0", "e30.e30.n1"]);
}

#[tokio::test]
async fn an_assertion_that_is_none_is_not_sent_and_not_repeated() {
    let script = ScriptedTransport::new();
    let broken = |_: AssertionRequest| async { Ok("s3cret response page".into()) };
    let credential = ClientAssertionCredential::new(Cloud::public(), tenant(), client(), broken)
        .with_transport(on(&script));
    let error = credential.get_token(&graph()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{error:?}").contains("s3cret") && script.requests().is_empty());
}

#[tokio::test]
async fn trap_13_a_federated_file_replaced_between_two_calls_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let script = tokens(2);
    let credential = WorkloadIdentityCredential::from_vars(
        Cloud::public(),
        vars(&[
            ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
            ("AZURE_CLIENT_ID", CLIENT),
            ("AZURE_TENANT_ID", "contoso.example"),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ]),
    )
    .unwrap()
    .with_transport(on(&script))
    .with_clock(clock());
    // Not there yet, then empty: said, and nothing is sent.
    let error = credential.get_token(&graph()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.source().is_some(), "{error:?}");
    std::fs::write(&file, "").unwrap();
    let error = credential.get_token(&graph().with_fresh()).await.unwrap_err();
    assert!(error.message().contains("no JSON Web Token"), "{error}");
    for (number, text) in ["e30.e30.one", "e30.e30.two\n"].into_iter().enumerate() {
        std::fs::write(&file, text).unwrap();
        credential.get_token(&graph().with_fresh()).await.unwrap();
        assert_eq!(field(&script, number, "client_assertion"), text.trim());
    }
    script.assert_finished();
}

#[test]
fn another_cloud_and_missing_variables_are_named() {
    let full = [
        ("AZURE_FEDERATED_TOKEN_FILE", "/t"),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us"),
    ];
    let made = |cloud, pairs: &[(&str, &str)]| WorkloadIdentityCredential::from_vars(cloud, vars(pairs));
    assert!(made(Cloud::us_gov_l4(), &full).is_ok());
    let error = made(Cloud::public(), &full).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("AZURE_AUTHORITY_HOST"), "{error}");
    for missing in 0..3 {
        let mut pairs = full.to_vec();
        let (name, _) = pairs.remove(missing);
        let error = made(Cloud::us_gov_l4(), &pairs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(name), "{error}");
    }
}

#[tokio::test]
async fn trap_8_common_is_refused_wherever_a_tenant_comes_from() {
    for shared in ["common", "organizations", "a/b", "a b"] {
        let pairs =
            [("AZURE_TENANT_ID", shared), ("AZURE_CLIENT_ID", CLIENT), ("AZURE_CLIENT_SECRET", "Q8~x")];
        let error = EnvironmentCredential::from_vars(Cloud::public(), vars(&pairs)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains("AZURE_TENANT_ID"), "{error}");
    }
    // And a token of another tenant, however it was asked for.
    let asked = TenantName::parse("0f0e0d0c-0b0a-4908-8706-050403020100").unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(r#"{"tid":"99999999-0b0a-4908-8706-050403020100"}"#);
    let answer = format!(r#"{{"access_token":"e30.{payload}.s","expires_in":3600}}"#);
    let endpoint = format!("/{asked}/oauth2/v2.0/token");
    let script = ScriptedTransport::new().on("POST", &endpoint, Reply::json(200, &answer));
    let given = |_: AssertionRequest| async { Ok("e30.e30.s".into()) };
    let credential = ClientAssertionCredential::new(Cloud::public(), asked, client(), given)
        .with_transport(on(&script))
        .with_clock(clock());
    assert_eq!(credential.get_token(&graph()).await.unwrap_err().kind(), ErrorKind::Authentication);
}

#[tokio::test]
async fn a_github_job_fetches_its_identity_token_anew_for_each_request() {
    let pairs = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://pipelines.example/idtoken?api-version=2.0"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "j0b-t0ken"),
    ];
    let address = "/idtoken?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange";
    let script = ScriptedTransport::new()
        .on("GET", address, Reply::json(200, r#"{"count":1,"value":"e30.e30.one"}"#))
        .on("POST", TOKEN_PATH, Reply::json(200, GOOD))
        .on("GET", address, Reply::new(503, "busy"))
        .on("GET", address, Reply::json(200, r#"{"value":"e30.e30.two"}"#))
        .on("POST", TOKEN_PATH, Reply::json(200, GOOD))
        .on("GET", address, Reply::new(403, "denied for j0b-t0ken"));
    let credential = GitHubActionsCredential::from_vars(Cloud::public(), tenant(), client(), vars(&pairs))
        .unwrap()
        .with_transport(on(&script))
        .with_clock(clock());
    credential.get_token(&graph()).await.unwrap();
    credential.get_token(&graph().with_fresh()).await.unwrap();
    let authorization = script.requests()[0].headers()["authorization"].clone();
    assert!(authorization == "bearer j0b-t0ken" && authorization.is_sensitive());
    assert_eq!(field(&script, 1, "client_assertion"), "e30.e30.one");
    assert_eq!(field(&script, 4, "client_assertion"), "e30.e30.two");
    let error = credential.get_token(&graph().with_fresh()).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 403);
    assert!(!format!("{error:?} {credential:?}").contains("j0b-t0ken"), "{error:?}");
    script.assert_finished();

    let plain = [("ACTIONS_ID_TOKEN_REQUEST_URL", "http://pipelines.example/"), pairs[1]];
    let refused = GitHubActionsCredential::from_vars(Cloud::public(), tenant(), client(), vars(&plain));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_environment_names_a_secret_first() {
    let pairs = [
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", "Q8~+x=\n"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/nowhere"),
    ];
    let script = tokens(1);
    let credential = EnvironmentCredential::from_vars(Cloud::public(), vars(&pairs))
        .unwrap()
        .with_transport(on(&script))
        .with_clock(clock());
    assert_eq!((credential.tenant(), credential.client_id()), (&tenant(), client()));
    credential.get_token(&graph()).await.unwrap();
    assert_eq!(field(&script, 0, "client_secret"), "Q8~+x=");
    let workload = [&pairs[..2], &pairs[3..]].concat();
    let workload = EnvironmentCredential::from_vars(Cloud::public(), vars(&workload)).unwrap();
    assert!(format!("{workload:?}").contains("WorkloadIdentityCredential"));
    let nothing = EnvironmentCredential::from_vars(Cloud::public(), vars(&pairs[..2])).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::Unsupported);
}

#[test]
fn trap_9_a_secret_id_in_the_environment_is_refused_with_the_remedy() {
    let pairs = [
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_SECRET", "3f6d0c1a-2b3c-4d5e-8f90-a1b2c3d4e5f6"),
    ];
    let error = EnvironmentCredential::from_vars(Cloud::public(), vars(&pairs)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("Secret ID") && !error.to_string().contains("3f6d"), "{error}");
}

#[cfg(feature = "certificate")]
#[test]
fn a_certificate_of_the_environment_is_read_when_the_credential_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("client.pem");
    let pairs = [
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_CLIENT_CERTIFICATE_PATH", file.to_str().unwrap()),
        ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
    ];
    let made = || EnvironmentCredential::from_vars(Cloud::public(), vars(&pairs));
    assert!(made().unwrap_err().message().contains("cannot be read"));
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert!(made().unwrap_err().message().contains("damaged"));
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    std::fs::write(&file, format!("{}{}", pair.serialize_pem(), certificate.pem())).unwrap();
    assert!(format!("{:?}", made().unwrap()).contains("ClientCertificateCredential"));
}

#[tokio::test]
async fn a_chain_says_what_each_link_answered_and_sticks_with_the_one_that_worked() {
    let script = ScriptedTransport::new()
        .on("GET", "/metadata/identity/oauth2/token", Reply::failure(TransportErrorKind::NotSent))
        .on("POST", TOKEN_PATH, Reply::json(200, GOOD))
        .on("POST", TOKEN_PATH, Reply::json(401, REFUSED));
    let imds = ManagedIdentityCredential::from_vars(Cloud::public(), vars(&[]))
        .map(|c| c.with_transport(on(&script)).with_clock(clock()));
    let environment = EnvironmentCredential::from_vars(Cloud::public(), vars(&[]));
    let chain = ChainedCredential::new()
        .with("environment", environment)
        .with("managed identity", imds)
        .with("secret", Ok(secret("Q8~x", &script)));
    assert_eq!(chain.chosen(), None);
    let handle = Credential::new(chain.clone());
    for _ in 0..3 {
        handle.get_token(&graph()).await.unwrap();
    }
    assert_eq!(chain.chosen(), Some("secret"));
    // From now on it alone is asked, and its error is the chain's.
    let error = handle.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap_err();
    assert_eq!(error.service_code(), Some("invalid_client"));
    script.assert_finished();
}

#[tokio::test]
async fn a_configured_link_that_fails_ends_the_chain() {
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(401, REFUSED));
    let never = ScriptedTransport::new();
    let chain = ChainedCredential::new()
        .with("environment", EnvironmentCredential::from_vars(Cloud::public(), vars(&[])))
        .with("old secret", Ok(secret("Q8~x", &script)))
        .with("other identity", Ok(secret("Q8~y", &never)));
    let error = chain.get_token(&graph()).await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Authentication, Some("invalid_client")));
    assert_eq!(error.diagnosis().id(), "AUTH-SECRET-EXPIRED");
    assert!(error.message().starts_with("old secret failed: AADSTS7000222"), "{error}");
    assert!(error.message().contains("environment not configured: the variable AZURE_TENANT_ID"), "{error}");
    let answers = error.source().unwrap().downcast_ref::<ChainAnswers>().unwrap();
    let answers: Vec<_> = answers.iter().map(|a| (a.name(), a.is_configured())).collect();
    assert_eq!(answers, [("environment", false), ("old secret", true)]);
    assert!(never.requests().is_empty() && chain.chosen().is_none());

    // A link that is configured wrongly counts as failed.
    let wrong: Result<ClientSecretCredential, Error> = Err(Error::invalid("no such thing"));
    let chain = ChainedCredential::new().with("wrong", wrong).with("secret", Ok(secret("Q8~y", &never)));
    assert_eq!(chain.get_token(&graph()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let empty = ChainedCredential::new().get_token(&graph()).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn only_a_refused_credential_makes_the_other_one_tried() {
    let bad = r#"{"error":"unauthorized_client","error_codes":[700016]}"#;
    let replies = [
        (Reply::json(401, REFUSED), true),
        (Reply::json(400, bad), false),
        (Reply::json(400, r#"{"error":"invalid_scope"}"#), false),
    ];
    for (reply, other) in replies {
        let script = ScriptedTransport::new().on("POST", TOKEN_PATH, reply);
        let second = tokens(usize::from(other));
        let rotating = RotatingCredential::new(secret("Q8~old", &script), secret("Q8~new", &second));
        assert_eq!(rotating.get_token(&graph()).await.is_ok(), other);
        assert_eq!((rotating.current(), second.requests().len()), (usize::from(other), usize::from(other)));
    }
    // Once refused, the old one rests; a third one is found past two refusals.
    let script = || ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(401, REFUSED));
    let (one, two, three) = (script(), script(), tokens(2));
    let rotating =
        RotatingCredential::new(secret("Q8~1", &one), secret("Q8~2", &two)).with(secret("Q8~3", &three));
    rotating.get_token(&graph()).await.unwrap();
    rotating.get_token(&graph().with_fresh()).await.unwrap();
    assert_eq!(rotating.current(), 2);
    for script in [&one, &two, &three] {
        script.assert_finished();
    }
}

#[tokio::test]
async fn fifty_callers_of_a_rotation_cause_one_refusal_and_one_token() {
    let server = MockServer::start().await;
    let base: url::Url = server.uri().parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    for (value, status, body) in [("old", 401, REFUSED), ("new", 200, GOOD)] {
        Mock::given(method("POST"))
            .and(path(TOKEN_PATH))
            .and(body_string_contains(format!("client_secret={value}&")))
            .respond_with(
                ResponseTemplate::new(status).set_delay(Duration::from_millis(30)).set_body_string(body),
            )
            .expect(1)
            .mount(&server)
            .await;
    }
    let made =
        |value: &str| ClientSecretCredential::new(cloud.clone(), tenant(), client(), value.into()).unwrap();
    let rotating = Credential::new(RotatingCredential::new(made("old"), made("new")));
    let request = graph();
    let tokens = futures_util::future::join_all((0..50).map(|_| rotating.get_token(&request))).await;
    assert!(tokens.into_iter().all(|token| token.unwrap().expose_secret() == "abc"));
    server.verify().await;
}

#[tokio::test]
async fn trap_16_no_credential_follows_a_redirect() {
    let (server, elsewhere) = (MockServer::start().await, MockServer::start().await);
    let base: url::Url = server.uri().parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let away = ResponseTemplate::new(307).insert_header("location", elsewhere.uri());
    Mock::given(path(TOKEN_PATH)).respond_with(away.clone()).mount(&server).await;
    Mock::given(path("/msi")).respond_with(away).mount(&server).await;
    let given = |_: AssertionRequest| async { Ok("e30.e30.s".into()) };
    let assertion = ClientAssertionCredential::new(cloud.clone(), tenant(), client(), given);
    assert_eq!(assertion.get_token(&graph()).await.unwrap_err().status().unwrap(), 307);
    let endpoint = format!("{}/msi", server.uri());
    let pairs = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "h34der")];
    let managed = ManagedIdentityCredential::from_vars(cloud, vars(&pairs)).unwrap();
    assert_eq!(managed.get_token(&graph()).await.unwrap_err().status().unwrap(), 307);
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[test]
fn a_hit_through_chain_and_rotation_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let script = tokens(1);
    let rotating = RotatingCredential::new(secret("Q8~old", &script), secret("Q8~new", &tokens(0)));
    let handle = Credential::new(ChainedCredential::new().with("app", Ok(rotating)));
    let request = graph();
    runtime.block_on(handle.get_token(&request)).unwrap();
    let counted = allocation_counter::measure(|| {
        let _hit = handle.get_token(&request).now_or_never().unwrap().unwrap();
    });
    assert_eq!(counted.count_total, 0);
}
