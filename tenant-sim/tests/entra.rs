//! The token endpoint and its refusals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod common;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use common::{Answer, EXCHANGE, GRAPH, World, answer, claims, text};
use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tenant_sim::{Propagation, Tenant};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn number(answer: &Answer) -> u64 {
    answer.body["error_codes"][0].as_u64().expect("an AADSTS number")
}

#[tokio::test]
async fn tokens_carry_the_documented_claims_and_a_random_life() {
    let world = World::instant().await;
    let setup = world.tenant.setup_identity();
    let mut lives = Vec::new();
    for _ in 0..4 {
        let token = world.sign_in(&setup.client_id.to_string(), &setup.secret, GRAPH).await.unwrap();
        let claims = claims(&token);
        assert_eq!(claims["aud"], "https://graph.microsoft.com");
        assert_eq!(claims["iss"], format!("https://sts.windows.net/{}/", world.tenant.tenant_id()));
        assert_eq!(claims["tid"], world.tenant.tenant_id().to_string());
        assert_eq!(claims["appid"], setup.client_id.to_string());
        assert_eq!((&claims["idtyp"], &claims["appidacr"]), (&json!("app"), &json!("1")));
        assert_eq!(claims["oid"], claims["sub"]);
        assert_ne!(claims["oid"], claims["appid"]);
        assert!(claims["roles"].as_array().unwrap().contains(&json!("Application.ReadWrite.OwnedBy")));
        assert!(!claims["roles"].to_string().contains("Exchange.ManageAsApp"), "roles of another resource");
        lives.push(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap());
    }
    assert!(lives.iter().all(|l| (3600..=5100).contains(l)), "{lives:?}");
    lives.dedup();
    assert!(lives.len() > 1);
    let exchange = world.sign_in(&setup.client_id.to_string(), &setup.secret, EXCHANGE).await.unwrap();
    assert_eq!(claims(&exchange)["aud"], "https://outlook.office365.com");
    assert_eq!(claims(&exchange)["roles"], json!(["Exchange.ManageAsApp"]));
}

#[tokio::test]
async fn every_refusal_has_its_number_and_status() {
    let world = World::instant().await;
    let setup = world.tenant.setup_identity();
    let client = setup.client_id.to_string();
    let base = [
        ("grant_type", "client_credentials"),
        ("client_id", client.as_str()),
        ("client_secret", setup.secret.as_str()),
        ("scope", GRAPH),
    ];
    let with = |name: &'static str, value: &'static str| {
        base.map(|(k, v)| if k == name { (k, value) } else { (k, v) })
    };
    let cases = [
        (with("client_secret", "0f3c2a11-7a54-4b8e-9a7e-2b1c3d4e5f60"), 7_000_215, 401, "invalid_client"),
        (with("client_secret", ""), 7_000_218, 401, "invalid_client"),
        (with("client_id", "11111111-2222-3333-4444-555555555555"), 700_016, 400, "unauthorized_client"),
        (with("scope", "https://graph.microsoft.com/Mail.Read"), 1_002_012, 400, "invalid_scope"),
        (with("scope", "nonsense/.default"), 70_011, 400, "invalid_scope"),
        (with("scope", "https://api.fabrikam.example/.default"), 500_011, 400, "invalid_resource"),
        (with("grant_type", "password"), 70_003, 400, "unsupported_grant_type"),
    ];
    for (fields, expected, status, error) in cases {
        let refused = world.token_request(&fields).await;
        assert_eq!((number(&refused), refused.status.as_u16()), (expected, status), "{refused:?}");
        assert_eq!(refused.body["error"], error);
        let description = text(&refused.body["error_description"]);
        assert!(description.starts_with(&format!("AADSTS{expected}: ")), "{description}");
        assert!(description.contains("Trace ID: ") && description.contains("Correlation ID: "));
        assert!(!description.contains(&setup.secret));
    }
    for (tenant, expected) in [("unknown.example", 90_002), ("common", 9_001_023)] {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", world.tenant.http_url());
        let refused = answer(world.http.post(url).form(&base)).await;
        assert_eq!((number(&refused), refused.status), (expected, StatusCode::BAD_REQUEST));
    }
    world.tenant.with_state(|state| {
        let sp = state.directory.service_principals.iter_mut().find(|sp| sp.value.app_id == setup.client_id);
        sp.unwrap().value.account_enabled = false;
    });
    assert_eq!(number(&world.token_request(&base).await), 7_000_112);
}

