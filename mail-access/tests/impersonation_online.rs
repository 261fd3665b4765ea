//! The guide that asks for ApplicationImpersonation in Exchange Online, where the role is gone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{World, consented, profile};
use mail_access::verify::{CheckKind, Finding};
use mail_access::{AccessProfile, ImpersonationReplacement, VerifyOptions};
use tenant_sim::state::{OrganizationSwitches, State, Timed};
use uuid::Uuid;

const TEAMS: Uuid = uuid::uuid!("cc15fd57-2c6c-4117-a88c-83b1d56b4bbe");

/// EWS as the organisation has it, with Teams alone on the list.
fn set(state: &mut State, enabled: Option<bool>) {
    let switches = OrganizationSwitches {
        ews_enabled: enabled,
        ews_allowed_apps: [TEAMS].into_iter().collect(),
        ..OrganizationSwitches::default()
    };
    state.exchange.organization_switches = vec![Timed::always(switches)];
}

fn switches(state: &State) -> OrganizationSwitches {
    state.exchange.organization_switches.last().unwrap().value.clone()
}

async fn world(enabled: Option<bool>) -> World {
    let world = World::instant().await;
    world.tenant.with_state(|state| set(state, enabled));
    world
}

fn by_graph() -> AccessProfile {
    let text = std::fs::read_to_string(format!(
        "{}/../examples/profiles/office365-impersonation.toml",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    AccessProfile::from_toml("p.toml", &text.replace("replace = \"ews-allow-list\"", "replace = \"graph\""))
        .unwrap()
}

#[tokio::test]
async fn the_place_on_the_list_is_added_and_nobody_is_taken_off() {
    let world = world(Some(true)).await;
    let (onboarding, profile) = (world.onboarding(), profile("office365-impersonation"));
    let plan = onboarding.plan(&profile).await.unwrap();
    assert!(plan.notes.iter().any(|n| n.contains("no such role any more")), "{:?}", plan.notes);
    assert!(plan.notes.iter().any(|n| n.contains("2027-04-01")));
    let step = plan.steps.iter().find(|s| s.id.ends_with("/ews-allow-list")).unwrap();
    assert!(step.description.powershell.contains("($ids + $app) -join ','"), "merged, never overwritten");
    assert!(step.description.inverse_powershell.contains("$_ -ne $app"));
    let role = plan.steps.iter().find(|s| s.id.ends_with("/role/EWS.AccessAsApp")).unwrap();
    assert!(role.description.powershell.contains("'Application EWS.AccessAsApp'"));
    assert!(!plan.steps.iter().any(|s| s.id.contains("consent")), "the consent would open every mailbox");

    let applied = onboarding.apply(&plan, &()).await.unwrap();
    let again = onboarding.plan(&profile).await.unwrap();
    assert!(again.is_empty(), "{:#?}", again.steps);
    world.tenant.with_state(|state| {
        let listed = switches(state).ews_allowed_apps;
        assert!(listed.contains(&TEAMS) && listed.len() == 2, "{listed:?}");
        assert_eq!(switches(state).ews_enabled, Some(true), "the switch is not touched");
    });

    let proof = onboarding.verify(&profile, Some(&applied), &VerifyOptions::default(), &()).await.unwrap();
    assert_eq!(proof.open_points().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(proof.untried().count(), 0);
    let live: Vec<_> = proof.checks.iter().filter(|c| c.kind == CheckKind::Live).collect();
    let word =
        |c: &&mail_access::verify::Check| (c.subject.clone(), c.finding, c.text.contains("is refused"));
    assert_eq!(
        live.iter().map(word).collect::<Vec<_>>(),
        [("alice", false), ("bob", false), ("ceo", true)].map(|(name, refused)| (
            format!("{name}@contoso.example"),
            Finding::Proven,
            refused
        ))
    );
    let said =
        |what: &str| proof.checks.iter().any(|c| c.text.contains(what) && c.finding == Finding::Proven);
    assert!(said("on the list of those that pass") && said("Test-ServicePrincipalAuthorization says"));

    // Off the list again, by somebody: verify sees it.
    world.tenant.with_state(|state| set(state, Some(true)));
    let proof = onboarding.verify(&profile, None, &VerifyOptions::default(), &()).await.unwrap();
    assert!(proof.open_points().any(|c| c.text.contains("not on the list")));
    // And a list that closes everything says nothing about the canary.
    let of = |subject: &str| {
        let mut live = proof.checks.iter().filter(|c| c.kind == CheckKind::Live && c.subject == subject);
        live.next().unwrap().finding
    };
    assert_eq!(of("ceo@contoso.example"), Finding::Unknown);
    assert_ne!(of("alice@contoso.example"), Finding::Proven);
}

#[tokio::test]
async fn a_canary_that_opens_over_ews_is_red() {
    let world = world(Some(true)).await;
    let (onboarding, profile) = (world.onboarding(), profile("office365-impersonation"));
    let applied = onboarding.apply(&onboarding.plan(&profile).await.unwrap(), &()).await.unwrap();
    // Somebody widens the scope.
    world.tenant.with_state(|state| {
        for assignment in &mut state.exchange.role_assignments {
            assignment.value.scope = tenant_sim::state::ResourceScope::Organization;
        }
    });
    let proof = onboarding.verify(&profile, Some(&applied), &VerifyOptions::default(), &()).await.unwrap();
    let red = |c: &&mail_access::verify::Check| {
        c.kind == CheckKind::Live && c.subject == "ceo@contoso.example" && c.finding == Finding::Failed
    };
    assert!(proof.open_points().any(|c| red(&c)), "{:#?}", proof.checks);
}

#[tokio::test]
async fn a_switch_that_was_never_set_is_left_alone_and_said_so() {
    let world = world(None).await;
    let (onboarding, profile) = (world.onboarding(), profile("office365-impersonation"));
    let plan = onboarding.plan(&profile).await.unwrap();
    assert!(!plan.steps.iter().any(|s| s.id.ends_with("/ews-allow-list")));
    assert!(plan.notes.iter().any(|n| n.contains("never set")));
    onboarding.apply(&plan, &()).await.unwrap();
    world.tenant.with_state(|state| {
        assert_eq!(switches(state).ews_enabled, None);
        assert_eq!(switches(state).ews_allowed_apps.len(), 1);
    });
    assert!(onboarding.plan(&profile).await.unwrap().is_empty());
}

#[tokio::test]
async fn ews_that_is_off_is_named_before_anything_is_changed() {
    let world = world(Some(false)).await;
    world.tenant.clear_journal();
    let error = world.onboarding().plan(&profile("office365-impersonation")).await.unwrap_err();
    assert!(error.to_string().contains("EwsEnabled is false"), "{error}");
    assert!(!world.tenant.journal().iter().any(common::is_write));
}

#[tokio::test]
async fn the_other_replacement_is_graph_and_no_list() {
    let world = world(Some(true)).await;
    let (onboarding, profile) = (world.onboarding(), by_graph());
    let plan = onboarding.plan(&profile).await.unwrap();
    assert!(plan.steps.iter().any(|s| s.id.ends_with("/role/Calendars.Read")));
    assert!(!plan.steps.iter().any(|s| s.id.contains("ews")));
    let applied = onboarding.apply(&plan, &()).await.unwrap();
    let proof = onboarding.verify(&profile, Some(&applied), &VerifyOptions::default(), &()).await.unwrap();
    assert!(proof.is_proven(), "{:#?}", proof.open_points().map(ToString::to_string).collect::<Vec<_>>());
}

#[tokio::test]
async fn trap_13_a_consent_to_full_access_voids_the_scope_and_goes() {
    let world = world(Some(true)).await;
    let (onboarding, profile) = (world.onboarding(), profile("office365-impersonation"));
    let plan = onboarding.plan(&profile).await.unwrap();
    onboarding.apply(&plan, &()).await.unwrap();
    // Somebody follows an older guide.
    let principal = world.tenant.with_state(|state| {
        let directory = &mut state.directory;
        let principal = directory
            .service_principals
            .iter()
            .find(|s| s.value.display_name == "Acme Room Panels")
            .unwrap()
            .value
            .id;
        let api = directory
            .service_principals
            .iter()
            .find(|s| s.value.display_name == "Office 365 Exchange Online")
            .unwrap()
            .value
            .clone();
        let role = api.app_roles.iter().find(|r| r.value == "full_access_as_app").unwrap().id;
        let mut grant = directory.app_role_assignments.first().unwrap().clone();
        grant.value.id = "by-hand".to_owned();
        grant.value.principal_id = principal;
        grant.value.resource_id = api.id;
        grant.value.app_role_id = role;
        directory.app_role_assignments.push(grant);
        principal
    });
    assert_eq!(world.tenant.with_state(|s| consented(s, principal)), ["full_access_as_app"]);
    let plan = onboarding.plan(&profile).await.unwrap();
    assert!(plan.steps.iter().any(|s| s.id.ends_with("/revoke/full_access_as_app")), "{:#?}", plan.steps);
    onboarding.apply(&plan, &()).await.unwrap();
    assert!(world.tenant.with_state(|s| consented(s, principal)).is_empty());
}

#[test]
fn replacements_that_contradict_themselves_are_refused() {
    let text = std::fs::read_to_string(format!(
        "{}/../examples/profiles/office365-impersonation.toml",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    let name = "display_name = \"Acme Room Panels\"\n";
    for (text, said) in [
        (
            text.replace("\"ews-allow-list\"\n\n", "\"a miracle\"\n\n"),
            "p.toml:7: impersonation is replaced by",
        ),
        (text.replace(name, &format!("{name}permissions = [\"Mail.Read\"]\n")), "p.toml:12: replace ="),
        (text.replace("replace = \"ews-allow-list\"\n", ""), "missing field `permissions`"),
        (text.replace("grant = \"rbac\"", "grant = \"access-policy\""), "needs grant = \"rbac\""),
        (
            text.replace("replace = \"ews-allow-list\"\n", "")
                .replace(name, &format!("{name}permissions = [\"full_access_as_app\"]\n")),
            "EWS.AccessAsApp with grant = \"rbac\" is the same with a scope",
        ),
    ] {
        let error = AccessProfile::from_toml("p.toml", &text).unwrap_err().to_string();
        assert!(error.contains(said), "{said}\n{error}");
    }
    let made = by_graph().replacing_impersonation(ImpersonationReplacement::EwsAllowList).unwrap();
    assert_eq!(made, profile("office365-impersonation"));
}
