//! Every replication error of the classifier's table at every call of a registration and of its offboarding; runs that
//! are interrupted; runs side by side.
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

use graph_auth::directory::Owner;
use graph_auth::{
    AppRegistration, Convergence, Difference, ErrorKind, Extent, FederatedCredential, Foreign, ForeignEntry,
    Offboarding, OffboardingStep, Permission, RegistrationInventory, RegistrationState, RegistrationStep,
    SecretPolicy, StepOutcome, apply_step, drift, foreign_entries, offboard_step, plan, plan_offboarding,
};
use m365_core::{Pipeline, SharedClock};
use serde_json::json;
use support::{Directory, Fault, graph_error};

const ANNA: &str = "0a000000-0000-4000-8000-000000000001";
const BERT: &str = "0a000000-0000-4000-8000-000000000002";

fn desired() -> AppRegistration {
    AppRegistration::new("acme-mail", "Acme mail")
        .unwrap()
        .with_consented([Permission::exchange("IMAP.AccessAsApp"), Permission::graph("Mail.Send")])
        .with_owners([Owner::User(ANNA.parse().unwrap())])
        .with_federated([FederatedCredential::new("ci", "https://ci.example", "job:1").unwrap()])
        .with_redirect_uris(["https://acme.example/consented"])
}

fn with_secret() -> AppRegistration {
    desired().with_secret(SecretPolicy::new("acme", Duration::from_secs(86_400)).unwrap())
}

/// Plans and applies with an inventory, as a careful caller does.
async fn onboard(
    pipeline: &Pipeline,
    clock: &SharedClock,
    registration: &AppRegistration,
    inventory: &mut RegistrationInventory,
) -> graph_auth::Result<()> {
    let mut state = RegistrationState::read(pipeline, registration).await?;
    inventory.reconcile(&state);
    let convergence = Convergence::new(clock.clone());
    for step in plan(registration, &state)? {
        inventory.begin(&step);
        let outcome = apply_step(pipeline, &step, &mut state, &convergence).await?;
        inventory.record(&step, &outcome, &state);
    }
    Ok(())
}

async fn offboard(
    pipeline: &Pipeline,
    clock: &SharedClock,
    inventory: &RegistrationInventory,
    offboarding: Offboarding,
) -> graph_auth::Result<Vec<OffboardingStep>> {
    let mut state = RegistrationState::read_inventory(pipeline, inventory).await?;
    let steps = plan_offboarding(inventory, &state, offboarding)?;
    let convergence = Convergence::new(clock.clone());
    for step in &steps {
        offboard_step(pipeline, step, &mut state, &convergence).await?;
    }
    Ok(steps)
}

fn inventory() -> RegistrationInventory {
    RegistrationInventory::new("acme-mail")
}

fn assert_set_up(directory: &Directory, note: &str) {
    let state = directory.state();
    assert_eq!(state.applications.len(), 1, "{note}");
    assert_eq!(state.principals.len(), 3, "{note}");
    assert_eq!(state.assignments.len(), 2, "{note}");
    assert_eq!(state.owners.len(), 1, "{note}");
    assert_eq!(state.federated.len(), 1, "{note}");
    assert_eq!(state.applications[0]["requiredResourceAccess"].as_array().unwrap().len(), 2, "{note}");
    assert_eq!(
        state.applications[0]["web"]["redirectUris"],
        json!(["https://acme.example/consented"]),
        "{note}"
    );
}

fn assert_gone(directory: &Directory, note: &str) {
    let state = directory.state();
    assert_eq!(
        (state.applications.len(), state.principals.len(), state.assignments.len()),
        (0, 2, 0),
        "{note}"
    );
}