#[tokio::test]
async fn both_separators_of_descriptions_occur() {
    let world = World::instant().await;
    let short = world.token_request(&[("grant_type", "nonsense")]).await;
    let long = world.sign_in("x", "y", GRAPH).await;
    assert!(text(&short.body["error_description"]).contains("\r\nTrace ID"));
    assert_eq!(long, Err(700_016));
}

#[tokio::test]
async fn a_secret_replicates_and_expires_on_the_tenants_clock() {
    let world = World::realistic().await;
    let app = world.upsert("rot", json!({"displayName": "rot"})).await.body;
    let (id, client) = (text(&app["id"]), text(&app["appId"]));
    world.tenant.clock().advance(SignedDuration::from_secs(5));
    world.post("/servicePrincipals", json!({"appId": client})).await;
    let end = (world.tenant.now() + SignedDuration::from_hours(1)).to_string();
    let added = world
        .post(&format!("/applications/{id}/addPassword"), json!({"passwordCredential": {"endDateTime": end}}))
        .await;
    let secret = text(&added.body["secretText"]);
    assert_eq!(world.sign_in(&client, &secret, GRAPH).await, Err(7_000_215), "not replicated");
    world.tenant.clock().advance(SignedDuration::from_secs(15));
    let token = world.sign_in(&client, &secret, GRAPH).await.expect("replicated");
    assert!(claims(&token).get("roles").is_none(), "no role granted, no claim");
    world.tenant.clock().advance(SignedDuration::from_hours(1));
    assert_eq!(world.sign_in(&client, &secret, GRAPH).await, Err(7_000_222));
}

#[tokio::test]
async fn a_fresh_app_is_unknown_first_and_then_lacks_its_service_principal() {
    let world = World::realistic().await;
    let app = world.upsert("new", json!({"displayName": "new"})).await.body;
    let client = text(&app["appId"]);
    assert_eq!(world.sign_in(&client, "x", GRAPH).await, Err(700_016));
    world.tenant.clock().advance(SignedDuration::from_secs(5));
    let added = world.post(&format!("/applications/{}/addPassword", text(&app["id"])), json!({})).await;
    world.tenant.clock().advance(SignedDuration::from_secs(15));
    let secret = text(&added.body["secretText"]);
    assert_eq!(world.sign_in(&client, &secret, GRAPH).await, Err(7_000_229));
}

#[tokio::test]
async fn roles_are_frozen_at_issue() {
    let world = World::realistic().await;
    let setup = world.tenant.setup_identity();
    let app = world.upsert("froz", json!({"displayName": "froz"})).await.body;
    let client = text(&app["appId"]);
    world.tenant.clock().advance(SignedDuration::from_secs(10));
    let principal = text(&world.post("/servicePrincipals", json!({"appId": client})).await.body["id"]);
    let secret = text(
        &world.post(&format!("/applications/{}/addPassword", text(&app["id"])), json!({})).await.body["secretText"],
    );
    world.tenant.clock().advance(SignedDuration::from_secs(20));
    let api = world.get(&format!("/servicePrincipals(appId='{}')", common::GRAPH_API)).await.body;
    let grant = json!({"principalId": principal, "resourceId": api["id"],
        "appRoleId": common::role_id(&api, "Mail.Read")});
    let path = format!("/servicePrincipals/{}/appRoleAssignedTo", text(&api["id"]));
    assert_eq!(world.post(&path, grant.clone()).await.status, StatusCode::CREATED);
    let repeated = world.post(&path, grant).await;
    assert_eq!(repeated.status, StatusCode::BAD_REQUEST);
    assert!(repeated.body.to_string().contains("Permission being assigned already exists on the object"));
    let early = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert!(claims(&early).get("roles").is_none(), "consent replicates");
    world.tenant.clock().advance(SignedDuration::from_secs(20));
    let late = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(claims(&late)["roles"], json!(["Mail.Read"]));
    let inbox = format!("{}/v1.0/users/alice@contoso.example/messages", world.tenant.http_url());
    let read = async |token: &str| answer(world.http.get(&inbox).bearer_auth(token)).await.status;
    assert_eq!(read(&early).await, StatusCode::FORBIDDEN);
    assert_eq!(read(&late).await, StatusCode::OK);
    // Taking the consent back does not reach the token that is out already.
    let grants = world.get(&format!("/servicePrincipals/{principal}/appRoleAssignments")).await.body;
    let id = text(&grants["value"][0]["id"]);
    let gone = world.delete(&format!("/servicePrincipals/{principal}/appRoleAssignments/{id}")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    world.tenant.clock().advance(SignedDuration::from_secs(60));
    assert_eq!(read(&late).await, StatusCode::OK);
    assert!(claims(&world.sign_in(&client, &secret, GRAPH).await.unwrap()).get("roles").is_none());
    world.tenant.clock().advance(SignedDuration::from_hours(2));
    assert_eq!(read(&late).await, StatusCode::UNAUTHORIZED);
    assert!(world.sign_in(&setup.client_id.to_string(), &setup.secret, GRAPH).await.is_ok());
}

struct Signer {
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Signer {
    fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let pair = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
        Self { key, certificate }
    }

    fn sign(&self, header: &Value, claims: &Value, padding: &'static dyn RsaEncoding) -> String {
        let part = |v: &Value| BASE64_URL_SAFE_NO_PAD.encode(v.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(padding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn ps256(&self, claims: &Value) -> String {
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.certificate));
        self.sign(&json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}), claims, &RSA_PSS_SHA256)
    }
}

