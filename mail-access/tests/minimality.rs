//! No step of a plan is there for nothing: without any single one the proof is red.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{World, profile};
use mail_access::VerifyOptions;
use mail_access::verify::{CheckKind, Finding};

/// What the proof says of a set-up that lacks one step.
#[derive(Debug, PartialEq, Eq)]
enum Lacking {
    /// The run stops at a later step, or no token can be had.
    Stops,
    /// Something beside the comparison with the plan is red: a right, a token, a mailbox that does not open.
    Red,
    /// Only the comparison with the plan tells.
    PlanAlone,
    /// The proof is green.
    Green,
}

async fn without(world: &World, name: &str, index: usize) -> (String, Lacking) {
    let onboarding = world.onboarding();
    let mut plan = onboarding.plan(&profile(name)).await.unwrap();
    let step = plan.steps.remove(index).id;
    if onboarding.apply(&plan, &()).await.is_err() {
        return (step, Lacking::Stops);
    }
    let options = VerifyOptions::default().with_test_message();
    let Ok(proof) = onboarding.verify(&profile(name), None, &options, &()).await else {
        return (step, Lacking::Stops);
    };
    if proof.is_proven() {
        return (step, Lacking::Green);
    }
    let alone = proof
        .checks
        .iter()
        .filter(|c| matches!(c.finding, Finding::Failed | Finding::NotYet))
        .all(|c| c.kind == CheckKind::Configuration && c.subject == "plan");
    (step, if alone { Lacking::PlanAlone } else { Lacking::Red })
}

async fn every_step_counts(name: &str) {
    let whole = World::instant().await.onboarding().plan(&profile(name)).await.unwrap();
    assert!(!whole.is_empty());
    for index in 0..whole.steps.len() {
        let (step, lacking) = without(&World::instant().await, name, index).await;
        // A declaration in the registration grants nothing, of a wait nothing is left to see, and who may change calendars
        // may read them.
        let tells_nothing =
            ["/declare", "/await-policy", "/role/Calendars.Read"].iter().any(|end| step.ends_with(end));
        let wanted: &[Lacking] = if tells_nothing {
            &[Lacking::PlanAlone, Lacking::Green]
        } else {
            &[Lacking::Red, Lacking::Stops]
        };
        assert!(wanted.contains(&lacking), "{name} without {step}: {lacking:?}");
    }
}

#[tokio::test]
async fn imap_needs_every_step() {
    every_step_counts("imap-fetch").await;
}

#[tokio::test]
async fn roles_in_a_scope_need_every_step() {
    every_step_counts("contact-center-mail").await;
}

#[tokio::test]
async fn an_access_policy_needs_every_step() {
    every_step_counts("contact-center-mail-access-policy").await;
}

#[tokio::test]
async fn two_apps_need_every_step() {
    every_step_counts("calendar-and-mail-sender").await;
}
