//! Folder and send-as permissions, role groups, switches.

use super::tests::{admin_tenant, refusal, rows, run};
use super::*;
use crate::access::{effective_access, effective_folder_rights};
use crate::fixture::{APP, APP_OID, mailbox};
use crate::state::{Folder, Propagation};

fn calendar(user: &str) -> String {
    format!("{user}@adatum.example:\\Calendar")
}

fn rights_of(state: &mut State, folder: &str) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    rows(state, "Get-MailboxFolderPermission", json!({"Identity": folder}))
        .iter()
        .map(|r| (text(&r["User"]), text(&r["AccessRights"][0])))
        .collect()
}

#[test]
fn trap_8_default_and_anonymous_are_always_there() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    let folder = calendar("anna");
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        rights_of(&mut state, &folder),
        [pair("Default", "AvailabilityOnly"), pair("Anonymous", "None")]
    );
    let grant =
        |user: &str, rights: &str| json!({"Identity": folder, "User": user, "AccessRights": [rights]});
    assert_eq!(
        refusal(&mut state, "Add-MailboxFolderPermission", grant("Default", "Reviewer")),
        "UserAlreadyExistsInPermissionEntryException"
    );
    rows(&mut state, "Add-MailboxFolderPermission", grant("Anonymous", "AvailabilityOnly"));
    rows(&mut state, "Set-MailboxFolderPermission", grant("Default", "None"));
    assert_eq!(
        rights_of(&mut state, &folder),
        [pair("Default", "None"), pair("Anonymous", "AvailabilityOnly")]
    );
    for special in ["Default", "Anonymous"] {
        let gone = json!({"Identity": folder, "User": special});
        assert_eq!(
            refusal(&mut state, "Remove-MailboxFolderPermission", gone),
            "CannotRemoveSpecialUserException"
        );
    }
}

#[test]
fn trap_9_add_set_and_remove_know_whether_there_is_an_entry_and_echo_display_names() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    let bob = mailbox(&mut state, "bob");
    state.exchange.mailboxes[1].value.display_name = "Bob Berg".to_owned();
    let folder = calendar("anna");
    let grant =
        |rights: &str| json!({"Identity": folder, "User": "bob@adatum.example", "AccessRights": rights});
    let missing = "UserNotFoundInPermissionEntryException";
    assert_eq!(refusal(&mut state, "Set-MailboxFolderPermission", grant("Reviewer")), missing);
    let who = json!({"Identity": folder, "User": "bob@adatum.example"});
    assert_eq!(refusal(&mut state, "Get-MailboxFolderPermission", who.clone()), missing);
    assert_eq!(refusal(&mut state, "Remove-MailboxFolderPermission", who.clone()), missing);
    let made = rows(&mut state, "Add-MailboxFolderPermission", grant("Reviewer"));
    assert_eq!(made[0]["User"], "Bob Berg");
    assert_eq!(
        refusal(&mut state, "Add-MailboxFolderPermission", grant("Editor")),
        "UserAlreadyExistsInPermissionEntryException"
    );
    let (_, body) = run(&mut state, "Set-MailboxFolderPermission", grant("FolderVisible,ReadItems"));
    assert!(body["@adminapi.warnings"][0].as_str().unwrap().contains("no settings of"), "{body}");
    let rights = effective_folder_rights(&state, bob, anna, &Folder::Calendar);
    assert!(rights.contains("ReadItems") && !rights.contains("EditAllItems"));
    rows(&mut state, "Remove-MailboxFolderPermission", who);
    let rights = effective_folder_rights(&state, bob, anna, &Folder::Calendar);
    assert!(rights.contains("AvailabilityOnly"), "Default decides again: {rights:?}");
}

