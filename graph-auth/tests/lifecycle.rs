//! Owners, federated credentials, redirect addresses and policies against the small directory in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]
#![allow(dead_code, reason = "the support serves several tests")]

mod support;

use std::time::Duration;

use graph_auth::directory::{Audience, Owner};
use graph_auth::{
    AppRegistration, Convergence, ErrorKind, FederatedCredential, Owned, Permission, PolicyRefusal,
    RegistrationState, RegistrationStep, SecretPolicy, StepOutcome, WhereRestricted, apply_step,
    consent_would_revoke, plan,
};
use m365_core::{Pipeline, SharedClock};
use proptest::prelude::*;
use serde_json::json;
use support::{Directory, Fault, graph_error};

const ANNA: &str = "0a000000-0000-4000-8000-000000000001";
const BERT: &str = "0a000000-0000-4000-8000-000000000002";
const SETUP: &str = "0a000000-0000-4000-8000-000000000003";

fn user(id: &str) -> Owner {
    Owner::User(id.parse().unwrap())
}

fn github() -> FederatedCredential {
    FederatedCredential::new(
        "github-main",
        "https://token.actions.githubusercontent.com",
        "repo:acme@11/connector@22:ref:refs/heads/main",
    )
    .unwrap()
}

fn bare() -> AppRegistration {
    AppRegistration::new("acme-mail", "Acme mail").unwrap()
}

fn desired() -> AppRegistration {
    bare()
        .with_consented([Permission::exchange("IMAP.AccessAsApp")])
        .with_owners([user(ANNA), user(BERT)])
        .with_owners_of_principal()
        .with_federated([github()])
        .with_former_federated(["github-old"])
        .with_redirect_uris(["https://acme.example/consented"])
}

async fn apply_all(
    pipeline: &Pipeline,
    clock: &SharedClock,
    registration: &AppRegistration,
) -> graph_auth::Result<Vec<RegistrationStep>> {
    let mut state = RegistrationState::read(pipeline, registration).await?;
    let steps = plan(registration, &state)?;
    let convergence = Convergence::new(clock.clone());
    for step in &steps {
        apply_step(pipeline, step, &mut state, &convergence).await?;
    }
    Ok(steps)
}

async fn steps_left(pipeline: &Pipeline, registration: &AppRegistration) -> Vec<RegistrationStep> {
    plan(registration, &RegistrationState::read(pipeline, registration).await.unwrap()).unwrap()
}

fn application_id(directory: &Directory) -> String {
    directory.state().applications[0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everything_is_made_and_a_second_run_finds_nothing() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let steps = apply_all(&pipeline, &clock, &desired()).await.unwrap();
    assert_eq!(steps.iter().filter(|s| matches!(s, RegistrationStep::AddOwner { .. })).count(), 4);
    {
        let state = directory.state();
        assert_eq!(state.owners.len(), 4);
        assert_eq!(state.federated[0].1["subject"], "repo:acme@11/connector@22:ref:refs/heads/main");
        assert_eq!(state.applications[0]["web"]["redirectUris"], json!(["https://acme.example/consented"]));
    }
    assert_eq!(steps_left(&pipeline, &desired()).await, []);
}

#[tokio::test]
async fn foreign_owners_credentials_and_addresses_stay() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    apply_all(&pipeline, &clock, &bare()).await.unwrap();
    let id = application_id(&directory);
    {
        let mut state = directory.state();
        state.owners.push((id.clone(), SETUP.to_owned()));
        state.federated.push((id.clone(), json!({"id": "f1", "name": "theirs", "issuer": "https://ci.example", "subject": "s", "audiences": ["a"]})));
        state.federated.push((id.clone(), json!({"id": "f2", "name": "github-old", "issuer": "https://ci.example", "subject": "t", "audiences": ["a"]})));
        state.applications[0]["web"] = json!({"homePageUrl": "https://theirs.example", "redirectUris": ["https://theirs.example/back"],
            "redirectUriSettings": [{"uri": "https://theirs.example/back", "index": null}], "implicitGrantSettings": {"enableIdTokenIssuance": true}});
    }
    apply_all(&pipeline, &clock, &desired()).await.unwrap();
    let state = directory.state();
    assert!(state.owners.contains(&(id, SETUP.to_owned())));
    let names: Vec<&str> = state.federated.iter().map(|(_, c)| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["theirs", "github-main"]);
    let web = &state.applications[0]["web"];
    assert_eq!(web["redirectUris"], json!(["https://theirs.example/back", "https://acme.example/consented"]));
    assert_eq!(web["homePageUrl"], "https://theirs.example");
    assert_eq!(web["implicitGrantSettings"]["enableIdTokenIssuance"], true);
}

