//! How connections end, what that says of the group, and the way from streams to pulling and back.

use std::time::Duration;

use m365_core::{Error, ErrorKind};

use super::{FAILED, Led, Mode, SILENT, is_over_budget, means_subscribe_anew};
use crate::watch::machine::Machine;
use crate::watch::machine::mailbox::Sub;
use crate::watch::machine::timers::At;
use crate::{CodeClass, ResponseCode};

impl Machine {
    pub(in super::super) fn ended(&mut self, at: u32, generation: u32, error: Option<Error>, now: At) {
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        if group.generation != generation || !group.is_up() {
            return;
        }
        let spoke = group.is_open();
        self.connection_is_over(at, now);
        let code = error.as_ref().and_then(Error::service_code).map(ResponseCode::new);
        match (error, code) {
            (Some(_), Some(code)) if means_subscribe_anew(&code) => {
                let everybody = self.meant(at, &[]);
                self.lose_some(at, everybody, now);
            }
            (Some(error), Some(code)) if !error.is_transient() || is_over_budget(&code) => {
                if error.kind() == ErrorKind::Unsupported && !spoke {
                    let lane = self.lane_of_group(at);
                    self.without_streaming(lane, now);
                } else {
                    self.refused(at, &code, error.retry_after(), now);
                }
            }
            (Some(error), _) if error.kind() == ErrorKind::Unsupported && !spoke => {
                let lane = self.lane_of_group(at);
                self.without_streaming(lane, now);
            }
            (Some(error), _)
                if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Authentication) =>
            {
                self.anchor_refused(at, now);
            }
            (Some(error), _) if error.is_transient() => {
                self.fail(at, error.retry_after(), now);
                let group = self.groups.get(at as usize);
                let well_at = self.lanes.get(self.lane_of_group(at) as usize).map_or(0, |lane| lane.well_at);
                if group.is_some_and(|g| g.failures >= FAILED && well_at > g.first_failure_at) {
                    self.fall_back(at, now);
                }
            }
            _ => {
                self.fail(at, None, now);
                if !spoke && let Some(group) = self.groups.get_mut(at as usize) {
                    group.silent = group.silent.saturating_add(1);
                    if group.silent >= SILENT {
                        self.fall_back(at, now);
                    }
                }
            }
        }
        self.advance(at, now);
    }

    /// The connection is refused with a code that says nothing of subscriptions.
    pub(super) fn refused(&mut self, at: u32, code: &ResponseCode, floor: Option<Duration>, now: At) {
        if is_over_budget(code) {
            self.over_budget(at, floor, now);
            return;
        }
        match code.class() {
            CodeClass::Permission
            | CodeClass::NotFound
            | CodeClass::Authentication
            | CodeClass::OtherAddress => {
                self.anchor_refused(at, now);
            }
            CodeClass::Reroute => {
                if let Some(group) = self.groups.get_mut(at as usize) {
                    group.cookie = None;
                }
                self.fail(at, floor, now);
            }
            _ => {
                self.fail(at, floor, now);
                // Said again and again, it means these subscriptions.
                if self.groups.get(at as usize).is_some_and(|group| group.failures % 4 == 0) {
                    let when = self.groups.get(at as usize).map_or(now, |group| group.open_at);
                    let everybody = self.meant(at, &[]);
                    self.lose_some(at, everybody, now);
                    self.open_at(at, when);
                }
            }
        }
    }

    /// The mailbox that the group is routed by may not be used: another one, and all subscriptions with it.
    pub(super) fn anchor_refused(&mut self, at: u32, now: At) {
        let Some(anchor) = self.groups.get(at as usize).map(|group| group.anchor) else { return };
        self.fail(at, None, now);
        let later = self.about(self.config.upgrade_after);
        for mailbox in self.meant(at, &[]) {
            self.drop_subscription(mailbox, now);
        }
        if let Some(group) = self.groups.get_mut(at as usize)
            && !matches!(group.led, Led::Trying(_))
        {
            group.led = Led::No;
        }
        if let Some(place) = self.mailboxes.get_mut(anchor as usize)
            && matches!(place.sub, Sub::None)
        {
            place.sub_at = now.saturating_add(later);
            place.sub_waits = false;
        }
        self.set_alarm(anchor);
        // Whether the mailbox itself is out of reach shows when it is compared.
        self.want_sync(anchor, now);
    }

    /// Too many connections. Twice it may be that an old one still counts.
    pub(super) fn over_budget(&mut self, at: u32, floor: Option<Duration>, now: At) {
        let least = Duration::from_secs(5);
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.refusals = group.refusals.saturating_add(1);
        let (refusals, lane) = (group.refusals, group.lane);
        self.fail(at, Some(floor.unwrap_or(least).max(least)), now);
        if refusals >= 3 {
            let open = self.groups.iter().filter(|group| group.lane == lane && group.is_open()).count();
            if let Some(lane) = self.lanes.get_mut(lane as usize) {
                lane.hanging = Some(lane.hanging.map_or(open, |most| most.min(open)).max(1));
            }
            self.fall_back(at, now);
        }
    }

    pub(in super::super) fn without_streaming(&mut self, lane: u32, now: At) {
        if let Some(lane) = self.lanes.get_mut(lane as usize) {
            lane.no_streaming = true;
        }
        for group in 0..self.groups.len() as u32 {
            if self.lane_of_group(group) == lane {
                self.fall_back(group, now);
            }
        }
    }

    /// Streaming does not work here for now.
    pub(super) fn fall_back(&mut self, at: u32, now: At) {
        let Some(group) = self.groups.get(at as usize) else { return };
        if group.mode == Mode::Pull {
            return;
        }
        if group.is_up() {
            self.hang_up(at, now);
        }
        let factor = self.groups.get(at as usize).map_or(1, |group| group.upgrade_factor);
        let later = self.about(self.config.upgrade_after.saturating_mul(factor));
        self.switch(at, Mode::Pull, now);
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.upgrade_at = now.saturating_add(later);
        group.upgrade_factor = (factor * 2).min(8);
        if let Some(lane) = self.lanes.get_mut(group.lane as usize) {
            lane.streaming_groups = lane.streaming_groups.saturating_sub(1);
        }
        self.line_up(at, now);
        self.set_group_alarm(at, now);
    }

    /// A way back up.
    pub(super) fn try_streaming(&mut self, at: u32, now: At) {
        let later = self.about(self.config.upgrade_after);
        let most = self.config.hanging;
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.upgrade_at = now.saturating_add(later);
        let Some(lane) = self.lanes.get_mut(group.lane as usize) else { return };
        if let Some(learned) =
            lane.hanging.as_mut().filter(|learned| most.is_none_or(|most| **learned < most))
        {
            // What was learned may have been a passing shortage: one more each time.
            *learned += 1;
        }
        if lane.may_stream() {
            lane.streaming_groups += 1;
            group.open_at = now;
            self.switch(at, Mode::Streaming, now);
        }
    }

    pub(super) fn switch(&mut self, at: u32, mode: Mode, now: At) {
        let Some(group) = self.groups.get_mut(at as usize) else { return };
        group.mode = mode;
        (group.failures, group.silent, group.losses, group.refusals) = (0, 0, 0, 0);
        group.hurry = false;
        for mailbox in self.meant(at, &[]) {
            self.drop_subscription(mailbox, now);
        }
    }
}
