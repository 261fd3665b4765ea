//! When to try again, and how long to wait before.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

/// Bounds of retrying: attempts, elapsed time, and the growth of waits. Waits have full jitter; what the server asks
/// for is their floor.
///
/// ```
/// use m365_core::RetryPolicy;
/// use std::time::Duration;
/// let quick = RetryPolicy::default().with_max_attempts(2).with_deadline(Duration::from_secs(5));
/// # let _ = quick;
/// ```
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    max_attempts: u32,
    deadline: Duration,
    first_wait: Duration,
    longest_wait: Duration,
}

impl RetryPolicy {
    /// One attempt.
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// At most this many attempts, the first included.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// No attempt starts later than this after the operation began; the first one neither, which may have to wait for a
    /// permit of the [`Throttle`](crate::Throttle).
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Waits grow from `first`, doubling up to `longest`, each drawn between zero and that bound.
    #[must_use]
    pub fn with_waits(mut self, first: Duration, longest: Duration) -> Self {
        self.first_wait = first;
        self.longest_wait = longest;
        self
    }

    /// What is left of the deadline.
    pub fn left(&self, elapsed: Duration) -> Duration {
        self.deadline.saturating_sub(elapsed)
    }

    /// How long to wait before the attempt after `attempts` tries; `None` when it is time to give up.
    pub fn next_wait(&self, attempts: u32, elapsed: Duration, floor: Option<Duration>) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let bound = self
            .first_wait
            .saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX))
            .min(self.longest_wait);
        let jittered = bound.mul_f64(fastrand::f64());
        let wait = match floor {
            // A little on top, so that all who were told the same time do not return in the same instant.
            Some(floor) => floor.saturating_add(jittered.min(floor / 10 + Duration::from_millis(100))),
            None => jittered,
        };
        (elapsed.saturating_add(wait) <= self.deadline).then_some(wait)
    }
}

impl Default for RetryPolicy {
    /// 6 attempts within 2 minutes, waits of up to 0.5, 1, 2, 4, 8 s.
    fn default() -> Self {
        Self {
            max_attempts: 6,
            deadline: Duration::from_secs(120),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
        }
    }
}

/// A shared purse of retries: each retry takes one coin, ten successes earn one. When a service is down for good, the
/// purse runs dry and failures surface at once instead of being multiplied.
#[derive(Debug)]
pub struct RetryBudget {
    tenths: AtomicI64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryBudget {
    const FULL: i64 = 1_000;

    /// A full purse.
    pub fn new() -> Self {
        Self { tenths: AtomicI64::new(Self::FULL) }
    }

    /// A success.
    pub fn earn(&self) {
        if self.tenths.load(Ordering::Relaxed) < Self::FULL {
            self.tenths.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a coin for a retry; `false` when there is none.
    pub fn spend(&self) -> bool {
        self.tenths
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left >= 10).then_some(left - 10))
            .is_ok()
    }
}

/// Reads how long the server asks to wait: `retry-after-ms`, or `Retry-After` in seconds (also fractions) or as a date.
///
/// ```
/// use http::HeaderMap;
/// use m365_core::retry::retry_after;
/// use std::time::Duration;
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", "2.128".parse()?);
/// assert_eq!(retry_after(&headers, jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_millis(2128)));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|t| t.parse::<f64>().ok()) {
        return seconds(ms / 1000.0);
    }
    let value = text("retry-after")?;
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(crate::clock::until(now, date))
}

/// Longest wait ever taken from a server: one hour. More is an outage to be reported, not slept through.
const LONGEST: f64 = 3600.0;

fn seconds(value: f64) -> Option<Duration> {
    (value.is_finite() && value >= 0.0).then(|| Duration::from_secs_f64(value.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(name, value.parse().unwrap());
        map
    }

    #[test]
    fn retry_after_int_fraction_date_and_rubbish() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let read = |v: &str| retry_after(&headers("retry-after", v), now);
        assert_eq!(read("10"), Some(Duration::from_secs(10)));
        assert_eq!(read("2.128"), Some(Duration::from_millis(2128)));
        assert_eq!(read("Sat, 21 Nov 2026 08:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Sat, 21 Nov 2026 07:00:30 GMT"), Some(Duration::ZERO));
        for bad in ["-1", "soon", "", "NaN", "inf"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read("1e300"), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after(&headers("retry-after-ms", "1500"), now), Some(Duration::from_millis(1500)));
    }

    proptest! {
        #[test]
        fn waits_respect_floor_and_deadline(attempts in 1u32..20, elapsed in 0u64..200, floor in proptest::option::of(0u64..100)) {
            let policy = RetryPolicy::default();
            let floor = floor.map(Duration::from_secs);
            if let Some(wait) = policy.next_wait(attempts, Duration::from_secs(elapsed), floor) {
                prop_assert!(wait >= floor.unwrap_or_default());
                prop_assert!(Duration::from_secs(elapsed) + wait <= Duration::from_secs(120));
                prop_assert!(attempts < 6);
            }
        }
    }

    #[test]
    fn the_purse_runs_dry_and_refills_slowly() {
        let budget = RetryBudget::new();
        assert_eq!((0..200).filter(|_| budget.spend()).count(), 100);
        (0..10).for_each(|_| budget.earn());
        assert!(budget.spend() && !budget.spend());
    }
}
