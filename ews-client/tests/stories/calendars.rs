//! Calendars as people read and write them, against the simulated servers.

use ews_client::calendar::{EventId, EventKind, NewEvent};
use ews_client::recurrence::{DaysOfWeek, Pattern, Range, Recurrence};
use ews_client::{
    DeleteType, EmailAddress, ErrorKind, ItemBody, MeetingResponse, MessageDisposition, MyResponseType,
    SendMeetingCancellations, SendMeetingInvitations, SendMeetingInvitationsOrCancellations,
};
use jiff::civil::{Weekday, date};
use jiff::{SignedDuration, ToSpan as _, Zoned};
use tenant_sim::state::Event;

use crate::help::*;

/// The scenario's first day.
const DAY: (&str, &str) = ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");

#[tokio::test]
async fn trap_16_private_events_keep_their_time_and_nothing_else() {
    let world = World::new().await;
    let seen = world.calendar(ALICE).view(at(DAY.0), at(DAY.1)).collect().await.unwrap();
    let subjects: Vec<_> = seen.events.iter().map(|event| event.subject()).collect();
    assert_eq!(subjects, [Some("Trade fair"), Some("Stand-up"), None, Some("Roadmap draft")]);
    let private = &seen.events[2];
    assert_eq!((private.start(), private.location()), (at("2026-11-21T10:00:00Z"), None));
    assert!(private.details().is_hidden() && seen.events[0].is_all_day());
    for shown in [format!("{seen:?}"), format!("{seen:#?}")] {
        assert!(!shown.contains("Doctor") && !shown.contains("Reed"), "{shown}");
    }
    assert_eq!(private.details().reveal_private().subject.as_deref(), Some("Doctor"));
}

