//! The Admin API over the wire, together with Entra's tokens and Graph's view of the same tenant.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod common;

use common::{Answer, EXCHANGE, EXCHANGE_API, GRAPH, World, answer, claims, code, text};
use jiff::SignedDuration;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tenant_sim::{Fault, Propagation, Scenario, ScenarioApp};

/// The exception type and the text of a failed cmdlet.
fn detail(answer: &Answer) -> (String, String) {
    let message = text(&answer.body["error"]["details"][0]["message"]);
    let mut parts = message.splitn(3, '|').skip(1).map(str::to_owned);
    (parts.next().unwrap(), parts.next().unwrap())
}

async fn fails(world: &World, name: &str, parameters: Value) -> Answer {
    let failed = answer(world.cmdlet(&world.admin_token().await, name, &parameters)).await;
    assert!(!failed.status.is_success(), "{name}: {failed:?}");
    failed
}

async fn members(world: &World, group: &str) -> Vec<String> {
    let page = world.get(&format!("/groups/{group}/members")).await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    page.body["value"].as_array().unwrap().iter().map(|m| text(&m["userPrincipalName"])).collect()
}

/// A scope of the mailboxes in a new security group, and a role of the app inside it.
async fn scoped_role(world: &World, principal: &str, client: &str, role: &str, members: &[&str]) -> String {
    world.rows("New-ServicePrincipal", json!({"AppId": client, "ObjectId": principal})).await;
    let group = world.rows("New-DistributionGroup", json!({"Name": "Acme queue", "Type": "Security"})).await;
    for member in members {
        let member = format!("{member}@contoso.example");
        world.rows("Add-DistributionGroupMember", json!({"Identity": "Acme queue", "Member": member})).await;
    }
    let dn = text(
        &world.rows("Get-DistributionGroup", json!({"Identity": "Acme queue"})).await[0]["DistinguishedName"],
    );
    let filter = format!("MemberOfGroup -eq '{dn}'");
    world
        .rows("New-ManagementScope", json!({"Name": "Acme scope", "RecipientRestrictionFilter": filter}))
        .await;
    let role = json!({"App": principal, "Role": role, "CustomResourceScope": "Acme scope"});
    world.rows("New-ManagementRoleAssignment", role).await;
    text(&group[0]["ExternalDirectoryObjectId"])
}

#[tokio::test]
async fn a_whole_set_up_opens_what_it_should_and_nothing_else() {
    let world = World::instant().await;
    let (client, secret, principal) = world.product_app("acme", &[]).await;
    let group =
        scoped_role(&world, &principal, &client, "Application Mail.Read", &["alice", "invoices"]).await;
    assert_eq!(members(&world, &group).await, ["alice@contoso.example", "invoices@contoso.example"]);

    let permission = json!({"Identity": "invoices@contoso.example", "User": principal,
        "AccessRights": ["FullAccess"], "AutoMapping": false});
    world.rows("Add-MailboxPermission", permission.clone()).await;
    let again = answer(world.cmdlet(&world.admin_token().await, "Add-MailboxPermission", &permission)).await;
    assert!(text(&again.body["@adminapi.warnings"][0]).contains("already present"), "{again:?}");
    let entries = world.rows("Get-MailboxPermission", json!({"Identity": "invoices@contoso.example"})).await;
    assert_eq!(entries.len(), 2, "its own and the app's: {entries:?}");

    for (mailbox, expected) in [("alice", "True"), ("invoices", "True"), ("ceo", "False")] {
        let check = json!({"Identity": principal, "Resource": format!("{mailbox}@contoso.example")});
        let rows = world.rows("Test-ServicePrincipalAuthorization", check).await;
        assert_eq!((rows.len(), text(&rows[0]["InScope"])), (1, expected.to_owned()), "{mailbox}");
    }
    let token = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert!(claims(&token).get("roles").is_none(), "nothing was consented to in Entra");
    for (mailbox, expected) in [("alice", 200), ("invoices", 200), ("ceo", 403), ("bob", 403)] {
        assert_eq!(world.opens(&token, mailbox).await, expected, "{mailbox}");
    }

    world
        .rows(
            "Remove-DistributionGroupMember",
            json!({"Identity": "Acme queue", "Member": "alice@contoso.example", "Confirm": false}),
        )
        .await;
    assert_eq!(members(&world, &group).await, ["invoices@contoso.example"]);
    assert_eq!(world.opens(&token, "alice").await, 403);
    assert_eq!(world.opens(&token, "invoices").await, 200);
}

