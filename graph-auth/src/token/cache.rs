//! Single flight per key, refresh ahead by one caller, old token kept while valid, failures shared and remembered.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use jiff::Timestamp;
use m365_core::{AccessToken, Error, Resource, Result, SharedClock, later, until};
use tokio::sync::Notify;

use super::observer::TokenObserver;
use super::retell::retell;
use super::shelf::{KeyRef, Shelves};

/// Keys kept before idle ones are forgotten.
const CAPACITY: usize = 10_000;
/// Longest time for which a failure is remembered without the server asking for more.
const LONGEST_FAILURE: Duration = Duration::from_secs(60);

/// How a caller wants its token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ask<'a> {
    /// Not this one again.
    pub(super) rejected: Option<&'a AccessToken>,
    /// Minted after the call began.
    pub(super) fresh: bool,
}

/// What whoever mints has to know.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "token-store"), allow(dead_code, reason = "only a shared store asks for all of it"))]
pub(super) struct Flight {
    /// The old token is still valid.
    pub(super) ahead: bool,
    /// Nothing minted earlier will do.
    pub(super) fresh: bool,
    /// Neither will a token minted at or before this time: it is at hand already, or a resource refused it.
    pub(super) floor: Option<Timestamp>,
}

/// A token and where it is from.
pub(super) struct Minted {
    pub(super) token: AccessToken,
    /// When it was asked for; none for: in this flight.
    pub(super) at: Option<Timestamp>,
    /// Another process asked for it.
    pub(super) shared: bool,
}

impl From<AccessToken> for Minted {
    fn from(token: AccessToken) -> Self {
        Self { token, at: None, shared: false }
    }
}

/// The tokens of one credential.
pub(super) struct TokenCache(Shelves);

#[derive(Default)]
pub(super) struct Entry {
    /// Held by the one caller who mints; dropped with it when it is cancelled, so that the next one takes over.
    flight: tokio::sync::Mutex<()>,
    /// Told when a flight has ended, well or badly.
    landed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    slot: Option<Slot>,
    failure: Option<Failure>,
    failures_in_a_row: u32,
    /// Flights begun so far.
    begun: u64,
    /// Flights ended so far.
    ended: u64,
    /// Number of the flight that ended last.
    last: u64,
    /// Grows with each invalidation; a flight begun before one leaves nothing behind.
    generation: u64,
    /// When the newest token was minted that a resource refused.
    refused: Option<Timestamp>,
}

struct Slot {
    token: AccessToken,
    minted: Timestamp,
    /// Number of the flight that minted it; none of a token that was there before its flight began.
    flight: Option<u64>,
    usable_until: Timestamp,
    refresh_at: Timestamp,
}

struct Failure {
    error: Arc<Error>,
    until: Timestamp,
    /// The server named the time: it binds callers who want a fresh token, too.
    asked: bool,
    /// Number of the flight.
    flight: u64,
}

enum Look {
    Hit(AccessToken),
    /// Valid, and somebody should refresh it.
    Due(AccessToken),
    Failed(Error),
    Miss,
}

enum Turn<'a> {
    Mint(tokio::sync::MutexGuard<'a, ()>),
    Served(AccessToken),
    Failed(Error),
}

/// What a caller saw when it began to wait.
#[derive(Clone, Copy)]
struct Arrival {
    begun: u64,
    ended: u64,
}

