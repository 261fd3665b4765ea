//! Proofs that join Entra and Exchange, in a simulated tenant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::World;
use m365_core::{ClientId, MailboxAddress};
use mail_access::access::{Outcome, Part, Question, Reached, SuggestionKind};
use mail_access::{AccessProfile, Onboarding};
use tenant_sim::Fault;
use tenant_sim::state::{AppRoleAssignment, Timed};

const READ: Question<'static> = Question::Graph(&["Mail.Read"]);

fn address(name: &str) -> MailboxAddress {
    MailboxAddress::parse(&format!("{name}@contoso.example")).unwrap()
}

/// Set up for the mailbox of the invoices, by a role or by FullAccess.
async fn world(grant: &str, permission: &str) -> (World, Onboarding, ClientId) {
    let group = match grant {
        "rbac" => {
            "group = { address = \"proven@contoso.example\", display_name = \"Proven\", create = true }"
        }
        _ => "",
    };
    let text = format!(
        "name = \"proven\"\n[[app]]\nunique_name = \"acme-proven\"\ndisplay_name = \"Acme Proven\"\n\
         permissions = [\"{permission}\"]\n[app.scope]\ngrant = \"{grant}\"\n{group}\n\
         mailboxes = [\"invoices@contoso.example\"]\ncanary = \"ceo@contoso.example\"\n"
    );
    let world = World::instant().await;
    let onboarding = world.onboarding();
    let profile = AccessProfile::from_toml("proven.toml", &text).unwrap();
    onboarding.apply(&onboarding.plan(&profile).await.unwrap(), &()).await.unwrap();
    let client = world.client_of("Acme Proven");
    (world, onboarding, client)
}

async fn outcome(onboarding: &Onboarding, app: ClientId, name: &str, question: &Question<'_>) -> Outcome {
    let proof = onboarding.prove_access(app, &address(name), question, &[]).await;
    assert_eq!(proof.outcome == Outcome::Unknown, !proof.gaps.is_empty(), "{proof}");
    proof.outcome
}

/// Grants the app a permission of Graph for the whole tenant, as a click in the portal does.
fn consent(world: &World, app: ClientId, permission: &str) {
    world.tenant.with_state(|state| {
        let principals = &state.directory.service_principals;
        let holder = principals.iter().find(|p| p.value.app_id.to_string() == app.to_string()).unwrap();
        let graph = ClientId::MICROSOFT_GRAPH.to_string();
        let api = principals.iter().find(|p| p.value.app_id.to_string() == graph).unwrap();
        let role = api.value.app_roles.iter().find(|r| r.value == permission).unwrap();
        let consent = AppRoleAssignment {
            id: format!("portal-{permission}"),
            principal_id: holder.value.id,
            resource_id: api.value.id,
            app_role_id: role.id,
        };
        state.directory.app_role_assignments.push(Timed::always(consent));
    });
}

#[tokio::test]
async fn a_role_is_proven_from_both_sides() {
    let (world, onboarding, app) = world("rbac", "Mail.Read").await;
    assert_eq!(outcome(&onboarding, app, "invoices", &READ).await, Outcome::Allowed);
    assert_eq!(outcome(&onboarding, app, "ceo", &READ).await, Outcome::Denied);
    assert_eq!(
        outcome(&onboarding, app, "invoices", &Question::Graph(&["Mail.Send"])).await,
        Outcome::Denied
    );
    assert_eq!(outcome(&onboarding, app, "olga", &READ).await, Outcome::Denied, "she is on premises");

    consent(&world, app, "Mail.Read");
    let proof = onboarding.prove_access(app, &address("ceo"), &READ, &[]).await;
    assert_eq!(proof.outcome, Outcome::Allowed, "{proof}");
    assert_eq!(proof.suggestions[0].kind, SuggestionKind::RemoveConsent);
    let reached = onboarding.mailboxes_of(app, &READ).await;
    assert!(matches!(reached.as_slice(), [Reached::EveryMailbox { .. }, ..]), "{reached:?}");

    let stranger = ClientId::parse("99999999-aaaa-4bbb-8ccc-dddddddddddd").unwrap();
    assert_eq!(outcome(&onboarding, stranger, "invoices", &READ).await, Outcome::Denied);
}

#[tokio::test]
async fn imap_is_proven_by_consent_pointer_entry_and_switch() {
    let (world, onboarding, app) = world("mailbox-permission", "IMAP.AccessAsApp").await;
    assert_eq!(outcome(&onboarding, app, "invoices", &Question::Imap).await, Outcome::Allowed);
    assert_eq!(outcome(&onboarding, app, "invoices", &Question::Pop).await, Outcome::Denied, "no consent");
    assert_eq!(outcome(&onboarding, app, "ceo", &Question::Imap).await, Outcome::Denied);
    world.tenant.with_state(|state| {
        for principal in &mut state.directory.service_principals {
            principal.value.account_enabled &= principal.value.app_id.to_string() != app.to_string();
        }
    });
    assert_eq!(outcome(&onboarding, app, "invoices", &Question::Imap).await, Outcome::Denied, "disabled");
}

/// What Entra does not let us read is not absent: neither open nor closed by consent can be told.
#[tokio::test]
async fn consents_that_could_not_be_read_leave_it_unknown_with_the_reason() {
    let (world, onboarding, app) = world("rbac", "Mail.Read").await;
    world.tenant.faults().inject(Fault::status(403).on_path("/appRoleAssignments").times(100));
    let proof = onboarding.prove_access(app, &address("ceo"), &READ, &[]).await;
    assert_eq!(proof.outcome, Outcome::Unknown, "{proof}");
    assert!(proof.gaps.iter().any(|gap| gap.part == Part::Consents), "{proof}");
    assert!(proof.evidence.iter().any(|e| e.text.contains("consents in Entra were not read:")), "{proof}");
    // The role opens it whatever was consented.
    let proof = onboarding.prove_access(app, &address("invoices"), &READ, &[]).await;
    assert_eq!(proof.outcome, Outcome::Allowed, "{proof}");
    world.tenant.faults().inject(Fault::status(403).on_path("/servicePrincipals(").times(100));
    let proof = onboarding.prove_access(app, &address("invoices"), &READ, &[]).await;
    assert_eq!(proof.outcome, Outcome::Unknown, "whether it may sign in is not known: {proof}");
}

#[tokio::test]
async fn every_app_with_a_way_into_a_mailbox_is_found_also_one_that_exchange_does_not_know() {
    let (world, onboarding, app) = world("rbac", "Mail.Read").await;
    let archiver = world.client_of("Legacy archiver");
    consent(&world, archiver, "Mail.ReadWrite");
    let found = onboarding.apps_of(&address("invoices")).await.unwrap();
    let of = |wanted: ClientId| found.apps.iter().find(|a| a.app.client_id == Some(wanted)).unwrap();
    assert_eq!(of(app).outcome, Outcome::Allowed, "{found}");
    assert_eq!(of(archiver).outcome, Outcome::Allowed, "{found}");
    let found = onboarding.apps_of(&address("ceo")).await.unwrap();
    let open: Vec<_> = found.apps.iter().filter(|a| a.outcome == Outcome::Allowed).collect();
    assert_eq!(open.len(), 1, "{found}");
    assert_eq!(open[0].app.client_id, Some(archiver));
    assert!(found.apps.iter().all(|a| a.outcome != Outcome::Unknown), "{found}");

    // A list that is refused is no short list.
    world.tenant.faults().inject(Fault::status(403).on_path("/appRoleAssignedTo").times(10));
    onboarding.apps_of(&address("ceo")).await.unwrap_err();
}