/// (row of the table, status, body).
fn rows() -> Vec<(&'static str, u16, String)> {
    let backing = r#"{"error":{"code":"Request_BadRequest","message":"The appId of the service principal does not reference a valid application object.","details":[{"code":"NoBackingApplicationObject","message":"x"}]}}"#;
    let missing =
        "Resource 'x' does not exist or one of its queried reference-property objects are not present.";
    vec![
        ("1", 400, backing.to_owned()),
        (
            "2",
            403,
            graph_error(
                "Authorization_RequestDenied",
                "When using this permission, the backing application of the service principal being created must in the local tenant",
            ),
        ),
        ("3", 404, graph_error("Request_ResourceNotFound", missing)),
        ("3b", 404, graph_error("Directory_ObjectNotFound", "Unable to read the company information.")),
        ("4", 400, graph_error("Request_BadRequest", "Not a valid reference update.")),
        (
            "5",
            409,
            graph_error(
                "Directory_ConcurrencyViolation",
                "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
            ),
        ),
        (
            "6",
            409,
            graph_error(
                "Request_MultipleObjectsWithSameKeyValue",
                "Another object with the same value already exists.",
            ),
        ),
        (
            "7",
            400,
            graph_error("Request_BadRequest", "Permission being assigned already exists on the object"),
        ),
        ("11a", 429, String::new()),
        ("11b", 503, String::new()),
        ("11c", 424, String::new()),
        (
            "12",
            403,
            graph_error("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
        ),
    ]
}

/// What a row means at a write: the run converges over it, or stops and reports this kind.
fn expected(row: &str, call: &str) -> Result<(), &'static [ErrorKind]> {
    use ErrorKind::{Conflict, NotFound, NotReady, PermissionDenied, Rejected};
    let is = |part: &str| call.contains(part);
    let makes_principal = call == "POST /v1.0/servicePrincipals";
    let upserts = is("PATCH /v1.0/applications(");
    let removes = is("DELETE ") || is("removePassword");
    match row {
        "5" | "11a" | "11b" | "11c" => Ok(()),
        "3" | "3b" => Ok(()),
        "1" | "2" | "4" | "7" if makes_principal => Ok(()),
        "4" if is("appRoleAssignedTo") => Ok(()),
        // Where upsert is not served, the application is found or created.
        "1" | "4" | "7" if upserts => Ok(()),
        // Said to exist, and not there: what can be read decides.
        "6" if makes_principal => Err(&[NotReady]),
        "6" => Err(&[Conflict]),
        "7" if is("appRoleAssignedTo") => Err(&[NotReady]),
        "2" | "12" => Err(&[PermissionDenied]),
        _ if removes => Err(&[Rejected, NotFound]),
        _ => Err(&[Rejected]),
    }
}

async fn writes_of(registration: &AppRegistration) -> (Vec<String>, Vec<String>) {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut made = inventory();
    let writes = |from: usize| -> Vec<String> {
        let state = directory.state();
        state.calls[from..].iter().filter(|c| !c.starts_with("GET ")).cloned().collect()
    };
    onboard(&pipeline, &clock, registration, &mut made).await.unwrap();
    let set_up = writes(0);
    let from = directory.state().calls.len();
    offboard(&pipeline, &clock, &made, Offboarding::new().with_purge()).await.unwrap();
    (set_up, writes(from))
}

#[tokio::test]
async fn every_row_at_every_write_of_a_registration() {
    let (calls, _) = writes_of(&with_secret()).await;
    assert_eq!(calls.len(), 9, "{calls:#?}");
    let (mut converged, mut reported) = (0, 0);
    for (n, call) in (0..).zip(&calls) {
        for (row, status, body) in rows() {
            let note = format!("row {row} at {call}");
            let directory = Directory::new();
            let (pipeline, clock) = directory.pipeline();
            let mut made = inventory();
            directory.state().nth_write = Some((n, Fault::Refuse(status, body)));
            let outcome = onboard(&pipeline, &clock, &with_secret(), &mut made).await;
            match (expected(row, call), outcome) {
                (Ok(()), Ok(())) => converged += 1,
                (Err(kinds), Err(error)) => {
                    assert!(kinds.contains(&error.kind()), "{note}: {error:?}");
                    reported += 1;
                    // What was reported passes, and the next run goes on from there.
                    onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
                }
                (expected, got) => panic!("{note}: expected {expected:?}, got {got:?}"),
            }
            assert_set_up(&directory, &note);
            let ours = made.clone();
            offboard(&pipeline, &clock, &ours, Offboarding::new()).await.unwrap();
            assert_gone(&directory, &note);
        }
    }
    assert!(converged > 55 && reported > 30, "{converged} {reported}");
}

