use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The tenant's own clock: it stands still until somebody advances it.
///
/// Token lives, replication and propagation all hang on it, so a test or an example waits two hours by calling
/// [`SimClock::advance`]. [`SimClock::running_from`] and [`SimClock::follow_system`] make it run, as `tenant-sim serve`
/// does.
#[derive(Clone, Debug)]
pub struct SimClock {
    inner: Arc<Mutex<Inner>>,
    advanced: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct Inner {
    base: Timestamp,
    /// When set, the clock runs: `base` was read at this system time.
    running_since: Option<Timestamp>,
}

impl SimClock {
    /// A clock that stands still at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self::of(Inner { base: start, running_since: None })
    }

    /// A clock that starts at the system's time and runs with it; it can still be advanced by hand.
    pub fn follow_system() -> Self {
        Self::running_from(Timestamp::now())
    }

    /// A clock that starts at `start` and runs at the pace of the system's; it can still be advanced by hand.
    pub fn running_from(start: Timestamp) -> Self {
        Self::of(Inner { base: start, running_since: Some(Timestamp::now()) })
    }

    fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(Mutex::new(inner)), advanced: Arc::new(watch::Sender::new(())) }
    }

    /// The tenant's time.
    pub fn now(&self) -> Timestamp {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.running_since {
            Some(since) => add(inner.base, Timestamp::now().duration_since(since)),
            None => inner.base,
        }
    }

    /// Moves the tenant's time forward; a negative duration is ignored, time never runs back.
    pub fn advance(&self, by: SignedDuration) {
        if by.is_negative() {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.base = add(inner.base, by);
        drop(inner);
        self.advanced.send_replace(());
    }

    /// Waits until the tenant's time is `at`: on a clock that stands still until somebody advances it that far.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        let mut advanced = self.advanced.subscribe();
        loop {
            let left = at.duration_since(self.now());
            if !left.is_positive() {
                return;
            }
            let runs = self.inner.lock().unwrap_or_else(PoisonError::into_inner).running_since.is_some();
            let pace = async {
                if runs {
                    tokio::time::sleep(left.unsigned_abs()).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = pace => {}
                _ = advanced.changed() => {}
            }
        }
    }
}

/// Saturates instead of failing at the end of the calendar.
fn add(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
