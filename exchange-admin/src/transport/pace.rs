//! How fast the tenant lets us go: learnt from `Rate-Limit-*`, for nothing is published.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use m365_core::{SharedClock, later, until};

/// Longest wait for a bucket to fill.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Shared by all calls of one [`AdminApi`](super::AdminApi).
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<Mutex<Option<Timestamp>>>);

impl Pace {
    /// Reads what an answer says of the bucket. It is taken for used up at its last hundredth: other callers draw on it
    /// too.
    pub(super) fn learn(&self, headers: &HeaderMap, now: Timestamp) {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let number = |name: &str| text(name).and_then(|t| t.parse::<u64>().ok());
        let (Some(limit), Some(remaining)) = (number("rate-limit-limit"), number("rate-limit-remaining"))
        else {
            return;
        };
        let reset = text("rate-limit-reset").and_then(|t| t.parse::<Timestamp>().ok());
        let full_at = match reset {
            Some(reset) if remaining <= limit / 100 && reset > now => Some(reset.min(later(now, LONGEST))),
            _ => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = full_at;
    }

    /// Waits until the bucket is full again, if it is used up.
    pub(super) async fn keep(&self, clock: &SharedClock) {
        let full_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = full_at.map(|at| until(clock.now(), at)).filter(|wait| !wait.is_zero());
        if let Some(wait) = wait {
            tracing::debug!(wait_ms = wait.as_millis(), "the tenant's rate limit is used up");
            clock.sleep(wait).await;
        }
    }
}