#[tokio::test]
async fn the_last_owner_is_never_removed() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    apply_all(&pipeline, &clock, &bare()).await.unwrap();
    let id = application_id(&directory);
    directory.state().owners.push((id.clone(), SETUP.to_owned()));
    let former = bare().with_former_owners([user(SETUP)]);
    assert_eq!(steps_left(&pipeline, &former).await, [], "nobody would be left");
    let handed_over = former.with_owners([user(ANNA)]);
    let steps = apply_all(&pipeline, &clock, &handed_over).await.unwrap();
    assert!(matches!(
        steps.as_slice(),
        [RegistrationStep::AddOwner { .. }, RegistrationStep::RemoveOwner { .. }]
    ));
    assert_eq!(directory.state().owners, [(id, ANNA.to_owned())]);

    // Planned while two owned it; by now another run has removed the other one.
    let mut state = RegistrationState::read(&pipeline, &handed_over).await.unwrap();
    let step = RegistrationStep::RemoveOwner { of: Owned::Application, owner: user(ANNA) };
    let error = apply_step(&pipeline, &step, &mut state, &Convergence::new(clock)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(directory.state().owners.len(), 1);
}

#[tokio::test]
async fn a_federated_credential_that_drifted_is_corrected_in_place() {
    for change in [
        json!({"subject": "repo:acme/connector:ref:refs/heads/main"}),
        json!({"issuer": "https://x.example"}),
        json!({"audiences": ["api://other"]}),
    ] {
        let directory = Directory::new();
        let (pipeline, clock) = directory.pipeline();
        apply_all(&pipeline, &clock, &desired()).await.unwrap();
        let id = directory.state().federated[0].1["id"].clone();
        for (name, value) in change.as_object().unwrap() {
            directory.state().federated[0].1[name] = value.clone();
        }
        let steps = apply_all(&pipeline, &clock, &desired()).await.unwrap();
        assert!(
            matches!(steps.as_slice(), [RegistrationStep::UpdateFederatedCredential { .. }]),
            "{steps:?}"
        );
        assert_eq!(directory.state().federated[0].1["id"], id, "the same one");
        assert_eq!(steps_left(&pipeline, &desired()).await, []);
    }
}

#[tokio::test]
async fn twenty_federated_credentials_are_the_most_and_twins_are_named() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    apply_all(&pipeline, &clock, &bare()).await.unwrap();
    let id = application_id(&directory);
    for n in 0..20 {
        directory.state().federated.push((id.clone(), json!({"id": format!("f{n}"), "name": format!("n{n}"), "issuer": "https://ci.example", "subject": format!("s{n}"), "audiences": ["a"]})));
    }
    let registration = bare().with_federated([github()]);
    let state = RegistrationState::read(&pipeline, &registration).await.unwrap();
    assert_eq!(plan(&registration, &state).unwrap_err().kind(), ErrorKind::Limit);
    let swapped = registration.with_former_federated(["n7"]);
    let steps = plan(&swapped, &state).unwrap();
    assert!(matches!(steps[0], RegistrationStep::RemoveFederatedCredential { .. }), "what goes, goes first");
    let twin = bare().with_federated([FederatedCredential::new("mine", "https://ci.example", "s3").unwrap()]);
    let error = plan(&twin, &state).unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && error.message().contains("\"n3\""), "{error}");
}

