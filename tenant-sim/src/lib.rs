//! A simulated Microsoft 365 tenant on loopback: Entra, Graph, the Exchange Admin API and IMAP.

mod caller;
mod clock;
pub mod state;

pub use caller::Caller;
pub use clock::SimClock;
