//! Routes, batches and streams against scripted answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{
    APP, INVOKE, NOT_FOUND, OBJECT, TENANT, address, clock, failure, mailbox, object, pipeline, rows, tenant,
};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    ApplicationRole, Capabilities, Cmdlet as _, ErrorKind, ExchangeAdmin, GrantedScope, MailboxRight,
    ManagementScopeName, ResourceScope, RoleAssignmentName, RoleGroup, Route, RunOr, Standing,
};
use futures_util::TryStreamExt as _;
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::transport::{Transport, TransportErrorKind};
use m365_core::{Acted, Idempotency};
use serde_json::{Value, json};

const V2_MAILBOX: &str = "/adminapi/v2.0/3f2b8c1e-7a64-4a0e-9d35-51c0a7e2b9d4/Mailbox";
const BATCH: &str = "/adminapi/beta/3f2b8c1e-7a64-4a0e-9d35-51c0a7e2b9d4/$batch";
const MODULE: &str = "/AdminApi/v1.0/3f2b8c1e-7a64-4a0e-9d35-51c0a7e2b9d4/EXOModuleFile";
const GRAPH: &str = "/beta/roleManagement/exchange";

fn routed(script: &ScriptedTransport, clock: &ManualClock) -> ExchangeAdmin {
    ExchangeAdmin::routed(pipeline(Transport::new(script.clone()), None, clock), tenant())
}

fn direct(script: &ScriptedTransport, clock: &ManualClock) -> ExchangeAdmin {
    ExchangeAdmin::new(pipeline(Transport::new(script.clone()), None, clock), tenant())
}

fn anna() -> Value {
    json!([{"PrimarySmtpAddress": "anna@contoso.example", "RecipientTypeDetails": "UserMailbox"}])
}

fn nul_403() -> Reply {
    Reply::new(403, vec![0_u8; 32])
}

#[tokio::test]
async fn a_refused_route_leads_to_the_documented_endpoint_which_is_named_in_the_outcome() {
    let script = ScriptedTransport::new().on("POST", INVOKE, nul_403()).on(
        "POST",
        V2_MAILBOX,
        Reply::json(200, &rows(&anna())),
    );
    let outcome =
        routed(&script, &clock()).run(&GetMailbox::new(mailbox("anna@contoso.example"))).await.unwrap();
    assert!(outcome.value.is_some());
    assert_eq!(outcome.route, Route::AdminApiV2);
    script.assert_finished();
    let second = &script.requests()[1];
    assert!(second.headers().contains_key("x-anchormailbox"));
    assert!(second.uri().query().unwrap().starts_with("$select="));
}

