//! The end of EWS in Exchange Online. Exchange Server keeps it.
//!
//! Source: <https://techcommunity.microsoft.com/blog/exchange/exchange-online-ews-your-time-is-almost-up/4492361>.

use jiff::civil::{Date, date};

/// From this day on, tenants of Exchange Online are switched off one after another.
pub const SWITCH_OFF_BEGINS: Date = date(2026, 10, 1);

/// From this day on, EWS is off in Exchange Online for everybody, whatever is allowed in the tenant.
pub const ENDED: Date = date(2027, 4, 1);

/// How far the end of EWS in Exchange Online has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// EWS answers as it always did.
    Open {
        /// Days until the switching off begins.
        days_left: u32,
    },
    /// Tenants are switched off one by one. An admin can still open it: `EwsEnabled` must be true on the organisation and
    /// the mailbox, and the app must be in `EwsAllowedAppIDs`.
    SwitchingOff {
        /// Days until it ends for everybody.
        days_left: u32,
    },
    /// It is over; Microsoft Graph is the way.
    Ended,
}

/// The phase on a given day.
///
/// ```
/// use ews_client::going_away::{Phase, phase_on};
/// use jiff::civil::date;
/// assert_eq!(phase_on(date(2026, 11, 21)), Phase::SwitchingOff { days_left: 131 });
/// assert_eq!(phase_on(date(2027, 4, 1)), Phase::Ended);
/// ```
pub fn phase_on(day: Date) -> Phase {
    if day < SWITCH_OFF_BEGINS {
        Phase::Open { days_left: days(day, SWITCH_OFF_BEGINS) }
    } else if day < ENDED {
        Phase::SwitchingOff { days_left: days(day, ENDED) }
    } else {
        Phase::Ended
    }
}

fn days(from: Date, to: Date) -> u32 {
    // A day is earlier than the two dates above, so the difference is positive and small.
    u32::try_from(to.duration_since(from).as_hours() / 24).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_meet_without_a_gap() {
        assert_eq!(phase_on(date(2026, 9, 30)), Phase::Open { days_left: 1 });
        assert_eq!(phase_on(date(2026, 10, 1)), Phase::SwitchingOff { days_left: 182 });
        assert_eq!(phase_on(date(2027, 3, 31)), Phase::SwitchingOff { days_left: 1 });
        assert_eq!(phase_on(date(2027, 4, 1)), Phase::Ended);
        assert!(matches!(phase_on(Date::MIN), Phase::Open { .. }));
        assert_eq!(phase_on(Date::MAX), Phase::Ended);
    }
}
