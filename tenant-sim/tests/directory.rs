//! Registrations, service principals, consent, users and groups over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod common;

use common::{World, answer, code, text};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn upsert_answers_201_with_body_and_204_without() {
    let world = World::realistic().await;
    let body = json!({"displayName": "Acme", "signInAudience": "AzureADMyOrg"});
    let made = world.upsert("acme", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.body["requiredResourceAccess"], json!([]), "made through Graph: nothing declared");
    // The second run meets the same registration, even before it has replicated.
    let again = world.upsert("acme", body.clone()).await;
    assert_eq!((again.status, again.body), (StatusCode::NO_CONTENT, Value::String(String::new())));
    let path = "/applications(uniqueName='other')";
    assert_eq!(world.patch(path, body).await.status, StatusCode::NOT_FOUND, "no Prefer, no creation");
    let found = world.get("/applications?$filter=uniqueName eq 'acme'&$select=id").await;
    assert_eq!(found.body["value"], json!([]), "lists lag behind");
    world.tenant.clock().advance(SignedDuration::from_secs(5));
    let found = world.get("/applications?$filter=displayName eq 'acme'&$select=id").await;
    assert_eq!(found.body["value"], json!([{"id": made.body["id"]}]));
}

#[tokio::test]
async fn the_omitted_audience_is_the_wide_one() {
    let world = World::instant().await;
    let made = world.post("/applications", json!({"displayName": "x"})).await;
    assert_eq!(made.body["signInAudience"], "AzureADandPersonalMicrosoftAccount");
    assert_eq!(world.post("/applications", json!({})).await.status, StatusCode::BAD_REQUEST);
    let path = format!("/applications/{}", text(&made.body["id"]));
    let refused = world.patch(&path, json!({"passwordCredentials": []})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_service_principal_waits_for_its_application_and_says_so_misleadingly() {
    let world = World::realistic().await;
    let app = world.upsert("acme", json!({"displayName": "Acme"})).await.body;
    let body = json!({"appId": app["appId"]});
    let early = world.post("/servicePrincipals", body.clone()).await;
    assert_eq!((early.status, code(&early).as_str()), (StatusCode::FORBIDDEN, "Authorization_RequestDenied"));
    assert!(early.body.to_string().contains("the backing application of the service principal"));
    let fresh = world.get(&format!("/applications/{}", text(&app["id"]))).await;
    assert_eq!((fresh.status, code(&fresh).as_str()), (StatusCode::NOT_FOUND, "Request_ResourceNotFound"));
    world.tenant.clock().advance(SignedDuration::from_secs(5));
    let made = world.post("/servicePrincipals", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_ne!(made.body["id"], app["id"]);
    let twice = world.post("/servicePrincipals", body).await;
    assert_eq!(code(&twice), "Request_MultipleObjectsWithSameKeyValue");
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let by_key = format!("/servicePrincipals(appId='{}')", text(&app["appId"]));
    assert_eq!(world.get(&by_key).await.status, StatusCode::NOT_FOUND);
    // Granting to a principal that has not replicated.
    let api = world.get(&format!("/servicePrincipals(appId='{}')", common::GRAPH_API)).await.body;
    let grant = json!({"principalId": made.body["id"], "resourceId": api["id"],
        "appRoleId": common::role_id(&api, "Mail.Read")});
    let path = format!("/servicePrincipals/{}/appRoleAssignedTo", text(&api["id"]));
    let refused = world.post(&path, grant).await;
    assert!(refused.body.to_string().contains("Not a valid reference update"));
    world.tenant.clock().advance(SignedDuration::from_secs(10));
    assert_eq!(world.get(&by_key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wider_caller_hears_no_backing_application_object() {
    let world = World::realistic().await;
    let setup = world.tenant.setup_identity();
    world.tenant.with_state(|state| {
        let own = state.directory.service_principals.iter().find(|sp| sp.value.app_id == setup.client_id);
        let principal_id = own.unwrap().value.id;
        let graph =
            state.directory.service_principals.iter().find(|sp| sp.value.display_name == "Microsoft Graph");
        let (resource_id, role) = graph
            .map(|sp| {
                let role = sp.value.app_roles.iter().find(|r| r.value == "Application.ReadWrite.All");
                (sp.value.id, role.unwrap().id)
            })
            .unwrap();
        let grant = tenant_sim::state::AppRoleAssignment {
            id: "wide".to_owned(),
            principal_id,
            resource_id,
            app_role_id: role,
        };
        state.directory.app_role_assignments.push(tenant_sim::state::Timed::always(grant));
    });
    let world = world.sign_in_as(&setup.client_id.to_string(), &setup.secret).await;
    let app = world.upsert("acme", json!({"displayName": "Acme"})).await.body;
    let early = world.post("/servicePrincipals", json!({"appId": app["appId"]})).await;
    assert_eq!(early.status, StatusCode::BAD_REQUEST);
    assert_eq!(early.body["error"]["details"][0]["code"], "NoBackingApplicationObject");
}

#[tokio::test]
async fn credential_calls_in_a_row_collide_and_lists_flap() {
    let world = World::realistic().await;
    let app = world.upsert("acme", json!({"displayName": "Acme"})).await.body;
    world.tenant.clock().advance(SignedDuration::from_secs(5));
    let path = format!("/applications/{}", text(&app["id"]));
    let first =
        world.post(&format!("{path}/addPassword"), json!({"passwordCredential": {"displayName": "a"}})).await;
    assert_eq!(first.status, StatusCode::OK);
    let second = world.post(&format!("{path}/addPassword"), json!({})).await;
    assert_eq!(
        (second.status, code(&second).as_str()),
        (StatusCode::CONFLICT, "Directory_ConcurrencyViolation")
    );
    world.tenant.clock().advance(SignedDuration::from_secs(3));
    let mut counts = Vec::new();
    for _ in 0..4 {
        let list = world.get(&format!("{path}?$select=passwordCredentials")).await.body;
        let list = list["passwordCredentials"].as_array().unwrap().clone();
        assert!(list.iter().all(|p| p["secretText"].is_null()), "shown once only");
        counts.push(list.len());
    }
    assert!(counts.contains(&0) && counts.contains(&1), "{counts:?}");
    world.tenant.clock().advance(SignedDuration::from_secs(15));
    for _ in 0..4 {
        let list = world.get(&path).await.body;
        assert_eq!(list["passwordCredentials"].as_array().unwrap().len(), 1);
    }
    let removed = world.post(&format!("{path}/removePassword"), json!({"keyId": first.body["keyId"]})).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn owned_by_reaches_only_what_the_caller_owns() {
    let world = World::instant().await;
    let portal =
        world.get("/applications?$filter=displayName eq 'Legacy archiver'").await.body["value"][0].clone();
    assert_eq!(portal["requiredResourceAccess"][0]["resourceAccess"][0]["type"], "Scope");
    let path = format!("/applications/{}", text(&portal["id"]));
    let refused = world.patch(&path, json!({"displayName": "mine"})).await;
    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (StatusCode::FORBIDDEN, "Authorization_RequestDenied")
    );
    assert_eq!(world.post(&format!("{path}/addPassword"), json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.delete(&path).await.status, StatusCode::FORBIDDEN);
    // The product app has no directory rights at all.
    let (client, secret, _) = world.product_app("acme", &["Mail.Read"]).await;
    let product = world.sign_in_as(&client, &secret).await;
    assert_eq!(product.get("/users").await.status, StatusCode::FORBIDDEN);
    assert_eq!(product.get("/applications").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_default_user_read_and_its_grant_can_be_removed() {
    let world = World::instant().await;
    let portal = world.get("/servicePrincipals?$filter=displayName eq 'Legacy archiver'").await.body["value"]
        [0]
    .clone();
    let path = format!("/servicePrincipals/{}/oauth2PermissionGrants", text(&portal["id"]));
    let grants = world.get(&path).await.body["value"].clone();
    assert_eq!(grants[0]["scope"], "User.Read");
    let gone = world.delete(&format!("/oauth2PermissionGrants/{}", text(&grants[0]["id"]))).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.body["value"], json!([]));
}

#[tokio::test]
async fn one_scope_of_a_delegated_grant_can_be_taken_off() {
    let world = World::instant().await;
    let portal = world.get("/servicePrincipals?$filter=displayName eq 'Legacy archiver'").await.body["value"]
        [0]
    .clone();
    let path = format!("/servicePrincipals/{}/oauth2PermissionGrants", text(&portal["id"]));
    let id = world.get(&path).await.body["value"][0]["id"].clone();
    let change = format!("/oauth2PermissionGrants/{}", text(&id));
    let changed = world.patch(&change, json!({"scope": "openid"})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.body["value"][0]["scope"], "openid");
    let unknown = world.patch("/oauth2PermissionGrants/none", json!({"scope": "openid"})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(world.patch(&change, json!({})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn disabled_roles_are_listed_but_cannot_be_granted() {
    let world = World::instant().await;
    let (_, _, principal) = world.product_app("acme", &[]).await;
    let api = world
        .get("/servicePrincipals(appId='00000002-0000-0ff1-ce00-000000000000')?$select=id,appRoles")
        .await
        .body;
    let same: Vec<&Value> =
        api["appRoles"].as_array().unwrap().iter().filter(|r| r["value"] == "IMAP.AccessAsApp").collect();
    assert_eq!(same.len(), 2);
    for role in same {
        let grant = json!({"principalId": principal, "resourceId": api["id"], "appRoleId": role["id"]});
        let path = format!("/servicePrincipals/{}/appRoleAssignedTo", text(&api["id"]));
        let expected = if role["isEnabled"] == true { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
        assert_eq!(world.post(&path, grant).await.status, expected);
    }
}

#[tokio::test]
async fn paging_links_stay_on_the_requests_host_and_lose_nothing() {
    let world = World::instant().await;
    let mut url = format!("{}/v1.0/users?%24top=4&$select=userPrincipalName", world.tenant.http_url());
    let mut seen = Vec::new();
    loop {
        let page = answer(world.http.get(&url).bearer_auth(&world.token)).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        seen.extend(page.body["value"].as_array().unwrap().iter().map(|u| text(&u["userPrincipalName"])));
        match page.body.get("@odata.nextLink") {
            Some(link) => {
                assert!(text(link).starts_with(&world.tenant.http_url()), "{link}");
                url = text(link);
            }
            None => break,
        }
    }
    let all = world.get("/users").await.body["value"].as_array().unwrap().len();
    let mut unique = seen.clone();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (all, all));
    assert_eq!(world.get("/users?$top=1000").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn users_and_groups_are_found_by_the_keys_that_the_directory_knows() {
    let world = World::instant().await;
    assert_eq!(world.get("/users/o'brien@contoso.example").await.status, StatusCode::OK);
    let alias = world.get("/users/a.adams@contoso.example").await;
    assert_eq!(code(&alias), "Request_ResourceNotFound");
    let twins = world.get("/users?$filter=displayName eq 'Chris Miller'").await.body;
    assert_eq!(twins["value"].as_array().unwrap().len(), 2);
    let group =
        world.get("/groups?$filter=mail eq 'presence-users@contoso.example'").await.body["value"][0].clone();
    assert_eq!((&group["mailEnabled"], &group["securityEnabled"]), (&json!(true), &json!(true)));
    let members = world.get(&format!("/groups/{}/members", text(&group["id"]))).await.body;
    assert_eq!(members["value"].as_array().unwrap().len(), 2);
    let unified =
        world.get("/groups?$filter=mail eq 'apollo@contoso.example'").await.body["value"][0].clone();
    assert_eq!(unified["groupTypes"], json!(["Unified"]));
}

#[tokio::test]
async fn deleting_an_app_takes_its_grants_along() {
    let world = World::instant().await;
    let before = world.tenant.state_snapshot();
    let (client, secret, _) = world.product_app("acme", &["Mail.Read"]).await;
    assert_ne!(world.tenant.state_snapshot(), before);
    let gone = world.delete(&format!("/applications(appId='{client}')")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(world.tenant.state_snapshot(), before);
    assert_eq!(world.sign_in(&client, &secret, common::GRAPH).await, Err(700_016));
}

#[tokio::test]
async fn errors_carry_the_callers_request_id() {
    let world = World::instant().await;
    let id = "0b0c1d2e-3f40-4152-8637-4859a6b7c8d9";
    let refused = answer(world.request(Method::GET, "/users/nobody@x").header("client-request-id", id)).await;
    assert_eq!(refused.body["error"]["innerError"]["client-request-id"], id);
}

#[tokio::test]
async fn snapshot_restore_and_fork_go_their_own_ways() {
    let world = World::instant().await;
    let point = world.tenant.snapshot();
    let before = world.tenant.state_snapshot();
    world.upsert("acme", json!({"displayName": "Acme"})).await;
    let fork = world.tenant.fork().await.unwrap();
    let changed = world.tenant.state_snapshot();
    assert_eq!(fork.state_snapshot(), changed);
    world.tenant.restore(&point);
    assert_eq!(world.tenant.state_snapshot(), before);
    assert_eq!(fork.state_snapshot(), changed);
    assert!(!before.to_string().contains(&world.tenant.setup_identity().secret));
}