#[tokio::test]
async fn the_journal_shows_cmdlets_and_no_secret() {
    let world = World::instant().await;
    let (client, secret, principal) = world.product_app("acme", &[]).await;
    let token = world.admin_token().await;
    world
        .rows("New-ServicePrincipal", json!({"AppId": client, "ObjectId": principal, "DisplayName": "hush"}))
        .await;
    answer(world.cmdlet(&token, "Get-Nonsense", &json!({"Password": "hush"}))).await;
    let setup = world.tenant.setup_identity();
    let entry = world.tenant.journal().into_iter().find(|e| e.cmdlet.is_some()).unwrap();
    assert_eq!((entry.status, entry.app_id), (Some(200), Some(setup.client_id)));
    let line = entry.cmdlet.unwrap();
    assert!(line.starts_with("New-ServicePrincipal AppId,DisplayName,ObjectId AppId="), "{line}");
    assert!(line.contains(&principal), "{line}");
    let all =
        format!("{:?} {}", world.tenant.journal(), serde_json::to_string(&world.tenant.journal()).unwrap());
    for hidden in [secret.as_str(), &setup.secret, &token, &token[30..80], &world.token, "hush", "Bearer"] {
        assert!(!all.contains(hidden), "{hidden}");
    }
    assert!(all.contains("Get-Nonsense refused"));
}

#[tokio::test]
async fn pages_are_drained_by_posting_the_same_body_to_links_over_https() {
    let world = World::instant().await;
    let ca = reqwest::Certificate::from_pem(world.tenant.ca_pem().as_bytes()).unwrap();
    let https = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
    let (token, tenant) = (world.admin_token().await, world.tenant.tenant_id());
    let body =
        json!({"CmdletInput": {"CmdletName": "Get-Mailbox", "Parameters": {"ResultSize": "Unlimited"}}});
    let page = async |url: &str, anchor: &str| {
        let request = https.post(url).bearer_auth(&token).header("X-AnchorMailbox", anchor);
        answer(request.header("Prefer", "odata.maxpagesize=4").json(&body)).await
    };
    let anchor = format!("APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{tenant}");
    let first = format!(
        "{}/adminapi/beta/{tenant}/InvokeCommand?$select=UserPrincipalName,ExchangeGuid",
        world.tenant.https_url()
    );
    let (mut url, mut seen, mut pages) = (Some(first.clone()), Vec::new(), 0);
    while let Some(link) = url {
        let done = page(&link, &anchor).await;
        assert_eq!(done.status, StatusCode::OK, "{done:?}");
        let rows = done.body["value"].as_array().unwrap();
        assert!(rows.len() <= 4);
        for row in rows {
            assert!(row.get("UserPrincipalName").is_some() && row.get("DisplayName").is_none(), "{row}");
            assert_eq!(row["ExchangeGuid@odata.type"], "#Guid");
            seen.push(text(&row["UserPrincipalName"]));
        }
        pages += 1;
        url = done.body["@odata.nextLink"].as_str().map(str::to_owned);
        assert!(url.as_deref().is_none_or(|l| l.starts_with(&world.tenant.https_url())), "{url:?}");
    }
    let whole = world.rows("Get-Mailbox", json!({})).await.len();
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (whole, whole));
    assert!(pages >= 3);

    // Traps: a link under a vanity domain, and a link that was kept for too long.
    let link = text(&page(&first, &anchor).await.body["@odata.nextLink"]);
    let vanity = page(&link, "UPN:alice@contoso.example").await;
    world.minutes(6);
    let late = page(&link, &anchor).await;
    for expired in [vanity, late] {
        assert_eq!(expired.status, StatusCode::BAD_REQUEST);
        assert!(detail(&expired).1.contains("Expired or Invalid pagination request"), "{expired:?}");
    }
    assert_eq!(
        page(&link.replace("skiptoken=", "skiptoken=x"), &anchor).await.status,
        StatusCode::BAD_REQUEST
    );
}