#[tokio::test]
async fn a_cmdlets_own_answer_is_final_on_every_route() {
    // "Not found" by the cmdlet itself is the answer, and is not asked again elsewhere.
    let script = ScriptedTransport::new().on("POST", INVOKE, Reply::json(404, &failure(NOT_FOUND, "x")));
    let outcome =
        routed(&script, &clock()).run(&GetMailbox::new(mailbox("anna@contoso.example"))).await.unwrap();
    assert_eq!((outcome.value, outcome.route), (None, Route::InvokeCommand));
    // Nothing behind the address: the next route is asked, and its 404 without a type is still no "absent".
    let script = ScriptedTransport::new().on("POST", INVOKE, Reply::json(404, "{}")).on(
        "POST",
        V2_MAILBOX,
        Reply::json(404, "{}"),
    );
    let error =
        routed(&script, &clock()).run(&GetMailbox::new(mailbox("anna@contoso.example"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    script.assert_finished();
}

#[tokio::test]
async fn a_write_that_may_have_acted_is_not_handed_to_another_route() {
    let wanted = || {
        NewManagementRoleAssignment::new(
            RoleAssignmentName::parse("Acme").unwrap(),
            object(),
            ApplicationRole::MailRead,
            ResourceScope::Organization,
        )
    };
    for reply in [
        Reply::json(404, "{}"),
        Reply::json(503, "{}"),
        Reply::failure(TransportErrorKind::Interrupted),
        Reply::json(400, &failure("A.B", "no")),
    ] {
        let script = ScriptedTransport::new().on("POST", INVOKE, reply);
        assert!(routed(&script, &clock()).run(&wanted()).await.is_err());
        assert_eq!(script.requests().len(), 1, "it must not be sent anywhere else");
    }
}

#[tokio::test]
async fn roles_are_assigned_over_graph_with_their_scope() {
    let definitions = json!({"value": [{"id": "d-7", "displayName": "Application Mail.Read"}]}).to_string();
    let scopes = json!({"value": [{"id": "s-3", "type": "RecipientScope", "displayName": "Acme queues",
        "customAttributes": {"Exclusive": false, "RecipientFilter": "Department -eq 'Queues'"}}]})
    .to_string();
    let made = json!({"id": "x-1", "principalId": format!("/ServicePrincipals/{OBJECT}"), "roleDefinitionId": "d-7",
        "directoryScopeId": null, "appScopeId": "s-3"});
    let script = ScriptedTransport::new()
        .on("POST", INVOKE, nul_403())
        .on("GET", &format!("{GRAPH}/roleDefinitions"), Reply::json(200, &definitions))
        .on("GET", &format!("{GRAPH}/customAppScopes"), Reply::json(200, &scopes))
        .on("POST", &format!("{GRAPH}/roleAssignments"), Reply::json(201, &made.to_string()))
        .on("POST", INVOKE, nul_403())
        .on(
            "GET",
            &format!("{GRAPH}/roleAssignments"),
            Reply::json(
                200,
                &json!({"value": [made, {"id": "x-2",
                "principalId": format!("/ServicePrincipals/{OBJECT}"), "roleDefinitionId": "d-7",
                "directoryScopeId": "/users/1", "appScopeId": null}]})
                .to_string(),
            ),
        )
        .on("GET", &format!("{GRAPH}/roleDefinitions"), Reply::json(200, &definitions))
        .on("GET", &format!("{GRAPH}/customAppScopes"), Reply::json(200, &scopes));
    let exchange = routed(&script, &clock());
    let outcome = exchange
        .run(&NewManagementRoleAssignment::new(
            RoleAssignmentName::parse("Acme").unwrap(),
            object(),
            ApplicationRole::MailRead,
            ResourceScope::Custom(ManagementScopeName::parse("Acme queues").unwrap()),
        ))
        .await
        .unwrap();
    assert_eq!(outcome.route, Route::Graph);
    assert_eq!(outcome.value.unwrap().scope, GrantedScope::Custom("Acme queues".to_owned()));
    let sent: Value = serde_json::from_slice(script.requests()[3].body()).unwrap();
    assert_eq!(
        sent,
        json!({"principalId": format!("/ServicePrincipals/{OBJECT}"), "roleDefinitionId": "d-7",
            "directoryScopeId": null, "appScopeId": "s-3"})
    );
    let listed = exchange.run(&ListManagementRoleAssignments::of_app(object())).await.unwrap();
    // A scope of a kind without a name here is not the whole organisation.
    assert_eq!(listed.value[1].scope, GrantedScope::Unknown("Graph users".to_owned()));
    script.assert_finished();
}

#[tokio::test]
async fn without_any_route_a_person_gets_the_line_to_run() {
    let script = ScriptedTransport::new().on("POST", INVOKE, nul_403());
    let cmdlet =
        AddMailboxPermission::new(mailbox("anna@contoso.example"), object(), MailboxRight::FullAccess);
    match routed(&script, &clock()).run_or_hand_over(&cmdlet).await.unwrap() {
        RunOr::HandOver(line) => {
            assert_eq!(line.powershell, cmdlet.command().unwrap().to_powershell().unwrap());
            assert_eq!(line.role_group, RoleGroup::RecipientManagement);
            assert_eq!(line.refusal.kind(), ErrorKind::PermissionDenied);
        }
        RunOr::Ran(_) => panic!("nobody let it"),
    }
}

#[tokio::test]
async fn the_ladder_of_grants_is_told_apart() {
    let answer = |reply| ScriptedTransport::new().on("GET", MODULE, reply);
    let unauthorized = || Reply::json(401, r#"{"error":{"code":"Unauthorized","message":"no"}}"#);
    let script = answer(unauthorized()).on("GET", MODULE, unauthorized());
    assert_eq!(direct(&script, &clock()).standing().await.unwrap(), Standing::NoPermission);
    let said = r#"{"error":{"code":"Forbidden","message":"The role assigned to application 1 isn't supported in this scenario."}}"#;
    match direct(&answer(Reply::json(403, said)), &clock()).standing().await.unwrap() {
        Standing::NoRole(why) => assert!(why.contains("isn't supported in this scenario")),
        other => panic!("{other:?}"),
    }
    let holds = json!({"value": [{"exportedCmdlets": ["Get-Mailbox"]}]}).to_string();
    let holds = direct(&answer(Reply::json(200, &holds)), &clock()).standing().await.unwrap();
    assert_eq!(holds, Standing::Holds(Capabilities::from_iter(["get-mailbox"])));
    // What says nothing about grants is no rung.
    let broken = Reply::json(400, &failure("A.B", "x"));
    assert!(direct(&answer(broken), &clock()).standing().await.is_err());
}

#[tokio::test]
async fn a_missing_role_is_named_before_the_first_write() {
    let holds = json!({"value": [{"exportedCmdlets": ["Get-MailboxPermission"]}]}).to_string();
    let script = ScriptedTransport::new().on("GET", MODULE, Reply::json(200, &holds));
    let plan = [GetMailboxPermission::FACTS, AddMailboxPermission::FACTS, AddMailboxPermission::FACTS];
    let error = direct(&script, &clock()).require(plan).await.unwrap_err();
    assert_eq!((error.kind(), error.acted()), (ErrorKind::PermissionDenied, Acted::No));
    let text = error.to_string();
    assert!(text.contains("Add-MailboxPermission (role Mail Recipients)"), "{text}");
    assert!(text.contains("\"Recipient Management\"") && !text.contains("Get-MailboxPermission"), "{text}");
    assert_eq!(text.matches("Add-MailboxPermission").count(), 1);
    assert_eq!(script.requests().len(), 1);
}

fn grants() -> Vec<AddMailboxPermission> {
    ["anna", "bert", "cleo"]
        .iter()
        .map(|n| {
            AddMailboxPermission::new(
                mailbox(&format!("{n}@contoso.example")),
                object(),
                MailboxRight::FullAccess,
            )
        })
        .collect()
}

fn item(id: &str, status: u16, body: &str) -> Value {
    json!({"id": id, "status": status, "body": serde_json::from_str::<Value>(body).unwrap()})
}

fn batch(items: &[Value]) -> Reply {
    Reply::json(200, &json!({"responses": items}).to_string())
}

#[tokio::test]
async fn trap_24_answers_of_a_batch_belong_to_their_ids_and_success_may_be_absent() {
    let script =
        ScriptedTransport::new().on("POST", BATCH, batch(&[item("2", 404, &failure(NOT_FOUND, "bert"))]));
    let results = direct(&script, &clock()).run_batch(&grants()).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.mailbox()), (ErrorKind::NotFound, Some("bert@contoso.example")));
    let sent: Value = serde_json::from_slice(script.requests()[0].body()).unwrap();
    assert_eq!(sent["requests"][2]["id"], "3");
    assert_eq!(sent["requests"][2]["url"], format!("https://outlook.office365.com{INVOKE}"));
    assert_eq!(sent["requests"][2]["headers"]["X-AnchorMailbox"], "SMTP:cleo@contoso.example");
    let body: Value =
        serde_json::from_slice(&grants()[2].command().unwrap().to_invoke_body().unwrap()).unwrap();
    assert_eq!(sent["requests"][2]["body"], body);

    // Something failed that names no item: nothing unconfirmed counts as done.
    let lost = json!({"id": "", "status": 500, "body": {}});
    let script = ScriptedTransport::new().on("POST", BATCH, batch(&[item("1", 200, "{}"), lost]));
    let results = direct(&script, &clock()).run_batch(&grants()).await;
    assert!(results[0].is_ok());
    for result in &results[1..] {
        assert_eq!(result.as_ref().unwrap_err().acted(), Acted::Unknown);
    }
    // The whole batch is lost: each item says so, and none is sent again.
    let script = ScriptedTransport::new().on("POST", BATCH, Reply::failure(TransportErrorKind::Interrupted));
    for result in direct(&script, &clock()).run_batch(&grants()).await {
        assert_eq!(result.unwrap_err().acted(), Acted::Unknown);
    }
    assert_eq!(script.requests().len(), 1);
}

/// Setting twice does no harm by itself, and yet somebody else's write in between would be lost.
#[tokio::test]
async fn a_set_that_a_batch_leaves_out_or_refuses_for_now_is_not_sent_again() {
    let sets: Vec<SetMailbox> = ["anna", "bert"]
        .iter()
        .map(|n| {
            SetMailbox::new(mailbox(&format!("{n}@contoso.example"))).with_hidden_from_address_lists(true)
        })
        .collect();
    assert_eq!(SetMailbox::FACTS.idempotency, Idempotency::Idempotent, "else this test shows nothing");
    let busy = item("2", 503, "{}");
    let script = ScriptedTransport::new().on("POST", BATCH, batch(&[busy]));
    let results = direct(&script, &clock()).run_batch(&sets).await;
    assert!(results[0].is_ok(), "silence about a write is its success");
    assert!(results[1].as_ref().unwrap_err().is_transient(), "{results:?}");
    assert_eq!(script.requests().len(), 1);

    let script = ScriptedTransport::new().on("POST", BATCH, Reply::failure(TransportErrorKind::Interrupted));
    for result in direct(&script, &clock()).run_batch(&sets).await {
        assert_eq!(result.unwrap_err().acted(), Acted::Unknown);
    }
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn a_read_that_a_batch_leaves_out_or_cuts_is_read_on_its_own() {
    let gets: Vec<GetMailbox> =
        ["anna", "bert"].iter().map(|n| GetMailbox::new(mailbox(&format!("{n}@contoso.example")))).collect();
    let paged = json!({"value": [], "@odata.nextLink": "https://outlook.office365.com/x"}).to_string();
    let script = ScriptedTransport::new()
        .on("POST", BATCH, batch(&[item("2", 200, &paged)]))
        .on("POST", INVOKE, Reply::json(200, &rows(&anna())))
        .on("POST", INVOKE, Reply::json(404, &failure(NOT_FOUND, "bert")));
    let results = direct(&script, &clock()).run_batch(&gets).await;
    assert!(results[0].as_ref().unwrap().value.is_some());
    assert!(results[1].as_ref().unwrap().value.is_none());
    script.assert_finished();
}

#[tokio::test]
async fn more_than_ten_go_in_several_batches_in_order() {
    let many: Vec<_> = (0..23)
        .map(|n| {
            AddMailboxPermission::new(
                mailbox(&format!("m{n}@contoso.example")),
                object(),
                MailboxRight::FullAccess,
            )
        })
        .collect();
    let fails = |id| batch(&[item(id, 400, &failure("A.B", "x"))]);
    let script = ScriptedTransport::new().on("POST", BATCH, fails("10")).on("POST", BATCH, fails("1")).on(
        "POST",
        BATCH,
        fails("3"),
    );
    let results = direct(&script, &clock()).run_batch(&many).await;
    let failed: Vec<usize> =
        results.iter().enumerate().filter(|(_, r)| r.is_err()).map(|(at, _)| at).collect();
    assert_eq!((results.len(), failed), (23, vec![9, 10, 22]));
    assert_eq!(results[22].as_ref().unwrap_err().mailbox(), Some("m22@contoso.example"));
}

fn page(names: &[&str], next: Option<&str>) -> Reply {
    let rows: Vec<Value> = names
        .iter()
        .map(|n| json!({"PrimarySmtpAddress": format!("{n}@contoso.example"), "RecipientTypeDetails": "UserMailbox"}))
        .collect();
    let mut page = json!({"value": rows});
    if let Some(next) = next {
        page["@odata.nextLink"] = json!(next);
    }
    Reply::json(200, &page.to_string())
}

async fn streamed(script: &ScriptedTransport) -> (Vec<String>, Option<ErrorKind>) {
    let exchange = direct(script, &clock());
    let mut stream = std::pin::pin!(exchange.stream(ListMailboxes::new()).await.unwrap());
    let mut names = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(mailbox)) => names.push(mailbox.primary_smtp_address.as_str().to_owned()),
            Ok(None) => return (names, None),
            Err(error) => {
                assert!(stream.try_next().await.unwrap().is_none(), "an error ends the stream");
                return (names, Some(error.kind()));
            }
        }
    }
}