#[tokio::test]
async fn trap_13_a_policy_that_forbids_secrets_is_met_in_the_plan() {
    let directory = Directory::new();
    directory.state().policy = Some(json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
        "passwordCredentials": [{"restrictionType": "passwordAddition"}], "keyCredentials": []}}));
    let (pipeline, _) = directory.pipeline();
    let secret = SecretPolicy::new("acme", Duration::from_secs(180 * 86_400)).unwrap();
    let registration = bare().with_secret(secret.clone());
    let state = RegistrationState::read(&pipeline, &registration).await.unwrap();
    let error = plan(&registration, &state).unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::CredentialType));
    assert_eq!(error.diagnosis().id(), "PROV-SECRET-FORBIDDEN");
    assert!(error.message().contains("certificate") && error.message().contains("federated"), "{error}");
    // Another credential takes its place, where that was asked for.
    let omit = secret.with_where_restricted(WhereRestricted::ShortenOrOmit);
    assert!(plan(&bare().with_secret(omit.clone()), &state).is_err(), "nothing would take its place");
    let steps = plan(&bare().with_secret(omit).with_federated([github()]), &state).unwrap();
    assert!(!steps.iter().any(|s| matches!(s, RegistrationStep::AddSecret { .. })));
    assert!(directory.state().calls.iter().all(|call| call.starts_with("GET ")), "nothing was changed");
}

#[tokio::test]
async fn trap_13_a_longest_life_is_kept_or_named() {
    let directory = Directory::new();
    directory.state().policy = Some(json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
        "passwordCredentials": [{"restrictionType": "passwordLifetime", "maxLifetime": "P90D"}], "keyCredentials": []}}));
    let (pipeline, clock) = directory.pipeline();
    let secret = SecretPolicy::new("acme", Duration::from_secs(180 * 86_400)).unwrap();
    let refused = bare().with_secret(secret.clone());
    let state = RegistrationState::read(&pipeline, &refused).await.unwrap();
    let error = plan(&refused, &state).unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::Lifetime));
    assert!(error.message().contains("90 days"), "{error}");
    let shortened = bare().with_secret(secret.with_where_restricted(WhereRestricted::Shorten));
    let mut state = RegistrationState::read(&pipeline, &shortened).await.unwrap();
    let convergence = Convergence::new(clock.clone());
    for step in plan(&shortened, &state).unwrap() {
        if let StepOutcome::Secret { end, .. } =
            apply_step(&pipeline, &step, &mut state, &convergence).await.unwrap()
        {
            let life = m365_core::until(clock.now(), end);
            assert!(life <= Duration::from_secs(90 * 86_400) && life > Duration::from_secs(89 * 86_400));
        }
    }
}

#[tokio::test]
async fn trap_13_a_policy_that_may_not_be_read_is_unknown_and_the_refusal_is_typed() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let registration = bare().with_secret(SecretPolicy::new("acme", Duration::from_secs(86_400)).unwrap());
    let mut state = RegistrationState::read(&pipeline, &registration).await.unwrap();
    assert_eq!(state.policies().unwrap().default, None);
    let convergence = Convergence::new(clock);
    let refusal = graph_error(
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy",
    );
    directory.fault("addPassword", Fault::Refuse(400, refusal));
    let mut last = None;
    for step in plan(&registration, &state).unwrap() {
        last = Some(apply_step(&pipeline, &step, &mut state, &convergence).await);
    }
    let error = last.unwrap().unwrap_err();
    assert_eq!(PolicyRefusal::of(&error), Some(PolicyRefusal::CredentialType));
    // A service that is down is no reason to plan in the dark.
    for _ in 0..3 {
        directory.fault("defaultAppManagementPolicy", Fault::Refuse(503, String::new()));
    }
    assert!(RegistrationState::read(&pipeline, &registration).await.is_err());
}

