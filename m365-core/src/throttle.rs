//! Permits per (app, mailbox, service), so that published limits are kept and one throttled mailbox never slows another.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::{later, until};
use crate::pipeline::Service;
use crate::{Acted, Error, ErrorKind, Result, SharedClock};

/// What a service allows for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight at a time.
    pub in_flight: usize,
    /// Requests per window.
    pub requests: usize,
    /// The window.
    pub window: Duration,
}

impl Limits {
    /// The published limits of a service, or our own where none are published.
    ///
    /// Outlook over Graph: <https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits>.
    pub const fn of(service: Service) -> Self {
        match service {
            Service::Outlook => Self { in_flight: 4, requests: 10_000, window: Duration::from_secs(600) },
            Service::ExchangeAdmin => {
                // Nothing is published; answers were seen to carry `Rate-Limit-Limit: 30000`.
                Self { in_flight: 6, requests: 30_000, window: Duration::from_secs(300) }
            }
            Service::Ews => Self { in_flight: 10, requests: 10_000, window: Duration::from_secs(600) },
            Service::Directory | Service::Token => {
                Self { in_flight: 16, requests: 8_000, window: Duration::from_secs(10) }
            }
        }
    }
}

/// Shared by every pipeline of a process that should count together. Cloning it copies a pointer.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<Mutex<Entries>>);

/// App, then service, then mailbox in lower case: each level is found by a borrowed key, so that a known mailbox costs
/// no allocation.
type ByApp = HashMap<Arc<str>, HashMap<Service, HashMap<Box<str>, Arc<Entry>>>>;

#[derive(Debug, Default)]
struct Entries {
    by_app: ByApp,
    len: usize,
    /// Entries at which idle ones are forgotten next: doubled past what was kept, so that pruning costs a constant per
    /// new entry.
    prune_at: usize,
}

#[derive(Debug)]
struct Entry {
    limits: Limits,
    in_flight: Arc<Semaphore>,
    state: Mutex<EntryState>,
}

#[derive(Debug, Default)]
struct EntryState {
    stalled_until: Option<Timestamp>,
    window: Window,
}

/// Buckets that the window is divided into.
const BUCKETS: usize = 16;

/// How many requests began in the window: counted per sixteenth of it, and the sixteenth that is only partly inside
/// counts whole, so that the limit is never passed.
#[derive(Debug, Default)]
struct Window {
    counts: [u32; BUCKETS + 1],
    /// Number of the newest bucket, counted from the epoch.
    newest: i64,
    total: u32,
}

/// The right to have one request in flight; give it back by dropping it.
#[derive(Debug)]
pub struct Permit {
    _slot: Option<OwnedSemaphorePermit>,
}

/// Entries kept before idle ones are forgotten.
const MANY: usize = 10_000;

impl Throttle {
    /// A throttle with nothing in flight.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until a request for this key may start, no longer than `within`. A stall and a full window are waited for
    /// on `clock`; a slot, which the end of another request frees, on tokio's timer.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`], nothing sent: at once, with the wait that remains, when it is longer than `within`; after
    /// `within` when no slot became free.
    pub async fn permit(
        &self,
        app: &Arc<str>,
        mailbox: Option<&str>,
        service: Service,
        clock: &SharedClock,
        within: Duration,
    ) -> Result<Permit> {
        self.permit_for(1, app, mailbox, service, clock, within).await
    }

    /// A permit under which several requests run one after the other.
    pub(crate) async fn permit_for(
        &self,
        requests: u32,
        app: &Arc<str>,
        mailbox: Option<&str>,
        service: Service,
        clock: &SharedClock,
        within: Duration,
    ) -> Result<Permit> {
        let deadline = later(clock.now(), within);
        let entry = self.entry(app, mailbox, service, clock.now());
        // Before a slot is taken: those who cannot wait so long must not stand in the way of those who can.
        entry.reachable(clock.now(), deadline)?;
        let slot = match tokio::time::timeout(within, Arc::clone(&entry.in_flight).acquire_owned()).await {
            // The semaphore is never closed; without a slot the server's own limit still holds.
            Ok(slot) => slot.ok(),
            Err(_) => {
                let full = format!("{} requests were in flight all the time", entry.limits.in_flight);
                return Err(refused(full));
            }
        };
        loop {
            let now = clock.now();
            let Some(at) = entry.next_start(now, requests) else { break };
            in_time(now, at, deadline)?;
            clock.sleep(until(now, at)).await;
        }
        Ok(Permit { _slot: slot })
    }

