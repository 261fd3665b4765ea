//! A vendor's app moves from access policies to roles while it is at work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::World;
use exchange_admin::migration::{Blocker, Consent, MigrationOptions, MigrationStep, NestedGroups};
use exchange_admin::{ApplicationRole, MailboxAddress};
use m365_core::{ErrorKind, Result};
use mail_access::migration::*;
use mail_access::{Ledger, MemoryLedger, StepStatus};
use tenant_sim::state::{AccessPolicy, PolicyRight, State, Timed};
use tenant_sim::{Propagation, Scenario, ScenarioApp, ScenarioGroup, ScenarioGroupKind};
use tokio::sync::Notify;
use uuid::Uuid;

const SECRET: &str = "Acme-8Q~simulated-secret-of-the-vendor";

fn address(name: &str) -> MailboxAddress {
    MailboxAddress::parse(&format!("{name}@contoso.example")).unwrap()
}

fn group_id(state: &State, name: &str) -> Uuid {
    state.exchange.groups.iter().find(|g| g.value.name == name).unwrap().value.object_id
}

/// Two policies; the group of the first one holds alice and a group with bob in it.
async fn world(propagation: Propagation) -> World {
    let mut scenario = Scenario::contoso();
    let group = |name: &str, members: &[&str]| ScenarioGroup {
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind: ScenarioGroupKind::MailEnabledSecurity,
        members: members.iter().map(|m| (*m).to_owned()).collect(),
    };
    scenario.groups.extend([
        group("sales", &["alice"]),
        group("sales-north", &["bob"]),
        group("billing", &["invoices", "alice"]),
    ]);
    scenario.apps.push(ScenarioApp {
        display_name: "Acme Connector".to_owned(),
        unique_name: None,
        made_in_portal: false,
        graph_roles: vec!["Mail.Read".to_owned(), "Calendars.Read".to_owned(), "User.Read.All".to_owned()],
        exchange_roles: Vec::new(),
        secret: Some(SECRET.to_owned()),
        directory_roles: Vec::new(),
        role_groups: Vec::new(),
    });
    let world = World::start(scenario, propagation).await;
    let app = Uuid::parse_str(&world.client_of("Acme Connector").to_string()).unwrap();
    world.tenant.with_state(|state| {
        let inner = group_id(state, "sales-north");
        let outer = state.exchange.groups.iter_mut().find(|g| g.value.name == "sales").unwrap();
        outer.value.members.push(Timed::always(inner));
        for name in ["sales", "billing"] {
            let scope = group_id(state, name);
            state.exchange.access_policies.push(Timed::always(AccessPolicy {
                app_id: Some(app),
                scope,
                right: PolicyRight::Restrict,
                description: String::new(),
            }));
        }
    });
    world
}

fn migration(world: &World) -> Migration {
    let options = MigrationOptions::new("Acme").with_nested(NestedGroups::Filter);
    Migration::new(world.client_of("Acme Connector"), address("ceo"), options)
}

fn probe(world: &World) -> AppProbe {
    world.onboarding().probe_as(world.client_of("Acme Connector"), SECRET.to_owned().into()).unwrap()
}

async fn seen(probe: &AppProbe, name: &str) -> Probed {
    probe.probe(ApplicationRole::MailRead, &address(name)).await.unwrap()
}

/// Policies, roles and consents of the app, as configured.
fn standing(world: &World) -> (usize, Vec<String>, Vec<String>) {
    let app = Uuid::parse_str(&world.client_of("Acme Connector").to_string()).unwrap();
    world.tenant.with_state(|state| {
        let principal =
            state.directory.service_principals.iter().find(|s| s.value.app_id == app).unwrap().value.id;
        let policies = state.exchange.access_policies.iter().filter(|p| p.is_configured()).count();
        let roles = state.exchange.role_assignments.iter().filter(|a| a.is_configured());
        let mut roles: Vec<String> = roles.map(|a| a.value.name.clone()).collect();
        roles.sort();
        let mut consents = common::consented(state, principal);
        consents.sort();
        (policies, roles, consents)
    })
}

fn moved() -> (usize, Vec<String>, Vec<String>) {
    let roles = ["Acme Calendars.Read", "Acme Mail.Read"].map(str::to_owned).to_vec();
    (0, roles, vec!["User.Read.All".to_owned()])
}

