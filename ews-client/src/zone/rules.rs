use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::definition::{Period, Target, Transition, TransitionTime, TransitionsGroup, ZoneDefinition};
use crate::{Error, Result, xs};

/// A zone by its own rules, as a server sent them.
///
/// Local times that a change of clocks leaves out or repeats are read as jiff's *compatible* strategy reads them: one that
/// does not exist is moved forward by the length of the gap, of one that exists twice the earlier is meant.
///
/// ```
/// use ews_client::zone::ZoneRules;
/// use jiff::{Timestamp, civil};
///
/// let rules = ZoneRules::fixed(jiff::tz::offset(1));
/// assert_eq!(rules.to_instant(civil::date(2026, 11, 23).at(9, 0, 0, 0)), "2026-11-23T08:00:00Z".parse::<Timestamp>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRules {
    definition: ZoneDefinition,
    /// Sorted; the first one reaches back to the beginning of time. Never empty.
    eras: Vec<Era>,
    least: Offset,
    most: Offset,
}

/// What is in force from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Era {
    from: Timestamp,
    /// In the order of the year. Empty: the offset never changes.
    yearly: Vec<Yearly>,
    /// Without yearly changes: the offset.
    offset: Offset,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Yearly {
    before: Offset,
    after: Offset,
    time: SignedDuration,
    month: i8,
    day: Day,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Weekday(Weekday, i8),
    OfMonth(i8),
}

impl ZoneRules {
    /// Makes sense of a definition.
    ///
    /// `Transitions` and `TransitionsGroups` are optional on the wire. Without the former the only group is always in force,
    /// without both the only period. Without an undated transition the earliest one reaches back.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): a transition leads to nothing, a month or weekday does not
    /// exist, a bias is longer than a day, or nothing says which of several periods is in force.
    pub fn new(definition: ZoneDefinition) -> Result<Self> {
        let eras = eras_of(&definition)?;
        Ok(Self::from_parts(definition, eras))
    }

    /// One offset for ever, under the id `tzone://Microsoft/Custom`.
    pub fn fixed(offset: Offset) -> Self {
        let bias = SignedDuration::from_secs(-i64::from(offset.seconds()));
        let definition = ZoneDefinition {
            id: super::CUSTOM_ID.into(),
            name: Some(format!("UTC{offset}").into()),
            periods: vec![Period { id: "Standard".into(), name: "Standard".into(), bias }],
            ..ZoneDefinition::default()
        };
        Self::from_parts(definition, vec![Era { from: Timestamp::MIN, yearly: Vec::new(), offset }])
    }

    fn from_parts(definition: ZoneDefinition, eras: Vec<Era>) -> Self {
        let offsets = || {
            eras.iter().flat_map(|era| {
                let fixed = era.yearly.is_empty().then_some(era.offset);
                fixed.into_iter().chain(era.yearly.iter().map(|change| change.after))
            })
        };
        let least = offsets().min().unwrap_or(Offset::UTC);
        let most = offsets().max().unwrap_or(Offset::UTC);
        Self { definition, eras, least, most }
    }

    /// What it was made of, for writing it again.
    pub fn definition(&self) -> &ZoneDefinition {
        &self.definition
    }

    /// The offset in force at an instant.
    pub fn offset_at(&self, instant: Timestamp) -> Offset {
        offset_at(&self.eras, instant)
    }

    /// What a clock of the zone shows.
    pub fn to_local(&self, instant: Timestamp) -> DateTime {
        self.offset_at(instant).to_datetime(instant)
    }

    /// The instant of a clock reading. Beyond what [`Timestamp`] holds, the nearest one it does.
    pub fn to_instant(&self, local: DateTime) -> Timestamp {
        to_instant(&self.eras, self.least, self.most, local)
    }
}

fn eras_of(definition: &ZoneDefinition) -> Result<Vec<Era>> {
    let mut transitions: Vec<Transition> = definition.transitions.clone();
    if transitions.is_empty() {
        let to = match (definition.groups.as_slice(), definition.periods.as_slice()) {
            ([group], _) => Target::Group(group.id.clone()),
            ([], [period]) => Target::Period(period.id.clone()),
            _ => return Err(bad("nothing says which period or group is in force")),
        };
        transitions.push(Transition { to, at: TransitionTime::Always });
    }
    // Stable: of two at the same time the later one in the document stays in force.
    transitions.sort_by_key(|transition| match transition.at {
        TransitionTime::Absolute(xs::DateTime::Zoned { instant, .. }) => instant,
        TransitionTime::Absolute(xs::DateTime::Local(local)) => saturating(Offset::UTC, local),
        _ => Timestamp::MIN,
    });
    let mut eras: Vec<Era> = Vec::with_capacity(transitions.len());
    for transition in &transitions {
        let from = match (transition.at, eras.last()) {
            (TransitionTime::Always | TransitionTime::Absolute(_), None) => Timestamp::MIN,
            (TransitionTime::Always, Some(_)) => return Err(bad("two transitions have no date")),
            (TransitionTime::Absolute(xs::DateTime::Zoned { instant, .. }), Some(last)) => {
                instant.max(last.from)
            }
            (TransitionTime::Absolute(xs::DateTime::Local(local)), Some(last)) => {
                let (least, most) = bounds(&eras);
                to_instant(&eras, least, most, local).max(last.from)
            }
            _ => return Err(bad("a yearly transition stands outside a group")),
        };
        eras.push(match &transition.to {
            Target::Period(id) => {
                Era { from, yearly: Vec::new(), offset: period_offset(&definition.periods, id)? }
            }
            Target::Group(id) => {
                let group = definition.groups.iter().find(|group| group.id == *id);
                let group = group.ok_or_else(|| bad("a transition leads to a group that is not there"))?;
                group_era(group, &definition.periods, from)?
            }
        });
    }
    Ok(eras)
}

