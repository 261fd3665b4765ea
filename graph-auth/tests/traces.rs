//! Nothing secret is traced, told or shown. One test alone in its process: a callsite that a thread without a subscriber
//! meets first may stay silent for the others.
#![cfg(feature = "certificate")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graph_auth::{ClientCertificate, ClientCertificateCredential, ClientSecretCredential};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    ClientId, Cloud, Resource, SharedClock, TenantName, TokenCredential, TokenRequest, Transport,
};

const SECRET: &str = "Q8~very.hidden+value=";
const TOKEN: &str = "e30.eyJ0aWQiOiIifQ.c2lnbmF0dXJl";
const TOKEN_PATH: &str = "/contoso.example/oauth2/v2.0/token";
const REFUSED: &str = r#"{"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not within its valid time range.","error_codes":[700024]}"#;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn app() -> (Cloud, TenantName, ClientId) {
    let tenant = TenantName::parse("contoso.example").unwrap();
    (Cloud::public(), tenant, ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap())
}

fn clock() -> SharedClock {
    SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap()))
}

fn granted() -> Reply {
    Reply::json(200, &format!(r#"{{"access_token":"{TOKEN}","expires_in":3600}}"#))
}

/// Gets a token, is refused another, and gives back all that errors and `Debug` show.
async fn told(credential: &impl TokenCredential) -> String {
    let request = TokenRequest::new(Resource::Graph);
    let good = credential.get_token(&request).await.unwrap();
    let error = credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap_err();
    let rejected = request.with_rejected(good.clone());
    let mut shown = format!("{credential:?} {good:?} {rejected:?} {error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        shown += &format!("{inner} {inner:?}");
        source = inner.source();
    }
    shown
}

#[tokio::test]
async fn trap_11_no_secret_token_assertion_or_key_in_traces_errors_or_debug() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);

    let echo = format!("<html>client_secret=Q8%7Every.hidden%2Bvalue%3D {SECRET}</html>");
    let script = ScriptedTransport::new()
        .on("POST", TOKEN_PATH, Reply::new(503, echo.clone()))
        .on("POST", TOKEN_PATH, granted())
        .on("POST", TOKEN_PATH, Reply::new(403, echo));
    let (cloud, tenant, client) = app();
    let secret = ClientSecretCredential::new(cloud, tenant, client, SECRET.into())
        .unwrap()
        .with_transport(Transport::new(script.clone()))
        .with_clock(clock());
    let mut shown = told(&secret).await;
    script.assert_finished();

    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let text = format!("{}{}", pair.serialize_pem(), certificate.pem());
    let certificate = ClientCertificate::from_pem(&text.into()).unwrap();
    let skewed = Reply::json(401, REFUSED).header("date", "Sat, 21 Nov 2026 09:00:00 GMT");
    let script = ScriptedTransport::new()
        .on("POST", TOKEN_PATH, Reply::new(503, "busy"))
        .on("POST", TOKEN_PATH, skewed)
        .on("POST", TOKEN_PATH, granted())
        .on("POST", TOKEN_PATH, Reply::new(403, "<p>eyJhbGciOiJQUzI1NiJ9"));
    let (cloud, tenant, client) = app();
    let signed = ClientCertificateCredential::new(cloud, tenant, client, certificate)
        .with_transport(Transport::new(script.clone()))
        .with_clock(clock());
    shown += &told(&signed).await;
    shown += &format!("{:?}", signed.certificate());
    script.assert_finished();

    drop(guard);
    let traced = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("token minted") && traced.contains("clock differs"), "was heard: {traced}");
    let key = STANDARD.encode(pair.serialized_der());
    let assertions: Vec<String> = script
        .requests()
        .iter()
        .map(|request| {
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            body.split_once("client_assertion=").unwrap().1[..40].to_owned()
        })
        .collect();
    for text in [&shown, &traced] {
        for hidden in ["very.hidden", "eyJ", "c2lnbmF0dXJl", &key[100..140]] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
        assert!(!assertions.iter().any(|assertion| text.contains(assertion)), "{text}");
    }
}
