//! One mailbox, read over Graph and over EWS: the same events come out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::World;
use jiff::Timestamp;
use jiff::civil::{Weekday, date};
use mail_access::calendar::{Details, EventTime, Sensitivity, ShowAs};
use mail_access::{
    AccessProfile, AppProfile, Calendar, CalendarEvent, CredentialPolicy, ErrorKind, GrantMode, Scope,
    ScopeGroup,
};
use tenant_sim::state::{Attendee, Event, Pattern, Range, Recurrence};

const ALICE: &str = "alice@contoso.example";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One app with a right to each protocol.
fn both() -> AccessProfile {
    let app = AppProfile {
        unique_name: "acme-both".to_owned(),
        display_name: "Acme both".to_owned(),
        permissions: vec!["Calendars.Read".to_owned(), "EWS.AccessAsApp".to_owned()],
        multi_tenant: false,
        remove_default_user_read: true,
        credential: CredentialPolicy::default_secret(),
        scope: Scope {
            grant: GrantMode::Rbac,
            mailboxes: vec![ALICE.parse().unwrap()],
            group: Some(ScopeGroup {
                address: "acme-both@contoso.example".parse().unwrap(),
                display_name: "Acme both".to_owned(),
                create: true,
                allow_other_members: false,
            }),
            canary: "ceo@contoso.example".parse().unwrap(),
        },
    };
    AccessProfile::new("both", "One app reads by two ways.", vec![app]).unwrap()
}

async fn calendars(world: &World) -> [Calendar; 2] {
    let (onboarding, profile) = (world.onboarding(), both());
    let plan = onboarding.plan(&profile).await.unwrap();
    onboarding.apply(&plan, &()).await.unwrap();
    let session = onboarding.session(&profile, &profile.apps[0]).await.unwrap();
    [session.calendar(ALICE.parse().unwrap()), Calendar::ews(session.ews().unwrap(), ALICE.parse().unwrap())]
}

/// A meeting every Sunday at nine in Berlin, over the end of summer time; one moved, one deleted. A private appointment, two
/// days off that were made in Auckland, and a meeting that was called off.
fn fill(world: &World) {
    let now = world.tenant.clock().now();
    world.tenant.with_state(|state| {
        let alice = state.mailbox(ALICE, now).unwrap().object_id;
        let old: Vec<String> = state
            .store
            .events_of(alice, &tenant_sim::state::Folder::Calendar)
            .map(|e| e.id.clone())
            .collect();
        for id in old {
            state.store.remove_event(alice, &id, false, now);
        }
        let event = |subject: &str, start: &str, end: &str| {
            let mut event = Event::new(subject, at(start), at(end));
            event.organizer = ("Alice Adams".to_owned(), ALICE.to_owned());
            event
        };
        let mut series = event("Sunday round", "2026-10-11T07:00:00Z", "2026-10-11T08:00:00Z");
        series.zone = "W. Europe Standard Time".to_owned();
        series.attendees = vec![Attendee::required("bob@contoso.example")];
        series.recurrence = Some(Recurrence {
            pattern: Pattern::Weekly { interval: 1, days: vec![Weekday::Sunday], first_day: Weekday::Monday },
            first: date(2026, 10, 11),
            range: Range::Numbered(6),
        });
        let mut moved = event("Sunday round, later", "2026-11-01T12:00:00Z", "2026-11-01T13:00:00Z");
        moved.attendees.clone_from(&series.attendees);
        series.exceptions = vec![(at("2026-11-01T08:00:00Z"), moved)];
        series.deleted = vec![at("2026-10-18T07:00:00Z")];
        state.store.put_event(alice, series, now);

        let mut private = event("Doctor", "2026-10-26T10:00:00Z", "2026-10-26T11:00:00Z");
        private.sensitivity = tenant_sim::state::Sensitivity::Private;
        private.location = "Dr. Reed".to_owned();
        private.attendees = vec![Attendee::required("reed@clinic.example")];
        state.store.put_event(alice, private, now);

        let mut off = event("Days off", "2026-10-26T11:00:00Z", "2026-10-28T11:00:00Z");
        off.all_day = true;
        off.zone = "New Zealand Standard Time".to_owned();
        off.show_as = "oof".to_owned();
        state.store.put_event(alice, off, now);

        let mut cancelled = event("Training", "2026-10-27T09:00:00Z", "2026-10-27T10:00:00Z");
        cancelled.cancelled = true;
        cancelled.show_as = "workingElsewhere".to_owned();
        state.store.put_event(alice, cancelled, now);
        state.store.put_event(alice, event("Bare", "2026-10-28T09:00:00Z", "2026-10-28T09:30:00Z"), now);
    });
}