fn bounds(eras: &[Era]) -> (Offset, Offset) {
    let offsets = || eras.iter().flat_map(|era| era.yearly.iter().map(|y| y.after).chain([era.offset]));
    (offsets().min().unwrap_or(Offset::UTC), offsets().max().unwrap_or(Offset::UTC))
}

fn group_era(group: &TransitionsGroup, periods: &[Period], from: Timestamp) -> Result<Era> {
    let mut fixed = None;
    let mut yearly = Vec::new();
    for transition in &group.transitions {
        let Target::Period(id) = &transition.to else { return Err(bad("a group leads to a group")) };
        let after = period_offset(periods, id)?;
        let (time, month, day) = match transition.at {
            TransitionTime::Always => {
                fixed = Some(after);
                continue;
            }
            TransitionTime::Absolute(_) => return Err(bad("a dated transition stands inside a group")),
            TransitionTime::RecurringDay { time, month, weekday, occurrence } => {
                if !matches!(occurrence, -1 | 1..=5) {
                    return Err(bad("an occurrence is 1 to 4 or -1"));
                }
                (time, month, Day::Weekday(weekday, occurrence))
            }
            TransitionTime::RecurringDate { time, month, day } => {
                if !(1..=31).contains(&day) {
                    return Err(bad("a day is 1 to 31"));
                }
                (time, month, Day::OfMonth(day))
            }
        };
        if !(1..=12).contains(&month) {
            return Err(bad("a month is 1 to 12"));
        }
        if time.abs() > SignedDuration::from_hours(48) {
            return Err(bad("a time of day is longer than two days"));
        }
        yearly.push(Yearly { before: after, after, time, month, day });
    }
    // The order within a year is the same in every year, or the definition has no meaning.
    yearly.sort_by_key(|change| change.local(2000));
    let mut before = yearly.last().map(|change| change.after);
    for change in &mut yearly {
        change.before = before.unwrap_or(change.after);
        before = Some(change.after);
    }
    let offset = fixed.or(before).ok_or_else(|| bad("a group has no transition"))?;
    Ok(Era { from, yearly, offset })
}

fn period_offset(periods: &[Period], id: &str) -> Result<Offset> {
    let period = periods.iter().find(|period| &*period.id == id);
    let period = period.ok_or_else(|| bad("a transition leads to a period that is not there"))?;
    i32::try_from(period.bias.as_secs())
        .ok()
        .and_then(|seconds| Offset::from_seconds(-seconds).ok())
        .filter(|offset| offset.seconds().abs() <= 86_400)
        .ok_or_else(|| bad("a bias is longer than a day"))
}

impl Yearly {
    /// What the clock says in this year when it is changed.
    fn local(&self, year: i16) -> Option<DateTime> {
        let first = Date::new(year, self.month, 1).ok()?;
        let date = match self.day {
            Day::OfMonth(day) => Date::new(year, self.month, day.min(first.days_in_month())).ok()?,
            Day::Weekday(weekday, 5) => first.nth_weekday_of_month(-1, weekday).ok()?,
            Day::Weekday(weekday, nth) => first.nth_weekday_of_month(nth, weekday).ok()?,
        };
        date.at(0, 0, 0, 0).checked_add(self.time).ok()
    }

    fn instant(&self, year: i16) -> Option<Timestamp> {
        self.before.to_timestamp(self.local(year)?).ok()
    }
}

fn offset_at(eras: &[Era], instant: Timestamp) -> Offset {
    let later = eras.partition_point(|era| era.from <= instant);
    let Some(era) = eras.get(later.saturating_sub(1)) else { return Offset::UTC };
    let year = Offset::UTC.to_datetime(instant).year();
    // A group that came into force lately speaks for the time before its first change as if it had been there always.
    (-1..=1)
        .flat_map(|step| {
            era.yearly.iter().filter_map(move |change| Some((change.instant(year + step)?, change.after)))
        })
        .filter(|(at, _)| *at <= instant)
        .max_by_key(|(at, _)| *at)
        .map_or(era.offset, |(_, after)| after)
}

fn to_instant(eras: &[Era], least: Offset, most: Offset, local: DateTime) -> Timestamp {
    // The offset before every instant that the reading could mean, and the one after: where they differ, clocks were changed.
    let earliest = saturating(most, local);
    let before = offset_at(eras, earliest.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(earliest));
    let after = offset_at(eras, saturating(least, local));
    let candidates = [before, after].map(|offset| (offset, saturating(offset, local)));
    candidates
        .into_iter()
        .filter(|(offset, instant)| offset_at(eras, *instant) == *offset)
        .map(|(_, instant)| instant)
        .min()
        .unwrap_or_else(|| saturating(before, local))
}

fn saturating(offset: Offset, local: DateTime) -> Timestamp {
    offset.to_timestamp(local).unwrap_or(if local.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
}

fn bad(what: &str) -> Error {
    Error::unreadable(format!("the time zone definition makes no sense: {what}"))
}