#[tokio::test]
async fn trap_4_a_streamed_list_follows_links_with_body_and_cookie_and_is_never_short() {
    const NEXT: &str = "https://eurprd01.outlook.office365.com/adminapi/next?$skiptoken=1";
    let first = || page(&["a", "b"], Some(NEXT)).header("set-cookie", "exchangecookie=c1; path=/");
    let start = || ScriptedTransport::new().on("POST", INVOKE, first());
    let script = start().on("POST", "/adminapi/next", page(&["c"], None));
    let (names, error) = streamed(&script).await;
    assert_eq!((names.len(), error), (3, None));
    let requests = script.requests();
    assert_eq!(requests[1].body(), requests[0].body());
    assert_eq!(requests[1].headers()["cookie"], "exchangecookie=c1");

    for (second, kind) in [
        (page(&["c"], Some(NEXT)), ErrorKind::Truncated),
        (Reply::new(200, ""), ErrorKind::Truncated),
        (Reply::json(404, "{}"), ErrorKind::Truncated),
        (Reply::json(400, &failure("A.B", "Expired or Invalid pagination request.")), ErrorKind::Truncated),
        (Reply::new(200, "{\"value\":[{\"PrimarySmtpAddress\":\"d@contoso.example\"},"), ErrorKind::Network),
        (Reply::json(200, &failure("A.B", "inside 200")), ErrorKind::Rejected),
    ] {
        let script = start().on("POST", "/adminapi/next", second);
        let (_, error) = streamed(&script).await;
        assert_eq!(error.map(|k| format!("{k:?}")), Some(format!("{kind:?}")));
    }
}

