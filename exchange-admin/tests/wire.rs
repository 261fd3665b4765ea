//! Answers and failures of the Admin API as they come over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{
    INVOKE, NOT_FOUND, OBJECT, TENANT, app, failure, mailbox, object, over_http, over_script, rows,
};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, Cmdlet as _, DistinguishedName, ErrorKind, GrantedScope, MailboxRight, RecipientKind,
    Removal,
};
use m365_core::testing::{Reply, ScriptedTransport};
use m365_core::transport::TransportErrorKind;
use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn post(reply: Reply) -> ScriptedTransport {
    ScriptedTransport::new().on("POST", INVOKE, reply)
}

async fn run<C: exchange_admin::Cmdlet>(
    script: &ScriptedTransport,
    cmdlet: &C,
) -> exchange_admin::Result<C::Output> {
    over_script(script, &common::clock()).run(cmdlet).await.map(|o| o.value)
}

#[tokio::test]
async fn trap_1_a_403_of_nul_bytes_declared_gzip_over_http() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(403)
                .insert_header("Content-Encoding", "gzip")
                .insert_header("request-id", "r-17")
                .insert_header(
                    "x-ms-diagnostics",
                    "2000003;reason=\"No role.\";error_category=\"invalid_resource\"",
                )
                .set_body_bytes(vec![0u8; 128]),
        )
        .expect(1)
        .mount(&server)
        .await;
    let (exchange, _) = over_http(&server.uri());
    let error = exchange.run(&ListServicePrincipals::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!((error.service_code(), error.request_id()), (Some("2000003"), Some("r-17")));
    assert!(
        error.to_string().contains("Get-ServicePrincipal") && error.to_string().contains("No role."),
        "{error}"
    );
}