#[tokio::test]
async fn the_whole_way_with_the_app_at_work() {
    let world = world(Propagation::realistic()).await;
    let onboarding = world.onboarding();
    let (mut careful, wanted) = (migration(&world), migration(&world));
    careful.options.nested = NestedGroups::Refuse;
    let blocked = onboarding.plan_migration(&careful).await.unwrap().unwrap_err();
    assert!(
        matches!(&blocked.blockers[..], [Blocker::Nested { mailboxes, .. }] if mailboxes == &["bob@contoso.example"]),
        "{blocked}"
    );
    let app = probe(&world);
    let done = onboarding.migrate(&wanted, &app, &()).await.unwrap();
    assert_eq!(standing(&world), moved());
    for name in ["alice", "bob", "invoices"] {
        assert_eq!(seen(&app, name).await, Probed::Open, "{name}");
    }
    // Also when the removal of the policies has reached everywhere.
    world.wait(Duration::from_secs(48 * 3600));
    for name in ["ceo", "carol"] {
        assert_eq!(seen(&app, name).await, Probed::Refused, "{name}");
    }
    // Policies last; consents after the roles' whole window, trap 28.
    let at = |id: &str| done.steps.iter().find(|s| s.id.starts_with(id)).unwrap().at;
    assert!(done.steps.iter().rev().take(2).all(|s| s.id.starts_with("policy/")));
    let hours = |from: &str, to: &str| at(to).duration_since(at(from)).as_hours();
    assert!(hours("role/", "consent/") >= 2, "{done:?}");
    assert!(hours("consent/", "policy/") >= 28, "{done:?}");
    assert_eq!(onboarding.migrate(&wanted, &app, &()).await.unwrap().steps, []);
}

/// Drops the run after its n-th step.
struct StopAfter {
    left: AtomicUsize,
    now: Notify,
}

impl MigrationProgress for StopAfter {
    fn step_finished(&self, _: &MigrationStep, _: StepStatus) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.now.notify_one();
        }
    }
}

#[tokio::test]
async fn interrupted_after_every_step_it_ends_the_same_and_the_canary_never_opens() {
    let origin = world(Propagation::realistic()).await;
    let plan = origin.onboarding().plan_migration(&migration(&origin)).await.unwrap().unwrap();
    for n in 1..plan.steps.len() {
        let world = origin.fork(Ledger::new(MemoryLedger::new())).await;
        let (wanted, app) = (migration(&world), probe(&world));
        let stop = StopAfter { left: AtomicUsize::new(n), now: Notify::new() };
        let onboarding = world.onboarding();
        tokio::select! {
            biased;
            () = stop.now.notified() => {}
            done = onboarding.migrate(&wanted, &app, &stop) => { done.unwrap(); }
        }
        assert_ne!(standing(&world), moved(), "it was stopped after {n}");
        for name in ["ceo", "carol"] {
            assert_eq!(seen(&app, name).await, Probed::Refused, "{name} after {n}");
        }
        assert_eq!(seen(&app, "bob").await, Probed::Open, "after {n}");
        let done = world.onboarding().migrate(&wanted, &probe(&world), &()).await.unwrap();
        assert_eq!(standing(&world), moved(), "after {n}");
        let last = done.steps.iter().rposition(|s| !s.id.starts_with("policy/"));
        let first = done.steps.iter().position(|s| s.id.starts_with("policy/"));
        assert!(first.is_none() || last < first, "{done:?}");
        assert_eq!(seen(&app, "ceo").await, Probed::Refused);
    }
}

/// What the role should open stays closed once the consent is gone, as when the role is not enforced.
#[derive(Debug)]
struct NeverCarried {
    inner: AppProbe,
    gone: AtomicUsize,
}

impl LiveProbe for NeverCarried {
    async fn until_gone(&self, consent: &Consent) -> Result<()> {
        self.gone.fetch_add(1, Ordering::SeqCst);
        self.inner.until_gone(consent).await
    }

    async fn probe(&self, role: ApplicationRole, mailbox: &MailboxAddress) -> Result<Probed> {
        match self.gone.load(Ordering::SeqCst) {
            0 => self.inner.probe(role, mailbox).await,
            _ => Ok(Probed::Refused),
        }
    }
}

