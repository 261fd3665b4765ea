use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::zone::{Zone, ZoneRef};
use crate::{Error, Result};

/// An instant, and the zone that the item names for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// When.
    pub instant: Timestamp,
    /// The zone the organizer thinks in; what to show it in is the reader's business.
    pub zone: Option<ZoneRef>,
}

/// When an event is.
///
/// Exchange keeps an all-day event as a pair of instants, midnight to midnight in the zone of whoever made it. Read in
/// another zone it would begin the day before; [`When::read`] gives back the days that were meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Whole days.
    AllDay {
        /// The first day.
        first: Date,
        /// The day after the last one.
        last_exclusive: Date,
        /// Whether the days were inferred from the instants alone, because the item's zone is not known or does not fit.
        inferred: bool,
    },
    /// From an instant to an instant.
    Timed {
        /// The beginning.
        start: EventTime,
        /// The end, which is not part of it.
        end: EventTime,
    },
}

impl When {
    /// What start and end of an item mean. For all-day events the days are those of the item's own zones, never the reader's.
    ///
    /// With no zone, the days are inferred from an offset that makes both ends midnight (an hour more or less of clock change
    /// allowed); of the two offsets that differ by a day the one from -10:00 to +13:59 is meant. Where not even that fits, the
    /// event stays [`When::Timed`]: its instants are right, its days would be a guess.
    ///
    /// ```
    /// use ews_client::{EventTime, When};
    /// use ews_client::zone::ZoneRef;
    /// use jiff::civil::date;
    ///
    /// let copenhagen = |instant: &str| EventTime {
    ///     instant: instant.parse().unwrap(),
    ///     zone: ZoneRef::windows_zone("Romance Standard Time").ok(),
    /// };
    /// let when = When::read(true, copenhagen("2026-11-24T23:00:00Z"), copenhagen("2026-11-25T23:00:00Z"));
    /// let (first, last_exclusive) = (date(2026, 11, 25), date(2026, 11, 26));
    /// assert_eq!(when, When::AllDay { first, last_exclusive, inferred: false });
    /// ```
    pub fn read(is_all_day: bool, start: EventTime, end: EventTime) -> Self {
        if !is_all_day {
            return Self::Timed { start, end };
        }
        match days_in_zones(&start, &end).or_else(|| inferred_days(start.instant, end.instant)) {
            Some((first, last_exclusive, inferred)) => Self::AllDay { first, last_exclusive, inferred },
            None => Self::Timed { start, end },
        }
    }

    /// The first `days` days from `first`, for a new all-day event.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no days, or beyond the year 9999.
    pub fn all_day(first: Date, days: u16) -> Result<Self> {
        if days == 0 {
            return Err(Error::invalid("an all-day event lasts a day at least"));
        }
        let last_exclusive = first
            .checked_add(SignedDuration::from_hours(24 * i64::from(days)))
            .map_err(|_| Error::invalid("an all-day event ends before the year 10000"))?;
        Ok(Self::AllDay { first, last_exclusive, inferred: false })
    }

    /// The instants to write. Days become midnight (or the first moment, where clocks skip midnight) in `zone`, which must
    /// also be written as the item's StartTimeZone and EndTimeZone, or other readers see other days.
    pub fn instants(&self, zone: &Zone) -> (Timestamp, Timestamp) {
        match self {
            Self::AllDay { first, last_exclusive, .. } => {
                (zone.to_instant(first.at(0, 0, 0, 0)), zone.to_instant(last_exclusive.at(0, 0, 0, 0)))
            }
            Self::Timed { start, end } => (start.instant, end.instant),
        }
    }
}

type Days = (Date, Date, bool);

/// The days by the item's zones, if both ends begin a day there.
fn days_in_zones(start: &EventTime, end: &EventTime) -> Option<Days> {
    let usable = |time: &EventTime| time.zone.as_ref().and_then(|zone| zone.zone().ok());
    let (start_zone, end_zone) = (usable(start), usable(end));
    let of_start = start_zone.as_ref().or(end_zone.as_ref())?;
    let first = of_start.day_beginning_at(start.instant)?;
    // Some writers name two zones and mean the first; where they mean the second, midnight tells.
    let last_exclusive = of_start
        .day_beginning_at(end.instant)
        .or_else(|| end_zone.as_ref().and_then(|zone| zone.day_beginning_at(end.instant)))?;
    let next = first.tomorrow().ok()?;
    Some((first, last_exclusive.max(next), false))
}