#[tokio::test]
async fn trap_27_a_regional_redirect_is_followed_and_a_foreign_one_gets_no_token() {
    let to = |host: &str| Reply::new(307, "").header("location", &format!("https://{host}{INVOKE}"));
    let script = ScriptedTransport::new().on("POST", INVOKE, to("eurprd01.outlook.office365.com")).on(
        "POST",
        INVOKE,
        Reply::json(200, &rows(&anna())),
    );
    let exchange = direct(&script, &clock());
    assert!(exchange.run(&GetMailbox::new(mailbox("anna@contoso.example"))).await.unwrap().value.is_some());
    assert_eq!(script.requests()[1].uri().host(), Some("eurprd01.outlook.office365.com"));

    for host in
        ["outlook.office365.com.evil.example", "evil-outlook.office365.com", "a.b.outlook.office365.com"]
    {
        let script = ScriptedTransport::new().on("POST", INVOKE, to(host));
        let error = routed(&script, &clock())
            .run(&GetMailbox::new(mailbox("anna@contoso.example")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{host}");
        assert_eq!(script.requests().len(), 1, "neither there nor on another route");
    }
}

#[tokio::test]
async fn the_rate_limit_is_learnt_from_the_headers() {
    let used_up = Reply::json(200, &rows(&anna()))
        .header("Rate-Limit-Limit", "30000")
        .header("Rate-Limit-Remaining", "12")
        .header("Rate-Limit-Reset", "2026-11-21T08:00:40.5Z");
    let plenty = Reply::json(200, &rows(&anna()))
        .header("Rate-Limit-Limit", "30000")
        .header("Rate-Limit-Remaining", "29000")
        .header("Rate-Limit-Reset", "2026-11-21T08:05:00Z");
    let script = ScriptedTransport::new().on("POST", INVOKE, used_up).on("POST", INVOKE, plenty).on(
        "POST",
        INVOKE,
        Reply::json(200, &rows(&anna())),
    );
    let clock = clock();
    let exchange = direct(&script, &clock);
    let get = GetMailbox::new(mailbox("anna@contoso.example"));
    exchange.run(&get).await.unwrap();
    assert_eq!(clock_text(&clock), "2026-11-21T08:00:00Z");
    exchange.run(&get).await.unwrap();
    assert_eq!(clock_text(&clock), "2026-11-21T08:00:40.5Z", "it waited for the bucket");
    exchange.run(&get).await.unwrap();
    assert_eq!(clock_text(&clock), "2026-11-21T08:00:40.5Z");
}

fn clock_text(clock: &ManualClock) -> String {
    m365_core::Clock::now(clock).to_string()
}

#[test]
fn the_test_tenant_is_the_one_of_the_paths() {
    assert!(INVOKE.contains(TENANT) && BATCH.contains(TENANT) && !APP.is_empty());
    assert_eq!(address("a@b.example").as_str(), "a@b.example");
}
