//! A resumable stream of changes.
mod config;
mod event;
mod machine;
mod token;

pub use config::{Initial, WatchConfig};
pub use event::{Change, Level, Resync, WatchEvent};
pub use token::{MailboxToken, WatchToken};

/// How a watch fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchStatus {
    /// Folders watched.
    pub mailboxes: usize,
    /// Of them, not yet settled.
    pub starting: usize,
    /// Of them, by streaming.
    pub streaming: usize,
    /// Of them, by pulling.
    pub pull: usize,
    /// Of them, by comparing.
    pub poll: usize,
    /// Of them, not at all for the moment.
    pub lost: usize,
    /// Of them, being compared or waiting for it.
    pub comparing: usize,
    /// Streaming connections that are up.
    pub connections: usize,
    /// Events that wait to be taken.
    pub undelivered: usize,
}
