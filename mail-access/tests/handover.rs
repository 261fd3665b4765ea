//! A plan in the hands of people: parts by role, receipts, and what is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::{PROFILES, World, profile};
use mail_access::{Handover, HandoverPart, HandoverShell, HandoverState, Plan};

async fn handed(name: &str) -> (World, Plan, Handover) {
    let world = World::instant().await;
    let plan = world.onboarding().plan(&profile(name)).await.unwrap();
    let handover = plan.handover().unwrap();
    (world, plan, handover)
}

#[tokio::test]
async fn every_step_is_in_one_part_of_one_role_and_in_the_plans_order() {
    for name in PROFILES {
        let (_, plan, handover) = handed(name).await;
        let mut parted: Vec<&str> =
            handover.parts.iter().flat_map(|p| p.steps.iter().map(String::as_str)).collect();
        let by_product: BTreeSet<&str> = handover.by_product.iter().map(|(id, _)| id.as_str()).collect();
        let mut planned: Vec<&str> = plan.steps.iter().map(|s| s.id.as_str()).collect();
        planned.retain(|id| !by_product.contains(id) && !id.ends_with("await-policy"));
        assert_eq!(parted, planned, "{name}");
        parted.sort_unstable();
        parted.dedup();
        assert_eq!(parted.len(), planned.len());
        for part in &handover.parts {
            for id in &part.steps {
                let step = plan.steps.iter().find(|s| s.id == *id).unwrap();
                assert_eq!(step.description.role, part.role);
            }
            let text = part.text();
            assert!(text.contains("$WhatIf") && text.contains("ConvertTo-Json"), "{name}");
            for sentinel in ["aaaaaaaa-aaaa", "bbbbbbbb-bbbb", "the-group-made-above"] {
                assert!(!text.contains(sentinel), "{name}: {sentinel} in {}", part.file_name);
            }
            assert_eq!(part.needs_ids, text.contains("$ClientId") || text.contains("$ObjectId"), "{name}");
            assert_eq!(&part.to_file()[..3], b"\xEF\xBB\xBF");
            assert!(!text.contains("Add-MgApplicationPassword"), "no script prints a secret");
        }
        assert!(!handover.by_product.is_empty());
    }
}

#[tokio::test]
async fn nobody_goes_on_to_a_consent_before_the_policy_is_enforced() {
    let (_, _, handover) = handed("contact-center-mail-access-policy").await;
    let waits: Vec<&HandoverPart> = handover.parts.iter().filter(|p| p.wait_after).collect();
    assert_eq!(waits.len(), 1);
    assert!(waits[0].text().contains("New-ApplicationAccessPolicy -AppId"));
    assert_eq!(waits[0].window.latest.as_secs(), 7200);
    let at = handover.parts.iter().position(|p| p.wait_after).unwrap();
    let consents = |p: &HandoverPart| p.text().contains("New-MgServicePrincipalAppRoleAssignedTo");
    assert!(!handover.parts[..=at].iter().any(consents) && handover.parts[at + 1..].iter().any(consents));
    assert!(handover.runbook().contains("Wait before going on"));
}

#[tokio::test]
async fn nobody_is_asked_for_ids_that_their_part_does_not_need() {
    let (_, _, handover) = handed("contact-center-mail").await;
    let asks = |what: &str| handover.parts.iter().find(|p| p.text().contains(what)).unwrap().needs_ids;
    assert!(asks("-Change { New-ManagementRoleAssignment"));
    assert!(!asks("-Change { New-DistributionGroup ") && !asks("-Change { New-Mailbox"));
}

#[tokio::test]
async fn the_runbook_and_a_part_of_each_kind_as_people_read_them() {
    let (_, _, handover) = handed("imap-fetch").await;
    let graph = handover.parts.iter().find(|p| p.shell == HandoverShell::Graph).unwrap();
    let tenant = handover.tenant_id.to_string();
    let text = format!("{}\n----\n{}", handover.runbook(), graph.text()).replace(&tenant, "<tenant>");
    let secret = handover.by_product[0].1.clone();
    insta::assert_snapshot!(text.replace(&secret, "<the product's own step>"));
}

