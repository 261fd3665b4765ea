//! Every replication error of the classifier's table at every call of a registration that somebody else began, and of the
//! offboarding that leaves it to them: the steps that a registration of our own never needs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]
#![allow(dead_code, reason = "the support serves several tests")]

mod support;

use std::time::Duration;

use graph_auth::directory::Owner;
use graph_auth::{
    AppRegistration, Convergence, ErrorKind, FederatedCredential, Foreign, Offboarding, Permission,
    RegistrationInventory, RegistrationState, SecretPolicy, apply_step, offboard_step, plan,
    plan_offboarding,
};
use m365_core::{Pipeline, SharedClock};
use serde_json::{Value, json};
use support::{Directory, Fault, GRAPH_APP, GRAPH_SP, USER_READ, graph_error};

const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
const CALENDARS_READ: &str = "798ee544-9d2d-430c-a058-570e29e34338";
const ANNA: &str = "0a000000-0000-4000-8000-000000000001";

fn desired() -> AppRegistration {
    AppRegistration::new("acme-mail", "Acme mail")
        .unwrap()
        .with_consented([Permission::graph("Mail.Send"), Permission::exchange("IMAP.AccessAsApp")])
        .with_not_consented([Permission::graph("Mail.Read")])
        .with_owners([Owner::User(ANNA.parse().unwrap())])
        .with_former_federated(["old-ci"])
        .with_federated([FederatedCredential::new("ci", "https://ci.example", "job:2").unwrap()])
        .with_redirect_uris(["https://acme.example/consented"])
        .with_secret(SecretPolicy::new("acme", Duration::from_secs(86_400)).unwrap())
}

/// An old application of another name, with what the portal and a customer put into it.
fn inherited() -> Directory {
    let directory = Directory::new();
    let mut state = directory.state();
    let (app, sp) = ("a1000000-0000-4000-8000-000000000001", "b1000000-0000-4000-8000-000000000001");
    state.applications.push(json!({
        "id": app, "appId": "c1000000-0000-4000-8000-000000000001",
        "uniqueName": "acme-mail", "displayName": "Old name", "signInAudience": "AzureADMyOrg",
        "createdDateTime": "2025-01-01T00:00:00Z", "keyCredentials": [],
        "requiredResourceAccess": [
            {"resourceAppId": GRAPH_APP, "resourceAccess": [
                {"id": USER_READ, "type": "Scope"}, {"id": MAIL_READ, "type": "Role"}, {"id": CALENDARS_READ, "type": "Role"},
            ]},
        ],
        "passwordCredentials": [
            {"keyId": "d1000000-0000-4000-8000-000000000001", "displayName": "acme", "endDateTime": "2027-01-01T00:00:00Z"},
            {"keyId": "d1000000-0000-4000-8000-000000000002", "displayName": "somebody's", "endDateTime": "2027-01-01T00:00:00Z"},
        ],
    }));
    state.principals.push(json!({"id": sp, "appId": "c1000000-0000-4000-8000-000000000001", "appRoles": []}));
    for (id, role) in [("e1", MAIL_READ), ("e2", CALENDARS_READ)] {
        state
            .assignments
            .push(json!({"id": id, "principalId": sp, "resourceId": GRAPH_SP, "appRoleId": role}));
    }
    state.grants = vec![
        json!({"id": "g1", "clientId": sp, "resourceId": GRAPH_SP, "consentType": "AllPrincipals", "scope": "User.Read"}),
        json!({"id": "g2", "clientId": sp, "resourceId": GRAPH_SP, "consentType": "Principal", "scope": " openid User.Read profile"}),
    ];
    for name in ["old-ci", "theirs"] {
        state.federated.push((
            app.to_owned(),
            json!({"id": format!("f-{name}"), "name": name, "issuer": "https://ci.example", "subject": "job:1", "audiences": ["api://AzureADTokenExchange"]}),
        ));
    }
    drop(state);
    directory
}

