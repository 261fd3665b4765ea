//! Which windows to ask free and busy times for. No I/O.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::{Error, Result};

/// The longest window of a server whose administrator did not change it.
const LONGEST_DAYS: i64 = 42;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The windows of a range: whole days of UTC, as old clients of the server must ask, and no longer than allowed.
#[derive(Clone, Debug)]
pub(crate) struct DayWindows {
    next: Timestamp,
    end: Timestamp,
    longest_days: i64,
}

impl DayWindows {
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the range is empty, or at the end of time.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Result<Self> {
        if from >= to {
            return Err(Error::invalid("a range of free and busy times ends after its start"));
        }
        let midnight = |at: Timestamp| Offset::UTC.to_datetime(at).date().to_zoned(TimeZone::UTC);
        let beyond = |_| Error::invalid("a range of free and busy times ends before the year 9999");
        let first = midnight(from).map_err(beyond)?;
        let mut end = midnight(to).map_err(beyond)?;
        if end.timestamp() < to {
            end = end.checked_add(1.day()).map_err(beyond)?;
        }
        Ok(Self { next: first.timestamp(), end: end.timestamp(), longest_days: LONGEST_DAYS })
    }

    /// The next window.
    pub(crate) fn next(&mut self) -> Option<(Timestamp, Timestamp)> {
        if self.next >= self.end {
            return None;
        }
        let start = self.next;
        let longest = DAY.checked_mul(i32::try_from(self.longest_days).unwrap_or(1)).unwrap_or(DAY);
        self.next = start.checked_add(longest).map_or(self.end, |next| next.min(self.end));
        Some((start, self.next))
    }

    /// The server found this window too long: it comes again in halves. `false` when there is nothing left to halve.
    pub(crate) fn too_long(&mut self, window: (Timestamp, Timestamp)) -> bool {
        let days = window.0.duration_until(window.1).as_hours() / 24;
        if days <= 1 {
            return false;
        }
        self.longest_days = (days / 2).max(1);
        self.next = window.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn trap_10_forty_three_days_are_two_windows_of_whole_days() {
        let mut windows = DayWindows::new(at("2026-11-01T08:00:00Z"), at("2026-12-13T17:00:00Z")).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| windows.next()).collect();
        assert_eq!(
            all,
            [
                (at("2026-11-01T00:00:00Z"), at("2026-12-13T00:00:00Z")),
                (at("2026-12-13T00:00:00Z"), at("2026-12-14T00:00:00Z")),
            ]
        );
        assert!(DayWindows::new(at("2026-11-01T08:00:00Z"), at("2026-11-01T08:00:00Z")).is_err());
        assert!(DayWindows::new(at("2026-11-01T08:00:00Z"), Timestamp::MAX).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Whatever a server allows, the windows cover the range without gap.
        #[test]
        fn windows_cover_the_range(start in 0_i64..10_000_000, seconds in 1_i64..20_000_000, allowed in 0_i64..60) {
            let from = Timestamp::from_second(1_790_000_000 + start).unwrap();
            let to = from + SignedDuration::from_secs(seconds);
            let mut windows = DayWindows::new(from, to).unwrap();
            let mut covered = None;
            while let Some((start, end)) = windows.next() {
                prop_assert!(start < end);
                if start.duration_until(end) > DAY * i32::try_from(allowed).unwrap() {
                    let halved = windows.too_long((start, end));
                    prop_assert!(halved || start.duration_until(end) == DAY);
                    if !halved {
                        return Ok(());
                    }
                    continue;
                }
                prop_assert!(covered.is_none_or(|covered| covered == start));
                prop_assert!(covered.is_some() || start <= from);
                covered = Some(end);
            }
            prop_assert!(covered.is_some_and(|covered| covered >= to));
        }
    }
}
