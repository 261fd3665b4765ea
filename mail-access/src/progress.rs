//! What an onboarding tells while it works.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use graph_auth::Convergence;
use jiff::Timestamp;
use m365_core::{SharedClock, later, until};

use crate::plan::{Step, StepResult};
use crate::verify::Check;

/// A wait for replication or propagation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait<'a> {
    /// What is waited for.
    pub reason: &'a str,
    /// When it began.
    pub from: Timestamp,
    /// When it is expected to be over.
    pub until: Timestamp,
}

/// Told what happens; every method does nothing unless you say otherwise. `()` is silent.
pub trait Progress: Send + Sync {
    /// A step begins.
    fn step_started(&self, _index: usize, _total: usize, _step: &Step) {}

    /// A step is over.
    fn step_finished(&self, _index: usize, _total: usize, _step: &Step, _result: &StepResult) {}

    /// Time passes; called several times per wait, the last time when it is over.
    fn waiting(&self, _wait: &Wait<'_>, _now: Timestamp) {}

    /// A check was made.
    fn checked(&self, _check: &Check) {}
}

impl Progress for () {}

/// Parts into which a wait is cut, so that a progress bar moves.
const SLICES: u32 = 24;

/// Waits until `at`, telling `progress` now and then.
pub(crate) async fn wait_until(clock: &SharedClock, progress: &dyn Progress, reason: &str, at: Timestamp) {
    let from = clock.now();
    let wait = Wait { reason, from, until: at };
    let whole = until(from, at);
    if whole.is_zero() {
        return;
    }
    let slice = (whole / SLICES).max(Duration::from_secs(1));
    loop {
        let now = clock.now();
        progress.waiting(&wait, now);
        let left = until(now, at);
        if left.is_zero() {
            return;
        }
        clock.sleep(left.min(slice)).await;
    }
}

/// Waits for the directory's replication, overheard and told to a [`Progress`]. The hook that hears of them outlives any
/// borrow, so it only notes them down; they are told on the way back from each poll.
pub(crate) struct ReplicationWaits {
    convergence: Convergence,
    heard: Arc<Mutex<Vec<Heard>>>,
}

struct Heard {
    reason: String,
    from: Timestamp,
    until: Timestamp,
}

impl ReplicationWaits {
    pub(crate) fn new(convergence: &Convergence) -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (ear, clock) = (Arc::clone(&heard), convergence.clock().clone());
        let convergence = convergence.clone().on_wait(move |waiting| {
            let from = clock.now();
            let reason = format!("{}, try {}", waiting.what, waiting.tries + 1);
            let wait = Heard { reason, from, until: later(from, waiting.wait) };
            ear.lock().unwrap_or_else(PoisonError::into_inner).push(wait);
        });
        Self { convergence, heard }
    }

    /// What the work has to wait with, so that its waits are heard.
    pub(crate) fn convergence(&self) -> &Convergence {
        &self.convergence
    }

    /// Does the work and tells of its waits: when one begins, and when it is over.
    pub(crate) async fn told_to<T>(&self, progress: &dyn Progress, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut open: Option<Heard> = None;
        let tell = |wait: &Heard, now: Timestamp| {
            progress.waiting(&Wait { reason: &wait.reason, from: wait.from, until: wait.until }, now);
        };
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            let new = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
            for wait in new {
                if let Some(over) = open.take() {
                    tell(&over, over.until);
                }
                tell(&wait, wait.from);
                open = Some(wait);
            }
            let now = self.convergence.clock().now();
            if let Some(over) = open.take_if(|wait| polled.is_ready() || now >= wait.until) {
                tell(&over, over.until);
            }
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use m365_core::testing::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_wait_moves_and_ends() {
        #[derive(Default)]
        struct Seen(Mutex<Vec<Timestamp>>);
        impl Progress for Seen {
            fn waiting(&self, _: &Wait<'_>, now: Timestamp) {
                self.0.lock().unwrap().push(now);
            }
        }
        let clock = SharedClock::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let end = later(clock.now(), Duration::from_secs(7200));
        let seen = Seen::default();
        wait_until(&clock, &seen, "x", end).await;
        let times = seen.0.into_inner().unwrap();
        assert_eq!(times.last(), Some(&end));
        assert!(times.len() > 10 && times.is_sorted());
    }
}
