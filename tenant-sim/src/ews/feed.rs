//! From the log of what happened in a mailbox to the events that subscriptions are told of.

use uuid::Uuid;

use super::server::{Change, ChangeKind, EwsServer};
use crate::exchange::folder_id;
use crate::state::{self, Folder, State};

impl EwsServer {
    /// Tells the subscriptions to a mailbox what they do not know yet. To be called under the state's lock.
    pub(crate) fn catch_up(&self, state: &State, mailbox: Uuid) {
        let Some(told) = self.told(mailbox, state.store.last_change(mailbox)) else { return };
        for change in state.store.changes_since(mailbox, told) {
            for event in events(state, mailbox, change) {
                self.publish(mailbox, event);
            }
        }
    }

    /// The same for every mailbox with a subscription.
    pub(crate) fn catch_up_all(&self, state: &State) {
        for mailbox in self.mailboxes() {
            self.catch_up(state, mailbox);
        }
    }
}

/// One change is several events: a calendar's free/busy changes with its items, and what arrives is new as well.
fn events(state: &State, mailbox: Uuid, change: &state::Change) -> Vec<Change> {
    let (kind, old) = match &change.kind {
        state::ChangeKind::Created => (ChangeKind::Created, None),
        state::ChangeKind::Modified => (ChangeKind::Modified, None),
        state::ChangeKind::Deleted => (ChangeKind::Deleted, None),
        state::ChangeKind::Moved { from, old } => {
            (ChangeKind::Moved, Some((super::place::wire_id(old), folder_id(state, mailbox, from))))
        }
    };
    let event = Change {
        kind,
        at: change.at,
        item: super::place::wire_id(&change.item),
        change_key: change.change_key.clone(),
        folder: folder_id(state, mailbox, &change.folder),
        old: old.clone(),
    };
    let mut events = Vec::with_capacity(2);
    if kind == ChangeKind::Created && change.folder == Folder::Inbox && !change.calendar {
        events.push(Change { kind: ChangeKind::NewMail, ..event.clone() });
    }
    if change.calendar {
        // Where the item was is what changes when it goes.
        let folder = old.map_or_else(|| event.folder.clone(), |(_, from)| from);
        events.push(Change { kind: ChangeKind::FreeBusyChanged, old: None, folder, ..event.clone() });
    }
    events.push(event);
    events
}
