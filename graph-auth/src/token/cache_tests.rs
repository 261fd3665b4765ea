use std::sync::atomic::{AtomicU32, Ordering};

use m365_core::testing::ManualClock;
use m365_core::{ClientId, ErrorKind, SystemClock, TenantName};
use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::TokenScope;

struct Quiet;

impl TokenObserver for Quiet {}

#[derive(Default)]
struct Counts {
    hits: AtomicU32,
    minted: AtomicU32,
    ahead: AtomicU32,
    failed: AtomicU32,
    kept: AtomicU32,
}

impl TokenObserver for Counts {
    fn hit(&self, _: &TokenScope<'_>) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
    fn minted(&self, _: &TokenScope<'_>, _: Duration, ahead: bool) {
        if ahead { &self.ahead } else { &self.minted }.fetch_add(1, Ordering::Relaxed);
    }
    fn failed(&self, _: &TokenScope<'_>, _: &Error, kept: bool) {
        if kept { &self.kept } else { &self.failed }.fetch_add(1, Ordering::Relaxed);
    }
}

fn tenant(n: usize) -> TenantName {
    TenantName::parse(&format!("t{n}.example")).unwrap()
}

fn key(tenant: &TenantName) -> KeyRef<'_> {
    KeyRef {
        authority: "https://login.example/",
        tenant: Some(tenant),
        client: Some(ClientId::from_bytes([7; 16])),
        certificate: 0,
        own: false,
        resource: &Resource::Graph,
        claims: None,
    }
}

fn manual() -> (ManualClock, SharedClock) {
    let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    (manual.clone(), SharedClock::new(manual))
}

fn token(name: &str, clock: &SharedClock, life: u64) -> AccessToken {
    AccessToken::new(name, later(clock.now(), Duration::from_secs(life))).unwrap()
}

fn slot(token: AccessToken, clock: &SharedClock) -> Slot {
    Slot::new(token, clock.now(), clock.now())
}

fn refused() -> Error {
    Error::new(ErrorKind::Authentication, "no").with_code("invalid_client").with_aadsts(vec![7_000_215])
}

/// Runs `get` with a mint that counts and answers at once.
async fn ask(
    cache: &TokenCache,
    tenant: &TenantName,
    how: Ask<'_>,
    clock: &SharedClock,
    calls: &AtomicU32,
    answer: impl Fn() -> Result<AccessToken> + Send + Sync,
) -> Result<AccessToken> {
    cache
        .get(key(tenant), how, clock, &Quiet, async |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            answer().map(Minted::from)
        })
        .await
}

#[tokio::test]
async fn trap_3_fifty_cold_callers_cause_one_request() {
    let (cache, clock, calls, t) =
        (TokenCache::new(), SharedClock::new(SystemClock), AtomicU32::new(0), tenant(1));
    let all = (0..50).map(|_| {
        cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(token("a", &clock, 3600).into())
        })
    });
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap().expose_secret(), "a");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn trap_3_twenty_callers_of_a_failing_key_cause_one_request_per_window() {
    let ((manual, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let calls = AtomicU32::new(0);
    for round in 1..=3 {
        let all = (0..20).map(|_| {
            cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err(refused())
            })
        });
        for answer in futures_util::future::join_all(all).await {
            let error = answer.unwrap_err();
            assert_eq!(
                (error.kind(), error.service_code()),
                (ErrorKind::Authentication, Some("invalid_client"))
            );
            assert_eq!(error.aadsts(), [7_000_215]);
        }
        assert_eq!(calls.load(Ordering::Relaxed), round);
        manual.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn trap_3_a_hit_for_one_key_returns_while_another_hangs() {
    let ((_, clock), cache, a, b) = (manual(), TokenCache::new(), tenant(1), tenant(2));
    let calls = AtomicU32::new(0);
    ask(&cache, &a, Ask::default(), &clock, &calls, || Ok(token("a", &clock, 3600))).await.unwrap();
    let hanging = cache.get(key(&b), Ask::default(), &clock, &Quiet, async |_| std::future::pending().await);
    let mut hanging = std::pin::pin!(hanging);
    assert!(futures_util::poll!(&mut hanging).is_pending());
    let hit = cache.get(key(&a), Ask::default(), &clock, &Quiet, async |_| Err(refused()));
    let mut hit = std::pin::pin!(hit);
    assert!(futures_util::poll!(&mut hit).is_ready());
    assert!(cache.peek(key(&a), Ask::default(), clock.now(), &Quiet).is_some());
}

#[tokio::test]
async fn one_caller_refreshes_ahead_while_the_others_keep_the_valid_token() {
    let ((manual, clock), cache, t, counts) = (manual(), TokenCache::new(), tenant(1), Counts::default());
    let calls = AtomicU32::new(0);
    ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("old", &clock, 3600))).await.unwrap();
    manual.advance(Duration::from_secs(3400));
    assert!(cache.peek(key(&t), Ask::default(), clock.now(), &counts).is_none(), "the first one refreshes");
    let gate = Notify::new();
    let leader = cache.get(key(&t), Ask::default(), &clock, &counts, async |flight: Flight| {
        assert!(flight.ahead);
        gate.notified().await;
        Ok(token("new", &clock, 3600).into())
    });
    let mut leader = std::pin::pin!(leader);
    assert!(futures_util::poll!(&mut leader).is_pending());
    for _ in 0..3 {
        let other = ask(&cache, &t, Ask::default(), &clock, &calls, || Err(refused())).await.unwrap();
        assert_eq!(other.expose_secret(), "old");
        assert!(cache.peek(key(&t), Ask::default(), clock.now(), &counts).is_some());
    }
    gate.notify_one();
    assert_eq!(leader.await.unwrap().expose_secret(), "new");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!((counts.ahead.load(Ordering::Relaxed), counts.hits.load(Ordering::Relaxed)), (1, 3));
}

