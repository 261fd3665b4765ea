use jiff::SignedDuration;
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};

use super::definition::{
    Period, Target, Transition, TransitionTime, TransitionsGroup, ZoneDefinition, changes_of,
};
use super::rules::ZoneRules;
use crate::{Error, ErrorKind, Result, xs};

/// The zone of GetUserAvailability, which knows one rule and no history:
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezone-availability>.
///
/// Asking in [`utc`](Self::utc) and converting here is the safest: it leaves no doubt about daylight saving.
///
/// ```
/// use ews_client::zone::SerializableTimeZone;
///
/// let copenhagen = jiff::tz::TimeZone::get("Europe/Copenhagen")?;
/// let zone = SerializableTimeZone::from_time_zone(&copenhagen, 2026)?;
/// assert_eq!(zone.bias, -60); // UTC minus local, in minutes
/// assert_eq!((zone.daylight.bias, zone.daylight.month, zone.daylight.day_order), (-60, 3, 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerializableTimeZone {
    /// `Bias`: UTC minus local time in minutes, to which the bias of the season is added.
    pub bias: i32,
    /// `StandardTime`: the change to it, and its bias (0 as a rule).
    pub standard: SeasonStart,
    /// `DaylightTime`: the change to it, and its bias (-60 as a rule).
    pub daylight: SeasonStart,
}

/// When half of the year begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeasonStart {
    /// `Bias`: minutes added to the zone's.
    pub bias: i32,
    /// `Time`: what the clock shows until then.
    pub time: Time,
    /// `DayOrder`: 1 to 4, 5 is the last such weekday of the month. With a year: the day of the month.
    pub day_order: i8,
    /// `Month`: 1 to 12.
    pub month: i8,
    /// `DayOfWeek`.
    pub weekday: Weekday,
    /// `Year`: given when the change happens once.
    pub year: Option<i16>,
}

impl SerializableTimeZone {
    /// UTC. The schema demands both seasons even so; what they say has no effect.
    pub fn utc() -> Self {
        Self::fixed(0)
    }

    fn fixed(bias: i32) -> Self {
        let season = SeasonStart {
            bias: 0,
            time: Time::midnight(),
            day_order: 1,
            month: 1,
            weekday: Weekday::Sunday,
            year: None,
        };
        Self { bias, standard: season, daylight: season }
    }

    /// The rule of this zone in this year. The larger offset counts as daylight saving, also where the law says otherwise
    /// (Dublin).
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`]: clocks were changed once, or more than twice, or the offset has seconds; this
    /// shape cannot say it, so ask in UTC. [`ErrorKind::InvalidInput`]: the year is not within 1 to 9998.
    pub fn from_time_zone(zone: &TimeZone, year: i16) -> Result<Self> {
        if !(1..=9998).contains(&year) {
            return Err(Error::invalid("a year between 1 and 9998 was expected"));
        }
        let changes = changes_of(zone, year)?;
        let [one, two] = changes.as_slice() else {
            if !changes.is_empty() {
                return Err(unsupported("its clocks are not changed twice in this year"));
            }
            let summer = DateTime::constant(year, 7, 1, 0, 0, 0, 0);
            let instant = zone.to_timestamp(summer).map_err(|_| unsupported("its time is out of range"))?;
            return Ok(Self::fixed(bias(zone.to_offset(instant))?));
        };
        if one.before != two.after {
            return Err(unsupported("its offset at the end of this year is not the one of its beginning"));
        }
        let (to_daylight, to_standard) = if one.after > one.before { (one, two) } else { (two, one) };
        let standard = bias(to_standard.after)?;
        let season = |change: &super::definition::Change, bias| SeasonStart {
            bias,
            time: change.wall.time(),
            day_order: if change.occurrence() == -1 { 5 } else { change.occurrence() },
            month: change.wall.month(),
            weekday: change.wall.weekday(),
            year: None,
        };
        Ok(Self {
            bias: standard,
            standard: season(to_standard, 0),
            daylight: season(to_daylight, bias(to_daylight.after)? - standard),
        })
    }

    /// Rules to compute with.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`]: a month, day or bias that does not exist, or a year in one season only.
    pub fn to_rules(&self) -> Result<ZoneRules> {
        let minutes = |season: &SeasonStart| {
            SignedDuration::from_mins(i64::from(self.bias).saturating_add(i64::from(season.bias)))
        };
        let period = |id: &str, bias| Period { id: id.into(), name: id.into(), bias };
        let mut definition = ZoneDefinition {
            id: super::CUSTOM_ID.into(),
            periods: vec![period("Standard", minutes(&self.standard))],
            ..ZoneDefinition::default()
        };
        // Month 0 is how Windows says that clocks are never changed.
        if self.standard.bias == self.daylight.bias || self.standard.month == 0 || self.daylight.month == 0 {
            return ZoneRules::new(definition);
        }
        definition.periods.push(period("Daylight", minutes(&self.daylight)));
        let to = |id: &str| Target::Period(id.into());
        let (standard, daylight) = (self.standard.at()?, self.daylight.at()?);
        let once = |at: &TransitionTime| matches!(at, TransitionTime::Absolute(_));
        let transitions = vec![
            Transition { to: to("Daylight"), at: daylight },
            Transition { to: to("Standard"), at: standard },
        ];
        match (once(&standard), once(&daylight)) {
            (false, false) => definition.groups.push(TransitionsGroup { id: "0".into(), transitions }),
            (true, true) => {
                // Before the first of the two the season is the one that the second leads to.
                let first =
                    if self.standard.sort_key() < self.daylight.sort_key() { "Daylight" } else { "Standard" };
                definition.transitions.push(Transition { to: to(first), at: TransitionTime::Always });
                definition.transitions.extend(transitions);
            }
            _ => return Err(Error::unreadable("one season of the time zone has a year, the other none")),
        }
        ZoneRules::new(definition)
    }
}

impl SeasonStart {
    fn at(&self) -> Result<TransitionTime> {
        let time = self.time.duration_since(Time::midnight());
        Ok(match self.year {
            None => TransitionTime::RecurringDay {
                time,
                month: self.month,
                weekday: self.weekday,
                occurrence: self.day_order,
            },
            Some(year) => {
                let day = jiff::civil::Date::new(year, self.month, self.day_order).map_err(|_| {
                    Error::unreadable("a season of the time zone begins on a day that does not exist")
                })?;
                TransitionTime::Absolute(xs::DateTime::Local(day.to_datetime(self.time)))
            }
        })
    }

    fn sort_key(&self) -> (Option<i16>, i8, i8) {
        (self.year, self.month, self.day_order)
    }
}

fn bias(offset: Offset) -> Result<i32> {
    if offset.seconds() % 60 != 0 {
        return Err(unsupported("its offset has seconds"));
    }
    Ok(-offset.seconds() / 60)
}

fn unsupported(why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the zone cannot be asked in this shape, ask in UTC: {why}"))
        .with_acted(m365_core::Acted::No)
}
