//! Interrupting a set-up anywhere and running it again ends in the same state: nothing twice, nothing lost.
//!
//! Covered, for each shipped profile, in one tenant that is put back to its start before each run:
//! - every write request × every fault that its service can give (`faults_for`), with instant propagation, so that the
//!   n-th write is the same one in every run and each fault is known to have struck;
//! - every write request × the connection dropped after the server acted, with realistic replication;
//! - the future dropped after every step, and inside every step after several numbers of polls; the next run has a new
//!   onboarding and the same vault;
//! - a vault that cannot be written to right after a secret was made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use common::{World, is_write, profile, will_write};
use m365_core::transport::{Body, HttpTransport, TransportError, TransportErrorKind};
use m365_core::{Error, ErrorKind, Resource, Result, TokenRequest, Transport};
use mail_access::{
    AccessProfile, HeldSecret, MemoryVault, Onboarding, Progress, SecretVault, Step, StepResult, Vault,
};
use serde_json::Value;
use tenant_sim::{Fault, JournalEntry, Snapshot};

/// Runs after the interrupted one.
const MORE_RUNS: usize = 3;

/// A write request of the clean run, and how to aim at it.
#[derive(Clone, Debug)]
struct Write {
    method: String,
    /// The longest part of the path without ids.
    part: String,
    cmdlet: Option<String>,
    /// Requests that look the same and come before it.
    skip: u32,
    /// Requests of any kind that come before it.
    before: u32,
}

impl Write {
    fn aim(&self, fault: Fault) -> Fault {
        let fault = fault.on_method(&self.method).on_path(&self.part).skip(self.skip);
        match &self.cmdlet {
            Some(cmdlet) => fault.on_cmdlet(cmdlet),
            None => fault,
        }
    }

    fn matches(&self, entry: &JournalEntry) -> bool {
        self.method == entry.method
            && decoded(&entry.path).to_lowercase().contains(&self.part.to_lowercase())
            && self.cmdlet.as_deref().is_none_or(|c| entry.cmdlet.as_deref().is_some_and(|e| name_of(e) == c))
    }

    fn name(&self) -> String {
        self.cmdlet.clone().unwrap_or_else(|| format!("{} {}", self.method, self.part))
    }
}

fn name_of(cmdlet: &str) -> &str {
    cmdlet.split([' ', ';']).next().unwrap_or_default()
}

fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn writes(journal: &[JournalEntry]) -> Vec<Write> {
    let mut out = Vec::new();
    for (index, entry) in journal.iter().enumerate().filter(|(_, e)| is_write(e)) {
        let path = decoded(&entry.path);
        let is_id = |s: &str| s.len() == 36 && s.matches('-').count() == 4;
        let ids: Vec<&str> = path.split(['/', '(', ')', '\'']).filter(|s| is_id(s)).collect();
        let mut parts = vec![path.as_str()];
        for id in ids {
            parts = parts.into_iter().flat_map(|p| p.split(id)).collect();
        }
        let part = parts.into_iter().max_by_key(|p| p.len()).unwrap_or_default().to_owned();
        let cmdlet = entry.cmdlet.as_deref().map(|c| name_of(c).to_owned());
        let mut write = Write {
            method: entry.method.clone(),
            part,
            cmdlet,
            skip: 0,
            before: u32::try_from(index).unwrap(),
        };
        write.skip = u32::try_from(journal[..index].iter().filter(|e| write.matches(e)).count()).unwrap();
        out.push(write);
    }
    out
}

