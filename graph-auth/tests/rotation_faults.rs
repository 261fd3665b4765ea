//! Every failure of the replication table, at every call of a rotation: it converges, and says precisely what stopped it.
//! After each request it was checked that the credential in use is accepted (`rolling::Watch`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod rolling;

use std::collections::BTreeMap;

use graph_auth::RotationProgress;
use rolling::Way;
use tenant_sim::Fault;

const MISSING: &str =
    "Resource 'x' does not exist or one of its queried reference-property objects are not present.";
const DENIED: &str = "Insufficient privileges to complete the operation.";
const DUPLICATE: &str = "Another object with the same value for property appId already exists.";
const LOCAL: &str = "When using this permission, the backing application of the service principal being created must in the local tenant";

/// The rows of the table with what can happen to any request.
fn graph_faults() -> Vec<(&'static str, Fault)> {
    let bad = |text| Fault::error(400, "Request_BadRequest", text);
    vec![
        ("1 no backing application", bad("The appId does not reference a valid application object.")),
        ("2 local tenant", Fault::error(403, "Authorization_RequestDenied", LOCAL)),
        ("3 not found", Fault::error(404, "Request_ResourceNotFound", MISSING)),
        ("3 no object", Fault::error(404, "Directory_ObjectNotFound", "Unable to read the object.")),
        ("4 reference", bad("Not a valid reference update.")),
        ("5 concurrency", Fault::concurrency_violation()),
        ("6 duplicate", Fault::error(409, "Request_MultipleObjectsWithSameKeyValue", DUPLICATE)),
        ("7 exists", bad("Permission being assigned already exists on the object")),
        ("8 old list", Fault::stale_read().on_method("GET")),
        ("11 too many", Fault::status(429).with_retry_after("3")),
        ("11 busy", Fault::status(503)),
        ("11 dependency", Fault::error(424, "FailedDependency", "A call before this one failed.")),
        ("12 denied", Fault::error(403, "Authorization_RequestDenied", DENIED)),
        ("never arrived", Fault::drop_before()),
        ("answer lost", Fault::drop_after()),
        ("gateway", Fault::html(502)),
    ]
}

fn token_faults() -> Vec<(&'static str, Fault)> {
    let known = |id: &'static str| (id, Fault::by_id(id).unwrap());
    vec![
        known("AUTH-SECRET-ID"),
        known("AUTH-NO-SP"),
        known("AUTH-STS-TRANSIENT"),
        known("AUTH-CLOCK-SKEW"),
        ("never arrived", Fault::drop_before()),
        ("answer lost", Fault::drop_after()),
    ]
}

/// (method, end of path) and how often it was called in a run without faults.
async fn calls(way: Way) -> BTreeMap<(String, &'static str), u32> {
    const ENDS: [&str; 5] =
        ["/addPassword", "/removePassword", "/addKey", "/removeKey", "/oauth2/v2.0/token"];
    let (story, begun) = way.story().await;
    story.tenant.clear_journal();
    let (end, _, errors) = way.to_the_end(&story, &begun, &story.host()).await;
    assert_eq!((end, errors.len()), (RotationProgress::Done, 0));
    let mut calls = BTreeMap::new();
    for line in story.tenant.journal() {
        let end = ENDS.into_iter().find(|end| line.path.ends_with(end)).unwrap_or("/v1.0/applications/");
        *calls.entry((line.method, end)).or_insert(0) += 1;
    }
    calls
}

async fn every_fault_at_every_call(way: Way, expected: &[(&str, &str)]) {
    let calls = calls(way).await;
    let kinds: Vec<_> = calls.keys().map(|(method, end)| (method.as_str(), *end)).collect();
    assert_eq!(kinds, expected, "a call that no fault would strike");
    let (mut runs, mut stopped) = (0, 0);
    for ((method, end), count) in &calls {
        let faults = if end.ends_with("/token") { token_faults() } else { graph_faults() };
        // Of the many readings the first one, one between, and the last one.
        let mut places = vec![0, count / 2, count - 1];
        places.retain(|place| place < count);
        places.sort_unstable();
        places.dedup();
        for (name, fault) in faults {
            for &place in &places {
                let what = format!("{way:?}: {name} at {method} {end} number {place}");
                let (story, begun) = way.story().await;
                let struck = fault.clone().on_method(method).on_path(end).skip(place);
                story.tenant.faults().inject(struck);
                let (reached, rotation, errors) = way.to_the_end(&story, &begun, &story.host()).await;
                assert_eq!(reached, RotationProgress::Done, "{what}");
                assert!(errors.len() <= 1, "{what}: {errors:#?}");
                for error in &errors {
                    let said = error.operation().is_some() && !error.message().is_empty();
                    assert!(said && error.diagnosis().id() != "", "{what}: {error:?}");
                }
                let ours = story.ours();
                assert_eq!(ours.len(), 1, "{what}: {ours:?}, errors {errors:#?}");
                assert_ne!(ours[0], story.old, "{what}");
                assert!(way == Way::Own || rotation.new_key() == Some(ours[0]), "{what}");
                runs += 1;
                stopped += errors.len();
            }
        }
    }
    assert!(runs > 40 && stopped > 3, "{runs} runs, {stopped} of them stopped");
}

#[tokio::test]
async fn secrets() {
    let expected = [
        ("GET", "/v1.0/applications/"),
        ("POST", "/addPassword"),
        ("POST", "/oauth2/v2.0/token"),
        ("POST", "/removePassword"),
    ];
    every_fault_at_every_call(Way::Secret, &expected).await;
}

#[tokio::test]
async fn certificates() {
    let expected =
        [("GET", "/v1.0/applications/"), ("PATCH", "/v1.0/applications/"), ("POST", "/oauth2/v2.0/token")];
    every_fault_at_every_call(Way::Certificate, &expected).await;
}

#[tokio::test]
async fn own_certificates() {
    let expected = [
        // Refused: the app may not read its registration.
        ("GET", "/v1.0/applications/"),
        ("POST", "/addKey"),
        ("POST", "/oauth2/v2.0/token"),
        ("POST", "/removeKey"),
    ];
    every_fault_at_every_call(Way::Own, &expected).await;
}