async fn certificate_world(strict: bool) -> (World, Signer, String, String) {
    let tenant = Tenant::builder().propagation(Propagation::instant()).strict(strict).start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut world = World { tenant, http, token: String::new() };
    let setup = world.tenant.setup_identity();
    world.token = world.sign_in(&setup.client_id.to_string(), &setup.secret, GRAPH).await.unwrap();
    let app = world.upsert("cert", json!({"displayName": "cert"})).await.body;
    let (id, client) = (text(&app["id"]), text(&app["appId"]));
    world.post("/servicePrincipals", json!({"appId": client})).await;
    let signer = Signer::new();
    let key = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "displayName": "CN=test",
        "key": BASE64_STANDARD.encode(&signer.certificate)});
    let patched = world.patch(&format!("/applications/{id}"), json!({"keyCredentials": [key]})).await;
    assert_eq!(patched.status, StatusCode::NO_CONTENT, "{patched:?}");
    (world, signer, client, id)
}

fn assertion_claims(world: &World, client: &str) -> Value {
    let now = world.tenant.now().as_second();
    json!({"aud": world.token_url(), "iss": client, "sub": client, "jti": "j-1", "nbf": now, "iat": now,
        "exp": now + 600})
}

async fn send(world: &World, client: &str, assertion: &str) -> Answer {
    world
        .token_request(&[
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
            ("scope", GRAPH),
        ])
        .await
}

#[tokio::test]
async fn assertions_are_really_verified() {
    let (world, signer, client, id) = certificate_world(false).await;
    let good = assertion_claims(&world, &client);
    let issued = send(&world, &client, &signer.ps256(&good)).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    assert_eq!(claims(&text(&issued.body["access_token"]))["appidacr"], "2");

    let sha1 =
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &signer.certificate));
    let rs256 = signer.sign(&json!({"alg": "RS256", "x5t": sha1}), &good, &RSA_PKCS1_SHA256);
    assert_eq!(send(&world, &client, &rs256).await.status, StatusCode::OK);

    // A foreign key with the right thumbprint, and a signature of the wrong kind.
    let foreign = Signer { key: Signer::new().key, certificate: signer.certificate.clone() };
    assert_eq!(number(&send(&world, &client, &foreign.ps256(&good)).await), 700_027);
    let mislabelled = signer.sign(&json!({"alg": "PS256", "x5t": sha1}), &good, &RSA_PKCS1_SHA256);
    assert_eq!(number(&send(&world, &client, &mislabelled).await), 700_027);
    assert_eq!(number(&send(&world, &client, &Signer::new().ps256(&good)).await), 700_027);

    let now = world.tenant.now().as_second();
    for (claim, value, expected) in [
        ("exp", json!(now - 301), 700_024),
        ("nbf", json!(now + 301), 700_024),
        ("aud", json!("https://login.microsoftonline.us/x/oauth2/v2.0/token"), 700_023),
        ("iss", json!(id), 700_021),
        ("sub", json!("someone"), 700_021),
    ] {
        let mut bad = good.clone();
        bad[claim] = value;
        assert_eq!(number(&send(&world, &client, &signer.ps256(&bad)).await), expected, "{claim}");
    }
    // The PATCH replaces the list: without its entry the certificate is gone.
    world.patch(&format!("/applications/{id}"), json!({"keyCredentials": []})).await;
    assert_eq!(number(&send(&world, &client, &signer.ps256(&good)).await), 700_027);
}

