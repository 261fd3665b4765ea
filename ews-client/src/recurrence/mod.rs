//! Recurring series: the six patterns and three ranges of Exchange, and their expansion.
//!
//! A server expands a series itself in a calendar view. This is for those that do not, and for clients that keep masters:
//! [`Recurrence`] says on which days a series occurs, [`Series`] adds clock time, zone, exceptions and deletions.

mod dates;
mod rrule;
mod series;
mod wire;

use jiff::civil::{Date, Weekday};

pub use dates::Dates;
pub use series::{ModifiedOccurrence, Occurrence, Occurrences, Series};
pub use wire::RawRecurrence;
pub(crate) use wire::write as write_recurrence;

use crate::{Error, Result};

/// The last day that a series may end on: Exchange answers ErrorRecurrenceEndDateTooBig beyond it.
pub(crate) const LAST_END: Date = Date::constant(4500, 9, 1);
/// The first day that Exchange can keep.
const FIRST_START: Date = Date::constant(1601, 1, 1);

/// The rule of a series: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/recurrence-recurrencetype>.
///
/// ```
/// use ews_client::recurrence::{DayOfWeekIndex, Pattern, Range, Recurrence, RelativeDay};
/// use jiff::civil::date;
///
/// let last_friday = Pattern::RelativeMonthly { interval: 1, day: RelativeDay::Friday, index: DayOfWeekIndex::Last };
/// let rule = Recurrence::new(last_friday, Range::Numbered { start: date(2026, 11, 1), occurrences: 3 })?;
/// let days: Vec<_> = rule.dates().collect();
/// assert_eq!(days, [date(2026, 11, 27), date(2026, 12, 25), date(2027, 1, 29)]);
/// # Ok::<(), ews_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recurrence {
    pattern: Pattern,
    range: Range,
}

/// Which days of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `RelativeYearlyRecurrence`: the second Tuesday of March.
    RelativeYearly {
        /// `DaysOfWeek`.
        day: RelativeDay,
        /// `DayOfWeekIndex`.
        index: DayOfWeekIndex,
        /// `Month`, 1 to 12.
        month: i8,
    },
    /// `AbsoluteYearlyRecurrence`: every 3 October.
    AbsoluteYearly {
        /// `DayOfMonth`, 1 to 31; the last day where the month is shorter.
        day_of_month: i8,
        /// `Month`, 1 to 12.
        month: i8,
    },
    /// `RelativeMonthlyRecurrence`: the last working day of every other month.
    RelativeMonthly {
        /// Months from one to the next, 1 to 99.
        interval: u16,
        /// `DaysOfWeek`.
        day: RelativeDay,
        /// `DayOfWeekIndex`.
        index: DayOfWeekIndex,
    },
    /// `AbsoluteMonthlyRecurrence`: the fifteenth of every month.
    AbsoluteMonthly {
        /// Months from one to the next, 1 to 99.
        interval: u16,
        /// `DayOfMonth`, 1 to 31; the last day where the month is shorter.
        day_of_month: i8,
    },
    /// `WeeklyRecurrence`: Monday and Wednesday of every second week.
    Weekly {
        /// Weeks from one to the next, 1 to 99.
        interval: u16,
        /// `DaysOfWeek`; not empty.
        days: DaysOfWeek,
        /// `FirstDayOfWeek`: where a week begins matters when the interval is not 1. Exchange leaves it out at times; Sunday is
        /// then assumed, as in Outlook's default calendar.
        first_day_of_week: Weekday,
    },
    /// `DailyRecurrence`: every third day.
    Daily {
        /// Days from one to the next, 1 to 999.
        interval: u16,
    },
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// `NoEndRecurrence`.
    NoEnd {
        /// `StartDate`.
        start: Date,
    },
    /// `EndDateRecurrence`.
    EndDate {
        /// `StartDate`.
        start: Date,
        /// `EndDate`, the last day that may still be one.
        end: Date,
    },
    /// `NumberedRecurrence`.
    Numbered {
        /// `StartDate`.
        start: Date,
        /// `NumberOfOccurrences`, deleted ones included.
        occurrences: u32,
    },
}

/// The kind of day that a relative pattern counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the seven weekdays say what they are")]
pub enum RelativeDay {
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    /// Any day: the last `Day` is the last of the month.
    Day,
    /// Monday to Friday.
    Weekday,
    /// Saturday and Sunday.
    WeekendDay,
}