/// Every fault that this request can meet, with its name.
fn faults_for(write: &Write) -> Vec<(&'static str, Fault)> {
    let mut faults = vec![
        ("429, seconds", Fault::status(429).with_retry_after("3")),
        ("429, fraction", Fault::status(429).with_retry_after("2.128")),
        ("503, seconds", Fault::status(503).with_retry_after("2")),
        ("503 three times", Fault::status(503).times(3)),
        ("503 for good", Fault::status(503).times(9)),
        ("500", Fault::status(500)),
        ("502 as HTML", Fault::html(502)),
        ("dropped before", Fault::drop_before()),
        ("dropped after", Fault::drop_after()),
        ("dropped after, twice", Fault::drop_after().times(2)),
    ];
    if write.cmdlet.is_some() {
        faults.push(("403 of NUL bytes", Fault::nul_403(false)));
        faults.push(("403 of NUL bytes, explained", Fault::nul_403(true)));
        return faults;
    }
    faults.push(("409", Fault::concurrency_violation()));
    faults.push(("404 of replication", Fault::by_id("PROV-OBJ-REPLICATION").unwrap()));
    if write.method == "POST" && write.part == "/v1.0/servicePrincipals" {
        faults.push(("400 of replication", Fault::by_id("PROV-SP-REPLICATION").unwrap()));
        faults.push((
            "403 of replication",
            Fault::error(
                403,
                "Authorization_RequestDenied",
                "When using this permission, the backing application of the service principal being created must in \
                 the local tenant",
            ),
        ));
    }
    if write.part.contains("appRoleAssignedTo") {
        faults.push((
            "400 of replication",
            Fault::error(400, "Request_BadRequest", "Not a valid reference update."),
        ));
    }
    faults
}

/// A profile, its tenant, and what a clean run does there.
struct Case {
    world: World,
    name: &'static str,
    profile: AccessProfile,
    start: Snapshot,
    end: Value,
    writes: Vec<Write>,
    steps: usize,
}

impl Case {
    async fn new(world: World, name: &'static str) -> Self {
        let profile = profile(name);
        let start = world.tenant.snapshot();
        let vault = Vault::new(MemoryVault::new());
        let onboarding = onboarding(&world, &vault);
        world.tenant.clear_journal();
        let plan = onboarding.plan(&profile).await.unwrap();
        assert!(!world.tenant.journal().iter().any(is_write), "a plan writes nothing");
        onboarding.apply(&plan, &()).await.unwrap();
        let writes = writes(&world.tenant.journal());
        let end = world.tenant.state_snapshot();
        assert!(writes.len() >= plan.steps.len() / 2, "{writes:?}");
        Self { world, name, profile, start, end, writes, steps: plan.steps.len() }
    }

    /// A tenant that was never touched, and an empty vault.
    fn begin(&self) -> Vault {
        self.world.tenant.faults().clear();
        self.world.tenant.restore(&self.start);
        self.world.tenant.clear_journal();
        Vault::new(MemoryVault::new())
    }

    fn onboarding(&self, vault: &Vault) -> Onboarding {
        onboarding(&self.world, vault)
    }

    /// Plans and applies until it succeeds, each time as a new process would.
    async fn finish(&self, vault: &Vault, runs: usize, what: &str) {
        let mut errors = Vec::new();
        for _ in 0..runs {
            match run(&self.onboarding(vault), &self.profile).await {
                Ok(()) => return self.check(vault, what).await,
                Err(error) => errors.push(format!("{error} [{}]", error.diagnosis().id())),
            }
            self.world.wait(Duration::from_secs(900));
        }
        let journal: Vec<String> = self
            .world
            .tenant
            .journal()
            .iter()
            .filter(|e| is_write(e))
            .map(|e| format!("{} {} {:?} {:?} {:?}", e.method, e.path, e.cmdlet, e.status, e.fault))
            .collect();
        panic!("{} / {what}: never succeeded: {errors:#?}\n{journal:#?}", self.name);
    }