#[tokio::test]
async fn strict_mode_refuses_what_the_default_tolerates() {
    for strict in [false, true] {
        let (world, signer, client, _) = certificate_world(strict).await;
        let good = assertion_claims(&world, &client);
        let expected = if strict { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let once = signer.ps256(&good);
        assert_eq!(send(&world, &client, &once).await.status, StatusCode::OK);
        assert_eq!(send(&world, &client, &once).await.status, expected, "replayed");
        let mut text_numbers = good.clone();
        text_numbers["exp"] = json!(good["exp"].to_string());
        text_numbers["jti"] = json!("j-2");
        assert_eq!(send(&world, &client, &signer.ps256(&text_numbers)).await.status, expected, "exp as text");
        let mut floats = good.clone();
        floats["exp"] = json!(good["exp"].as_f64().unwrap() + 0.5);
        floats["jti"] = json!("j-3");
        assert_eq!(send(&world, &client, &signer.ps256(&floats)).await.status, expected, "exp as float");

        let setup = world.tenant.setup_identity();
        let fields = [("grant_type", "client_credentials"), ("scope", GRAPH)];
        let basic =
            world.http.post(world.token_url()).basic_auth(setup.client_id, Some(&setup.secret)).form(&fields);
        let expected = if strict { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(answer(basic).await.status, expected, "HTTP Basic");
    }
}

#[tokio::test]
async fn discovery_names_the_tenant_by_id_even_when_asked_by_domain() {
    let world = World::instant().await;
    let base = world.tenant.http_url();
    let url = format!("{base}/contoso.example/v2.0/.well-known/openid-configuration");
    let found = answer(world.http.get(url)).await.body;
    assert_eq!(found["issuer"], format!("{base}/{}/v2.0", world.tenant.tenant_id()));
    assert_eq!(found["token_endpoint"], format!("{base}/contoso.example/oauth2/v2.0/token"));
    let keys = answer(world.http.get(text(&found["jwks_uri"]))).await.body;
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    let unknown = format!("{base}/fabrikam.example/v2.0/.well-known/openid-configuration");
    assert_eq!(number(&answer(world.http.get(unknown)).await), 90_002);
}

#[tokio::test]
async fn the_date_header_follows_the_tenants_clock() {
    let world = World::instant().await;
    world.tenant.clock().advance(SignedDuration::from_hours(5));
    let date = world.get("/organization").await.headers["date"].to_str().unwrap().to_owned();
    assert_eq!(date, "Sat, 21 Nov 2026 13:00:00 GMT");
}

#[tokio::test]
async fn graph_says_why_a_token_is_refused() {
    let world = World::instant().await;
    let setup = world.tenant.setup_identity();
    let exchange = world.sign_in(&setup.client_id.to_string(), &setup.secret, EXCHANGE).await.unwrap();
    let url = format!("{}/v1.0/users", world.tenant.http_url());
    let wrong = answer(world.http.get(&url).bearer_auth(exchange)).await;
    assert_eq!(
        (wrong.status, common::code(&wrong).as_str()),
        (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken")
    );
    assert!(wrong.body.to_string().contains("Invalid audience"));
    world.tenant.clock().advance(SignedDuration::from_hours(2));
    let expired = answer(world.http.get(&url).bearer_auth(&world.token)).await;
    assert_eq!(expired.status, StatusCode::UNAUTHORIZED);
    assert!(expired.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    let mut forged = world.token.clone();
    forged.truncate(forged.len() - 8);
    forged.push_str("AAAAAAAA");
    assert_eq!(answer(world.http.get(&url).bearer_auth(forged)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(world.http.get(&url)).await.status, StatusCode::UNAUTHORIZED);
}
