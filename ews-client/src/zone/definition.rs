use jiff::civil::{DateTime, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::{Error, Result, xs};

/// The rules of a zone in the shape of the wire:
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezonedefinition>.
///
/// [`ZoneRules`](super::ZoneRules) computes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneDefinition {
    /// `Id`: a Windows zone, a made-up id, or anything else.
    pub id: Box<str>,
    /// `Name`: what a person reads, in the server's language.
    pub name: Option<Box<str>>,
    /// `Periods`: the offsets that the zone ever has.
    pub periods: Vec<Period>,
    /// `TransitionsGroups`: the changes that return every year.
    pub groups: Vec<TransitionsGroup>,
    /// `Transitions`: from when which group, or period, is in force.
    pub transitions: Vec<Transition>,
}

/// A stretch with one offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// What transitions call it.
    pub id: Box<str>,
    /// `Standard`, `Daylight`, or anything else.
    pub name: Box<str>,
    /// UTC minus local time: five hours in New York's winter, minus one in Copenhagen's.
    pub bias: SignedDuration,
}

/// Changes that return every year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionsGroup {
    /// What transitions call it.
    pub id: Box<str>,
    /// The changes; a single undated one names the period of a zone without daylight saving.
    pub transitions: Vec<Transition>,
}

/// A change of period, or of the group of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What is in force from then on.
    pub to: Target,
    /// When.
    pub at: TransitionTime,
}

/// `To`: what a transition leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A period by id.
    Period(Box<str>),
    /// A group by id.
    Group(Box<str>),
}

/// When a transition happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransitionTime {
    /// `Transition`: from the beginning of time.
    Always,
    /// `AbsoluteDateTransition`: once. Without offset it is local time as it was until then.
    Absolute(xs::DateTime),
    /// `RecurringDayTransition`: every year on the n-th weekday of a month.
    RecurringDay {
        /// Local time of day as it was until then, from midnight.
        time: SignedDuration,
        /// 1 to 12.
        month: i8,
        /// The day of the week.
        weekday: Weekday,
        /// 1 to 4; -1 or 5 means the last.
        occurrence: i8,
    },
    /// `RecurringDateTransition`: every year on one date.
    RecurringDate {
        /// Local time of day as it was until then, from midnight.
        time: SignedDuration,
        /// 1 to 12.
        month: i8,
        /// 1 to 31.
        day: i8,
    },
}

impl ZoneDefinition {
    /// The rules of a zone for these years, to be sent to a server that does not know it by name. Before and after, the
    /// first and the last year's rule goes on.
    ///
    /// A year with two changes that cancel each other becomes a group; a year without change a group of one period; every other
    /// year is written as dated changes of period, which the schema allows but few servers ever see.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no years, or years outside 1 to 9998.
    pub fn from_time_zone(
        zone: &TimeZone,
        id: impl Into<Box<str>>,
        years: std::ops::RangeInclusive<i16>,
    ) -> Result<Self> {
        let (first, last) = (*years.start(), *years.end());
        if first < 1 || last > 9998 || first > last {
            return Err(Error::invalid("the years of a zone definition lie between 1 and 9998, in order"));
        }
        let mut definition = Self { id: id.into(), ..Self::default() };
        let mut current: Option<Target> = None;
        let mut offset = zone.to_offset(new_year(first)?);
        for year in years {
            let changes = changes_of(zone, year)?;
            if let Some(first) = changes.first() {
                offset = first.before;
            }
            let start = xs::DateTime::Local(DateTime::constant(year, 1, 1, 0, 0, 0, 0));
            let regular = match changes.as_slice() {
                [] => vec![Transition { to: definition.period(offset), at: TransitionTime::Always }],
                [one, two] if one.before == two.after => [one, two]
                    .into_iter()
                    .map(|change| Transition { to: definition.period(change.after), at: change.recurring() })
                    .collect(),
                _ => Vec::new(),
            };
            let target =
                if regular.is_empty() { definition.period(offset) } else { definition.group(regular) };
            if current.as_ref() != Some(&target) {
                let at =
                    if current.is_none() { TransitionTime::Always } else { TransitionTime::Absolute(start) };
                current = Some(target.clone());
                definition.transitions.push(Transition { to: target, at });
            }
            if changes.len() != 2
                || current.as_ref().is_some_and(|target| matches!(target, Target::Period(_)))
            {
                for change in &changes {
                    let to = definition.period(change.after);
                    let at = TransitionTime::Absolute(xs::DateTime::Local(change.wall));
                    current = Some(to.clone());
                    definition.transitions.push(Transition { to, at });
                }
            }
            if let Some(last) = changes.last() {
                offset = last.after;
            }
        }
        Ok(definition)
    }

    /// The period with this offset, made when it is not there.
    fn period(&mut self, offset: Offset) -> Target {
        let id: Box<str> = offset.to_string().into();
        if !self.periods.iter().any(|period| period.id == id) {
            let bias = SignedDuration::from_secs(-i64::from(offset.seconds()));
            self.periods.push(Period { id: id.clone(), name: id.clone(), bias });
        }
        Target::Period(id)
    }

    /// The group with these transitions, made when it is not there.
    fn group(&mut self, transitions: Vec<Transition>) -> Target {
        if let Some(group) = self.groups.iter().find(|group| group.transitions == transitions) {
            return Target::Group(group.id.clone());
        }
        let id: Box<str> = self.groups.len().to_string().into();
        self.groups.push(TransitionsGroup { id: id.clone(), transitions });
        Target::Group(id)
    }
}

/// A change of offset in an IANA zone.
pub(super) struct Change {
    pub(super) before: Offset,
    pub(super) after: Offset,
    /// What the clock said when it was changed.
    pub(super) wall: DateTime,
}

impl Change {
    /// The weekday's position in its month: 1 to 4, or -1 when it is the last.
    pub(super) fn occurrence(&self) -> i8 {
        let date = self.wall.date();
        if date.day() + 7 > date.days_in_month() { -1 } else { (date.day() - 1) / 7 + 1 }
    }

    fn recurring(&self) -> TransitionTime {
        TransitionTime::RecurringDay {
            time: self.wall.time().duration_since(jiff::civil::Time::midnight()),
            month: self.wall.month(),
            weekday: self.wall.weekday(),
            occurrence: self.occurrence(),
        }
    }
}

/// The changes of offset whose clock reading lies in this year, in order.
pub(super) fn changes_of(zone: &TimeZone, year: i16) -> Result<Vec<Change>> {
    let margin = SignedDuration::from_hours(48);
    let (from, to) = (new_year(year)? - margin, new_year(year + 1)? + margin);
    let mut before = zone.to_offset(from);
    let mut changes = Vec::new();
    for transition in zone.following(from).take_while(|transition| transition.timestamp() < to) {
        let after = transition.offset();
        if after != before {
            let wall = before.to_datetime(transition.timestamp());
            if wall.year() == year {
                changes.push(Change { before, after, wall });
            }
            before = after;
        }
    }
    Ok(changes)
}

fn new_year(year: i16) -> Result<Timestamp> {
    jiff::civil::Date::new(year, 1, 1)
        .and_then(|day| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)))
        .map_err(|_| Error::invalid("a year between 1 and 9998 was expected"))
}
