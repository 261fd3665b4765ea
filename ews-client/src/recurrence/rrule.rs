use jiff::civil::Weekday;

use super::{DaysOfWeek, Pattern, Range, Recurrence};

impl Recurrence {
    /// The rule as an RRULE of RFC 5545, for other calendars; DTSTART is the range's start.
    ///
    /// Two meanings are not alike. RFC 5545 skips months without a 31st where Exchange takes the last day: days 29 to 31 are
    /// written as the last of a list (`BYMONTHDAY=28,29,30;BYSETPOS=-1`). And RFC 5545 counts DTSTART as the first occurrence even
    /// if the rule does not match it, where Exchange begins with the first day that matches: hand over a DTSTART that does.
    /// UNTIL is local time without `Z`, as a floating DTSTART wants it.
    ///
    /// ```
    /// use ews_client::recurrence::{Pattern, Range, Recurrence};
    /// use jiff::civil::date;
    ///
    /// let rule = Recurrence::new(
    ///     Pattern::AbsoluteMonthly { interval: 1, day_of_month: 30 },
    ///     Range::Numbered { start: date(2026, 11, 30), occurrences: 4 },
    /// )?;
    /// assert_eq!(rule.to_rrule(), "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=28,29,30;BYSETPOS=-1;COUNT=4");
    /// # Ok::<(), ews_client::Error>(())
    /// ```
    pub fn to_rrule(&self) -> String {
        let days = match &self.pattern {
            Pattern::Daily { interval } => format!("FREQ=DAILY;INTERVAL={interval}"),
            Pattern::Weekly { interval, days, first_day_of_week } => {
                let (days, first) = (list(*days), short(*first_day_of_week));
                format!("FREQ=WEEKLY;INTERVAL={interval};BYDAY={days};WKST={first}")
            }
            Pattern::AbsoluteMonthly { interval, day_of_month } => {
                format!("FREQ=MONTHLY;INTERVAL={interval};{}", month_day(*day_of_month))
            }
            Pattern::AbsoluteYearly { day_of_month, month } => {
                format!("FREQ=YEARLY;BYMONTH={month};{}", month_day(*day_of_month))
            }
            Pattern::RelativeMonthly { interval, day, index } => {
                format!("FREQ=MONTHLY;INTERVAL={interval};{}", position(day.days(), index.skipped()))
            }
            Pattern::RelativeYearly { day, index, month } => {
                format!("FREQ=YEARLY;BYMONTH={month};{}", position(day.days(), index.skipped()))
            }
        };
        match &self.range {
            Range::NoEnd { .. } => days,
            Range::EndDate { end, .. } => format!("{days};UNTIL={}T235959", end.strftime("%Y%m%d")),
            Range::Numbered { occurrences, .. } => format!("{days};COUNT={occurrences}"),
        }
    }
}

fn month_day(day: i8) -> String {
    match day {
        31 => "BYMONTHDAY=-1".into(),
        29 => "BYMONTHDAY=28,29;BYSETPOS=-1".into(),
        30 => "BYMONTHDAY=28,29,30;BYSETPOS=-1".into(),
        day => format!("BYMONTHDAY={day}"),
    }
}

fn position(days: DaysOfWeek, skipped: Option<usize>) -> String {
    let position = skipped.map_or_else(|| "-1".to_owned(), |skipped| (skipped + 1).to_string());
    format!("BYDAY={};BYSETPOS={position}", list(days))
}

fn list(days: DaysOfWeek) -> String {
    days.iter().map(short).collect::<Vec<_>>().join(",")
}

fn short(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "MO",
        Weekday::Tuesday => "TU",
        Weekday::Wednesday => "WE",
        Weekday::Thursday => "TH",
        Weekday::Friday => "FR",
        Weekday::Saturday => "SA",
        Weekday::Sunday => "SU",
    }
}
