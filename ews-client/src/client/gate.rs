//! How many requests an account has in flight, once the server complained.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Above that the gate stands open: no server allows more.
const OPEN: usize = 100;

/// Successes after which one more is let through.
const RISE: usize = 50;

/// Complaints this close together are about the same crowd: all of it was under way when the first one came.
const ONE_CROWD: Duration = Duration::from_secs(1);

/// Open until the server says that there were too many connections; then half of what was in flight may pass, and one more
/// after each [`RISE`] successes. The limit of the server cannot be read, and differs from one to the next.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// None: open.
    limit: Option<usize>,
    shrunk: Option<Instant>,
    successes: usize,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Pass<'a>(&'a Gate);

impl Gate {
    /// Waits for a place, no longer than `within`; none after that.
    pub(super) async fn pass(&self, within: Duration) -> Option<Pass<'_>> {
        if let Some(pass) = self.try_pass() {
            return Some(pass);
        }
        tokio::time::timeout(within, async {
            loop {
                let freed = self.freed.notified();
                if let Some(pass) = self.try_pass() {
                    return pass;
                }
                freed.await;
            }
        })
        .await
        .ok()
    }

    fn try_pass(&self) -> Option<Pass<'_>> {
        let mut state = self.lock();
        if state.limit.is_some_and(|limit| state.in_flight >= limit) {
            return None;
        }
        state.in_flight += 1;
        Some(Pass(self))
    }

    /// The server said that there were too many. `known` is its own limit, when it named it.
    pub(super) fn shrink(&self, known: Option<usize>) {
        let mut state = self.lock();
        let same_crowd = state.shrunk.is_some_and(|at| at.elapsed() < ONE_CROWD);
        let limit = match state.limit {
            Some(limit) if same_crowd => limit,
            // The one that was refused has given its place back already.
            limit => {
                state.shrunk = Some(Instant::now());
                (limit.unwrap_or(usize::MAX).min(state.in_flight + 1) / 2).max(1)
            }
        };
        state.limit = Some(known.map_or(limit, |known| limit.min(known.max(1))));
        state.successes = 0;
    }

    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        let Some(limit) = state.limit else { return };
        state.successes += 1;
        if state.successes >= RISE {
            state.successes = 0;
            state.limit = (limit < OPEN).then_some(limit + 1);
            drop(state);
            self.freed.notify_one();
        }
    }

    /// Places there are, when it is not open.
    #[cfg(test)]
    pub(super) fn limit(&self) -> Option<usize> {
        self.lock().limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        drop(state);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn it_stands_open_until_the_server_complains_and_opens_again() {
        let gate = Gate::default();
        let mut held = Vec::new();
        for _ in 0..40 {
            held.push(gate.pass(SOON).await.unwrap());
        }
        drop(held.pop());
        gate.shrink(None);
        assert_eq!(gate.limit(), Some(20));
        assert!(gate.pass(SOON).await.is_none());
        held.truncate(19);
        let last = gate.pass(SOON).await.unwrap();
        assert!(gate.pass(SOON).await.is_none());
        drop((last, held));
        for _ in 0..RISE {
            gate.succeeded();
        }
        assert_eq!(gate.limit(), Some(21));
        for _ in 0..RISE * OPEN {
            gate.succeeded();
        }
        assert_eq!(gate.limit(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_is_refused_as_one_counts_once() {
        let gate = Gate::default();
        let mut held = Vec::new();
        for _ in 0..40 {
            held.push(gate.pass(SOON).await.unwrap());
        }
        while held.pop().is_some() {
            gate.shrink(None);
        }
        assert_eq!(gate.limit(), Some(20));
        gate.shrink(Some(8));
        assert_eq!(gate.limit(), Some(8), "what the server names is believed at once");
        tokio::time::advance(ONE_CROWD).await;
        let held = [gate.pass(SOON).await, gate.pass(SOON).await, gate.pass(SOON).await];
        gate.shrink(None);
        assert_eq!(gate.limit(), Some(2));
        drop(held);
    }

    #[test]
    fn it_never_closes_and_takes_the_servers_word_when_that_is_less() {
        let gate = Gate::default();
        for _ in 0..3 {
            gate.shrink(Some(0));
            assert_eq!(gate.limit(), Some(1));
        }
        assert!(gate.try_pass().is_some());
    }

    #[tokio::test]
    async fn a_place_that_becomes_free_goes_to_one_who_waits() {
        let gate = Gate::default();
        gate.shrink(None);
        let held = gate.pass(SOON).await.unwrap();
        let waiting = gate.pass(Duration::from_secs(60));
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(held);
        assert!(waiting.await.is_some());
    }
}