/// Which of them in the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "ordinals say what they are")]
pub enum DayOfWeekIndex {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// A set of weekdays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DaysOfWeek(u8);

impl Recurrence {
    /// A rule, checked.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput), with the words of the wire: an interval, day, month or count
    /// outside its range, an empty set of days, a start before 1601, an end before the start or after 4500-09-01, or a
    /// range that holds no occurrence (Exchange: ErrorRecurrenceHasNoOccurrence).
    pub fn new(pattern: Pattern, range: Range) -> Result<Self> {
        pattern.check()?;
        range.check()?;
        let rule = Self { pattern, range };
        if rule.nth(0).is_none() {
            return Err(Error::invalid("the recurrence has no occurrence between StartDate and EndDate"));
        }
        Ok(rule)
    }

    /// Which days of the calendar.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// From when to when.
    pub fn range(&self) -> &Range {
        &self.range
    }
}

impl Pattern {
    fn check(&self) -> Result<()> {
        let (interval, most) = match self {
            Self::Daily { interval } => (*interval, 999),
            Self::Weekly { interval, .. }
            | Self::RelativeMonthly { interval, .. }
            | Self::AbsoluteMonthly { interval, .. } => (*interval, 99),
            Self::RelativeYearly { .. } | Self::AbsoluteYearly { .. } => (1, 1),
        };
        if !(1..=most).contains(&interval) {
            return Err(Error::invalid(format!("Interval is 1 to {most} in this pattern")));
        }
        if let Self::AbsoluteYearly { day_of_month, .. } | Self::AbsoluteMonthly { day_of_month, .. } = self
            && !(1..=31).contains(day_of_month)
        {
            return Err(Error::invalid("DayOfMonth is 1 to 31"));
        }
        if let Self::RelativeYearly { month, .. } | Self::AbsoluteYearly { month, .. } = self
            && !(1..=12).contains(month)
        {
            return Err(Error::invalid("Month is January to December"));
        }
        if let Self::Weekly { days, .. } = self
            && days.is_empty()
        {
            return Err(Error::invalid("DaysOfWeek names no day"));
        }
        Ok(())
    }
}

impl Range {
    /// The day from which on occurrences are looked for.
    pub fn start(&self) -> Date {
        match self {
            Self::NoEnd { start } | Self::EndDate { start, .. } | Self::Numbered { start, .. } => *start,
        }
    }

    fn check(&self) -> Result<()> {
        if !(FIRST_START..=LAST_END).contains(&self.start()) {
            return Err(Error::invalid("StartDate lies between 1601-01-01 and 4500-09-01"));
        }
        match self {
            Self::EndDate { start, end } if end < start => Err(Error::invalid("EndDate is before StartDate")),
            Self::EndDate { end, .. } if *end > LAST_END => {
                Err(Error::invalid("EndDate is after 4500-09-01"))
            }
            Self::Numbered { occurrences: 0, .. } => Err(Error::invalid("NumberOfOccurrences is 1 at least")),
            _ => Ok(()),
        }
    }
}

impl RelativeDay {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Sunday, "Sunday"),
        (Self::Monday, "Monday"),
        (Self::Tuesday, "Tuesday"),
        (Self::Wednesday, "Wednesday"),
        (Self::Thursday, "Thursday"),
        (Self::Friday, "Friday"),
        (Self::Saturday, "Saturday"),
        (Self::Day, "Day"),
        (Self::Weekday, "Weekday"),
        (Self::WeekendDay, "WeekendDay"),
    ];

    /// Reads the word of the wire (`DayOfWeekType`).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for any other word.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(day, _)| *day).ok_or_else(|| Error::unreadable("a day of the week is none"))
    }

    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(day, _)| *day == self).map_or("Day", |(_, name)| name)
    }

    /// The weekdays it stands for.
    pub fn days(self) -> DaysOfWeek {
        match self {
            Self::Sunday => DaysOfWeek::from(Weekday::Sunday),
            Self::Monday => DaysOfWeek::from(Weekday::Monday),
            Self::Tuesday => DaysOfWeek::from(Weekday::Tuesday),
            Self::Wednesday => DaysOfWeek::from(Weekday::Wednesday),
            Self::Thursday => DaysOfWeek::from(Weekday::Thursday),
            Self::Friday => DaysOfWeek::from(Weekday::Friday),
            Self::Saturday => DaysOfWeek::from(Weekday::Saturday),
            Self::Day => DaysOfWeek(0b111_1111),
            Self::Weekday => DaysOfWeek(0b001_1111),
            Self::WeekendDay => DaysOfWeek(0b110_0000),
        }
    }
}