#[tokio::test]
async fn trap_4_a_failed_refresh_keeps_the_valid_token_and_after_its_end_the_error_comes() {
    let ((manual, clock), cache, t, counts) = (manual(), TokenCache::new(), tenant(1), Counts::default());
    let calls = AtomicU32::new(0);
    ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("old", &clock, 3600))).await.unwrap();
    manual.advance(Duration::from_secs(3400));
    let fail = async |_| Err(Error::new(ErrorKind::Unavailable, "down"));
    let kept = cache.get(key(&t), Ask::default(), &clock, &counts, fail).await.unwrap();
    assert_eq!(kept.expose_secret(), "old");
    // Backed off: the next caller is not sent to Entra again at once.
    assert!(cache.peek(key(&t), Ask::default(), clock.now(), &counts).is_some());
    manual.advance(Duration::from_secs(300));
    let error = cache.get(key(&t), Ask::default(), &clock, &counts, fail).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!((counts.kept.into_inner(), counts.failed.into_inner()), (1, 1));
}

#[tokio::test]
async fn trap_5_retry_after_binds_every_caller_of_the_key() {
    let ((manual, clock), cache, t, other) = (manual(), TokenCache::new(), tenant(1), tenant(2));
    let calls = AtomicU32::new(0);
    let throttled =
        || Err(Error::new(ErrorKind::Throttled, "slow").with_retry_after(Some(Duration::from_secs(120))));
    let fresh = Ask { fresh: true, ..Ask::default() };
    for how in [Ask::default(), Ask::default(), fresh] {
        let error = ask(&cache, &t, how, &clock, &calls, throttled).await.unwrap_err();
        assert!(error.retry_after().unwrap() <= Duration::from_secs(120));
        manual.advance(Duration::from_secs(30));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    ask(&cache, &other, Ask::default(), &clock, &calls, throttled).await.unwrap_err();
    assert_eq!(calls.load(Ordering::Relaxed), 2, "another key is not bound");
    manual.advance(Duration::from_secs(31));
    ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("a", &clock, 60))).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_leader_is_taken_over() {
    let ((_, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let calls = AtomicU32::new(0);
    let mut leader =
        Box::pin(cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| std::future::pending().await));
    assert!(futures_util::poll!(&mut leader).is_pending());
    let follower = ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("b", &clock, 3600)));
    let mut follower = std::pin::pin!(follower);
    assert!(futures_util::poll!(&mut follower).is_pending());
    drop(leader);
    assert_eq!(follower.await.unwrap().expose_secret(), "b");
}

#[tokio::test]
async fn a_rejected_token_is_not_handed_out_again_and_two_rejecters_mint_once() {
    let ((_, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let calls = AtomicU32::new(0);
    let old =
        ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("old", &clock, 3600))).await.unwrap();
    let reject = Ask { rejected: Some(&old), fresh: false };
    for _ in 0..2 {
        let new = ask(&cache, &t, reject, &clock, &calls, || Ok(token("new", &clock, 3600))).await.unwrap();
        assert_eq!(new.expose_secret(), "new");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn trap_10_invalidation_drops_the_resources_tokens_also_those_on_their_way() {
    let ((_, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let calls = AtomicU32::new(0);
    let gate = Notify::new();
    let early = cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
        gate.notified().await;
        Ok(token("before-consent", &clock, 3600).into())
    });
    let mut early = std::pin::pin!(early);
    assert!(futures_util::poll!(&mut early).is_pending());
    cache.invalidate(&Resource::Graph);
    gate.notify_one();
    assert_eq!(early.await.unwrap().expose_secret(), "before-consent");
    let after =
        ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("after", &clock, 3600))).await.unwrap();
    assert_eq!(after.expose_secret(), "after");
    cache.invalidate(&Resource::Exchange);
    assert!(cache.peek(key(&t), Ask::default(), clock.now(), &Quiet).is_some(), "another resource");
    cache.invalidate(&Resource::Graph);
    assert!(cache.peek(key(&t), Ask::default(), clock.now(), &Quiet).is_none());
}

