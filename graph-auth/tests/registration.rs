//! The registration against a small directory in memory: plan, apply, plan again; interruptions, replication, lost answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod support;

use std::time::Duration;

use graph_auth::{
    AppRegistration, Convergence, ErrorKind, Permission, RegistrationState, RegistrationStep, SecretPolicy,
    StepOutcome, apply_step, plan,
};
use m365_core::{KeyId, Pipeline, SharedClock};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::json;
use support::{Directory, EXCHANGE_APP, EXCHANGE_SP, Fault, GRAPH_APP, GRAPH_SP, USER_READ, graph_error};

const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";

fn desired() -> AppRegistration {
    AppRegistration::new("acme-mail", "Acme mail")
        .unwrap()
        .with_consented([Permission::exchange("IMAP.AccessAsApp"), Permission::graph("Mail.Send")])
        .with_not_consented([Permission::graph("Mail.Read")])
        .with_secret(SecretPolicy::new("acme", Duration::from_secs(180 * 86_400)).unwrap())
}

/// Reads, plans, applies all steps; gives the steps and the secret added.
async fn converge(
    pipeline: &Pipeline,
    clock: &SharedClock,
    registration: &AppRegistration,
) -> graph_auth::Result<(Vec<RegistrationStep>, Option<KeyId>)> {
    let mut state = RegistrationState::read(pipeline, registration).await?;
    let steps = plan(registration, &state)?;
    let convergence = Convergence::new(clock.clone());
    let mut added = None;
    for step in &steps {
        if let StepOutcome::Secret { key_id, .. } =
            apply_step(pipeline, step, &mut state, &convergence).await?
        {
            added = Some(key_id);
        }
    }
    Ok((steps, added))
}

async fn steps_left(pipeline: &Pipeline, registration: &AppRegistration) -> Vec<RegistrationStep> {
    let state = RegistrationState::read(pipeline, registration).await.unwrap();
    plan(registration, &state).unwrap()
}

/// What the directory must look like in the end, whatever happened on the way.
fn assert_converged(directory: &Directory, held: KeyId) {
    let state = directory.state();
    assert_eq!(state.applications.len(), 1);
    let application = &state.applications[0];
    assert_eq!(
        (&application["displayName"], &application["signInAudience"]),
        (&json!("Acme mail"), &json!("AzureADMyOrg"))
    );
    let secrets = application["passwordCredentials"].as_array().unwrap();
    assert_eq!(secrets.len(), 1, "{secrets:?}");
    assert_eq!(secrets[0]["keyId"], held.to_string());
    assert_eq!(state.principals.len(), 3);
    let mut granted: Vec<&str> = state.assignments.iter().map(|a| a["appRoleId"].as_str().unwrap()).collect();
    granted.sort_unstable();
    assert_eq!(granted, ["5e5addcd-3e8d-4e90-baf5-964efab2b20a", "b633e1c5-b582-4048-a93e-9f11b44c7e96"]);
}

#[tokio::test]
async fn trap_1_a_second_run_changes_nothing() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let (steps, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert!(matches!(steps[0], RegistrationStep::CreateApplication { .. }));
    assert_eq!(steps.len(), 6, "{steps:#?}");
    assert_converged(&directory, held.unwrap());
    let registration = desired().with_held_secret(held);
    let before = directory.state().calls.len();
    assert_eq!(steps_left(&pipeline, &registration).await, []);
    assert!(directory.state().calls[before..].iter().all(|call| call.starts_with("GET ")));
}

#[tokio::test]
async fn each_step_repeated_is_harmless_and_says_so() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let registration = desired();
    let mut state = RegistrationState::read(&pipeline, &registration).await.unwrap();
    let stale = state.clone();
    let convergence = Convergence::new(clock.clone());
    let steps = plan(&registration, &state).unwrap();
    let mut held = None;
    for step in &steps {
        if let StepOutcome::Secret { key_id, .. } =
            apply_step(&pipeline, step, &mut state, &convergence).await.unwrap()
        {
            held = Some(key_id);
        }
    }
    // Again, from a state that knows nothing of the first time.
    let mut state = stale;
    for step in steps.iter().filter(|s| !matches!(s, RegistrationStep::AddSecret { .. })) {
        apply_step(&pipeline, step, &mut state, &convergence).await.unwrap();
    }
    assert_converged(&directory, held.unwrap());
}