#[tokio::test]
async fn every_row_at_every_write_of_an_offboarding() {
    let (_, calls) = writes_of(&with_secret()).await;
    assert_eq!(calls.len(), 7, "{calls:#?}");
    for (n, call) in (0..).zip(&calls) {
        for (row, status, body) in rows() {
            let note = format!("row {row} at {call}");
            let directory = Directory::new();
            let (pipeline, clock) = directory.pipeline();
            let mut made = inventory();
            onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
            directory.state().nth_write = Some((n, Fault::Refuse(status, body)));
            let everything = Offboarding::new().with_purge();
            match (expected(row, call), offboard(&pipeline, &clock, &made, everything).await) {
                (Ok(()), Ok(_)) => {}
                (Err(kinds), Err(error)) => {
                    assert!(kinds.contains(&error.kind()), "{note}: {error:?}");
                    offboard(&pipeline, &clock, &made, everything).await.unwrap();
                }
                (expected, got) => panic!("{note}: expected {expected:?}, got {got:?}"),
            }
            assert_gone(&directory, &note);
            assert!(directory.state().deleted.is_empty(), "{note}");
            assert_eq!(offboard(&pipeline, &clock, &made, everything).await.unwrap(), [], "{note}");
        }
    }
}

#[tokio::test]
async fn passing_trouble_and_lagging_replicas_at_every_read() {
    let missing = graph_error("Request_ResourceNotFound", "Resource 'x' does not exist");
    for (status, body) in [(503, String::new()), (429, String::new()), (404, missing)] {
        for n in 0..60 {
            let note = format!("{status} at read {n}");
            let directory = Directory::new();
            let (pipeline, clock) = directory.pipeline();
            let mut made = inventory();
            // The first reads ask what is there; an answer that all is absent is believed of an empty tenant.
            directory.state().nth_read = Some((n, Fault::Refuse(status, body.clone())));
            if let Err(error) = onboard(&pipeline, &clock, &desired(), &mut made).await {
                // An API that looked absent is there when its principal is made.
                assert!(n < 2, "{note}: {error:?}");
                onboard(&pipeline, &clock, &desired(), &mut made).await.unwrap();
            }
            assert_set_up(&directory, &note);
            directory.state().nth_read = Some((n, Fault::Refuse(status, body.clone())));
            let first = offboard(&pipeline, &clock, &made, Offboarding::new()).await;
            if let Err(error) = first {
                assert!(
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput),
                    "{note}: {error:?}"
                );
                offboard(&pipeline, &clock, &made, Offboarding::new()).await.unwrap();
            }
            assert_gone(&directory, &note);
        }
    }
}

#[tokio::test]
async fn an_interruption_after_any_write_leaves_an_inventory_that_removes_all_of_it() {
    for lost in [false, true] {
        for point in 0..12 {
            let note = format!("after {point} writes, lost {lost}");
            let directory = Directory::new();
            let (pipeline, clock) = directory.pipeline();
            let mut made = inventory();
            directory.state().writes_left = Some(point);
            directory.state().last_answer_lost = lost;
            let interrupted = onboard(&pipeline, &clock, &with_secret(), &mut made).await.is_err();
            assert!(interrupted || point >= 9, "{note}");
            directory.state().writes_left = None;
            directory.state().last_answer_lost = false;
            directory.state().faults.clear();
            // What was kept is read again by the next process.
            let text = serde_json::to_string(&made).unwrap();
            let mut made: RegistrationInventory = serde_json::from_str(&text).unwrap();
            onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
            assert_set_up(&directory, &note);
            assert!(made.application.unwrap().made && made.service_principal.unwrap().made, "{note}");
            for (removals, lost) in [(point, lost), (20, false)] {
                directory.state().writes_left = Some(removals);
                directory.state().last_answer_lost = lost;
                let _interrupted = offboard(&pipeline, &clock, &made, Offboarding::new()).await;
                directory.state().faults.clear();
            }
            assert_gone(&directory, &note);
        }
    }
}