impl DayOfWeekIndex {
    const ALL: [(Self, &'static str); 5] = [
        (Self::First, "First"),
        (Self::Second, "Second"),
        (Self::Third, "Third"),
        (Self::Fourth, "Fourth"),
        (Self::Last, "Last"),
    ];

    /// Reads the word of the wire (`DayOfWeekIndexType`).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for any other word.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(index, _)| *index).ok_or_else(|| Error::unreadable("a DayOfWeekIndex is none"))
    }

    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(index, _)| *index == self).map_or("Last", |(_, name)| name)
    }

    /// How many of them come before it; `None` for the last.
    fn skipped(self) -> Option<usize> {
        match self {
            Self::First => Some(0),
            Self::Second => Some(1),
            Self::Third => Some(2),
            Self::Fourth => Some(3),
            Self::Last => None,
        }
    }
}

impl DaysOfWeek {
    /// Reads a list of the wire: `Monday Wednesday`. `Day`, `Weekday` and `WeekendDay` stand for their days.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for any other word, or none.
    pub fn parse(text: &str) -> Result<Self> {
        let mut days = Self::default();
        for word in text.split_ascii_whitespace() {
            days.0 |= RelativeDay::parse(word)?.days().0;
        }
        if days.is_empty() { Err(Error::unreadable("a list of days of the week is empty")) } else { Ok(days) }
    }

    /// Whether it has this day.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & Self::from(day).0 != 0
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many it has.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Its days from Monday to Sunday.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        Weekday::Monday.cycle_forward().take(7).filter(move |day| self.contains(*day))
    }
}

impl From<Weekday> for DaysOfWeek {
    fn from(day: Weekday) -> Self {
        Self(1 << day.to_monday_zero_offset().clamp(0, 6))
    }
}

impl FromIterator<Weekday> for DaysOfWeek {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        Self(days.into_iter().fold(0, |set, day| set | Self::from(day).0))
    }
}

impl std::fmt::Display for DaysOfWeek {
    /// The list of the wire, from Monday.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, day) in self.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{day:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn lists_of_days_are_read_and_written() {
        let days = DaysOfWeek::parse(" Wednesday\n Monday ").unwrap();
        assert_eq!((days.to_string().as_str(), days.len()), ("Monday Wednesday", 2));
        assert_eq!(DaysOfWeek::parse("Weekday").unwrap().len(), 5);
        assert_eq!(DaysOfWeek::parse("WeekendDay Friday").unwrap().to_string(), "Friday Saturday Sunday");
        assert!(DaysOfWeek::parse("").is_err());
        assert!(DaysOfWeek::parse("Monday,Tuesday").is_err());
        for (day, name) in RelativeDay::ALL {
            assert_eq!((RelativeDay::parse(name).unwrap(), day.as_str()), (day, name));
        }
        for (index, name) in DayOfWeekIndex::ALL {
            assert_eq!((DayOfWeekIndex::parse(name).unwrap(), index.as_str()), (index, name));
        }
    }

    #[test]
    fn rules_outside_the_limits_are_refused() {
        let start = date(2026, 10, 19);
        let open = Range::NoEnd { start };
        let days = DaysOfWeek::from(Weekday::Monday);
        let first_day_of_week = Weekday::Sunday;
        for pattern in [
            Pattern::Daily { interval: 0 },
            Pattern::Daily { interval: 1000 },
            Pattern::Weekly { interval: 100, days, first_day_of_week },
            Pattern::Weekly { interval: 1, days: DaysOfWeek::default(), first_day_of_week },
            Pattern::AbsoluteMonthly { interval: 100, day_of_month: 1 },
            Pattern::AbsoluteMonthly { interval: 1, day_of_month: 32 },
            Pattern::AbsoluteMonthly { interval: 1, day_of_month: 0 },
            Pattern::AbsoluteYearly { day_of_month: 1, month: 13 },
            Pattern::RelativeYearly { day: RelativeDay::Day, index: DayOfWeekIndex::Last, month: 0 },
        ] {
            assert!(Recurrence::new(pattern, open).is_err(), "{pattern:?}");
        }
        let daily = Pattern::Daily { interval: 1 };
        for range in [
            Range::Numbered { start, occurrences: 0 },
            Range::EndDate { start, end: date(2026, 10, 18) },
            Range::EndDate { start, end: date(4500, 9, 2) },
            Range::NoEnd { start: date(1600, 12, 31) },
            Range::NoEnd { start: date(9999, 12, 31) },
        ] {
            assert!(Recurrence::new(daily, range).is_err(), "{range:?}");
        }
        let christmas = Pattern::AbsoluteYearly { day_of_month: 25, month: 12 };
        let error =
            Recurrence::new(christmas, Range::EndDate { start, end: date(2026, 12, 24) }).unwrap_err();
        assert!(error.message().contains("no occurrence"));
        assert!(Recurrence::new(christmas, Range::EndDate { start, end: date(2026, 12, 25) }).is_ok());
    }
}
