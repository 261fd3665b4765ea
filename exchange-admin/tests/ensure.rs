//! Writing so that a second time changes nothing, with answers lost, objects late and names already taken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests; rows are made where they are answered"
)]

mod common;

use std::time::Duration;

use common::{
    APP, INVOKE, NOT_FOUND, OBJECT, OTHER_OBJECT, address, app, clock, failure, mailbox, object, over_script,
    rows,
};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, Ensured, ErrorKind, MailboxRight, ManagementScopeName, ObjectName,
    RecipientFilter, ResourceScope, RoleAssignmentName,
};
use m365_core::testing::{Reply, ScriptedTransport};
use m365_core::transport::TransportErrorKind;
use serde_json::{Value, json};

fn script(replies: impl IntoIterator<Item = Reply>) -> ScriptedTransport {
    replies.into_iter().fold(ScriptedTransport::new(), |script, reply| script.on("POST", INVOKE, reply))
}

fn ok(value: Value) -> Reply {
    Reply::json(200, &rows(&value))
}

fn nothing() -> Reply {
    Reply::new(200, "")
}

fn absent() -> Reply {
    Reply::json(404, &failure(NOT_FOUND, "not there"))
}

fn exists() -> Reply {
    Reply::json(400, &failure("Microsoft.Exchange.X.ADObjectAlreadyExistsException", "there"))
}

fn lost() -> Reply {
    Reply::failure(TransportErrorKind::Interrupted)
}

/// The cmdlets called, in order.
fn called(script: &ScriptedTransport) -> Vec<String> {
    script.assert_finished();
    script.requests().iter().map(|r| r.headers()["x-cmdletname"].to_str().unwrap().to_owned()).collect()
}

fn pointer(object: &str) -> Value {
    json!([{"AppId": APP, "ObjectId": object, "DisplayName": "Acme", "Identity": "acme-1", "Sid": "S-1-5-21-7"}])
}

fn new_pointer() -> NewServicePrincipal {
    NewServicePrincipal::new(app(), object(), "Acme")
}

#[tokio::test]
async fn what_is_there_is_left_alone() {
    let script = script([ok(pointer(OBJECT))]);
    let ensured = over_script(&script, &clock()).ensure_service_principal(&new_pointer()).await.unwrap();
    assert!(matches!(&ensured, Ensured::AlreadyThere(p) if p.object_id == object()));
    assert_eq!(called(&script), ["Get-ServicePrincipal"]);
}

#[tokio::test]
async fn trap_12_a_pointer_to_another_object_names_both_ids_and_changes_nothing() {
    let script = script([ok(pointer(OTHER_OBJECT))]);
    let error = over_script(&script, &clock()).ensure_service_principal(&new_pointer()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains(OBJECT) && error.message().contains(OTHER_OBJECT), "{error}");
    assert_eq!(called(&script), ["Get-ServicePrincipal"]);
}

#[tokio::test]
async fn trap_22_an_object_that_shows_late_is_waited_for_on_the_clock() {
    let late = script([absent(), ok(pointer(OBJECT)), absent(), absent(), ok(pointer(OBJECT))]);
    let time = clock();
    let ensured = over_script(&late, &time).ensure_service_principal(&new_pointer()).await.unwrap();
    assert!(ensured.is_created());
    assert_eq!(time.slept(), Duration::from_secs(4));
    assert_eq!(called(&late).iter().filter(|c| c.starts_with("New-")).count(), 1);

    let never = script([absent(), nothing()].into_iter().chain((0..7).map(|_| absent())));
    let time = clock();
    let error = over_script(&never, &time).ensure_service_principal(&new_pointer()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotReady, Some("New-ServicePrincipal")));
    assert_eq!(time.slept(), Duration::from_secs(12));
    never.assert_finished();
}

#[tokio::test]
async fn trap_26_after_a_lost_answer_the_next_read_decides() {
    // The server had acted.
    let acted = script([absent(), lost(), ok(pointer(OBJECT))]);
    let ensured = over_script(&acted, &clock()).ensure_service_principal(&new_pointer()).await.unwrap();
    assert!(ensured.is_created());
    assert_eq!(called(&acted), ["Get-ServicePrincipal", "New-ServicePrincipal", "Get-ServicePrincipal"]);

    // It had not: seven reads say so before anything is written again.
    let not_acted = script(
        [absent(), lost()]
            .into_iter()
            .chain((0..7).map(|_| absent()))
            .chain([nothing(), ok(pointer(OBJECT))]),
    );
    let ensured = over_script(&not_acted, &clock()).ensure_service_principal(&new_pointer()).await.unwrap();
    assert!(ensured.is_created());
    assert_eq!(called(&not_acted).iter().filter(|c| c.starts_with("New-")).count(), 2);

    // It had, and shows only once the second write finds it.
    let late = script(
        [absent(), lost()].into_iter().chain((0..7).map(|_| absent())).chain([exists(), ok(pointer(OBJECT))]),
    );
    let ensured = over_script(&late, &clock()).ensure_service_principal(&new_pointer()).await.unwrap();
    assert!(ensured.is_created());
    late.assert_finished();
}

