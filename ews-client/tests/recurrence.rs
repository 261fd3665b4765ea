//! Recurrence against an oracle that walks the calendar day by day, and series over exceptions and changes of clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use ews_client::recurrence::{
    DayOfWeekIndex, DaysOfWeek, ModifiedOccurrence, Pattern, Range, Recurrence, RelativeDay, Series,
};
use ews_client::zone::{Zone, ZoneDefinition, ZoneRules};
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use proptest::prelude::*;

/// Walks from StartDate and asks of every day whether it is one. Shares no arithmetic with the expander.
fn walk(pattern: &Pattern, start: Date, until: Date) -> Vec<Date> {
    let mut found = Vec::new();
    let (mut day, mut days, mut weeks, mut months) = (start, 0_u32, 0_u32, 0_u32);
    while day < until {
        let is = match *pattern {
            Pattern::Daily { interval } => days % u32::from(interval) == 0,
            Pattern::Weekly { interval, days, .. } => {
                weeks % u32::from(interval) == 0 && days.contains(day.weekday())
            }
            Pattern::AbsoluteMonthly { interval, day_of_month } => {
                months % u32::from(interval) == 0 && is_day_of_month(day, day_of_month)
            }
            Pattern::RelativeMonthly { interval, day: kind, index } => {
                months % u32::from(interval) == 0 && is_relative(day, kind, index)
            }
            Pattern::AbsoluteYearly { day_of_month, month } => {
                day.month() == month && is_day_of_month(day, day_of_month)
            }
            Pattern::RelativeYearly { day: kind, index, month } => {
                day.month() == month && is_relative(day, kind, index)
            }
        };
        if is {
            found.push(day);
        }
        day = day.tomorrow().unwrap();
        days += 1;
        months += u32::from(day.day() == 1);
        if let Pattern::Weekly { first_day_of_week, .. } = pattern {
            weeks += u32::from(day.weekday() == *first_day_of_week);
        }
    }
    found
}

fn is_day_of_month(day: Date, wanted: i8) -> bool {
    day.day() == wanted || (day.day() < wanted && day.tomorrow().unwrap().day() == 1)
}

fn is_relative(day: Date, kind: RelativeDay, index: DayOfWeekIndex) -> bool {
    let counts = |day: Date| match kind {
        RelativeDay::Day => true,
        RelativeDay::Weekday => !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday),
        RelativeDay::WeekendDay => matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday),
        named => format!("{:?}", day.weekday()) == named.as_str(),
    };
    if !counts(day) {
        return false;
    }
    let (mut before, mut other) = (0, day);
    while other.day() > 1 {
        other = other.yesterday().unwrap();
        before += usize::from(counts(other));
    }
    let mut after = 0;
    let mut other = day.tomorrow().unwrap();
    while other.day() > 1 {
        after += usize::from(counts(other));
        other = other.tomorrow().unwrap();
    }
    match index {
        DayOfWeekIndex::First => before == 0,
        DayOfWeekIndex::Second => before == 1,
        DayOfWeekIndex::Third => before == 2,
        DayOfWeekIndex::Fourth => before == 3,
        DayOfWeekIndex::Last => after == 0,
    }
}

fn oracle(rule: &Recurrence, until: Date) -> Vec<Date> {
    let mut days = walk(rule.pattern(), rule.range().start(), until);
    match *rule.range() {
        Range::NoEnd { .. } => {}
        Range::EndDate { end, .. } => days.retain(|day| *day <= end),
        Range::Numbered { occurrences, .. } => days.truncate(occurrences as usize),
    }
    days
}

