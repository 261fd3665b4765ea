//! Interruptions and restarts: what was done is told, and how old it is stays known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use std::sync::Mutex;

use common::{World, profile};
use jiff::Timestamp;
use m365_core::TenantId;
use mail_access::verify::Finding;
use mail_access::{
    ApplyError, ChangeLedger, DirectoryLedger, Ledger, LedgerEntry, MemoryLedger, Progress, Result, Step,
    StepResult, StepStatus, VerifyOptions, Wait,
};
use tenant_sim::Fault;

/// What was told, in words.
#[derive(Default)]
struct Told {
    failures: Mutex<Vec<(String, Option<u16>, &'static str)>>,
    waits: Mutex<Vec<(String, Timestamp, Timestamp, Timestamp)>>,
}

impl Progress for Told {
    fn step_finished(&self, _: usize, _: usize, step: &Step, result: &StepResult) {
        if let StepResult::Failed(error) | StepResult::Unknown(error) = result {
            let status = error.status().map(|s| s.as_u16());
            self.failures.lock().unwrap().push((step.id.clone(), status, error.diagnosis().id()));
        }
    }

    fn waiting(&self, wait: &Wait<'_>, now: Timestamp) {
        self.waits.lock().unwrap().push((wait.reason.to_owned(), wait.from, wait.until, now));
    }
}

fn refused() -> Fault {
    Fault::error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

#[tokio::test]
async fn a_failure_says_which_step_it_was_and_what_was_done_before() {
    let world = World::instant().await;
    let (onboarding, profile) = (world.onboarding(), profile("imap-fetch"));
    let plan = onboarding.plan(&profile).await.unwrap();
    world.tenant.faults().inject(refused().on_path("/appRoleAssignedTo").on_method("POST").times(9));
    let told = Told::default();
    let stopped = onboarding.apply(&plan, &told).await.unwrap_err();

    let step = stopped.step.clone().unwrap();
    assert!(step.contains("/consent/"), "{step}");
    let text = stopped.to_string();
    assert!(text.contains(&step) && text.contains("403"), "{text}");
    let (last, before) = stopped.applied.steps.split_last().unwrap();
    assert_eq!((last.id.as_str(), last.result), (step.as_str(), StepStatus::Failed));
    assert!(last.error.as_deref().unwrap().contains("403"));
    assert!(before.len() > 2 && before.iter().all(|s| s.result == StepStatus::Applied), "{before:?}");
    let failures = told.failures.into_inner().unwrap();
    assert_eq!(failures, [(step, Some(403), stopped.diagnosis().id())]);

    // As an error of the family it still names the step, with the operation after it.
    let error = mail_access::Error::from(stopped);
    assert_eq!(error.to_string(), text);
    assert_eq!(error.status().map(|s| s.as_u16()), Some(403));
}

#[tokio::test]
async fn a_restart_inside_the_window_is_still_not_yet() {
    let world = World::realistic().await;
    let directory = tempfile::tempdir().unwrap();
    let profile = profile("contact-center-mail");
    let open = || Ledger::new(DirectoryLedger::open(directory.path().join("ledger")).unwrap());
    {
        let first = World { ledger: open(), ..world.fork(open()).await };
        let onboarding = first.onboarding();
        onboarding.apply(&onboarding.plan(&profile).await.unwrap(), &()).await.unwrap();

        // Whoever does not know how young the changes are takes "not yet" for a refusal.
        let forgetful = first.fork(Ledger::new(MemoryLedger::new())).await;
        let proof =
            forgetful.onboarding().verify(&profile, None, &VerifyOptions::default(), &()).await.unwrap();
        assert!(proof.open_points().any(|c| c.finding == Finding::Failed), "the test shows nothing");

        let second = first.fork(open()).await;
        let onboarding = second.onboarding();
        let plan = onboarding.plan(&profile).await.unwrap();
        assert!(plan.is_empty());
        let applied = onboarding.apply(&plan, &()).await.unwrap();
        let told = Told::default();
        let proof =
            onboarding.verify(&profile, Some(&applied), &VerifyOptions::default(), &told).await.unwrap();
        let open: Vec<String> = proof.open_points().map(ToString::to_string).collect();
        assert!(proof.is_proven(), "{open:#?}");
        let waits = told.waits.into_inner().unwrap();
        assert!(waits.iter().any(|(reason, ..)| reason.contains("to be enforced")), "the quiet time is kept");
    }
}

#[tokio::test]
async fn what_an_interrupted_run_did_is_as_young_as_it_is() {
    let world = World::realistic().await;
    let profile = profile("contact-center-mail");
    let onboarding = world.onboarding();
    let plan = onboarding.plan(&profile).await.unwrap();
    // The last role is made and its answer lost, again and again; then the run stops at the secret.
    let roles = plan.steps.iter().filter(|s| s.id.contains("/role/")).count();
    assert!(roles > 1);
    world.tenant.faults().inject(
        Fault::drop_after().on_cmdlet("New-ManagementRoleAssignment").skip(roles as u32 - 1).times(20),
    );
    world.tenant.faults().inject(refused().on_path("/addPassword").times(20));
    let stopped: ApplyError = onboarding.apply(&plan, &()).await.unwrap_err();
    world.tenant.faults().clear();
    let entries = world.ledger.entries(world.tenant_id(), &profile.name).await.unwrap();
    let changed = stopped.applied.steps.iter().filter(|s| s.result != StepStatus::Failed);
    for step in changed {
        assert!(entries.iter().any(|e| e.step == step.id), "{} is not in the ledger: {entries:#?}", step.id);
    }

    let again = world.onboarding();
    let plan = again.plan(&profile).await.unwrap();
    let applied = again.apply(&plan, &()).await.unwrap();
    let proof = again.verify(&profile, Some(&applied), &VerifyOptions::default(), &()).await.unwrap();
    let open: Vec<String> = proof.open_points().map(ToString::to_string).collect();
    assert!(proof.is_proven(), "{open:#?}");
}

/// Cannot note that a step was taken, as a process that died in between.
#[derive(Debug)]
struct Dying(Ledger);

impl ChangeLedger for Dying {
    async fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> Result<()> {
        match entry.taken && entry.step.contains("/role/") {
            true => Err(mail_access::Error::new(mail_access::ErrorKind::Unavailable, "no more space")),
            false => self.0.record(tenant, entry).await,
        }
    }
    async fn entries(&self, tenant: TenantId, profile: &str) -> Result<Vec<LedgerEntry>> {
        self.0.entries(tenant, profile).await
    }
}

#[tokio::test]
async fn a_run_that_died_in_the_middle_of_a_step_left_a_trace() {
    let mut world = World::realistic().await;
    let profile = profile("contact-center-mail");
    let ledger = std::mem::replace(&mut world.ledger, Ledger::new(MemoryLedger::new()));
    world.ledger = Ledger::new(Dying(ledger.clone()));
    let onboarding = world.onboarding();
    let stopped = onboarding.apply(&onboarding.plan(&profile).await.unwrap(), &()).await.unwrap_err();
    let step = stopped.step.clone().unwrap();
    assert!(step.contains("/role/") && stopped.to_string().contains("no more space"), "{stopped}");
    assert_eq!(
        stopped.applied.steps.last().unwrap().result,
        StepStatus::Applied,
        "the step itself was taken"
    );

    let entries = ledger.entries(world.tenant_id(), &profile.name).await.unwrap();
    let traces: Vec<_> = entries.iter().filter(|e| e.step == step).map(|e| e.taken).collect();
    assert_eq!(traces, [false]);
    world.ledger = ledger;
    let again = world.onboarding();
    assert!(again.plan(&profile).await.unwrap().steps.iter().all(|s| s.id != step), "it is there");
}

#[tokio::test]
async fn a_policy_whose_age_is_known_is_not_waited_for_twice() {
    const HOUR: i64 = 3600;
    let world = World::realistic().await;
    let profile = profile("contact-center-mail-access-policy");
    let onboarding = world.onboarding();
    let plan = onboarding.plan(&profile).await.unwrap();
    world.tenant.faults().inject(refused().on_path("/appRoleAssignedTo").on_method("POST").times(9));
    let stopped = onboarding.apply(&plan, &()).await.unwrap_err();
    let waited = stopped.applied.steps.iter().find(|s| s.id.ends_with("await-policy")).unwrap();
    assert_eq!(waited.result, StepStatus::Waited);
    world.tenant.faults().clear();

    for (ledger, hours) in [(world.ledger.clone(), 0), (Ledger::new(MemoryLedger::new()), 2)] {
        let fork = world.fork(ledger).await;
        let onboarding = fork.onboarding();
        let plan = onboarding.plan(&profile).await.unwrap();
        assert!(plan.steps.iter().any(|s| s.id.ends_with("await-policy")), "{plan:?}");
        let before = fork.tenant.now();
        onboarding.apply(&plan, &()).await.unwrap();
        let took = fork.tenant.now().as_second() - before.as_second();
        assert_eq!(took / HOUR, hours, "{took} s");
    }
}

#[tokio::test]
async fn a_wait_alone_is_no_change() {
    let world = World::realistic().await;
    let profile = profile("contact-center-mail-access-policy");
    let onboarding = world.onboarding();
    let mut plan = onboarding.plan(&profile).await.unwrap();
    plan.steps.retain(|s| s.id.ends_with("await-policy"));
    let applied = onboarding.apply(&plan, &()).await.unwrap();
    assert!(!applied.changed());
    let receipt = serde_json::to_value(&applied.steps).unwrap();
    assert_eq!(receipt[0]["result"], "waited");
    assert!(world.ledger.entries(world.tenant_id(), &profile.name).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_step_found_done_does_not_make_the_change_younger() {
    let world = World::instant().await;
    let profile = profile("imap-fetch");
    let onboarding = world.onboarding();
    let mut plan = onboarding.plan(&profile).await.unwrap();
    plan.steps.retain(|s| !s.id.ends_with("/secret"));
    onboarding.apply(&plan, &()).await.unwrap();
    let entries = world.ledger.entries(world.tenant_id(), &profile.name).await.unwrap();
    let applied = onboarding.apply(&plan, &()).await.unwrap();
    assert!(applied.steps.iter().any(|s| s.result == StepStatus::AlreadyThere), "{:?}", applied.steps);
    let later = world.ledger.entries(world.tenant_id(), &profile.name).await.unwrap();
    let done = |s: &str| applied.steps.iter().any(|r| r.id == s && r.result == StepStatus::AlreadyThere);
    let count = |list: &[LedgerEntry]| list.iter().filter(|e| done(&e.step)).count();
    assert_eq!(count(&entries), count(&later));
}

#[tokio::test]
async fn waits_for_replication_are_seen() {
    let world = World::instant().await;
    let (onboarding, profile) = (world.onboarding(), profile("imap-fetch"));
    let plan = onboarding.plan(&profile).await.unwrap();
    world.tenant.faults().inject(Fault::by_id("PROV-SP-REPLICATION").unwrap().times(2));
    let told = Told::default();
    onboarding.apply(&plan, &told).await.unwrap();
    let waits = told.waits.into_inner().unwrap();
    let (_, from, until, _) = waits.first().expect("a wait was told").clone();
    assert!(until > from);
    assert!(waits.iter().any(|w| w.1 == from && w.3 < until), "its beginning: {waits:?}");
    assert!(waits.iter().any(|w| w.1 == from && w.3 >= until), "its end: {waits:?}");
}