    /// The end that a clean run has.
    async fn check(&self, vault: &Vault, what: &str) {
        let what = format!("{} / {what}", self.name);
        self.world.tenant.faults().clear();
        let found = self.world.tenant.state_snapshot();
        assert_eq!(found, self.end, "{what}: another end than that of a clean run");

        self.world.wait(Duration::from_secs(3600));
        let onboarding = self.onboarding(vault);
        let plan = onboarding.plan(&self.profile).await.unwrap();
        let left: Vec<&str> = plan.steps.iter().map(|s| s.id.as_str()).collect();
        assert!(left.is_empty(), "{what}: left to do: {left:?}");

        for app in &self.profile.apps {
            let held =
                vault.load(self.world.tenant_id(), &app.unique_name).await.unwrap().expect("a held secret");
            let (client, keys) = self.world.tenant.with_state(|state| {
                let apps: Vec<_> = state
                    .directory
                    .applications
                    .iter()
                    .filter(|a| a.is_configured() && a.value.unique_name.as_deref() == Some(&app.unique_name))
                    .collect();
                assert_eq!(apps.len(), 1, "{what}: one registration");
                let app = &apps[0].value;
                let keys: Vec<_> =
                    app.passwords.iter().filter(|p| p.is_configured()).map(|p| p.value.key_id).collect();
                (app.app_id, keys)
            });
            assert_eq!(held.client_id.to_string(), client.to_string(), "{what}");
            assert_eq!(keys.len(), 1, "{what}: one secret");
            assert_eq!(held.key_id.to_string(), keys[0].to_string(), "{what}: the held secret is the one");
            let session = onboarding.session(&self.profile, app).await.unwrap();
            let token =
                session.credential().get_token(&TokenRequest::new(Resource::Graph).with_fresh()).await;
            assert!(token.is_ok(), "{what}: the held secret works: {token:?}");
        }
    }
}

fn onboarding(world: &World, vault: &Vault) -> Onboarding {
    world.onboarding_with(vault.clone(), world.transport(), world.clock.clone())
}

async fn run(onboarding: &Onboarding, profile: &AccessProfile) -> Result<()> {
    let plan = onboarding.plan(profile).await?;
    Ok(onboarding.apply(&plan, &()).await.map(drop)?)
}

async fn every_write_times_every_fault(name: &'static str) {
    let case = Case::new(World::instant().await, name).await;
    let mut runs = 0;
    for (index, write) in case.writes.iter().enumerate() {
        for (label, fault) in faults_for(write) {
            let vault = case.begin();
            case.world.tenant.faults().inject(write.aim(fault));
            let what = format!("write {index}, {}, {label}", write.name());
            let first = run(&case.onboarding(&vault), &case.profile).await;
            let struck = case.world.tenant.journal().iter().any(|e| e.fault.is_some());
            assert!(struck, "{}: the fault never struck: {what}", case.name);
            if let Err(error) = &first {
                assert!(error.operation().is_some(), "{what}: {error}");
                case.world.tenant.faults().clear();
                case.world.wait(Duration::from_secs(900));
                case.finish(&vault, MORE_RUNS, &what).await;
            } else {
                case.check(&vault, &what).await;
            }
            runs += 1;
        }
        // The two reads after the write come from a replica that has not heard of it.
        let vault = case.begin();
        case.world.tenant.faults().inject(Fault::stale_read().skip(write.before + 1).times(2));
        case.finish(&vault, 1 + MORE_RUNS, &format!("write {index}, {}, stale reads after it", write.name()))
            .await;
    }
    assert!(runs >= case.writes.len() * 12, "{name}: {runs} runs of {} writes", case.writes.len());
}

#[tokio::test]
async fn faults_at_every_write_imap_fetch() {
    every_write_times_every_fault("imap-fetch").await;
}

#[tokio::test]
async fn faults_at_every_write_contact_center() {
    every_write_times_every_fault("contact-center-mail").await;
}

#[tokio::test]
async fn faults_at_every_write_access_policy() {
    every_write_times_every_fault("contact-center-mail-access-policy").await;
}

#[tokio::test]
async fn faults_at_every_write_presence() {
    every_write_times_every_fault("calendar-and-mail-sender").await;
}

