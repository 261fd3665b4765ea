use std::collections::{BTreeSet, VecDeque};

use super::Machine;
use super::mailbox::Mailbox;
use crate::SyncState;
use crate::watch::event::{Change, Level, WatchEvent};
use crate::watch::token::{MailboxToken, WatchToken};

/// What waits to be taken, and what was taken and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    waiting: VecDeque<Waiting>,
    /// Number of the last event handed out.
    handed_out: u64,
    /// Events that bear a state not yet acknowledged: at most two of a mailbox.
    checkpoints: BTreeSet<(u64, u32)>,
}

#[derive(Debug)]
struct Waiting {
    mailbox: u32,
    /// Without one it is the level that the mailbox has when it is taken.
    change: Option<Change>,
    state: Option<SyncState>,
}

impl Delivery {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Mailbox {
    /// What may be resumed from after this event. Of those not acknowledged, the first is kept, so that a consumer who is
    /// always late gets on, and the last.
    fn keep(&mut self, sequence: u64, state: SyncState) -> Option<u64> {
        let replaced = if self.pending.len() >= 2 { self.pending.pop().map(|(old, _)| old) } else { None };
        self.pending.push((sequence, state));
        replaced
    }
}

impl Machine {
    /// Puts the changes of one page in line; `state` counts once the last of them is acknowledged.
    pub(super) fn deliver(&mut self, mailbox: u32, changes: Vec<Change>, state: &SyncState) {
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        let count = changes.len();
        if count == 0 {
            // Nothing lies between the two states that anybody is to see.
            if place.undelivered == 0 && place.pending.is_empty() && place.acked.is_some() {
                place.acked = Some(state.clone());
            }
            return;
        }
        place.undelivered = place.undelivered.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        for (at, change) in changes.into_iter().enumerate() {
            let state = (at + 1 == count).then(|| state.clone());
            self.delivery.waiting.push_back(Waiting { mailbox, change: Some(change), state });
        }
    }

    /// Tells how the mailbox is watched from now on.
    pub(super) fn set_level(&mut self, mailbox: u32, level: Level) {
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        if place.level.as_ref().is_some_and(|known| known.same_way(&level)) {
            return;
        }
        place.level = Some(level);
        if !place.level_waits {
            place.level_waits = true;
            self.delivery.waiting.push_back(Waiting { mailbox, change: None, state: None });
        }
    }

    /// Hands out the next event.
    pub(crate) fn next_event(&mut self) -> Option<WatchEvent> {
        loop {
            let was_full = self.delivery.len() >= self.config.buffered_events;
            let waiting = self.delivery.waiting.pop_front()?;
            if was_full && self.delivery.len() < self.config.buffered_events {
                self.mark_all_ready();
            }
            let Some(place) = self.mailboxes.get_mut(waiting.mailbox as usize) else { continue };
            let change = match waiting.change {
                Some(change) => {
                    place.undelivered = place.undelivered.saturating_sub(1);
                    change
                }
                None => {
                    place.level_waits = false;
                    let Some(level) = place.level.clone() else { continue };
                    Change::Level(level)
                }
            };
            self.delivery.handed_out += 1;
            let sequence = self.delivery.handed_out;
            let token = waiting.state.map(|state| {
                if let Some(replaced) = place.keep(sequence, state.clone()) {
                    self.delivery.checkpoints.remove(&(replaced, waiting.mailbox));
                }
                self.delivery.checkpoints.insert((sequence, waiting.mailbox));
                MailboxToken { mailbox: place.address.clone(), folder: place.folder.clone(), state }
            });
            return Some(WatchEvent {
                mailbox: place.address.clone(),
                folder: place.folder.clone(),
                change,
                sequence,
                token,
            });
        }
    }

    /// All events up to this one are dealt with.
    pub(crate) fn ack(&mut self, sequence: u64) {
        // What was not handed out cannot be acknowledged.
        let sequence = sequence.min(self.delivery.handed_out);
        while let Some(&(at, mailbox)) = self.delivery.checkpoints.first() {
            if at > sequence {
                break;
            }
            self.delivery.checkpoints.pop_first();
            if let Some(place) = self.mailboxes.get_mut(mailbox as usize)
                && place.pending.first().is_some_and(|(kept, _)| *kept == at)
            {
                place.acked = Some(place.pending.remove(0).1);
            }
        }
    }

    /// Where to resume from.
    pub(crate) fn token(&self) -> WatchToken {
        let token = |place: &Mailbox| {
            let state = place.acked.clone()?;
            Some(MailboxToken { mailbox: place.address.clone(), folder: place.folder.clone(), state })
        };
        self.mailboxes.iter().filter_map(token).collect()
    }
}
