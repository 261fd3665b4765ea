//! What an onboarding tells while it works.

use std::time::Duration;

use jiff::Timestamp;
use m365_core::{SharedClock, until};

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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

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
        let end = m365_core::later(clock.now(), Duration::from_secs(7200));
        let seen = Seen::default();
        wait_until(&clock, &seen, "x", end).await;
        let times = seen.0.into_inner().unwrap();
        assert_eq!(times.last(), Some(&end));
        assert!(times.len() > 10 && times.is_sorted());
    }
}
