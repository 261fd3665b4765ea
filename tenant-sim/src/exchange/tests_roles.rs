use serde_json::json;

use super::tests::{admin_tenant, refusal, rows, run};
use crate::fixture::{APP_OID, mailbox, tenant};
use crate::state::{DynamicGroup, Propagation, RoleGroup, State};

/// The caller is in one role group with these roles and this write scope, and holds nothing else.
fn member(roles: &[&str], write_scope: Option<&str>, prepare: impl FnOnce(&mut State)) -> State {
    let mut state = admin_tenant();
    prepare(&mut state);
    state.directory.directory_roles.clear();
    state.exchange.role_groups.push(RoleGroup {
        name: "Set-up".to_owned(),
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        members: vec![APP_OID],
        write_scope: write_scope.map(str::to_owned),
    });
    state
}

fn text(state: &mut State, name: &str, parameters: serde_json::Value) -> String {
    run(state, name, parameters).1["error"]["details"][0]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_child_has_a_part_of_its_parent_and_never_more() {
    let mut state = admin_tenant();
    rows(
        &mut state,
        "New-ManagementRole",
        json!({"Name": "Reader", "Parent": "Mail Recipients", "EnabledCmdlets": ["Get-Mailbox", "Set-CASMailbox"]}),
    );
    let entries = rows(&mut state, "Get-ManagementRoleEntry", json!({"Identity": "Reader\\*"}));
    assert_eq!(entries.len(), 2);
    let set = |parameters: &[&str]| json!({"Identity": "Reader\\Get-Mailbox", "Parameters": parameters});
    rows(&mut state, "Set-ManagementRoleEntry", set(&["Identity"]));
    assert_eq!(
        refusal(&mut state, "Set-ManagementRoleEntry", set(&["Identity", "Colour"])),
        "TaskInvalidOperationException"
    );
    let foreign = json!({"Identity": "Reader\\New-ServicePrincipal"});
    assert_eq!(refusal(&mut state, "Add-ManagementRoleEntry", foreign), "TaskInvalidOperationException");
    rows(&mut state, "Remove-ManagementRoleEntry", json!({"Identity": "Reader\\Set-CASMailbox"}));
    let has = |state: &mut State, parameters: serde_json::Value| {
        let found = rows(
            state,
            "Get-ManagementRole",
            json!({"Cmdlet": "Get-Mailbox", "CmdletParameters": parameters}),
        );
        found.iter().any(|r| r["Name"] == "Reader")
    };
    assert!(has(&mut state, json!(["Identity"])) && !has(&mut state, json!(["Filter"])));
    // A child of the child has no more than that.
    rows(&mut state, "New-ManagementRole", json!({"Name": "Below", "Parent": "Reader"}));
    let wide = json!({"Identity": "Below\\Get-Mailbox", "Parameters": ["Filter"]});
    assert_eq!(refusal(&mut state, "Set-ManagementRoleEntry", wide), "TaskInvalidOperationException");
    let built_in = json!({"Identity": "Mail Recipients\\Get-Mailbox", "Parameters": ["Identity"]});
    assert_eq!(refusal(&mut state, "Set-ManagementRoleEntry", built_in), "TaskInvalidOperationException");
    let app_role = json!({"Name": "x", "Parent": "Application Mail.Read"});
    assert_eq!(refusal(&mut state, "New-ManagementRole", app_role), "TaskInvalidOperationException");
    // What is in use stays.
    rows(&mut state, "New-RoleGroup", json!({"Name": "Set-up", "Roles": ["Below"]}));
    for held in ["Reader", "Below", "Mail Recipients"] {
        let gone = json!({"Identity": held});
        assert_eq!(
            refusal(&mut state, "Remove-ManagementRole", gone),
            "TaskInvalidOperationException",
            "{held}"
        );
    }
    rows(&mut state, "Remove-RoleGroup", json!({"Identity": "Set-up"}));
    rows(&mut state, "Remove-ManagementRole", json!({"Identity": "Below"}));
    rows(&mut state, "Remove-ManagementRole", json!({"Identity": "Reader"}));
    assert_eq!(
        refusal(&mut state, "Get-ManagementRole", json!({"Identity": "Reader"})),
        "ManagementObjectNotFoundException"
    );
}

#[test]
fn a_custom_role_refuses_other_cmdlets_and_other_parameters() {
    let mut state = member(&["Reader"], None, |state| {
        rows(
            state,
            "New-ManagementRole",
            json!({"Name": "Reader", "Parent": "Mail Recipients", "EnabledCmdlets": ["Get-Mailbox"]}),
        );
        rows(
            state,
            "Set-ManagementRoleEntry",
            json!({"Identity": "Reader\\Get-Mailbox", "Parameters": ["ResultSize"]}),
        );
    });
    assert_eq!(run(&mut state, "Get-Mailbox", json!({"ResultSize": "Unlimited"})).0, 200);
    let refused = text(&mut state, "Get-Mailbox", json!({"Identity": "a"}));
    assert!(refused.contains("is not present in the role definition of the current user"), "{refused}");
    assert_eq!(run(&mut state, "Get-CASMailbox", json!({})).0, 403);
}

#[test]
fn a_write_scope_limits_writes_to_recipients_and_nothing_else() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "inside");
    mailbox(&mut state, "outside");
    let grant = |who: &str| json!({"Identity": who, "ImapEnabled": false});
    let (inside, outside) = ("inside@adatum.example", "outside@adatum.example");
    state.directory.directory_roles.push((APP_OID, "Exchange Administrator".to_owned()));
    rows(
        &mut state,
        "New-ManagementScope",
        json!({"Name": "Ours", "RecipientRestrictionFilter": format!("PrimarySmtpAddress -eq '{inside}'")}),
    );
    rows(
        &mut state,
        "New-RoleGroup",
        json!({"Name": "Set-up", "Roles": ["Mail Recipients", "Organization Configuration"],
               "CustomRecipientWriteScope": "Ours"}),
    );
    let listed = rows(&mut state, "Get-ManagementRoleAssignment", json!({"RoleAssignee": "Set-up"}));
    assert!(listed.len() == 2 && listed.iter().all(|a| a["CustomRecipientWriteScope"] == "Ours"));
    let in_use = refusal(&mut state, "Remove-ManagementScope", json!({"Identity": "Ours"}));
    assert_eq!(in_use, "TaskInvalidOperationException");
    state.directory.directory_roles.clear();
    for group in &mut state.exchange.role_groups {
        group.members.push(APP_OID);
    }
    state.exchange.role_groups.retain(|g| g.name == "Set-up");
    assert_eq!(run(&mut state, "Set-CASMailbox", grant(inside)).0, 200);
    let refused = text(&mut state, "Set-CASMailbox", grant(outside));
    assert!(refused.contains("out of the current user's write scope"), "{refused}");
    let folder =
        json!({"Identity": format!("{outside}:\\Calendar"), "User": "Default", "AccessRights": ["Reviewer"]});
    assert!(text(&mut state, "Set-MailboxFolderPermission", folder).contains("write scope"));
    assert_eq!(run(&mut state, "Get-CASMailbox", json!({"Identity": outside})).0, 200);
    assert_eq!(run(&mut state, "Set-OrganizationConfig", json!({"EwsEnabled": true})).0, 200);
    assert_eq!(
        refusal(&mut state, "Set-CASMailbox", grant("nobody@x.example")),
        "ManagementObjectNotFoundException"
    );
}

#[test]
fn domains_and_dynamic_lists_are_read() {
    let mut state = admin_tenant();
    let domains = rows(&mut state, "Get-AcceptedDomain", json!({}));
    assert_eq!(domains.iter().filter(|d| d["Default"] == true).count(), 1);
    mailbox(&mut state, "inside");
    state.exchange.dynamic_groups.push(DynamicGroup {
        name: "Everybody".to_owned(),
        primary_smtp_address: "everybody@adatum.example".to_owned(),
        recipient_filter: "Alias -eq 'inside'".to_owned(),
    });
    let members = rows(&mut state, "Get-DynamicDistributionGroupMember", json!({"Identity": "everybody"}));
    assert_eq!(members.len(), 1);
    let none = json!({"Identity": "nobody"});
    assert_eq!(
        refusal(&mut state, "Get-DynamicDistributionGroupMember", none),
        "ManagementObjectNotFoundException"
    );
}
