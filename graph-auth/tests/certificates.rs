//! Client certificates: on the wire by script, and against the simulated tenant, which verifies every assertion.
#![cfg(feature = "certificate")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use graph_auth::{
    ClientCertificate, ClientCertificateCredential, ClientSecretCredential, ErrorKind, RotatingCredential,
    Signer, SigningAlgorithm, SigningInput,
};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::transport::ReqwestTransport;
use m365_core::{
    Body, ClientId, Cloud, Error, HttpTransport, Resource, SharedClock, TenantName, TokenCredential as _,
    TokenRequest, Transport, TransportError,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenant_sim::{Propagation, Tenant};

const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
const TOKEN_PATH: &str = "/contoso.example/oauth2/v2.0/token";
const GOOD: &str = r#"{"access_token":"abc","expires_in":3600}"#;
const REFUSED: &str = r#"{"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not within its valid time range.","error_codes":[700024]}"#;

struct Material {
    key: Vec<u8>,
    /// Two certificates over that one key.
    certificates: [Vec<u8>; 2],
}

static MATERIAL: LazyLock<Material> = LazyLock::new(|| {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let pair = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
    let certificates = [1u64, 2].map(|serial| {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.serial_number = Some(serial.into());
        parameters.self_signed(&pair).unwrap().der().to_vec()
    });
    Material { key: der.as_ref().to_vec(), certificates }
});

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn certificate_pem(number: usize) -> String {
    pem("CERTIFICATE", &MATERIAL.certificates[number])
}

fn key_pem() -> String {
    pem("PRIVATE KEY", &MATERIAL.key)
}

fn certificate(number: usize) -> ClientCertificate {
    ClientCertificate::from_pem(&format!("{}{}", certificate_pem(number), key_pem()).into()).unwrap()
}

fn scripted(certificate: ClientCertificate, script: &ScriptedTransport) -> ClientCertificateCredential {
    ClientCertificateCredential::new(
        Cloud::public(),
        TenantName::parse("contoso.example").unwrap(),
        ClientId::parse(CLIENT).unwrap(),
        certificate,
    )
    .with_transport(Transport::new(script.clone()))
    .with_clock(SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap())))
}

fn field(body: &[u8], name: &str) -> String {
    form_urlencoded::parse(body).find(|(n, _)| n == name).unwrap().1.into_owned()
}

/// Header, payload, and whether the signature is that of the key.
fn opened(request: &http::Request<Bytes>) -> (Value, Value, bool) {
    let assertion = field(request.body(), "client_assertion");
    let (input, signature) = assertion.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let [header, payload]: [Value; 2] =
        [header, payload].map(|part| serde_json::from_slice(&decode(part)).unwrap());
    let public = RsaKeyPair::from_pkcs8(&MATERIAL.key).unwrap().public_key().as_ref().to_vec();
    let algorithm = match header["alg"].as_str().unwrap() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    };
    let good = UnparsedPublicKey::new(algorithm, public).verify(input.as_bytes(), &decode(signature)).is_ok();
    (header, payload, good)
}

fn graph() -> TokenRequest {
    TokenRequest::new(Resource::Graph)
}