impl TokenCache {
    pub(super) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self(Shelves::new(capacity))
    }

    /// A token of the own tenant that nobody has to refresh yet.
    pub(super) fn at_a_glance(&self, resource: &Resource, now: Timestamp) -> Option<AccessToken> {
        self.0.home(resource)?.lock().at_a_glance(now)
    }

    /// A token at hand: no wait, no allocation. `None` when there is none, or when this caller should refresh it.
    pub(super) fn peek(
        &self,
        key: KeyRef<'_>,
        ask: Ask<'_>,
        now: Timestamp,
        observer: &dyn TokenObserver,
    ) -> Option<AccessToken> {
        let token = self.0.with(&key, |entry| entry.peek(now, ask)).flatten();
        token.map(|token| hit(observer, &key, token))
    }

    /// A token, minted when need be by exactly one caller per key.
    pub(super) async fn get<M, F>(
        &self,
        key: KeyRef<'_>,
        ask: Ask<'_>,
        clock: &SharedClock,
        observer: &dyn TokenObserver,
        mint: M,
    ) -> Result<AccessToken>
    where
        M: FnOnce(Flight) -> F + Send,
        F: Future<Output = Result<Minted>> + Send,
    {
        let entry = self.0.entry(&key, clock.now());
        let (arrival, looked) = {
            let mut state = entry.lock();
            let looked = state.look(clock.now(), ask, None);
            (Arrival { begun: state.begun, ended: state.ended }, looked)
        };
        let _flight = match looked {
            Look::Hit(token) => return Ok(hit(observer, &key, token)),
            Look::Failed(error) => return Err(error),
            Look::Due(token) => match entry.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return Ok(hit(observer, &key, token)),
            },
            Look::Miss => match entry.turn(clock, ask, arrival).await {
                Turn::Mint(flight) => flight,
                Turn::Served(token) => return Ok(hit(observer, &key, token)),
                Turn::Failed(error) => return Err(error),
            },
        };
        // Whoever held the flight before may have answered for all who waited.
        let began = clock.now();
        let (kept, floor, flight, generation) = {
            let mut state = entry.lock();
            let kept = match state.look(began, ask, Some(arrival)) {
                Look::Hit(token) => return Ok(hit(observer, &key, token)),
                Look::Failed(error) => return Err(error),
                Look::Due(token) => Some(token),
                Look::Miss => None,
            };
            state.begun += 1;
            let at_hand = kept.is_some().then(|| state.slot.as_ref().map(|slot| slot.minted)).flatten();
            (kept, at_hand.max(state.refused), state.begun, state.generation)
        };

        let minted = mint(Flight { ahead: kept.is_some(), fresh: ask.fresh, floor }).await;

        let now = clock.now();
        let mut state = entry.lock();
        state.ended += 1;
        state.last = flight;
        // They look once this state is unlocked.
        entry.landed.notify_waiters();
        match minted {
            Ok(Minted { token, at, shared }) => {
                state.failures_in_a_row = 0;
                state.failure = None;
                if state.generation == generation {
                    let minted = at.unwrap_or(began);
                    let slot = Slot::new(token.clone(), minted, if shared { minted } else { now });
                    state.slot = Some(Slot { flight: (!shared).then_some(flight), ..slot });
                }
                drop(state);
                if shared {
                    observer.shared(&key.scope());
                } else {
                    observer.minted(&key.scope(), until(began, now), kept.is_some());
                }
                Ok(token)
            }
            Err(error) => {
                let wait = state.back_off(error.retry_after());
                let kept = match (&mut state.slot, kept) {
                    (Some(slot), Some(token)) if slot.usable_until > now => {
                        slot.refresh_at = later(now, wait).min(slot.usable_until);
                        Some(token)
                    }
                    _ => None,
                };
                let error = Arc::new(error);
                let asked = error.retry_after().is_some();
                // What the server asked for binds everybody in any case. Other failures are of no use to those who have a
                // token, and none of those who come after an invalidation.
                if asked || kept.is_none() && state.generation == generation {
                    state.failure =
                        Some(Failure { error: error.clone(), until: later(now, wait), asked, flight });
                }
                drop(state);
                observer.failed(&key.scope(), &error, kept.is_some());
                kept.ok_or_else(|| share(&error, now, now))
            }
        }
    }

    /// Drops the tokens of a resource, for every tenant.
    pub(super) fn invalidate(&self, resource: &Resource) {
        self.0.each(resource, |entry| {
            let mut state = entry.lock();
            state.generation += 1;
            state.slot = None;
            if state.failure.as_ref().is_some_and(|f| !f.asked) {
                state.failure = None;
            }
        });
    }

    /// Puts `token` in the place of `old`, if that is still there: the answer to a claims challenge serves later calls
    /// that know nothing of the challenge.
    pub(super) fn replace(&self, key: KeyRef<'_>, old: &AccessToken, token: &AccessToken, now: Timestamp) {
        self.0.with(&key, |entry| {
            let mut state = entry.lock();
            if state.slot.as_ref().is_some_and(|slot| slot.token == *old) {
                state.refused = state.refused.max(state.slot.as_ref().map(|slot| slot.minted));
                state.slot = Some(Slot::new(token.clone(), now, now));
            }
        });
    }
}

impl Entry {
    /// A token or a failure is remembered.
    pub(super) fn is_worth_keeping(&self, now: Timestamp) -> bool {
        let state = self.lock();
        state.slot.as_ref().is_some_and(|slot| slot.usable_until > now)
            || state.failure.as_ref().is_some_and(|failure| failure.until > now)
    }

    /// When its token ends.
    pub(super) fn usable_until(&self) -> Option<Timestamp> {
        self.lock().slot.as_ref().map(|slot| slot.usable_until)
    }

    /// See [`TokenCache::peek`].
    fn peek(&self, now: Timestamp, ask: Ask<'_>) -> Option<AccessToken> {
        let mut state = self.lock();
        if ask.rejected.is_none()
            && !ask.fresh
            && let Some(token) = state.at_a_glance(now)
        {
            return Some(token);
        }
        match state.look(now, ask, None) {
            Look::Hit(token) => Some(token),
            Look::Due(token) if self.flight.try_lock().is_err() => Some(token),
            _ => None,
        }
    }