#[tokio::test]
async fn trap_28_a_consent_is_given_back_when_its_role_does_not_carry_the_app() {
    let world = world(Propagation::realistic()).await;
    let before = standing(&world);
    let app = NeverCarried { inner: probe(&world), gone: AtomicUsize::new(0) };
    let stopped = world.onboarding().migrate(&migration(&world), &app, &()).await.unwrap_err();
    assert_eq!(stopped.error.kind(), ErrorKind::Conflict, "{stopped}");
    assert!(stopped.step.as_deref().unwrap().starts_with("consent/"));
    assert!(stopped.done.notes.iter().any(|n| n.contains("given again")), "{:?}", stopped.done.notes);
    let after = standing(&world);
    assert_eq!((after.0, &after.2), (before.0, &before.2), "policies and consents are as before");
    // And all of it can still be taken back.
    world.onboarding().abandon_migration(&migration(&world), &()).await.unwrap();
    assert_eq!(standing(&world), before);
    assert!(world.tenant.with_state(|s| s.exchange.scopes.iter().all(|s| !s.is_configured())));
}

#[tokio::test]
async fn trap_13_policies_outlive_the_tokens_from_before() {
    let world = world(Propagation::instant()).await;
    let (app, old) = (probe(&world), probe(&world));
    assert_eq!(seen(&old, "ceo").await, Probed::Refused);
    let impatient = migration(&world).with_patience(Duration::from_secs(3 * 3600));
    let stopped = world.onboarding().migrate(&impatient, &app, &()).await.unwrap_err();
    assert_eq!((stopped.error.kind(), stopped.step.as_deref()), (ErrorKind::NotReady, Some("prove")));
    assert_eq!(standing(&world).0, 2, "the policies stand");
    assert_eq!(seen(&old, "ceo").await, Probed::Refused);
    // The ledger knows since when.
    world.wait(Duration::from_secs(26 * 3600));
    world.onboarding().migrate(&impatient, &app, &()).await.unwrap();
    assert_eq!(standing(&world), moved());
    assert_eq!(seen(&app, "ceo").await, Probed::Refused);
}

/// Somebody consents again while the migration waits.
struct SomebodyConsents<'a>(&'a World, AppProbe);

impl MigrationProgress for SomebodyConsents<'_> {
    fn step_started(&self, step: &MigrationStep) {
        if step.id != "prove" {
            return;
        }
        self.0.tenant.with_state(|state| {
            for consent in &mut state.directory.app_role_assignments {
                if !consent.is_configured() {
                    let again = consent.value.clone();
                    *consent = Timed::always(again);
                }
            }
        });
    }
}

#[tokio::test]
async fn a_consent_that_is_back_keeps_the_policies() {
    let world = world(Propagation::instant()).await;
    let watch = SomebodyConsents(&world, probe(&world));
    let stopped = world.onboarding().migrate(&migration(&world), &watch.1, &watch).await.unwrap_err();
    assert_eq!(
        (stopped.error.kind(), stopped.step.as_deref()),
        (ErrorKind::Conflict, Some("prove")),
        "{stopped}"
    );
    assert_eq!(standing(&world).0, 2, "the policies stand");
    assert_eq!(seen(&watch.1, "ceo").await, Probed::Refused);
}

/// Somebody adds a policy that denies, right before the first consent goes.
struct SomebodyDenies<'a>(&'a World);

impl MigrationProgress for SomebodyDenies<'_> {
    fn step_started(&self, step: &MigrationStep) {
        if step.id.starts_with("consent/") {
            self.0.tenant.with_state(|state| {
                let mut denied = state.exchange.access_policies[0].value.clone();
                denied.scope = group_id(state, "sales-north");
                denied.right = PolicyRight::Deny;
                state.exchange.access_policies.push(Timed::always(denied));
            });
        }
    }
}

#[tokio::test]
async fn trap_14_a_deny_that_appears_on_the_way_is_not_stepped_over() {
    let world = world(Propagation::instant()).await;
    let before = standing(&world);
    let stopped = world
        .onboarding()
        .migrate(&migration(&world), &probe(&world), &SomebodyDenies(&world))
        .await
        .unwrap_err();
    assert_eq!(stopped.error.kind(), ErrorKind::Conflict, "{stopped}");
    assert!(stopped.to_string().contains("denies"), "{stopped}");
    assert!(stopped.step.as_deref().unwrap().starts_with("consent/"));
    let after = standing(&world);
    assert_eq!((after.0, after.2), (before.0 + 1, before.2), "no consent and no policy is gone");
}