#[tokio::test]
async fn trap_09_a_view_of_three_years_and_2500_events_comes_whole() {
    let world = World::new().await;
    let first = at("2027-01-01T00:00:00Z");
    for n in 0..2500 {
        // Most of them in one month, so that cutting at years does not help.
        let start = first + SignedDuration::from_mins(if n < 2200 { n * 15 } else { n * 500 });
        world.event(BOB, Event::new(format!("Event {n}"), start, start + SignedDuration::from_mins(15)));
    }
    let calendar = world.calendar(BOB);
    let view = calendar.view(first, at("2030-01-01T00:00:00Z")).collect().await.unwrap();
    assert_eq!(view.events.len(), 2500);
    let mut ids: Vec<_> = view.events.iter().map(|event| event.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2500);
    assert!(view.events.is_sorted_by_key(|event| event.start()));
    assert!((5..40).contains(&view.requests), "{}", view.requests);
    // A policy that allows less.
    world.tenant.with_state(|state| state.store.find_limit = Some(150));
    let again = calendar.view(first, at("2030-01-01T00:00:00Z")).collect().await.unwrap();
    assert_eq!(again.events, view.events);
    let short = calendar.view(first, at("2030-01-01T00:00:00Z")).at_most(2000).collect().await;
    assert_eq!(short.unwrap_err().kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn other_calendars_are_found_by_their_class_and_read_together() {
    let world = World::new().await;
    let (alice, now) = (world.id(ALICE), world.tenant.now());
    world.tenant.with_state(|state| {
        let folder = state.store.add_calendar(alice, "Équipe");
        let event =
            Event { folder, ..Event::new("Retro", at("2026-11-21T12:00:00Z"), at("2026-11-21T13:00:00Z")) };
        state.store.put_event(alice, event, now);
    });
    let calendar = world.calendar(ALICE);
    let others = calendar.secondary_calendars().await.unwrap();
    let team = others.iter().find(|folder| folder.display_name.as_deref() == Some("Équipe")).unwrap();
    let view =
        calendar.view(at(DAY.0), at(DAY.1)).with_folder(team.id.clone().into()).collect().await.unwrap();
    assert_eq!(view.events.len(), 5);
    let retro = view.events.iter().find(|event| event.folder == 1).unwrap();
    assert_eq!(retro.subject(), Some("Retro"));
}

#[tokio::test]
async fn made_changed_invited_answered_and_deleted() {
    let world = World::new().await;
    let (alice, bob) = (world.calendar(ALICE), world.calendar(BOB));
    let start: Zoned = "2027-02-02T10:00[Europe/Helsinki]".parse().unwrap();
    let event = NewEvent::timed("Planning", &start, &(&start + 45.minutes())).unwrap().with(|item| {
        item.with_required_attendees([EmailAddress::smtp(BOB)]).with_body(ItemBody::text("Agenda"))
    });
    let made = alice.create(&event, SendMeetingInvitations::SendToAllAndSaveCopy).await.unwrap();
    assert!(!made.recovered);
    assert_eq!(
        alice.find(event.marker()).await.unwrap().map(|head| EventId::Item(head.id)),
        Some(made.id.clone())
    );
    let day = (at("2027-02-02T00:00:00Z"), at("2027-02-03T00:00:00Z"));
    let view = async |calendar: &ews_client::calendar::EwsCalendar| {
        calendar.view(day.0, day.1).collect().await.unwrap().events
    };
    let copy = view(&bob).await.remove(0);
    assert_eq!((copy.start(), copy.uid.is_some()), (start.timestamp(), true));
    assert_eq!(copy.zone.as_ref().and_then(|zone| zone.zone.windows()), Some("FLE Standard Time"));
    bob.respond(&copy.id, MeetingResponse::TentativelyAccept, MessageDisposition::SendAndSaveCopy)
        .await
        .unwrap();
    let copy = view(&bob).await.remove(0);
    assert_eq!(
        (copy.my_response, copy.show_as),
        (MyResponseType::Tentative, ews_client::free_busy::ShowAs::Tentative)
    );

    let everybody = SendMeetingInvitationsOrCancellations::SendToAllAndSaveCopy;
    alice
        .update(&made.id, made.change_key.clone(), everybody, |change| Ok(change.with_location("Room 9")))
        .await
        .unwrap();
    assert_eq!(view(&bob).await[0].location(), Some("Room 9"));
    let text = alice.get(std::slice::from_ref(&made.id)).await.unwrap().remove(0).unwrap();
    let details = text.details().visible().unwrap();
    assert_eq!(details.required.len(), 1);
    assert_eq!(details.required[0].mailbox.smtp_address(), Some(BOB));
    alice
        .delete(&made.id, DeleteType::MoveToDeletedItems, SendMeetingCancellations::SendToAllAndSaveCopy)
        .await
        .unwrap();
    assert!(view(&alice).await.is_empty());
    assert!(view(&bob).await.iter().all(|event| event.is_cancelled));
    let gone = alice.delete(&made.id, DeleteType::HardDelete, SendMeetingCancellations::SendToNone).await;
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn trap_22_what_somebody_else_changed_meanwhile_is_changed_on_top_of_it() {
    let world = World::new().await;
    let alice = world.calendar(ALICE);
    let start: Zoned = "2027-02-02T10:00[Europe/Helsinki]".parse().unwrap();
    let event = NewEvent::timed("Planning", &start, &(&start + 45.minutes())).unwrap();
    let made = alice.create(&event, SendMeetingInvitations::SendToNone).await.unwrap();
    let nobody = SendMeetingInvitationsOrCancellations::SendToNone;
    let old = made.change_key.clone();
    alice.update(&made.id, old.clone(), nobody, |change| Ok(change.with_subject("Other"))).await.unwrap();
    alice.update(&made.id, old, nobody, |change| Ok(change.with_location("Room 9"))).await.unwrap();
    let event = alice.get(&[made.id]).await.unwrap().remove(0).unwrap();
    assert_eq!((event.subject(), event.location()), (Some("Other"), Some("Room 9")));
}

#[tokio::test]
async fn trap_11_whole_days_of_helsinki_are_the_same_days_for_everybody() {
    let world = World::new().await;
    let alice = world.calendar(ALICE);
    let zone = jiff::tz::TimeZone::get("Europe/Helsinki").unwrap();
    // The last one has 23 hours in Helsinki.
    let event = NewEvent::all_day("Off", date(2027, 3, 27), 2, &zone).unwrap();
    alice.create(&event, SendMeetingInvitations::SendToNone).await.unwrap();
    let seen = alice.view(at("2027-03-20T00:00:00Z"), at("2027-04-01T00:00:00Z")).collect().await.unwrap();
    let when = &seen.events[0].when;
    let days = ews_client::When::AllDay {
        first: date(2027, 3, 27),
        last_exclusive: date(2027, 3, 29),
        inferred: false,
    };
    assert_eq!(*when, days);
    assert_eq!(seen.events[0].end().duration_since(seen.events[0].start()), SignedDuration::from_hours(47));
}

#[tokio::test]
async fn a_series_is_made_one_of_it_moved_and_one_deleted() {
    let world = World::new().await;
    let alice = world.calendar(ALICE);
    let start: Zoned = "2027-03-22T09:00[Europe/Copenhagen]".parse().unwrap();
    let days: DaysOfWeek = [Weekday::Monday].into_iter().collect();
    let rule = Recurrence::new(
        Pattern::Weekly { interval: 1, days, first_day_of_week: Weekday::Monday },
        Range::Numbered { start: start.date(), occurrences: 4 },
    )
    .unwrap();
    let event =
        NewEvent::timed("Weekly", &start, &(&start + 1.hour())).unwrap().with_recurrence(rule).unwrap();
    alice.create(&event, SendMeetingInvitations::SendToNone).await.unwrap();
    let view = async || {
        alice.view(at("2027-03-20T00:00:00Z"), at("2027-05-01T00:00:00Z")).collect().await.unwrap().events
    };
    let all = view().await;
    let starts: Vec<_> = all.iter().map(|event| event.start().to_string()).collect();
    assert_eq!(
        starts,
        ["2027-03-22T08:00:00Z", "2027-03-29T07:00:00Z", "2027-04-05T07:00:00Z", "2027-04-12T07:00:00Z"]
    );
    let nobody = SendMeetingInvitationsOrCancellations::SendToNone;
    alice
        .update(&all[1].id, all[1].change_key.clone(), nobody, |change| Ok(change.with_location("Elsewhere")))
        .await
        .unwrap();
    alice.delete(&all[2].id, DeleteType::HardDelete, SendMeetingCancellations::SendToNone).await.unwrap();
    let left = view().await;
    let kinds: Vec<_> = left.iter().map(|event| (event.kind.clone(), event.location())).collect();
    assert_eq!(
        kinds,
        [
            (EventKind::Occurrence, None),
            (EventKind::Exception, Some("Elsewhere")),
            (EventKind::Occurrence, None)
        ]
    );
}

#[tokio::test]
async fn changes_are_told_until_a_token_dies_and_then_all_over() {
    let world = World::new().await;
    let alice = world.calendar(ALICE);
    let mut page = alice.changes(None).await.unwrap();
    while page.more {
        page = alice.changes(Some(&page.token)).await.unwrap();
    }
    assert!(alice.changes(Some(&page.token)).await.unwrap().changes.is_empty());
    world.event(ALICE, Event::new("New", at("2027-02-02T10:00:00Z"), at("2027-02-02T11:00:00Z")));
    assert_eq!(alice.changes(Some(&page.token)).await.unwrap().changes.len(), 1);
    let torn = ews_client::calendar::SyncToken::new(format!("{}x!", page.token.as_str()));
    let anew = alice.changes(Some(&torn)).await.unwrap();
    assert!(anew.resynced && anew.changes.len() > 4, "{anew:?}");
}
