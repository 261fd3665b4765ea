//! The script says what direct execution does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use std::collections::BTreeMap;

use common::{PROFILES, World, profile};

/// Cmdlets that write, and how often.
fn writes<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in names.filter(|n| n.starts_with("New-") || n.starts_with("Add-") || n.starts_with("Remove-")) {
        *counts.entry(name.to_owned()).or_insert(0) += 1;
    }
    counts
}

#[tokio::test]
async fn script_and_direct_execution_make_the_same_changes_in_exchange() {
    for name in PROFILES {
        let world = World::instant().await;
        let onboarding = world.onboarding();
        let plan = onboarding.plan(&profile(name)).await.unwrap();
        let script = String::from_utf8(plan.to_script().unwrap()).unwrap();
        assert!(script.starts_with('\u{feff}'), "{name}: Windows PowerShell needs the byte order mark");

        let changes = script.lines().filter_map(|l| l.trim().strip_prefix("-Change { ")?.split(' ').next());
        let scripted = writes(changes);
        world.tenant.clear_journal();
        onboarding.apply(&plan, &()).await.unwrap();
        let journal = world.tenant.journal();
        let direct = writes(journal.iter().filter_map(|e| e.cmdlet.as_deref()?.split(' ').next()));
        assert_eq!(scripted, direct, "{name}");

        // Nothing stands for an id that was not known.
        for sentinel in ["aaaaaaaa-aaaa", "bbbbbbbb-bbbb", "the-group-made-above"] {
            assert!(!script.contains(sentinel), "{name}: {sentinel}");
        }
        let again = onboarding.plan(&profile(name)).await.unwrap();
        let nothing = String::from_utf8(again.to_script().unwrap()).unwrap();
        assert!(nothing.contains("there is nothing to do") && !nothing.contains("-Change {"), "{name}");
    }
}

#[tokio::test]
async fn the_script_never_grants_consent_before_a_policy_is_enforced() {
    let world = World::instant().await;
    let plan = world.onboarding().plan(&profile("contact-center-mail-access-policy")).await.unwrap();
    let script = String::from_utf8(plan.to_script().unwrap()).unwrap();
    let at = |text: &str| script.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(at("New-ApplicationAccessPolicy -AppId") < at("Read-Host"));
    assert!(at("Read-Host") < at("New-MgServicePrincipalAppRoleAssignedTo"), "{script}");
}

#[tokio::test]
async fn the_plan_is_stable_json() {
    let world = World::instant().await;
    let plan = world.onboarding().plan(&profile("imap-fetch")).await.unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|s| s.id.as_str()).collect();
    insta::assert_snapshot!(ids.join("\n"));
    let value = serde_json::to_value(&plan).unwrap();
    let step = &value["steps"][0];
    for key in ["id", "app", "sentence", "role", "call", "powershell", "window", "inverse"] {
        assert!(!step[key].is_null(), "{key} in {step}");
    }
}