/// Replication makes runs differ in their retries, so here a fault may strike a neighbour of the write aimed at.
#[tokio::test]
async fn an_answer_lost_at_every_write_while_replicas_lag() {
    for name in common::PROFILES {
        let case = Case::new(World::realistic().await, name).await;
        let mut struck = 0;
        for (index, write) in case.writes.iter().enumerate() {
            let vault = case.begin();
            case.world.tenant.faults().inject(write.aim(Fault::drop_after()));
            case.finish(&vault, 1 + MORE_RUNS, &format!("lagging, write {index}, {}", write.name())).await;
            struck += usize::from(case.world.tenant.journal().iter().any(|e| e.fault.is_some()));
        }
        assert!(struck * 10 >= case.writes.len() * 9, "{name}: {struck} of {} struck", case.writes.len());
    }
}

/// The server acts, and the answer comes too late for the client.
#[derive(Debug)]
struct Late {
    inner: Transport,
    /// Writes until the late one.
    left: Arc<AtomicI64>,
}

impl HttpTransport for Late {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> std::result::Result<http::Response<Body>, TransportError> {
        let writes = will_write(&request);
        let response = self.inner.send(request).await?;
        if writes && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(TransportError::new(TransportErrorKind::Timeout, "no answer in time"));
        }
        Ok(response)
    }
}

#[tokio::test]
async fn an_answer_too_late_at_every_write() {
    for name in common::PROFILES {
        let case = Case::new(World::instant().await, name).await;
        for (index, write) in case.writes.iter().enumerate() {
            let vault = case.begin();
            let left = Arc::new(AtomicI64::new(i64::try_from(index).unwrap()));
            let late = Transport::new(Late { inner: case.world.transport(), left: left.clone() });
            let first = case.world.onboarding_with(vault.clone(), late, case.world.clock.clone());
            let first = run(&first, &case.profile).await;
            assert!(first.as_ref().err().is_none_or(|e| e.operation().is_some()), "{first:?}");
            assert!(left.load(Ordering::SeqCst) < 0, "{name}: write {index} never came");
            case.finish(&vault, MORE_RUNS, &format!("late answer, write {index}, {}", write.name())).await;
        }
    }
}

/// Where an application of a plan is to be abandoned.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Right after this step.
    After(usize),
    /// This many polls after this step began.
    Within(usize, usize),
}

struct Scissors {
    cut: Cut,
    armed: AtomicBool,
    finished: AtomicUsize,
}

impl Progress for Scissors {
    fn step_started(&self, index: usize, _: usize, _: &Step) {
        if matches!(self.cut, Cut::Within(step, _) if step == index) {
            self.armed.store(true, Ordering::SeqCst);
        }
    }

    fn step_finished(&self, index: usize, _: usize, _: &Step, _: &StepResult) {
        self.finished.store(index + 1, Ordering::SeqCst);
        match self.cut {
            Cut::After(step) if step == index => self.armed.store(true, Ordering::SeqCst),
            Cut::Within(step, _) if step == index => self.armed.store(false, Ordering::SeqCst),
            _ => {}
        }
    }
}

/// Polls a future until the scissors say stop; `None` when it was cut.
struct UntilCut<'a, F> {
    future: Pin<&'a mut F>,
    scissors: &'a Scissors,
    polls: usize,
}

impl<F: Future> Future for UntilCut<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = self.future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        if self.scissors.armed.load(Ordering::SeqCst) {
            self.polls += 1;
            let allowed = match self.scissors.cut {
                Cut::After(_) => 0,
                Cut::Within(_, polls) => polls,
            };
            if self.polls > allowed {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    }
}

async fn cut_at_every_step(name: &'static str) {
    let case = Case::new(World::instant().await, name).await;
    let mut cuts: Vec<Cut> = (0..case.steps).map(Cut::After).collect();
    for step in 0..case.steps {
        cuts.extend([0, 1, 2, 3, 5, 8, 13].map(|polls| Cut::Within(step, polls)));
    }
    let mut was_cut = 0;
    for cut in cuts {
        let vault = case.begin();
        let onboarding = case.onboarding(&vault);
        let plan = onboarding.plan(&case.profile).await.unwrap();
        assert_eq!(plan.steps.len(), case.steps);
        let scissors = Scissors { cut, armed: AtomicBool::new(false), finished: AtomicUsize::new(0) };
        {
            let future = pin!(onboarding.apply(&plan, &scissors));
            let done = UntilCut { future, scissors: &scissors, polls: 0 }.await;
            was_cut += usize::from(done.is_none());
        }
        drop(onboarding);
        // What was on the wire when the client went away arrives, and then a new process begins.
        tokio::time::sleep(Duration::from_millis(3)).await;
        case.world.wait(Duration::from_secs(5));
        case.finish(&vault, 1, &format!("{cut:?}")).await;
    }
    // Only the cut after the last step finds the whole already done, and some steps are over within few polls.
    assert!(was_cut >= case.steps * 3, "{name}: {was_cut} cuts of {} steps", case.steps);
}