#[tokio::test]
async fn a_failed_read_is_never_absent() {
    let refused = script([Reply::new(403, vec![0u8; 8])]);
    let error = over_script(&refused, &clock()).ensure_service_principal(&new_pointer()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(called(&refused), ["Get-ServicePrincipal"]);
}

fn add() -> AddMailboxPermission {
    AddMailboxPermission::new(mailbox("anna@contoso.example"), object(), MailboxRight::FullAccess)
}

fn entry(user: &str, deny: bool) -> Value {
    json!({"User": user, "AccessRights": ["FullAccess"], "IsInherited": false, "Deny": deny, "InheritanceType": "All"})
}

#[tokio::test]
async fn trap_8_permissions_are_read_and_then_added_once() {
    let fresh = script([
        ok(pointer(OBJECT)),
        ok(json!([])),
        ok(json!([])),
        ok(json!([])),
        nothing(),
        ok(json!([entry("Acme", false)])),
    ]);
    let ensured = over_script(&fresh, &clock()).ensure_mailbox_permission(&add()).await.unwrap();
    assert!(ensured.is_created());
    assert_eq!(called(&fresh).iter().filter(|c| *c == "Add-MailboxPermission").count(), 1);

    for shown in ["Acme", "CONTOSO\\acme", OBJECT, "S-1-5-21-7", "S-1-5-21-7X"] {
        let there = script([ok(pointer(OBJECT)), ok(json!([entry(shown, false)]))]);
        let result = over_script(&there, &clock()).ensure_mailbox_permission(&add()).await;
        // The last one is somebody else's entry: the script ends where the next read would be.
        assert_eq!(result.is_ok(), shown != "S-1-5-21-7X", "{shown}");
    }
}

#[tokio::test]
async fn trap_9_an_ambiguous_grantee_and_a_denial_are_conflicts() {
    let two = script([ok(pointer(OBJECT)), ok(json!([entry("Acme", false), entry(OBJECT, false)]))]);
    let error = over_script(&two, &clock()).ensure_mailbox_permission(&add()).await.unwrap_err();
    assert_eq!((error.kind(), error.mailbox()), (ErrorKind::Conflict, Some("anna@contoso.example")));

    let denied = script([ok(pointer(OBJECT)), ok(json!([entry("Acme", true)]))]);
    let error = over_script(&denied, &clock()).ensure_mailbox_permission(&add()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);

    let unknown = script([absent()]);
    let error = over_script(&unknown, &clock()).ensure_mailbox_permission(&add()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn trap_21_a_full_permission_list_is_seen_before_the_call() {
    let entries: Vec<Value> = (0..500).map(|n| entry(&format!("user{n}"), false)).collect();
    let full = script([ok(pointer(OBJECT)), ok(json!([])), ok(json!(entries))]);
    let error = over_script(&full, &clock()).ensure_mailbox_permission(&add()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(!called(&full).contains(&"Add-MailboxPermission".to_owned()));
}

#[tokio::test]
async fn shared_mailboxes_wait_for_their_id_and_others_are_conflicts() {
    let wanted = NewSharedMailbox::new(ObjectName::parse("Queue").unwrap(), address("queue@contoso.example"));
    let row = |kind: &str, guid: &str| json!([{"PrimarySmtpAddress": "queue@contoso.example", "RecipientTypeDetails": kind, "ExchangeGuid": guid}]);
    let nil = "00000000-0000-0000-0000-000000000000";
    let complete = "0f3c2b1a-1111-4222-8333-444455556666";
    let fresh = script([
        absent(),
        ok(row("SharedMailbox", nil)),
        ok(row("SharedMailbox", nil)),
        ok(row("SharedMailbox", complete)),
    ]);
    let ensured = over_script(&fresh, &clock()).ensure_shared_mailbox(&wanted).await.unwrap();
    assert!(ensured.is_created() && ensured.value().exchange_guid.is_some());

    let person = script([ok(row("UserMailbox", complete))]);
    let error = over_script(&person, &clock()).ensure_shared_mailbox(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

fn group_row(dn: &str, kind: &str) -> Value {
    json!([{"Name": "Queues", "PrimarySmtpAddress": "queues@contoso.example", "RecipientTypeDetails": kind, "DistinguishedName": dn,
        "Guid": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "ExternalDirectoryObjectId": "aaaaaaaa-bbbb-4ccc-8ddd-000000000000",
        "IsValidSecurityPrincipal": kind == "MailUniversalSecurityGroup"}])
}

const SECURITY: &str = "MailUniversalSecurityGroup";

#[tokio::test]
async fn trap_22_a_new_group_has_no_distinguished_name_at_first() {
    let wanted = NewDistributionGroup::security(
        ObjectName::parse("Queues").unwrap(),
        address("queues@contoso.example"),
    );
    let dn = "CN=Queues,OU=contoso";
    let fresh = script([
        absent(),
        ok(group_row("", SECURITY)),
        ok(group_row("", SECURITY)),
        ok(group_row(dn, SECURITY)),
    ]);
    let group = over_script(&fresh, &clock()).ensure_security_group(&wanted).await.unwrap().into_value();
    assert_eq!(group.distinguished_name, dn);
    assert!(RecipientFilter::members_of([&group.distinguished_name]).is_ok());

    let list = script([ok(group_row(dn, "MailUniversalDistributionGroup"))]);
    let error = over_script(&list, &clock()).ensure_security_group(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn members_are_compared_by_id_not_by_display_name() {
    let anna = |guid: &str, address: &str| json!([{"Name": "Anna", "DisplayName": "Anna", "PrimarySmtpAddress": address, "RecipientTypeDetails": "UserMailbox", "Guid": guid}]);
    let (one, two) = ("aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002");
    let wanted =
        AddDistributionGroupMember::new(mailbox("queues@contoso.example"), mailbox("anna@contoso.example"));
    let namesake = script([
        ok(anna(one, "anna@contoso.example")),
        ok(anna(two, "anna.b@contoso.example")),
        Reply::json(400, &failure("A.MemberAlreadyExistsException", "bereits Mitglied")),
        ok(anna(one, "anna@contoso.example")),
    ]);
    let ensured = over_script(&namesake, &clock()).ensure_group_member(&wanted).await.unwrap();
    assert!(!ensured.is_created());
    assert_eq!(called(&namesake)[2], "Add-DistributionGroupMember");
}

#[tokio::test]
async fn policies_are_found_by_app_and_group_and_the_other_kind_is_a_conflict() {
    let wanted =
        NewApplicationAccessPolicy::new(app(), mailbox("queues@contoso.example"), AccessRight::Restrict);
    let policy = |right: &str, group: &str| {
        json!([{"Identity": format!("9f8e7d6c-0000-4000-8000-000000000001\\{APP}:S-1-5-21-1;{group}"),
            "AppId": APP.to_uppercase(), "AccessRight": right}])
    };
    let group = "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE";
    let there = script([ok(group_row("CN=Q", SECURITY)), ok(policy("RestrictAccess", group))]);
    assert!(
        !over_script(&there, &clock()).ensure_application_access_policy(&wanted).await.unwrap().is_created()
    );

    let none_at_all =
        script([ok(group_row("CN=Q", SECURITY)), absent(), nothing(), ok(policy("RestrictAccess", group))]);
    assert!(
        over_script(&none_at_all, &clock())
            .ensure_application_access_policy(&wanted)
            .await
            .unwrap()
            .is_created()
    );

    // DenyAccess, or a word of tomorrow, is not the restriction wanted.
    for right in ["DenyAccess", "SomethingNew"] {
        let other = script([ok(group_row("CN=Q", SECURITY)), ok(policy(right, group))]);
        let error =
            over_script(&other, &clock()).ensure_application_access_policy(&wanted).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    let list = script([ok(group_row("CN=Q", "MailUniversalDistributionGroup"))]);
    assert!(over_script(&list, &clock()).ensure_application_access_policy(&wanted).await.is_err());
}

#[tokio::test]
async fn trap_16_a_scope_with_another_filter_stops() {
    let name = || ManagementScopeName::parse("Acme queues").unwrap();
    let wanted =
        NewManagementScope::new(name(), RecipientFilter::members_of(["CN=Queues,OU=contoso"]).unwrap());
    let scope = |filter: Value, exclusive: bool| {
        ok(json!([{"Name": "ACME queues", "RecipientFilter": filter, "Exclusive": exclusive}]))
    };
    let same = script([scope(json!("((MemberOfGroup -eq 'cn=queues,ou=CONTOSO'))"), false)]);
    assert!(!over_script(&same, &clock()).ensure_management_scope(&wanted).await.unwrap().is_created());
    for (filter, exclusive) in [
        (json!("MemberOfGroup -eq 'CN=All,OU=contoso'"), false),
        (json!(""), false),
        (json!(null), false),
        (json!("MemberOfGroup -eq 'CN=Queues,OU=contoso'"), true),
    ] {
        let other = script([scope(filter, exclusive)]);
        let error = over_script(&other, &clock()).ensure_management_scope(&wanted).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(called(&other), ["Get-ManagementScope"]);
    }
}

#[tokio::test]
async fn trap_15_an_organisation_wide_assignment_is_not_the_scoped_one() {
    let wanted = |scope| {
        let name = RoleAssignmentName::parse("Acme Mail.Read").unwrap();
        NewManagementRoleAssignment::new(name, object(), ApplicationRole::MailRead, scope)
    };
    let custom = || ResourceScope::Custom(ManagementScopeName::parse("Acme queues").unwrap());
    let assignment = |name: &str, scope: Value| json!([{"Name": name, "Role": "Application Mail.Read", "RoleAssignee": OBJECT, "CustomResourceScope": scope, "RecipientWriteScope": "Organization"}]);
    let scoped = || assignment("Acme Mail.Read", json!("Acme queues"));
    let there = script([ok(pointer(OBJECT)), ok(scoped())]);
    let exchange = over_script(&there, &clock());
    assert!(!exchange.ensure_management_role_assignment(&wanted(custom())).await.unwrap().is_created());

    let wider = script([ok(pointer(OBJECT)), ok(assignment("Acme Mail.Read", json!("")))]);
    let exchange = over_script(&wider, &clock());
    let error = exchange.ensure_management_role_assignment(&wanted(custom())).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Conflict, Some("New-ManagementRoleAssignment"))
    );

    let elsewhere =
        script([ok(pointer(OBJECT)), ok(assignment("Somebody's", json!(""))), nothing(), ok(scoped())]);
    let exchange = over_script(&elsewhere, &clock());
    assert!(exchange.ensure_management_role_assignment(&wanted(custom())).await.unwrap().is_created());

    let group = || ResourceScope::Group(mailbox("queues@contoso.example"));
    let by_group = |echo: &str| {
        ok(
            json!([{"Name": "Acme Mail.Read", "Role": "Application Mail.Read", "RoleAssignee": OBJECT, "RecipientGroupScope": echo}]),
        )
    };
    for echo in ["Queues", "queues@contoso.example", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "contoso/Queues"]
    {
        let there = script([ok(pointer(OBJECT)), ok(group_row("CN=Q", SECURITY)), by_group(echo)]);
        let exchange = over_script(&there, &clock());
        assert!(!exchange.ensure_management_role_assignment(&wanted(group())).await.unwrap().is_created());
    }
}

#[tokio::test]
async fn an_assignment_of_another_app_is_not_ours_even_when_the_filter_is_ignored() {
    let name = RoleAssignmentName::parse("Acme Mail.Read").unwrap();
    let wanted = NewManagementRoleAssignment::new(
        name,
        object(),
        ApplicationRole::MailRead,
        ResourceScope::Custom(ManagementScopeName::parse("Acme queues").unwrap()),
    );
    let assignment = |assignee: &str| {
        ok(
            json!([{"Name": "Acme Mail.Read", "Role": "Application Mail.Read", "CustomResourceScope": "Acme queues", "RoleAssignee": assignee}]),
        )
    };
    let taken = script(
        [ok(pointer(OBJECT)), assignment(OTHER_OBJECT), exists()]
            .into_iter()
            .chain((0..7).map(|_| assignment(OTHER_OBJECT))),
    );
    let error = over_script(&taken, &clock()).ensure_management_role_assignment(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    taken.assert_finished();

    let ours = script([ok(pointer(OBJECT)), assignment("acme-1")]);
    assert!(
        !over_script(&ours, &clock()).ensure_management_role_assignment(&wanted).await.unwrap().is_created()
    );

    let no_pointer = script([absent()]);
    let error =
        over_script(&no_pointer, &clock()).ensure_management_role_assignment(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_dehydrated_tenant_is_told_apart() {
    let text = "You first need to run the command: Enable-OrganizationCustomization.";
    let wanted = NewManagementScope::new(
        ManagementScopeName::parse("Acme").unwrap(),
        RecipientFilter::members_of(["CN=Q,OU=c"]).unwrap(),
    );
    let tenant = script([
        absent(),
        Reply::json(400, &failure("A.InvalidOperationInDehydratedContextException", text)),
    ]);
    let error = over_script(&tenant, &clock()).ensure_management_scope(&wanted).await.unwrap_err();
    assert!(exchange_admin::needs_organization_customization(&error));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
