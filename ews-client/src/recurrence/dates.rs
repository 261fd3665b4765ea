use std::ops::Range as Span;

use jiff::civil::{Date, Weekday};

use super::{LAST_END, Pattern, Range, Recurrence};

impl Recurrence {
    /// All days of the series in order, lazily. A series without end goes on to 4500-09-01, where Exchange ends.
    pub fn dates(&self) -> Dates<'_> {
        self.ordinals(0..u32::MAX)
    }

    /// The days from `from` on and before `to`. Costs nothing for the days before.
    pub fn dates_between(&self, from: Date, to: Date) -> Dates<'_> {
        self.ordinals(self.ordinal_from(from)..self.ordinal_from(to))
    }

    /// The day of the n-th occurrence, counted from 0, deleted ones included (`InstanceIndex` counts from 1).
    pub fn nth(&self, ordinal: u32) -> Option<Date> {
        if let Range::Numbered { occurrences, .. } = self.range
            && ordinal >= occurrences
        {
            return None;
        }
        let last = if let Range::EndDate { end, .. } = self.range { end } else { LAST_END };
        self.unbounded(i64::from(ordinal)).filter(|date| *date <= last)
    }

    /// Which occurrence falls on this day.
    pub fn ordinal_of(&self, date: Date) -> Option<u32> {
        let ordinal = self.ordinal_from(date);
        (self.nth(ordinal) == Some(date)).then_some(ordinal)
    }

    fn ordinals(&self, ordinals: Span<u32>) -> Dates<'_> {
        Dates { rule: self, ordinals }
    }

    /// How many occurrences lie before this day, the range's end left out of account.
    pub(super) fn ordinal_from(&self, date: Date) -> u32 {
        // A guess by the length of the periods, which a step or two put right: what is counted per period never varies.
        let (period, per_period) = self.period_of(date);
        let guess = (period - 1).max(0) * per_period - i64::from(self.skipped_in_first());
        let mut ordinal = guess.max(0);
        while self.unbounded(ordinal).is_some_and(|found| found < date) {
            ordinal += 1;
        }
        u32::try_from(ordinal).unwrap_or(u32::MAX)
    }

    /// The period that holds a day, counted from the one of StartDate, and how many occurrences each has.
    fn period_of(&self, date: Date) -> (i64, i64) {
        let start = self.range.start();
        let months = || {
            (i64::from(date.year()) - i64::from(start.year())) * 12 + i64::from(date.month())
                - i64::from(start.month())
        };
        match self.pattern {
            Pattern::Daily { interval } => (days_between(start, date).div_euclid(interval.into()), 1),
            Pattern::Weekly { interval, days, first_day_of_week } => {
                let first = start_of_week(start, first_day_of_week);
                (days_between(first, date).div_euclid(7 * i64::from(interval)), days.len().into())
            }
            Pattern::AbsoluteMonthly { interval, .. } | Pattern::RelativeMonthly { interval, .. } => {
                (months().div_euclid(interval.into()), 1)
            }
            Pattern::AbsoluteYearly { .. } | Pattern::RelativeYearly { .. } => {
                (i64::from(date.year()) - i64::from(start.year()), 1)
            }
        }
    }

    /// How many days that the pattern has in the first period lie before StartDate.
    fn skipped_in_first(&self) -> u8 {
        let start = self.range.start();
        let skipped = (0..7).take_while(|i| self.in_periods(*i).is_some_and(|date| date < start)).count();
        u8::try_from(skipped).unwrap_or(0)
    }

    /// The n-th day of the pattern from StartDate on, whatever the range's end.
    fn unbounded(&self, ordinal: i64) -> Option<Date> {
        self.in_periods(ordinal + i64::from(self.skipped_in_first()))
    }

    /// The n-th day of the pattern from the beginning of StartDate's period on.
    fn in_periods(&self, n: i64) -> Option<Date> {
        let start = self.range.start();
        match self.pattern {
            Pattern::Daily { interval } => plus_days(start, n * i64::from(interval)),
            Pattern::Weekly { interval, days, first_day_of_week } => {
                let per_week = i64::from(days.len().max(1));
                let week = plus_days(
                    start_of_week(start, first_day_of_week),
                    n / per_week * 7 * i64::from(interval),
                )?;
                let nth = usize::try_from(n % per_week).ok()?;
                let offset = (0..7)
                    .filter(|offset| days.contains(first_day_of_week.wrapping_add(*offset)))
                    .nth(nth)?;
                plus_days(week, offset.into())
            }
            Pattern::AbsoluteMonthly { interval, day_of_month } => {
                clamped(plus_months(start, n * i64::from(interval))?, day_of_month)
            }
            Pattern::RelativeMonthly { interval, day, index } => {
                relative(plus_months(start, n * i64::from(interval))?, day, index)
            }
            Pattern::AbsoluteYearly { day_of_month, month } => {
                clamped(first_of(i64::from(start.year()) + n, month)?, day_of_month)
            }
            Pattern::RelativeYearly { day, index, month } => {
                relative(first_of(i64::from(start.year()) + n, month)?, day, index)
            }
        }
    }
}

/// The days of a series.
#[derive(Clone, Debug)]
pub struct Dates<'a> {
    rule: &'a Recurrence,
    ordinals: Span<u32>,
}

impl Dates<'_> {
    /// The next day with its ordinal.
    pub(super) fn next_with_ordinal(&mut self) -> Option<(u32, Date)> {
        let ordinal = self.ordinals.next()?;
        let date = self.rule.nth(ordinal);
        if date.is_none() {
            self.ordinals = 0..0;
        }
        date.map(|date| (ordinal, date))
    }
}

impl Iterator for Dates<'_> {
    type Item = Date;

    fn next(&mut self) -> Option<Date> {
        self.next_with_ordinal().map(|(_, date)| date)
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

fn plus_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(jiff::SignedDuration::from_hours(days.checked_mul(24)?)).ok()
}

fn start_of_week(date: Date, first: Weekday) -> Date {
    let back = i64::from(date.weekday().since(first));
    plus_days(date, -back).unwrap_or(date)
}

/// The first of the month so many months later.
fn plus_months(date: Date, months: i64) -> Option<Date> {
    let months = i64::from(date.year()) * 12 + i64::from(date.month()) - 1 + months;
    first_of(months.div_euclid(12), i8::try_from(months.rem_euclid(12) + 1).ok()?)
}

fn first_of(year: i64, month: i8) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, month, 1).ok()
}

/// The day of the month that begins with `first`; its last day where it is shorter.
fn clamped(first: Date, day: i8) -> Option<Date> {
    Date::new(first.year(), first.month(), day.min(first.days_in_month())).ok()
}

fn relative(first: Date, day: super::RelativeDay, index: super::DayOfWeekIndex) -> Option<Date> {
    let days = day.days();
    let month = || (1..=first.days_in_month()).filter_map(|day| clamped(first, day));
    let wanted = |date: &Date| days.contains(date.weekday());
    match index.skipped() {
        Some(skipped) => month().filter(wanted).nth(skipped),
        None => month().rev().find(wanted),
    }
}