#[tokio::test]
async fn cut_at_every_step_imap_fetch() {
    cut_at_every_step("imap-fetch").await;
}

#[tokio::test]
async fn cut_at_every_step_contact_center() {
    cut_at_every_step("contact-center-mail").await;
}

#[tokio::test]
async fn cut_at_every_step_access_policy() {
    cut_at_every_step("contact-center-mail-access-policy").await;
}

#[tokio::test]
async fn cut_at_every_step_presence() {
    cut_at_every_step("calendar-and-mail-sender").await;
}

/// Cannot be written to the first time.
#[derive(Debug)]
struct FullDisk {
    inner: MemoryVault,
    fails: AtomicBool,
}

impl SecretVault for FullDisk {
    async fn installation(&self) -> Result<String> {
        SecretVault::installation(&self.inner).await
    }

    async fn load(&self, tenant: m365_core::TenantId, app: &str) -> Result<Option<HeldSecret>> {
        SecretVault::load(&self.inner, tenant, app).await
    }

    async fn store(&self, tenant: m365_core::TenantId, app: &str, secret: &HeldSecret) -> Result<()> {
        if self.fails.swap(false, Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the disk is full").with_transient(false));
        }
        SecretVault::store(&self.inner, tenant, app, secret).await
    }
}

#[tokio::test]
async fn a_secret_that_could_not_be_kept_is_removed_and_made_anew() {
    for name in common::PROFILES {
        for lag in [false, true] {
            let world = if lag { World::realistic().await } else { World::instant().await };
            let case = Case::new(world, name).await;
            case.begin();
            let vault = Vault::new(FullDisk { inner: MemoryVault::new(), fails: AtomicBool::new(true) });
            let error = run(&case.onboarding(&vault), &case.profile).await.unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
            let next = case.onboarding(&vault).plan(&case.profile).await.unwrap();
            let orphans = next.steps.iter().filter(|s| s.id.contains("orphan-secret")).count();
            assert_eq!(orphans, 1, "{name}: the lost secret is planned to be removed");
            case.finish(&vault, 1, "vault that failed once").await;
        }
    }
}

/// The secret of an app that is set up since long is lost, and so is the answer to the next one: replicas show old lists
/// after every change, not only of what is new.
#[tokio::test]
async fn a_lost_answer_leaves_no_second_secret_on_an_old_app() {
    for name in common::PROFILES {
        let case = Case::new(World::realistic().await, name).await;
        case.world.wait(Duration::from_secs(24 * 3600));
        // The secret of the clean run belongs to another vault; here it was taken away in between.
        case.world.tenant.with_state(|state| {
            for app in &mut state.directory.applications {
                if app.value.unique_name.as_deref().is_some_and(|name| name.starts_with("acme-")) {
                    app.value.passwords.clear();
                }
            }
        });
        let start = case.world.tenant.snapshot();
        for fault in
            [Fault::drop_after(), Fault::drop_after().times(2), Fault::drop_before(), Fault::html(502)]
        {
            case.world.tenant.faults().clear();
            case.world.tenant.restore(&start);
            let vault = Vault::new(MemoryVault::new());
            case.world.tenant.faults().inject(fault.clone().on_path("/addPassword"));
            case.finish(&vault, 1 + MORE_RUNS, &format!("old app, {fault:?}")).await;
        }
    }
}
