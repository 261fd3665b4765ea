use std::sync::Arc;

use m365_core::{Error, ErrorKind, MailboxAddress, Result};

use super::group::{Led, Mode};
use super::timers::{At, NEVER, Who};
use super::{Action, Entry, Machine, Page, Pulled, SubKind, Subscribed, millis};
use crate::watch::config::Initial;
use crate::watch::event::{Change, Level, Resync};
use crate::{CodeClass, FolderRef, ResponseCode, SubscriptionId, SyncState, Watermark};

/// Failures in a row after which a mailbox counts as lost.
const LOST: u8 = 3;
/// Trouble with a subscription is forgotten after ten minutes.
const FORGOTTEN: u64 = 600_000;

#[derive(Clone, Debug)]
pub(super) enum Sub {
    None,
    Queued,
    InFlight,
    Live { id: SubscriptionId, kind: SubKind, watermark: Option<Watermark> },
}

impl Sub {
    pub(super) fn id(&self) -> Option<&SubscriptionId> {
        if let Self::Live { id, .. } = self { Some(id) } else { None }
    }

    pub(super) fn is_live(&self, of: SubKind) -> bool {
        matches!(self, Self::Live { kind, .. } if *kind == of)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncStep {
    Idle,
    Queued,
    Running,
}

/// Going through a folder from its beginning without telling of each item.
#[derive(Clone, Debug)]
struct Walk {
    why: Resync,
    state: Option<SyncState>,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) address: MailboxAddress,
    pub(super) folder: FolderRef,
    pub(super) group: u32,

    pub(super) sub: Sub,
    /// When to subscribe, while there is no subscription.
    pub(super) sub_at: At,
    /// Its time has come, and the group takes it from here.
    pub(super) sub_waits: bool,
    sub_failures: u8,
    sub_trouble_at: At,
    /// Whether the open connection carries it.
    pub(super) in_stream: bool,
    pull_at: At,
    pulling: bool,
    pull_failures: u8,

    /// Changes were fetched up to here.
    state: Option<SyncState>,
    walk: Option<Box<Walk>>,
    pub(super) step: SyncStep,
    /// When to compare.
    sync_at: At,
    /// Not before that.
    sync_not_before: At,
    sync_failures: u8,
    /// A comparison that begins later is due before the mailbox counts as watched.
    gap: bool,
    pub(super) uncovered_since: At,

    /// Everything up to here is acknowledged.
    pub(super) acked: Option<SyncState>,
    pub(super) pending: Vec<(u64, SyncState)>,
    pub(super) undelivered: u32,
    pub(super) level: Option<Level>,
    pub(super) level_waits: bool,

    pub(super) alarm: At,
}

impl Mailbox {
    pub(super) fn new(entry: Entry, group: u32, state: Option<SyncState>, initial: Initial) -> Self {
        let walk = (state.is_none() && initial == Initial::Skip)
            .then(|| Box::new(Walk { why: Resync::First, state: None }));
        Self {
            address: entry.address,
            folder: entry.folder,
            group,
            sub: Sub::None,
            sub_at: 0,
            sub_waits: true,
            sub_failures: 0,
            sub_trouble_at: 0,
            in_stream: false,
            pull_at: NEVER,
            pulling: false,
            pull_failures: 0,
            acked: state.clone(),
            state,
            walk,
            step: SyncStep::Idle,
            sync_at: NEVER,
            sync_not_before: 0,
            sync_failures: 0,
            gap: true,
            uncovered_since: 0,
            pending: Vec::new(),
            undelivered: 0,
            level: None,
            level_waits: false,
            alarm: NEVER,
        }
    }

    pub(super) fn level(&self) -> Option<&Level> {
        self.level.as_ref()
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.level, Some(Level::Lost { .. }))
    }

    /// Whether it waits for nothing but its turn to be subscribed.
    pub(super) fn wants_subscription(&self, now: At) -> bool {
        matches!(self.sub, Sub::None) && self.sub_at <= now && !self.is_lost()
    }
}

/// Whether the place that changes were told up to is of no use any more.
fn state_is_lost(error: &Error) -> bool {
    error.kind() == ErrorKind::Gone
        || error.service_code().is_some_and(|code| ResponseCode::new(code).class() == CodeClass::BadId)
}