#[tokio::test]
async fn trap_6_each_request_carries_its_own_signed_assertion() {
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(200, GOOD)).on(
        "POST",
        TOKEN_PATH,
        Reply::json(200, GOOD),
    );
    let credential = scripted(certificate(0), &script);
    credential.get_token(&graph()).await.unwrap();
    credential.get_token(&graph()).await.unwrap();
    credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
    script.assert_finished();
    let sent = script.requests();
    assert_eq!(
        field(sent[0].body(), "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let (header, payload, good) = opened(&sent[0]);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &MATERIAL.certificates[0]));
    assert_eq!(header, json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
    assert!(good);
    assert_eq!(payload["aud"], format!("https://login.microsoftonline.com{TOKEN_PATH}"));
    assert_eq!((&payload["iss"], &payload["sub"]), (&json!(CLIENT), &json!(CLIENT)));
    let number = |name: &str| payload[name].as_i64().unwrap();
    assert_eq!(number("exp") - number("nbf"), 600);
    let (_, other, good) = opened(&sent[1]);
    assert!(good && payload["jti"] != other["jti"]);
}

#[tokio::test]
async fn an_assertion_for_a_request_of_the_callers_own() {
    let (cloud, tenant) = (Cloud::us_gov_l4(), TenantName::parse("contoso.example").unwrap());
    let now = "2026-11-21T08:00:00Z".parse().unwrap();
    let assertion = certificate(0)
        .client_assertion(&cloud, &tenant, ClientId::parse(CLIENT).unwrap(), now)
        .await
        .unwrap();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_assertion", assertion.expose_secret())
        .finish();
    let (header, payload, good) = opened(&http::Request::new(form.into()));
    assert!(good);
    assert_eq!(header["alg"], "PS256");
    assert_eq!(payload["aud"], format!("https://login.microsoftonline.us{TOKEN_PATH}"));
}

#[tokio::test]
async fn the_chain_is_sent_on_wish_only() {
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(200, GOOD));
    let text = format!("{}{}{}", certificate_pem(1), certificate_pem(0), key_pem());
    let both = ClientCertificate::from_pem(&text.into()).unwrap();
    scripted(both, &script).with_send_chain().get_token(&graph()).await.unwrap();
    let (header, _, good) = opened(&script.requests()[0]);
    let expected = [1, 0].map(|n| STANDARD.encode(&MATERIAL.certificates[n]));
    assert_eq!(header["x5c"], json!(expected));
    assert!(good);
}

/// A key in a module that knows PKCS #1 v1.5 only.
#[derive(Debug, Default)]
struct OldModule {
    asked: Arc<[AtomicU32; 2]>,
}

impl Signer for OldModule {
    async fn sign(&self, input: SigningInput<'_>) -> graph_auth::Result<Vec<u8>> {
        assert_eq!(input.sha256(), digest(&SHA256, input.message()).as_ref());
        tokio::task::yield_now().await;
        if input.algorithm() == SigningAlgorithm::Ps256 {
            self.asked[0].fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(ErrorKind::Unsupported, "no PSS here"));
        }
        self.asked[1].fetch_add(1, Ordering::Relaxed);
        let key = RsaKeyPair::from_pkcs8(&MATERIAL.key).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.message(), &mut signature).unwrap();
        Ok(signature)
    }
}

#[tokio::test]
async fn a_signer_that_refuses_pss_gets_rs256_and_is_not_asked_twice() {
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(200, GOOD)).on(
        "POST",
        TOKEN_PATH,
        Reply::json(200, GOOD),
    );
    let module = OldModule::default();
    let asked = module.asked.clone();
    let held = ClientCertificate::with_signer(&certificate_pem(0), module).unwrap();
    let credential = scripted(held.clone(), &script);
    credential.get_token(&graph()).await.unwrap();
    credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
    for request in script.requests() {
        let (header, _, good) = opened(&request);
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &MATERIAL.certificates[0]));
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "x5t": thumbprint}));
        assert!(good);
    }
    assert_eq!([0, 1].map(|n| asked[n].load(Ordering::Relaxed)), [1, 2]);
    // Who insists on PS256 hears the module's answer.
    let insisting = scripted(held, &ScriptedTransport::new()).with_algorithm(SigningAlgorithm::Ps256);
    assert_eq!(insisting.get_token(&graph()).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn trap_6_the_clock_is_corrected_exactly_once() {
    let late = || Reply::json(401, REFUSED).header("date", "Sat, 21 Nov 2026 09:00:00 GMT");
    // Refused again: no third assertion.
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, late()).on("POST", TOKEN_PATH, late());
    let error = scripted(certificate(0), &script).get_token(&graph()).await.unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::Authentication, "AUTH-CLOCK-SKEW"));
    script.assert_finished();
    let starts: Vec<_> = script.requests().iter().map(|r| opened(r).1["nbf"].as_i64().unwrap()).collect();
    assert_eq!(starts[1] - starts[0], 3600);

    // Accepted: remembered for the next token.
    let script = ScriptedTransport::new()
        .on("POST", TOKEN_PATH, late())
        .on("POST", TOKEN_PATH, Reply::json(200, GOOD))
        .on("POST", TOKEN_PATH, Reply::json(200, GOOD));
    let credential = scripted(certificate(0), &script);
    credential.get_token(&graph()).await.unwrap();
    credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
    script.assert_finished();
    assert_eq!(opened(&script.requests()[2]).1["nbf"].as_i64().unwrap() - starts[0], 3600);

    // A clock that is right, an error of another kind, and a secret: one request each.
    for (reply, case) in [
        (Reply::json(401, REFUSED).header("date", "Sat, 21 Nov 2026 08:00:05 GMT"), "right clock"),
        (Reply::json(401, REFUSED), "no date"),
        (
            Reply::json(400, r#"{"error":"unauthorized_client"}"#)
                .header("date", "Sat, 21 Nov 2026 09:00:00 GMT"),
            "another error",
        ),
    ] {
        let script = ScriptedTransport::new().on("POST", TOKEN_PATH, reply);
        assert!(scripted(certificate(0), &script).get_token(&graph()).await.is_err());
        assert_eq!(script.requests().len(), 1, "{case}");
    }
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, late());
    let tenant = TenantName::parse("contoso.example").unwrap();
    let secret =
        ClientSecretCredential::new(Cloud::public(), tenant, ClientId::parse(CLIENT).unwrap(), "Q8~x".into());
    let secret = secret
        .unwrap()
        .with_transport(Transport::new(script.clone()))
        .with_clock(SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap())));
    assert!(secret.get_token(&graph()).await.is_err());
    assert_eq!(script.requests().len(), 1);
}