    /// Keeps this key from starting requests until `until`; other keys go on.
    pub fn stall(
        &self,
        app: &Arc<str>,
        mailbox: Option<&str>,
        service: Service,
        clock: &SharedClock,
        until: Timestamp,
    ) {
        let entry = self.entry(app, mailbox, service, clock.now());
        let mut state = lock(&entry.state);
        state.stalled_until = Some(state.stalled_until.map_or(until, |old| old.max(until)));
    }

    /// Until when this key is stalled, if it is.
    pub(crate) fn stalled(
        &self,
        app: &Arc<str>,
        mailbox: Option<&str>,
        service: Service,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let entry = self.entry(app, mailbox, service, now);
        lock(&entry.state).stalled_until.filter(|until| now < *until)
    }

    fn entry(&self, app: &Arc<str>, mailbox: Option<&str>, service: Service, now: Timestamp) -> Arc<Entry> {
        let mailbox = lower(mailbox.unwrap_or(""));
        let mut entries = lock(&self.0);
        let known =
            entries.by_app.get(&**app).and_then(|by| by.get(&service)).and_then(|by| by.get(&*mailbox));
        if let Some(entry) = known {
            return Arc::clone(entry);
        }
        if entries.len >= entries.prune_at.max(MANY) {
            entries.prune(now);
        }
        let limits = Limits::of(service);
        let entry = Arc::new(Entry {
            limits,
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            state: Mutex::new(EntryState::default()),
        });
        let by_service = entries.by_app.entry(Arc::clone(app)).or_default();
        by_service.entry(service).or_default().insert(mailbox.into(), Arc::clone(&entry));
        entries.len += 1;
        entry
    }
}

/// Addresses differ in case only: most are in lower case already, and then nothing is copied.
fn lower(mailbox: &str) -> Cow<'_, str> {
    if mailbox.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(mailbox)
    } else {
        Cow::Owned(mailbox.to_lowercase())
    }
}

impl Entries {
    /// Forgets what no longer limits anybody; when most are still in their window, also those far from their limit.
    fn prune(&mut self, now: Timestamp) {
        self.retain(|entry| !entry.is_free(now) || entry.recent(now) > 0);
        if self.len >= MANY {
            self.retain(|entry| {
                !entry.is_free(now) || entry.recent(now) as usize > entry.limits.requests / 8
            });
        }
        self.prune_at = self.len.saturating_mul(2);
    }

    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let mut len = 0;
        self.by_app.retain(|_, by_service| {
            by_service.retain(|_, by_mailbox| {
                // Somebody who holds an entry waits on it: a second one beside it would not count with it.
                by_mailbox.retain(|_, entry| Arc::strong_count(entry) > 1 || keep(entry));
                len += by_mailbox.len();
                !by_mailbox.is_empty()
            });
            !by_service.is_empty()
        });
        self.len = len;
    }
}

impl Entry {
    /// Whether a stall ends before the deadline.
    fn reachable(&self, now: Timestamp, deadline: Timestamp) -> Result<()> {
        lock(&self.state).stalled_until.map_or(Ok(()), |at| in_time(now, at, deadline))
    }

    /// Takes places in the window, or says when to ask again.
    fn next_start(&self, now: Timestamp, requests: u32) -> Option<Timestamp> {
        let mut state = lock(&self.state);
        if let Some(until) = state.stalled_until {
            if now < until {
                return Some(until);
            }
            state.stalled_until = None;
        }
        state.window.begin(now, self.limits, requests)
    }

    /// Nothing in flight and no stall.
    fn is_free(&self, now: Timestamp) -> bool {
        self.in_flight.available_permits() == self.limits.in_flight
            && lock(&self.state).stalled_until.is_none_or(|until| until <= now)
    }

    /// Requests in the window.
    fn recent(&self, now: Timestamp) -> u32 {
        let mut state = lock(&self.state);
        state.window.advance(now, self.limits.window);
        state.window.total
    }
}