impl Machine {
    fn is_covered(&self, mailbox: u32) -> Option<Level> {
        let place = self.mailboxes.get(mailbox as usize)?;
        let group = self.groups.get(place.group as usize)?;
        match group.mode {
            Mode::Streaming if place.in_stream && group.is_open() => Some(Level::Streaming),
            Mode::Pull if place.sub.is_live(SubKind::Pull) => Some(Level::Pull),
            _ => None,
        }
    }

    /// Sets the alarm of a mailbox to what it waits for next.
    pub(super) fn set_alarm(&mut self, mailbox: u32) {
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        let mut at = NEVER;
        if place.step == SyncStep::Idle && place.sync_at != NEVER {
            at = at.min(place.sync_at.max(place.sync_not_before));
        }
        if matches!(place.sub, Sub::None) && !place.sub_waits && !place.is_lost() {
            at = at.min(place.sub_at);
        }
        if !place.pulling && place.sub.is_live(SubKind::Pull) {
            at = at.min(place.pull_at);
        }
        self.timers.set(Who::Mailbox(mailbox), &mut place.alarm, at);
    }

    /// Compares this folder at that time, or earlier if that was planned.
    pub(super) fn want_sync(&mut self, mailbox: u32, at: At) {
        if let Some(place) = self.mailboxes.get_mut(mailbox as usize)
            && place.step != SyncStep::Queued
        {
            place.sync_at = place.sync_at.min(at);
            self.set_alarm(mailbox);
        }
    }