/// The receipt that the part prints when every step of it had this result.
fn printed(plan: &Plan, part: &HandoverPart, result: &str, steps: usize) -> Vec<u8> {
    let steps: Vec<_> = part
        .steps
        .iter()
        .take(steps)
        .map(|id| {
            let step = plan.steps.iter().find(|s| s.id == *id).unwrap();
            serde_json::json!({"title": step.description.sentence, "cmdlet": "x", "result": result})
        })
        .collect();
    let completed = steps.len() == part.steps.len();
    serde_json::json!({"receipt": "exchange-admin/1", "app": "", "apply": result != "WouldApply",
        "completed": completed, "finishedAt": "2026-11-21T09:00:00Z", "steps": steps})
    .to_string()
    .into_bytes()
}

#[tokio::test]
async fn receipts_say_what_is_left() {
    let (_, plan, handover) = handed("imap-fetch").await;
    let mut receipts = Vec::new();
    for (index, part) in handover.parts.iter().enumerate() {
        let shown = handover.read_receipt(&printed(&plan, part, "WouldApply", part.steps.len())).unwrap();
        assert_eq!(shown.0, index);
        receipts.push(shown.1);
    }
    let left = |receipts: &[_]| {
        handover.outcome(receipts).into_iter().filter(|o| o.state != HandoverState::Done).collect::<Vec<_>>()
    };
    let shown = handover.outcome(&receipts);
    assert!(shown.iter().filter(|o| o.state == HandoverState::Shown).count() == plan.steps.len() - 1);
    for part in &handover.parts {
        let before = left(&receipts).len();
        receipts.push(handover.read_receipt(&printed(&plan, part, "Applied", part.steps.len())).unwrap().1);
        assert_eq!(left(&receipts).len(), before - part.steps.len());
    }
    let last = left(&receipts);
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].id, handover.by_product[0].0, "only what no script does is left");
    // Half a part is half a part, and a failure is a failure.
    let longest = handover.parts.iter().max_by_key(|p| p.steps.len()).unwrap();
    let (_, half) = handover.read_receipt(&printed(&plan, longest, "Failed", 1)).unwrap();
    let outcome = handover.outcome(&[half]);
    let mine: Vec<_> = outcome.iter().filter(|o| longest.steps.contains(&o.id)).map(|o| o.state).collect();
    assert_eq!(mine[0], HandoverState::Failed);
    assert!(mine[1..].iter().all(|s| *s == HandoverState::Open));
    // One that came to its end with fewer steps than the part has, and one of elsewhere.
    let short = String::from_utf8(printed(&plan, longest, "Applied", 1)).unwrap();
    let short = short.replace("\"completed\":false", "\"completed\":true");
    assert!(handover.read_receipt(short.as_bytes()).is_err());
    let other =
        short.replace("completed\":true", "completed\":false").replace("title\":\"", "title\":\"Not ");
    assert!(handover.read_receipt(other.as_bytes()).is_err());
}

/// The lines are pasted into a shell that ran none of the scripts.
#[tokio::test]
async fn the_runbooks_undo_sets_every_variable_that_it_names() {
    for name in PROFILES {
        let (_world, plan, handover) = handed(name).await;
        let runbook = handover.runbook();
        let (_, undo) = runbook.split_once("To take it back").unwrap();
        for variable in ["$app", "$sp", "$graph", "$exchange", "$ClientId", "$ObjectId"] {
            let named = |line: &str| {
                line.split(|c: char| !c.is_alphanumeric() && c != '$').any(|word| word == variable)
            };
            let Some(first) = undo.lines().find(|line| named(line)) else { continue };
            assert!(first.contains(&format!("{variable} = ")), "{name}: {variable} in {first}");
        }
        assert!(
            plan.profile
                .apps
                .iter()
                .all(|app| undo.contains(&format!("the lines about {},", app.unique_name)))
        );
    }
}

/// A refused write must not be reported as applied: cmdlets of a module do not see the script's own preference.
#[tokio::test]
async fn an_error_ends_every_script_and_the_sessions_preference_comes_back() {
    for name in PROFILES {
        let (_world, plan, handover) = handed(name).await;
        let whole = String::from_utf8(plan.to_script().unwrap()).unwrap();
        let parts = handover.parts.iter().map(HandoverPart::text);
        for text in parts.chain([whole.as_str()]) {
            let first = text.find("$global:ErrorActionPreference = 'Stop'").expect(name);
            let work =
                ["Get-Mg", "Invoke-Step -Title"].iter().filter_map(|what| text.find(what)).min().unwrap();
            assert!(first < work, "{text}");
            let (_, closing) = text.rsplit_once("finally {").unwrap();
            assert!(closing.contains("$global:ErrorActionPreference = $"), "{text}");
        }
        assert!(whole.trim_end().ends_with("finally { $global:ErrorActionPreference = $sessionPreference }"));
    }
}