/// As two processes would have it: nothing in common but the directory.
#[tokio::test]
async fn two_runs_side_by_side_do_not_corrupt_the_application() {
    for seed in 0..40 {
        let directory = Directory::new();
        directory.state().yields = Some(fastrand::Rng::with_seed(seed));
        let (one, two) = (directory.pipeline(), directory.pipeline());
        let more = desired()
            .with_consented([Permission::graph("Calendars.Read")])
            .with_redirect_uris(["https://acme.example/other"]);
        let (mut made_by_one, mut made_by_two) = (inventory(), inventory());
        let (registration, wider) = (desired(), more.clone());
        let (first, second) = futures_util::join!(
            onboard(&one.0, &one.1, &registration, &mut made_by_one),
            onboard(&two.0, &two.1, &wider, &mut made_by_two)
        );
        for outcome in [first, second] {
            if let Err(error) = outcome {
                assert!(
                    matches!(error.kind(), ErrorKind::NotReady | ErrorKind::Conflict),
                    "{seed}: {error:?}"
                );
            }
        }
        assert_eq!(directory.state().applications.len(), 1, "seed {seed}");
        onboard(&one.0, &one.1, &more, &mut made_by_one).await.unwrap();
        let state = RegistrationState::read(&one.0, &more).await.unwrap();
        assert_eq!(plan(&more, &state).unwrap(), [], "seed {seed}");
        let state = directory.state();
        assert_eq!((state.principals.len(), state.assignments.len()), (3, 3), "seed {seed}");
        assert_eq!((state.owners.len(), state.federated.len()), (1, 1), "seed {seed}");
        let access = state.applications[0]["requiredResourceAccess"].as_array().unwrap();
        let count: usize = access.iter().map(|e| e["resourceAccess"].as_array().unwrap().len()).sum();
        assert_eq!(count, 3, "seed {seed}: {access:?}");
    }
}

