mod endings;

use std::ops::Range;
use std::time::Duration;

use super::mailbox::Sub;
use super::timers::{At, NEVER, Who};
use super::{Action, Machine, Said, SubKind, millis};
use crate::{BackEndCookie, CodeClass, ResponseCode};

/// Connections in a row that never spoke, after which something in between is taken to hold them back.
const SILENT: u8 = 3;
/// Failures in a row to open, while other calls went well, that mean the same.
const FAILED: u8 = 5;
/// Losses in a row after which all subscriptions of a group are made anew.
const LOSSES: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Streaming,
    Pull,
}

impl Mode {
    pub(super) fn kind(self) -> SubKind {
        match self {
            Self::Streaming => SubKind::Streaming,
            Self::Pull => SubKind::Pull,
        }
    }
}

/// Whether the first subscription of a group, which finds the server for the others, is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Led {
    No,
    Trying(u32),
    Yes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conn {
    Down,
    /// Asked for; nothing was heard yet.
    Opening,
    Open {
        since: At,
    },
}

/// Mailboxes that share a server and a connection.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) lane: u32,
    members: Range<u32>,
    /// Whom the calls of the group are routed by: the first by name that could be subscribed.
    pub(super) anchor: u32,
    pub(super) cookie: Option<BackEndCookie>,
    pub(super) led: Led,
    pub(super) mode: Mode,
    /// Members in line or in flight for a subscription.
    pub(super) subscribing: u32,
    conn: Conn,
    generation: u32,
    /// When a connection may be opened.
    open_at: At,
    /// Opens without those that are just being subscribed.
    hurry: bool,
    silent_at: At,
    end_at: At,
    rejoin_at: At,
    upgrade_at: At,
    upgrade_factor: u32,
    failures: u8,
    first_failure_at: At,
    silent: u8,
    losses: u8,
    refusals: u8,
    pub(super) alarm: At,
}

impl Group {
    pub(super) fn new(lane: u32, members: Range<u32>) -> Self {
        Self {
            lane,
            anchor: members.start,
            members,
            cookie: None,
            led: Led::No,
            mode: Mode::Pull,
            subscribing: 0,
            conn: Conn::Down,
            generation: 0,
            open_at: 0,
            hurry: false,
            silent_at: NEVER,
            end_at: NEVER,
            rejoin_at: NEVER,
            upgrade_at: NEVER,
            upgrade_factor: 1,
            failures: 0,
            first_failure_at: 0,
            silent: 0,
            losses: 0,
            refusals: 0,
            alarm: NEVER,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.conn, Conn::Open { .. })
    }

    fn is_up(&self) -> bool {
        self.conn != Conn::Down
    }
}

/// Whether a code says that a subscription is to be made anew, whatever else is said.
fn means_subscribe_anew(code: &ResponseCode) -> bool {
    (code.class() == CodeClass::StartAnew && *code != ResponseCode::ERROR_MISSED_NOTIFICATION_EVENTS)
        || code.class() == CodeClass::BadId
        || *code == ResponseCode::ERROR_SUBSCRIPTION_ACCESS_DENIED
        || *code == ResponseCode::ERROR_PROXIED_SUBSCRIPTION_CALL_FAILURE
}

impl Machine {
    fn members(&self, group: u32) -> Range<u32> {
        self.groups.get(group as usize).map_or(0..0, |group| group.members.clone())
    }

    /// Streams if a connection is to be had, else pulls.
    pub(super) fn begin(&mut self, at: u32, now: At) {
        let later = self.about(self.config.upgrade_after);
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        if let Some(lane) = self.lanes.get_mut(group.lane as usize)
            && lane.may_stream()
        {
            lane.streaming_groups += 1;
            group.mode = Mode::Streaming;
        } else {
            group.upgrade_at = now.saturating_add(later);
        }
        for mailbox in self.members(at) {
            self.uncover(mailbox, now);
        }
        self.advance(at, now);
    }

    /// Does for a group what its time has come for.
    pub(super) fn advance(&mut self, at: u32, now: At) {
        let Some(group) = self.groups.get(at as usize) else { return };
        match group.conn {
            Conn::Opening if now >= group.silent_at.min(group.end_at) => self.fall_back(at, now),
            Conn::Open { .. } if now >= group.silent_at.min(group.end_at) => self.cut(at, None, now),
            Conn::Open { .. } if now >= group.rejoin_at => {
                self.hang_up(at, now);
                self.open_at(at, now);
            }
            Conn::Down if group.mode == Mode::Pull && now >= group.upgrade_at => self.try_streaming(at, now),
            _ => {}
        }
        self.line_up(at, now);
        self.open(at, now);
        self.set_group_alarm(at, now);
    }

