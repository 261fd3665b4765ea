use std::sync::Arc;

use m365_core::{Error, MailboxAddress};

use super::token::MailboxToken;
use crate::{FolderRef, ItemId};

/// One thing that a [`Watch`](super::Watch) tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchEvent {
    /// Whose mailbox.
    pub mailbox: MailboxAddress,
    /// Which of its folders.
    pub folder: FolderRef,
    /// What happened.
    pub change: Change,
    pub(crate) sequence: u64,
    pub(crate) token: Option<MailboxToken>,
}

impl WatchEvent {
    /// Its place among all events of this watch, from 1; what [`Watch::ack_through`](super::Watch::ack_through) takes.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The place that this mailbox may be resumed from once this event and all before it are dealt with. Save it *after*
    /// that: a crash in between repeats events, and loses none. Only the last event of a page bears one.
    pub fn token(&self) -> Option<&MailboxToken> {
        self.token.as_ref()
    }
}

/// What happened in a watched folder.
///
/// A change is told at least once; it may be told again, also when nothing new happened. For a calendar it is a hint to
/// read the view again: changes name series, never their occurrences.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderitems-operation>.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// An item is there.
    Created(ItemId),
    /// An item is another than before.
    Updated(ItemId),
    /// An item is gone from this folder; perhaps it was never seen in it.
    Deleted(ItemId),
    /// A message was marked as read or unread.
    ReadFlagChanged {
        /// Which one.
        item: ItemId,
        /// Whether it is read now; absent when the server did not say.
        read: Option<bool>,
    },
    /// Something that this version does not know. Look at the folder.
    Other,
    /// Single changes cannot be told for the time before this: read the folder anew. What changes afterwards is told.
    Resynced(Resync),
    /// From here on this mailbox is watched in this way.
    Level(Level),
}

/// Why a folder is to be read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resync {
    /// The watch begins here and had no token, see [`Initial::Skip`](super::Initial::Skip).
    First,
    /// The server refused the place that changes were told up to: too old, or of a mailbox or folder that was made anew.
    StateLost,
}

/// How changes of a mailbox are learnt. The first three differ in delay only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Level {
    /// Within seconds, from streaming notifications.
    Streaming,
    /// At each pull, [`WatchConfig::with_pull_interval`](super::WatchConfig::with_pull_interval).
    Pull,
    /// By comparing, [`WatchConfig::with_poll_interval`](super::WatchConfig::with_poll_interval).
    Poll,
    /// Not at all for the moment. The watch goes on trying: soon when the error
    /// [is transient](Error::is_transient), now and then otherwise. Nothing is lost: when it comes back, changes are told
    /// from where they ended.
    Lost {
        /// What stands in the way.
        error: Arc<Error>,
    },
}

impl Level {
    /// Whether it is the same way; an error may differ.
    pub(crate) fn same_way(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lost { error }, Self::Lost { error: other }) => {
                error.kind() == other.kind() && error.service_code() == other.service_code()
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}
