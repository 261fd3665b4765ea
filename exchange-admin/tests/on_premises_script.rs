//! Scripts for Exchange Servers, and what comes back from scripts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{address, app, mailbox, object};
use exchange_admin::cmdlets::{AddMailboxPermission, ImpersonationScope, NewServicePrincipal};
use exchange_admin::{
    ErrorKind, MailboxRight, ManagementScopeName, OnPremisesGrant, OnPremisesMailboxes, OnPremisesScope,
    OnPremisesScript, RecipientFilter, RoleAssignmentName, RoleGroup, Script, ScriptReceipt, Shell, Step,
    StepResult, ThrottlingPolicyName,
};

fn impersonation() -> OnPremisesGrant {
    OnPremisesGrant::Impersonation {
        name: RoleAssignmentName::parse("O\u{2019}Brien's displays").unwrap(),
        scope: ImpersonationScope::Custom(ManagementScopeName::parse("Rooms").unwrap()),
    }
}

fn newest() -> OnPremisesScript {
    OnPremisesScript::new("Room displays", Shell::Exchange2013ToSe, "CONTOSO\\svc-rooms")
        .unwrap()
        .with_grant(OnPremisesGrant::CalendarReviewer(OnPremisesMailboxes::All))
        .unwrap()
        .with_grant(OnPremisesGrant::FullAccess(OnPremisesMailboxes::Listed(vec![
            address("room1@contoso.example"),
            address("room2@contoso.example"),
        ])))
        .unwrap()
        .with_grant(OnPremisesGrant::ManagementScope {
            name: ManagementScopeName::parse("Rooms").unwrap(),
            members: OnPremisesScope::Group(address("rooms@contoso.example")),
        })
        .unwrap()
        .with_grant(impersonation())
        .unwrap()
        .with_grant(OnPremisesGrant::ThrottlingPolicy {
            name: ThrottlingPolicyName::parse("Room displays").unwrap(),
        })
        .unwrap()
}

fn oldest() -> OnPremisesScript {
    OnPremisesScript::new("Room displays", Shell::Exchange2007Sp1, "svc-rooms@contoso.example")
        .unwrap()
        .with_grant(OnPremisesGrant::FullAccess(OnPremisesMailboxes::All))
        .unwrap()
}

#[test]
fn the_script_of_the_newest_servers_as_people_read_it() {
    insta::assert_snapshot!(newest().render().unwrap());
}

#[test]
fn exchange_2007_gets_full_access_in_powershell_1() {
    let text = oldest().render().unwrap();
    for too_new in
        ["try {", "catch", "finally", "[ordered]", "ConvertTo-Json ", "<#", "-AutoMapping", ".Count -"]
    {
        assert!(!text.contains(too_new), "{too_new}");
    }
    assert!(text.contains("-AccessRights FullAccess -InheritanceType All -Confirm:$false"));
    for grant in [OnPremisesGrant::CalendarReviewer(OnPremisesMailboxes::All), impersonation()] {
        let error = oldest().with_grant(grant).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("FullAccess"));
    }
}

#[test]
fn trap_11_the_calendar_is_found_by_its_type_and_not_by_its_name() {
    let text = newest().render().unwrap();
    assert!(text.contains("\"$($_.FolderType)\" -eq 'Calendar'") && !text.contains(":\\Calendar"));
}

#[test]
fn trap_25_typographic_quotes_are_doubled_and_the_file_has_its_mark() {
    let file = newest().to_file().unwrap();
    assert_eq!(&file[..3], b"\xEF\xBB\xBF");
    assert!(newest().render().unwrap().contains("$name = 'O\u{2019}\u{2019}Brien''s displays'"));
    let hidden = OnPremisesScript::new("x", Shell::Exchange2010, "svc\u{202E}x");
    assert_eq!(hidden.unwrap_err().kind(), ErrorKind::InvalidInput);
    // A title cannot leave its comment.
    let evil = OnPremisesScript::new("a\nRemove-Mailbox b #> c", Shell::Exchange2010, "svc").unwrap();
    let text = evil.render().unwrap();
    assert!(text.lines().filter(|l| l.contains("Remove-Mailbox")).all(|l| l.starts_with("# ")));
}

#[test]
fn every_write_is_behind_apply() {
    for text in [newest().render().unwrap(), oldest().render().unwrap()] {
        let mut guarded = 0;
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let writes = ["Add-Mailbox", "Set-Mailbox", "New-Management"]
                .iter()
                .chain(&["New-Throttling", "Set-Throttling"])
                .any(|c| line.contains(&format!("$null = {c}")));
            if writes {
                let before = lines[at.saturating_sub(3)..at].join("\n");
                assert!(before.contains("$write"), "{before}\n{line}");
                guarded += 1;
            }
        }
        assert!(guarded >= 1);
    }
}

