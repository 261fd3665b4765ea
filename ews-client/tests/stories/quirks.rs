//! The same events, whatever the server's habits.

use ews_client::calendar::{CalendarEvent, Expansion, FreeBusy, MailboxAvailability};
use ews_client::{ErrorKind, GetServerTimeZones};
use jiff::SignedDuration;
use jiff::civil::{Weekday, date};
use tenant_sim::EwsQuirk;
use tenant_sim::state::{Event, Pattern, Range, Recurrence};

use crate::help::*;

/// Every habit of the simulated servers, but that of having no zones, which has a story of its own.
const ALL: [EwsQuirk; 49] = [
    EwsQuirk::FaultWithHttp200,
    EwsQuirk::FaultQualified,
    EwsQuirk::FaultEmpty,
    EwsQuirk::FaultOf2007,
    EwsQuirk::FaultNumeric,
    EwsQuirk::MessageWithHttp500,
    EwsQuirk::PaddedText,
    EwsQuirk::PrettyPrinted,
    EwsQuirk::ForeignPrefixes,
    EwsQuirk::DefaultNamespaces,
    EwsQuirk::ByteOrderMark,
    EwsQuirk::HttpsNamespaces,
    EwsQuirk::IllegalReferences,
    EwsQuirk::IllegalBytes,
    EwsQuirk::CommentsAndCdata,
    EwsQuirk::BodyAttributes,
    EwsQuirk::UnknownElements,
    EwsQuirk::NilElements,
    EwsQuirk::ReorderedElements,
    EwsQuirk::DoubledZones,
    EwsQuirk::DatesAsDateTimes,
    EwsQuirk::NineFractionalDigits,
    EwsQuirk::OffsetsWithoutColon,
    EwsQuirk::NoChangeKeys,
    EwsQuirk::MoreThanAsked,
    EwsQuirk::ViewWithoutSeries,
    EwsQuirk::ViewHoldsMasters,
    EwsQuirk::GarbageSyncStateAccepted,
    EwsQuirk::FreeBusyWithOffset,
    EwsQuirk::FreeBusyOffsetWithoutColon,
    EwsQuirk::FreeBusyWithoutMerged,
    EwsQuirk::FreeBusyMergedOnly,
    EwsQuirk::FreeBusyBeyondWindow,
    EwsQuirk::FreeBusyDuplicates,
    EwsQuirk::FreeBusyUnknownWithoutView,
    EwsQuirk::EverybodyReads,
    EwsQuirk::HeartbeatIsStatusEvent,
    EwsQuirk::EventsWithoutChangeKey,
    EwsQuirk::EmptyNotifications,
    EwsQuirk::NotificationInTypes,
    EwsQuirk::ErrorIdsInMessages,
    EwsQuirk::DeclarationMidStream,
    EwsQuirk::StreamInSmallChunks,
    EwsQuirk::StreamChunksOverlap,
    EwsQuirk::InvalidSubscriptionStaysOpen,
    EwsQuirk::StreamEndsLate,
    EwsQuirk::EventsLostBetweenConnections,
    EwsQuirk::NoServerVersion,
    EwsQuirk::UnknownServerVersion,
];

const WEEK: (&str, &str) = ("2027-03-22T00:00:00Z", "2027-04-05T00:00:00Z");

async fn world() -> World {
    let world = World::new().await;
    let start = at("2027-03-22T08:00:00Z");
    let rule = Recurrence {
        pattern: Pattern::Weekly {
            interval: 1,
            days: vec![Weekday::Monday, Weekday::Thursday],
            first_day: Weekday::Monday,
        },
        first: date(2027, 3, 22),
        range: Range::Numbered(8),
    };
    let mut series = Event {
        zone: "Romance Standard Time".to_owned(),
        recurrence: Some(rule),
        ..Event::new("Series", start, start + SignedDuration::from_mins(30))
    };
    let slots = series.slots(at(WEEK.1));
    let moved = slots[1].start + SignedDuration::from_hours(2);
    let exception = Event {
        recurrence: None,
        start: moved,
        end: moved + SignedDuration::from_hours(1),
        ..series.clone()
    };
    series.exceptions.push((slots[1].start, exception));
    series.deleted.push(slots[2].start);
    world.event(ALICE, series);
    let zone = "FLE Standard Time".to_owned();
    let single = Event::new("Single", at("2027-03-23T09:00:00Z"), at("2027-03-23T10:00:00Z"));
    world.event(ALICE, Event { zone: zone.clone(), location: "Room 1".to_owned(), ..single });
    let days = Event::new("Days", at("2027-03-26T22:00:00Z"), at("2027-03-28T21:00:00Z"));
    world.event(ALICE, Event { zone, all_day: true, show_as: "oof".to_owned(), ..days });
    world
}