/// An app that the scenario gives an Exchange role in Entra and these rights inside Exchange.
fn admin(name: &str, exchange_roles: &[&str], directory_roles: &[&str], role_groups: &[&str]) -> ScenarioApp {
    let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
    let mut app = Scenario::contoso().apps.remove(0);
    app.display_name = name.to_owned();
    app.made_in_portal = false;
    app.exchange_roles = list(exchange_roles);
    app.secret = Some(format!("secret-of-{name}"));
    app.directory_roles = list(directory_roles);
    app.role_groups = list(role_groups);
    app
}

async fn admin_world() -> World {
    let mut scenario = Scenario::contoso();
    let manage = &["Exchange.ManageAsApp"];
    scenario.apps.push(admin("no-role", &[], &["Exchange Administrator"], &[]));
    scenario.apps.push(admin("manage-only", manage, &[], &[]));
    scenario.apps.push(admin("helpdesk", manage, &["Helpdesk Administrator"], &[]));
    scenario.apps.push(admin("recipients", manage, &[], &["Recipient Management"]));
    World::of(scenario, Propagation::instant()).await
}

async fn admin_sign_in(world: &World, name: &str) -> String {
    let found = world.get(&format!("/applications?$filter=displayName eq '{name}'")).await;
    let client = text(&found.body["value"][0]["appId"]);
    world.sign_in(&client, &format!("secret-of-{name}"), EXCHANGE).await.unwrap()
}