#[tokio::test]
async fn an_exemption_of_its_own_allows_the_secret() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    apply_all(&pipeline, &clock, &bare()).await.unwrap();
    let id = application_id(&directory);
    {
        let mut state = directory.state();
        state.policy = Some(
            json!({"id": "p", "isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition"}]}}),
        );
        state.own_policies.push((id, json!({"id": "q", "isEnabled": true, "restrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition", "state": "disabled"}]}})));
    }
    let registration = bare().with_secret(SecretPolicy::new("acme", Duration::from_secs(86_400)).unwrap());
    assert!(matches!(
        steps_left(&pipeline, &registration).await.as_slice(),
        [RegistrationStep::AddSecret { .. }]
    ));
}

#[tokio::test]
async fn a_tenant_may_forbid_applications_of_several_tenants() {
    let directory = Directory::new();
    directory.state().policy = Some(json!({"id": "p", "isEnabled": true, "applicationRestrictions": {
        "audiences": {"azureAdMultipleOrgs": {"state": "enabled"}}}}));
    let (pipeline, _) = directory.pipeline();
    let registration = bare().with_audience(Audience::MultiTenant);
    let state = RegistrationState::read(&pipeline, &registration).await.unwrap();
    assert_eq!(PolicyRefusal::of(&plan(&registration, &state).unwrap_err()), Some(PolicyRefusal::Audience));
}

#[tokio::test]
async fn lost_answers_make_no_second_owner_and_no_second_credential() {
    let directory = Directory::new();
    for call in ["owners", "federatedIdentityCredentials", "PATCH /v1.0/applications/"] {
        directory.fault(
            &format!("POST /v1.0/applications/a0000000-0000-4000-8000-000000000001/{call}"),
            Fault::LostAnswer,
        );
    }
    directory.state().faults.pop_back();
    let (pipeline, clock) = directory.pipeline();
    apply_all(&pipeline, &clock, &desired()).await.unwrap();
    assert!(directory.state().faults.is_empty(), "{:?}", directory.state().faults);
    let state = directory.state();
    assert_eq!((state.owners.len(), state.federated.len()), (4, 1));
}

#[tokio::test]
async fn a_shorter_declaration_would_revoke_at_the_next_consent_by_url() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let both = bare().with_consented([Permission::graph("Mail.Read"), Permission::graph("Mail.Send")]);
    apply_all(&pipeline, &clock, &both).await.unwrap();
    let state = RegistrationState::read(&pipeline, &both).await.unwrap();
    assert_eq!(consent_would_revoke(&state, graph_auth::Api::Graph), []);
    directory.state().applications[0]["requiredResourceAccess"] = json!([]);
    let state = RegistrationState::read(&pipeline, &both).await.unwrap();
    assert_eq!(
        consent_would_revoke(&state, graph_auth::Api::Graph),
        [Permission::graph("Mail.Read"), Permission::graph("Mail.Send")]
    );
}

#[tokio::test]
async fn consent_withdrawn_takes_ours_back_and_no_other() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let registration =
        bare().with_consented([Permission::graph("Mail.Read"), Permission::exchange("IMAP.AccessAsApp")]);
    apply_all(&pipeline, &clock, &registration).await.unwrap();
    let principal = directory.state().assignments[0]["principalId"].clone();
    directory
        .state()
        .assignments
        .push(json!({"id": "theirs", "principalId": principal, "resourceId": support::GRAPH_SP,
        "appRoleId": "798ee544-9d2d-430c-a058-570e29e34338"}));
    let withdrawn = registration.with_consent_withdrawn();
    apply_all(&pipeline, &clock, &withdrawn).await.unwrap();
    {
        let state = directory.state();
        assert_eq!(state.assignments.len(), 1);
        assert_eq!(state.assignments[0]["id"], "theirs");
        assert_eq!(state.applications[0]["requiredResourceAccess"], json!([]));
    }
    assert_eq!(steps_left(&pipeline, &withdrawn).await, []);
}

type Choices = (Vec<u8>, Vec<u8>, Vec<bool>, bool, u8);

