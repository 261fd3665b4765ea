#![doc = include_str!("../README.md")]

mod access;
mod caller;
mod clock;
mod entra;
mod ews;
mod exchange;
mod faults;
#[cfg(test)]
mod fixture;
mod graph;
mod imap;
mod json;
mod scenario;
mod server;
mod smtp;
pub mod state;
mod summary;
mod tenant;

pub use access::{effective_access, effective_folder_rights};
pub use caller::Caller;
pub use clock::SimClock;
pub use entra::federated::ForeignIssuer;
pub use faults::{Fault, Faults, UnknownFault};
pub use scenario::{
    Scenario, ScenarioApp, ScenarioError, ScenarioEvent, ScenarioGroup, ScenarioGroupKind, ScenarioMailbox,
    ScenarioMessage, ScenarioUser,
};
pub use server::JournalEntry;
pub use state::Propagation;
pub use tenant::{Builder, SetupIdentity, SignInError, Snapshot, StartError, Tenant};