impl Window {
    fn width(window: Duration) -> i64 {
        i64::try_from(window.as_millis()).unwrap_or(i64::MAX).div_euclid(BUCKETS as i64).max(1)
    }

    fn advance(&mut self, now: Timestamp, window: Duration) {
        let bucket = now.as_millisecond().div_euclid(Self::width(window));
        let passed = bucket.saturating_sub(self.newest);
        // A clock set back counts on in the newest bucket.
        for step in 1..=passed.min(self.counts.len() as i64) {
            if let Some(count) = self.slot(bucket - passed + step) {
                let gone = std::mem::take(count);
                self.total = self.total.saturating_sub(gone);
            }
        }
        self.newest = self.newest.max(bucket);
    }

    fn slot(&mut self, bucket: i64) -> Option<&mut u32> {
        let index = bucket.rem_euclid(self.counts.len() as i64);
        usize::try_from(index).ok().and_then(|index| self.counts.get_mut(index))
    }

    fn begin(&mut self, now: Timestamp, limits: Limits, requests: u32) -> Option<Timestamp> {
        self.advance(now, limits.window);
        let most = u32::try_from(limits.requests).unwrap_or(u32::MAX);
        if self.total > most.saturating_sub(requests) && self.total > 0 {
            let mut oldest = self.newest - BUCKETS as i64;
            while oldest < self.newest && self.slot(oldest).is_none_or(|count| *count == 0) {
                oldest += 1;
            }
            let leaves = (oldest + BUCKETS as i64 + 1).saturating_mul(Self::width(limits.window));
            return Some(Timestamp::from_millisecond(leaves).unwrap_or(Timestamp::MAX));
        }
        self.total = self.total.saturating_add(requests);
        let newest = self.newest;
        if let Some(count) = self.slot(newest) {
            *count = count.saturating_add(requests);
        }
        None
    }
}

fn in_time(now: Timestamp, at: Timestamp, deadline: Timestamp) -> Result<()> {
    if at <= deadline {
        return Ok(());
    }
    let wait = until(now, at);
    Err(refused(format!("told to wait another {} s", wait.as_secs().max(1))).with_retry_after(Some(wait)))
}

