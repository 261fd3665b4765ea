//! Rules of series, and the days that they fall on.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/recurrence-patterns-and-ews>

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, Weekday},
};

/// A slot of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// From 1, deleted occurrences counted.
    pub index: u32,
    /// When an unchanged occurrence starts here.
    pub start: Timestamp,
}

/// The rule of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// On which days.
    pub pattern: Pattern,
    /// From when on.
    pub first: Date,
    /// Until when.
    pub range: Range,
}

/// How long a series lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// For ever.
    NoEnd,
    /// Until this day, included.
    End(Date),
    /// This many times.
    Numbered(u32),
}

/// On which days a series falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Every so many days.
    Daily {
        /// Days.
        interval: u32,
    },
    /// On days of every so many weeks.
    Weekly {
        /// Weeks.
        interval: u32,
        /// Days.
        days: Vec<Weekday>,
        /// On which day a week begins.
        first_day: Weekday,
    },
    /// On a day of every so many months; the last one of those that are too short.
    AbsoluteMonthly {
        /// Months.
        interval: u32,
        /// 1 to 31.
        day: i8,
    },
    /// On the n-th of some days of every so many months.
    RelativeMonthly {
        /// Months.
        interval: u32,
        /// Which days are counted.
        days: DayKind,
        /// 1 to 4, or -1 for the last.
        index: i8,
    },
    /// On a day of the year.
    AbsoluteYearly {
        /// 1 to 12.
        month: i8,
        /// 1 to 31.
        day: i8,
    },
    /// On the n-th of some days of a month of the year.
    RelativeYearly {
        /// 1 to 12.
        month: i8,
        /// Which days are counted.
        days: DayKind,
        /// 1 to 4, or -1 for the last.
        index: i8,
    },
}

/// Days that a relative pattern counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// One of the seven.
    On(Weekday),
    /// Any day.
    Day,
    /// Monday to Friday.
    Weekday,
    /// Saturday and Sunday.
    WeekendDay,
}

impl DayKind {
    fn holds(self, date: Date) -> bool {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        match self {
            Self::On(day) => date.weekday() == day,
            Self::Day => true,
            Self::Weekday => !weekend,
            Self::WeekendDay => weekend,
        }
    }

    /// The n-th such day of the month.
    fn nth(self, month: Date, index: i8) -> Option<Date> {
        let mut days: Vec<Date> =
            month.first_of_month().series(1.days()).take_while(|d| d.month() == month.month()).collect();
        days.retain(|day| self.holds(*day));
        match usize::try_from(index) {
            Ok(n) => n.checked_sub(1).and_then(|n| days.get(n)).copied(),
            Err(_) => days.last().copied(),
        }
    }
}

impl Recurrence {
    /// The days of the series in order; without end when it has none.
    pub fn dates(&self) -> Box<dyn Iterator<Item = Date> + '_> {
        let first = self.first;
        let days = self.pattern.dates(first).filter(move |day| *day >= first);
        match self.range {
            Range::NoEnd => Box::new(days),
            Range::End(last) => Box::new(days.take_while(move |day| *day <= last)),
            Range::Numbered(count) => Box::new(days.take(usize::try_from(count).unwrap_or(usize::MAX))),
        }
    }
}

impl Pattern {
    fn dates(&self, first: Date) -> Box<dyn Iterator<Item = Date> + '_> {
        match self {
            Self::Daily { interval } => Box::new(first.series(i64::from(*interval).clamp(1, 9_999).days())),
            Self::Weekly { interval, days, first_day } => {
                let back = first.weekday().since(*first_day);
                let week = first.checked_sub(i64::from(back).days()).unwrap_or(first);
                Box::new(week.series(i64::from(*interval).clamp(1, 999).weeks()).flat_map(|week| {
                    week.series(1.days()).take(7).filter(|day| days.contains(&day.weekday()))
                }))
            }
            Self::AbsoluteMonthly { interval, day } => {
                let day = *day;
                Box::new(months(first, i64::from(*interval)).map(move |month| clamped(month, day)))
            }
            Self::RelativeMonthly { interval, days, index } => {
                Box::new(months(first, i64::from(*interval)).filter_map(|month| days.nth(month, *index)))
            }
            Self::AbsoluteYearly { month, day } => {
                let day = *day;
                Box::new(years(first, *month).map(move |month| clamped(month, day)))
            }
            Self::RelativeYearly { month, days, index } => {
                Box::new(years(first, *month).filter_map(|month| days.nth(month, *index)))
            }
        }
    }
}

fn months(first: Date, interval: i64) -> impl Iterator<Item = Date> {
    first.first_of_month().series(interval.clamp(1, 999).months())
}

fn years(first: Date, month: i8) -> impl Iterator<Item = Date> {
    Date::new(first.year(), month, 1).into_iter().flat_map(|day| day.series(1.years()))
}

/// That day of the month, or its last.
fn clamped(month: Date, day: i8) -> Date {
    Date::new(month.year(), month.month(), day.min(month.days_in_month())).unwrap_or(month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn days(pattern: Pattern, first: Date, n: usize) -> Vec<String> {
        let rule = Recurrence { pattern, first, range: Range::NoEnd };
        rule.dates().take(n).map(|d| d.to_string()).collect()
    }

    #[test]
    fn the_six_patterns() {
        let first = date(2026, 1, 31);
        assert_eq!(
            days(Pattern::Daily { interval: 10 }, first, 3),
            ["2026-01-31", "2026-02-10", "2026-02-20"]
        );
        assert_eq!(
            days(Pattern::AbsoluteMonthly { interval: 1, day: 31 }, first, 4),
            ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
        );
        let weekly = Pattern::Weekly {
            interval: 2,
            days: vec![Weekday::Sunday, Weekday::Monday],
            first_day: Weekday::Monday,
        };
        // Saturday: of its own week only the Sunday is left.
        assert_eq!(days(weekly, first, 4), ["2026-02-01", "2026-02-09", "2026-02-15", "2026-02-23"]);
        let last = Pattern::RelativeMonthly { interval: 1, days: DayKind::Weekday, index: -1 };
        assert_eq!(days(last, first, 3), ["2026-02-27", "2026-03-31", "2026-04-30"]);
        let second = Pattern::RelativeYearly { month: 3, days: DayKind::On(Weekday::Sunday), index: 2 };
        assert_eq!(days(second, first, 2), ["2026-03-08", "2027-03-14"]);
        assert_eq!(
            days(Pattern::AbsoluteYearly { month: 2, day: 29 }, first, 3),
            ["2026-02-28", "2027-02-28", "2028-02-29"]
        );
    }

    #[test]
    fn the_three_ranges() {
        let rule =
            |range| Recurrence { pattern: Pattern::Daily { interval: 1 }, first: date(2026, 3, 1), range };
        assert_eq!(rule(Range::Numbered(5)).dates().count(), 5);
        assert_eq!(rule(Range::End(date(2026, 3, 4))).dates().count(), 4);
        assert_eq!(rule(Range::End(date(2026, 2, 28))).dates().count(), 0);
        assert_eq!(rule(Range::NoEnd).dates().take(3000).count(), 3000);
    }
}
