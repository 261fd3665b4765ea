//! The script as people read it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{address, app, mailbox, object};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, FolderRole, MailboxRight, ManagementRoleName, ManagementScopeName,
    ObjectName, RecipientFilter, ResourceScope, RoleAssignmentName, RoleGroup, RoleGroupName, Script, Step,
};

fn script() -> Script {
    let queues = || mailbox("queues@contoso.example");
    let scope = ManagementScopeName::parse("Acme queues").unwrap();
    let filter =
        RecipientFilter::members_of(["CN=Queues,OU=contoso", "CN=O'Neill (old),OU=contoso"]).unwrap();
    let role = |name: &str, role, scope| {
        let name = RoleAssignmentName::parse(name).unwrap();
        Step::management_role_assignment(&NewManagementRoleAssignment::new(name, object(), role, scope))
            .unwrap()
    };
    Script::new("Mail access for Acme", app())
        .with_note("Ticket 4711: O\u{2019}Brien asked for it. #> Get-Mailbox")
        .with_step(
            Step::service_principal(&NewServicePrincipal::new(app(), object(), "Acme O\u{2019}Brien"))
                .unwrap(),
        )
        .with_step(
            Step::shared_mailbox(&NewSharedMailbox::new(
                ObjectName::parse("Queue 1").unwrap(),
                address("queue1@contoso.example"),
            ))
            .unwrap(),
        )
        .with_step(
            Step::security_group(&NewDistributionGroup::security(
                ObjectName::parse("Queues").unwrap(),
                address("queues@contoso.example"),
            ))
            .unwrap(),
        )
        .with_step(
            Step::group_member(&AddDistributionGroupMember::new(queues(), mailbox("queue1@contoso.example")))
                .unwrap(),
        )
        .with_step(
            Step::mailbox_permission(&AddMailboxPermission::new(
                mailbox("queue1@contoso.example"),
                object(),
                MailboxRight::FullAccess,
            ))
            .unwrap(),
        )
        .with_step(
            Step::application_access_policy(&NewApplicationAccessPolicy::new(
                app(),
                queues(),
                AccessRight::Restrict,
            ))
            .unwrap(),
        )
        .with_step(Step::management_scope(&NewManagementScope::new(scope.clone(), filter)).unwrap())
        .with_step(role("Acme Mail.Read", ApplicationRole::MailRead, ResourceScope::Group(queues())))
        .with_step(role("Acme Mail.Send", ApplicationRole::MailSend, ResourceScope::Custom(scope)))
}

#[test]
fn a_script_reads_before_it_writes_and_prints_a_receipt() {
    insta::assert_snapshot!(script().render().unwrap());
    assert_eq!(script().render().unwrap(), script().render().unwrap());
}

#[test]
fn every_write_is_inside_a_step_that_read_first() {
    let text = script().render().unwrap();
    let writes = ["New-", "Add-", "Set-", "Remove-"];
    for line in text.lines().filter(|l| !l.trim_start().starts_with('#') && !l.contains("-Title")) {
        let is_write = line.split([' ', '{']).any(|word| writes.iter().any(|w| word.starts_with(w)));
        assert_eq!(is_write, line.trim_start().starts_with("-Change"), "{line}");
    }
    assert_eq!(text.matches("-Find {").count(), script().steps().len());
}

#[test]
fn trap_25_the_file_has_a_byte_order_mark() {
    let file = script().to_file().unwrap();
    assert_eq!(&file[..3], b"\xEF\xBB\xBF");
    assert!(String::from_utf8(file).unwrap().contains("'Acme O\u{2019}\u{2019}Brien'"));
}

#[test]
fn the_script_names_who_must_run_it() {
    assert_eq!(script().minimum_role_group(), RoleGroup::OrganizationManagement);
    let only_recipients = Script::new("x", app()).with_step(
        Step::mailbox_permission(&AddMailboxPermission::new(
            mailbox("a@contoso.example"),
            object(),
            MailboxRight::FullAccess,
        ))
        .unwrap()
        .with_title("IMAP may open O'Neill's mailbox"),
    );
    assert_eq!(only_recipients.minimum_role_group(), RoleGroup::RecipientManagement);
    let text = only_recipients.render().unwrap();
    assert!(
        text.contains("\"Recipient Management\"") && text.contains("'IMAP may open O''Neill''s mailbox'")
    );
}

