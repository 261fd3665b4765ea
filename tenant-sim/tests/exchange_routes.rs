//! The Admin API's other doors: documented endpoints, Graph's Exchange roles, pages held by one back end, a rate limit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Answer, EXCHANGE, GRAPH, World, answer};
use jiff::SignedDuration;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tenant_sim::state::RateLimit;
use tenant_sim::{Propagation, Scenario};

const SECRET: &str = "secret-of-the-door";

/// A tenant with one more app, and that app's token.
async fn world(exchange_roles: &[&str], graph_roles: &[&str], scope: &str) -> (World, String) {
    let mut scenario = Scenario::contoso();
    let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
    let mut app = scenario.apps[0].clone();
    app.display_name = "door".to_owned();
    app.unique_name = None;
    app.made_in_portal = false;
    app.exchange_roles = list(exchange_roles);
    app.graph_roles = list(graph_roles);
    app.directory_roles = list(&["Exchange Administrator"]);
    app.role_groups = Vec::new();
    app.secret = Some(SECRET.to_owned());
    scenario.apps.push(app);
    let world = World::of(scenario, Propagation::instant()).await;
    let client = world.tenant.with_state(|state| {
        let mut apps = state.directory.applications.iter();
        apps.find(|a| a.value.display_name == "door").unwrap().value.app_id.to_string()
    });
    let token = world.sign_in(&client, SECRET, scope).await.unwrap();
    (world, token)
}

fn post(world: &World, token: &str, operation: &str, cmdlet: &str, parameters: Value) -> RequestBuilder {
    let version = if operation == "InvokeCommand" { "beta" } else { "v2.0" };
    let (base, tenant) = (world.tenant.http_url(), world.tenant.tenant_id());
    let url = format!("{base}/adminapi/{version}/{tenant}/{operation}");
    let mut input = json!({"CmdletName": cmdlet});
    input["Parameters"] = parameters;
    world.http.post(url).bearer_auth(token).json(&json!({ "CmdletInput": input }))
}

fn anchored(request: RequestBuilder) -> RequestBuilder {
    request.header("X-AnchorMailbox", "SMTP:alice@contoso.example")
}

#[tokio::test]
async fn a_documented_endpoint_takes_its_own_cmdlets_and_parameters_and_an_anchor() {
    let (world, token) = world(&["Exchange.ManageAsAppV2"], &[], EXCHANGE).await;
    let get = |cmdlet: &str, parameters: Value| post(&world, &token, "Mailbox", cmdlet, parameters);
    let status = async |request: RequestBuilder| answer(request).await.status.as_u16();
    let done: Answer = answer(anchored(get("Get-Mailbox", json!({"ResultSize": "Unlimited"})))).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(done.body["value"].as_array().unwrap().len() > 3);
    assert_eq!(status(get("Get-Mailbox", json!({}))).await, 400, "without an anchor");
    assert_eq!(status(anchored(get("Get-Mailbox", json!({"Filter": "Name -eq 'a'"})))).await, 400);
    assert_eq!(status(anchored(get("Get-MailboxPermission", json!({"Identity": "alice"})))).await, 400);
    // The permission of the one route is not that of the other.
    let other = post(&world, &token, "InvokeCommand", "Get-Mailbox", json!({}));
    assert_eq!(status(anchored(other)).await, 401);
    let old = self::world(&["Exchange.ManageAsApp"], &[], EXCHANGE).await;
    let refused = anchored(post(&old.0, &old.1, "Mailbox", "Get-Mailbox", json!({})));
    assert_eq!(status(refused).await, 403);
}

#[tokio::test]
async fn exchange_roles_are_in_graphs_beta_only_and_need_their_permission() {
    let (world, token) = world(&[], &["RoleManagement.ReadWrite.Exchange"], GRAPH).await;
    let get = async |version: &str, token: &str| {
        let url = format!("{}/{version}/roleManagement/exchange/roleDefinitions", world.tenant.http_url());
        answer(world.http.get(url).bearer_auth(token)).await
    };
    let found = get("beta", &token).await;
    assert_eq!((found.status.as_u16(), found.body["value"].as_array().unwrap().len()), (200, 24));
    assert!(!get("v1.0", &token).await.status.is_success());
    assert_eq!(get("beta", &world.token).await.status, 403);
    let url = format!("{}/beta/roleManagement/exchange/roleAssignments", world.tenant.http_url());
    let both = json!({"principalId": "/ServicePrincipals/1", "roleDefinitionId": found.body["value"][0]["id"],
        "directoryScopeId": "/", "appScopeId": "x"});
    let refused = answer(world.http.post(url).bearer_auth(&token).json(&both)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.to_string().contains("Exactly one"), "{refused:?}");
}

#[tokio::test]
async fn trap_a_page_without_its_cookie_is_lost_when_one_back_end_holds_the_list() {
    let (world, token) = world(&["Exchange.ManageAsApp"], &[], EXCHANGE).await;
    world.tenant.with_state(|state| state.exchange.paging_affinity = true);
    let first = post(&world, &token, "InvokeCommand", "Get-Mailbox", json!({}));
    let first = answer(first.header("Prefer", "odata.maxpagesize=3")).await;
    let cookie = first.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let link = first.body["@odata.nextLink"].as_str().unwrap().to_owned();
    let body = json!({"CmdletInput": {"CmdletName": "Get-Mailbox", "Parameters": {}}});
    let next = || world.http.post(&link).bearer_auth(&token).json(&body);
    let lost = answer(next()).await;
    assert_eq!(lost.status, 400);
    assert!(lost.body.to_string().contains("Expired or Invalid pagination request"));
    assert_eq!(answer(next().header("Cookie", cookie)).await.status, 200);
}

#[tokio::test]
async fn a_rate_limit_is_told_and_kept() {
    let (world, token) = world(&["Exchange.ManageAsApp"], &[], EXCHANGE).await;
    world.tenant.with_state(|state| {
        state.exchange.rate_limit = Some(RateLimit {
            limit: 2,
            remaining: 2,
            full_at: jiff::Timestamp::MIN,
            window: SignedDuration::from_secs(90),
        });
    });
    let get = async || answer(post(&world, &token, "InvokeCommand", "Get-Mailbox", json!({}))).await;
    assert_eq!(get().await.headers["rate-limit-remaining"], "1");
    assert_eq!(get().await.status, 200);
    let refused = get().await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers["retry-after"].to_str().unwrap().starts_with("90."), "{refused:?}");
    world.tenant.clock().advance(SignedDuration::from_secs(91));
    assert_eq!(get().await.status, 200);
}