    /// Notifications may have been missed until now: a comparison that begins later is due.
    pub(super) fn close_gap(&mut self, mailbox: u32, now: At) {
        if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
            place.gap = true;
            self.want_sync(mailbox, now);
        }
    }

    /// Nothing tells of changes in this mailbox from now on.
    pub(super) fn uncover(&mut self, mailbox: u32, now: At) {
        let net = self.about(self.config.poll_interval);
        if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
            place.in_stream = false;
            place.gap = true;
            place.uncovered_since = now;
            self.want_sync(mailbox, now.saturating_add(net));
        }
    }

    /// The alarm of a mailbox went off.
    pub(super) fn look_after(&mut self, mailbox: u32, now: At) {
        let lane = self.lane_of(mailbox);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        let group = place.group;
        let sync = place.step == SyncStep::Idle && place.sync_at.max(place.sync_not_before) <= now;
        let subscribe = !place.sub_waits && place.wants_subscription(now);
        let pull = !place.pulling && place.pull_at <= now && place.sub.is_live(SubKind::Pull);
        if pull {
            place.pulling = true;
            if let Some(lane) = self.lanes.get_mut(lane as usize) {
                lane.pulls.push_back(mailbox);
            }
            self.mark_ready(lane);
        }
        if sync {
            self.queue_sync(mailbox);
        }
        if subscribe {
            if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
                place.sub_waits = true;
            }
            self.advance(group, now);
        }
        self.set_alarm(mailbox);
    }

    pub(super) fn start_sync(&mut self, mailbox: u32) -> Option<Action> {
        let place = self.mailboxes.get_mut(mailbox as usize)?;
        place.step = SyncStep::Running;
        place.gap = false;
        place.sync_at = NEVER;
        let state = match &place.walk {
            Some(walk) => walk.state.clone(),
            None => place.state.clone(),
        };
        self.set_alarm(mailbox);
        Some(Action::Sync { mailbox, state })
    }

    pub(super) fn start_subscribe(&mut self, mailbox: u32) -> Option<Action> {
        let place = self.mailboxes.get_mut(mailbox as usize)?;
        let kind = self.groups.get(place.group as usize)?.mode.kind();
        if !matches!(place.sub, Sub::Queued) {
            return None;
        }
        place.sub = Sub::InFlight;
        Some(Action::Subscribe { mailbox, kind })
    }

    pub(super) fn start_pull(&mut self, mailbox: u32) -> Option<Action> {
        let place = self.mailboxes.get_mut(mailbox as usize)?;
        match &place.sub {
            Sub::Live { id, kind: SubKind::Pull, watermark: Some(watermark) } => {
                Some(Action::Pull { mailbox, id: id.clone(), watermark: watermark.clone() })
            }
            _ => {
                place.pulling = false;
                None
            }
        }
    }

    pub(super) fn subscribed(&mut self, mailbox: u32, kind: SubKind, result: Result<Subscribed>, now: At) {
        self.settle(mailbox);
        self.learn(mailbox, result.as_ref().err(), now);
        let first_pull = self.about(self.config.pull_interval);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        let at = place.group;
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.subscribing = group.subscribing.saturating_sub(1);
        let wanted = group.mode.kind();
        place.sub = Sub::None;
        match result {
            Ok(made) if kind != wanted => {
                self.subscribe_at(mailbox, now);
                self.end_politely(mailbox, made.id);
            }
            Ok(made) => {
                if group.led == Led::Trying(mailbox) {
                    group.led = Led::Yes;
                    group.cookie = made.cookie;
                }
                place.sub = Sub::Live { id: made.id.clone(), kind, watermark: made.watermark };
                match kind {
                    SubKind::Streaming => {
                        self.subscribers.insert(made.id, mailbox);
                        self.plan_rejoin(at, now);
                    }
                    SubKind::Pull => {
                        place.pull_at = now.saturating_add(first_pull);
                        self.close_gap(mailbox, now);
                    }
                }
            }
            Err(error) => {
                if group.led == Led::Trying(mailbox) {
                    group.led = Led::No;
                }
                self.subscription_refused(mailbox, kind, &error, now);
            }
        }
        self.set_alarm(mailbox);
        self.advance(at, now);
    }

    fn subscription_refused(&mut self, mailbox: u32, kind: SubKind, error: &Error, now: At) {
        let again = self.about(self.config.upgrade_after);
        let failures = match self.mailboxes.get_mut(mailbox as usize) {
            Some(place) => {
                place.sub_failures = place.sub_failures.saturating_add(1);
                place.sub_trouble_at = now;
                place.sub_failures
            }
            None => return,
        };
        let lane_at = self.lane_of(mailbox);
        let new_here = self.lanes.get(lane_at as usize).is_some_and(|lane| !lane.has_streamed);
        let wait = if error.is_transient() {
            self.back_off(failures, error.retry_after())
        } else if kind == SubKind::Streaming && error.kind() == ErrorKind::Unsupported && new_here {
            self.without_streaming(lane_at, now);
            0
        } else {
            // Whether it can be compared at all shows now, not in five minutes.
            if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
                place.uncovered_since = 0;
            }
            self.want_sync(mailbox, now);
            again
        };
        self.subscribe_at(mailbox, now.saturating_add(wait));
    }

    fn subscribe_at(&mut self, mailbox: u32, at: At) {
        if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
            place.sub_at = at;
            place.sub_waits = false;
        }
    }

    /// The subscription of this mailbox is gone.
    pub(super) fn lose(&mut self, mailbox: u32, now: At) {
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        if let Sub::Live { id, .. } = &place.sub {
            self.subscribers.remove(id);
            place.sub = Sub::None;
        }
        if now > place.sub_trouble_at.saturating_add(FORGOTTEN) {
            place.sub_failures = 0;
        }
        place.sub_trouble_at = now;
        place.sub_failures = place.sub_failures.saturating_add(1);
        place.pull_at = NEVER;
        let failures = place.sub_failures;
        // The first time at once.
        let wait = if failures <= 1 { 0 } else { self.back_off(failures - 1, None) };
        self.subscribe_at(mailbox, now.saturating_add(wait));
        self.uncover(mailbox, now);
        self.set_alarm(mailbox);
    }

    /// Ends the subscription of this mailbox from our side, for another one.
    pub(super) fn drop_subscription(&mut self, mailbox: u32, now: At) {
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        place.pull_at = NEVER;
        if let Sub::Live { id, .. } = &place.sub {
            let id = id.clone();
            place.sub = Sub::None;
            self.subscribers.remove(&id);
            self.subscribe_at(mailbox, now);
            self.end_politely(mailbox, id);
        }
        self.uncover(mailbox, now);
        self.set_alarm(mailbox);
    }

    pub(super) fn pulled(&mut self, mailbox: u32, result: Result<Pulled>, now: At) {
        self.settle(mailbox);
        self.learn(mailbox, result.as_ref().err(), now);
        let every = millis(self.config.pull_interval);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        let group = place.group;
        place.pulling = false;
        match result {
            Ok(pulled) => {
                place.pull_failures = 0;
                if let Sub::Live { watermark, .. } = &mut place.sub
                    && pulled.watermark.is_some()
                {
                    *watermark = pulled.watermark;
                }
                place.pull_at = if pulled.more { now } else { now.saturating_add(every) };
                if pulled.any {
                    self.want_sync(mailbox, now);
                }
            }
            Err(error) if error.is_transient() => {
                place.pull_failures = place.pull_failures.saturating_add(1);
                let failures = place.pull_failures;
                let wait = self.back_off(failures, error.retry_after()).max(1_000);
                if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
                    place.pull_at = now.saturating_add(wait);
                }
            }
            Err(_) => {
                self.lose(mailbox, now);
                self.advance(group, now);
            }
        }
        self.set_alarm(mailbox);
    }

    pub(super) fn synced(&mut self, mailbox: u32, result: Result<Page>, now: At) {
        self.settle_sync(mailbox);
        self.learn(mailbox, result.as_ref().err(), now);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        place.step = SyncStep::Idle;
        let known = match &place.walk {
            Some(walk) => walk.state.as_ref(),
            None => place.state.as_ref(),
        };
        match result {
            Ok(page) if page.state.as_str().is_empty() => {
                let error = Error::unreadable("the answer holds no sync state");
                self.sync_failed(mailbox, error.with_transient(true), now);
            }
            Ok(page) if !page.last && page.changes.is_empty() && known == Some(&page.state) => {
                let error = Error::unreadable("the server says that there is more, and gives nothing");
                self.sync_failed(mailbox, error.with_transient(true), now);
            }
            Ok(page) => self.take_page(mailbox, page, now),
            Err(error) => self.sync_failed(mailbox, error, now),
        }
        self.set_alarm(mailbox);
    }

    fn take_page(&mut self, mailbox: u32, page: Page, now: At) {
        let poll = millis(self.config.poll_interval);
        let coalesce = millis(self.config.coalesce);
        let next_poll = self.about(self.config.poll_interval);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        if page.last || place.walk.is_none() {
            // A state refused as soon as it is given would else be asked for without a pause.
            place.sync_failures = 0;
        }
        place.sync_not_before = 0;
        match &mut place.walk {
            Some(walk) if !page.last => walk.state = Some(page.state),
            Some(walk) => {
                let why = walk.why;
                place.walk = None;
                place.state = Some(page.state.clone());
                self.deliver(mailbox, vec![Change::Resynced(why)], &page.state);
            }
            None => {
                place.state = Some(page.state.clone());
                self.deliver(mailbox, page.changes, &page.state);
            }
        }
        if !page.last {
            self.want_sync(mailbox, now);
            return;
        }
        let covered = self.is_covered(mailbox);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        let (was_lost, group) = (place.is_lost(), place.group);
        let long_uncovered = now.saturating_sub(place.uncovered_since) >= poll / 2;
        match covered {
            Some(level) if !place.gap => {
                if place.sync_at > now.saturating_add(coalesce) {
                    // The net that was hung up while nothing told of changes.
                    place.sync_at = NEVER;
                }
                self.set_level(mailbox, level);
            }
            // The comparison that closes the gap is still to come.
            Some(_) => {}
            None => {
                if was_lost || place.level.is_none() || long_uncovered {
                    self.set_level(mailbox, Level::Poll);
                }
                self.want_sync(mailbox, now.saturating_add(next_poll));
            }
        }
        if was_lost {
            // It may be subscribed again.
            self.advance(group, now);
        }
    }

    fn sync_failed(&mut self, mailbox: u32, error: Error, now: At) {
        let again = self.about(self.config.lost_retry);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        place.gap = true;
        place.sync_failures = place.sync_failures.saturating_add(1);
        let failures = place.sync_failures;
        let used = match &place.walk {
            Some(walk) => walk.state.is_some(),
            None => place.state.is_some(),
        };
        if used && state_is_lost(&error) {
            // The state that was told up to stays in the token until the consumer has heard of it.
            let why = place.walk.as_ref().map_or(Resync::StateLost, |walk| walk.why);
            place.walk = Some(Box::new(Walk { why, state: None }));
            let wait = if failures <= 1 { 0 } else { self.back_off(failures, None).max(1_000) };
            self.delay_sync(mailbox, now.saturating_add(wait));
        } else if error.is_transient() {
            let wait = self.back_off(failures, error.retry_after()).max(1_000);
            self.delay_sync(mailbox, now.saturating_add(wait));
            if failures >= LOST {
                self.set_level(mailbox, Level::Lost { error: Arc::new(error) });
            }
        } else {
            self.delay_sync(mailbox, now.saturating_add(again));
            self.set_level(mailbox, Level::Lost { error: Arc::new(error) });
        }
    }

    fn delay_sync(&mut self, mailbox: u32, at: At) {
        if let Some(place) = self.mailboxes.get_mut(mailbox as usize) {
            place.sync_at = at;
            place.sync_not_before = at;
        }
    }
}