fn weekday() -> impl Strategy<Value = Weekday> {
    prop::sample::select(Weekday::Monday.cycle_forward().take(7).collect::<Vec<_>>())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let day = prop::sample::select(vec![
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Day",
        "Weekday",
        "WeekendDay",
    ])
    .prop_map(|name| RelativeDay::parse(name).unwrap());
    let index = prop::sample::select(vec!["First", "Second", "Third", "Fourth", "Last"])
        .prop_map(|name| DayOfWeekIndex::parse(name).unwrap());
    let interval = prop_oneof![4 => 1_u16..5, 1 => 1_u16..=99];
    let days =
        prop::collection::vec(weekday(), 1..6).prop_map(|days| days.into_iter().collect::<DaysOfWeek>());
    prop_oneof![
        (day.clone(), index.clone(), 1_i8..=12).prop_map(|(day, index, month)| Pattern::RelativeYearly {
            day,
            index,
            month
        }),
        (1_i8..=31, 1_i8..=12)
            .prop_map(|(day_of_month, month)| Pattern::AbsoluteYearly { day_of_month, month }),
        (interval.clone(), day, index).prop_map(|(interval, day, index)| Pattern::RelativeMonthly {
            interval,
            day,
            index
        }),
        (interval.clone(), 1_i8..=31)
            .prop_map(|(interval, day_of_month)| Pattern::AbsoluteMonthly { interval, day_of_month }),
        (interval, days, weekday()).prop_map(|(interval, days, first_day_of_week)| Pattern::Weekly {
            interval,
            days,
            first_day_of_week
        }),
        prop_oneof![1_u16..10, 1_u16..=999].prop_map(|interval| Pattern::Daily { interval }),
    ]
}

fn any_date() -> impl Strategy<Value = Date> {
    (0_i32..22_000).prop_map(|days| date(1985, 1, 1) + Span::new().days(days))
}

