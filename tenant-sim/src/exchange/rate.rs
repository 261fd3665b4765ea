//! A bucket of cmdlets, told in `Rate-Limit-*` headers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use super::envelope;
use crate::state::State;

/// Takes cmdlets out of the bucket; 429 when it does not hold as many.
pub(super) fn take(state: &mut State, now: Timestamp, cmdlets: u32) -> Option<Response<Bytes>> {
    let bucket = state.exchange.rate_limit.as_mut()?;
    if now >= bucket.full_at {
        bucket.remaining = bucket.limit;
        bucket.full_at = now.checked_add(bucket.window).unwrap_or(now);
    }
    if bucket.remaining >= cmdlets {
        bucket.remaining -= cmdlets;
        return None;
    }
    let seconds = bucket.full_at.duration_since(now).as_secs_f64().max(0.0);
    let mut reply = envelope::plain(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests.");
    if let Ok(wait) = HeaderValue::try_from(format!("{seconds:.3}")) {
        reply.headers_mut().insert(http::header::RETRY_AFTER, wait);
    }
    Some(reply)
}

/// Tells the state of the bucket, if there is one.
pub(super) fn tell(state: &State, reply: &mut Response<Bytes>) {
    let Some(bucket) = &state.exchange.rate_limit else { return };
    let values = [
        ("rate-limit-limit", bucket.limit.to_string()),
        ("rate-limit-remaining", bucket.remaining.to_string()),
        ("rate-limit-reset", bucket.full_at.to_string()),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::try_from(value) {
            reply.headers_mut().insert(name, value);
        }
    }
}