#[tokio::test]
async fn steps_need_what_they_need() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let convergence = Convergence::new(clock);
    for step in plan(&desired(), &state).unwrap().iter().skip(1) {
        let error = apply_step(&pipeline, step, &mut state, &convergence).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{step:?}");
    }
    assert!(directory.state().applications.is_empty());
}

#[tokio::test]
async fn where_upsert_is_not_served_it_is_found_or_created() {
    let directory = Directory::new();
    directory.state().upsert_served = false;
    let (pipeline, clock) = directory.pipeline();
    let (_, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert_converged(&directory, held.unwrap());
    assert_eq!(steps_left(&pipeline, &desired().with_held_secret(held)).await, []);
}

/// An application as somebody else and the portal left it.
fn inherited(directory: &Directory) {
    let mut state = directory.state();
    state.applications.push(json!({
        "id": "a1000000-0000-4000-8000-000000000001", "appId": "c1000000-0000-4000-8000-000000000001",
        "uniqueName": "acme-mail", "displayName": "Old name", "signInAudience": "AzureADMyOrg",
        "createdDateTime": "2025-01-01T00:00:00Z", "keyCredentials": [],
        "requiredResourceAccess": [
            {"resourceAppId": GRAPH_APP, "resourceAccess": [
                {"id": USER_READ, "type": "Scope"},
                {"id": "06da0dbc-49e2-44d2-8312-53f166ab848a", "type": "Scope"},
                {"id": MAIL_READ, "type": "Role"},
            ]},
            {"resourceAppId": "f0000000-0000-4000-8000-000000000009", "resourceAccess": [
                {"id": "f1000000-0000-4000-8000-000000000009", "type": "Role", "note": "theirs"}
            ]},
        ],
        "passwordCredentials": [
            {"keyId": "d1000000-0000-4000-8000-000000000001", "displayName": "acme", "endDateTime": "2027-01-01T00:00:00Z"},
            {"keyId": "d1000000-0000-4000-8000-000000000002", "displayName": "somebody's", "endDateTime": "2027-01-01T00:00:00Z"},
        ],
    }));
    let sp = "b1000000-0000-4000-8000-000000000001";
    state.principals.push(json!({"id": sp, "appId": "c1000000-0000-4000-8000-000000000001", "appRoles": []}));
    state
        .assignments
        .push(json!({"id": "e1", "principalId": sp, "resourceId": GRAPH_SP, "appRoleId": MAIL_READ}));
    state.assignments.push(json!({
        "id": "e2", "principalId": sp, "resourceId": GRAPH_SP, "appRoleId": "798ee544-9d2d-430c-a058-570e29e34338"
    }));
    state.grants = vec![
        json!({"id": "g1", "clientId": sp, "resourceId": GRAPH_SP, "consentType": "AllPrincipals", "scope": "User.Read"}),
        json!({"id": "g2", "clientId": sp, "resourceId": GRAPH_SP, "consentType": "Principal", "scope": " openid User.Read profile"}),
        json!({"id": "g3", "clientId": sp, "resourceId": EXCHANGE_SP, "consentType": "AllPrincipals", "scope": "User.Read"}),
    ];
}

#[tokio::test]
async fn trap_2_and_14_what_is_not_ours_stays_and_default_user_read_goes() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, clock) = directory.pipeline();
    let (steps, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert!(
        steps
            .iter()
            .any(|s| matches!(s, RegistrationStep::RevokeAppRole { name, .. } if name == "Mail.Read"))
    );
    let (revoked, granted) = (
        steps.iter().position(|s| matches!(s, RegistrationStep::RevokeAppRole { .. })).unwrap(),
        steps.iter().position(|s| matches!(s, RegistrationStep::GrantAppRole { .. })).unwrap(),
    );
    assert!(revoked < granted);
    {
        let state = directory.state();
        let application = &state.applications[0];
        assert_eq!(
            application["requiredResourceAccess"],
            json!([
                {"resourceAppId": GRAPH_APP, "resourceAccess": [
                    {"id": "06da0dbc-49e2-44d2-8312-53f166ab848a", "type": "Scope"},
                    {"id": "b633e1c5-b582-4048-a93e-9f11b44c7e96", "type": "Role"},
                ]},
                {"resourceAppId": "f0000000-0000-4000-8000-000000000009", "resourceAccess": [
                    {"id": "f1000000-0000-4000-8000-000000000009", "type": "Role", "note": "theirs"}
                ]},
                {"resourceAppId": EXCHANGE_APP, "resourceAccess": [
                    {"id": "5e5addcd-3e8d-4e90-baf5-964efab2b20a", "type": "Role"}
                ]},
            ])
        );
        let secrets: Vec<_> = application["passwordCredentials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["keyId"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(secrets, ["d1000000-0000-4000-8000-000000000002".to_owned(), held.unwrap().to_string()]);
        let grants: Vec<_> =
            state.grants.iter().map(|g| (g["id"].as_str().unwrap(), g["scope"].as_str().unwrap())).collect();
        assert_eq!(grants, [("g2", "openid profile"), ("g3", "User.Read")]);
        assert!(state.assignments.iter().all(|a| a["appRoleId"] != MAIL_READ));
        assert!(state.assignments.iter().any(|a| a["id"] == "e2"), "a foreign consent stays");
    }
    assert_eq!(steps_left(&pipeline, &desired().with_held_secret(held)).await, []);
}

#[tokio::test]
async fn a_held_secret_is_kept_until_it_ends() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, _) = directory.pipeline();
    let held = KeyId::parse("d1000000-0000-4000-8000-000000000001").unwrap();
    let registration = desired().with_held_secret(Some(held));
    let about_secrets = |steps: &[RegistrationStep]| {
        steps
            .iter()
            .filter(|s| {
                matches!(s, RegistrationStep::AddSecret { .. } | RegistrationStep::RemoveOrphanSecret { .. })
            })
            .count()
    };
    assert_eq!(about_secrets(&steps_left(&pipeline, &registration).await), 0);
    directory.state().applications[0]["passwordCredentials"][0]["endDateTime"] =
        json!("2026-11-01T00:00:00Z");
    let steps = steps_left(&pipeline, &registration).await;
    assert_eq!(about_secrets(&steps), 1);
    assert!(matches!(steps.last(), Some(RegistrationStep::AddSecret { .. })));
}