#[tokio::test]
async fn a_fresh_token_never_comes_from_a_flight_begun_earlier() {
    let ((_, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let calls = AtomicU32::new(0);
    let gate = Notify::new();
    let early = cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
        gate.notified().await;
        Ok(token("early", &clock, 3600).into())
    });
    let mut early = std::pin::pin!(early);
    assert!(futures_util::poll!(&mut early).is_pending());
    let fresh = Ask { fresh: true, ..Ask::default() };
    let late = ask(&cache, &t, fresh, &clock, &calls, || Ok(token("late", &clock, 3600)));
    let mut late = std::pin::pin!(late);
    assert!(futures_util::poll!(&mut late).is_pending());
    gate.notify_one();
    assert_eq!(early.await.unwrap().expose_secret(), "early");
    assert_eq!(late.await.unwrap().expose_secret(), "late");
    let again = ask(&cache, &t, fresh, &clock, &calls, || Ok(token("again", &clock, 3600))).await.unwrap();
    assert_eq!(again.expose_secret(), "again");
}

#[tokio::test]
async fn the_cache_stays_bounded_and_keeps_what_lives_longest() {
    let ((manual, clock), cache) = (manual(), TokenCache::with_capacity(16));
    let calls = AtomicU32::new(0);
    for n in 0..100 {
        let t = tenant(n);
        ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("a", &clock, 3600))).await.unwrap();
        manual.advance(Duration::from_secs(1));
        assert!(cache.0.longest() <= 16);
    }
    assert!(cache.peek(key(&tenant(99)), Ask::default(), clock.now(), &Quiet).is_some());
    assert!(cache.peek(key(&tenant(0)), Ask::default(), clock.now(), &Quiet).is_none());
}

#[test]
fn refresh_comes_before_the_end_and_never_after_what_the_issuer_advised() {
    let (_, clock) = manual();
    let at = |slot: &Slot| until(clock.now(), slot.refresh_at).as_secs();
    for _ in 0..50 {
        let hour = slot(token("a", &clock, 3600), &clock);
        assert!((2970..=3300).contains(&at(&hour)), "{}", at(&hour));
        let day = slot(token("a", &clock, 86_400), &clock);
        assert!((42_900..=43_200).contains(&at(&day)), "{}", at(&day));
        let told = token("a", &clock, 3600).with_refresh_on(later(clock.now(), Duration::from_secs(1800)));
        assert!((1620..=1800).contains(&at(&slot(told, &clock))));
        let short = slot(token("a", &clock, 20), &clock);
        assert!(
            short.refresh_at <= short.usable_until
                && short.usable_until < later(clock.now(), Duration::from_secs(20))
        );
    }
}

#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Ask { works: bool, fresh: bool },
    Reject { works: bool },
    Invalidate,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1u64..2000).prop_map(Event::Pass),
        (any::<bool>(), proptest::bool::weighted(0.2)).prop_map(|(works, fresh)| Event::Ask { works, fresh }),
        any::<bool>().prop_map(|works| Event::Reject { works }),
        Just(Event::Invalidate),
    ]
}

