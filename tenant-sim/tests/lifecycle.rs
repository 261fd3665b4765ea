//! Federated credentials, owners, policies, the recycle bin and the consent page over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod common;

use common::{GRAPH, GRAPH_API, World, code, text};
use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::json;

const ISSUER: &str = "https://ci.example";

fn trust(name: &str, subject: &str) -> serde_json::Value {
    json!({"name": name, "issuer": ISSUER, "subject": subject, "audiences": ["api://AzureADTokenExchange"]})
}

#[tokio::test]
async fn federated_trust_is_exact_and_takes_its_time() {
    let world = World::realistic().await;
    let made = world.upsert("acme", json!({"displayName": "Acme"})).await.body;
    world.tenant.clock().advance(SignedDuration::from_secs(20));
    let path = format!("/applications/{}/federatedIdentityCredentials", text(&made["id"]));
    assert_eq!(world.post(&path, trust("main", "job:1")).await.status, StatusCode::CREATED);
    assert_eq!(world.post(&path, trust("main", "job:2")).await.status, StatusCode::CONFLICT, "the name");
    assert_eq!(world.post(&path, trust("other", "job:1")).await.status, StatusCode::CONFLICT, "the subject");
    world.post("/servicePrincipals", json!({"appId": made["appId"]})).await;
    let issuer = world.tenant.foreign_issuer(ISSUER).expect("key");
    let ask = async |subject: &str, audience: &str| {
        let assertion = issuer.token(subject, audience, world.tenant.now()).expect("token");
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", made["appId"].as_str().expect("id")),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
            ("scope", GRAPH),
        ];
        let answer = world.token_request(&fields).await;
        answer.body["error_codes"][0].as_u64().unwrap_or_default()
    };
    let exchange = "api://AzureADTokenExchange";
    assert_eq!(ask("job:1", exchange).await, 70021, "not everywhere yet");
    world.tenant.clock().advance(SignedDuration::from_mins(2));
    assert_eq!(ask("job:1", exchange).await, 0);
    assert_eq!(ask("JOB:1", exchange).await, 700_213);
    assert_eq!(ask("job:1", "api://else").await, 700_212);
    for n in 0..19 {
        assert_eq!(
            world.post(&path, trust(&format!("n{n}"), &format!("s{n}"))).await.status,
            StatusCode::CREATED
        );
    }
    assert_eq!(world.post(&path, trust("one-more", "x")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.delete(&format!("{path}/main")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.delete(&format!("{path}/main")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn policies_are_read_by_who_may_and_kept_by_all() {
    let world = World::instant().await;
    let denied = world.get("/policies/defaultAppManagementPolicy").await;
    assert_eq!(code(&denied), "Authorization_RequestDenied");
    world.tenant.with_state(|s| {
        s.directory.lifecycle.default_policy = json!({"isEnabled": true, "applicationRestrictions": {
            "passwordCredentials": [{"restrictionType": "passwordAddition", "restrictForAppsCreatedAfterDateTime": "2026-11-01T00:00:00Z"}],
            "audiences": {"azureAdMultipleOrgs": {"state": "enabled"}}}});
    });
    let made = world.upsert("acme", json!({"displayName": "Acme"})).await.body;
    let add = format!("/applications/{}/addPassword", text(&made["id"]));
    assert_eq!(code(&world.post(&add, json!({})).await), "CredentialTypeNotAllowedAsPerAppPolicy");
    let wide =
        world.upsert("wide", json!({"displayName": "Wide", "signInAudience": "AzureADMultipleOrgs"})).await;
    assert_eq!(code(&wide), "SignInAudienceNotAllowedAsPerAppPolicy");
}

#[tokio::test]
async fn owners_and_the_recycle_bin() {
    let world = World::instant().await;
    let made = world.upsert("acme", json!({"displayName": "Acme"})).await.body;
    let id = text(&made["id"]);
    let owner = world.tenant.with_state(|s| s.directory.users[0].value.id);
    let reference =
        json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{owner}")});
    let owners = format!("/applications/{id}/owners");
    assert_eq!(world.post(&format!("{owners}/$ref"), reference.clone()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.post(&format!("{owners}/$ref"), reference).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.delete(&format!("{owners}/{owner}/$ref")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&owners).await.body["value"].as_array().expect("rows").len(), 1, "who made it");

    assert_eq!(world.delete(&format!("/applications/{id}")).await.status, StatusCode::NO_CONTENT);
    let bin = "/directory/deletedItems/microsoft.graph.application";
    assert_eq!(world.get(bin).await.body["value"][0]["id"], made["id"]);
    let restore = format!("/directory/deletedItems/{id}/restore");
    assert_eq!(world.post(&restore, json!({})).await.status, StatusCode::OK);
    assert_eq!(world.get(&format!("/applications/{id}")).await.status, StatusCode::OK);
    world.delete(&format!("/applications/{id}")).await;
    assert_eq!(world.delete(&format!("/directory/deletedItems/{id}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.post(&restore, json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_what_is_declared_is_consented_and_the_rest_is_taken_back() {
    let world = World::instant().await;
    let role = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
    let declared = json!([{"resourceAppId": GRAPH_API, "resourceAccess": [{"id": role, "type": "Role"}]}]);
    let body = json!({"displayName": "Acme", "web": {"redirectUris": ["https://acme.example/back"]}, "requiredResourceAccess": declared});
    let made = world.upsert("acme", body).await.body;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("client");
    let consent = async || {
        let url = format!(
            "{}/organizations/v2.0/adminconsent?client_id={}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&redirect_uri=https%3A%2F%2Facme.example%2Fback&state=s%201",
            world.tenant.http_url(),
            text(&made["appId"])
        );
        client.get(url).send().await.expect("answer")
    };
    let answer = consent().await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    let back = answer.headers()["location"].to_str().expect("text").to_owned();
    assert!(
        back.starts_with("https://acme.example/back?admin_consent=True&tenant=")
            && back.ends_with("&state=s+1"),
        "{back}"
    );
    let granted = || {
        world.tenant.with_state(|s| {
            let rows = s.directory.app_role_assignments.iter();
            rows.filter(|a| a.is_configured() && a.value.app_role_id.to_string() == role).count()
        })
    };
    assert_eq!(granted(), 1);
    consent().await;
    assert_eq!(granted(), 1, "again changes nothing");
    world.patch(&format!("/applications/{}", text(&made["id"])), json!({"requiredResourceAccess": []})).await;
    consent().await;
    assert_eq!(granted(), 0, "a shorter list revokes");
}
