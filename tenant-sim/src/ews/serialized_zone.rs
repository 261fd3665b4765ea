//! The zone of an availability request: a bias and two changes of clocks a year.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezone-availability>

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

use super::calendar_read::weekday;
use super::schema_violation;
use super::soap::{Element, Fault, TYPES};

/// Rules that a request brings, or those of a known zone.
#[derive(Clone, Debug)]
pub(super) enum SerializedZone {
    Rules(TimeZone),
    Biased {
        /// UTC minus local time in minutes, without the changes.
        bias: i64,
        standard: Change,
        daylight: Change,
    },
}

/// When a part of the year begins, and what its clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Added to the zone's bias while it lasts.
    bias: i64,
    time: Time,
    /// 1 to 4, or 5 for the last; 0 without a change.
    order: i8,
    month: i8,
    day: Weekday,
}

impl SerializedZone {
    pub(super) fn read(zone: &Element) -> Result<Self, Fault> {
        let change = |name: &str| zone.child(TYPES, name).ok_or_else(|| missing(name)).and_then(Change::read);
        Ok(Self::Biased {
            bias: number(zone, "Bias")?,
            standard: change("StandardTime")?,
            daylight: change("DaylightTime")?,
        })
    }

    /// Local time of an instant.
    pub(super) fn to_local(&self, at: Timestamp) -> DateTime {
        match self {
            Self::Rules(zone) => zone.to_datetime(at),
            Self::Biased { bias, standard, daylight } => {
                let utc = TimeZone::UTC.to_datetime(at);
                // Standard time of the year decides, as the change into daylight time is written in it.
                let guess = minus(utc, bias + standard.bias);
                let summer = in_daylight(guess, bias, standard, daylight, at);
                minus(utc, bias + if summer { daylight.bias } else { standard.bias })
            }
        }
    }

    /// The instant of a local time.
    pub(super) fn to_instant(&self, local: DateTime) -> Option<Timestamp> {
        match self {
            Self::Rules(zone) => Some(zone.to_ambiguous_zoned(local).compatible().ok()?.timestamp()),
            Self::Biased { bias, standard, daylight } => {
                let candidates = [standard.bias, daylight.bias].map(|extra| {
                    let utc = local.checked_add((bias + extra).minutes()).ok()?;
                    Some(utc.to_zoned(TimeZone::UTC).ok()?.timestamp())
                });
                let fits = candidates.iter().flatten().copied().find(|at| self.to_local(*at) == local);
                fits.or_else(|| candidates.first().copied().flatten())
            }
        }
    }
}

fn minus(utc: DateTime, minutes: i64) -> DateTime {
    utc.checked_sub(minutes.minutes()).unwrap_or(utc)
}

fn in_daylight(guess: DateTime, bias: &i64, standard: &Change, daylight: &Change, at: Timestamp) -> bool {
    let instant = |change: &Change, before: i64| {
        let local = change.of_year(guess.year())?;
        let utc = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
        utc.checked_add(SignedDuration::from_mins(bias + before)).ok()
    };
    // Each change is written in the time that it ends.
    let (Some(to_daylight), Some(to_standard)) =
        (instant(daylight, standard.bias), instant(standard, daylight.bias))
    else {
        return false;
    };
    if standard.bias == daylight.bias {
        false
    } else if to_daylight < to_standard {
        to_daylight <= at && at < to_standard
    } else {
        at >= to_daylight || at < to_standard
    }
}

impl Change {
    fn read(element: &Element) -> Result<Self, Fault> {
        let small =
            |name: &str| number(element, name).and_then(|n| i8::try_from(n).map_err(|_| missing(name)));
        let day = weekday(text(element, "DayOfWeek")?).ok_or_else(|| missing("DayOfWeek"))?;
        Ok(Self {
            bias: number(element, "Bias")?,
            time: text(element, "Time")?.parse().map_err(|_| missing("Time"))?,
            order: small("DayOrder")?,
            month: small("Month")?,
            day,
        })
    }

    fn of_year(&self, year: i16) -> Option<DateTime> {
        let month = Date::new(year, self.month, 1).ok()?;
        let mut days: Vec<Date> = month
            .series(1.days())
            .take_while(|d| d.month() == self.month)
            .filter(|d| d.weekday() == self.day)
            .collect();
        let date = match self.order {
            0 => return None,
            n @ 1..=4 => days.get(usize::try_from(n - 1).ok()?).copied()?,
            _ => days.pop()?,
        };
        Some(date.to_datetime(self.time))
    }
}

fn missing(name: &str) -> Fault {
    schema_violation(format!("The '{name}' element of the time zone is missing or invalid."))
}

fn text<'e>(element: &'e Element, name: &str) -> Result<&'e str, Fault> {
    element.child(TYPES, name).map(|e| e.text.as_str()).ok_or_else(|| missing(name))
}

fn number(element: &Element, name: &str) -> Result<i64, Fault> {
    let value: i64 = text(element, name)?.parse().map_err(|_| missing(name))?;
    if value.abs() > 24 * 60 { Err(missing(name)) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copenhagen as requests describe it.
    fn copenhagen() -> SerializedZone {
        let change = |bias, hour, month| Change {
            bias,
            time: Time::constant(hour, 0, 0, 0),
            order: 5,
            month,
            day: Weekday::Sunday,
        };
        SerializedZone::Biased { bias: -60, standard: change(0, 3, 10), daylight: change(-60, 2, 3) }
    }

    #[test]
    fn it_agrees_with_the_zones_own_rules_through_the_year() {
        let (ours, real) = (copenhagen(), TimeZone::get("Europe/Copenhagen").unwrap());
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for hour in 0..(24 * 365) {
            let at = start + SignedDuration::from_hours(hour);
            assert_eq!(ours.to_local(at), real.to_datetime(at), "{at}");
            let back = ours.to_instant(ours.to_local(at)).unwrap();
            assert_eq!(ours.to_local(back), ours.to_local(at), "{at}");
        }
    }

    #[test]
    fn without_changes_the_bias_alone_counts() {
        let none = Change { bias: 0, time: Time::midnight(), order: 0, month: 0, day: Weekday::Sunday };
        let pacific = SerializedZone::Biased { bias: 480, standard: none, daylight: none };
        let at = "2026-07-01T08:00:00Z".parse().unwrap();
        assert_eq!(pacific.to_local(at).to_string(), "2026-07-01T00:00:00");
        assert_eq!(pacific.to_instant(pacific.to_local(at)), Some(at));
    }
}
