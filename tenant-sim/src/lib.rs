//! A simulated Microsoft 365 tenant on loopback: Entra, Graph, the Exchange Admin API and IMAP.

#[allow(dead_code, reason = "the server that calls it is added next to it")]
mod access;
mod caller;
mod clock;
#[allow(dead_code, reason = "the server that calls it is added next to it")]
mod exchange;
#[cfg(test)]
mod fixture;
#[allow(dead_code, reason = "the server that calls it is added next to it")]
mod imap;
pub mod state;

pub use access::effective_access;
pub use caller::Caller;
pub use clock::SimClock;