#[tokio::test]
async fn not_found_is_an_answer_only_with_its_exception_type() {
    let absent = failure(NOT_FOUND, "Das Objekt wurde nicht gefunden.");
    let script = post(Reply::json(404, &absent));
    assert_eq!(run(&script, &GetServicePrincipal::of_app(app())).await.unwrap(), None);

    // A read that failed otherwise is never "absent".
    for reply in [
        Reply::json(404, "{}"),
        Reply::json(404, r#"{"error":{"code":"NotFound","message":"No such path."}}"#),
        Reply::new(403, vec![0u8; 9]),
        Reply::json(400, &failure("A.ParameterTransformationException", "x")),
    ] {
        assert!(run(&post(reply), &GetServicePrincipal::of_app(app())).await.is_err());
    }
    // A mailbox that does not exist has no permission list, not an empty one.
    let script = post(Reply::json(404, &absent));
    let error = run(&script, &GetMailboxPermission::new(mailbox("anna@contoso.example"))).await.unwrap_err();
    assert_eq!((error.kind(), error.mailbox()), (ErrorKind::NotFound, Some("anna@contoso.example")));
}

#[tokio::test]
async fn trap_19_no_access_policy_at_all_arrives_as_a_translated_error() {
    let absent = failure(NOT_FOUND, "Es gibt keine Richtlinien.");
    assert_eq!(
        run(&post(Reply::json(404, &absent)), &ListApplicationAccessPolicies::new()).await.unwrap(),
        []
    );
    let error =
        run(&post(Reply::new(403, vec![0u8; 9])), &ListApplicationAccessPolicies::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn an_unknown_identity_that_returns_everything_is_compared_with_what_was_asked() {
    let all = json!([
        {"AppId": "aaaaaaaa-0000-4000-8000-000000000001", "ObjectId": "aaaaaaaa-0000-4000-8000-000000000002"},
        {"AppId": "aaaaaaaa-0000-4000-8000-000000000003", "ServiceId": "aaaaaaaa-0000-4000-8000-000000000004"},
    ]);
    let script = post(Reply::json(200, &rows(&all)));
    assert_eq!(run(&script, &GetServicePrincipal::of_app(app())).await.unwrap(), None);

    let mailboxes = json!([
        {"PrimarySmtpAddress": "bert@contoso.example", "DisplayName": "anna", "RecipientTypeDetails": "UserMailbox"},
        {"PrimarySmtpAddress": "a.smith@contoso.example", "EmailAddresses": ["SMTP:a.smith@contoso.example", "smtp:Anna@contoso.example"],
         "RecipientTypeDetails": "SharedMailbox", "ExchangeGuid": "0f3c2b1a-1111-4222-8333-444455556666"},
    ]);
    let found =
        run(&post(Reply::json(200, &rows(&mailboxes))), &GetMailbox::new(mailbox("anna@contoso.example")))
            .await
            .unwrap()
            .unwrap();
    assert_eq!(found.primary_smtp_address.as_str(), "a.smith@contoso.example");
    assert_eq!(found.kind, RecipientKind::SharedMailbox);
}

#[tokio::test]
async fn trap_4_pages_are_drained_by_posting_the_same_body_and_cookie_to_the_link() {
    let server = MockServer::start().await;
    let row = |n: u32| json!({"Name": format!("g{n}"), "RecipientTypeDetails": "MailUniversalSecurityGroup"});
    let next = format!("{}/adminapi/beta/{TENANT}/InvokeCommand?%24skiptoken=ADZm%2B1", server.uri());
    Mock::given(method("POST"))
        .and(query_param("$skiptoken", "ADZm+1"))
        .and(header("cookie", "exchangecookie=c1"))
        .and(header("prefer", "odata.maxpagesize=1000"))
        .and(body_string_contains(r#""ResultSize":"Unlimited""#))
        .respond_with(ResponseTemplate::new(200).set_body_string(json!({"value": [row(3)]}).to_string()))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path(INVOKE))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("set-cookie", "exchangecookie=c1; path=/; secure")
                .set_body_string(json!({"value": [row(1), row(2)], "@odata.nextLink": next}).to_string()),
        )
        .expect(1)
        .mount(&server)
        .await;
    let (exchange, _) = over_http(&server.uri());
    let groups = exchange.run(&ListDistributionGroups::new()).await.unwrap().value;
    assert_eq!(groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["g1", "g2", "g3"]);
}

fn linked(link: &str) -> Reply {
    let row = json!({"Name": "g1", "RecipientTypeDetails": "MailUniversalSecurityGroup"});
    Reply::json(200, &json!({"value": [row], "@odata.nextLink": link}).to_string())
}

const LINK: &str = "https://outlook.office365.com/adminapi/next?$skiptoken=1";

#[tokio::test]
async fn trap_4_a_refused_page_starts_the_read_over_once_without_asking_for_pages() {
    let expired = || {
        Reply::json(
            400,
            &failure("A.B", "Expired or Invalid pagination request. Default Expiry time is 00:30:00"),
        )
    };
    let whole = rows(&json!([{"Name": "g1", "RecipientTypeDetails": "MailUniversalSecurityGroup"}]));
    let script = post(linked(LINK)).on("POST", "/adminapi/next", expired()).on(
        "POST",
        INVOKE,
        Reply::json(200, &whole),
    );
    assert_eq!(run(&script, &ListDistributionGroups::new()).await.unwrap().len(), 1);
    let requests = script.requests();
    assert!(requests[0].headers().contains_key("prefer") && !requests[2].headers().contains_key("prefer"));
    script.assert_finished();

    let script = post(linked(LINK))
        .on("POST", "/adminapi/next", expired())
        .on("POST", INVOKE, linked(LINK))
        .on("POST", "/adminapi/next", expired());
    let error = run(&script, &ListDistributionGroups::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    script.assert_finished();
}

#[tokio::test]
async fn trap_4_a_list_is_never_short() {
    for broken in [
        Reply::json(404, &failure(NOT_FOUND, "gone")),
        Reply::new(200, ""),
        Reply::json(200, "{}"),
        linked(LINK),
    ] {
        let script = post(linked(LINK)).on("POST", "/adminapi/next", broken);
        let error = run(&script, &ListDistributionGroups::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
    }
    let warned = json!({"value": [], "@adminapi.warnings": [
        "There are more results available than are currently displayed. To view them, increase the value for the ResultSize parameter."]});
    let error = run(&post(Reply::json(200, &warned.to_string())), &ListMailboxes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn trap_27_a_page_on_a_foreign_host_is_not_followed() {
    for link in [
        "https://outlook.office365.com.evil.example/x",
        "http://outlook.office365.com/x",
        "https://evil.example/x",
    ] {
        let script = post(linked(link));
        assert!(run(&script, &ListDistributionGroups::new()).await.is_err());
        assert_eq!(script.requests().len(), 1, "{link}");
    }
    // A regional front end of the same service is fine.
    let script = post(linked("https://eurprd07.outlook.office365.com/adminapi/next")).on(
        "POST",
        "/adminapi/next",
        Reply::json(200, &rows(&json!([]))),
    );
    assert_eq!(run(&script, &ListDistributionGroups::new()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn transient_exceptions_are_repeated_for_reads_and_never_for_writes() {
    let busy = || {
        Reply::json(
            400,
            &failure("Microsoft.Exchange.Data.Directory.ADServerSettingsChangedException", "again"),
        )
    };
    let script = post(busy()).on("POST", INVOKE, Reply::json(200, &rows(&json!([]))));
    assert_eq!(run(&script, &ListServicePrincipals::new()).await.unwrap(), []);
    script.assert_finished();

    let script = post(busy());
    let error = run(&script, &NewServicePrincipal::new(app(), object(), "Acme")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 1));
    assert_eq!(script.requests().len(), 1);

    // Throttling is refused before execution, so a write waits and goes again.
    let slow = Reply::new(429, "").header("Retry-After", "2.5");
    let script = post(slow).on("POST", INVOKE, Reply::json(200, ""));
    let clock = common::clock();
    over_script(&script, &clock).run(&NewServicePrincipal::new(app(), object(), "Acme")).await.unwrap();
    assert!(clock.slept() >= std::time::Duration::from_millis(2500));
}

#[tokio::test]
async fn trap_26_a_write_is_not_repeated_after_a_timeout() {
    for kind in [TransportErrorKind::Timeout, TransportErrorKind::Interrupted] {
        // A second call would be answered, so that it would show.
        let script = || post(Reply::failure(kind)).on("POST", INVOKE, Reply::json(200, &rows(&json!([]))));
        let add =
            AddMailboxPermission::new(mailbox("anna@contoso.example"), object(), MailboxRight::FullAccess);
        let write = script();
        assert!(run(&write, &add).await.is_err());
        assert_eq!(write.requests().len(), 1);
        let read = script();
        assert_eq!(run(&read, &ListServicePrincipals::new()).await.unwrap(), []);
        assert_eq!(read.requests().len(), 2);
    }
}

#[tokio::test]
async fn trap_20_in_scope_has_three_states_and_verdicts_no_default() {
    let row = |in_scope: serde_json::Value| {
        rows(&json!([{"RoleName": "Application Mail.Read", "GrantedPermissions": "Mail.Read, Mail.Send",
            "AllowedResourceScope": "Acme queues", "ScopeType": "CustomRecipientScope", "InScope": in_scope}]))
    };
    for (said, expected) in [
        (json!("True"), InScope::Yes),
        (json!(true), InScope::Yes),
        (json!("False"), InScope::No),
        (json!("Not Run"), InScope::NotRun),
        (json!(null), InScope::NotRun),
        (json!("Maybe"), InScope::Unknown("Maybe".into())),
    ] {
        let script = post(Reply::json(200, &row(said)));
        let found = run(&script, &TestServicePrincipalAuthorization::new(object())).await.unwrap();
        assert_eq!(found[0].in_scope, expected);
        assert_eq!(found[0].granted_permissions, ["Mail.Read", "Mail.Send"]);
    }
    let check = |word: &str| rows(&json!([{"AccessCheckResult": word, "Mailbox": "anna"}]));
    let test = TestApplicationAccessPolicy::new(app(), mailbox("anna@contoso.example"));
    for (word, expected) in [
        ("Granted", AccessCheckResult::Granted),
        ("Denied", AccessCheckResult::Denied),
        ("Perhaps", AccessCheckResult::Unknown("Perhaps".into())),
    ] {
        assert_eq!(run(&post(Reply::json(200, &check(word))), &test).await.unwrap().result, expected);
    }
    assert!(run(&post(Reply::json(200, &rows(&json!([])))), &test).await.is_err());
}

#[tokio::test]
async fn policies_scopes_and_assignments_read_as_exchange_writes_them() {
    let policies = rows(&json!([
        {"Identity": format!("9f8e7d6c-0000-4000-8000-000000000001\\{}:S-1-5-21-1-2-3-4;aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", common::APP.to_uppercase()),
         "AppId": common::APP.to_uppercase(), "AccessRight": "RestrictAccess", "ScopeName": "Queues", "IsValid": true},
        {"Identity": "x", "AppId": "*", "AccessRight": "SomethingNew"},
    ]));
    let found = run(&post(Reply::json(200, &policies)), &ListApplicationAccessPolicies::new()).await.unwrap();
    assert_eq!((found[0].app, found[0].right), (PolicyApp::App(app()), Some(AccessRight::Restrict)));
    assert_eq!(found[0].identity.scope_sid(), Some("S-1-5-21-1-2-3-4"));
    assert_eq!((found[1].app, found[1].right), (PolicyApp::Every, None));

    let assignments = rows(&json!([
        {"Name": "a", "Role": "Application Mail.Read", "CustomResourceScope": "Acme queues", "RecipientWriteScope": "CustomRecipientScope"},
        {"Name": "b", "Role": "Application Mail.Send", "RecipientWriteScope": "Organization"},
        {"Name": "c", "Role": "Something Else", "RecipientWriteScope": "ExclusiveRecipientScope"},
    ]));
    let found = run(&post(Reply::json(200, &assignments)), &ListManagementRoleAssignments::of_app(object()))
        .await
        .unwrap();
    assert_eq!(found[0].scope, GrantedScope::Custom("Acme queues".into()));
    assert_eq!(found[1].scope, GrantedScope::Organization);
    assert_eq!(
        (found[2].role, &found[2].scope),
        (None, &GrantedScope::Unknown("ExclusiveRecipientScope".into()))
    );

    let organisation = rows(&json!([{"Name": "contoso", "IsDehydrated": true, "EwsEnabled": null}]));
    let config = run(&post(Reply::json(200, &organisation)), &GetOrganizationConfig::new()).await.unwrap();
    assert_eq!((config.is_dehydrated, config.ews_enabled), (Some(true), None));
}

#[tokio::test]
async fn the_mailboxs_own_and_inherited_permissions_are_left_out_and_sids_stay() {
    let entries = rows(&json!([
        {"User": "NT AUTHORITY\\SELF", "AccessRights": ["FullAccess"]},
        {"User": "S-1-5-10", "AccessRights": ["FullAccess"]},
        {"User": "S-1-5-21-10-20-30-4711", "AccessRights": ["FullAccess"]},
        {"User": "Admins", "AccessRights": ["FullAccess"], "IsInherited": true},
        {"User": "Acme", "AccessRights": ["FullAccess", "SomeRight"], "IsInherited": false, "Deny": false, "InheritanceType": "All"},
    ]));
    let found =
        run(&post(Reply::json(200, &entries)), &GetMailboxPermission::new(mailbox("anna@contoso.example")))
            .await
            .unwrap();
    assert_eq!(found.len(), 2);
    // The app itself, when Exchange shows it by its SID.
    let pointer = rows(&json!([{"AppId": common::APP, "ObjectId": OBJECT, "Sid": "S-1-5-21-10-20-30-4711"}]));
    let pointer = run(&post(Reply::json(200, &pointer)), &GetServicePrincipal::of_app(app())).await.unwrap();
    assert!(pointer.unwrap().names().contain(&found[0].user));
    assert_eq!(
        (found[1].rights.as_slice(), found[1].other_rights.len()),
        ([MailboxRight::FullAccess].as_slice(), 1)
    );
}

#[tokio::test]
async fn what_is_gone_already_is_gone() {
    let script = post(Reply::json(404, &failure(NOT_FOUND, "x")));
    assert_eq!(run(&script, &RemoveServicePrincipal::new(object())).await.unwrap(), Removal::AlreadyGone);
    let script = post(Reply::json(400, &failure("A.MemberNotFoundException", "x")));
    let remove =
        RemoveDistributionGroupMember::new(mailbox("q@contoso.example"), mailbox("a@contoso.example"));
    assert_eq!(run(&script, &remove).await.unwrap(), Removal::AlreadyGone);
    // The group itself being absent is another matter.
    let script = post(Reply::json(404, &failure(NOT_FOUND, "x")));
    assert!(run(&script, &remove).await.is_err());
    let script = post(Reply::new(200, ""));
    assert_eq!(run(&script, &RemoveServicePrincipal::new(object())).await.unwrap(), Removal::Removed);
}

#[tokio::test]
async fn a_change_that_changed_nothing_is_known_by_its_warning() {
    let body = json!({"@adminapi.warnings": ["The command completed successfully but no settings of 'anna' have been modified."]});
    let script = post(Reply::json(200, &body.to_string()));
    let exchange = over_script(&script, &common::clock());
    let set = SetCasMailbox::new(mailbox("anna@contoso.example")).with_imap_enabled(true);
    assert!(exchange.run(&set).await.unwrap().changed_nothing());
}

#[tokio::test]
async fn the_capability_probe_lists_what_the_caller_may_run() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/AdminApi/v1.0/{TENANT}/EXOModuleFile")))
        .and(header("CommandName", "*"))
        .respond_with(ResponseTemplate::new(200).set_body_string(
            r#"{"value":[{"exportedCmdlets":"Get-Mailbox,New-ServicePrincipal, Get-ServicePrincipal"}]}"#,
        ))
        .mount(&server)
        .await;
    let (exchange, _) = over_http(&server.uri());
    let may = exchange.capabilities().await.unwrap();
    assert!(may.allows(NewServicePrincipal::NAME) && !may.allows(NewManagementScope::NAME));
    assert_eq!(may.iter().count(), 3);
}

#[tokio::test]
async fn no_token_in_errors_and_debug() {
    let script = post(Reply::new(403, vec![0u8; 9]));
    let exchange = over_script(&script, &common::clock());
    let error = exchange.run(&ListServicePrincipals::new()).await.unwrap_err();
    let shown = format!("{error} {error:?} {exchange:?}");
    assert!(!shown.contains("t0ken-of-the-test") && !shown.contains(OBJECT), "{shown}");
}

#[tokio::test]
async fn assignments_of_an_app_are_compared_with_its_names() {
    let pointer =
        rows(&json!([{"AppId": common::APP, "ObjectId": OBJECT, "DisplayName": "Acme", "Identity": "sp-1"}]));
    let pointer =
        run(&post(Reply::json(200, &pointer)), &GetServicePrincipal::of_app(app())).await.unwrap().unwrap();
    // Exchange may answer a name that it does not know with everybody's assignments.
    let all = rows(&json!([
        {"Name": "ours", "Role": "Application Mail.Read", "App": OBJECT.to_uppercase()},
        {"Name": "ours too", "Role": "Application Mail.Send", "RoleAssigneeName": "acme"},
        {"Name": "theirs", "Role": "Application Mail.Read", "App": common::OTHER_OBJECT, "RoleAssigneeName": "Other"},
        // Another app of the same display name.
        {"Name": "namesake", "Role": "Application Mail.Read", "App": common::OTHER_OBJECT, "RoleAssigneeName": "Acme"},
        {"Name": "people", "Role": "Mail Recipients", "RoleAssigneeName": "Recipient Management"},
        {"Name": "nobody", "Role": "Application Mail.Read"},
    ]));
    let exchange = over_script(&post(Reply::json(200, &all)), &common::clock());
    let ours = exchange.assignments_of(&pointer).await.unwrap();
    assert_eq!(ours.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["ours", "ours too"]);
}

#[tokio::test]
async fn a_recipient_is_found_by_a_long_distinguished_name() {
    let dn = format!("CN={},OU=contoso.example,OU=Hosted,DC=EURPR01A001,DC=prod", "Queue ".repeat(12).trim());
    let found = rows(&json!([
        {"Name": "other", "DistinguishedName": "CN=other,OU=x", "RecipientTypeDetails": "UserMailbox"},
        {"Name": "q", "DistinguishedName": dn.to_uppercase(), "RecipientTypeDetails": "MailUniversalSecurityGroup"},
    ]));
    let script = post(Reply::json(200, &found));
    let identity = DistinguishedName::parse(&dn).unwrap();
    assert_eq!(run(&script, &GetRecipient::new(identity)).await.unwrap().unwrap().name, "q");
    let body: serde_json::Value = serde_json::from_slice(script.requests()[0].body()).unwrap();
    assert_eq!(body["CmdletInput"]["Parameters"]["Identity"], dn);
}
