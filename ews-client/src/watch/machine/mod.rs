//! The watch without any I/O: what came in, what time it is, what to do next.
//!
//! Mailboxes lie in groups, groups in lanes. A lane is one client: its calls share a number in flight and a pause. A group
//! is what one streaming connection carries. A mailbox is compared ("synced") from its last state; notifications only say
//! when. All waiting work stands in queues that hold a mailbox at most once, and all waiting for a time in one set of
//! alarms with one entry for each.

mod delivery;
mod group;
mod lane;
mod mailbox;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use m365_core::{Error, MailboxAddress, Result};

use super::config::WatchConfig;
use super::event::Change;
use super::token::WatchToken;
use crate::{Affinity, BackEndCookie, FolderRef, ResponseCode, SubscriptionId, SyncState, Watermark};

use delivery::Delivery;
use group::Group;
use lane::Lane;
use mailbox::{Mailbox, SyncStep};
pub(crate) use timers::{At, NEVER};
use timers::{Timers, Who};

/// A way of being notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubKind {
    Streaming,
    Pull,
}

/// What the driver is to do. Everything but [`Action::Close`] is answered by an [`Input`].
#[derive(Debug)]
pub(crate) enum Action {
    Subscribe {
        mailbox: u32,
        kind: SubKind,
    },
    Open {
        group: u32,
        generation: u32,
        ids: Vec<SubscriptionId>,
    },
    /// Drop the connection of this group; nothing more of it is listened to.
    Close {
        group: u32,
    },
    Pull {
        mailbox: u32,
        id: SubscriptionId,
        watermark: Watermark,
    },
    Sync {
        mailbox: u32,
        state: Option<SyncState>,
    },
    Unsubscribe {
        mailbox: u32,
        id: SubscriptionId,
    },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Input {
    Subscribed {
        mailbox: u32,
        kind: SubKind,
        result: Result<Subscribed>,
    },
    /// An envelope of a streaming connection.
    Said {
        group: u32,
        generation: u32,
        said: Said,
    },
    /// The connection is over, or could not be opened.
    Ended {
        group: u32,
        generation: u32,
        error: Option<Error>,
    },
    Pulled {
        mailbox: u32,
        result: Result<Pulled>,
    },
    Synced {
        mailbox: u32,
        result: Result<Page>,
    },
    Unsubscribed {
        mailbox: u32,
    },
}

#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) id: SubscriptionId,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) cookie: Option<BackEndCookie>,
}

/// An envelope, as far as it matters here.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Subscriptions that something happened in.
    pub(crate) touched: Vec<SubscriptionId>,
    /// Subscriptions that the failure is about; none means all.
    pub(crate) named: Vec<SubscriptionId>,
    /// A failure.
    pub(crate) failure: Option<(ResponseCode, Option<Duration>)>,
    /// Nothing more comes.
    pub(crate) closed: bool,
}

#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) watermark: Option<Watermark>,
    /// Whether anything but a status came.
    pub(crate) any: bool,
    pub(crate) more: bool,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) changes: Vec<Change>,
    pub(crate) state: SyncState,
    pub(crate) last: bool,
}

/// How much there is to watch.
pub(crate) struct Counts {
    pub(crate) mailboxes: usize,
    pub(crate) groups: usize,
}

/// A folder to watch, before it has a place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) lane: u32,
    pub(crate) grouping: Option<Arc<str>>,
    pub(crate) address: MailboxAddress,
    pub(crate) folder: FolderRef,
}

