//! Profiles for Exchange Servers: what is refused, what the plan says, and what comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use exchange_admin::{OnPremisesMailboxes, Shell, ThrottlingPolicyName};
use mail_access::{
    HandoverState, ImpersonationReach, OnPremisesAccess, OnPremisesPlan, OnPremisesProfile, Profile,
};

fn shipped(name: &str) -> OnPremisesProfile {
    let path = format!("{}/../examples/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    match Profile::from_toml(&format!("{name}.toml"), &std::fs::read_to_string(path).unwrap()).unwrap() {
        Profile::OnPremises(profile) => profile,
        Profile::Cloud(_) => panic!("{name} is for Exchange Server"),
    }
}

fn all() -> [OnPremisesProfile; 3] {
    ["ews-impersonation-onprem", "ews-fullaccess-onprem-2007", "ews-folder-reviewer-onprem"].map(shipped)
}

fn told(plan: &OnPremisesPlan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let d = &step.description;
        out += &format!(
            "{} [{}] {}\n  {}\n  {}\n  undo: {} {}\n",
            step.id, d.role, d.sentence, d.window, d.powershell, d.inverse, d.inverse_powershell
        );
    }
    for note in &plan.notes {
        out += &format!("note: {note}\n");
    }
    for probe in &plan.probes {
        out += &format!("probe: {probe}\n");
    }
    out
}

