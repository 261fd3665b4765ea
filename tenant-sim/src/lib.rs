//! A simulated Microsoft 365 tenant on loopback: Entra, Graph, the Exchange Admin API and IMAP.
//!
//! It answers as the real services do, delays and refusals included, and enforces access on every mailbox call by its
//! own reading of the rules. Start one with [`Tenant::start`], point a client at [`Tenant::http_url`] or
//! [`Tenant::https_url`], move its time by [`SimClock::advance`], break it by [`Faults::inject`], and read what
//! happened from [`Tenant::journal`].

mod access;
mod caller;
mod clock;
mod entra;
mod exchange;
mod faults;
#[cfg(test)]
mod fixture;
mod graph;
mod imap;
mod json;
mod scenario;
mod server;
pub mod state;
mod summary;
mod tenant;

pub use access::effective_access;
pub use caller::Caller;
pub use clock::SimClock;
pub use faults::{Fault, Faults, UnknownFault};
pub use scenario::{
    Scenario, ScenarioApp, ScenarioError, ScenarioEvent, ScenarioGroup, ScenarioGroupKind, ScenarioMailbox,
    ScenarioMessage, ScenarioUser,
};
pub use server::JournalEntry;
pub use state::Propagation;
pub use tenant::{Builder, SetupIdentity, Snapshot, StartError, Tenant};