fn refused(why: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Throttled, format!("not sent: {}", why.as_ref())).with_acted(Acted::No)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::testing::ManualClock;
    use proptest::prelude::*;

    const A: Option<&str> = Some("a@x.example");
    const LONG: Duration = Duration::from_secs(7200);

    fn bench() -> (Throttle, Arc<str>, ManualClock, SharedClock) {
        let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
        (Throttle::new(), Arc::from("app"), manual.clone(), SharedClock::new(manual))
    }

    fn stall(throttle: &Throttle, app: &Arc<str>, clock: &SharedClock, seconds: u64) {
        let end = later(clock.now(), Duration::from_secs(seconds));
        throttle.stall(app, A, Service::Outlook, clock, end);
    }

    #[tokio::test]
    async fn a_stalled_mailbox_does_not_slow_another() {
        let (throttle, app, manual, clock) = bench();
        stall(&throttle, &app, &clock, 30);
        drop(throttle.permit(&app, Some("b@x.example"), Service::Outlook, &clock, LONG).await.unwrap());
        assert_eq!(manual.slept(), Duration::ZERO);
        drop(throttle.permit(&app, Some("A@x.example"), Service::Outlook, &clock, LONG).await.unwrap());
        assert_eq!(manual.slept(), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn never_more_than_four_in_flight_per_app_and_mailbox() {
        let (throttle, app, clock) = (Throttle::new(), Arc::from("app"), SharedClock::system());
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(throttle.permit(&app, A, Service::Outlook, &clock, LONG).await.unwrap());
        }
        let fifth = throttle.permit(&app, A, Service::Outlook, &clock, LONG);
        let mut fifth = std::pin::pin!(fifth);
        assert!(futures_util::poll!(&mut fifth).is_pending());
        held.pop();
        assert!(futures_util::poll!(&mut fifth).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_longer_than_the_patience_is_refused_with_what_remains() {
        let (throttle, app, manual, clock) = bench();
        let patience = Duration::from_secs(120);
        stall(&throttle, &app, &clock, 300);
        let error = throttle.permit(&app, A, Service::Outlook, &clock, patience).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.acted(), error.retry_after(), manual.slept()),
            (ErrorKind::Throttled, Acted::No, Some(Duration::from_secs(300)), Duration::ZERO)
        );
        manual.advance(Duration::from_secs(200));
        let mut held = vec![throttle.permit(&app, A, Service::Outlook, &clock, patience).await.unwrap()];
        for _ in 1..4 {
            held.push(throttle.permit(&app, A, Service::Outlook, &clock, patience).await.unwrap());
        }
        let error = throttle.permit(&app, A, Service::Outlook, &clock, patience).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, None));
    }

    #[tokio::test]
    async fn the_window_is_kept() {
        let limits = Limits::of(Service::Outlook);
        let (throttle, app, manual, clock) = bench();
        for _ in 0..=limits.requests {
            drop(throttle.permit(&app, None, Service::Outlook, &clock, LONG).await.unwrap());
        }
        assert!(manual.slept() >= limits.window && manual.slept() <= limits.window * 17 / 16);
    }

    #[test]
    fn pruning_keeps_what_is_stalled_held_or_in_flight() {
        let (throttle, app, _, clock) = bench();
        stall(&throttle, &app, &clock, 30);
        let held = throttle.entry(&app, Some("held@x.example"), Service::Outlook, clock.now());
        let busy = throttle.entry(&app, Some("busy@x.example"), Service::Outlook, clock.now());
        let slot = Arc::clone(&busy.in_flight).try_acquire_owned().unwrap();
        drop(busy);
        for number in 0..3 * MANY {
            let entry = throttle.entry(&app, Some(&format!("m{number}")), Service::Outlook, clock.now());
            // All of them are in their window, as when every mailbox is polled every few minutes.
            assert_eq!(entry.next_start(clock.now(), 1), None);
        }
        assert!(lock(&throttle.0).len <= MANY + 3, "the map is bounded");
        assert!(throttle.stalled(&app, A, Service::Outlook, clock.now()).is_some());
        assert!(Arc::ptr_eq(
            &held,
            &throttle.entry(&app, Some("held@x.example"), Service::Outlook, clock.now())
        ));
        let busy = throttle.entry(&app, Some("busy@x.example"), Service::Outlook, clock.now());
        assert_eq!(busy.in_flight.available_permits(), 3);
        drop(slot);
    }

    #[test]
    fn a_new_stall_does_not_make_others_forget_theirs() {
        let (throttle, app, _, clock) = bench();
        stall(&throttle, &app, &clock, 30);
        for number in 0..2 * MANY {
            let end = later(clock.now(), Duration::from_secs(3600));
            let mailbox = format!("m{number}");
            throttle.stall(&app, Some(&mailbox), Service::Outlook, &clock, end);
        }
        assert!(throttle.stalled(&app, A, Service::Outlook, clock.now()).is_some());
    }

    #[test]
    fn a_full_map_is_not_searched_for_every_new_mailbox() {
        let (throttle, app, _, clock) = bench();
        let end = later(clock.now(), Duration::from_secs(3600));
        for number in 0..=MANY {
            throttle.stall(&app, Some(&format!("m{number}")), Service::Outlook, &clock, end);
        }
        assert!(lock(&throttle.0).prune_at >= 2 * MANY, "the next search is far away");
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(gaps in prop::collection::vec(0i64..400, 1..300)) {
            let limits = Limits { in_flight: 1, requests: 20, window: Duration::from_millis(1600) };
            let mut window = Window::default();
            let mut now = Timestamp::from_second(1_795_000_000).unwrap();
            let mut starts: Vec<Timestamp> = Vec::new();
            for gap in gaps {
                now = later(now, Duration::from_millis(gap.unsigned_abs() / 4));
                while let Some(at) = window.begin(now, limits, 1) {
                    prop_assert!(at > now && until(now, at) <= limits.window * 17 / 16);
                    now = at;
                }
                starts.push(now);
                let inside = starts.iter().filter(|s| until(**s, now) < limits.window).count();
                prop_assert!(inside <= limits.requests);
            }
        }
    }
}
