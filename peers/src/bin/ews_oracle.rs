//! What ews-client makes of recurrences and zones, for judges in other languages: one question a line in JSON on the
//! standard input, one answer a line on the standard output.
//!
//! - `{"ask": "zones"}` → `{"zones": [windows id, ..], "cldr": ..}`
//! - `{"ask": "iana", "windows": ..}` → `{"iana": .. or null}`
//! - `{"ask": "windows", "iana": ..}` → `{"windows": .. or null}`
//! - `{"ask": "series", "pattern": .., "range": .., "zone": windows id, "time": "02:30:00", "minutes": 60, "limit": 50}` →
//!   `{"dates": [..], "rrule": .., "starts": [..], "ends": [..]}`, or `{"error": ..}` for a rule that is refused
#![allow(clippy::print_stdout, reason = "the answers are what this program is for")]

use std::io::BufRead as _;

use ews_client::recurrence::{DayOfWeekIndex, DaysOfWeek, Pattern, Range, Recurrence, RelativeDay, Series};
use ews_client::zone::{ZoneRef, cldr_version, iana_to_windows, windows_ids, windows_to_iana};
use jiff::civil::{Date, Time, Weekday};
use jiff::{SignedDuration, ToSpan as _};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        println!("{}", answer(&question)?);
    }
    Ok(())
}

fn answer(question: &Value) -> Outcome<Value> {
    match text(question, "ask")? {
        "zones" => {
            let zones: Vec<_> = windows_ids().collect();
            Ok(json!({ "zones": zones, "cldr": cldr_version() }))
        }
        "iana" => Ok(json!({ "iana": windows_to_iana(text(question, "windows")?, None) })),
        "windows" => Ok(json!({ "windows": iana_to_windows(text(question, "iana")?) })),
        "series" => series(question),
        other => Err(format!("nobody knows about {other}").into()),
    }
}

fn series(question: &Value) -> Outcome<Value> {
    let rule = match Recurrence::new(pattern(part(question, "pattern")?)?, range(part(question, "range")?)?) {
        Ok(rule) => rule,
        Err(error) => return Ok(json!({ "error": error.to_string() })),
    };
    let limit = usize::try_from(number(question, "limit")?)?;
    let dates: Vec<Date> = rule.dates().take(limit).collect();
    let (Some(first), Some(last)) = (dates.first(), dates.last()) else {
        return Err("a rule without dates".into());
    };
    let zone = ZoneRef::windows_zone(text(question, "zone")?)?.zone()?;
    let time: Time = text(question, "time")?.parse()?;
    let begins = first.to_datetime(time);
    let ends = begins.checked_add(SignedDuration::from_mins(number(question, "minutes")?))?;
    let series = Series::new(rule, zone.clone(), zone.to_instant(begins), zone.to_instant(ends))?;
    let window = (
        zone.to_instant(first.yesterday()?.to_datetime(time)),
        zone.to_instant(last.checked_add(2.days())?.to_datetime(time)),
    );
    let (starts, ends): (Vec<_>, Vec<_>) = series
        .occurrences(window.0, window.1)
        .take(dates.len())
        .map(|occurrence| (occurrence.start.to_string(), occurrence.end.to_string()))
        .unzip();
    let dates: Vec<String> = dates.iter().map(Date::to_string).collect();
    Ok(json!({ "dates": dates, "rrule": series.recurrence().to_rrule(), "starts": starts, "ends": ends }))
}

fn pattern(from: &Value) -> Outcome<Pattern> {
    let small = |name| Ok::<_, Box<dyn std::error::Error>>(i8::try_from(number(from, name)?)?);
    let interval = || Ok::<_, Box<dyn std::error::Error>>(u16::try_from(number(from, "interval")?)?);
    let day = || Ok::<_, Box<dyn std::error::Error>>(RelativeDay::parse(text(from, "day")?)?);
    let index = || Ok::<_, Box<dyn std::error::Error>>(DayOfWeekIndex::parse(text(from, "index")?)?);
    Ok(match text(from, "kind")? {
        "daily" => Pattern::Daily { interval: interval()? },
        "weekly" => Pattern::Weekly {
            interval: interval()?,
            days: DaysOfWeek::parse(text(from, "days")?)?,
            first_day_of_week: weekday(text(from, "first")?)?,
        },
        "absolute monthly" => {
            Pattern::AbsoluteMonthly { interval: interval()?, day_of_month: small("day_of_month")? }
        }
        "relative monthly" => {
            Pattern::RelativeMonthly { interval: interval()?, day: day()?, index: index()? }
        }
        "absolute yearly" => {
            Pattern::AbsoluteYearly { day_of_month: small("day_of_month")?, month: small("month")? }
        }
        "relative yearly" => Pattern::RelativeYearly { day: day()?, index: index()?, month: small("month")? },
        other => return Err(format!("there is no pattern {other}").into()),
    })
}

fn range(from: &Value) -> Outcome<Range> {
    let start = text(from, "start")?.parse()?;
    Ok(match text(from, "kind")? {
        "no end" => Range::NoEnd { start },
        "end date" => Range::EndDate { start, end: text(from, "end")?.parse()? },
        "numbered" => Range::Numbered { start, occurrences: u32::try_from(number(from, "occurrences")?)? },
        other => return Err(format!("there is no range {other}").into()),
    })
}

fn weekday(name: &str) -> Outcome<Weekday> {
    let all = [
        ("Monday", Weekday::Monday),
        ("Tuesday", Weekday::Tuesday),
        ("Wednesday", Weekday::Wednesday),
        ("Thursday", Weekday::Thursday),
        ("Friday", Weekday::Friday),
        ("Saturday", Weekday::Saturday),
        ("Sunday", Weekday::Sunday),
    ];
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, day)| *day);
    found.ok_or_else(|| format!("there is no {name}").into())
}

fn part<'v>(from: &'v Value, name: &str) -> Outcome<&'v Value> {
    from.get(name).ok_or_else(|| format!("{name} is missing").into())
}

fn text<'v>(from: &'v Value, name: &str) -> Outcome<&'v str> {
    part(from, name)?.as_str().ok_or_else(|| format!("{name} is no text").into())
}

fn number(from: &Value, name: &str) -> Outcome<i64> {
    part(from, name)?.as_i64().ok_or_else(|| format!("{name} is no number").into())
}
