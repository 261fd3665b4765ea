use jiff::civil::{Date, Weekday};

use super::{DayOfWeekIndex, DaysOfWeek, Pattern, Range, Recurrence, RelativeDay};
use crate::soap::{Capabilities, SchemaVersion};
use crate::xml::{Cursor, Element, Writer, XmlError};
use crate::{Error, Result, xs};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The rule of a series as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawRecurrence {
    /// One of the six patterns with one of the three ranges.
    Known(Recurrence),
    /// Something else. The item is one of a series all the same, whose days are not known.
    Unknown {
        /// The element of its pattern; empty when there is none.
        pattern: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
}

impl RawRecurrence {
    /// The rule, if it is known.
    pub fn known(&self) -> Option<&Recurrence> {
        match self {
            Self::Known(rule) => Some(rule),
            Self::Unknown { .. } => None,
        }
    }

    /// Reads `t:Recurrence`. A rule that makes no sense does not lose its item.
    pub(crate) fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
    ) -> std::result::Result<Self, XmlError> {
        let (mut pattern, mut range) = (None, None);
        let mut name = "";
        while let Some(child) = cursor.next_child(element)? {
            let mut parts = Parts::default();
            while let Some(part) = cursor.next_child(&child)? {
                let value = cursor.value(&part)?;
                parts.take(part.ews(), value.into_owned());
            }
            match child.ews() {
                "NoEndRecurrence" | "EndDateRecurrence" | "NumberedRecurrence" => {
                    range = Some(parts.range(child.ews()));
                }
                "" => {}
                other => {
                    name = other;
                    pattern = Some(parts.pattern(other));
                }
            }
        }
        let rule = match (pattern, range) {
            (Some(pattern), Some(range)) => {
                pattern.and_then(|pattern| range.and_then(|range| Recurrence::new(pattern, range)))
            }
            _ => Err(Error::unreadable("the recurrence lacks its pattern or its range")),
        };
        Ok(match rule {
            Ok(rule) => Self::Known(rule),
            Err(error) => Self::Unknown { pattern: name.into(), reason: error.message().into() },
        })
    }
}

/// The values of a pattern or a range, in whatever order they came.
#[derive(Default)]
struct Parts {
    interval: Option<String>,
    days: Option<String>,
    first_day: Option<String>,
    index: Option<String>,
    month: Option<String>,
    day_of_month: Option<String>,
    start: Option<String>,
    end: Option<String>,
    occurrences: Option<String>,
}

impl Parts {
    fn take(&mut self, name: &str, value: String) {
        let place = match name {
            "Interval" => &mut self.interval,
            "DaysOfWeek" => &mut self.days,
            "FirstDayOfWeek" => &mut self.first_day,
            "DayOfWeekIndex" => &mut self.index,
            "Month" => &mut self.month,
            "DayOfMonth" => &mut self.day_of_month,
            "StartDate" => &mut self.start,
            "EndDate" => &mut self.end,
            "NumberOfOccurrences" => &mut self.occurrences,
            _ => return,
        };
        *place = Some(value);
    }

    fn pattern(&self, name: &str) -> Result<Pattern> {
        let day = || RelativeDay::parse(needed(&self.days, "DaysOfWeek")?);
        let index = || DayOfWeekIndex::parse(needed(&self.index, "DayOfWeekIndex")?);
        let interval = || number(&self.interval, "Interval");
        let day_of_month = || number(&self.day_of_month, "DayOfMonth");
        let month = || {
            let name = needed(&self.month, "Month")?;
            let place = MONTHS.iter().position(|month| *month == name);
            place
                .and_then(|place| i8::try_from(place + 1).ok())
                .ok_or_else(|| Error::unreadable("a Month is none"))
        };
        Ok(match name {
            "RelativeYearlyRecurrence" => {
                Pattern::RelativeYearly { day: day()?, index: index()?, month: month()? }
            }
            "AbsoluteYearlyRecurrence" => {
                Pattern::AbsoluteYearly { day_of_month: day_of_month()?, month: month()? }
            }
            "RelativeMonthlyRecurrence" => {
                Pattern::RelativeMonthly { interval: interval()?, day: day()?, index: index()? }
            }
            "AbsoluteMonthlyRecurrence" => {
                Pattern::AbsoluteMonthly { interval: interval()?, day_of_month: day_of_month()? }
            }
            "WeeklyRecurrence" => Pattern::Weekly {
                interval: interval()?,
                days: DaysOfWeek::parse(needed(&self.days, "DaysOfWeek")?)?,
                first_day_of_week: self.first_day_of_week()?,
            },
            "DailyRecurrence" => Pattern::Daily { interval: interval()? },
            _ => return Err(Error::unreadable("the recurrence has an unknown pattern")),
        })
    }