proptest! {
    /// Against a model that knows only: which tokens exist, until when, which were refused or invalidated.
    #[test]
    fn never_serves_what_it_must_not(events in proptest::collection::vec(event(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let ((manual, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
            let (calls, serial) = (AtomicU32::new(0), AtomicU32::new(0));
            let mut dead = std::collections::HashSet::new();
            let mut last: Option<AccessToken> = None;
            for event in events {
                let (works, how_fresh, rejected) = match event {
                    Event::Pass(seconds) => {
                        manual.advance(Duration::from_secs(seconds));
                        continue;
                    }
                    Event::Invalidate => {
                        cache.invalidate(&Resource::Graph);
                        dead.extend(0..=serial.load(Ordering::Relaxed));
                        continue;
                    }
                    Event::Ask { works, fresh } => (works, fresh, None),
                    Event::Reject { works } => (works, false, last.clone()),
                };
                let number = |t: &AccessToken| t.expose_secret().parse::<u32>().unwrap();
                if let Some(rejected) = &rejected {
                    dead.insert(number(rejected));
                }
                let before = (calls.load(Ordering::Relaxed), serial.load(Ordering::Relaxed));
                let how = Ask { rejected: rejected.as_ref(), fresh: how_fresh };
                let got = ask(&cache, &t, how, &clock, &calls, || {
                    if works {
                        let n = serial.fetch_add(1, Ordering::Relaxed) + 1;
                        Ok(token(&n.to_string(), &clock, 3600))
                    } else {
                        Err(refused())
                    }
                })
                .await;
                prop_assert!(calls.load(Ordering::Relaxed) - before.0 <= 1);
                match got {
                    Ok(token) => {
                        prop_assert!(token.expires_on() > clock.now());
                        prop_assert!(!dead.contains(&number(&token)), "served a dead token");
                        prop_assert!(!how_fresh || number(&token) > before.1, "fresh from the cache");
                        last = Some(token);
                    }
                    Err(_) => prop_assert!(
                        last.as_ref().is_none_or(|l| how_fresh
                            || dead.contains(&number(l))
                            || until(clock.now(), l.expires_on()) <= Duration::from_secs(30)),
                        "an error although a valid token is there"
                    ),
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_fresh_token_never_comes_out_of_a_shared_store() {
    let ((_, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let gate = Notify::new();
    let first = cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
        std::future::pending::<()>().await;
        Ok(token("never", &clock, 3600).into())
    });
    let mut first = Box::pin(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    // Both wait for the first; it gives up, and the plain one is next: it finds an old token in the store.
    let mut plain = Box::pin(cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
        gate.notified().await;
        Ok(Minted { token: token("old", &clock, 600), at: Some(clock.now()), shared: true })
    }));
    assert!(futures_util::poll!(&mut plain).is_pending());
    let wanted = Ask { fresh: true, ..Ask::default() };
    let mut fresh =
        Box::pin(cache.get(key(&t), wanted, &clock, &Quiet, async |_| Ok(token("new", &clock, 3600).into())));
    assert!(futures_util::poll!(&mut fresh).is_pending());
    drop(first);
    assert!(futures_util::poll!(&mut plain).is_pending());
    gate.notify_one();
    assert_eq!(plain.await.unwrap().expose_secret(), "old");
    assert_eq!(fresh.await.unwrap().expose_secret(), "new");
}

#[tokio::test]
async fn trap_5_retry_after_binds_also_while_the_old_token_is_kept() {
    let ((manual, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let calls = AtomicU32::new(0);
    ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("a", &clock, 3600))).await.unwrap();
    manual.advance(Duration::from_secs(3500));
    let busy =
        || Err(Error::new(ErrorKind::Throttled, "busy").with_retry_after(Some(Duration::from_secs(120))));
    let kept = ask(&cache, &t, Ask::default(), &clock, &calls, busy).await.unwrap();
    assert_eq!((kept.expose_secret(), calls.load(Ordering::Relaxed)), ("a", 2));
    let fresh = Ask { fresh: true, ..Ask::default() };
    for (seconds, how) in [(0, fresh), (80, Ask::default()), (110, Ask::default()), (110, fresh)] {
        let at = "2026-11-21T08:00:00Z".parse::<Timestamp>().unwrap();
        let passed = until(later(at, Duration::from_secs(3500)), clock.now());
        manual.advance(Duration::from_secs(seconds).saturating_sub(passed));
        let error = ask(&cache, &t, how, &clock, &calls, || Ok(token("b", &clock, 3600))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.retry_after().unwrap() <= Duration::from_secs(120));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    manual.advance(Duration::from_secs(11));
    ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("b", &clock, 3600))).await.unwrap();
}

#[tokio::test]
async fn a_failure_of_before_an_invalidation_is_not_remembered() {
    let ((_, clock), cache, t) = (manual(), TokenCache::new(), tenant(1));
    let gate = Notify::new();
    let mut early = Box::pin(cache.get(key(&t), Ask::default(), &clock, &Quiet, async |_| {
        gate.notified().await;
        Err(refused())
    }));
    assert!(futures_util::poll!(&mut early).is_pending());
    cache.invalidate(&Resource::Graph);
    gate.notify_one();
    assert_eq!(early.await.unwrap_err().kind(), ErrorKind::Authentication);
    let calls = AtomicU32::new(0);
    ask(&cache, &t, Ask::default(), &clock, &calls, || Ok(token("a", &clock, 3600))).await.unwrap();
}