/// Remembers what it sends.
#[derive(Clone, Debug)]
struct Recording(Transport, Arc<Mutex<Vec<http::Request<Bytes>>>>);

impl HttpTransport for Recording {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        self.1.lock().unwrap().push(request.clone());
        self.0.send(request).await
    }
}

/// A strict tenant with an app that has these certificates, registered through Graph.
struct Story {
    tenant: Tenant,
    transport: Recording,
    admin: String,
    object: String,
    client: ClientId,
}

impl Story {
    async fn begin(certificates: &[usize]) -> Self {
        let tenant =
            Tenant::builder().propagation(Propagation::instant()).strict(true).start().await.unwrap();
        let transport = Recording(Transport::new(ReqwestTransport::new().unwrap()), Arc::default());
        let setup = tenant.setup_identity();
        let mut story = Self {
            tenant,
            transport,
            admin: String::new(),
            object: String::new(),
            client: ClientId::from_bytes([0; 16]),
        };
        let admin = ClientSecretCredential::new(
            story.cloud(),
            story.name(),
            ClientId::parse(&setup.client_id.to_string()).unwrap(),
            setup.secret.into(),
        )
        .unwrap();
        story.admin = admin.get_token(&graph()).await.unwrap().expose_secret().to_owned();
        let app = json!({"displayName": "Acme", "signInAudience": "AzureADMyOrg"});
        let (_, made) = story.graph("POST", "/applications", app).await;
        story.object = made["id"].as_str().unwrap().to_owned();
        story.client = ClientId::parse(made["appId"].as_str().unwrap()).unwrap();
        story.graph("POST", "/servicePrincipals", json!({"appId": made["appId"]})).await;
        story.register(certificates).await;
        story
    }

    async fn register(&self, certificates: &[usize]) {
        let keys: Vec<_> = certificates
            .iter()
            .map(|&n| {
                json!({"type": "AsymmetricX509Cert", "usage": "Verify", "displayName": "CN=acme",
                    "key": STANDARD.encode(certificate(n).der())})
            })
            .collect();
        let path = format!("/applications/{}", self.object);
        let (status, answer) = self.graph("PATCH", &path, json!({"keyCredentials": keys})).await;
        assert_eq!(status, 204, "{answer}");
    }