/// A secret that one run added is a lost one to the other, as a vault that is not shared would make it: at most one of the
/// two is left, and the next run mends what it holds.
#[tokio::test]
async fn two_runs_without_a_common_vault_leave_one_secret_in_the_end() {
    for seed in 0..20 {
        let directory = Directory::new();
        let (one, two) = (directory.pipeline(), directory.pipeline());
        onboard(&one.0, &one.1, &desired(), &mut inventory()).await.unwrap();
        directory.state().yields = Some(fastrand::Rng::with_seed(seed));
        let (mut made, mut other) = (inventory(), inventory());
        let (registration, same) = (with_secret(), with_secret());
        let (first, second) = futures_util::join!(
            onboard(&one.0, &one.1, &registration, &mut made),
            onboard(&two.0, &two.1, &same, &mut other)
        );
        for outcome in [first, second] {
            outcome.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
        }
        let held = made.secrets.last().copied();
        onboard(&one.0, &one.1, &with_secret().with_held_secret(held), &mut made).await.unwrap();
        let held = made.secrets.last().copied();
        let registration = with_secret().with_held_secret(held);
        let state = RegistrationState::read(&one.0, &registration).await.unwrap();
        assert_eq!(plan(&registration, &state).unwrap(), [], "seed {seed}");
        assert_eq!(directory.state().applications[0]["passwordCredentials"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn of_two_offboardings_side_by_side_one_ends_well_and_all_is_gone() {
    for seed in 0..40 {
        let directory = Directory::new();
        let (one, two) = (directory.pipeline(), directory.pipeline());
        let mut made = inventory();
        onboard(&one.0, &one.1, &with_secret(), &mut made).await.unwrap();
        directory.state().yields = Some(fastrand::Rng::with_seed(seed));
        let everything = Offboarding::new();
        let (first, second) = futures_util::join!(
            offboard(&one.0, &one.1, &made, everything),
            offboard(&two.0, &two.1, &made, everything)
        );
        assert!(first.is_ok() || second.is_ok(), "{seed}: {first:?} {second:?}");
        for error in [first, second].into_iter().filter_map(Result::err) {
            // The other one deleted the application under its feet: the next run sees that all is done.
            assert!(matches!(error.kind(), ErrorKind::NotReady | ErrorKind::Rejected), "{seed}: {error:?}");
        }
        assert_gone(&directory, &format!("seed {seed}"));
        let left = offboard(&one.0, &one.1, &made, everything).await.unwrap();
        assert_eq!(left, [], "seed {seed}");
    }
}

#[tokio::test]
async fn what_a_customer_added_is_named_before_anything_is_deleted() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut made = inventory();
    onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
    let (id, principal) = {
        let mut state = directory.state();
        let id = state.applications[0]["id"].as_str().unwrap().to_owned();
        let principal = state.principals[2]["id"].as_str().unwrap().to_owned();
        state.owners.push((id.clone(), BERT.to_owned()));
        state.federated.push((id.clone(), json!({"id": "f9", "name": "theirs", "issuer": "https://x.example", "subject": "s", "audiences": ["a"]})));
        state.grants.push(
            json!({"id": "g9", "clientId": principal, "resourceId": support::GRAPH_SP, "scope": "openid"}),
        );
        state.assignments.push(json!({"id": "e9", "principalId": principal, "resourceId": support::GRAPH_SP, "appRoleId": "798ee544-9d2d-430c-a058-570e29e34338"}));
        state.applications[0]["passwordCredentials"]
            .as_array_mut()
            .unwrap()
            .push(json!({"keyId": "d9000000-0000-4000-8000-000000000009", "displayName": "theirs"}));
        (id, principal)
    };
    let before = directory.state().calls.len();
    let error = offboard(&pipeline, &clock, &made, Offboarding::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let state = RegistrationState::read_inventory(&pipeline, &made).await.unwrap();
    let foreign = foreign_entries(&made, &state, Offboarding::new()).unwrap();
    assert_eq!(foreign.len(), 5, "{foreign:?}");
    assert!(foreign.contains(&ForeignEntry::Owner(BERT.to_owned())));
    for entry in ["e9", "g9", "\"theirs\"", "d9000000", BERT] {
        assert!(error.message().contains(entry), "{entry}: {error}");
    }
    assert!(directory.state().calls[before..].iter().all(|c| c.starts_with("GET ")));
    // The consents alone are ours to take back at any time.
    offboard(&pipeline, &clock, &made, Offboarding::new().with_extent(Extent::Consents)).await.unwrap();
    assert_eq!(directory.state().assignments.len(), 1, "theirs stays");
    let told = Offboarding::new().with_foreign(Foreign::Delete);
    offboard(&pipeline, &clock, &made, told).await.unwrap();
    assert_gone(&directory, &format!("{id} {principal}"));
}

#[tokio::test]
async fn trap_a_list_that_was_not_read_is_not_an_empty_one() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut made = inventory();
    onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
    {
        let mut state = directory.state();
        let id = state.applications[0]["id"].as_str().unwrap().to_owned();
        state.federated.push((id, json!({"id": "f9", "name": "theirs", "issuer": "https://x.example", "subject": "s", "audiences": ["a"]})));
    }
    let bare = AppRegistration::new("acme-mail", "Acme mail").unwrap();
    let state = RegistrationState::read(&pipeline, &bare).await.unwrap();
    let kind = |state: &RegistrationState, how| plan_offboarding(&made, state, how).map_err(|e| e.kind());
    for foreign in [Foreign::Refuse, Foreign::Delete] {
        let how = Offboarding::new().with_foreign(foreign);
        assert_eq!(kind(&state, how), Err(ErrorKind::InvalidInput));
    }
    assert_eq!(
        kind(&state, Offboarding::new().with_extent(Extent::ThisTenant)),
        Err(ErrorKind::InvalidInput)
    );
    assert!(kind(&state, Offboarding::new().with_extent(Extent::Consents)).is_ok_and(|s| s.len() == 2));
    let whole = RegistrationState::read_whole(&pipeline, &bare).await.unwrap();
    assert_eq!(kind(&whole, Offboarding::new()), Err(ErrorKind::Conflict), "theirs is seen");
    assert!(kind(&whole, Offboarding::new().with_foreign(Foreign::Delete)).is_ok());
    // Gone, and perhaps in the bin: to purge it the bin must be read.
    directory.state().applications.clear();
    let state = RegistrationState::read(&pipeline, &bare).await.unwrap();
    assert_eq!(kind(&state, Offboarding::new().with_purge()), Err(ErrorKind::InvalidInput));
}

#[tokio::test]
async fn trap_an_application_made_anew_under_the_same_name_is_not_ours() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut made = inventory();
    onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
    offboard(&pipeline, &clock, &made, Offboarding::new().with_purge()).await.unwrap();
    onboard(&pipeline, &clock, &with_secret(), &mut inventory()).await.unwrap();
    let state = RegistrationState::read_whole(&pipeline, &with_secret()).await.unwrap();
    for extent in [Extent::Everything, Extent::ThisTenant] {
        let how = Offboarding::new().with_foreign(Foreign::Delete).with_extent(extent);
        assert_eq!(plan_offboarding(&made, &state, how).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(foreign_entries(&made, &state, how).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(offboard(&pipeline, &clock, &made, how).await.unwrap(), []);
    }
    let state = directory.state();
    assert_eq!((state.applications.len(), state.principals.len(), state.assignments.len()), (1, 3, 2));
    assert_eq!((state.federated.len(), state.deleted.len()), (1, 0));
}

#[tokio::test]
async fn the_last_owner_of_an_adopted_registration_is_kept_though_all_were_added() {
    const CLEO: &str = "70000000-0000-4000-8000-00000000000c";
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let theirs = AppRegistration::new("acme-mail", "Acme mail").unwrap();
    onboard(&pipeline, &clock, &theirs, &mut inventory()).await.unwrap();
    let owners = [BERT, CLEO].map(|id| Owner::User(id.parse().unwrap()));
    let mut made = inventory();
    onboard(&pipeline, &clock, &theirs.with_owners(owners), &mut made).await.unwrap();
    assert_eq!(directory.state().owners.len(), 2);
    let steps = offboard(&pipeline, &clock, &made, Offboarding::new()).await.unwrap();
    assert!(matches!(&steps[..], [OffboardingStep::RemoveOwner { .. }]), "{steps:?}");
    assert_eq!(directory.state().owners.len(), 1);
    assert_eq!(offboard(&pipeline, &clock, &made, Offboarding::new()).await.unwrap(), []);
}

#[tokio::test]
async fn a_registration_that_was_there_before_keeps_all_but_what_was_added() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let theirs = AppRegistration::new("acme-mail", "Acme mail")
        .unwrap()
        .with_consented([Permission::graph("Mail.Read")])
        .with_owners([Owner::User(BERT.parse().unwrap())])
        .with_redirect_uris(["https://theirs.example/back"]);
    onboard(&pipeline, &clock, &theirs, &mut inventory()).await.unwrap();
    let summary = || {
        let state = directory.state();
        json!([state.applications, state.principals, state.assignments, state.owners, state.federated.len()])
    };
    let before = summary();
    let mut made = inventory();
    onboard(&pipeline, &clock, &with_secret(), &mut made).await.unwrap();
    assert!(!made.application.unwrap().made && !made.service_principal.unwrap().made);
    assert_ne!(summary(), before);
    let steps = offboard(&pipeline, &clock, &made, Offboarding::new()).await.unwrap();
    assert!(!steps.iter().any(|s| matches!(s, OffboardingStep::DeleteApplication { .. })));
    assert_eq!(summary(), before);
}

#[tokio::test]
async fn a_proxys_404_is_not_taken_for_gone() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    let mut made = inventory();
    onboard(&pipeline, &clock, &desired(), &mut made).await.unwrap();
    directory.state().nth_write = Some((0, Fault::Refuse(404, "<html>proxy</html>".to_owned())));
    let error = offboard(&pipeline, &clock, &made, Offboarding::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(directory.state().assignments.len(), 2);
}

#[tokio::test]
async fn drift_names_each_difference_who_acts_and_the_step() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    onboard(&pipeline, &clock, &desired(), &mut inventory()).await.unwrap();
    let look = async || {
        drift(&desired(), &RegistrationState::read_whole(&pipeline, &desired()).await.unwrap()).unwrap()
    };
    let clean = look().await;
    assert!(clean.is_none() && clean.unknown.is_empty(), "{clean:?}");
    let narrow = RegistrationState::read(&pipeline, &AppRegistration::new("acme-mail", "Acme mail").unwrap())
        .await
        .unwrap();
    let bare = AppRegistration::new("acme-mail", "Acme mail").unwrap();
    assert_eq!(drift(&bare, &narrow).unwrap().unknown.len(), 3, "what was not read is not known");
    {
        let mut state = directory.state();
        let id = state.applications[0]["id"].as_str().unwrap().to_owned();
        let principal = state.principals[2]["id"].as_str().unwrap().to_owned();
        state.applications[0]["displayName"] = json!("Renamed");
        state.applications[0]["signInAudience"] = json!("AzureADMultipleOrgs");
        state.principals[2]["accountEnabled"] = json!(false);
        state.principals[2]["appRoleAssignmentRequired"] = json!(true);
        state.assignments.remove(0);
        state.assignments.push(json!({"id": "e9", "principalId": principal, "resourceId": support::GRAPH_SP, "appRoleId": "798ee544-9d2d-430c-a058-570e29e34338"}));
        state.grants.push(json!({"id": "g9", "clientId": principal, "resourceId": support::GRAPH_SP, "scope": "User.Read openid"}));
        state.owners = vec![(id.clone(), BERT.to_owned())];
        state.federated[0].1["subject"] = json!("job:2");
        state.federated.push((id, json!({"id": "f9", "name": "theirs", "issuer": "https://x.example", "subject": "s", "audiences": ["a"]})));
    }
    let drifted = look().await;
    let has = |wanted: &dyn Fn(&Difference) -> bool| {
        drifted.findings.iter().filter(|f| wanted(&f.difference)).count()
    };
    assert_eq!(has(&|d| matches!(d, Difference::SignInDisabled)), 1);
    assert_eq!(has(&|d| matches!(d, Difference::AssignmentRequired)), 1);
    assert_eq!(has(&|d| matches!(d, Difference::DisplayNameChanged { found } if found == "Renamed")), 1);
    assert_eq!(
        has(&|d| matches!(d, Difference::AudienceChanged { found } if found == "AzureADMultipleOrgs")),
        1
    );
    assert_eq!(has(&|d| matches!(d, Difference::ConsentMissing(_))), 1);
    assert_eq!(has(&|d| matches!(d, Difference::ConsentExtra(name) if name.contains("Calendars.Read"))), 1);
    assert_eq!(has(&|d| matches!(d, Difference::DelegatedExtra { scopes, .. } if scopes == "openid")), 1);
    assert_eq!(has(&|d| matches!(d, Difference::DefaultUserRead)), 1);
    assert_eq!(has(&|d| matches!(d, Difference::OwnerMissing(..))), 1);
    assert_eq!(has(&|d| matches!(d, Difference::OwnerExtra(_, id) if id == BERT)), 1);
    assert_eq!(has(&|d| matches!(d, Difference::FederatedChanged(name) if name == "ci")), 1);
    assert_eq!(has(&|d| matches!(d, Difference::FederatedExtra(name) if name == "theirs")), 1);
    assert_eq!(drifted.findings.len(), 12, "{drifted:#?}");

    // The repair touches nothing else, and leaves what a person switched off.
    let mut state = RegistrationState::read_whole(&pipeline, &desired()).await.unwrap();
    let convergence = Convergence::new(clock.clone());
    for step in drifted.repair_steps() {
        apply_step(&pipeline, step, &mut state, &convergence).await.unwrap();
    }
    let left: Vec<String> = look().await.findings.iter().map(|f| f.difference.to_string()).collect();
    assert_eq!(left.len(), 6, "{left:#?}");
    assert!(left.iter().any(|text| text.contains("switched off")));
    apply_step(&pipeline, &RegistrationStep::EnableServicePrincipal, &mut state, &convergence).await.unwrap();
    assert_eq!(look().await.findings.len(), 5);
}

#[tokio::test]
async fn a_deleted_application_is_found_in_the_bin_and_restored() {
    let directory = Directory::new();
    let (pipeline, clock) = directory.pipeline();
    onboard(&pipeline, &clock, &desired(), &mut inventory()).await.unwrap();
    let client = directory.state().applications[0]["appId"].clone();
    let mut made = inventory();
    let state = RegistrationState::read(&pipeline, &desired()).await.unwrap();
    made.reconcile(&state);
    made.application.as_mut().unwrap().made = true;
    offboard(&pipeline, &clock, &made, Offboarding::new().with_foreign(Foreign::Delete)).await.unwrap();
    let mut state = RegistrationState::read_whole(&pipeline, &desired()).await.unwrap();
    let found = drift(&desired(), &state).unwrap();
    let restore = found.findings[0].repair.clone().unwrap();
    assert!(matches!(found.findings[0].difference, Difference::ApplicationDeleted { .. }));
    assert!(found.repair_steps().all(|s| !matches!(s, RegistrationStep::RestoreApplication { .. })));
    let convergence = Convergence::new(clock.clone());
    let outcome = apply_step(&pipeline, &restore, &mut state, &convergence).await.unwrap();
    assert!(matches!(outcome, StepOutcome::Applied));
    onboard(&pipeline, &clock, &desired(), &mut made).await.unwrap();
    assert_eq!(directory.state().applications[0]["appId"], client);
    assert_set_up(&directory, "restored");
}
