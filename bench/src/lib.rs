//! What the benchmarks share: subjects that are warm when they are handed over, so that only the call itself is counted.

mod azure;
pub mod ews;
mod loopback;
mod ours;
mod raw;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use azure::{AZURE_SCOPE, azure_credential};
pub use loopback::Loopback;
pub use ours::{Assertion, Hit, keyed_hit, one_scope_hit, pipeline};
pub use raw::Raw;

/// Calls per measured function, so that entering it weighs nothing.
pub const CALLS: u32 = 100;
/// The same for calls over loopback.
pub const ROUND_TRIPS: u32 = 20;

/// The output of a future that is ready at once, as a cache hit is.
///
/// # Panics
/// When it is not.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a hit must not wait"),
    }
}