    /// Puts those in line that want a subscription: one alone first.
    fn line_up(&mut self, at: u32, now: At) {
        for mailbox in self.members(at) {
            let Some(group) = self.groups.get_mut(at as usize) else { return };
            let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
            if !place.wants_subscription(now) {
                continue;
            }
            match group.led {
                Led::Trying(_) => break,
                Led::No => {
                    group.led = Led::Trying(mailbox);
                    group.anchor = mailbox;
                    group.cookie = None;
                }
                Led::Yes => {}
            }
            place.sub = Sub::Queued;
            group.subscribing += 1;
            let lane = group.lane;
            if let Some(lane) = self.lanes.get_mut(lane as usize) {
                lane.subscribes.push_back(mailbox);
            }
            self.mark_ready(lane);
            self.set_alarm(mailbox);
        }
    }

    fn open(&mut self, at: u32, now: At) {
        let Some(group) = self.groups.get(at as usize) else { return };
        if group.mode != Mode::Streaming
            || group.is_up()
            || now < group.open_at
            || (group.subscribing > 0 && !group.hurry)
        {
            return;
        }
        let mut ids = Vec::new();
        for mailbox in group.members.clone() {
            let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { continue };
            place.in_stream = place.sub.is_live(SubKind::Streaming);
            if let (true, Some(id)) = (place.in_stream, place.sub.id()) {
                ids.push(id.clone());
            }
        }
        if ids.is_empty() {
            return;
        }
        let silent =
            millis(self.config.heartbeat).saturating_mul(2).saturating_add(millis(self.config.slack));
        let whole = u64::from(self.config.connection_minutes) * 60_000 + millis(self.config.connection_slack);
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.hurry = false;
        group.conn = Conn::Opening;
        group.generation = group.generation.wrapping_add(1);
        group.silent_at = now.saturating_add(silent);
        group.end_at = now.saturating_add(whole);
        group.rejoin_at = NEVER;
        let generation = group.generation;
        self.actions.push_back(Action::Open { group: at, generation, ids });
        let late = |mailbox: u32| {
            let place = self.mailboxes.get(mailbox as usize);
            place.is_some_and(|place| !place.in_stream && place.sub.is_live(SubKind::Streaming))
        };
        if self.members(at).any(late) {
            self.plan_rejoin(at, now);
        }
    }

    fn set_group_alarm(&mut self, at: u32, now: At) {
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        let next = match (group.mode, group.conn) {
            (Mode::Pull, _) => group.upgrade_at,
            (_, Conn::Down) if group.open_at > now => group.open_at,
            // Something else must happen first.
            (_, Conn::Down) => NEVER,
            (_, Conn::Opening) => group.silent_at.min(group.end_at),
            (_, Conn::Open { .. }) => group.silent_at.min(group.end_at).min(group.rejoin_at),
        };
        self.timers.set(Who::Group(at), &mut group.alarm, next);
    }

    /// Nothing was read for a while through no fault of the servers.
    pub(super) fn grant(&mut self, at: u32, until: At) {
        if let Some(group) = self.groups.get_mut(at as usize)
            && group.is_up()
        {
            group.silent_at = group.silent_at.max(until);
            group.end_at = group.end_at.max(until);
            // The alarm stands earlier, and finds that it is not yet time.
        }
    }

    /// Members were subscribed that the connection does not carry.
    pub(super) fn plan_rejoin(&mut self, at: u32, now: At) {
        let wait = millis(self.config.rejoin_after);
        if let Some(group) = self.groups.get_mut(at as usize)
            && group.is_up()
        {
            group.rejoin_at = group.rejoin_at.min(now.saturating_add(wait));
        }
    }

    fn open_at(&mut self, at: u32, when: At) {
        if let Some(group) = self.groups.get_mut(at as usize) {
            group.open_at = when;
        }
    }

    /// Has the driver drop the connection. Whether it was a good one.
    fn hang_up(&mut self, at: u32, now: At) -> bool {
        self.actions.push_back(Action::Close { group: at });
        self.connection_is_over(at, now)
    }

    fn connection_is_over(&mut self, at: u32, now: At) -> bool {
        let heartbeat = millis(self.config.heartbeat);
        let Some(group) = self.groups.get_mut(at as usize) else { return false };
        let lasted = matches!(group.conn, Conn::Open { since } if now.saturating_sub(since) >= heartbeat);
        if lasted {
            // What went wrong before is forgotten.
            group.failures = 0;
            group.losses = 0;
            group.refusals = 0;
            group.upgrade_factor = 1;
        }
        group.conn = Conn::Down;
        group.generation = group.generation.wrapping_add(1);
        for mailbox in group.members.clone() {
            if self.mailboxes.get(mailbox as usize).is_some_and(|place| place.in_stream) {
                self.uncover(mailbox, now);
            }
        }
        lasted
    }

