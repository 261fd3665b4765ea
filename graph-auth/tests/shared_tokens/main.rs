//! Tokens shared by many instances: one token request between them, and whatever the store does costs the sharing alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod files;
mod stores;

use std::time::Duration;

use futures_util::future::join_all;
use graph_auth::{ErrorKind, SharedTokens, StoreKey};
use m365_core::{Cloud, Resource, TenantName, TokenCredential as _, TokenRequest};
use stores::{CLIENT, HOSTILE, Mood, TENANT, World};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn graph() -> TokenRequest {
    TokenRequest::new(Resource::Graph)
}

#[tokio::test(start_paused = true)]
async fn ten_cold_instances_with_twenty_callers_each_make_one_request() {
    let world = World::new(Mood::Good);
    world.service.delay(Duration::from_millis(300));
    let instances: Vec<_> = (0..10).map(|_| world.instance()).collect();
    let request = graph();
    let callers = instances.iter().flat_map(|instance| (0..20).map(|_| instance.get_token(&request)));
    for token in join_all(callers).await {
        assert_eq!(token.unwrap().expose_secret(), "1.contoso.example.graph.microsoft.com");
    }
    assert_eq!(world.service.requests(), 1);
    assert_eq!(world.heard.counts(), (1, 9, 0));
    assert_eq!(world.store.leases(), 0, "given back");
    let calls = world.store.calls();
    for instance in &instances {
        assert!(instance.cached_token(&request).is_some());
        instance.get_token(&request).await.unwrap();
    }
    assert_eq!(world.store.calls(), calls, "a hit does not touch the store");
}