#[test]
fn scripts_are_split_by_who_must_run_them() {
    let parts = newest().split_by_role();
    let groups: Vec<&str> = parts.iter().map(OnPremisesScript::role_group).collect();
    assert_eq!(groups, ["Recipient Management", "Organization Management"]);
    assert!(!parts[1].render().unwrap().contains("Get-MailboxFolderStatistics"));

    let parts = online().split_by_role();
    let groups: Vec<RoleGroup> = parts.iter().map(Script::minimum_role_group).collect();
    assert_eq!(groups, [RoleGroup::OrganizationManagement, RoleGroup::RecipientManagement]);
    assert!(parts[1].render().unwrap().contains("part 2 of 2: Recipient Management"));
    let steps: Vec<&str> = parts.iter().flat_map(|p| p.steps()).map(Step::title).collect();
    assert_eq!(steps, online().steps().iter().map(Step::title).collect::<Vec<_>>());
}

fn online() -> Script {
    let grant =
        AddMailboxPermission::new(mailbox("anna@contoso.example"), object(), MailboxRight::FullAccess);
    Script::new("Mail access for Acme", app())
        .with_step(Step::service_principal(&NewServicePrincipal::new(app(), object(), "Acme")).unwrap())
        .with_step(Step::mailbox_permission(&grant).unwrap())
}

fn receipt(app: &str, results: &[&str]) -> String {
    let script = online();
    let steps: Vec<_> = script
        .steps()
        .iter()
        .zip(results)
        .map(|(s, r)| serde_json::json!({"title": s.title(), "cmdlet": s.apply().name().as_str(), "result": r}))
        .collect();
    let completed = results.len() == script.steps().len() && !results.contains(&"Failed");
    serde_json::to_string_pretty(
        &serde_json::json!({"receipt": "exchange-admin/1", "app": app, "apply": true,
        "completed": completed, "finishedAt": "2026-11-21T09:00:00Z", "steps": steps}),
    )
    .unwrap()
}