#[test]
fn script_and_direct_execution_issue_the_same_calls() {
    for step in script().steps() {
        let line = step.apply().to_powershell().unwrap();
        let body: serde_json::Value =
            serde_json::from_slice(&step.apply().to_invoke_body().unwrap()).unwrap();
        let parameters = body["CmdletInput"]["Parameters"].as_object().unwrap();
        assert!(line.starts_with(body["CmdletInput"]["CmdletName"].as_str().unwrap()));
        for name in parameters.keys() {
            assert!(line.contains(&format!(" -{name}")), "{line} lacks {name}");
        }
        assert_eq!(
            line.matches(" -").count(),
            parameters.len() + line.matches("-eq ").count() + line.matches("-or ").count()
        );
    }
}

#[test]
fn permissions_and_switches_as_people_read_them() {
    let alice = address("alice@contoso.example");
    let teams = UserAgentPattern::parse("Teams CalendarSkypeSpaces/1.0a$*+").unwrap();
    let group = RoleGroupName::parse("Acme set-up").unwrap();
    let roles = ["Mail Recipients", "View-Only Configuration"].map(|r| ManagementRoleName::parse(r).unwrap());
    let script = Script::new("Calendars for Acme", app())
        .with_step(
            Step::calendar_permission(&alice, &address("presence@contoso.example"), FolderRole::Reviewer)
                .unwrap(),
        )
        .with_step(
            Step::send_as(&AddRecipientPermission::send_as(
                alice.clone(),
                mailbox("notices@contoso.example"),
            ))
            .unwrap(),
        )
        .with_step(Step::ews_allowed_app(app()).unwrap())
        .with_step(Step::mailbox_switches(&SetCasMailbox::new(alice).with_ews(EwsSwitch::On)).unwrap())
        .with_step(
            Step::organization_switches(&SetOrganizationConfig::new().with_ews_agent_allowed(&teams))
                .unwrap(),
        )
        .with_step(Step::role_group(&NewRoleGroup::new(group.clone(), roles)).unwrap())
        .with_step(Step::role_group_member(&AddRoleGroupMember::new(group, object())).unwrap());
    insta::assert_snapshot!(script.render().unwrap().split("try {\n    # Step 1").nth(1).unwrap());
    let groups: Vec<String> =
        script.split_by_role().iter().map(|p| p.minimum_role_group().to_string()).collect();
    assert_eq!(
        groups,
        [
            "Recipient Management",
            "Organization Management",
            "Recipient Management",
            "Organization Management"
        ]
    );
}

#[test]
fn trap_17_the_list_of_apps_is_never_written_as_a_whole() {
    let whole = SetOrganizationConfig::new().with_ews_allowed_apps([app()].into_iter().collect());
    let error = Step::organization_switches(&whole).unwrap_err();
    assert_eq!(error.kind(), exchange_admin::ErrorKind::Unsupported);
    let text = Script::new("x", app()).with_step(Step::ews_allowed_app(app()).unwrap()).render().unwrap();
    assert!(text.contains("(($ids + $app) -join ',')") && text.contains("Somebody else wrote the list"));
    assert!(!text.contains(&format!("-EwsAllowedAppIDs '{}'", app())));
    // People paste the lines into a shell that goes on after an error: what was not read is not written back.
    for line in
        [exchange_admin::ews_allow_line(app()).unwrap(), exchange_admin::ews_disallow_line(app()).unwrap()]
    {
        let at = |what: &str| line.find(what).unwrap_or_else(|| panic!("{what} in {line}"));
        assert!(
            at("-RetrieveEwsOperationAccessPolicy -ErrorAction Stop;")
                < at("throw 'The list of apps cannot be read.'")
        );
        assert!(
            at("throw 'The list") < at("Set-OrganizationConfig") && !line.contains("(Get-OrganizationConfig")
        );
    }
}

/// A truth that came as a text is true for `-not`, whatever it says.
#[test]
fn no_condition_takes_a_text_for_a_truth() {
    let text = script().render().unwrap();
    assert!(text.contains("\"$($_.IsInherited)\" -ne 'True'") && text.contains("\"$($_.Deny)\" -ne 'True'"));
    assert!(!text.contains("-not $_."), "{text}");
}

/// In a filter, an empty name is not nobody's.
#[test]
fn a_group_without_a_distinguished_name_ends_the_script() {
    let group = exchange_admin::MailboxAddress::parse("o'brien@contoso.example").unwrap();
    let text = exchange_admin::group_name_in_filter(&group).unwrap();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    assert!(
        at(
            "if ($dn = \"$((Get-DistributionGroup -Identity 'o''brien@contoso.example' -ErrorAction Stop).DistinguishedName)\")"
        ) < at("else { throw '")
    );
    assert!(at("else { throw '") < at("-replace \"'\", \"''\""));
}