    /// Opens again after a wait that grows.
    fn fail(&mut self, at: u32, floor: Option<Duration>, now: At) {
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        if group.failures == 0 {
            group.first_failure_at = now;
        }
        group.failures = group.failures.saturating_add(1);
        let failures = group.failures;
        let wait = self.back_off(failures, floor);
        self.open_at(at, now.saturating_add(wait));
    }

    fn cut(&mut self, at: u32, floor: Option<Duration>, now: At) {
        self.hang_up(at, now);
        self.fail(at, floor, now);
    }

    pub(super) fn said(&mut self, at: u32, generation: u32, said: Said, now: At) {
        let silent =
            millis(self.config.heartbeat).saturating_mul(2).saturating_add(millis(self.config.slack));
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        if group.generation != generation || !group.is_up() {
            return;
        }
        group.silent_at = now.saturating_add(silent);
        let missed = |code: &ResponseCode| *code == ResponseCode::ERROR_MISSED_NOTIFICATION_EVENTS;
        let fatal = said.failure.as_ref().filter(|(code, _)| !missed(code));
        if group.conn == Conn::Opening && fatal.is_none() {
            group.conn = Conn::Open { since: now };
            group.silent = 0;
            if let Some(lane) = self.lanes.get_mut(group.lane as usize) {
                lane.has_streamed = true;
            }
            // What happened before this moment nobody tells of.
            for mailbox in self.members(at) {
                if self.mailboxes.get(mailbox as usize).is_some_and(|place| place.in_stream) {
                    self.close_gap(mailbox, now);
                }
            }
        }
        let due = now.saturating_add(millis(self.config.coalesce));
        for mailbox in
            said.touched.iter().filter_map(|id| self.subscribers.get(id).copied()).collect::<Vec<_>>()
        {
            self.want_sync(mailbox, due);
        }
        match said.failure {
            Some((code, _)) if missed(&code) => {
                for mailbox in self.meant(at, &said.named) {
                    self.close_gap(mailbox, now);
                }
            }
            Some((code, _)) if means_subscribe_anew(&code) => {
                self.hang_up(at, now);
                let meant = self.meant(at, &said.named);
                self.lose_some(at, meant, now);
                self.advance(at, now);
                return;
            }
            Some((code, floor)) => {
                self.hang_up(at, now);
                self.refused(at, &code, floor, now);
                self.advance(at, now);
                return;
            }
            None => {}
        }
        if said.closed {
            self.closed(at, now);
        }
        self.advance(at, now);
    }

    /// Whom a failure is about: those named, or everybody on the connection.
    fn meant(&self, at: u32, named: &[crate::SubscriptionId]) -> Vec<u32> {
        let members = self.members(at);
        if named.is_empty() {
            members
                .filter(|m| self.mailboxes.get(*m as usize).is_some_and(|p| p.sub.id().is_some()))
                .collect()
        } else {
            let known = named.iter().filter_map(|id| self.subscribers.get(id).copied());
            known.filter(|mailbox| members.contains(mailbox)).collect()
        }
    }

    /// The server ended the connection as it was asked to.
    fn closed(&mut self, at: u32, now: At) {
        if self.hang_up(at, now) {
            self.open_at(at, now);
        } else {
            // One that ends at once is no good end.
            self.fail(at, None, now);
        }
    }

    /// Makes these subscriptions anew, and carries on with the others at once.
    fn lose_some(&mut self, at: u32, mut lost: Vec<u32>, now: At) {
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.losses = group.losses.saturating_add(1);
        let losses = group.losses;
        if lost.is_empty() {
            // Nobody that we know: nothing is mended by dropping nobody.
            self.fail(at, None, now);
            if losses < LOSSES {
                return;
            }
        }
        if losses >= LOSSES {
            // A server that forgot everything may tell of one at a time.
            lost = self.meant(at, &[]);
        }
        for mailbox in &lost {
            self.lose(*mailbox, now);
        }
        let anyone = !self.meant(at, &[]).is_empty();
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.hurry = anyone;
        if !anyone && !matches!(group.led, Led::Trying(_)) {
            // Perhaps another server answers for them now.
            group.led = Led::No;
        }
        group.open_at = now;
    }
}

fn is_over_budget(code: &ResponseCode) -> bool {
    *code == ResponseCode::ERROR_EXCEEDED_CONNECTION_COUNT
        || *code == ResponseCode::ERROR_EXCEEDED_SUBSCRIPTION_COUNT
}