#[test]
fn a_receipt_is_read_back_in_any_encoding_and_with_noise_around_it() {
    let id = app().to_string();
    let noisy = format!("Applied  {{x}} it\r\n{}\r\nPS> {{", receipt(&id, &["Applied", "AlreadyThere"]));
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(noisy.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for bytes in [noisy.clone().into_bytes(), [b"\xEF\xBB\xBF", noisy.as_bytes()].concat(), wide] {
        let read = online().read_receipt(&bytes).unwrap();
        assert!(read.is_done());
        assert_eq!(read.steps[1].result, StepResult::AlreadyThere);
    }
    let failed = online().read_receipt(receipt(&id, &["Failed"]).as_bytes()).unwrap();
    assert!(!failed.is_done() && !failed.completed);
    let would = online().read_receipt(receipt(&id, &["AlreadyThere", "WouldApply"]).as_bytes()).unwrap();
    assert!(!would.is_done());
}

#[test]
fn a_receipt_of_another_script_is_refused() {
    let id = app().to_string();
    let whole = receipt(&id, &["Applied", "Applied"]);
    let others = [
        (whole.replace(&id, "11111111-2222-4333-8444-555555555555"), ErrorKind::Conflict),
        (whole.replace("FullAccess on", "Nothing on"), ErrorKind::Conflict),
        (format!("{whole}{whole}"), ErrorKind::Conflict),
        (
            receipt(&id, &["Applied"]).replace("\"completed\": false", "\"completed\": true"),
            ErrorKind::Conflict,
        ),
        ("no receipt { } here".to_owned(), ErrorKind::InvalidResponse),
        (whole.replace("exchange-admin/1", "other/1"), ErrorKind::InvalidResponse),
        (
            whole.replace("\"AlreadyThere\"", "1").replace("\"Applied\"", "\"Perhaps\""),
            ErrorKind::InvalidResponse,
        ),
    ];
    for (text, kind) in others {
        assert_eq!(online().read_receipt(text.as_bytes()).unwrap_err().kind(), kind, "{text}");
    }
    // What the on-premises scripts print is of the same form.
    let line = r#"{"receipt":"exchange-admin/1","app":"CONTOSO\u005csvc","apply":true,"completed":true,"finishedAt":"2026-11-21T09:00:00Z","steps":[{"title":"\u00dc","cmdlet":"Add-MailboxPermission","result":"Applied"}]}"#;
    let read = ScriptReceipt::read(line.as_bytes()).unwrap();
    assert_eq!((read.app.as_str(), read.steps[0].title.as_str()), ("CONTOSO\\svc", "\u{dc}"));
}

const SERVICE: &str = "CONTOSO\\svc-rooms";

fn said(on: &str, result: &str, before: Option<&str>) -> serde_json::Value {
    serde_json::json!({"title": format!("Reviewer on the calendar of {on} for {SERVICE}"),
        "cmdlet": "Add-MailboxFolderPermission", "result": result, "on": on, "before": before})
}

fn on_premises_receipt(steps: &[serde_json::Value]) -> Vec<u8> {
    serde_json::json!({"receipt": "exchange-admin/1", "app": SERVICE, "apply": true, "completed": true,
        "finishedAt": "2026-11-21T09:00:00Z", "steps": steps})
    .to_string()
    .into_bytes()
}

#[test]
fn an_undo_takes_back_what_the_receipt_says_was_written_and_nothing_else() {
    let named = |title: &str, cmdlet: &str| serde_json::json!({"title": title, "cmdlet": cmdlet, "result": "Applied"});
    let bytes = on_premises_receipt(&[
        said("anna@contoso.example", "Applied", None),
        said("bernd@contoso.example", "AlreadyThere", None),
        said("cleo@contoso.example", "Applied", Some("LimitedDetails")),
        named("Management scope Rooms", "New-ManagementScope"),
        named("Throttling policy Room displays", "New-ThrottlingPolicy"),
        named("Throttling policy Room displays for CONTOSO\\svc-rooms", "Set-ThrottlingPolicyAssociation"),
    ]);
    let receipt = newest().read_receipt(&bytes).unwrap();
    let undo = newest().undo(&receipt).unwrap();
    let at = |what: &str| undo.find(what).unwrap_or_else(|| panic!("{what} in {undo}"));
    assert!(!undo.contains("bernd@"), "what was there before is not named");
    assert!(at("-ThrottlingPolicy $null") < at("Remove-ThrottlingPolicy -Identity"), "the last first");
    assert!(
        at("Remove-ManagementScope -Identity")
            < at("$on = 'cleo@contoso.example'\n        $before = 'LimitedDetails'")
    );
    assert!(at("cleo@") < at("$on = 'anna@contoso.example'\n        $before = ''"));
    assert!(!undo.contains("Remove-ManagementRoleAssignment"), "no such step was applied");
    assert!(undo.contains("'LeftAlone'"));
    insta::assert_snapshot!("the_undo_script_as_people_read_it", undo);
}

#[test]
fn a_receipt_of_elsewhere_makes_no_undo() {
    let undo = |bytes: &[u8]| newest().undo(&newest().read_receipt(bytes).unwrap()).unwrap_err().kind();
    let evil = on_premises_receipt(&[said("a' ; Remove-Mailbox b", "Applied", None)]);
    assert_eq!(undo(&evil), ErrorKind::InvalidInput);
    let owner = on_premises_receipt(&[said("a@contoso.example", "Applied", Some("Owner"))]);
    assert_eq!(undo(&owner), ErrorKind::InvalidInput);
    let nothing = on_premises_receipt(&[said("a@contoso.example", "AlreadyThere", None)]);
    assert_eq!(undo(&nothing), ErrorKind::InvalidInput);
    // Of another script: a step that none of its grants makes, or another account.
    let line = on_premises_receipt(&[said("a@contoso.example", "Applied", None)]);
    assert_eq!(oldest().read_receipt(&line).unwrap_err().kind(), ErrorKind::Conflict);
    let other = String::from_utf8(line).unwrap().replace(r#""app":"CONTOSO"#, r#""app":"FABRIKAM"#);
    assert_eq!(newest().read_receipt(other.as_bytes()).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn trap_13_an_assignment_beside_the_scope_stops_the_script() {
    let scoped = newest().render().unwrap();
    assert!(scoped.contains("roles add up. Remove that one first."));
    let everybody = OnPremisesScript::new("x", Shell::Exchange2010, "svc@contoso.example")
        .unwrap()
        .with_grant(OnPremisesGrant::Impersonation {
            name: RoleAssignmentName::parse("All").unwrap(),
            scope: ImpersonationScope::Organization,
        })
        .unwrap()
        .render()
        .unwrap();
    assert!(!everybody.contains("roles add up") && !everybody.contains("-CustomRecipientWriteScope"));
    assert!(everybody.contains("\"$($_.RecipientWriteScope)\" -eq $scope"));
}

#[test]
fn exchange_2010_has_other_limits_than_2013() {
    let of = |shell| {
        OnPremisesScript::new("x", shell, "svc@contoso.example")
            .unwrap()
            .with_grant(OnPremisesGrant::ThrottlingPolicy {
                name: ThrottlingPolicyName::parse("Acme").unwrap(),
            })
            .unwrap()
            .render()
            .unwrap()
    };
    let old = of(Shell::Exchange2010);
    assert!(old.contains("-EWSPercentTimeInAD $null") && !old.contains("EwsMaxBurst"));
    let new = of(Shell::Exchange2013ToSe);
    assert!(new.contains("-EwsMaxBurst Unlimited") && new.contains("-EwsMaxSubscriptions 5000"));
    assert!(!new.contains("PercentTime"));
}

#[test]
fn an_empty_list_is_never_all_and_values_that_look_like_places_are_values() {
    let script = OnPremisesScript::new("x", Shell::Exchange2010, "svc$$NAME$$").unwrap();
    let empty = OnPremisesGrant::FullAccess(OnPremisesMailboxes::Listed(Vec::new()));
    assert_eq!(script.clone().with_grant(empty).unwrap_err().kind(), ErrorKind::InvalidInput);
    let text = script
        .with_grant(OnPremisesGrant::ManagementScope {
            name: ManagementScopeName::parse("a $$FILTER$$ '; Remove-Mailbox b; '").unwrap(),
            members: OnPremisesScope::Filter(RecipientFilter::parse("Company -eq '$$NAME$$'").unwrap()),
        })
        .unwrap()
        .render()
        .unwrap();
    assert!(text.contains("$name = 'a $$FILTER$$ ''; Remove-Mailbox b; '''\n"), "{text}");
    assert!(text.contains("$filter = 'Company -eq ''$$NAME$$'''\n"));
    assert!(text.contains("$account = 'svc$$NAME$$'\n"));
}

/// The Management Shell's cmdlets are functions of a module: a preference set in the script alone would not reach them, and a
/// refused write would be reported as applied (PowerShell issue 4568).
#[test]
fn an_error_of_a_cmdlet_ends_the_script_and_the_sessions_preference_comes_back() {
    let stop = "$global:ErrorActionPreference = 'Stop'\n";
    let back = "$global:ErrorActionPreference = $preference\n";
    for text in [newest().render().unwrap(), oldest().render().unwrap(), online().render().unwrap()] {
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
        assert!(at("$preference = $global:ErrorActionPreference\n") < at(stop), "kept before it is set");
        assert_eq!((text.matches(stop).count(), text.matches(back).count()), (1, 1), "{text}");
    }
    let text = newest().render().unwrap();
    assert!(text.contains(&format!("function Write-Receipt {{\n    {back}")), "the trap gives it back, too");
    assert!(online().render().unwrap().contains(&format!("finally {{\n    {back}")));
}

/// A mailbox that nobody has signed in to has no calendar: the ones after it get theirs.
#[test]
fn trap_11_a_mailbox_that_fails_keeps_the_others_from_nothing() {
    for (text, body) in [(newest().render().unwrap(), 2), (oldest().render().unwrap(), 1)] {
        assert_eq!(
            text.matches("        trap { Add-Failure \"$_\"; continue }\n        & {\n").count(),
            body,
            "{text}"
        );
        assert_eq!(text.matches("if ($script:failures -ge 10) { throw ").count(), body, "{text}");
    }
    let bytes = on_premises_receipt(&[
        said("anna@contoso.example", "Failed", None),
        said("bernd@contoso.example", "Applied", None),
    ]);
    let receipt = newest().read_receipt(&bytes).unwrap();
    assert!(receipt.completed && !receipt.is_done());
    let undo = newest().undo(&receipt).unwrap();
    assert!(undo.contains("bernd@") && !undo.contains("anna@"), "{undo}");
}

#[test]
fn a_unit_is_compared_where_exchange_shows_it() {
    let text = OnPremisesScript::new("x", Shell::Exchange2010, "svc@contoso.example")
        .unwrap()
        .with_grant(OnPremisesGrant::Impersonation {
            name: RoleAssignmentName::parse("Sales").unwrap(),
            scope: ImpersonationScope::OrganizationalUnit(
                exchange_admin::OrganizationalUnit::parse("OU=O'Sales,DC=contoso,DC=example").unwrap(),
            ),
        })
        .unwrap()
        .render()
        .unwrap();
    assert!(text.contains(
        "$scope = \"$((Get-OrganizationalUnit -Identity 'OU=O''Sales,DC=contoso,DC=example').Identity)\"\n"
    ));
    assert!(text.contains("\"$($_.CustomRecipientWriteScope)\" -eq $scope"), "{text}");
    assert!(text.contains(" -RecipientOrganizationalUnitScope $scope -Confirm:$false"));
}

#[test]
fn a_receipt_that_an_old_shell_broke_at_its_width_is_read() {
    let bytes = on_premises_receipt(&[said("anna@contoso.example", "Applied", Some("LimitedDetails"))]);
    let text = String::from_utf8(bytes).unwrap();
    let broken: Vec<String> =
        text.chars().collect::<Vec<_>>().chunks(40).map(|line| line.iter().collect()).collect();
    assert!(broken.len() > 3);
    let receipt = newest().read_receipt(broken.join("\r\n").as_bytes()).unwrap();
    assert_eq!(receipt, newest().read_receipt(text.as_bytes()).unwrap());
    assert_eq!(receipt.steps[0].before.as_deref(), Some("LimitedDetails"));
}
