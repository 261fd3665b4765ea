use std::collections::VecDeque;

use m365_core::{Error, ErrorKind};

use super::mailbox::SyncStep;
use super::timers::{At, NEVER, Who};
use super::{Action, Machine};
use crate::watch::config::WatchConfig;
use crate::{ResponseCode, SubscriptionId};

/// Subscriptions waiting for their end; beyond, they end by themselves.
const MANY_ENDINGS: usize = 10_000;
/// Failures in a row after which a server counts as down.
const DOWN: u8 = 5;

/// One client: what of it is in flight, and what waits.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) syncs: VecDeque<u32>,
    pub(super) subscribes: VecDeque<u32>,
    pub(super) pulls: VecDeque<u32>,
    endings: VecDeque<(u32, SubscriptionId)>,
    in_flight: usize,
    syncing: usize,
    /// Calls in flight at present allowed.
    limit: usize,
    /// Calls that went well since the limit was changed.
    went_well: usize,
    halved_at: At,
    failures: u8,
    paused_until: At,
    pub(super) alarm: At,
    pub(super) ready: bool,
    turn: u8,
    /// Groups that stream or try to.
    pub(super) streaming_groups: usize,
    /// Streaming connections allowed.
    pub(super) hanging: Option<usize>,
    /// When something last went well.
    pub(super) well_at: At,
    /// Whether streaming was refused as unknown.
    pub(super) no_streaming: bool,
    /// Whether any streaming connection ever spoke.
    pub(super) has_streamed: bool,
}

impl Lane {
    pub(super) fn new(config: &WatchConfig) -> Self {
        Self {
            syncs: VecDeque::new(),
            subscribes: VecDeque::new(),
            pulls: VecDeque::new(),
            endings: VecDeque::new(),
            in_flight: 0,
            syncing: 0,
            limit: config.concurrency,
            went_well: 0,
            halved_at: 0,
            failures: 0,
            paused_until: 0,
            alarm: NEVER,
            ready: false,
            turn: 0,
            streaming_groups: 0,
            hanging: config.hanging,
            well_at: 0,
            no_streaming: !config.streaming,
            has_streamed: false,
        }
    }

    pub(super) fn may_stream(&self) -> bool {
        !self.no_streaming && self.hanging.is_none_or(|most| self.streaming_groups < most)
    }

    fn allowed(&self) -> usize {
        if self.failures >= DOWN { 1 } else { self.limit }
    }
}

impl Machine {
    pub(super) fn mark_ready(&mut self, at: u32) {
        if let Some(lane) = self.lanes.get_mut(at as usize)
            && !lane.ready
        {
            lane.ready = true;
            self.ready.push_back(at);
        }
    }

    pub(super) fn mark_all_ready(&mut self) {
        (0..self.lanes.len() as u32).for_each(|lane| self.mark_ready(lane));
    }

    /// The next call of this lane.
    pub(super) fn lane_action(&mut self, at: u32, now: At) -> Option<Action> {
        let full = self.delivery.len() >= self.config.buffered_events;
        let most_syncs = self.config.sync_concurrency;
        let lane = self.lanes.get_mut(at as usize)?;
        if now < lane.paused_until {
            let until = lane.paused_until;
            self.timers.set(Who::Lane(at), &mut lane.alarm, until);
            return None;
        }
        if lane.in_flight >= lane.allowed() {
            return None;
        }
        // Each kind has its turn, so that none starves behind another.
        for _ in 0..4 {
            let lane = self.lanes.get_mut(at as usize)?;
            lane.turn = (lane.turn + 1) % 4;
            let action = match lane.turn {
                0 if !full && lane.syncing < most_syncs => {
                    let next = lane.syncs.pop_front();
                    next.and_then(|mailbox| self.start_sync(mailbox))
                }
                1 => {
                    let next = lane.subscribes.pop_front();
                    next.and_then(|mailbox| self.start_subscribe(mailbox))
                }
                2 => {
                    let next = lane.pulls.pop_front();
                    next.and_then(|mailbox| self.start_pull(mailbox))
                }
                3 => lane.endings.pop_front().map(|(mailbox, id)| Action::Unsubscribe { mailbox, id }),
                _ => None,
            };
            if let Some(action) = action {
                let lane = self.lanes.get_mut(at as usize)?;
                lane.in_flight += 1;
                lane.syncing += usize::from(matches!(action, Action::Sync { .. }));
                return Some(action);
            }
        }
        None
    }

    /// A call of this mailbox came to its end.
    pub(super) fn settle(&mut self, mailbox: u32) {
        let at = self.lane_of(mailbox);
        if let Some(lane) = self.lanes.get_mut(at as usize) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
        self.mark_ready(at);
    }

    pub(super) fn settle_sync(&mut self, mailbox: u32) {
        let at = self.lane_of(mailbox);
        if let Some(lane) = self.lanes.get_mut(at as usize) {
            lane.syncing = lane.syncing.saturating_sub(1);
        }
        self.settle(mailbox);
    }

    /// What the outcome of a call means for the others of its lane.
    pub(super) fn learn(&mut self, mailbox: u32, error: Option<&Error>, now: At) {
        let at = self.lane_of(mailbox);
        let most = self.config.concurrency;
        let failures = self.lanes.get(at as usize).map_or(0, |lane| lane.failures).saturating_add(1);
        let wait = self.back_off(failures.saturating_sub(DOWN).saturating_add(1), None);
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        match error.map(Error::kind) {
            Some(ErrorKind::Throttled) => {
                // Those in flight together are refused together: that is one refusal.
                if now >= lane.halved_at.saturating_add(1_000) {
                    lane.halved_at = now;
                    lane.limit = (lane.limit / 2).max(1);
                    lane.went_well = 0;
                }
                let code = error.and_then(Error::service_code);
                if code == Some(ResponseCode::ERROR_EXCEEDED_CONNECTION_COUNT.as_str()) {
                    lane.paused_until = lane.paused_until.max(now.saturating_add(1_000 + wait.min(1_000)));
                }
            }
            Some(ErrorKind::Network | ErrorKind::Unavailable | ErrorKind::Timeout) => {
                lane.failures = failures;
                if lane.failures >= DOWN {
                    lane.paused_until = lane.paused_until.max(now.saturating_add(500 + wait));
                }
            }
            // Any other answer shows that the server is there.
            _ => {
                lane.failures = 0;
                lane.well_at = now;
                lane.went_well += 1;
                if lane.went_well >= lane.limit && lane.limit < most {
                    lane.limit += 1;
                    lane.went_well = 0;
                }
            }
        }
    }

    /// Ends a subscription when there is time for it.
    pub(super) fn end_politely(&mut self, mailbox: u32, id: SubscriptionId) {
        let at = self.lane_of(mailbox);
        if let Some(lane) = self.lanes.get_mut(at as usize)
            && lane.endings.len() < MANY_ENDINGS
        {
            lane.endings.push_back((mailbox, id));
        }
        self.mark_ready(at);
    }

    pub(super) fn queue_sync(&mut self, mailbox: u32) {
        let at = self.lane_of(mailbox);
        let Some(place) = self.mailboxes.get_mut(mailbox as usize) else { return };
        if place.step == SyncStep::Idle {
            place.step = SyncStep::Queued;
            if let Some(lane) = self.lanes.get_mut(at as usize) {
                lane.syncs.push_back(mailbox);
            }
            self.mark_ready(at);
        }
    }
}
