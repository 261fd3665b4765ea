use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::Clock;
use crate::clock::later;

/// A clock that only moves when somebody sleeps on it or advances it. Sleeping returns at once and moves it on.
///
/// ```
/// use m365_core::{SharedClock, testing::ManualClock};
/// use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let manual = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
/// SharedClock::new(manual.clone()).sleep(Duration::from_secs(7200)).await;
/// assert_eq!(manual.slept(), Duration::from_secs(7200));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    slept: Duration,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, slept: Duration::ZERO })))
    }

    /// Moves it on without anybody sleeping.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = later(state.now, by);
    }

    /// How long everybody slept together.
    pub fn slept(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).slept
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    async fn sleep(&self, duration: Duration) {
        {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.now = later(state.now, duration);
            state.slept = state.slept.saturating_add(duration);
        }
        tokio::task::yield_now().await;
    }
}