#[test]
fn trap_10_a_notification_without_flags_drops_the_delegate() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    mailbox(&mut state, "bob");
    let folder = calendar("anna");
    let call = |more: Value| {
        let mut call = json!({"Identity": folder, "User": "bob", "AccessRights": ["Editor"]});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call
    };
    let flags = |state: &mut State| {
        let who = json!({"Identity": folder, "User": "bob"});
        rows(state, "Get-MailboxFolderPermission", who)[0]["SharingPermissionFlags"].clone()
    };
    let private = call(json!({"SharingPermissionFlags": "CanViewPrivateItems"}));
    assert_eq!(refusal(&mut state, "Add-MailboxFolderPermission", private), "AmbiguousParameterSetException");
    let both = call(json!({"SharingPermissionFlags": "Delegate,CanViewPrivateItems"}));
    rows(&mut state, "Add-MailboxFolderPermission", both);
    assert_eq!(flags(&mut state), "Delegate, CanViewPrivateItems");
    rows(&mut state, "Set-MailboxFolderPermission", call(json!({})));
    assert_eq!(flags(&mut state), "Delegate, CanViewPrivateItems");
    rows(&mut state, "Set-MailboxFolderPermission", call(json!({"SendNotificationToUser": false})));
    assert_eq!(flags(&mut state), Value::Null);
}

#[test]
fn trap_11_folders_are_named_in_the_mailbox_language_and_found_by_type() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    state.exchange.folder_languages.insert(anna, "pl".to_owned());
    state.exchange.own_folders.insert(anna, vec!["Calendar".to_owned()]);
    let query = json!({"Identity": "anna@adatum.example", "FolderScope": "Calendar"});
    let found = rows(&mut state, "Get-MailboxFolderStatistics", query);
    let own: Vec<&Value> = found.iter().filter(|r| r["FolderType"] == "Calendar").collect();
    assert_eq!((found.len(), own.len(), own[0]["Name"].as_str()), (2, 1, Some("Kalendarz")));
    let by_id = format!("anna@adatum.example:{}", own[0]["FolderId"].as_str().unwrap());
    assert_eq!(rights_of(&mut state, &by_id)[0].1, "AvailabilityOnly");
    // The folder that somebody called Calendar is another one.
    assert_eq!(rights_of(&mut state, &calendar("anna"))[0].1, "None");
    let not_a_calendar =
        json!({"Identity": calendar("anna"), "User": "Default", "AccessRights": "LimitedDetails"});
    assert_eq!(refusal(&mut state, "Set-MailboxFolderPermission", not_a_calendar), "EnumOutOfRangeException");
}

#[test]
fn trap_21_a_folder_holds_five_hundred_entries() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    for n in 0..499 {
        mailbox(&mut state, &format!("user{n}"));
    }
    let grant = |n: usize| json!({"Identity": calendar("anna"), "User": format!("user{n}@adatum.example"), "AccessRights": "Reviewer"});
    for n in 0..498 {
        rows(&mut state, "Add-MailboxFolderPermission", grant(n));
    }
    assert_eq!(
        refusal(&mut state, "Add-MailboxFolderPermission", grant(498)),
        "TaskInvalidOperationException"
    );
}

#[test]
fn sending_as_counts_over_smtp_after_its_time_and_the_switches_go_before_it() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    state.propagation = Propagation::instant();
    let app = json!({"AppId": APP.to_string(), "ObjectId": APP_OID.to_string(), "DisplayName": "Acme"});
    run(&mut state, "New-ServicePrincipal", app);
    let consent = ["SMTP.SendAsApp".to_owned()];
    let sends = |state: &State| effective_access(state, APP_OID, APP, anna, "SMTP.SendAsApp", &consent);
    assert!(!sends(&state));
    let grant = json!({"Identity": "anna", "Trustee": APP_OID.to_string(), "AccessRights": ["SendAs"]});
    rows(&mut state, "Add-RecipientPermission", grant.clone());
    assert!(sends(&state));
    let (_, again) = run(&mut state, "Add-RecipientPermission", grant.clone());
    assert!(again["@adminapi.warnings"][0].as_str().unwrap().contains("already present"));
    rows(&mut state, "Set-TransportConfig", json!({"SmtpClientAuthenticationDisabled": true}));
    assert!(!sends(&state));
    rows(
        &mut state,
        "Set-CASMailbox",
        json!({"Identity": "anna", "SmtpClientAuthenticationDisabled": false}),
    );
    assert!(sends(&state));
    rows(&mut state, "Remove-RecipientPermission", grant);
    assert!(!sends(&state));
}