#[tokio::test]
async fn trap_3_replication_of_new_objects_is_waited_for() {
    let directory = Directory::new();
    for (call, status, body) in [
        ("POST /v1.0/servicePrincipals", 400, r#"{"error":{"code":"Request_BadRequest","message":"The appId of the service principal does not reference a valid application object.","details":[{"code":"NoBackingApplicationObject","message":"x"}]}}"#.to_owned()),
        ("POST /v1.0/servicePrincipals", 403, graph_error("Authorization_RequestDenied", "When using this permission, the backing application of the service principal being created must in the local tenant")),
        ("appRoleAssignedTo", 404, graph_error("Request_ResourceNotFound", "Resource 'x' does not exist")),
        ("appRoleAssignedTo", 400, graph_error("Request_BadRequest", "Not a valid reference update.")),
        ("addPassword", 409, graph_error("Directory_ConcurrencyViolation", "Error due to concurrent requests")),
        ("addPassword", 404, graph_error("Directory_ObjectNotFound", "x")),
        ("PATCH /v1.0/applications/", 404, graph_error("Request_ResourceNotFound", "x")),
        ("PATCH /v1.0/applications/", 503, String::new()),
    ] {
        directory.fault(call, Fault::Refuse(status, body));
    }
    let (pipeline, clock) = directory.pipeline();
    let (_, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert!(directory.state().faults.is_empty());
    assert_converged(&directory, held.unwrap());
}

#[tokio::test]
async fn an_application_that_an_interrupted_run_made_a_moment_ago_counts_as_new() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut first = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let steps = plan(&desired(), &first).unwrap();
    apply_step(&pipeline, &steps[0], &mut first, &Convergence::new(clock.clone())).await.unwrap();
    // A new process knows only what it reads.
    let misleading = "When using this permission, the backing application of the service principal being created must in the local tenant";
    directory.fault(
        "POST /v1.0/servicePrincipals",
        Fault::Refuse(403, graph_error("Authorization_RequestDenied", misleading)),
    );
    let (_, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert!(directory.state().faults.is_empty());
    assert_converged(&directory, held.unwrap());
}

#[tokio::test]
async fn an_old_reading_is_not_written_back() {
    let directory = Directory::new();
    inherited(&directory);
    let old = directory.state().applications[0].to_string();
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let steps = plan(&desired(), &state).unwrap();
    let convergence = Convergence::new(clock);
    for step in &steps {
        if matches!(step, RegistrationStep::RemoveDefaultUserRead) {
            // The reading before the write is served, the two after it come from a replica that lags.
            let current = directory.state().applications[0].to_string();
            for reading in [&current, &old, &old] {
                directory.fault("GET /v1.0/applications/", Fault::Refuse(200, reading.clone()));
            }
        }
        apply_step(&pipeline, step, &mut state, &convergence).await.unwrap();
    }
    let written = directory.state().applications[0]["requiredResourceAccess"].to_string();
    assert!(!written.contains(USER_READ), "{written}");
}

#[tokio::test]
async fn a_policy_that_forbids_secrets_is_not_taken_for_a_missing_role() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let steps = plan(&desired(), &state).unwrap();
    let refusal = graph_error(
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy",
    );
    directory.fault("addPassword", Fault::Refuse(403, refusal));
    let add = steps.last().unwrap();
    let error = apply_step(&pipeline, add, &mut state, &Convergence::new(clock)).await.unwrap_err();
    assert_eq!(error.service_code(), Some("CredentialTypeNotAllowedAsPerAppPolicy"));
    assert!(!error.message().contains("role"), "{error}");
}

#[tokio::test]
async fn trap_4_404_on_an_old_object_is_final_at_once() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let steps = plan(&desired(), &state).unwrap();
    let grant = steps.iter().find(|s| matches!(s, RegistrationStep::GrantAppRole { .. })).unwrap();
    directory.fault("appRoleAssignedTo", Fault::Refuse(404, graph_error("Request_ResourceNotFound", "x")));
    let before = clock.now();
    let error = apply_step(&pipeline, grant, &mut state, &Convergence::new(clock.clone())).await.unwrap_err();
    assert_eq!((error.kind(), clock.now()), (ErrorKind::NotFound, before));
}