/// What both tell. Ids are each protocol's own, and the organizer of an appointment without guests has no address over EWS.
fn shown(events: &[CalendarEvent]) -> Vec<String> {
    let line = |event: &CalendarEvent| {
        let details = match &event.details {
            Details::Shown { subject, location, organizer, attendees } => {
                let guests: Vec<_> = attendees.iter().map(ToString::to_string).collect();
                let organizer = organizer.as_ref().map(|person| match guests.is_empty() {
                    true => person.name.clone(),
                    false => person.to_string(),
                });
                format!("{subject} | {location} | {organizer:?} | {guests:?}")
            }
            Details::Hidden => "hidden".to_owned(),
        };
        format!("{:?} {} {:?} {} {details}", event.time, event.show_as, event.sensitivity, event.is_cancelled)
    };
    let mut lines: Vec<_> = events.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn the_same_events_come_out_of_both() {
    let world = World::instant().await;
    fill(&world);
    let [graph, ews] = calendars(&world).await;
    let (from, to) = (at("2026-10-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let events = ews.view(from, to).await.unwrap();
    assert_eq!(shown(&events), shown(&graph.view(from, to).await.unwrap()));
    assert_eq!(
        shown(&ews.view_with_private_details(from, to).await.unwrap()),
        shown(&graph.view_with_private_details(from, to).await.unwrap())
    );

    // And they are the right ones: nine o'clock in Berlin on either side of the clock change.
    let rounds: Vec<_> = events
        .iter()
        .filter(|e| e.title().starts_with("Sunday"))
        .map(|e| match e.time {
            EventTime::Timed { start, .. } => start.to_string(),
            EventTime::AllDay { .. } => panic!("it is timed"),
        })
        .collect();
    assert_eq!(
        rounds,
        [
            "2026-10-11T07:00:00Z",
            "2026-10-25T08:00:00Z",
            "2026-11-01T12:00:00Z",
            "2026-11-08T08:00:00Z",
            "2026-11-15T08:00:00Z"
        ]
    );
    let off = events.iter().find(|e| e.title() == "Days off").unwrap();
    assert_eq!(off.time, EventTime::AllDay { first: date(2026, 10, 27), last: date(2026, 10, 28) });
    assert_eq!(off.show_as, ShowAs::OutOfOffice);
    let doctor = events.iter().find(|e| e.sensitivity == Sensitivity::Private).unwrap();
    assert_eq!((doctor.title(), &doctor.details), ("Private appointment", &Details::Hidden));
    assert!(!format!("{events:?}").contains("clinic.example") && !format!("{events:?}").contains("Reed"));
}

#[tokio::test]
async fn both_are_closed_outside_the_scope_and_open_within() {
    let world = World::instant().await;
    let [graph, ews] = calendars(&world).await;
    for calendar in [&graph, &ews] {
        calendar.probe().await.unwrap();
    }
    let profile = both();
    let session = world.onboarding().session(&profile, &profile.apps[0]).await.unwrap();
    let ceo = || "ceo@contoso.example".parse().unwrap();
    for calendar in [session.calendar(ceo()), Calendar::ews(session.ews().unwrap(), ceo())] {
        let error = calendar.probe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let (from, to) = (at("2026-11-21T00:00:00Z"), at("2026-11-22T00:00:00Z"));
        assert_eq!(calendar.view(from, to).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}

#[tokio::test]
async fn an_app_with_both_ways_is_proven_by_both() {
    let world = World::instant().await;
    let (onboarding, profile) = (world.onboarding(), both());
    let applied = onboarding.apply(&onboarding.plan(&profile).await.unwrap(), &()).await.unwrap();
    let proof = onboarding
        .verify(&profile, Some(&applied), &mail_access::VerifyOptions::default(), &())
        .await
        .unwrap();
    assert!(proof.is_proven(), "{:#?}", proof.open_points().map(ToString::to_string).collect::<Vec<_>>());
    for way in ["reading calendars works", "impersonating over EWS works"] {
        assert!(proof.checks.iter().any(|c| c.text == way), "{way}");
    }
}