/// The role does not carry the app, and meanwhile somebody takes the policies away.
struct Unguarded<'a> {
    inner: NeverCarried,
    world: &'a World,
}

impl std::fmt::Debug for Unguarded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl LiveProbe for Unguarded<'_> {
    async fn until_gone(&self, consent: &Consent) -> Result<()> {
        self.world.tenant.with_state(|state| state.exchange.access_policies.clear());
        self.inner.until_gone(consent).await
    }

    async fn probe(&self, role: ApplicationRole, mailbox: &MailboxAddress) -> Result<Probed> {
        self.inner.probe(role, mailbox).await
    }
}

#[tokio::test]
async fn trap_13_a_consent_is_not_given_back_where_its_policy_is_gone() {
    let world = world(Propagation::instant()).await;
    let before = standing(&world).2;
    let inner = NeverCarried { inner: probe(&world), gone: AtomicUsize::new(0) };
    let app = Unguarded { inner, world: &world };
    let stopped = world.onboarding().migrate(&migration(&world), &app, &()).await.unwrap_err();
    assert_eq!(stopped.error.kind(), ErrorKind::Conflict, "{stopped}");
    assert!(stopped.done.notes.iter().any(|n| n.contains("not given again")), "{:?}", stopped.done.notes);
    assert_eq!(standing(&world).2.len(), before.len() - 1, "it would open every mailbox");
}

/// Nothing can be tried.
#[derive(Debug)]
struct Blind;

impl LiveProbe for Blind {
    async fn until_gone(&self, _: &Consent) -> Result<()> {
        Ok(())
    }

    async fn probe(&self, _: ApplicationRole, _: &MailboxAddress) -> Result<Probed> {
        Ok(Probed::NotTried("no credential at hand".to_owned()))
    }
}

#[tokio::test]
async fn without_a_canary_seen_refused_no_policy_goes() {
    let world = world(Propagation::instant()).await;
    let stopped = world.onboarding().migrate(&migration(&world), &Blind, &()).await.unwrap_err();
    assert_eq!((stopped.error.kind(), stopped.step.as_deref()), (ErrorKind::Unsupported, Some("prove")));
    assert_eq!(standing(&world).0, 2);
}

#[tokio::test]
async fn a_deny_is_left_alone() {
    let world = world(Propagation::instant()).await;
    world.tenant.with_state(|state| state.exchange.access_policies[1].value.right = PolicyRight::Deny);
    let before = standing(&world);
    let stopped = world.onboarding().migrate(&migration(&world), &probe(&world), &()).await.unwrap_err();
    assert!(stopped.to_string().contains("denies"), "{stopped}");
    assert_eq!(standing(&world), before);
}

/// Another process of the vendor's, which asks for a token before the consents go and keeps it.
#[derive(Debug)]
struct Beside {
    inner: AppProbe,
    other: AppProbe,
    gone: AtomicUsize,
}

impl LiveProbe for Beside {
    async fn until_gone(&self, consent: &Consent) -> Result<()> {
        self.gone.fetch_add(1, Ordering::SeqCst);
        self.inner.until_gone(consent).await
    }

    async fn probe(&self, role: ApplicationRole, mailbox: &MailboxAddress) -> Result<Probed> {
        if self.gone.load(Ordering::SeqCst) == 0 {
            self.other.probe(role, mailbox).await?;
        }
        self.inner.probe(role, mailbox).await
    }
}

#[tokio::test]
async fn without_the_wait_an_old_token_would_open_the_canary() {
    for (life, expected) in
        [(Duration::ZERO, Probed::Open), (Duration::from_secs(28 * 3600), Probed::Refused)]
    {
        let world = world(Propagation::instant()).await;
        let both = Beside { inner: probe(&world), other: probe(&world), gone: AtomicUsize::new(0) };
        let wanted = migration(&world).with_old_tokens(life);
        world.onboarding().migrate(&wanted, &both, &()).await.unwrap();
        assert_eq!(standing(&world), moved());
        assert_eq!(seen(&both.other, "ceo").await, expected, "{life:?}");
    }
}
