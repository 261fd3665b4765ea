//! What Exchange answers about roles, domains, dynamic lists and permissions in Active Directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{INVOKE, NOT_FOUND, failure, mailbox, over_script, rows};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    Cmdlet, ErrorKind, LeastPrivilege, ManagementRoleName, ObjectName, Removal, RoleGroupName,
};
use m365_core::testing::{Reply, ScriptedTransport};
use serde_json::json;

async fn run<C: Cmdlet>(cmdlet: &C, status: u16, body: &str) -> exchange_admin::Result<C::Output> {
    let script = ScriptedTransport::new().on("POST", INVOKE, Reply::json(status, body));
    over_script(&script, &common::clock()).run(cmdlet).await.map(|o| o.value)
}

fn role() -> ManagementRoleName {
    ManagementRoleName::parse("Acme reader").unwrap()
}

#[tokio::test]
async fn a_role_is_found_by_its_own_name_or_not_at_all() {
    let find = FindManagementRole::new(role());
    let there =
        json!([{"Name": "acme Reader", "RoleType": "MailRecipients", "Parent": "contoso\\Mail Recipients"}]);
    let found = run(&find, 200, &rows(&there)).await.unwrap().unwrap();
    assert_eq!(
        (found.parent.as_deref(), found.role_type.as_str()),
        (Some("Mail Recipients"), "MailRecipients")
    );
    // A name that Exchange does not know may be answered with every role there is.
    let all = json!([{"Name": "Mail Recipients", "Parent": null}, {"Name": "Role Management"}]);
    assert_eq!(run(&find, 200, &rows(&all)).await.unwrap(), None);
    assert_eq!(run(&find, 404, &failure(NOT_FOUND, "Nicht da.")).await.unwrap(), None);
    assert!(run(&find, 404, "{}").await.is_err(), "a read error is not an absent role");
    assert!(run(&find, 200, &rows(&json!([{"Identity": "x"}]))).await.is_err());
}