    fn first_day_of_week(&self) -> Result<Weekday> {
        let Some(text) = &self.first_day else { return Ok(Weekday::Sunday) };
        let days = RelativeDay::parse(text)?.days();
        match (days.len(), days.iter().next()) {
            (1, Some(day)) => Ok(day),
            _ => Err(Error::unreadable("FirstDayOfWeek is no day of the week")),
        }
    }

    fn range(&self, name: &str) -> Result<Range> {
        let start = date(&self.start, "StartDate")?;
        Ok(match name {
            "EndDateRecurrence" => Range::EndDate { start, end: date(&self.end, "EndDate")? },
            "NumberedRecurrence" => {
                Range::Numbered { start, occurrences: number(&self.occurrences, "NumberOfOccurrences")? }
            }
            _ => Range::NoEnd { start },
        })
    }
}

fn needed<'p>(part: &'p Option<String>, name: &str) -> Result<&'p str> {
    part.as_deref().ok_or_else(|| Error::unreadable(format!("the recurrence has no {name}")))
}

fn number<N: std::str::FromStr>(part: &Option<String>, name: &str) -> Result<N> {
    needed(part, name)?
        .parse()
        .map_err(|_| Error::unreadable(format!("{name} of the recurrence is no number of the expected size")))
}

fn date(part: &Option<String>, name: &str) -> Result<Date> {
    Ok(xs::parse_date(needed(part, name)?)?.day)
}

/// Writes `t:Recurrence`.
pub(crate) fn write(rule: &Recurrence, writer: &mut Writer, capabilities: Capabilities) {
    writer.raw("<t:Recurrence>");
    match *rule.pattern() {
        Pattern::RelativeYearly { day, index, month } => {
            writer.raw("<t:RelativeYearlyRecurrence>");
            writer.leaf("t:DaysOfWeek", day.as_str());
            writer.leaf("t:DayOfWeekIndex", index.as_str());
            writer.leaf("t:Month", month_name(month));
            writer.raw("</t:RelativeYearlyRecurrence>");
        }
        Pattern::AbsoluteYearly { day_of_month, month } => {
            writer.raw("<t:AbsoluteYearlyRecurrence>");
            leaf(writer, "t:DayOfMonth", day_of_month);
            writer.leaf("t:Month", month_name(month));
            writer.raw("</t:AbsoluteYearlyRecurrence>");
        }
        Pattern::RelativeMonthly { interval, day, index } => {
            writer.raw("<t:RelativeMonthlyRecurrence>");
            leaf(writer, "t:Interval", interval);
            writer.leaf("t:DaysOfWeek", day.as_str());
            writer.leaf("t:DayOfWeekIndex", index.as_str());
            writer.raw("</t:RelativeMonthlyRecurrence>");
        }
        Pattern::AbsoluteMonthly { interval, day_of_month } => {
            writer.raw("<t:AbsoluteMonthlyRecurrence>");
            leaf(writer, "t:Interval", interval);
            leaf(writer, "t:DayOfMonth", day_of_month);
            writer.raw("</t:AbsoluteMonthlyRecurrence>");
        }
        Pattern::Weekly { interval, days, first_day_of_week } => {
            writer.raw("<t:WeeklyRecurrence>");
            leaf(writer, "t:Interval", interval);
            leaf(writer, "t:DaysOfWeek", days);
            // From 2010 with service pack 1, which is asked for as service pack 2.
            if capabilities.schema() >= SchemaVersion::Exchange2010Sp2 {
                leaf(writer, "t:FirstDayOfWeek", DaysOfWeek::from(first_day_of_week));
            }
            writer.raw("</t:WeeklyRecurrence>");
        }
        Pattern::Daily { interval } => {
            writer.raw("<t:DailyRecurrence>");
            leaf(writer, "t:Interval", interval);
            writer.raw("</t:DailyRecurrence>");
        }
    }
    match *rule.range() {
        Range::NoEnd { start } => {
            writer.raw("<t:NoEndRecurrence>");
            leaf(writer, "t:StartDate", xs::format_date(start));
            writer.raw("</t:NoEndRecurrence>");
        }
        Range::EndDate { start, end } => {
            writer.raw("<t:EndDateRecurrence>");
            leaf(writer, "t:StartDate", xs::format_date(start));
            leaf(writer, "t:EndDate", xs::format_date(end));
            writer.raw("</t:EndDateRecurrence>");
        }
        Range::Numbered { start, occurrences } => {
            writer.raw("<t:NumberedRecurrence>");
            leaf(writer, "t:StartDate", xs::format_date(start));
            leaf(writer, "t:NumberOfOccurrences", occurrences);
            writer.raw("</t:NumberedRecurrence>");
        }
    }
    writer.raw("</t:Recurrence>");
}

fn leaf(writer: &mut Writer, name: &'static str, value: impl std::fmt::Display) {
    writer.open(name);
    writer.display(&value);
    writer.close(name);
}

fn month_name(month: i8) -> &'static str {
    let place = usize::try_from(i16::from(month) - 1).unwrap_or(0);
    MONTHS.get(place).copied().unwrap_or("January")
}
