use std::sync::{Arc, Mutex};

use ews_client::calendar::{EventId, NewEvent};
use ews_client::{
    DeleteType, ErrorKind, MeetingResponse, MessageDisposition, SendMeetingCancellations,
    SendMeetingInvitations, SendMeetingInvitationsOrCancellations,
};

use crate::fake::{Fake, LOST, answer, item, page};
use crate::run;

const START: &str = "2026-11-23T09:00[Europe/Copenhagen]";
const END: &str = "2026-11-23T10:00[Europe/Copenhagen]";

fn event() -> NewEvent {
    NewEvent::timed("Standup", &START.parse().unwrap(), &END.parse().unwrap()).unwrap()
}

fn made(id: &str, key: &str) -> String {
    format!(r#"<m:Items><t:CalendarItem><t:ItemId Id="{id}" ChangeKey="{key}"/></t:CalendarItem></m:Items>"#)
}

fn whole(id: &str, key: &str) -> String {
    let item = item(id, "Single", "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z", "");
    format!("<m:Items>{}</m:Items>", item.replace("\"CK\"", &format!("\"{key}\"")))
}

fn mark(value: &str) -> String {
    format!(
        r#"<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="00020329-0000-0000-c000-000000000046" PropertyName="ews-client-created" PropertyType="String"/><t:Value>{value}</t:Value></t:ExtendedProperty>"#
    )
}

fn count(fake: &Fake, element: &str) -> usize {
    fake.seen().iter().filter(|body| body.contains(element)).count()
}

#[test]
fn an_event_is_made_with_its_zone_and_its_mark() {
    let fake = Fake::new(|_| answer("CreateItem", &[("NoError", made("N", "K"))]));
    let event = event();
    let created = run(fake.calendar().create(&event, SendMeetingInvitations::SendToNone)).unwrap();
    assert_eq!((created.id, created.recovered), (EventId::Item("N".into()), false));
    let body = &fake.seen()[0];
    for part in [
        r#"SendMeetingInvitations="SendToNone""#,
        "<t:Start>2026-11-23T09:00:00+01:00</t:Start>",
        r#"<t:StartTimeZone Id="Romance Standard Time"/>"#,
        event.marker().value(),
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[test]
fn trap_22_a_lost_answer_makes_no_second_event() {
    for found_at in [1, 3, 99] {
        let looks = Arc::new(Mutex::new(0));
        let seen = looks.clone();
        let event = event();
        let mark = mark(event.marker().value());
        let fake = Fake::new(move |body| {
            if body.contains("<m:CreateItem") {
                return LOST.to_owned();
            }
            let mut looks = seen.lock().unwrap();
            *looks += 1;
            let items = if *looks >= found_at {
                item("N", "Single", "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z", &mark)
            } else {
                String::new()
            };
            answer("FindItem", &[("NoError", page(&items, true))])
        });
        let result = run(fake.calendar().create(&event, SendMeetingInvitations::SendToAllAndSaveCopy));
        assert_eq!(count(&fake, "<m:CreateItem"), 1, "never twice");
        if found_at == 99 {
            assert_eq!(result.unwrap_err().acted(), m365_core::Acted::Unknown);
        } else {
            let created = result.unwrap();
            assert_eq!((created.id, created.recovered), (EventId::Item("N".into()), true));
        }
        let looks = fake.seen();
        let looks: Vec<_> = looks.iter().filter(|body| body.contains("<m:FindItem")).collect();
        assert!(looks.iter().all(|body| body.contains(event.marker().value())));
        assert_eq!(looks.len(), found_at.min(3));
    }
    // A plain refusal is one.
    let fake = Fake::new(|_| answer("CreateItem", &[("ErrorAccessDenied", "<m:Items/>".into())]));
    let error = run(fake.calendar().create(&event(), SendMeetingInvitations::SendToNone)).unwrap_err();
    assert_eq!((error.kind(), fake.seen().len()), (ErrorKind::PermissionDenied, 1));
}

#[test]
fn trap_22_an_event_without_the_mark_is_not_the_one_that_was_made() {
    for more in [String::new(), mark("another")] {
        let fake = Fake::new(move |body| match body.contains("<m:CreateItem") {
            true => LOST.to_owned(),
            false => {
                let items = item("OLD", "Single", "2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z", &more);
                answer("FindItem", &[("NoError", page(&items, true))])
            }
        });
        let event = event();
        let error = run(fake.calendar().create(&event, SendMeetingInvitations::SendToNone)).unwrap_err();
        assert_eq!(error.acted(), m365_core::Acted::Unknown);
        let error = run(fake.calendar().find(event.marker())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "that is not absence");
        assert!(fake.seen().iter().any(|body| body.contains("<t:AdditionalProperties>")
            && body.matches(r#"PropertyName="ews-client-created""#).count() == 2));
    }
}

/// Takes only the current version, which moves on `conflicts` times by itself.
fn versions(conflicts: usize) -> Fake {
    let state = Arc::new(Mutex::new((1, conflicts)));
    Fake::new(move |body| {
        let mut state = state.lock().unwrap();
        if body.contains("<m:GetItem") {
            return answer("GetItem", &[("NoError", whole("A", &format!("K{}", state.0)))]);
        }
        if state.1 > 0 {
            *state = (state.0 + 1, state.1 - 1);
        }
        if body.contains(&format!("ChangeKey=\"K{}\"", state.0)) {
            let content =
                format!("{}<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>", made("A", "NEW"));
            answer("UpdateItem", &[("NoError", content)])
        } else {
            answer("UpdateItem", &[("ErrorIrresolvableConflict", "<m:Items/>".into())])
        }
    })
}

#[test]
fn trap_22_a_conflict_is_read_again_once_and_trap_15_a_missing_version_is_read_first() {
    let nobody = SendMeetingInvitationsOrCancellations::SendToNone;
    let id = EventId::Item("A".into());
    for (conflicts, version, requests, done) in
        [(0, Some("K1"), 1, true), (0, None, 2, true), (1, Some("K1"), 3, true), (2, Some("K1"), 3, false)]
    {
        let fake = versions(conflicts);
        let version = version.map(Into::into);
        let result =
            run(fake.calendar().update(&id, version, nobody, |change| Ok(change.with_location("Room 2"))));
        assert_eq!(fake.seen().len(), requests);
        match result {
            Ok(updated) => {
                assert!(done);
                assert_eq!(updated.head.unwrap().change_key.unwrap().as_str(), "NEW");
            }
            Err(error) => assert!(!done && error.kind() == ErrorKind::Conflict),
        }
    }
    let nothing = run(versions(0).calendar().update(&id, Some("K1".into()), nobody, Ok));
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn events_are_deleted_answered_and_called_off() {
    let fake = Fake::new(|body| {
        if body.contains("<m:GetItem") {
            return answer("GetItem", &[("NoError", whole("A", "K1"))]);
        }
        if body.contains("<m:DeleteItem") {
            return answer("DeleteItem", &[("NoError", String::new())]);
        }
        answer("CreateItem", &[("NoError", made("B", "K"))])
    });
    let calendar = fake.calendar();
    let one = EventId::Occurrence { master: "M".into(), index: 3 };
    run(calendar.delete(&one, DeleteType::MoveToDeletedItems, SendMeetingCancellations::SendToNone)).unwrap();
    assert!(fake.seen()[0].contains(r#"<t:OccurrenceItemId RecurringMasterId="M" InstanceIndex="3"/>"#));
    run(calendar.respond(&one, MeetingResponse::Decline, MessageDisposition::SendAndSaveCopy)).unwrap();
    let seen = fake.seen();
    assert!(seen[1].contains("InstanceIndex=\"3\"") && seen[2].contains("<t:DeclineItem>"));
    run(calendar.cancel(&EventId::Item("A".into()), None)).unwrap();
    assert!(fake.seen()[4].contains("<t:CancelCalendarItem>") && fake.seen()[4].contains("ChangeKey=\"K1\""));
    let gone = Fake::new(|_| answer("DeleteItem", &[("ErrorItemNotFound", String::new())]));
    let error =
        run(gone.calendar().delete(&one, DeleteType::HardDelete, SendMeetingCancellations::SendToNone));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
}
