//! Certificates of a registration: the list that a PATCH replaces, and `addKey`/`removeKey` with their proof.
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
use common::{GRAPH, World, answer, code, text};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tenant_sim::Propagation;

struct Holder {
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Holder {
    fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
        let pair = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2027, 11, 21);
        let certificate = params.self_signed(&pair).unwrap().der().to_vec();
        Self { key, certificate }
    }

    fn entry(&self) -> Value {
        json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64_STANDARD.encode(&self.certificate)})
    }

    fn sign(&self, algorithm: &str, claims: &Value) -> String {
        let padding: &'static dyn RsaEncoding =
            if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let part = |v: &Value| BASE64_URL_SAFE_NO_PAD.encode(v.to_string());
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.certificate));
        let header = json!({"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint});
        let input = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(padding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn proof_claims(world: &World, application: &str) -> Value {
    let now = world.tenant.now().as_second();
    json!({"aud": "00000002-0000-0000-c000-000000000000", "iss": application, "nbf": now, "exp": now + 600})
}

/// A world whose caller is an app without permissions, with one certificate: (world, holder, object id, admin's token).
async fn app_world() -> (World, Holder, String, String) {
    let mut world = World::with(Propagation::instant()).await;
    let (client, secret, _) = world.product_app("acme", &[]).await;
    let found = world.get(&format!("/applications(appId='{client}')")).await;
    let id = text(&found.body["id"]);
    let holder = Holder::new();
    let keys = json!({"keyCredentials": [holder.entry()]});
    assert_eq!(world.patch(&format!("/applications/{id}"), keys).await.status, StatusCode::NO_CONTENT);
    let admin = std::mem::take(&mut world.token);
    world.token = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    (world, holder, id, admin)
}

async fn add(world: &World, id: &str, new: &Holder, proof: &str) -> common::Answer {
    let body = json!({"keyCredential": new.entry(), "passwordCredential": null, "proof": proof});
    world.post(&format!("/applications/{id}/addKey"), body).await
}

#[tokio::test]
async fn trap_12_the_proof_is_really_verified() {
    let (world, holder, id, _) = app_world().await;
    let good = proof_claims(&world, &id);
    let now = world.tenant.now().as_second();
    let bad = |claim: &str, value: Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        holder.sign("RS256", &claims)
    };
    let mut ended = good.clone();
    (ended["nbf"], ended["exp"]) = (json!(now - 1000), json!(now - 400));
    let mut tampered = holder.sign("RS256", &good);
    tampered.replace_range(10..11, if &tampered[10..11] == "A" { "B" } else { "A" });
    for (what, proof) in [
        ("another audience", bad("aud", json!("https://graph.microsoft.com"))),
        ("no object id", bad("iss", json!("c0000000-0000-4000-8000-000000000002"))),
        ("too long a life", bad("exp", json!(now + 601))),
        ("ended", holder.sign("RS256", &ended)),
        ("not begun", bad("nbf", json!(now + 301))),
        ("no end", bad("exp", Value::Null)),
        ("a key that is not registered", Holder::new().sign("RS256", &good)),
        ("tampered", tampered),
        ("no token", "abc".to_owned()),
    ] {
        let refused = add(&world, &id, &Holder::new(), &proof).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{what}: {refused:?}");
        assert_eq!(code(&refused), "Authentication_MissingOrMalformed");
    }
    for algorithm in ["RS256", "PS256"] {
        let new = Holder::new();
        let proof = holder.sign(algorithm, &good);
        let added = add(&world, &id, &new, &proof).await;
        assert_eq!(added.status, StatusCode::OK, "{added:?}");
        assert_eq!(add(&world, &id, &new, &proof).await.status, StatusCode::BAD_REQUEST, "twice");
        // The new one proves as well, and removes itself.
        let body = json!({"keyId": added.body["keyId"], "proof": new.sign(algorithm, &good)});
        let path = format!("/applications/{id}/removeKey");
        assert_eq!(world.post(&path, body.clone()).await.status, StatusCode::NO_CONTENT);
        assert_eq!(world.post(&path, body.clone()).await.status, StatusCode::UNAUTHORIZED, "it is gone");
        let again = json!({"keyId": added.body["keyId"], "proof": holder.sign(algorithm, &good)});
        assert_eq!(world.post(&path, again).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn an_app_may_touch_itself_only_and_an_ended_certificate_proves_nothing() {
    let (mut world, holder, id, admin) = app_world().await;
    let own = std::mem::replace(&mut world.token, admin);
    let (client, secret, _) = world.product_app("other", &[]).await;
    world.token = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    let proof = holder.sign("RS256", &proof_claims(&world, &id));
    assert_eq!(add(&world, &id, &Holder::new(), &proof).await.status, StatusCode::FORBIDDEN);
    // A year and a day later.
    world.tenant.clock().advance(SignedDuration::from_hours(24 * 366));
    world.token = own;
    let proof = holder.sign("RS256", &proof_claims(&world, &id));
    assert_eq!(add(&world, &id, &Holder::new(), &proof).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn trap_2_the_list_is_replaced_and_what_is_sent_back_must_be_what_was_read() {
    let (mut world, holder, id, admin) = app_world().await;
    world.token = admin;
    let path = format!("/applications/{id}");
    let keys = |answer: &common::Answer| answer.body["keyCredentials"].clone();
    // The bytes come for one object, asked for by name, and never otherwise.
    let read = world.get(&format!("{path}?$select=id,keyCredentials")).await;
    assert_eq!(keys(&read)[0]["key"], BASE64_STANDARD.encode(&holder.certificate));
    assert_eq!(keys(&world.get(&path).await)[0]["key"], Value::Null);
    let list = world.get("/applications?$select=id,keyCredentials").await;
    let listed = list.body["value"].as_array().unwrap().iter().find(|a| a["id"] == json!(id)).unwrap();
    assert_eq!(listed["keyCredentials"][0]["key"], Value::Null);
    // With the bytes or without, an entry sent back stays; a new one comes beside it.
    let new = Holder::new();
    for entry in [keys(&read)[0].clone(), keys(&world.get(&path).await)[0].clone()] {
        let body = json!({"keyCredentials": [entry, new.entry()]});
        assert_eq!(world.patch(&path, body).await.status, StatusCode::NO_CONTENT);
        let now = keys(&world.get(&format!("{path}?$select=keyCredentials")).await);
        assert_eq!(now.as_array().unwrap().len(), 2);
        assert_eq!(now[0], keys(&read)[0]);
    }
    // Changed by a second, or named twice.
    let mut changed = keys(&read)[0].clone();
    changed["endDateTime"] = json!("2027-11-20T23:59:59Z");
    let refused = world.patch(&path, json!({"keyCredentials": [changed]})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.to_string().contains("KeyNotUpdatable"), "{refused:?}");
    let twice = json!({"keyCredentials": [keys(&read)[0], keys(&read)[0]]});
    assert_eq!(world.patch(&path, twice).await.status, StatusCode::BAD_REQUEST);
    // What is not named is gone.
    let body = json!({"keyCredentials": [new.entry()]});
    assert_eq!(world.patch(&path, body).await.status, StatusCode::NO_CONTENT);
    let left = keys(&world.get(&format!("{path}?$select=keyCredentials")).await);
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["key"], BASE64_STANDARD.encode(&new.certificate));
    let refused = answer(
        world
            .request(Method::PATCH, &path)
            .json(&json!({"keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify"}]})),
    )
    .await;
    assert_eq!(code(&refused), "KeyCredentialsInvalid");
}

#[tokio::test]
async fn the_tenants_policy_holds_for_certificates_by_patch_and_by_add_key() {
    let (mut world, holder, id, admin) = app_world().await;
    let policy = |restriction: Value| json!({"id": "p", "isEnabled": true, "applicationRestrictions": {"keyCredentials": [restriction]}});
    let set = |world: &World, value: Value| {
        world.tenant.with_state(|s| s.directory.lifecycle.default_policy = value);
    };
    let own = world.token.clone();
    let proof = holder.sign("RS256", &proof_claims(&world, &id));
    for (restriction, refusal) in [
        // Those of the tests begin long ago.
        (
            json!({"restrictionType": "asymmetricKeyLifetime", "maxLifetime": "P1Y"}),
            "CredentialInvalidLifetimeAsPerAppPolicy",
        ),
        (json!({"restrictionType": "trustedCertificateAuthority"}), "CredentialTypeNotAllowedAsPerAppPolicy"),
    ] {
        set(&world, policy(restriction.clone()));
        world.token.clone_from(&own);
        assert_eq!(code(&add(&world, &id, &Holder::new(), &proof).await), refusal);
        world.token.clone_from(&admin);
        let path = format!("/applications/{id}");
        let read = world.get(&format!("{path}?$select=keyCredentials")).await.body["keyCredentials"].clone();
        let both = json!({"keyCredentials": [read[0], Holder::new().entry()]});
        assert_eq!(code(&world.patch(&path, both.clone()).await), refusal);
        let left = world.get(&format!("{path}?$select=keyCredentials")).await.body["keyCredentials"].clone();
        assert_eq!(left, read, "nothing was changed");
        // What is there stays, whatever the policy says of new ones.
        let same = world.patch(&path, json!({ "keyCredentials": read })).await;
        assert_eq!(same.status, StatusCode::NO_CONTENT, "{same:?}");
        let mut spared = restriction;
        spared["restrictForAppsCreatedAfterDateTime"] = json!("2100-01-01T00:00:00Z");
        set(&world, policy(spared));
        assert_eq!(world.patch(&path, both).await.status, StatusCode::NO_CONTENT);
        let first = json!({"keyCredentials": [read[0]]});
        assert_eq!(world.patch(&path, first).await.status, StatusCode::NO_CONTENT);
    }
}