/// What people see of an event. Quirks may put a mark of replacement into subjects.
fn shown(event: &CalendarEvent) -> (String, String, String, String) {
    (
        event.subject().unwrap_or_default().trim_end_matches('\u{fffd}').to_owned(),
        format!("{:?}", event.when),
        format!("{:?} {:?} {:?}", event.show_as, event.kind, event.recurrence_id),
        event.location().unwrap_or_default().to_owned(),
    )
}

async fn view(world: &World) -> ews_client::Result<Vec<CalendarEvent>> {
    let view = world.calendar(ALICE).view(at(WEEK.0), at(WEEK.1)).with_expansion(Expansion::Verify);
    Ok(view.collect().await?.events)
}

async fn busy(world: &World) -> ews_client::Result<MailboxAvailability> {
    let free_busy = FreeBusy::new(world.online(), acting_as(ALICE));
    free_busy.of(&[address(ALICE)], at(WEEK.0), at(WEEK.1)).await?.remove(0).result
}

#[tokio::test]
async fn every_habit_of_a_server_leaves_events_and_busy_times_as_they_are() {
    let world = world().await;
    let (plain, plain_busy) = (view(&world).await.unwrap(), busy(&world).await.unwrap());
    assert_eq!(plain.len(), 5);
    let mut failed = Vec::new();
    for quirk in ALL {
        world.tenant.ews().set_quirk(quirk, true);
        let (seen, line) = (view(&world).await, busy(&world).await);
        world.tenant.ews().set_quirk(quirk, false);
        if quirk == EwsQuirk::HttpsNamespaces {
            // Nothing of it can be trusted to be EWS: a clear error.
            assert_eq!(seen.unwrap_err().kind(), ErrorKind::InvalidResponse);
            assert_eq!(line.unwrap_err().kind(), ErrorKind::InvalidResponse);
            continue;
        }
        match seen {
            Ok(seen) if seen.iter().map(shown).eq(plain.iter().map(shown)) => {}
            Ok(seen) => failed.push(format!("{quirk:?}: {:#?}", seen.iter().map(shown).collect::<Vec<_>>())),
            Err(error) => failed.push(format!("{quirk:?}: {error:?}")),
        }
        match line {
            Ok(line) if line.slots == plain_busy.slots => {}
            // Half-hours are all that it says.
            Ok(line) if quirk == EwsQuirk::FreeBusyMergedOnly && !line.slots.is_empty() => {}
            line => failed.push(format!("{quirk:?}: {line:?}, not {:?}", plain_busy.slots)),
        }
    }
    assert!(
        failed.is_empty(),
        "{}\nnot {:#?}",
        failed.join("\n"),
        plain.iter().map(shown).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn all_harmless_habits_at_once() {
    let world = world().await;
    let plain = view(&world).await.unwrap();
    for quirk in [
        EwsQuirk::PrettyPrinted,
        EwsQuirk::DefaultNamespaces,
        EwsQuirk::ByteOrderMark,
        EwsQuirk::PaddedText,
        EwsQuirk::IllegalReferences,
        EwsQuirk::UnknownElements,
        EwsQuirk::NilElements,
        EwsQuirk::ReorderedElements,
        EwsQuirk::DoubledZones,
        EwsQuirk::DatesAsDateTimes,
        EwsQuirk::NineFractionalDigits,
        EwsQuirk::OffsetsWithoutColon,
        EwsQuirk::MoreThanAsked,
        EwsQuirk::ViewWithoutSeries,
        EwsQuirk::UnknownServerVersion,
    ] {
        world.tenant.ews().set_quirk(quirk, true);
    }
    let seen = view(&world).await.unwrap();
    assert!(
        seen.iter().map(shown).eq(plain.iter().map(shown)),
        "{:#?}",
        seen.iter().map(shown).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_server_without_zones_is_told_as_that() {
    let world = World::new().await;
    world.tenant.ews().set_quirk(EwsQuirk::NoServerTimeZones, true);
    let refused = world.online().call(&GetServerTimeZones::new(), &acting_as(ALICE)).await.unwrap_err();
    assert_eq!(refused.service_code(), Some("ErrorInvalidRequest"), "{refused:?}");
}