#[tokio::test]
async fn row_12_a_missing_right_is_final_and_names_the_role() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    for (api, role) in
        [("Graph", "Privileged Role Administrator"), ("Exchange", "Cloud Application Administrator")]
    {
        let steps = plan(&desired(), &state).unwrap();
        let grant = steps
            .iter()
            .find(|s| matches!(s, RegistrationStep::GrantAppRole { api: of, .. } if format!("{of:?}") == api))
            .unwrap();
        directory.fault(
            "appRoleAssignedTo",
            Fault::Refuse(
                403,
                graph_error(
                    "Authorization_RequestDenied",
                    "Insufficient privileges to complete the operation.",
                ),
            ),
        );
        let error =
            apply_step(&pipeline, grant, &mut state, &Convergence::new(clock.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.message().contains(role), "{error}");
    }
}

#[tokio::test]
async fn trap_6_a_repeated_grant_and_a_duplicate_principal_are_success() {
    let directory = Directory::new();
    directory.fault("appRoleAssignedTo", Fault::LostAnswer);
    directory.fault("POST /v1.0/servicePrincipals", Fault::LostAnswer);
    let (pipeline, clock) = directory.pipeline();
    let (_, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert_converged(&directory, held.unwrap());
}

#[tokio::test]
async fn trap_16_lost_answers_make_no_second_of_anything() {
    let directory = Directory::new();
    for call in [
        "PATCH /v1.0/applications(",
        "POST /v1.0/servicePrincipals",
        "appRoleAssignedTo",
        "addPassword",
        "addPassword",
        "PATCH /v1.0/applications/",
    ] {
        directory.fault(call, Fault::LostAnswer);
    }
    let (pipeline, clock) = directory.pipeline();
    let (_, held) = converge(&pipeline, &clock, &desired()).await.unwrap();
    assert!(directory.state().faults.is_empty());
    assert_converged(&directory, held.unwrap());
}

#[tokio::test]
async fn an_interruption_after_any_write_is_made_good_by_the_next_run() {
    let mut interruptions = 0;
    for (inherits, lost) in [(false, false), (false, true), (true, false), (true, true)] {
        for point in 0..20 {
            let directory = Directory::new();
            if inherits {
                inherited(&directory);
            }
            directory.state().writes_left = Some(point);
            directory.state().last_answer_lost = lost;
            let (pipeline, clock) = directory.pipeline();
            let interrupted = converge(&pipeline, &clock, &desired()).await;
            directory.state().writes_left = None;
            directory.state().last_answer_lost = false;
            interruptions += u32::from(interrupted.is_err());
            // The secret's text went with the process, unless it came to its end.
            let held = interrupted.ok().and_then(|(_, held)| held);
            let (_, added) = converge(&pipeline, &clock, &desired().with_held_secret(held)).await.unwrap();
            let held = added.or(held).unwrap();
            if !inherits {
                assert_converged(&directory, held);
            }
            assert_eq!(
                steps_left(&pipeline, &desired().with_held_secret(Some(held))).await,
                [],
                "point {point}"
            );
        }
    }
    assert!(interruptions > 20, "{interruptions}");
}

#[tokio::test]
async fn a_read_error_is_never_absent() {
    for (call, status) in [
        ("applications(", 403),
        ("applications(", 500),
        ("servicePrincipals(", 403),
        ("appRoleAssignments", 403),
        ("oauth2PermissionGrants", 403),
    ] {
        let directory = Directory::new();
        inherited(&directory);
        for _ in 0..3 {
            directory.fault(call, Fault::Refuse(status, String::new()));
        }
        let (pipeline, _) = directory.pipeline();
        assert!(RegistrationState::read(&pipeline, &desired()).await.is_err(), "{call} {status}");
    }
    let directory = Directory::new();
    directory.fault("applications(", Fault::Refuse(404, "<html>proxy</html>".to_owned()));
    let (pipeline, _) = directory.pipeline();
    assert_eq!(RegistrationState::read(&pipeline, &desired()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn trap_a_replicas_404_is_not_taken_for_a_removed_secret() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let steps = plan(&desired(), &state).unwrap();
    let remove = steps.iter().find(|s| matches!(s, RegistrationStep::RemoveOrphanSecret { .. })).unwrap();
    let refuse = |times| {
        for _ in 0..times {
            let (status, body) = support::missing();
            directory.fault("/removePassword", Fault::Refuse(status, body));
        }
    };
    let secrets = || directory.state().applications[0]["passwordCredentials"].as_array().unwrap().len();
    let convergence = Convergence::new(clock);
    refuse(1000);
    let error = apply_step(&pipeline, remove, &mut state, &convergence).await.unwrap_err();
    assert_eq!((error.kind(), secrets()), (ErrorKind::NotReady, 2), "{error:?}");
    assert_eq!(plan(&desired(), &state).unwrap(), steps, "the state still has it");
    directory.state().faults.clear();
    refuse(1);
    let outcome = apply_step(&pipeline, remove, &mut state, &convergence).await.unwrap();
    assert!(matches!(outcome, StepOutcome::Applied), "the call was repeated");
    assert_eq!(secrets(), 1);
}

#[tokio::test]
async fn trap_5_a_flapping_list_makes_no_second_secret() {
    let directory = Directory::new();
    inherited(&directory);
    let held = KeyId::parse("d1000000-0000-4000-8000-000000000001").unwrap();
    let full = directory.state().applications[0].clone();
    let mut old = full.clone();
    old["passwordCredentials"] = json!([]);
    directory.fault("GET /v1.0/applications(", Fault::Refuse(200, old.to_string()));
    directory.fault("GET /v1.0/applications/", Fault::Refuse(200, old.to_string()));
    let (pipeline, _) = directory.pipeline();
    let steps = steps_left(&pipeline, &desired().with_held_secret(Some(held))).await;
    assert!(!steps.iter().any(|s| matches!(s, RegistrationStep::AddSecret { .. })), "{steps:?}");
}

#[tokio::test]
async fn an_api_that_the_tenant_lacks_is_made_first() {
    let directory = Directory::new();
    let exchange = directory.state().principals.remove(1);
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let steps = plan(&desired(), &state).unwrap();
    assert!(steps.iter().any(|s| matches!(s, RegistrationStep::CreateApiServicePrincipal { .. })));
    let convergence = Convergence::new(clock);
    for step in &steps {
        if matches!(step, RegistrationStep::CreateApiServicePrincipal { .. }) {
            directory.state().principals.push(exchange.clone());
        }
        apply_step(&pipeline, step, &mut state, &convergence).await.unwrap();
    }
    assert_eq!(directory.state().assignments.len(), 2);
    let unknown = desired().with_consented([Permission::exchange("Custom.Thing")]);
    assert_eq!(plan(&unknown, &state).unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn every_step_explains_itself() {
    let directory = Directory::new();
    inherited(&directory);
    let (pipeline, _) = directory.pipeline();
    let state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let mut steps = plan(&desired(), &state).unwrap();
    let fresh = RegistrationState::read(&Directory::new().pipeline().0, &desired()).await.unwrap();
    steps.extend(plan(&desired(), &fresh).unwrap());
    for step in &steps {
        assert!(step.sentence().ends_with('.') && step.sentence().len() > 20);
        assert!(step.powershell().unwrap().contains("-Mg"));
        assert!(!step.inverse().unwrap().sentence.is_empty());
        assert!(!step.least_rights().is_empty());
        let window = step.window();
        assert!(window.earliest <= window.likely && window.likely <= window.latest);
        assert!(step.rest_call().path.starts_with('/'));
    }
    assert!(AppRegistration::new("a\nb", "x").is_err());
    let contradiction = desired().with_not_consented([Permission::graph("Mail.Send")]);
    assert_eq!(plan(&contradiction, &state).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn trap_7_the_secret_is_in_the_outcome_and_in_no_debug_output() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    let convergence = Convergence::new(clock);
    for step in plan(&desired(), &state).unwrap() {
        let outcome = apply_step(&pipeline, &step, &mut state, &convergence).await.unwrap();
        if let StepOutcome::Secret { secret, .. } = &outcome {
            assert!(secret.expose_secret().starts_with("Zx1~"));
        }
        assert!(!format!("{outcome:?} {step:?} {state:?} {convergence:?}").contains("Zx1~"));
    }
}

const NAMES: [(&str, bool); 6] = [
    ("Mail.Read", true),
    ("Mail.Send", true),
    ("Calendars.Read", true),
    ("User.Read.All", true),
    ("IMAP.AccessAsApp", false),
    ("POP.AccessAsApp", false),
];

fn registration() -> impl Strategy<Value = AppRegistration> {
    (proptest::collection::vec(0u8..3, NAMES.len()), any::<bool>(), any::<bool>(), "[A-Za-z'’ ]{1,12}x")
        .prop_map(|(choice, secret, keep, name)| {
            let pick = |wanted: u8| -> Vec<Permission> {
                let chosen = NAMES.iter().zip(&choice).filter(|(_, c)| **c == wanted);
                chosen
                    .map(
                        |((n, graph), _)| {
                            if *graph { Permission::graph(*n) } else { Permission::exchange(*n) }
                        },
                    )
                    .collect()
            };
            let mut out = AppRegistration::new("acme-mail", name)
                .unwrap()
                .with_consented(pick(1))
                .with_not_consented(pick(2));
            if secret {
                out = out.with_secret(SecretPolicy::new("acme", Duration::from_secs(86_400)).unwrap());
            }
            if keep { out.with_default_user_read_kept() } else { out }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn plan_of_apply_is_empty(first in registration(), second in registration(), inherits in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let directory = Directory::new();
            if inherits {
                inherited(&directory);
            }
            let (pipeline, clock) = directory.pipeline();
            let mut held = None;
            for registration in [first, second] {
                let registration = registration.with_held_secret(held);
                let (_, added) = converge(&pipeline, &clock, &registration).await.unwrap();
                held = added.or(held);
                let left = steps_left(&pipeline, &registration.with_held_secret(held)).await;
                prop_assert_eq!(left, vec![]);
            }
            Ok(())
        })?;
    }
}
