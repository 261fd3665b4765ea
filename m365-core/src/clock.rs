use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Where time comes from. Waiting, token expiry, retry and propagation all ask it, so that tests are deterministic and
/// a simulated tenant can be waited for in no time.
///
/// Implementors write an `async fn`; users hold a [`SharedClock`].
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time. Called on hot paths: it must not block.
    fn now(&self) -> Timestamp;

    /// Completes once `duration` has passed on this clock. Must be safe to drop before that.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// The machine's clock and tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // The straight way for every time since 1970; it is on the path of each cached token.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let at = since.and_then(|since| {
            Timestamp::new(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos().cast_signed()).ok()
        });
        at.unwrap_or_else(Timestamp::now)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A cheap handle to any [`Clock`].
///
/// ```
/// use m365_core::SharedClock;
/// let clock = SharedClock::system();
/// assert!(clock.now().as_second() > 0);
/// ```
#[derive(Clone)]
pub struct SharedClock(Arc<dyn dynamic::Clock>);

impl SharedClock {
    /// A handle to this clock.
    pub fn new(clock: impl Clock) -> Self {
        Self(Arc::new(clock))
    }

    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(SystemClock)
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }

    /// Waits until `at`; returns at once when it has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        if !wait.is_zero() {
            self.sleep(wait).await;
        }
    }
}

impl Default for SharedClock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `at + by`, saturating at the end of the calendar.
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// Time from `from` to `to`; zero when `to` is not later.
pub fn until(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

mod dynamic {
    use std::fmt;
    use std::time::Duration;

    use jiff::Timestamp;

    #[async_trait::async_trait]
    pub(super) trait Clock: fmt::Debug + Send + Sync {
        fn now(&self) -> Timestamp;
        async fn sleep(&self, duration: Duration);
    }

    #[async_trait::async_trait]
    impl<T: super::Clock> Clock for T {
        fn now(&self) -> Timestamp {
            super::Clock::now(self)
        }
        async fn sleep(&self, duration: Duration) {
            super::Clock::sleep(self, duration).await;
        }
    }
}
