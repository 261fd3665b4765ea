use std::collections::BTreeSet;

use ews_client::calendar::{EventId, EventKind, Expansion};
use ews_client::free_busy::ShowAs;
use ews_client::{DistinguishedFolder, ErrorKind, ItemId};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::fake::{Fake, answer, at, attribute, envelope, item, page};
use crate::run;

/// How a server lets its limit be felt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Code,
    CodeWithValue,
    Fault,
    CutPage,
}

/// A server with items `(start, end)` in seconds and a limit.
fn server(items: Vec<(i64, i64)>, limit: usize, way: Limit) -> Fake {
    Fake::new(move |body| {
        let time = |name| at(attribute(body, name)).as_second() - BASE;
        let (from, to) = (time("StartDate"), time("EndDate"));
        let most: usize = attribute(body, "MaxEntriesReturned").parse().unwrap();
        let found: Vec<_> =
            items.iter().enumerate().filter(|(_, (start, end))| *end >= from && *start < to).collect();
        let folders = body.matches("<t:DistinguishedFolderId").count();
        let message = if found.len() > limit && way != Limit::CutPage {
            let value = match way {
                Limit::CodeWithValue => {
                    format!(r#"<m:MessageXml><t:Value Name="PolicyLimit">{limit}</t:Value></m:MessageXml>"#)
                }
                _ => String::new(),
            };
            if way == Limit::Fault {
                return envelope(
                    "",
                    "<s:Fault xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><faultcode>a:ErrorExceededFindCountLimit</faultcode><faultstring>x</faultstring></s:Fault>",
                );
            }
            ("ErrorExceededFindCountLimit", value)
        } else {
            let most = most.min(limit);
            let items: String = found
                .iter()
                .take(most)
                .map(|(i, (start, end))| {
                    item(
                        &format!("I{i}"),
                        "Single",
                        &second(*start).to_string(),
                        &second(*end).to_string(),
                        "",
                    )
                })
                .collect();
            ("NoError", page(&items, found.len() <= most))
        };
        answer("FindItem", &vec![message; folders])
    })
}

const BASE: i64 = 1_795_000_000;

fn second(offset: i64) -> Timestamp {
    Timestamp::from_second(BASE + offset).unwrap()
}

fn id(event: &EventId) -> String {
    event.item().map(ItemId::to_string).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whole, without doubles, in order, whatever the limit and however it is told; collected or page by page.
    #[test]
    fn trap_09_a_view_is_whole_and_in_order(
        raw in prop::collection::vec((-50_i64..300, 0_i64..60), 0..40),
        limit in 4_usize..30,
        way in prop::sample::select(vec![Limit::Code, Limit::CodeWithValue, Limit::Fault, Limit::CutPage]),
        length in 1_i64..250,
    ) {
        let items: Vec<_> = raw.iter().map(|(start, long)| (*start, start + long)).collect();
        let within = |(start, end): &(i64, i64)| *start < length && (*end > 0 || (start == end && *start >= 0));
        let expected: BTreeSet<String> =
            (0..items.len()).filter(|i| within(&items[*i])).map(|i| format!("I{i}")).collect();
        let crowded = (0..length).any(|at| items.iter().filter(|(start, end)| *end >= at && *start <= at).count() > limit);
        let fake = server(items, limit, way);
        let view = fake.calendar().view(second(0), second(length));
        let (whole, pages) = run(async {
            (view.clone().collect().await, view.pages().try_collect::<Vec<_>>().await)
        });
        match (whole, pages) {
            (Ok(whole), Ok(pages)) => {
                let ids: Vec<_> = whole.events.iter().map(|event| id(&event.id)).collect();
                prop_assert_eq!(ids.len(), expected.len(), "no doubles");
                prop_assert_eq!(ids.iter().cloned().collect::<BTreeSet<_>>(), expected);
                let keys: Vec<_> = whole.events.iter().map(|event| (event.start(), event.end())).collect();
                prop_assert!(keys.is_sorted());
                let streamed: Vec<_> = pages.iter().flat_map(|page| &page.events).map(|event| id(&event.id)).collect();
                prop_assert_eq!(streamed.len(), ids.len());
            }
            (Err(error), Err(_)) => {
                prop_assert_eq!(error.kind(), ErrorKind::Truncated);
                prop_assert!(crowded);
            }
            (whole, pages) => prop_assert!(false, "{:?} {:?}", whole.is_ok(), pages.is_ok()),
        }
    }
}

#[test]
fn several_folders_are_read_in_one_request_and_told_apart() {
    let fake = server(vec![(10, 20)], 100, Limit::Code);
    let view = fake.calendar().view(second(0), second(60)).with_folder(DistinguishedFolder::Inbox.into());
    let events = run(view.collect()).unwrap();
    // The same id from two folders is one event.
    assert_eq!((events.events.len(), events.requests), (1, 1));
    assert_eq!(events.events[0].presence(), ShowAs::Busy);
}

#[test]
fn a_view_that_is_longer_than_wanted_is_an_error_and_a_folder_that_fails_too() {
    let fake = server((0..50).map(|i| (i, i + 1)).collect(), 100, Limit::Code);
    let error = run(fake.calendar().view(second(0), second(60)).at_most(49).collect()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    let fake = Fake::new(|_| {
        answer("FindItem", &[("NoError", page("", true)), ("ErrorFolderNotFound", String::new())])
    });
    let view = fake.calendar().view(second(0), second(60)).with_folder(DistinguishedFolder::Inbox.into());
    assert_eq!(run(view.collect()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(
        run(fake.calendar().view(second(60), second(0)).collect()).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn trap_09_a_server_that_finds_two_years_too_long_is_asked_for_less() {
    let fake = Fake::new(|body| {
        let length = at(attribute(body, "StartDate")).duration_until(at(attribute(body, "EndDate")));
        if length > SignedDuration::from_hours(24 * 100) {
            answer("FindItem", &[("ErrorCalendarViewRangeTooBig", String::new())])
        } else {
            answer("FindItem", &[("NoError", page("", true))])
        }
    });
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2029-01-01T00:00:00Z"));
    let events = run(fake.calendar().view(from, to).collect()).unwrap();
    assert!((11..=20).contains(&events.requests), "{} requests", events.requests);
}

const RULE: &str = r#"<t:IsAllDayEvent>false</t:IsAllDayEvent><t:UID>U1</t:UID><t:StartTimeZone Id="Romance Standard Time"/>
    <t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NoEndRecurrence><t:StartDate>2026-03-20</t:StartDate></t:NoEndRecurrence></t:Recurrence>
    <t:ModifiedOccurrences><t:Occurrence><t:ItemId Id="X1"/><t:Start>2026-03-29T12:00:00Z</t:Start><t:End>2026-03-29T13:00:00Z</t:End><t:OriginalStart>2026-03-29T07:00:00Z</t:OriginalStart></t:Occurrence></t:ModifiedOccurrences>
    <t:DeletedOccurrences><t:DeletedOccurrence><t:Start>2026-03-30T07:00:00Z</t:Start></t:DeletedOccurrence></t:DeletedOccurrences>"#;

fn master() -> String {
    item("M1", "RecurringMaster", "2026-03-20T08:00:00Z", "2026-03-20T09:00:00Z", RULE)
}

fn expected_series() -> Vec<(String, bool)> {
    ["2026-03-28T08:00:00Z", "2026-03-29T12:00:00Z", "2026-03-31T07:00:00Z"]
        .map(|start| (start.to_owned(), true))
        .into()
}

#[test]
fn trap_13_a_view_that_holds_the_master_is_expanded_here() {
    let fake = Fake::new(|body| {
        if body.contains("<m:GetItem>") {
            return answer("GetItem", &[("NoError", format!("<m:Items>{}</m:Items>", master()))]);
        }
        answer("FindItem", &[("NoError", page(&master(), true))])
    });
    let view = fake.calendar().view(at("2026-03-28T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let events = run(view.clone().collect()).unwrap();
    let starts: Vec<_> =
        events.events.iter().map(|event| (event.start().to_string(), event.computed)).collect();
    assert_eq!(starts, expected_series());
    assert_eq!(events.events[0].id, EventId::Occurrence { master: "M1".into(), index: 9 });
    assert_eq!(events.events[1].id, EventId::Item("X1".into()));
    assert_eq!(events.events[1].kind, EventKind::Exception);
    assert_eq!(events.events[0].subject(), Some("S M1"));
    let error = run(view.with_expansion(Expansion::Server).collect()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn trap_13_occurrences_are_not_as_many_copies_of_a_long_body() {
    let more = r#"<t:Body BodyType="Text">long</t:Body><t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>bo@fabrikam.example</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees></t:CalendarItem>"#;
    let fake = Fake::new(move |body| {
        if body.contains("<m:GetItem>") {
            assert!(!body.contains("item:Body"), "it is not even asked for");
            let whole = master().replace("</t:CalendarItem>", more);
            return answer("GetItem", &[("NoError", format!("<m:Items>{whole}</m:Items>"))]);
        }
        answer("FindItem", &[("NoError", page(&master(), true))])
    });
    let view = fake.calendar().view(at("2026-03-28T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let events = run(view.collect()).unwrap().events;
    assert_eq!(events.len(), 3);
    for event in events {
        let details = event.details().reveal_private();
        assert!(details.body.is_none() && details.required.is_empty());
        assert_eq!(details.subject.as_deref(), Some("S M1"));
    }
}

#[test]
fn trap_13_empty_pages_have_an_end() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = asked.clone();
    let fake = Fake::new(move |body| {
        if body.contains("<m:CalendarView") {
            return answer("FindItem", &[("NoError", page("", true))]);
        }
        let next = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let folder = format!(
            r#"<m:RootFolder IndexedPagingOffset="{next}" IncludesLastItemInRange="false"><t:Items/></m:RootFolder>"#
        );
        answer("FindItem", &[("NoError", folder)])
    });
    let view = fake.calendar().view(at("2026-03-28T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let error = run(view.with_expansion(Expansion::Verify).collect()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(asked.load(std::sync::atomic::Ordering::Relaxed) < 10_000);
}

const CLONE: &str = r#"MajorVersion="15" MinorVersion="0" MajorBuildNumber="847" MinorBuildNumber="4040" Version="V2017_07_11""#;

/// A server whose views lack the series `M1`, but for its exception `X1`; the folder holds another item as well.
fn hides_series(version: &'static str) -> Fake {
    Fake::new(move |body| {
        let say = |text: String| text.replace(crate::fake::EXCHANGE, version);
        if body.contains("<m:GetItem>") {
            return say(answer("GetItem", &[("NoError", format!("<m:Items>{}</m:Items>", master()))]));
        }
        let single = item("S1", "Single", "2026-03-28T10:00:00Z", "2026-03-28T11:00:00Z", "");
        if body.contains("IndexedPageItemView") {
            let content = page(&format!("{single}{}", master().replace(RULE, "")), true);
            return say(answer("FindItem", &[("NoError", content)]));
        }
        let exception = "<t:UID>U1</t:UID><t:RecurrenceId>2026-03-29T07:00:00Z</t:RecurrenceId>";
        let exception = item("X1", "Exception", "2026-03-29T12:00:00Z", "2026-03-29T13:00:00Z", exception);
        say(answer("FindItem", &[("NoError", page(&format!("{exception}{single}"), true))]))
    })
}

#[test]
fn trap_13_a_series_that_the_server_leaves_out_is_found_and_merged() {
    let (from, to) = (at("2026-03-28T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let all =
        ["2026-03-28T08:00:00Z", "2026-03-28T10:00:00Z", "2026-03-29T12:00:00Z", "2026-03-31T07:00:00Z"];
    for (version, expansion, expected) in [
        (CLONE, Expansion::Auto, &all[..]),
        (crate::fake::EXCHANGE, Expansion::Verify, &all[..]),
        (crate::fake::EXCHANGE, Expansion::Auto, &all[1..3]),
        (CLONE, Expansion::Server, &all[1..3]),
    ] {
        let fake = hides_series(version);
        let events = run(fake.calendar().view(from, to).with_expansion(expansion).collect()).unwrap();
        let starts: Vec<_> = events.events.iter().map(|event| event.start().to_string()).collect();
        assert_eq!(starts, expected, "{version} {expansion:?}");
        assert!(events.unresolved.is_empty());
        let computed = events.events.iter().filter(|event| event.computed).count();
        assert_eq!(computed, if expected.len() == 4 { 2 } else { 0 });
    }
}

#[test]
fn a_series_that_makes_no_sense_is_told() {
    let fake = Fake::new(|body| {
        if body.contains("<m:GetItem>") {
            let broken = master().replace("<t:Interval>1<", "<t:Interval>0<");
            return answer("GetItem", &[("NoError", format!("<m:Items>{broken}</m:Items>"))]);
        }
        answer("FindItem", &[("NoError", page(&master(), true))])
    });
    let view = fake.calendar().view(at("2026-03-28T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    let events = run(view.collect()).unwrap();
    assert_eq!((events.events.len(), events.unresolved), (0, vec![ItemId::from("M1")]));
}

#[test]
fn each_id_is_answered_for_itself_and_a_damaged_item_comes_without_its_body() {
    let fake = Fake::new(|body| {
        let one = item("A", "Single", "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z", "");
        let ok = ("NoError", format!("<m:Items>{one}</m:Items>"));
        if body.contains("item:Body") {
            let failed = |code| (code, "<m:Items/>".to_owned());
            answer("GetItem", &[ok, failed("ErrorItemNotFound"), failed("ErrorCorruptData")])
        } else {
            answer("GetItem", &[ok])
        }
    });
    let ids = ["A", "B", "C"].map(|id| EventId::Item(id.into()));
    let got = run(fake.calendar().get(&ids)).unwrap();
    assert_eq!(got[0].as_ref().unwrap().id, ids[0]);
    assert_eq!(got[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(got[2].is_ok());
    assert_eq!(fake.seen().len(), 2);
}

#[test]
fn other_calendars_are_found_by_what_they_are() {
    let fake = Fake::new(|body| {
        let folder = |id: &str| {
            format!(
                r#"<t:CalendarFolder><t:FolderId Id="{id}"/><t:DisplayName>Kalender {id}</t:DisplayName></t:CalendarFolder>"#
            )
        };
        if body.contains("<m:GetFolder>") {
            return answer("GetFolder", &[("NoError", format!("<m:Folders>{}</m:Folders>", folder("MAIN")))]);
        }
        let (folders, next, last) = if body.contains("Offset=\"0\"") {
            (folder("MAIN") + &folder("F1"), 2, false)
        } else {
            // A class below that of calendars is one too, whatever the element says; a folder of mail is not.
            let others = r#"<t:Folder><t:FolderId Id="B"/><t:FolderClass>IPF.Appointment.Birthday</t:FolderClass></t:Folder><t:Folder><t:FolderId Id="N"/><t:FolderClass>IPF.Note</t:FolderClass></t:Folder>"#;
            assert!(!body.contains("<m:Restriction>"));
            (folder("F2") + others, 5, true)
        };
        let root = format!(
            r#"<m:RootFolder IndexedPagingOffset="{next}" TotalItemsInView="5" IncludesLastItemInRange="{last}"><t:Folders>{folders}</t:Folders></m:RootFolder>"#
        );
        answer("FindFolder", &[("NoError", root)])
    });
    let calendars = run(fake.calendar().secondary_calendars()).unwrap();
    let ids: Vec<_> = calendars.iter().map(|folder| folder.id.as_str()).collect();
    assert_eq!(ids, ["F1", "F2", "B"]);
}

#[test]
fn trap_16_no_debug_of_anything_shows_a_private_event() {
    let private = item("A", "Single", "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z", "<t:Location>Canary</t:Location><t:Organizer><t:Mailbox><t:Name>Canary</t:Name></t:Mailbox></t:Organizer>")
        .replace(">Normal<", ">Private<")
        .replace("S A", "Canary");
    let fake = Fake::new(move |_| answer("FindItem", &[("NoError", page(&private, true))]));
    let view = fake.calendar().view(at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z"));
    let ladder = ews_client::calendar::Ladder::new(fake.client(), ews_client::Target::SelfMailbox);
    let anna = crate::fake::address("anna@fabrikam.example");
    let access = run(ladder.read(&anna, at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z"))).unwrap();
    let events = run(view.clone().collect()).unwrap();
    assert_eq!(events.events[0].subject(), None);
    assert_eq!(events.events[0].details().reveal_private().subject.as_deref(), Some("Canary"));
    for shown in [format!("{events:#?}"), format!("{access:#?}"), format!("{view:?}"), format!("{ladder:?}")]
    {
        assert!(!shown.contains("Canary") && !shown.contains("geheim"), "{shown}");
    }
}
