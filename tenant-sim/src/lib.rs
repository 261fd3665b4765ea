#![doc = include_str!("../README.md")]

mod access;
mod autodiscover;
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
pub use autodiscover::Autodiscover;
pub use caller::Caller;
pub use clock::SimClock;
pub use entra::federated::ForeignIssuer;
pub use ews::{EwsLimits, EwsQuirk, EwsThrottle};
pub use faults::{Fault, Faults, UnknownFault};
pub use scenario::{
    Scenario, ScenarioAccount, ScenarioApp, ScenarioError, ScenarioEvent, ScenarioGroup, ScenarioGroupKind,
    ScenarioMailbox, ScenarioMessage, ScenarioPremises, ScenarioUser,
};
pub use server::JournalEntry;
pub use state::Propagation;
pub use tenant::{Builder, EwsControl, SetupIdentity, SignInError, Snapshot, StartError, Tenant};