fn rule() -> impl Strategy<Value = Recurrence> {
    let range = any_date().prop_flat_map(|start| {
        prop_oneof![
            Just(Range::NoEnd { start }),
            (0_i32..4_000)
                .prop_map(move |days| Range::EndDate { start, end: start + Span::new().days(days) }),
            (1_u32..60).prop_map(move |occurrences| Range::Numbered { start, occurrences }),
        ]
    });
    (pattern(), range)
        .prop_filter_map("no occurrence", |(pattern, range)| Recurrence::new(pattern, range).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn trap_13_every_rule_expands_as_the_walker_says(rule in rule()) {
        let until = rule.range().start() + Span::new().days(2_500);
        let expected = oracle(&rule, until);
        let found: Vec<Date> = rule.dates().take_while(|day| *day < until).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_window_is_a_part_of_the_whole(rule in rule(), offset in -500_i32..3_000, length in 0_i32..800) {
        let from = rule.range().start() + Span::new().days(offset);
        let to = from + Span::new().days(length);
        let expected: Vec<Date> = oracle(&rule, to).into_iter().filter(|day| *day >= from).collect();
        let found: Vec<Date> = rule.dates_between(from, to).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn ordinals_and_days_lead_to_each_other(rule in rule(), n in 0_u32..2_000) {
        if let Some(day) = rule.nth(n) {
            prop_assert_eq!(rule.ordinal_of(day), Some(n));
            prop_assert!(n == 0 || rule.nth(n - 1).unwrap() < day);
        } else {
            prop_assert!(n > 0);
        }
    }

    #[test]
    fn an_empty_range_is_refused_and_no_other(pattern in pattern(), start in any_date(), days in 0_i32..800) {
        let range = Range::EndDate { start, end: start + Span::new().days(days) };
        let any = !walk(&pattern, start, start + Span::new().days(days + 1)).is_empty();
        prop_assert_eq!(Recurrence::new(pattern, range).is_ok(), any);
    }

    /// Any window, exceptions and deletions anywhere: what is computed is what a plain list says.
    #[test]
    fn trap_13_series_agree_with_a_plain_list(
        rule in rule(),
        zone in prop::sample::select(vec!["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Kiritimati"]),
        by_rules in any::<bool>(),
        minute in 0_i64..1_440,
        length in 0_i64..4_000,
        changes in prop::collection::vec((0_usize..40, -3_000_i64..3_000, 0_i64..600, any::<bool>()), 0..6),
        window in (-10_i64..600, 0_i64..200),
    ) {
        let iana = TimeZone::get(zone).unwrap();
        let start = rule.range().start();
        let zone = if by_rules {
            let years = (start.year() - 1)..=(start.year() + 12);
            Zone::from(ZoneRules::new(ZoneDefinition::from_time_zone(&iana, zone, years).unwrap()).unwrap())
        } else {
            Zone::from(iana.clone())
        };
        let local = |day: Date| day.at(0, 0, 0, 0) + SignedDuration::from_mins(minute);
        let end_of = |day: Date| local(day) + SignedDuration::from_mins(length);
        let instant = |local| iana.to_timestamp(local).unwrap();
        // A master far from any change of clocks, on a day that is not part of the series: only its clock times count.
        let calm = date(start.year(), 1, 10);
        let series = Series::new(rule.clone(), zone, instant(local(calm)), instant(end_of(calm)));
        let series = series.unwrap();
        let days = oracle(&rule, start + Span::new().days(1_500));
        prop_assume!(!days.is_empty());

        let mut gone = BTreeSet::new();
        let mut expected = Vec::new();
        let mut modified = Vec::new();
        let mut deleted = Vec::new();
        for (slot, shift, length, delete) in changes {
            let slot = slot % days.len();
            if !gone.insert(slot) {
                continue;
            }
            let original_start = instant(local(days[slot]));
            if delete {
                deleted.push(original_start);
            } else {
                let start = original_start + SignedDuration::from_mins(shift);
                let end = start + SignedDuration::from_mins(length);
                expected.push((start, end, Some(slot as u32 + 1), Some(modified.len())));
                modified.push(ModifiedOccurrence { original_start, start, end });
            }
        }
        let series = series.with_modified(modified).with_deleted(deleted);
        for (i, day) in days.iter().enumerate().filter(|(i, _)| !gone.contains(i)) {
            let start = instant(local(*day));
            expected.push((start, instant(end_of(*day)).max(start), Some(i as u32 + 1), None));
        }
        let from = instant(local(start)) + SignedDuration::from_hours(24 * window.0 + 7);
        let to = from + SignedDuration::from_hours(24 * window.1 + 5);
        expected.retain(|(start, end, ..)| *start < to && (*end > from || (start == end && *start >= from)));
        expected.sort();
        let mut found: Vec<_> =
            series.occurrences(from, to).map(|o| (o.start, o.end, o.index, o.exception)).collect();
        prop_assert!(found.windows(2).all(|pair| pair[0].0 <= pair[1].0), "not in order");
        found.sort();
        prop_assert_eq!(found, expected);
    }
}

fn expand(pattern: Pattern, range: Range) -> Vec<String> {
    Recurrence::new(pattern, range).unwrap().dates().take(20).map(|day| day.to_string()).collect()
}

#[test]
fn trap_13_day_31_is_the_last_day_of_a_shorter_month() {
    let monthly = Pattern::AbsoluteMonthly { interval: 1, day_of_month: 31 };
    let range = Range::Numbered { start: date(2027, 12, 31), occurrences: 5 };
    assert_eq!(
        expand(monthly, range),
        ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]
    );
    let leap = Pattern::AbsoluteYearly { day_of_month: 29, month: 2 };
    let range = Range::Numbered { start: date(2027, 1, 1), occurrences: 2 };
    assert_eq!(expand(leap, range), ["2027-02-28", "2028-02-29"]);
}

#[test]
fn trap_13_where_the_week_begins_matters_every_other_week() {
    let days = DaysOfWeek::parse("Sunday Tuesday").unwrap();
    let weekly = |first_day_of_week| Pattern::Weekly { interval: 2, days, first_day_of_week };
    let range = Range::Numbered { start: date(2026, 11, 24), occurrences: 4 }; // a Tuesday
    let monday = ["2026-11-24", "2026-11-29", "2026-12-08", "2026-12-13"];
    assert_eq!(expand(weekly(Weekday::Monday), range), monday);
    let sunday = ["2026-11-24", "2026-12-06", "2026-12-08", "2026-12-20"];
    assert_eq!(expand(weekly(Weekday::Sunday), range), sunday);
}

#[test]
fn trap_13_last_and_weekdays() {
    let range = Range::Numbered { start: date(2026, 5, 1), occurrences: 2 };
    let monthly = |day, index| Pattern::RelativeMonthly { interval: 1, day, index };
    let last = DayOfWeekIndex::Last;
    assert_eq!(expand(monthly(RelativeDay::Weekday, last), range), ["2026-05-29", "2026-06-30"]);
    assert_eq!(expand(monthly(RelativeDay::WeekendDay, last), range), ["2026-05-31", "2026-06-28"]);
    assert_eq!(expand(monthly(RelativeDay::Day, last), range), ["2026-05-31", "2026-06-30"]);
    let fourth = DayOfWeekIndex::Fourth;
    assert_eq!(expand(monthly(RelativeDay::Day, fourth), range), ["2026-05-04", "2026-06-04"]);
}

#[test]
fn the_end_of_time_is_reached_at_once() {
    let rule =
        Recurrence::new(Pattern::Daily { interval: 1 }, Range::NoEnd { start: date(1601, 1, 1) }).unwrap();
    let last: Vec<Date> = rule.dates_between(date(4500, 8, 30), date(9999, 12, 31)).collect();
    assert_eq!(last, [date(4500, 8, 30), date(4500, 8, 31), date(4500, 9, 1)]);
    assert_eq!(rule.dates_between(date(1000, 1, 1), date(1601, 1, 2)).count(), 1);
    assert_eq!(rule.dates_between(date(2000, 1, 2), date(2000, 1, 1)).count(), 0);
    assert_eq!(rule.nth(u32::MAX), None);
    let yearly = Pattern::RelativeYearly { day: RelativeDay::Day, index: DayOfWeekIndex::First, month: 1 };
    let rule =
        Recurrence::new(yearly, Range::Numbered { start: date(4499, 1, 2), occurrences: u32::MAX }).unwrap();
    assert_eq!(rule.dates().collect::<Vec<_>>(), [date(4500, 1, 1)]);
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn daily(zone: &str, start: &str, end: &str) -> Series {
    let zone = Zone::from(TimeZone::get(zone).unwrap());
    let first = zone.to_local(at(start)).date();
    let rule = Recurrence::new(Pattern::Daily { interval: 1 }, Range::NoEnd { start: first }).unwrap();
    Series::new(rule, zone, at(start), at(end)).unwrap()
}

fn times(series: &Series, from: &str, to: &str) -> Vec<String> {
    series.occurrences(at(from), at(to)).map(|o| format!("{} {}", o.start, o.end)).collect()
}

#[test]
fn trap_13_local_time_is_kept_when_clocks_change() {
    let series = daily("Europe/Paris", "2026-03-01T08:00:00Z", "2026-03-01T08:30:00Z");
    assert_eq!(
        times(&series, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"),
        ["2026-03-28T08:00:00Z 2026-03-28T08:30:00Z", "2026-03-29T07:00:00Z 2026-03-29T07:30:00Z"]
    );
    // 02:30 does not exist on 29 March; on 25 October it comes twice, and the first is meant.
    let night = daily("Europe/Paris", "2026-03-01T01:30:00Z", "2026-03-01T01:45:00Z");
    assert_eq!(
        times(&night, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"),
        ["2026-03-29T01:30:00Z 2026-03-29T01:45:00Z"]
    );
    assert_eq!(
        times(&night, "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
        ["2026-10-25T00:30:00Z 2026-10-25T00:45:00Z"]
    );
    // Over the change: the clock times of both ends are kept, down to nothing.
    let over = daily("Europe/Paris", "2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z");
    assert_eq!(
        times(&over, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"),
        ["2026-03-29T01:00:00Z 2026-03-29T01:00:00Z"]
    );
}

#[test]
fn trap_13_all_day_series_have_days_of_23_and_25_hours() {
    let series = daily("Europe/Paris", "2026-02-28T23:00:00Z", "2026-03-01T23:00:00Z");
    let hours = |from, to| -> Vec<i64> {
        series.occurrences(at(from), at(to)).map(|o| o.start.duration_until(o.end).as_hours()).collect()
    };
    assert_eq!(hours("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z"), [24, 23, 24]);
    assert_eq!(hours("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z"), [24, 25, 24]);
}

#[test]
fn trap_13_exceptions_are_matched_by_their_original_start() {
    let moved = |original, start, end| ModifiedOccurrence {
        original_start: at(original),
        start: at(start),
        end: at(end),
    };
    let series = daily("Europe/Paris", "2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z")
        .with_modified([
            // Moved onto the next day's slot: the slot of its original start is empty, the next one is not.
            moved("2026-11-03T08:00:00Z", "2026-11-04T08:00:00Z", "2026-11-04T08:15:00Z"),
            // The original start is another hour of the right day.
            moved("2026-11-06T07:00:00Z", "2026-11-06T15:00:00Z", "2026-11-06T16:00:00Z"),
            // Before the series began.
            moved("2026-10-20T08:00:00Z", "2026-11-05T12:00:00Z", "2026-11-05T13:00:00Z"),
        ])
        .with_deleted([at("2026-11-05T08:00:00Z")]);
    let found: Vec<_> = series
        .occurrences(at("2026-11-02T00:00:00Z"), at("2026-11-08T00:00:00Z"))
        .map(|o| (o.start.to_string(), o.index, o.exception))
        .collect();
    let expected = [
        ("2026-11-02T08:00:00Z", Some(2), None),
        ("2026-11-04T08:00:00Z", Some(3), Some(0)),
        ("2026-11-04T08:00:00Z", Some(4), None),
        ("2026-11-05T12:00:00Z", None, Some(2)),
        ("2026-11-06T15:00:00Z", Some(6), Some(1)),
        ("2026-11-07T08:00:00Z", Some(7), None),
    ];
    assert_eq!(found, expected.map(|(start, index, exception)| (start.to_owned(), index, exception)));
}

#[test]
fn an_exception_moved_into_the_window_is_there_and_one_moved_out_is_not() {
    let series = daily("UTC", "2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z").with_modified([
        ModifiedOccurrence {
            original_start: at("2026-01-05T08:00:00Z"),
            start: at("2026-06-01T12:00:00Z"),
            end: at("2026-06-01T13:00:00Z"),
        },
        ModifiedOccurrence {
            original_start: at("2026-06-01T08:00:00Z"),
            start: at("2026-01-05T12:00:00Z"),
            end: at("2026-01-05T13:00:00Z"),
        },
    ]);
    assert_eq!(
        times(&series, "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"),
        ["2026-06-01T12:00:00Z 2026-06-01T13:00:00Z"]
    );
}

#[test]
fn events_longer_than_their_interval_and_touching_ones() {
    let series = daily("UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z");
    assert_eq!(series.occurrences(at("2026-01-10T00:00:00Z"), at("2026-01-10T01:00:00Z")).count(), 3);
    assert!(
        Series::new(
            series.recurrence().clone(),
            Zone::from(TimeZone::UTC),
            at("2026-01-02T00:00:00Z"),
            at("2026-01-01T00:00:00Z")
        )
        .is_err()
    );
}

#[test]
fn rules_for_other_calendars() {
    let start = date(2026, 10, 19);
    let open = Range::NoEnd { start };
    let text = |pattern, range| Recurrence::new(pattern, range).unwrap().to_rrule();
    let days = DaysOfWeek::parse("Monday Wednesday").unwrap();
    let weekly = Pattern::Weekly { interval: 2, days, first_day_of_week: Weekday::Sunday };
    assert_eq!(
        text(weekly, Range::EndDate { start, end: date(2026, 12, 31) }),
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;WKST=SU;UNTIL=20261231T235959"
    );
    let last_weekday =
        Pattern::RelativeYearly { day: RelativeDay::Weekday, index: DayOfWeekIndex::Last, month: 6 };
    assert_eq!(text(last_weekday, open), "FREQ=YEARLY;BYMONTH=6;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1");
    let monthly = |day_of_month| text(Pattern::AbsoluteMonthly { interval: 3, day_of_month }, open);
    assert_eq!(monthly(28), "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=28");
    assert_eq!(monthly(29), "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=28,29;BYSETPOS=-1");
    assert_eq!(monthly(31), "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=-1");
    assert_eq!(text(Pattern::Daily { interval: 5 }, open), "FREQ=DAILY;INTERVAL=5");
}