/// What there is, without ids that every run makes anew.
fn picture(directory: &Directory) -> Value {
    let state = directory.state();
    let application = &state.applications[0];
    let mut secrets: Vec<_> = application["passwordCredentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["displayName"].clone())
        .collect();
    secrets.sort_by_key(Value::to_string);
    let mut roles: Vec<_> = state.assignments.iter().map(|a| a["appRoleId"].to_string()).collect();
    roles.sort();
    let mut federated: Vec<_> = state.federated.iter().map(|(_, f)| f["name"].to_string()).collect();
    federated.sort();
    let grants: Vec<_> = state.grants.iter().map(|g| json!([g["consentType"], g["scope"]])).collect();
    json!({
        "name": application["displayName"], "declared": application["requiredResourceAccess"],
        "redirects": application["web"]["redirectUris"], "secrets": secrets, "roles": roles, "grants": grants,
        "federated": federated, "owners": state.owners.len(), "principals": state.principals.len(),
    })
}

async fn onboard(
    pipeline: &Pipeline,
    clock: &SharedClock,
    inventory: &mut RegistrationInventory,
) -> graph_auth::Result<()> {
    let desired = desired();
    let mut state = RegistrationState::read(pipeline, &desired).await?;
    inventory.reconcile(&state);
    let convergence = Convergence::new(clock.clone());
    for step in plan(&desired, &state)? {
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
) -> graph_auth::Result<()> {
    let mut state = RegistrationState::read_inventory(pipeline, inventory).await?;
    let offboarding = Offboarding::new().with_foreign(Foreign::Refuse);
    let convergence = Convergence::new(clock.clone());
    for step in plan_offboarding(inventory, &state, offboarding)? {
        offboard_step(pipeline, &step, &mut state, &convergence).await?;
    }
    Ok(())
}

fn writes(directory: &Directory, from: usize) -> Vec<String> {
    directory.state().calls[from..].iter().filter(|call| !call.starts_with("GET ")).cloned().collect()
}

/// (row of the table, status, body, whether it passes by waiting, wherever it strikes).
fn rows() -> Vec<(&'static str, u16, String, bool)> {
    let say = graph_error;
    vec![
        (
            "1",
            400,
            say("Request_BadRequest", "The appId does not reference a valid application object."),
            false,
        ),
        (
            "2",
            403,
            say("Authorization_RequestDenied", "the backing application must in the local tenant"),
            false,
        ),
        ("3", 404, say("Request_ResourceNotFound", "Resource 'x' does not exist"), false),
        ("4", 400, say("Request_BadRequest", "Not a valid reference update."), false),
        ("5", 409, say("Directory_ConcurrencyViolation", "Please wait briefly and retry."), true),
        ("6", 409, say("Request_MultipleObjectsWithSameKeyValue", "It already exists."), false),
        (
            "7",
            400,
            say("Request_BadRequest", "Permission being assigned already exists on the object"),
            false,
        ),
        ("11a", 429, String::new(), true),
        ("11b", 503, String::new(), true),
        ("11c", 424, String::new(), true),
        (
            "12",
            403,
            say("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
            false,
        ),
    ]
}

/// Errors that say what a row says. A row that is taken for done, or waited for, is no error.
fn is_precise(row: &str, kind: ErrorKind) -> bool {
    use ErrorKind::{Conflict, NotFound, NotReady, PermissionDenied, Rejected};
    match row {
        "2" | "12" => kind == PermissionDenied,
        "3" => matches!(kind, NotFound | NotReady),
        "6" => matches!(kind, Conflict | NotReady),
        _ => matches!(kind, Rejected | NotReady),
    }
}

#[tokio::test]
async fn every_row_at_every_write_of_an_adopted_registration_and_of_leaving_it() {
    let directory = inherited();
    let before = picture(&directory);
    let (pipeline, clock) = directory.pipeline();
    let mut made = RegistrationInventory::new("acme-mail");
    onboard(&pipeline, &clock, &mut made).await.unwrap();
    let (set_up, wanted) = (writes(&directory, 0), picture(&directory));
    let from = directory.state().calls.len();
    offboard(&pipeline, &clock, &made).await.unwrap();
    let (removal, left) = (writes(&directory, from), picture(&directory));
    for part in ["PATCH /v1.0/applications/", "/oauth2PermissionGrants/", "DELETE ", "appRoleAssign"] {
        assert!(set_up.iter().any(|call| call.contains(part)), "{part}: {set_up:#?}");
    }
    for theirs in ["\"theirs\"", "somebody's"] {
        assert!(
            left.to_string().contains(&theirs.replace('"', "\\\"")) || left.to_string().contains(theirs),
            "{left}"
        );
    }
    assert_eq!(left["principals"], json!(before["principals"].as_u64().unwrap()), "{removal:#?}");
    assert!(set_up.len() >= 12 && removal.len() >= 6, "{} {}", set_up.len(), removal.len());

    let (mut converged, mut reported) = (0, 0);
    for leaving in [false, true] {
        let calls = if leaving { &removal } else { &set_up };
        for (n, call) in (0..).zip(calls) {
            for (row, status, body, passes) in rows() {
                let note = format!("row {row} at {call}, leaving {leaving}");
                let directory = inherited();
                let (pipeline, clock) = directory.pipeline();
                let mut made = RegistrationInventory::new("acme-mail");
                if leaving {
                    onboard(&pipeline, &clock, &mut made).await.unwrap();
                }
                directory.state().nth_write = Some((n, Fault::Refuse(status, body)));
                let outcome = if leaving {
                    offboard(&pipeline, &clock, &made).await
                } else {
                    onboard(&pipeline, &clock, &mut made).await
                };
                match outcome {
                    Ok(()) => converged += 1,
                    Err(error) => {
                        assert!(!passes, "{note}: {error}");
                        assert!(is_precise(row, error.kind()), "{note}: {error:?}");
                        reported += 1;
                    }
                }
                // Whatever was reported has passed by now: the next run ends where one without faults does.
                if leaving {
                    offboard(&pipeline, &clock, &made).await.unwrap();
                } else {
                    onboard(&pipeline, &clock, &mut made).await.unwrap();
                }
                assert_eq!(
                    picture(&directory),
                    if leaving { left.clone() } else { wanted.clone() },
                    "{note}"
                );
            }
        }
    }
    assert!(converged > 60 && reported > 40, "{converged} {reported}");
}