pub(crate) struct Machine {
    config: WatchConfig,
    lanes: Vec<Lane>,
    groups: Vec<Group>,
    mailboxes: Vec<Mailbox>,
    /// Whose a streaming subscription is.
    subscribers: HashMap<SubscriptionId, u32>,
    timers: Timers,
    /// Openings and closings, which no lane counts.
    actions: VecDeque<Action>,
    /// Lanes that may have something to do.
    ready: VecDeque<u32>,
    delivery: Delivery,
    random: fastrand::Rng,
    /// When the driver was told to come back.
    announced: At,
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

/// Whom of the mailboxes to put on one connection: those that one server answers for, at most `size`, by name.
pub(crate) fn plan(mut entries: Vec<Entry>, size: usize) -> Vec<Vec<Entry>> {
    entries.sort_by(|a, b| (a.lane, &a.grouping, &a.address).cmp(&(b.lane, &b.grouping, &b.address)));
    let mut groups: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        match groups.last_mut() {
            Some(group)
                if group.len() < size
                    && group.first().is_some_and(|first| {
                        first.lane == entry.lane && first.grouping == entry.grouping
                    }) =>
            {
                group.push(entry);
            }
            _ => groups.push(vec![entry]),
        }
    }
    groups
}

impl Machine {
    pub(crate) fn new(config: WatchConfig, entries: Vec<Entry>, token: &WatchToken, now: At) -> Self {
        let random = config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let lanes = entries.iter().map(|entry| entry.lane + 1).max().unwrap_or(0);
        let mut machine = Self {
            lanes: (0..lanes).map(|_| Lane::new(&config)).collect(),
            groups: Vec::new(),
            mailboxes: Vec::with_capacity(entries.len()),
            subscribers: HashMap::new(),
            timers: Timers::default(),
            actions: VecDeque::new(),
            ready: VecDeque::new(),
            delivery: Delivery::default(),
            random,
            announced: NEVER,
            config,
        };
        for members in plan(entries, machine.config.group_size) {
            let Some(lane) = members.first().map(|first| first.lane) else { continue };
            let (group, first) = (machine.groups.len() as u32, machine.mailboxes.len() as u32);
            for entry in members {
                let state = token.get(&entry.address, &entry.folder).map(|token| token.state.clone());
                machine.mailboxes.push(Mailbox::new(entry, group, state, machine.config.initial));
            }
            let end = machine.mailboxes.len() as u32;
            machine.groups.push(Group::new(lane, first..end));
        }
        for group in 0..machine.groups.len() as u32 {
            machine.begin(group, now);
        }
        machine
    }

    /// Takes in what came.
    pub(crate) fn input(&mut self, input: Input, now: At) {
        match input {
            Input::Subscribed { mailbox, kind, result } => self.subscribed(mailbox, kind, result, now),
            Input::Said { group, generation, said } => self.said(group, generation, said, now),
            Input::Ended { group, generation, error } => self.ended(group, generation, error, now),
            Input::Pulled { mailbox, result } => self.pulled(mailbox, result, now),
            Input::Synced { mailbox, result } => self.synced(mailbox, result, now),
            Input::Unsubscribed { mailbox } => self.settle(mailbox),
        }
    }