#[test]
fn the_plans_of_the_shipped_profiles_as_people_read_them() {
    let text: Vec<String> = all().iter().map(|p| told(&p.plan().unwrap())).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn the_same_profile_made_in_code() {
    let address = |name: &str| format!("{name}@contoso.example").parse().unwrap();
    let made = OnPremisesProfile::new(
        "ews-impersonation-onprem",
        "CONTOSO\\svc-acme-calendar",
        Shell::Exchange2013ToSe,
        OnPremisesAccess::Impersonation(ImpersonationReach::Group(address("acme-calendar-users"))),
        vec![address("alice"), address("bob")],
        Some(address("ceo")),
    )
    .unwrap()
    .with_summary("A calendar connector impersonates the users of a group on Exchange Server.")
    .with_throttling_policy(ThrottlingPolicyName::parse("Acme calendar connector").unwrap())
    .unwrap();
    assert_eq!(made, shipped("ews-impersonation-onprem"));
    let empty = OnPremisesAccess::FullAccess(OnPremisesMailboxes::Listed(Vec::new()));
    let refused =
        OnPremisesProfile::new("x", "svc", Shell::Exchange2010, empty, Vec::new(), Some(address("ceo")));
    assert!(refused.unwrap_err().to_string().contains("never taken for all"));
}

#[test]
fn every_plan_has_scripts_and_its_undo_waits_for_a_receipt() {
    for profile in all() {
        let plan = profile.plan().unwrap();
        let scripts = plan.scripts();
        assert!(!scripts.is_empty() && !plan.probes.is_empty());
        for script in &scripts {
            let text = script.render().unwrap();
            assert!(text.contains("$WhatIf") && text.contains("Write-Receipt"));
        }
        assert!(plan.notes.iter().any(|n| n.starts_with("Not tried yet")));
        assert!(serde_json::to_string(&plan).unwrap().contains("\"probes\""));
    }
}

const IMPERSONATION: &str = r#"name = "x"
[account]
name = 'CONTOSO\svc'
server = "exchange-2013-to-se"
[account.access]
grant = "impersonation"
scope = { group = "users@contoso.example" }
probes = ["alice@contoso.example"]
canary = "ceo@contoso.example"
"#;

const LISTED: &str = r#"name = "x"
[account]
name = 'CONTOSO\svc'
server = "exchange-2013-to-se"
[account.access]
grant = "calendar-reviewer"
mailboxes = ["alice@contoso.example", "bob@contoso.example"]
canary = "ceo@contoso.example"
"#;

#[test]
fn contradictions_are_refused_with_file_and_line() {
    for good in [IMPERSONATION, LISTED] {
        Profile::from_toml("p.toml", good).unwrap();
    }
    let scope = "scope = { group = \"users@contoso.example\" }";
    let list = "mailboxes = [\"alice@contoso.example\", \"bob@contoso.example\"]";
    let canary = "canary = \"ceo@contoso.example\"\n";
    let cases: Vec<(String, &str, &str)> = vec![
        (LISTED.replace("2013-to-se", "2007-sp1"), "p.toml:6", "no cmdlet for folder permissions"),
        (IMPERSONATION.replace("2013-to-se", "2007-sp1"), "p.toml:6", "write grant = \"full-access\" there"),
        (IMPERSONATION.replace("2013-to-se", "2003"), "p.toml:4", "there is no server"),
        (IMPERSONATION.replace("impersonation", "owner"), "p.toml:6", "there is no grant \"owner\""),
        (IMPERSONATION.replace(scope, list), "p.toml:7", "put the mailboxes into a group"),
        (IMPERSONATION.replace(scope, ""), "p.toml:5", "Exchange's own default is every mailbox"),
        (IMPERSONATION.replace(scope, "scope = { }"), "p.toml:7", "exactly one of"),
        (
            IMPERSONATION.replace(scope, "scope = { group = \"a@b.example\", whole_organization = true }"),
            "p.toml:7",
            "exactly one of",
        ),
        (IMPERSONATION.replace(scope, "scope = { filter = \"\" }"), "p.toml:7", "holds every mailbox"),
        (IMPERSONATION.replace(scope, "scope = { whole_organization = true }"), "p.toml:9", "leave it out"),
        (LISTED.replace(list, scope), "p.toml:7", "leave the scope out"),
        (LISTED.replace(list, ""), "p.toml:5", "needs mailboxes"),
        (LISTED.replace(list, "mailboxes = []"), "p.toml:3", "never taken for all"),
        (LISTED.replace(list, "mailboxes = \"every\""), "p.toml:7", "a list or \"all\""),
        (LISTED.replace(list, "mailboxes = 7"), "p.toml:7", "\"all\" or a list of addresses"),
        (LISTED.replace("bob@", "alice@"), "p.toml:7", "listed twice"),
        (
            LISTED.replace("ceo@", "bob@"),
            "p.toml:8",
            "the canary bob@contoso.example is one of the mailboxes",
        ),
        (LISTED.replace(canary, ""), "p.toml:3", "name a canary"),
        (LISTED.replace(list, "mailboxes = \"all\""), "p.toml:3", "probes"),
        (
            LISTED.replace(list, "mailboxes = \"all\"\nprobes = [\"alice@contoso.example\"]"),
            "p.toml:9",
            "every mailbox is in reach",
        ),
        (
            LISTED.replace(canary, "probes = [\"dave@contoso.example\"]\n") + canary,
            "p.toml:8",
            "not one of the mailboxes",
        ),
        (LISTED.replace("grant =", "grants ="), "p.toml:6", "unknown field"),
        (LISTED.replace("svc'", "svc\u{202E}x'"), "p.toml:3", "has no place in a script"),
        (format!("{LISTED}[[app]]\nunique_name = \"a\"\n"), "p.toml:9", "a profile of its own"),
        (
            LISTED
                .replace("2013-to-se\"", "2007-sp1\"\nthrottling_policy = \"P\"")
                .replace("calendar-reviewer", "full-access"),
            "p.toml:5",
            "no throttling policies",
        ),
    ];
    let error = mail_access::AccessProfile::from_toml("p.toml", LISTED).unwrap_err();
    assert!(error.to_string().contains("p.toml: this profile is for a service account"), "{error}");
    let mut wrong = Vec::new();
    for (text, place, said) in cases {
        let error = Profile::from_toml("p.toml", &text).unwrap_err().to_string();
        if !error.contains(&format!("{place}:")) || !error.contains(said) {
            wrong.push(format!("{place} {said}\n  {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn receipt(account: &str, completed: bool, steps: &serde_json::Value) -> Vec<u8> {
    serde_json::json!({"receipt": "exchange-admin/1", "app": account, "apply": true, "completed": completed,
        "finishedAt": "2026-11-21T09:00:00Z", "steps": steps})
    .to_string()
    .into_bytes()
}

#[test]
fn receipts_become_results_of_steps() {
    let Profile::OnPremises(profile) = Profile::from_toml("p.toml", LISTED).unwrap() else { panic!() };
    let plan = profile.plan().unwrap();
    let account = "CONTOSO\\svc";
    let step = |who: &str, result: &str| {
        let on = format!("{who}@contoso.example");
        serde_json::json!({"title": format!("Reviewer on the calendar of {on} for {account}"),
            "cmdlet": "Add-MailboxFolderPermission", "result": result, "on": on})
    };
    assert_eq!(plan.outcome(&[])[0].state, HandoverState::Open);
    let of = |completed: bool, steps: serde_json::Value| {
        let read = plan.read_receipt(&receipt(account, completed, &steps)).unwrap();
        plan.outcome(&[read]).remove(0)
    };
    let shown = of(true, serde_json::json!([step("alice", "WouldApply"), step("bob", "AlreadyThere")]));
    assert_eq!((shown.state, shown.would_apply, shown.already_there), (HandoverState::Shown, 1, 1));
    let failed = of(false, serde_json::json!([step("alice", "Applied"), step("bob", "Failed")]));
    assert_eq!((failed.state, failed.applied, failed.failed.len()), (HandoverState::Failed, 1, 1));
    let half = of(false, serde_json::json!([step("alice", "Applied")]));
    assert_eq!(half.state, HandoverState::Open, "half of a list is not done");
    let done = of(true, serde_json::json!([step("alice", "Applied"), step("bob", "AlreadyThere")]));
    assert_eq!((done.state, done.applied, done.already_there), (HandoverState::Done, 1, 1));
    // A later receipt counts.
    let first = plan
        .read_receipt(&receipt(
            account,
            true,
            &serde_json::json!([step("alice", "WouldApply"), step("bob", "WouldApply")]),
        ))
        .unwrap();
    let then = plan
        .read_receipt(&receipt(
            account,
            true,
            &serde_json::json!([step("alice", "Applied"), step("bob", "Applied")]),
        ))
        .unwrap();
    assert_eq!(plan.outcome(&[first, then.clone()])[0].state, HandoverState::Done);
    let undo = String::from_utf8(plan.undo_to_file(&then).unwrap()).unwrap();
    assert!(undo.contains("$on = 'bob@contoso.example'"));
    assert!(plan.read_receipt(&receipt("CONTOSO\\other", true, &serde_json::json!([]))).is_err());
}