#[tokio::test]
async fn trap_the_ladder_of_rights_is_401_then_403_then_200() {
    let world = admin_world().await;
    let get = json!({"Identity": "alice@contoso.example"});
    let call = async |token: &str| answer(world.cmdlet(token, "Get-Mailbox", &get)).await;

    let anonymous = answer(world.http.post(world.invoke_url()).json(&json!({}))).await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert!(anonymous.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
    for token in [world.token.clone(), "nonsense".to_owned(), admin_sign_in(&world, "no-role").await] {
        let refused = call(&token).await;
        assert_eq!((refused.status, code(&refused).as_str()), (StatusCode::UNAUTHORIZED, "Unauthorized"));
    }
    let refused = call(&admin_sign_in(&world, "manage-only").await).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(text(&refused.body["error"]["message"]).contains("isn't supported in this scenario"));
    for name in ["helpdesk", "recipients"] {
        assert_eq!(call(&admin_sign_in(&world, name).await).await.status, StatusCode::OK, "{name}");
    }
    let v1 = world.invoke_url().replace("/beta/", "/v1.0/");
    let token = world.admin_token().await;
    let old = answer(world.http.post(v1).bearer_auth(&token).json(&json!({}))).await;
    assert_eq!(old.status, StatusCode::METHOD_NOT_ALLOWED);
    let foreign =
        world.invoke_url().replace(&world.tenant.tenant_id().to_string(), &uuid::Uuid::new_v4().to_string());
    let foreign = answer(world.http.post(foreign).bearer_auth(&token).json(&json!({}))).await;
    assert!(foreign.status.is_client_error());
    // The token of an hour ago.
    world.minutes(120);
    assert_eq!(call(&token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn trap_a_cmdlet_out_of_reach_and_one_that_does_not_exist_are_403_of_nul_bytes() {
    let world = admin_world().await;
    let permission = json!({"Identity": "alice@contoso.example", "User": "bob@contoso.example", "AccessRights": "FullAccess"});
    let before = world.tenant.state_snapshot();
    for (caller, cmdlet) in [
        ("helpdesk", "Add-MailboxPermission"),
        ("helpdesk", "New-ServicePrincipal"),
        ("recipients", "New-ManagementScope"),
        ("recipients", "New-ApplicationAccessPolicy"),
        ("recipients", "Get-Nonsense"),
    ] {
        let token = admin_sign_in(&world, caller).await;
        let response = world.cmdlet(&token, cmdlet, &permission).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{caller} {cmdlet}");
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let diagnostics = response.headers()["x-ms-diagnostics"].to_str().unwrap().to_owned();
        assert!(diagnostics.starts_with("2000003;") && diagnostics.contains(cmdlet), "{diagnostics}");
        let body = response.bytes().await.unwrap();
        assert!(!body.is_empty() && body.iter().all(|b| *b == 0), "{body:?}");
    }
    let token = admin_sign_in(&world, "recipients").await;
    assert_eq!(
        answer(world.cmdlet(&token, "Add-MailboxPermission", &permission)).await.status,
        StatusCode::OK
    );
    assert_ne!(world.tenant.state_snapshot(), before, "and only this one changed anything");
    let probe = world.http.post(world.invoke_url()).bearer_auth(&token).header("CommandName", "*");
    let names = answer(probe.json(&json!({}))).await.body["value"]["exportedCmdlets"].to_string();
    assert!(names.contains("Add-MailboxPermission") && !names.contains("New-ManagementScope"), "{names}");
}

#[tokio::test]
async fn faults_strike_the_cmdlet_they_are_aimed_at() {
    let world = World::instant().await;
    let (client, _, principal) = world.product_app("acme", &[]).await;
    let new = json!({"AppId": client, "ObjectId": principal});
    let token = world.admin_token().await;
    let faults = world.tenant.faults();
    faults.inject(Fault::nul_403(false).on_cmdlet("new-serviceprincipal"));
    faults.inject(Fault::status(503).with_retry_after("0.5").on_cmdlet("New-ServicePrincipal"));
    faults.inject(Fault::drop_before().on_cmdlet("New-ServicePrincipal"));
    assert!(world.rows("Get-Mailbox", json!({})).await.len() > 3, "another cmdlet is not struck");

    // Without diagnostics: a role that is still on its way.
    let nul = world.cmdlet(&token, "New-ServicePrincipal", &new).send().await.unwrap();
    assert_eq!(nul.status(), StatusCode::FORBIDDEN);
    assert!(nul.headers().get("x-ms-diagnostics").is_none());
    let busy = fails(&world, "New-ServicePrincipal", new.clone()).await;
    assert_eq!(
        (busy.status, &busy.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"0.5".parse().unwrap())
    );
    assert!(world.cmdlet(&token, "New-ServicePrincipal", &new).send().await.is_err());
    let found = world.rows("Get-ServicePrincipal", json!({"Identity": client})).await;
    assert!(found.iter().all(|p| p["AppId"] != client.as_str()), "nothing was done so far");

    // The change is there although no answer came.
    faults.inject(Fault::drop_after().on_cmdlet("New-ServicePrincipal"));
    assert!(world.cmdlet(&token, "New-ServicePrincipal", &new).send().await.is_err());
    let last = world.tenant.journal().pop().unwrap();
    assert_eq!((last.status, last.fault.as_deref()), (None, Some("drop after")));
    assert!(last.cmdlet.unwrap().starts_with("New-ServicePrincipal"));
    let found = world.rows("Get-ServicePrincipal", json!({"Identity": client})).await;
    assert_eq!((found.len(), text(&found[0]["ObjectId"])), (1, principal));
    let twice = fails(&world, "New-ServicePrincipal", new).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert_eq!(faults.waiting(), 0);
}

#[tokio::test]
async fn trap_a_stale_read_shows_the_time_before_the_write() {
    let world = World::instant().await;
    world.tenant.faults().inject(Fault::stale_read().on_cmdlet("Get-DistributionGroupMember"));
    let member = json!({"Identity": "presence-users", "Member": "carol@contoso.example"});
    let count =
        async || world.rows("Get-DistributionGroupMember", json!({"Identity": "presence-users"})).await.len();
    world.rows("Add-DistributionGroupMember", member).await;
    assert_eq!(count().await, 2, "the fault");
    assert_eq!(count().await, 3);
}

#[tokio::test]
async fn a_dehydrated_organisation_takes_scopes_only_after_it_was_customised() {
    let world = World::instant().await;
    world.tenant.faults().inject(Fault::by_id("PROV-DEHYDRATED").unwrap());
    let scope = json!({"Name": "Queue", "RecipientRestrictionFilter": "Alias -eq 'invoices'"});
    let refused = fails(&world, "New-ManagementScope", scope.clone()).await;
    assert!(detail(&refused).1.contains("first need to run the command: Enable-OrganizationCustomization"));
    assert_eq!(world.rows("Get-OrganizationConfig", json!({})).await[0]["IsDehydrated"], true);
    world.rows("Enable-OrganizationCustomization", json!({})).await;
    assert_eq!(
        fails(&world, "Enable-OrganizationCustomization", json!({})).await.status,
        StatusCode::BAD_REQUEST
    );
    world.rows("New-ManagementScope", scope).await;
}

#[tokio::test]
async fn not_found_and_bad_values_are_told_by_their_exception_type() {
    let world = World::instant().await;
    let missing = fails(&world, "Get-Mailbox", json!({"Identity": "nobody@contoso.example"})).await;
    assert_eq!((missing.status, code(&missing).as_str()), (StatusCode::NOT_FOUND, "NotFound"));
    assert!(detail(&missing).0.ends_with("ManagementObjectNotFoundException"));
    // Without a wish for English the text is another one; the type stays.
    let token = world.admin_token().await;
    let body = json!({"CmdletInput": {"CmdletName": "Get-Mailbox", "Parameters": {"Identity": "nobody@contoso.example"}}});
    let localised = answer(world.http.post(world.invoke_url()).bearer_auth(&token).json(&body)).await;
    assert_eq!(detail(&localised).0, detail(&missing).0);
    assert_ne!(detail(&localised).1, detail(&missing).1);
    let none = fails(&world, "Get-ApplicationAccessPolicy", json!({})).await;
    assert!(detail(&none).0.ends_with("ManagementObjectNotFoundException"), "no policy at all is an error");
    let enumeration = json!({"Identity": "alice@contoso.example", "User": "bob@contoso.example", "AccessRights": ["Everything"]});
    let bad = fails(&world, "Add-MailboxPermission", enumeration).await;
    assert!(
        detail(&bad).0.ends_with("ParameterTransformationException") && detail(&bad).1.contains("FullAccess")
    );
    let unknown = fails(&world, "Get-Mailbox", json!({"Identitty": "x"})).await;
    assert!(detail(&unknown).0.ends_with("AmbiguousParameterSetException"));
    let twice = json!({"Identity": "presence-users", "Member": "alice@contoso.example"});
    assert!(
        detail(&fails(&world, "Add-DistributionGroupMember", twice).await)
            .0
            .ends_with("MemberAlreadyExistsException")
    );
}

fn only(change: impl FnOnce(&mut Propagation)) -> Propagation {
    let mut propagation = Propagation::instant();
    change(&mut propagation);
    propagation
}

#[tokio::test]
async fn trap_an_access_policy_is_enforced_long_after_its_test_says_so() {
    let world = World::with(only(|p| p.access_policy = SignedDuration::from_mins(45))).await;
    let (client, secret, _) = world.product_app("acme", &["Mail.Read"]).await;
    let policy = json!({"AppId": [client], "PolicyScopeGroupId": "presence-users", "AccessRight": "RestrictAccess", "Description": "Acme"});
    world.rows("New-ApplicationAccessPolicy", policy).await;
    for (mailbox, expected) in [("alice", "Granted"), ("ceo", "Denied")] {
        let check = json!({"Identity": format!("{mailbox}@contoso.example"), "AppId": client});
        let rows = world.rows("Test-ApplicationAccessPolicy", check).await;
        assert_eq!(text(&rows[0]["AccessCheckResult"]), expected);
    }
    let token = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(
        (world.opens(&token, "alice").await, world.opens(&token, "ceo").await),
        (200, 200),
        "too early"
    );
    world.minutes(44);
    assert_eq!(world.opens(&token, "ceo").await, 200);
    world.minutes(1);
    assert_eq!((world.opens(&token, "alice").await, world.opens(&token, "ceo").await), (200, 403));
    let url = format!("{}/v1.0/users/ceo@contoso.example/messages", world.tenant.http_url());
    let refused = answer(world.http.get(url).bearer_auth(&token)).await;
    assert_eq!(code(&refused), "ErrorAccessDenied");
    assert!(text(&refused.body["error"]["message"]).contains("[RAOP]"), "{refused:?}");

    // Taking the policy back takes as long, and opens everything again.
    let identity = text(&world.rows("Get-ApplicationAccessPolicy", json!({})).await[0]["Identity"]);
    world.rows("Remove-ApplicationAccessPolicy", json!({"Identity": identity, "Confirm": false})).await;
    let token = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(world.opens(&token, "ceo").await, 403);
    world.minutes(45);
    assert_eq!(world.opens(&token, "ceo").await, 200);
}

#[tokio::test]
async fn trap_the_roles_cache_is_renewed_by_quiet_and_not_by_calling() {
    let realistic = Propagation::realistic();
    let cached = || only(|p| (p.rbac_idle, p.rbac_active) = (realistic.rbac_idle, realistic.rbac_active));
    let world = World::with(cached()).await;
    let (client, secret, principal) = world.product_app("acme", &[]).await;
    let token = async || world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(world.opens(&token().await, "alice").await, 403);
    scoped_role(&world, &principal, &client, "Application Mail.Read", &["alice"]).await;
    let test = json!({"Identity": principal, "Resource": "alice@contoso.example"});
    assert_eq!(
        world.rows("Test-ServicePrincipalAuthorization", test).await[0]["InScope"],
        "True",
        "past the cache"
    );
    for _ in 0..4 {
        world.minutes(10);
        assert_eq!(world.opens(&token().await, "alice").await, 403, "each call keeps the old picture");
    }
    world.minutes(30);
    assert_eq!(world.opens(&token().await, "alice").await, 200, "half an hour of quiet");
    assert_eq!(world.opens(&token().await, "ceo").await, 403);

    // An app that never stops calling sees the change two hours after its picture was taken.
    let (client, secret, principal) = world.product_app("busy", &[]).await;
    let token = async || world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(world.opens(&token().await, "bob").await, 403);
    world.rows("New-ServicePrincipal", json!({"AppId": client, "ObjectId": principal})).await;
    let role =
        json!({"App": principal, "Role": "Application Mail.Read", "RecipientGroupScope": "presence-users"});
    world.rows("New-ManagementRoleAssignment", role).await;
    for minute in (10..=130).step_by(10) {
        world.minutes(10);
        let expected = if minute < 120 { 403 } else { 200 };
        assert_eq!(world.opens(&token().await, "bob").await, expected, "after {minute} min");
    }
}

#[tokio::test]
async fn trap_a_consent_is_frozen_into_the_token() {
    let world = World::instant().await;
    let (client, secret, principal) = world.product_app("acme", &[]).await;
    let before = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    world.grant(&principal, common::GRAPH_API, &["Mail.Read"]).await;
    assert_eq!(world.opens(&before, "ceo").await, 403, "the token is older than the consent");
    let with = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(world.opens(&with, "ceo").await, 200);
    let grants = world.get(&format!("/servicePrincipals/{principal}/appRoleAssignments")).await;
    let grant = text(&grants.body["value"][0]["id"]);
    let gone = world.delete(&format!("/servicePrincipals/{principal}/appRoleAssignments/{grant}")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_eq!(world.opens(&with, "ceo").await, 200, "taken back, and still in the token");
    let after = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(world.opens(&after, "ceo").await, 403);

    // Roles of Exchange do not travel in a token for Graph.
    world.grant(&principal, EXCHANGE_API, &["IMAP.AccessAsApp"]).await;
    let graph = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    let exchange = world.sign_in(&client, &secret, EXCHANGE).await.unwrap();
    assert!(claims(&graph).get("roles").is_none());
    assert_eq!(claims(&exchange)["roles"], json!(["IMAP.AccessAsApp"]));
    world.minutes(90);
    assert_eq!(world.opens(&with, "ceo").await, 401, "what was taken back ends with the token");
}

#[tokio::test]
async fn trap_union_a_scoped_role_beside_an_entra_grant_narrows_nothing() {
    let world = World::instant().await;
    let (client, secret, principal) = world.product_app("acme", &["Mail.Read"]).await;
    scoped_role(&world, &principal, &client, "Application Mail.Read", &["alice"]).await;
    let token = world.sign_in(&client, &secret, GRAPH).await.unwrap();
    assert_eq!(world.opens(&token, "ceo").await, 200, "the consent still opens every mailbox");
}