    /// What to do next; `None` when there is nothing before [`wake_at`](Self::wake_at) or another input.
    pub(crate) fn next_action(&mut self, now: At) -> Option<Action> {
        self.forgive_absence(now);
        while let Some(who) = self.timers.due(now) {
            match who {
                Who::Lane(lane) => {
                    if let Some(lane) = self.lanes.get_mut(lane as usize) {
                        lane.alarm = NEVER;
                    }
                    self.mark_ready(lane);
                }
                Who::Group(group) => {
                    if let Some(group) = self.groups.get_mut(group as usize) {
                        group.alarm = NEVER;
                    }
                    self.advance(group, now);
                }
                Who::Mailbox(mailbox) => {
                    if let Some(mailbox) = self.mailboxes.get_mut(mailbox as usize) {
                        mailbox.alarm = NEVER;
                    }
                    self.look_after(mailbox, now);
                }
            }
        }
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            let lane = *self.ready.front()?;
            match self.lane_action(lane, now) {
                Some(action) => {
                    // The next lane is next.
                    self.ready.rotate_left(1);
                    return Some(action);
                }
                None => {
                    self.ready.pop_front();
                    if let Some(lane) = self.lanes.get_mut(lane as usize) {
                        lane.ready = false;
                    }
                }
            }
        }
    }

    /// When to come back at the latest; at once while lanes are not looked at.
    pub(crate) fn wake_at(&mut self) -> At {
        if !self.ready.is_empty() || !self.actions.is_empty() {
            return 0;
        }
        self.announced = self.timers.next();
        self.announced
    }

    /// The consumer, or the machine, was away for long: what servers sent meanwhile may still lie unread.
    fn forgive_absence(&mut self, now: At) {
        let slack = millis(self.config.slack);
        if self.announced != NEVER && now > self.announced.saturating_add(slack) {
            let until = now.saturating_add(slack);
            for group in 0..self.groups.len() as u32 {
                self.grant(group, until);
            }
        }
        self.announced = NEVER;
    }

    pub(crate) fn address(&self, mailbox: u32) -> Option<(&MailboxAddress, &FolderRef)> {
        self.mailboxes.get(mailbox as usize).map(|mailbox| (&mailbox.address, &mailbox.folder))
    }

    /// The lane of a mailbox.
    pub(crate) fn lane_of(&self, mailbox: u32) -> u32 {
        let group = self.mailboxes.get(mailbox as usize).map_or(0, |mailbox| mailbox.group);
        self.lane_of_group(group)
    }

    pub(crate) fn lane_of_group(&self, group: u32) -> u32 {
        self.groups.get(group as usize).map_or(0, |group| group.lane)
    }

    /// What keeps the calls of a mailbox's group on one server.
    pub(crate) fn affinity(&self, mailbox: u32) -> Option<Affinity> {
        self.affinity_of_group(self.mailboxes.get(mailbox as usize)?.group)
    }

    pub(crate) fn affinity_of_group(&self, group: u32) -> Option<Affinity> {
        let group = self.groups.get(group as usize)?;
        let anchor = self.mailboxes.get(group.anchor as usize)?.address.clone();
        Some(Affinity::new(anchor).with_cookie(group.cookie.clone()))
    }

    /// Subscriptions that are alive, for a polite end.
    pub(crate) fn live(&self) -> Vec<(u32, SubscriptionId)> {
        let with_place = (0_u32..).zip(&self.mailboxes);
        with_place.filter_map(|(at, mailbox)| Some((at, mailbox.sub.id()?.clone()))).collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { mailboxes: self.mailboxes.len(), groups: self.groups.len() }
    }

    pub(crate) fn status(&self) -> super::WatchStatus {
        let mut status = super::WatchStatus { mailboxes: self.mailboxes.len(), ..Default::default() };
        for mailbox in &self.mailboxes {
            match mailbox.level() {
                None => status.starting += 1,
                Some(super::Level::Streaming) => status.streaming += 1,
                Some(super::Level::Pull) => status.pull += 1,
                Some(super::Level::Poll) => status.poll += 1,
                Some(super::Level::Lost { .. }) => status.lost += 1,
            }
            status.comparing += usize::from(mailbox.step != SyncStep::Idle);
        }
        status.connections = self.groups.iter().filter(|group| group.is_open()).count();
        status.undelivered = self.delivery.len();
        status
    }

    /// A wait drawn below a bound that doubles with each failure.
    fn back_off(&mut self, failures: u8, floor: Option<Duration>) -> u64 {
        let (first, longest) = self.config.reconnect;
        let bound = first
            .saturating_mul(1_u32.checked_shl(u32::from(failures.saturating_sub(1))).unwrap_or(u32::MAX))
            .min(longest);
        let drawn = self.random.u64(0..=millis(bound));
        match floor.map(millis) {
            Some(floor) => floor.saturating_add(drawn.min(floor / 10 + 100)),
            None => drawn,
        }
    }

    /// This long, give or take: so that what began together does not stay together.
    fn about(&mut self, wait: Duration) -> u64 {
        let wait = millis(wait);
        (wait - wait / 4).saturating_add(self.random.u64(0..=wait / 2))
    }
}
