//! Times as they stand in requests and answers.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/time-zones-and-ews-in-exchange>

use jiff::{Timestamp, civil, tz::TimeZone};

use super::operations::Failure;
use crate::state::zone_rules;

/// The rules of a zone that a request names.
pub(super) fn zone_named(id: &str) -> Result<TimeZone, Failure> {
    zone_rules(id).ok_or_else(|| Failure::new("ErrorTimeZone", "The specified time zone isn't valid."))
}

/// An instant; without an offset it is local time of the zone.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    // Offsets first: the type for local times would drop one silently.
    text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<civil::DateTime>().ok().filter(|_| !has_offset(text))?;
        Some(zone.to_ambiguous_zoned(local).compatible().ok()?.timestamp())
    })
}

fn has_offset(text: &str) -> bool {
    text.ends_with(['Z', 'z']) || text.split_once('T').is_some_and(|(_, time)| time.contains(['+', '-']))
}

/// As answers show it: in UTC, or in the zone that the request's context names.
pub(super) fn shown(at: Timestamp, zone: Option<&TimeZone>) -> String {
    match zone {
        None => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Some(zone) if zone.to_offset(at).is_zero() => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Some(zone) => at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    }
}

/// Local time with the offset behind it, as wall clocks are shown.
pub(super) fn wall_clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A day, with or without a zone behind it.
pub(super) fn date(text: &str) -> Option<civil::Date> {
    text.trim().get(..10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_counts_and_local_time_needs_the_zone() {
        let zone = zone_named("Romance Standard Time").unwrap();
        for (text, utc) in [
            ("2026-11-23T09:00:00+01:00", "2026-11-23T08:00:00Z"),
            ("2026-11-23T09:00:00", "2026-11-23T08:00:00Z"),
            ("2026-07-23T09:00:00", "2026-07-23T07:00:00Z"),
            (" 2026-11-23T08:00:00.000Z ", "2026-11-23T08:00:00Z"),
        ] {
            let at = instant(text, &zone).unwrap();
            assert_eq!(shown(at, None), utc, "{text}");
        }
        assert_eq!(instant("tomorrow", &zone), None);
        let winter = "2026-11-23T08:00:00Z".parse().unwrap();
        assert_eq!(shown(winter, Some(&zone)), "2026-11-23T09:00:00+01:00");
        assert_eq!(date("2026-10-19+02:00"), Some(civil::date(2026, 10, 19)));
        assert_eq!(zone_named("Middle Earth Standard Time").unwrap_err().code, "ErrorTimeZone");
    }
}
