//! Two expanders that share nothing: what the server lists, and what is computed here when it does not.

use ews_client::calendar::{CalendarEvent, Expansion};
use jiff::civil::{Weekday, date};
use jiff::{SignedDuration, Timestamp};
use tenant_sim::EwsQuirk;
use tenant_sim::state::{DayKind, Event, Pattern, Range, Recurrence};

use crate::help::*;

const FROM: &str = "2027-01-01T00:00:00Z";
const TO: &str = "2028-06-01T00:00:00Z";

fn patterns() -> Vec<(&'static str, Pattern)> {
    vec![
        ("every third day", Pattern::Daily { interval: 3 }),
        (
            "two days of every other week",
            Pattern::Weekly {
                interval: 2,
                days: vec![Weekday::Tuesday, Weekday::Sunday],
                first_day: Weekday::Monday,
            },
        ),
        ("the 31st", Pattern::AbsoluteMonthly { interval: 1, day: 31 }),
        (
            "the last working day of every other month",
            Pattern::RelativeMonthly { interval: 2, days: DayKind::Weekday, index: -1 },
        ),
        (
            "the second Friday",
            Pattern::RelativeMonthly { interval: 1, days: DayKind::On(Weekday::Friday), index: 2 },
        ),
        ("a day of March", Pattern::AbsoluteYearly { month: 3, day: 28 }),
        (
            "the last Sunday of October",
            Pattern::RelativeYearly { month: 10, days: DayKind::On(Weekday::Sunday), index: -1 },
        ),
    ]
}

/// A series that begins at this time by the clock of Berlin.
fn series(
    name: &str,
    (hour, minute, length): (i8, i8, i64),
    pattern: Pattern,
    range: Range,
) -> Option<Event> {
    let rule = Recurrence { pattern, first: date(2027, 1, 1), range };
    let first = rule.dates().next()?;
    let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let start = berlin.to_ambiguous_zoned(first.at(hour, minute, 0, 0)).compatible().unwrap().timestamp();
    let rule = Recurrence { first, ..rule };
    let mut event = Event {
        zone: "W. Europe Standard Time".to_owned(),
        recurrence: Some(rule),
        ..Event::new(name, start, start + SignedDuration::from_mins(length))
    };
    let slots: Vec<Timestamp> = event.slots(at(TO)).into_iter().map(|slot| slot.start).collect();
    if let [_, second, third, ..] = slots[..] {
        let moved = second + SignedDuration::from_hours(5);
        let exception = Event {
            recurrence: None,
            start: moved,
            end: moved + SignedDuration::from_hours(1),
            location: "Moved".to_owned(),
            ..event.clone()
        };
        event.exceptions.push((second, exception));
        event.deleted.push(third);
    }
    Some(event)
}

fn shown(events: &[CalendarEvent]) -> Vec<(String, Timestamp, Timestamp)> {
    let subject = |event: &CalendarEvent| event.subject().unwrap_or_default().to_owned();
    let mut all: Vec<_> = events.iter().map(|e| (subject(e), e.start(), e.end())).collect();
    all.sort();
    all
}

#[tokio::test]
async fn trap_13_what_the_server_lists_and_what_is_computed_here_agree() {
    let world = World::new().await;
    let mut made = 0;
    for (name, pattern) in patterns() {
        for (kind, range) in [
            ("for ever", Range::NoEnd),
            ("until", Range::End(date(2028, 2, 29))),
            ("times", Range::Numbered(9)),
        ] {
            // A day of March lacks the hour after two, one of October has it twice; and a night shift that ends by the clock.
            for at in [(2, 30, 15), (1, 30, 240), (22, 0, 480)] {
                let event = series(&format!("{name}, {kind}, {at:?}"), at, pattern.clone(), range).unwrap();
                world.event(BOB, event);
                made += 1;
            }
        }
    }
    assert_eq!(made, 63);
    let calendar = world.calendar(BOB);
    let listed = calendar.view(at(FROM), at(TO)).with_expansion(Expansion::Server).collect().await.unwrap();
    assert!(listed.events.len() > 1500, "{}", listed.events.len());
    let expected = shown(&listed.events);
    for quirk in [EwsQuirk::ViewWithoutSeries, EwsQuirk::ViewHoldsMasters] {
        world.tenant.ews().set_quirk(quirk, true);
        let computed =
            calendar.view(at(FROM), at(TO)).with_expansion(Expansion::Verify).collect().await.unwrap();
        world.tenant.ews().set_quirk(quirk, false);
        assert!(computed.unresolved.is_empty());
        assert!(computed.events.iter().filter(|event| event.computed).count() > 1200);
        let got = shown(&computed.events);
        let lost: Vec<_> = expected.iter().filter(|event| !got.contains(event)).take(3).collect();
        let new: Vec<_> = got.iter().filter(|event| !expected.contains(event)).take(3).collect();
        assert!(lost.is_empty() && new.is_empty(), "{quirk:?}: lost {lost:?}, new {new:?}");
        assert_eq!(got.len(), expected.len(), "{quirk:?}");
    }
}