/// The days by the offset that makes the start a midnight.
fn inferred_days(start: Timestamp, end: Timestamp) -> Option<Days> {
    const DAY: i64 = 86_400;
    const HOUR: i64 = 3_600;
    let past_midnight = start.as_second().rem_euclid(DAY);
    // 10:00Z is midnight in Honolulu (-10) and on Kiritimati (+14); from 10:00:01Z on the zones ahead of UTC have the people.
    let offset = if past_midnight <= 10 * HOUR { -past_midnight } else { DAY - past_midnight };
    let span = end.as_second() - start.as_second();
    let days = (span + HOUR).div_euclid(DAY);
    let rest = span - days * DAY;
    if start.subsec_nanosecond() != 0
        || end.subsec_nanosecond() != 0
        || !(-HOUR..=HOUR).contains(&rest)
        || span < 0
    {
        return None;
    }
    // A zone's offset is a multiple of a quarter of an hour; anything else is a time of day.
    if offset % 900 != 0 || rest % 1_800 != 0 {
        return None;
    }
    let local = start.checked_add(SignedDuration::from_secs(offset)).ok()?;
    let first = jiff::tz::Offset::UTC.to_datetime(local).date();
    let last_exclusive = first.checked_add(SignedDuration::from_secs(days.max(1) * DAY)).ok()?;
    Some((first, last_exclusive, true))
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};
    use jiff::tz::TimeZone;

    use super::*;

    fn time(instant: &str, zone: Option<&str>) -> EventTime {
        EventTime { instant: instant.parse().unwrap(), zone: zone.map(|id| ZoneRef::iana_zone(id).unwrap()) }
    }

    fn days(start: (&str, Option<&str>), end: (&str, Option<&str>)) -> Option<(String, String, bool)> {
        match When::read(true, time(start.0, start.1), time(end.0, end.1)) {
            When::AllDay { first, last_exclusive, inferred } => {
                Some((first.to_string(), last_exclusive.to_string(), inferred))
            }
            When::Timed { .. } => None,
        }
    }

    fn found(first: &str, last: &str, inferred: bool) -> Option<(String, String, bool)> {
        Some((first.into(), last.into(), inferred))
    }

    #[test]
    fn trap_11_all_day_in_helsinki_is_that_day_for_a_reader_in_amsterdam() {
        let helsinki = Some("Europe/Helsinki");
        let read = days(("2026-11-24T22:00:00Z", helsinki), ("2026-11-25T22:00:00Z", helsinki));
        assert_eq!(read, found("2026-11-25", "2026-11-26", false));
    }

    #[test]
    fn trap_11_days_of_23_and_25_hours_and_several_days() {
        let paris = Some("Europe/Paris");
        let spring = days(("2026-03-28T23:00:00Z", paris), ("2026-03-29T22:00:00Z", paris));
        assert_eq!(spring, found("2026-03-29", "2026-03-30", false));
        let autumn = days(("2026-10-24T22:00:00Z", paris), ("2026-10-25T23:00:00Z", paris));
        assert_eq!(autumn, found("2026-10-25", "2026-10-26", false));
        let week = days(("2026-10-20T22:00:00Z", paris), ("2026-10-27T23:00:00Z", paris));
        assert_eq!(week, found("2026-10-21", "2026-10-28", false));
        // And without a zone.
        let spring = days(("2026-03-28T23:00:00Z", None), ("2026-03-29T22:00:00Z", None));
        assert_eq!(spring, found("2026-03-29", "2026-03-30", true));
        let week = days(("2026-10-20T22:00:00Z", None), ("2026-10-27T23:00:00Z", None));
        assert_eq!(week, found("2026-10-21", "2026-10-28", true));
    }

    #[test]
    fn trap_11_no_zone_is_inferred_and_marked() {
        for (start, end, day) in [
            ("2026-11-24T23:00:00Z", "2026-11-25T23:00:00Z", "2026-11-25"), // +1
            ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z", "2026-11-25"), // UTC
            ("2026-11-25T05:00:00Z", "2026-11-26T05:00:00Z", "2026-11-25"), // -5
            ("2026-11-24T18:30:00Z", "2026-11-25T18:30:00Z", "2026-11-25"), // +5:30
            ("2026-11-24T11:00:00Z", "2026-11-25T11:00:00Z", "2026-11-25"), // +13
            ("2026-11-24T10:15:00Z", "2026-11-25T10:15:00Z", "2026-11-25"), // +13:45
            ("2026-11-25T10:00:00Z", "2026-11-26T10:00:00Z", "2026-11-25"), // -10
        ] {
            let (first, _, inferred) = days((start, None), (end, None)).unwrap();
            assert_eq!((first.as_str(), inferred), (day, true), "{start}");
        }
        // An unknown zone is no zone.
        let unknown = |instant: &str| EventTime {
            instant: instant.parse().unwrap(),
            zone: Some(ZoneRef::Unknown { id: "Mitteleuropäische Zeit".into(), name: None }),
        };
        let when = When::read(true, unknown("2026-11-24T23:00:00Z"), unknown("2026-11-25T23:00:00Z"));
        assert!(matches!(when, When::AllDay { inferred: true, .. }));
    }

    #[test]
    fn what_cannot_be_days_stays_two_instants() {
        for (start, end) in [
            ("2026-11-24T23:07:00Z", "2026-11-25T23:07:00Z"),
            ("2026-11-24T23:00:00Z", "2026-11-25T11:00:00Z"),
            ("2026-11-25T23:00:00Z", "2026-11-24T23:00:00Z"),
        ] {
            assert_eq!(days((start, None), (end, None)), None, "{start}");
        }
    }

    #[test]
    fn trap_11_start_and_end_in_different_zones() {
        let (tokyo, paris) = (Some("Asia/Tokyo"), Some("Europe/Paris"));
        // Each end is midnight in its own zone.
        let own = days(("2026-11-24T15:00:00Z", tokyo), ("2026-11-26T23:00:00Z", paris));
        assert_eq!(own, found("2026-11-25", "2026-11-27", false));
        // Both are midnight in the first.
        let first = days(("2026-11-24T15:00:00Z", tokyo), ("2026-11-25T15:00:00Z", paris));
        assert_eq!(first, found("2026-11-25", "2026-11-26", false));
        // The zone named is not the one it was made in.
        let wrong = days(("2026-11-24T23:00:00Z", tokyo), ("2026-11-25T23:00:00Z", tokyo));
        assert_eq!(wrong, found("2026-11-25", "2026-11-26", true));
    }

    #[test]
    fn trap_11_far_east_of_greenwich() {
        let kiritimati = Some("Pacific/Kiritimati");
        let read = days(("2026-11-24T10:00:00Z", kiritimati), ("2026-11-25T10:00:00Z", kiritimati));
        assert_eq!(read, found("2026-11-25", "2026-11-26", false));
        let auckland = Some("Pacific/Auckland");
        let read = days(("2026-11-24T11:00:00Z", auckland), ("2026-11-25T11:00:00Z", auckland));
        assert_eq!(read, found("2026-11-25", "2026-11-26", false));
    }

    #[test]
    fn a_day_without_midnight_is_a_day() {
        let sao_paulo = Zone::from(TimeZone::get("America/Sao_Paulo").unwrap());
        let when = When::all_day(date(2018, 11, 4), 1).unwrap();
        let (start, end) = when.instants(&sao_paulo);
        assert_eq!(sao_paulo.to_local(start), datetime(2018, 11, 4, 1, 0, 0, 0));
        let zone = ZoneRef::iana_zone("America/Sao_Paulo").ok();
        let time = |instant| EventTime { instant, zone: zone.clone() };
        assert_eq!(When::read(true, time(start), time(end)), when);
    }

    #[test]
    fn an_empty_all_day_event_is_one_day() {
        let read = days(
            ("2026-11-24T23:00:00Z", Some("Europe/Paris")),
            ("2026-11-24T23:00:00Z", Some("Europe/Paris")),
        );
        assert_eq!(read, found("2026-11-25", "2026-11-26", false));
        assert!(When::all_day(date(2026, 1, 1), 0).is_err());
        assert!(When::all_day(date(9999, 12, 31), 2).is_err());
    }
}
