//! A proof is red when something is wrong, however green the positive probes are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod common;

use common::{World, profile};
use mail_access::verify::{CheckKind, Finding};
use mail_access::{Progress, Proof, Step, StepResult, VerifyOptions};
use tenant_sim::Tenant;
use tenant_sim::state::{AppRoleAssignment, ManagementRoleAssignment, ResourceScope, State, Timed};
use uuid::Uuid;

async fn set_up(name: &str) -> World {
    let world = World::instant().await;
    let onboarding = world.onboarding();
    let plan = onboarding.plan(&profile(name)).await.unwrap();
    onboarding.apply(&plan, &()).await.unwrap();
    world
}

async fn verify(world: &World, name: &str) -> Proof {
    let options = VerifyOptions::default().with_test_message();
    world.onboarding().verify(&profile(name), None, &options, &()).await.unwrap()
}

fn failed(proof: &Proof, kind: CheckKind, subject: &str, says: &str) {
    let hit = proof.checks.iter().any(|c| {
        c.kind == kind && c.finding == Finding::Failed && c.subject.contains(subject) && c.text.contains(says)
    });
    let shown: Vec<String> = proof.open_points().map(ToString::to_string).collect();
    assert!(hit && !proof.is_proven(), "{says}: {shown:#?}");
}

/// The enterprise application of the app with this unique name.
fn principal(state: &State, unique_name: &str) -> Uuid {
    let app = state
        .directory
        .applications
        .iter()
        .find(|a| a.value.unique_name.as_deref() == Some(unique_name))
        .unwrap();
    state.directory.service_principals.iter().find(|s| s.value.app_id == app.value.app_id).unwrap().value.id
}

/// Somebody consents in the portal.
fn consent(state: &mut State, unique_name: &str, api: &str, role: &str) {
    let (principal_id, api) = (principal(state, unique_name), Uuid::parse_str(api).unwrap());
    let resource =
        state.directory.service_principals.iter().find(|s| s.value.app_id == api).unwrap().value.clone();
    let role = resource.app_roles.iter().find(|r| r.value == role).unwrap().id;
    state.directory.app_role_assignments.push(Timed::always(AppRoleAssignment {
        id: format!("by-hand-{role}"),
        principal_id,
        resource_id: resource.id,
        app_role_id: role,
    }));
}

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const EXCHANGE: &str = "00000002-0000-0ff1-ce00-000000000000";

#[tokio::test]
async fn a_consent_that_the_profile_does_not_ask_for_is_found_on_either_api() {
    for (name, app, api, role) in [
        ("imap-fetch", "acme-document-intake", GRAPH, "Mail.ReadWrite"),
        ("contact-center-mail", "acme-contact-center", EXCHANGE, "full_access_as_app"),
    ] {
        let world = set_up(name).await;
        assert!(verify(&world, name).await.is_proven(), "{name}");
        world.tenant.with_state(|state| consent(state, app, api, role));
        let proof = verify(&world, name).await;
        failed(&proof, CheckKind::Configuration, "grants", role);
        failed(&proof, CheckKind::Token, "token", role);
        let plan = world.onboarding().plan(&profile(name)).await.unwrap();
        assert!(plan.notes.iter().any(|n| n.contains(role)), "{:?}", plan.notes);
    }
}

#[tokio::test]
async fn trap_union_scoped_role_and_consent_of_the_same_permission_is_red() {
    let world = set_up("contact-center-mail").await;
    world.tenant.with_state(|state| consent(state, "acme-contact-center", GRAPH, "Mail.ReadWrite"));
    let proof = verify(&world, "contact-center-mail").await;
    failed(&proof, CheckKind::Live, "ceo@contoso.example", "must not");
    failed(&proof, CheckKind::Configuration, "ceo@contoso.example", "open");
}

#[tokio::test]
async fn a_step_of_no_app_that_is_left_makes_the_proof_red() {
    let world = set_up("contact-center-mail").await;
    world.tenant.with_state(|state| state.exchange.mailboxes.retain(|m| m.value.name != "sales-queue"));
    let proof = verify(&world, "contact-center-mail").await;
    failed(&proof, CheckKind::Configuration, "plan", "mailbox/sales-queue@contoso.example");
}

#[tokio::test]
async fn a_role_beyond_the_profile_is_found() {
    let world = set_up("calendar-and-mail-sender").await;
    world.tenant.with_state(|state| {
        let app = principal(state, "acme-presence-calendar");
        state.exchange.role_assignments.push(Timed::always(ManagementRoleAssignment {
            name: "by hand".to_owned(),
            app,
            role: "Application Contacts.Read".to_owned(),
            scope: ResourceScope::Organization,
        }));
    });
    failed(
        &verify(&world, "calendar-and-mail-sender").await,
        CheckKind::Configuration,
        "grants",
        "Contacts.Read",
    );
}

#[tokio::test]
async fn a_canary_that_only_a_switch_closes_proves_nothing() {
    let world = set_up("imap-fetch").await;
    world.tenant.with_state(|state| {
        let app = principal(state, "acme-document-intake");
        let ceo = state.exchange.mailboxes.iter_mut().find(|m| m.value.name == "ceo").unwrap();
        ceo.value.imap_enabled = false;
        let mailbox = ceo.value.object_id;
        let like =
            state.exchange.mailbox_permissions.iter().find(|p| p.value.grantee == app).unwrap().value.clone();
        state
            .exchange
            .mailbox_permissions
            .push(Timed::always(tenant_sim::state::MailboxPermission { mailbox, ..like }));
    });
    failed(
        &verify(&world, "imap-fetch").await,
        CheckKind::Configuration,
        "ceo@contoso.example",
        "switched off",
    );
}

#[tokio::test]
async fn what_is_not_tried_is_named() {
    let world = set_up("calendar-and-mail-sender").await;
    let proof = world
        .onboarding()
        .verify(&profile("calendar-and-mail-sender"), None, &VerifyOptions::default(), &())
        .await
        .unwrap();
    assert!(proof.is_proven());
    let untried: Vec<&str> = proof.untried().map(|c| c.text.as_str()).collect();
    assert!(untried.iter().any(|t| t.contains("sending mail")), "{untried:?}");
    assert!(untried.iter().any(|t| t.contains("changing calendars")), "{untried:?}");
}

/// Somebody removes the policy while we wait for it.
struct Meddler<'a>(&'a Tenant);

impl Progress for Meddler<'_> {
    fn step_finished(&self, _: usize, _: usize, step: &Step, _: &StepResult) {
        if step.id.ends_with("/await-policy") {
            self.0.with_state(|state| state.exchange.access_policies.clear());
        }
    }
}

#[tokio::test]
async fn no_consent_is_given_when_the_policy_is_gone_by_then() {
    let world = World::instant().await;
    let onboarding = world.onboarding();
    let plan = onboarding.plan(&profile("contact-center-mail-access-policy")).await.unwrap();
    let error = onboarding.apply(&plan, &Meddler(&world.tenant)).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("no access policy restricts"), "{text}");
    let granted = world.tenant.with_state(|state| {
        let app = principal(state, "acme-contact-center-aap");
        state.directory.app_role_assignments.iter().filter(|a| a.value.principal_id == app).count()
    });
    assert_eq!(granted, 0);
}