/// Four owners and four credentials: 0 not named, 1 wanted, 2 to be gone. Then addresses, owners of the enterprise
/// application too, and what the credentials trust.
fn choices() -> impl Strategy<Value = Choices> {
    (
        proptest::collection::vec(0u8..3, 4),
        proptest::collection::vec(0u8..3, 4),
        proptest::collection::vec(any::<bool>(), 3),
        any::<bool>(),
        0u8..3,
    )
}

fn chosen((owners, federated, uris, on_principal, variant): &Choices) -> AppRegistration {
    let id = |n: usize| user(&format!("0b000000-0000-4000-8000-00000000000{n}"));
    let name = |n: usize| format!("ours-{n}");
    let pick = |list: &[u8], wanted: u8| -> Vec<usize> {
        list.iter().enumerate().filter(|(_, c)| **c == wanted).map(|(n, _)| n).collect()
    };
    let credential = |n: usize| {
        FederatedCredential::new(name(n), "https://ci.example", format!("job:{n}:{variant}")).unwrap()
    };
    let addresses = uris.iter().enumerate().filter(|(_, on)| **on);
    let out = bare()
        .with_consented([Permission::graph("Mail.Read")])
        .with_owners(pick(owners, 1).into_iter().map(id))
        .with_former_owners(pick(owners, 2).into_iter().map(id))
        .with_federated(pick(federated, 1).into_iter().map(credential))
        .with_former_federated(pick(federated, 2).into_iter().map(name))
        .with_redirect_uris(addresses.map(|(n, _)| format!("https://acme.example/{n}")));
    if *on_principal { out.with_owners_of_principal() } else { out }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn plan_of_apply_is_empty_and_foreign_entries_are_never_touched(first in choices(), second in choices()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let directory = Directory::new();
            let (pipeline, clock) = directory.pipeline();
            apply_all(&pipeline, &clock, &bare()).await.unwrap();
            let id = application_id(&directory);
            let theirs = |directory: &Directory| {
                let state = directory.state();
                let web = state.applications[0]["web"]["redirectUris"].as_array().unwrap();
                (
                    state.owners.contains(&(id.clone(), SETUP.to_owned())),
                    state.federated.iter().find(|(_, c)| c["name"] == "theirs").map(|(_, c)| c.to_string()),
                    web.iter().any(|uri| uri == "https://theirs.example/"),
                    state.assignments.iter().any(|a| a["id"] == "theirs"),
                    state.grants.len(),
                    state.applications[0]["requiredResourceAccess"].to_string().contains("f1000000"),
                )
            };
            {
                let mut state = directory.state();
                let principal = state.principals[2]["id"].clone();
                state.owners.push((id.clone(), SETUP.to_owned()));
                state.federated.push((id.clone(), json!({"id": "f1", "name": "theirs", "issuer": "https://ci.example", "subject": "s", "audiences": ["a"]})));
                state.applications[0]["web"] = json!({"redirectUris": ["https://theirs.example/"]});
                state.applications[0]["requiredResourceAccess"] = json!([{"resourceAppId": "f0000000-0000-4000-8000-000000000009",
                    "resourceAccess": [{"id": "f1000000-0000-4000-8000-000000000009", "type": "Role"}]}]);
                state.assignments.push(json!({"id": "theirs", "principalId": principal, "resourceId": support::GRAPH_SP, "appRoleId": "798ee544-9d2d-430c-a058-570e29e34338"}));
                state.grants.push(json!({"id": "g", "clientId": principal, "resourceId": support::GRAPH_SP, "scope": "openid"}));
            }
            let before = theirs(&directory);
            for choice in [first, second] {
                let registration = chosen(&choice);
                apply_all(&pipeline, &clock, &registration).await.unwrap();
                prop_assert_eq!(steps_left(&pipeline, &registration).await, vec![]);
                prop_assert_eq!(&theirs(&directory), &before);
            }
            Ok(())
        })?;
    }
}