    /// Waits for the right to mint, or for a flight that makes it needless. The queue alone would not do: somebody in it
    /// who wants a fresh token mints in any case, and those behind would wait although a good token is there.
    async fn turn(&self, clock: &SharedClock, ask: Ask<'_>, arrival: Arrival) -> Turn<'_> {
        let mut flight = pin!(self.flight.lock());
        loop {
            let mut landed = pin!(self.landed.notified());
            // From here on no landing is missed.
            landed.as_mut().enable();
            match self.lock().look(clock.now(), ask, Some(arrival)) {
                Look::Hit(token) | Look::Due(token) => return Turn::Served(token),
                Look::Failed(error) => return Turn::Failed(error),
                Look::Miss => {}
            }
            if let Either::Left((flight, _)) = select(flight.as_mut(), landed).await {
                return Turn::Mint(flight);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The shortest way to what [`look`](Self::look) gives a caller who takes any good token.
    fn at_a_glance(&self, now: Timestamp) -> Option<AccessToken> {
        // A refresh is due before the token ends.
        self.slot.as_ref().filter(|slot| slot.refresh_at > now).map(|slot| slot.token.clone())
    }

    /// What there is for a caller; `arrival` when it has waited for the flight since.
    fn look(&mut self, now: Timestamp, ask: Ask<'_>, arrival: Option<Arrival>) -> Look {
        let failed = self.failure.as_ref().and_then(|failure| {
            let remembered = failure.until > now && (failure.asked || !ask.fresh);
            let shared = arrival.is_some_and(|a| {
                failure.flight == self.last
                    && if ask.fresh { self.last > a.begun } else { self.ended > a.ended }
            });
            (remembered || shared).then(|| Look::Failed(share(&failure.error, failure.until, now)))
        });
        if ask.fresh {
            if let Some(failed) = failed {
                return failed;
            }
            // A token out of a shared store is older than the flight that fetched it.
            let minted = self.slot.as_ref().and_then(|slot| slot.flight);
            if arrival.is_none_or(|a| minted.is_none_or(|flight| flight <= a.begun)) {
                return Look::Miss;
            }
        } else if self.slot.as_ref().is_some_and(|slot| ask.rejected == Some(&slot.token)) {
            // A resource refused it: it serves nobody any more.
            self.refused = self.refused.max(self.slot.take().map(|slot| slot.minted));
        }
        match &self.slot {
            // While a failure is remembered the valid token is kept and nobody refreshes it.
            Some(slot) if slot.usable_until > now && (slot.refresh_at > now || failed.is_some()) => {
                Look::Hit(slot.token.clone())
            }
            Some(slot) if slot.usable_until > now => Look::Due(slot.token.clone()),
            _ => failed.unwrap_or(Look::Miss),
        }
    }

    /// How long nobody tries again.
    fn back_off(&mut self, asked: Option<Duration>) -> Duration {
        let grown = Duration::from_secs(1).saturating_mul(1 << self.failures_in_a_row.min(10));
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let jittered = grown.min(LONGEST_FAILURE).mul_f64(0.75 + fastrand::f64() / 4.0);
        jittered.max(asked.unwrap_or_default())
    }
}

impl Slot {
    /// Of a token asked for at `minted` and received at `now`, which for one that another process received is not known
    /// and taken to be the same.
    fn new(token: AccessToken, minted: Timestamp, now: Timestamp) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        let life = until(now, token.expires_on());
        // A token must survive the call that it is handed out for.
        let usable = life.saturating_sub((life / 10).min(MINUTE / 2));
        let advised = match token.refresh_on() {
            Some(at) => until(now, at),
            None if life >= 120 * MINUTE || life <= 10 * MINUTE => life / 2,
            None => life.saturating_sub(5 * MINUTE),
        };
        // Many processes started together must not all refresh together.
        let jitter = (advised / 10).min(5 * MINUTE).mul_f64(fastrand::f64());
        let refresh = advised.saturating_sub(jitter).min(usable);
        let (usable_until, refresh_at) = (later(now, usable), later(now, refresh));
        Self { token, minted, flight: None, usable_until, refresh_at }
    }
}

/// Whether a token from another process would be handed out at all.
#[cfg(feature = "token-store")]
pub(super) fn is_usable(token: &AccessToken, minted: Timestamp, now: Timestamp) -> bool {
    Slot::new(token.clone(), minted, minted).usable_until > now
}

fn hit(observer: &dyn TokenObserver, key: &KeyRef<'_>, token: AccessToken) -> AccessToken {
    observer.hit(&key.scope());
    token
}

/// The same failure for another caller; the original is its source.
fn share(error: &Arc<Error>, wait_until: Timestamp, now: Timestamp) -> Error {
    let left = until(now, wait_until);
    retell(error, error.message())
        .with_retry_after(error.retry_after().map(|asked| if left.is_zero() { asked } else { left }))
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