#[tokio::test]
async fn entries_and_removals() {
    let list = GetManagementRoleEntry::of_role(role());
    let two = json!([
        {"Name": "Get-Mailbox", "Role": "Acme reader", "Parameters": ["Identity", "Filter"], "Type": "Cmdlet"},
        {"Name": "Get-Recipient", "Role": "Acme reader", "Parameters": []},
    ]);
    let entries = run(&list, 200, &rows(&two)).await.unwrap();
    assert!(entries[0].is_of(GetMailbox::NAME) && entries[0].parameters.len() == 2);
    let identity = GetMailbox::new(mailbox("a@contoso.example"))
        .command()
        .unwrap()
        .parameters()
        .iter()
        .map(|p| p.0)
        .collect();
    assert!(!entries[0].permits_exactly(&identity) && !entries[1].permits_exactly(&identity));
    assert!(entries[1].permits_exactly(&[].into()));
    // A role that is not there has no list of entries, not an empty one.
    assert_eq!(run(&list, 404, &failure(NOT_FOUND, "x")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(run(&list, 200, &rows(&json!([]))).await.unwrap(), []);
    let bad = ManagementRoleName::parse("a\\b").unwrap();
    assert_eq!(GetManagementRoleEntry::of_role(bad).command().unwrap_err().kind(), ErrorKind::InvalidInput);

    let entry = RemoveManagementRoleEntry::new(role(), GetMailbox::NAME);
    assert_eq!(run(&entry, 200, &rows(&json!([]))).await.unwrap(), Removal::Removed);
    assert_eq!(run(&entry, 404, &failure(NOT_FOUND, "x")).await.unwrap(), Removal::AlreadyGone);
    let gone = RemoveManagementRole::new(role());
    assert_eq!(run(&gone, 404, &failure(NOT_FOUND, "x")).await.unwrap(), Removal::AlreadyGone);
    let used = failure("Microsoft.Exchange.Configuration.Tasks.TaskInvalidOperationException", "in use");
    assert!(run(&gone, 400, &used).await.is_err());
    assert!(AddManagementRoleEntry::new(role(), GetMailbox::NAME, []).command().is_err());
    assert!(NewManagementRole::new(role(), role(), []).command().is_err());
    let of_apps = ManagementRoleName::parse("Application Mail.Read").unwrap();
    assert!(NewManagementRole::new(role(), of_apps, [GetMailbox::NAME]).command().is_err());
}

#[tokio::test]
async fn who_holds_a_role_domains_lists_and_permissions_of_the_directory() {
    let held = json!([{"Name": "Mail Recipients-Acme", "Role": "Mail Recipients", "RoleAssigneeName": "Acme",
        "RecipientWriteScope": "CustomRecipientScope", "CustomRecipientWriteScope": "Queues",
        "EffectiveUserName": "Kim"}]);
    let users = run(&ListEffectiveRoleUsers::of_role(role()), 200, &rows(&held)).await.unwrap();
    assert_eq!((users[0].user.as_str(), users[0].assignment.role_name.as_str()), ("Kim", "Mail Recipients"));
    let nobody = json!([{"Name": "x", "Role": "Mail Recipients"}]);
    assert!(run(&ListEffectiveRoleUsers::of_role(role()), 200, &rows(&nobody)).await.is_err());

    let domains = json!([
        {"DomainName": "contoso.example", "DomainType": "Authoritative", "Default": true},
        {"DomainName": "old.example", "DomainType": "Sonstige", "Default": "False"},
    ]);
    let domains = run(&ListAcceptedDomains::new(), 200, &rows(&domains)).await.unwrap();
    assert!(domains[0].default && domains[0].kind == DomainKind::Authoritative && !domains[1].default);
    assert_eq!(domains[1].kind, DomainKind::Other("Sonstige".to_owned()));

    let list = GetDynamicDistributionGroupMember::new(mailbox("all@contoso.example"));
    assert_eq!(run(&list, 404, &failure(NOT_FOUND, "x")).await.unwrap_err().kind(), ErrorKind::NotFound);

    let permission = json!([{"User": "CONTOSO\\svc", "ExtendedRights": ["Send-As"], "Deny": false}]);
    let read = GetAdPermission::new(ObjectName::parse("Anna").unwrap());
    let read = run(&read, 200, &rows(&permission)).await.unwrap();
    assert!(!read[0].deny && read[0].extended_rights == ["Send-As"]);
}

#[tokio::test]
async fn what_the_tenant_does_not_confirm_is_not_written() {
    let plan = [GetMailbox::new(mailbox("a@contoso.example")).command().unwrap()];
    let group = LeastPrivilege::for_commands(RoleGroupName::parse("Acme").unwrap(), &plan).unwrap();
    let elsewhere = rows(&json!([{"Name": "User Options"}]));
    let script = ScriptedTransport::new().on("POST", INVOKE, Reply::json(200, &elsewhere));
    let admin = over_script(&script, &common::clock());
    let error = admin.ensure_least_privilege(&group).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("User Options"), "{error}");
    // A read that failed does not say that the group suffices.
    let script = ScriptedTransport::new().on("POST", INVOKE, Reply::new(403, vec![0u8; 9]));
    assert!(over_script(&script, &common::clock()).check_least_privilege(&group).await.is_err());
}

/// Roles that only read have no write scope, in Exchange's own words.
#[tokio::test]
async fn a_reading_role_does_not_make_the_write_scope_of_a_group_another_one() {
    let reader = || ManagementRoleName::parse("View-Only Configuration").unwrap();
    let name = || RoleGroupName::parse("Acme").unwrap();
    let scope = || exchange_admin::ManagementScopeName::parse("Queues").unwrap();
    let there = json!([{"Name": "Acme", "Roles": ["View-Only Configuration"], "Members": []}]);
    let held = |scope: &str| {
        json!([{"Name": "View-Only Configuration-Acme", "Role": "View-Only Configuration", "RoleAssigneeName": "Acme",
            "RecipientWriteScope": scope}])
    };
    let ensure = async |assignments: serde_json::Value, wanted: NewRoleGroup| {
        let script =
            [&there, &assignments, &json!([])].into_iter().fold(ScriptedTransport::new(), |s, answer| {
                s.on("POST", INVOKE, Reply::json(200, &rows(answer)))
            });
        over_script(&script, &common::clock()).ensure_role_group(&wanted).await
    };
    let plain = NewRoleGroup::new(name(), [reader()]);
    let limited = plain.clone().with_write_scope(scope());
    assert!(!ensure(held("None"), plain.clone()).await.unwrap().is_created());
    assert!(!ensure(held("None"), limited.clone()).await.unwrap().is_created());
    assert!(!ensure(held("Organization"), plain.clone()).await.unwrap().is_created());
    assert_eq!(ensure(held("Organization"), limited.clone()).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(ensure(held("MyGAL"), plain.clone()).await.unwrap_err().kind(), ErrorKind::Conflict);
    // That no assignment is seen does not say that the scope is the one wanted.
    for wanted in [plain, limited] {
        assert_eq!(ensure(json!([]), wanted).await.unwrap_err().kind(), ErrorKind::NotReady);
    }
}