#[test]
fn trap_17_the_list_of_apps_hides_and_an_empty_one_lets_nobody_pass() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    let consent = ["full_access_as_app".to_owned()];
    let opens = |state: &State| effective_access(state, APP_OID, APP, anna, "full_access_as_app", &consent);
    assert!(opens(&state), "a switch that was never set lets everybody pass");
    rows(&mut state, "Set-OrganizationConfig", json!({"EwsEnabled": true}));
    assert!(!opens(&state));
    rows(&mut state, "Set-OrganizationConfig", json!({"EwsAllowedAppIDs": APP.to_string()}));
    assert!(opens(&state));
    assert_eq!(rows(&mut state, "Get-OrganizationConfig", json!({}))[0]["EwsAllowedAppIDs"], Value::Null);
    let shown = rows(&mut state, "Get-OrganizationConfig", json!({"RetrieveEwsOperationAccessPolicy": true}));
    assert_eq!(shown[0]["EwsAllowedAppIDs"], APP.to_string());
    rows(&mut state, "Set-CASMailbox", json!({"Identity": "anna", "EwsEnabled": false}));
    assert!(!opens(&state));
    rows(&mut state, "Set-CASMailbox", json!({"Identity": "anna", "EwsEnabled": true}));
    rows(&mut state, "Set-OrganizationConfig", json!({"EwsEnabled": false}));
    assert!(!opens(&state), "the organisation's no goes before a mailbox's yes");
    let delta = json!({"EwsAllowList": {"@odata.type": "#Exchange.GenericHashTable", "add": ["acme/*"]}});
    rows(&mut state, "Set-OrganizationConfig", delta);
    assert_eq!(rows(&mut state, "Get-OrganizationConfig", json!({}))[0]["EwsAllowList"], json!(["acme/*"]));
}

#[test]
fn an_app_in_a_role_group_runs_what_its_roles_contain() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    let app = json!({"AppId": APP.to_string(), "ObjectId": APP_OID.to_string(), "DisplayName": "Acme"});
    run(&mut state, "New-ServicePrincipal", app);
    let bad = json!({"Name": "Set-up", "Roles": ["Application Mail.Read"]});
    assert_eq!(refusal(&mut state, "New-RoleGroup", bad), "TaskInvalidOperationException");
    let group = json!({"Name": "Set-up", "Roles": ["Mail Recipients"]});
    rows(&mut state, "New-RoleGroup", group);
    let member = json!({"Identity": "Set-up", "Member": APP_OID.to_string()});
    rows(&mut state, "Add-RoleGroupMember", member.clone());
    assert_eq!(refusal(&mut state, "Add-RoleGroupMember", member), "MemberAlreadyExistsException");
    let listed = rows(&mut state, "Get-RoleGroupMember", json!({"Identity": "Set-up"}));
    assert_eq!(listed[0]["ExternalDirectoryObjectId"], APP_OID.to_string());
    state.directory.directory_roles.clear();
    assert_eq!(run(&mut state, "Get-MailboxPermission", json!({"Identity": "anna"})).0, 200);
    assert_eq!(run(&mut state, "Remove-RoleGroup", json!({"Identity": "Set-up"})).0, 403);
}

#[test]
fn sign_in_policies_keep_switches_that_a_change_does_not_name() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    let new = json!({"Name": "P", "AllowBasicAuthSmtp": true, "AllowBasicAuthImap": true});
    rows(&mut state, "New-AuthenticationPolicy", new);
    rows(&mut state, "Set-AuthenticationPolicy", json!({"Identity": "p", "AllowBasicAuthImap": false}));
    let read = rows(&mut state, "Get-AuthenticationPolicy", json!({"Identity": "P"}));
    assert_eq!(
        (&read[0]["AllowBasicAuthSmtp"], &read[0]["AllowBasicAuthImap"]),
        (&json!(true), &json!(false))
    );
    rows(&mut state, "Set-User", json!({"Identity": "anna", "AuthenticationPolicy": "P"}));
    assert_eq!(rows(&mut state, "Get-User", json!({"Identity": "anna"}))[0]["AuthenticationPolicy"], "P");
    rows(&mut state, "Set-User", json!({"Identity": "anna", "AuthenticationPolicy": null}));
    assert_eq!(
        rows(&mut state, "Get-User", json!({"Identity": "anna"}))[0]["AuthenticationPolicy"],
        Value::Null
    );
}