    async fn graph(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}/v1.0{path}", self.tenant.http_url()))
            .header("authorization", format!("Bearer {}", self.admin))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    async fn send(&self, request: http::Request<Bytes>) -> (u16, Value) {
        let (head, body) = self.transport.0.send(request).await.unwrap().into_parts();
        let body = body.collect(1 << 20).await.unwrap();
        (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn cloud(&self) -> Cloud {
        let base: url::Url = self.tenant.http_url().parse().unwrap();
        Cloud::public().with_base_urls(base.clone(), base.clone(), base)
    }

    fn name(&self) -> TenantName {
        TenantName::parse(&self.tenant.tenant_id().to_string()).unwrap()
    }

    fn credential(&self, certificate: ClientCertificate) -> ClientCertificateCredential {
        ClientCertificateCredential::new(self.cloud(), self.name(), self.client, certificate)
            .with_transport(Transport::new(self.transport.clone()))
            .with_clock(SharedClock::new(ManualClock::at(self.tenant.now())))
    }

    fn sent(&self) -> Vec<http::Request<Bytes>> {
        self.transport.1.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_strict_tenant_accepts_ps256_and_rs256_and_refuses_a_replay() {
    let story = Story::begin(&[0]).await;
    for algorithm in [SigningAlgorithm::Ps256, SigningAlgorithm::Rs256] {
        let credential = story.credential(certificate(0)).with_algorithm(algorithm);
        let token = credential.get_token(&graph()).await.unwrap();
        let payload = token.expose_secret().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert_eq!((&claims["appidacr"], &claims["appid"]), (&json!("2"), &json!(story.client)));
        let again = story.sent().last().unwrap().clone();
        let (status, answer) = story.send(again).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    }
    // By domain, and with the chain.
    let credential = story.credential(certificate(0)).with_send_chain();
    let request = graph().with_tenant(TenantName::parse(&story.tenant.domain()).unwrap());
    credential.get_token(&request).await.unwrap();
}

#[tokio::test]
async fn a_clock_an_hour_off_costs_one_more_request_and_then_none() {
    for ahead in [true, false] {
        let story = Story::begin(&[0]).await;
        let hour = Duration::from_secs(3600);
        let now = if ahead { story.tenant.now() + hour } else { story.tenant.now() - hour };
        let credential = story.credential(certificate(0)).with_clock(SharedClock::new(ManualClock::at(now)));
        credential.get_token(&graph()).await.unwrap();
        assert_eq!(story.sent().len(), 2);
        credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
        assert_eq!(story.sent().len(), 3);
    }
}

#[tokio::test]
async fn trap_15_a_renewed_certificate_over_the_same_key_is_another_credential() {
    let story = Story::begin(&[0]).await;
    let (old, new) = (story.credential(certificate(0)), story.credential(certificate(1)));
    old.get_token(&graph()).await.unwrap();
    assert_eq!(new.get_token(&graph()).await.unwrap_err().service_code(), Some("invalid_client"));
    story.register(&[1]).await;
    new.get_token(&graph().with_fresh()).await.unwrap();
    let error = old.get_token(&graph().with_fresh()).await.unwrap_err();
    assert_eq!((error.kind(), error.diagnosis().id()), (ErrorKind::Authentication, "AUTH-CERT-UNKNOWN"));
}

#[tokio::test]
async fn a_rotation_without_downtime() {
    let story = Story::begin(&[0]).await;
    let rotating =
        RotatingCredential::new(story.credential(certificate(0)), story.credential(certificate(1)));
    rotating.get_token(&graph()).await.unwrap();
    assert_eq!((rotating.current(), story.sent().len()), (0, 1));
    story.register(&[0, 1]).await;
    rotating.get_token(&graph().with_fresh()).await.unwrap();
    assert_eq!((rotating.current(), story.sent().len()), (0, 2));
    story.register(&[1]).await;
    rotating.get_token(&graph().with_fresh()).await.unwrap();
    assert_eq!((rotating.current(), story.sent().len()), (1, 4), "one refusal, one token");
    rotating.get_token(&graph().with_fresh()).await.unwrap();
    assert_eq!(story.sent().len(), 5);
    // Cached, by the credential that is in use now.
    assert!(rotating.cached_token(&graph()).is_some());
    story.register(&[]).await;
    let error = rotating.get_token(&graph().with_fresh()).await.unwrap_err();
    assert!(error.message().starts_with("all 2 credentials were refused"), "{error}");
    assert_eq!(error.service_code(), Some("invalid_client"));
}