/// As with no store at all: every caller its own resource's token, one request per instance and key, no error.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_slow_corrupt_or_hostile_costs_only_the_sharing() {
    for mood in HOSTILE {
        let world = World::new(Mood::Good);
        let other = world.instance_of(Cloud::public(), "fabrikam.example", CLIENT).with_store(world.shared());
        // So that there is something to swap and to replay.
        other.get_token(&graph()).await.unwrap();
        world.instance().get_token(&graph()).await.unwrap();
        world.instance().get_token(&graph().with_fresh()).await.unwrap();
        world.store.turn(mood);
        let instances: Vec<_> = (0..3).map(|_| world.instance()).collect();
        let before = world.service.requests();
        for round in 0..3 {
            for (n, instance) in instances.iter().enumerate() {
                let begun = Instant::now();
                for (request, host) in [
                    (graph(), "graph.microsoft.com"),
                    (TokenRequest::new(Resource::Exchange), "outlook.office365.com"),
                ] {
                    let token =
                        instance.get_token(&request).await.unwrap_or_else(|e| panic!("{mood:?}: {e}"));
                    let token = token.expose_secret();
                    assert!(token.ends_with(&format!(".{TENANT}.{host}")), "{mood:?}: {token}");
                }
                let took = begun.elapsed();
                assert!(took < Duration::from_secs(13), "{mood:?}, round {round}, instance {n}: {took:?}");
                assert!(mood == Mood::Leased || took < Duration::from_secs(3), "{mood:?}: {took:?}");
            }
            world.manual.advance(HOUR);
        }
        let requests = world.service.requests() - before;
        assert!(requests <= 3 * 3 * 2, "{mood:?}: {requests}");
        let failures = world.heard.counts().2;
        let silent = matches!(mood, Mood::Replayed | Mood::Generous | Mood::Forgetful);
        assert_eq!(failures == 0, silent, "{mood:?}: {failures}");
        // And it is used again once it is well.
        world.store.turn(Mood::Good);
        tokio::time::sleep(Duration::from_secs(6)).await;
        let before = world.service.requests();
        for instance in &instances {
            instance.get_token(&graph()).await.unwrap();
        }
        assert_eq!(world.service.requests() - before, 1, "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_failed_is_left_alone_for_a_while() {
    let world = World::new(Mood::Hangs);
    let instance = world.instance();
    let begun = Instant::now();
    for n in 0..50 {
        let tenant = TenantName::parse(&format!("t{n}.example")).unwrap();
        instance.get_token(&graph().with_tenant(tenant)).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
    assert_eq!((world.store.calls(), world.heard.counts()), (1, (50, 0, 1)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.store.turn(Mood::Good);
    let tenant = TenantName::parse("last.example").unwrap();
    instance.get_token(&graph().with_tenant(tenant)).await.unwrap();
    assert!(world.store.calls() > 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_refreshed_ahead_has_done_so_for_all() {
    let world = World::new(Mood::Good);
    let (a, b) = (world.instance(), world.instance());
    for round in 1..=5 {
        let (one, two) = (a.get_token(&graph()).await.unwrap(), b.get_token(&graph()).await.unwrap());
        assert_eq!(one, two);
        assert_eq!(world.service.requests(), round);
        // Into the refresh window: 55 min at the latest, and the end is at 60.
        world.manual.advance(56 * MINUTE);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_10_a_fresh_token_is_minted_and_left_for_the_others() {
    let world = World::new(Mood::Good);
    let (a, b) = (world.instance(), world.instance());
    a.get_token(&graph()).await.unwrap();
    let fresh = b.get_token(&graph().with_fresh()).await.unwrap();
    assert!(fresh.expose_secret().starts_with("2."));
    let again = b.get_token(&graph().with_fresh()).await.unwrap();
    assert!(again.expose_secret().starts_with("3."), "not the one of a moment ago");
    assert_eq!(world.instance().get_token(&graph()).await.unwrap(), again);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_resource_refused_is_replaced_once_for_all() {
    let world = World::new(Mood::Good);
    let (a, b) = (world.instance(), world.instance());
    let old = a.get_token(&graph()).await.unwrap();
    assert_eq!(b.get_token(&graph()).await.unwrap(), old);
    world.manual.advance(MINUTE);
    let new = a.get_token(&graph().with_rejected(old.clone())).await.unwrap();
    assert!(new.expose_secret().starts_with("2."));
    assert_eq!(
        b.get_token(&graph().with_rejected(old.clone())).await.unwrap(),
        new,
        "the newer one of the store"
    );
    assert_eq!(world.service.requests(), 2);
    // A store that shows the refused one again is not believed.
    world.store.turn(Mood::Replayed);
    world.manual.advance(MINUTE);
    let newest = b.get_token(&graph().with_rejected(new)).await.unwrap();
    assert!(newest.expose_secret().starts_with("3."), "{newest:?}");
    world.manual.advance(HOUR);
    assert!(b.get_token(&graph()).await.unwrap().expose_secret().starts_with("4."));
}

#[tokio::test(start_paused = true)]
async fn trap_10_what_is_older_than_an_invalidation_is_not_fetched_back() {
    let world = World::new(Mood::Good);
    let (a, cold) = (world.instance(), world.instance());
    a.get_token(&graph()).await.unwrap();
    world.manual.advance(MINUTE);
    a.invalidate(&Resource::Graph);
    cold.invalidate(&Resource::Graph);
    let new = a.get_token(&graph()).await.unwrap();
    assert!(new.expose_secret().starts_with("2."));
    let cold_ones = cold.get_token(&graph()).await.unwrap();
    // Its clock may be another: a token of about the same time is no proof.
    assert!(cold_ones.expose_secret().starts_with("3."), "also before the first call");
    assert_eq!(world.instance().get_token(&graph()).await.unwrap(), cold_ones);
    world.manual.advance(56 * MINUTE);
    assert_eq!(a.get_token(&graph()).await.unwrap(), cold.get_token(&graph()).await.unwrap());
    assert_eq!(world.service.requests(), 4, "shared again");
}

#[tokio::test(start_paused = true)]
async fn only_the_same_app_tenant_cloud_and_key_share() {
    let world = World::new(Mood::Good);
    world.instance().get_token(&graph()).await.unwrap();
    let elsewhere = [
        world.instance_of(Cloud::public(), "fabrikam.example", CLIENT),
        world.instance_of(Cloud::public(), TENANT, "7d3f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d"),
        // One sign-in host, two Graphs.
        world.instance_of(Cloud::us_gov_l4(), TENANT, CLIENT),
        world.instance_of(Cloud::us_gov_dod(), TENANT, CLIENT),
    ];
    for (n, credential) in elsewhere.into_iter().enumerate() {
        credential.with_store(world.shared()).get_token(&graph()).await.unwrap();
        assert_eq!(world.service.requests(), u32::try_from(n).unwrap() + 2);
    }
    let before = world.heard.counts();
    let stranger = SharedTokens::new(world.store.clone(), StoreKey::generate().unwrap());
    let credential = world.instance_of(Cloud::public(), TENANT, CLIENT).with_store(stranger);
    credential.get_token(&graph()).await.unwrap();
    assert_eq!(world.heard.counts(), (before.0 + 1, 0, 0), "another key finds nothing, and no fault either");
}

#[tokio::test(start_paused = true)]
async fn trap_7_the_answer_to_a_claims_challenge_is_not_shared() {
    let world = World::new(Mood::Good);
    let (a, b) = (world.instance(), world.instance());
    let old = a.get_token(&graph()).await.unwrap();
    assert_eq!(b.get_token(&graph()).await.unwrap(), old);
    let saved = world.store.dump().len();
    let challenged = graph().with_claims(r#"{"access_token":{}}"#).with_rejected(old.clone());
    let answer = a.get_token(&challenged).await.unwrap();
    assert_eq!(world.store.dump().len(), saved);
    assert_eq!(a.get_token(&graph()).await.unwrap(), answer);
    // The store still has the old one, which a no longer takes.
    let next = a.get_token(&graph().with_rejected(answer)).await.unwrap();
    assert!(next.expose_secret().starts_with("3."));
}

#[tokio::test(start_paused = true)]
async fn a_holder_who_died_is_waited_for_and_then_taken_over_by_one() {
    let world = World::new(Mood::Good);
    world.instance().get_token(&graph()).await.unwrap();
    let names = world.store.names();
    world.store.forget();
    world.store.lease_all_for_the_dead(&names);
    let (begun, request) = (Instant::now(), graph());
    let instances: Vec<_> = (0..5).map(|_| world.instance()).collect();
    for token in join_all(instances.iter().map(|i| i.get_token(&request))).await {
        assert!(token.unwrap().expose_secret().starts_with("2."));
    }
    let waited = begun.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&waited), "{waited:?}");
    assert_eq!(world.service.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_the_lease_looks_again_before_minting() {
    let world = World::new(Mood::Good);
    let token = world.instance().get_token(&graph()).await.unwrap();
    world.store.turn(Mood::Late);
    assert_eq!(world.instance().get_token(&graph()).await.unwrap(), token);
    assert_eq!((world.service.requests(), world.store.leases()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_went_away_leaves_no_lease_behind() {
    let world = World::new(Mood::Good);
    world.service.delay(Duration::from_secs(3));
    let (a, request) = (world.instance(), graph());
    assert!(tokio::time::timeout(Duration::from_secs(1), a.get_token(&request)).await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.store.leases(), 0);
    world.service.delay(Duration::ZERO);
    let begun = Instant::now();
    world.instance().get_token(&request).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_instance_in_the_refresh_window_waits_two_seconds_at_most() {
    let world = World::new(Mood::Good);
    let a = world.instance();
    a.get_token(&graph()).await.unwrap();
    world.manual.advance(56 * MINUTE);
    world.store.turn(Mood::Leased);
    let begun = Instant::now();
    assert!(a.get_token(&graph()).await.unwrap().expose_secret().starts_with("2."));
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reaches_the_caller_and_gives_the_lease_back() {
    let world = World::new(Mood::Good);
    world.service.refuse(true);
    let error = world.instance().get_token(&graph()).await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Authentication, Some("invalid_client")));
    assert_eq!((world.store.leases(), world.store.dump().len()), (0, 0));
    world.service.refuse(false);
    world.instance().get_token(&graph()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_with_a_store_and_a_token_at_hand_is_not_lost_over_it() {
    let world = World::new(Mood::Leased);
    world.service.delay(Duration::from_secs(60));
    let a = world.instance().with_deadline(Duration::from_secs(4));
    let begun = Instant::now();
    assert_eq!(a.get_token(&graph()).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(begun.elapsed().as_secs(), 4);
    world.store.turn(Mood::HangsOnSave);
    world.service.delay(Duration::from_millis(3900));
    world.manual.advance(HOUR);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let begun = Instant::now();
    a.get_token(&graph()).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_millis(4010), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_expired_or_come_from_the_future_are_not_taken() {
    let world = World::new(Mood::Good);
    world.instance().get_token(&graph()).await.unwrap();
    let mut behind = World::new(Mood::Good);
    (behind.store, behind.service, behind.key) =
        (world.store.clone(), world.service.clone(), world.key.clone());
    behind.manual = m365_core::testing::ManualClock::at("2026-11-21T07:00:00Z".parse().unwrap());
    behind.instance().get_token(&graph()).await.unwrap();
    assert_eq!(world.service.requests(), 2, "this clock is an hour behind");
    world.manual.advance(HOUR);
    world.instance().get_token(&graph()).await.unwrap();
    assert_eq!(world.service.requests(), 3, "expired");
}

#[tokio::test(start_paused = true)]
async fn trap_11_no_token_tenant_or_app_is_in_the_store_or_in_debug() {
    let world = World::new(Mood::Good);
    let instance = world.instance();
    for request in [graph(), TokenRequest::new(Resource::Exchange), graph().with_fresh()] {
        instance.get_token(&request).await.unwrap();
    }
    let dump = world.store.dump();
    assert_eq!(dump.len(), 3);
    for (name, record) in &dump {
        assert_eq!(name.len(), 64);
        let text = format!("{name} {}", String::from_utf8_lossy(record)).to_lowercase();
        for hidden in ["contoso", "microsoft", "office365", "6c2f7b1e", "default"] {
            assert!(!text.contains(hidden), "{hidden}");
        }
    }
    assert!(!format!("{instance:?} {:?} {:?}", world.shared(), world.key).contains("secret"));
}
