//! Permits per (app, mailbox, service), so that published limits are kept and one throttled mailbox never slows another.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::SharedClock;
use crate::clock::{later, until};
use crate::pipeline::Service;

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
                Self { in_flight: 6, requests: 3_000, window: Duration::from_secs(300) }
            }
            Service::Ews => Self { in_flight: 10, requests: 10_000, window: Duration::from_secs(600) },
            Service::Directory | Service::Token => {
                Self { in_flight: 16, requests: 8_000, window: Duration::from_secs(10) }
            }
        }
    }
}

/// Shared by every pipeline of a process that should count together. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    app: Arc<str>,
    mailbox: Box<str>,
    service: Service,
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
    /// Start times of the window's requests; bounded by `limits.requests`.
    recent: VecDeque<Timestamp>,
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
        Self(Arc::new(Inner { entries: Mutex::new(HashMap::new()) }))
    }

    /// Waits until a request for this key may start.
    pub async fn permit(
        &self,
        app: &Arc<str>,
        mailbox: Option<&str>,
        service: Service,
        clock: &SharedClock,
    ) -> Permit {
        let entry = self.entry(app, mailbox, service, clock.now());
        // The semaphore is never closed; without a slot the server's own limit still holds.
        let slot = Arc::clone(&entry.in_flight).acquire_owned().await.ok();
        loop {
            let now = clock.now();
            let Some(at) = entry.next_start(now) else { break };
            clock.sleep(until(now, at)).await;
        }
        Permit { _slot: slot }
    }

    /// Keeps this key from starting requests until `until`; other keys go on.
    pub fn stall(&self, app: &Arc<str>, mailbox: Option<&str>, service: Service, until: Timestamp) {
        let entry = self.entry(app, mailbox, service, until);
        let mut state = lock(&entry.state);
        state.stalled_until = Some(state.stalled_until.map_or(until, |old| old.max(until)));
    }

    fn entry(&self, app: &Arc<str>, mailbox: Option<&str>, service: Service, now: Timestamp) -> Arc<Entry> {
        let key = Key { app: Arc::clone(app), mailbox: mailbox.unwrap_or("").to_lowercase().into(), service };
        let mut entries = lock(&self.0.entries);
        if entries.len() >= MANY && !entries.contains_key(&key) {
            entries.retain(|_, entry| !entry.is_idle(now));
        }
        let limits = Limits::of(service);
        Arc::clone(entries.entry(key).or_insert_with(|| {
            Arc::new(Entry {
                limits,
                in_flight: Arc::new(Semaphore::new(limits.in_flight)),
                state: Mutex::new(EntryState::default()),
            })
        }))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// Takes a place in the window, or says when to ask again.
    fn next_start(&self, now: Timestamp) -> Option<Timestamp> {
        let mut state = lock(&self.state);
        if let Some(until) = state.stalled_until {
            if now < until {
                return Some(until);
            }
            state.stalled_until = None;
        }
        while state.recent.front().is_some_and(|start| later(*start, self.limits.window) <= now) {
            state.recent.pop_front();
        }
        if state.recent.len() >= self.limits.requests {
            return state.recent.front().map(|oldest| later(*oldest, self.limits.window));
        }
        state.recent.push_back(now);
        None
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        let state = lock(&self.state);
        self.in_flight.available_permits() == self.limits.in_flight
            && state.stalled_until.is_none_or(|until| until <= now)
            && state.recent.back().is_none_or(|last| later(*last, self.limits.window) <= now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    #[tokio::test]
    async fn a_stalled_mailbox_does_not_slow_another() {
        let (throttle, app) = (Throttle::new(), Arc::from("app"));
        let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
        let clock = SharedClock::new(manual.clone());
        throttle.stall(
            &app,
            Some("a@x.example"),
            Service::Outlook,
            later(clock.now(), Duration::from_secs(30)),
        );
        drop(throttle.permit(&app, Some("b@x.example"), Service::Outlook, &clock).await);
        assert_eq!(manual.slept(), Duration::ZERO);
        drop(throttle.permit(&app, Some("A@x.example"), Service::Outlook, &clock).await);
        assert_eq!(manual.slept(), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn never_more_than_four_in_flight_per_app_and_mailbox() {
        let (throttle, app, clock) = (Throttle::new(), Arc::from("app"), SharedClock::system());
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(throttle.permit(&app, Some("a@x.example"), Service::Outlook, &clock).await);
        }
        let fifth = throttle.permit(&app, Some("a@x.example"), Service::Outlook, &clock);
        let mut fifth = std::pin::pin!(fifth);
        assert!(futures_util::poll!(&mut fifth).is_pending());
        held.pop();
        assert!(futures_util::poll!(&mut fifth).is_ready());
    }

    #[tokio::test]
    async fn the_window_is_kept() {
        let entry_limits = Limits::of(Service::Outlook);
        let (throttle, app) = (Throttle::new(), Arc::from("app"));
        let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
        let clock = SharedClock::new(manual.clone());
        for _ in 0..=entry_limits.requests {
            drop(throttle.permit(&app, None, Service::Outlook, &clock).await);
        }
        assert_eq!(manual.slept(), entry_limits.window);
    }
}
