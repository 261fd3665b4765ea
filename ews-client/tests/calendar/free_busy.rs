use ews_client::calendar::{AccessLevel, FreeBusy};
use ews_client::free_busy::ShowAs;
use ews_client::{ErrorKind, FreeBusyView, Target};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use crate::fake::{EXCHANGE, Fake, address, at, envelope};
use crate::run;

fn element<'a>(body: &'a str, name: &str) -> &'a str {
    body.split(&format!("<t:{name}>")).nth(1).unwrap().split('<').next().unwrap()
}

fn window(body: &str) -> (Timestamp, Timestamp) {
    (at(&format!("{}Z", element(body, "StartTime"))), at(&format!("{}Z", element(body, "EndTime"))))
}

/// Everybody has an event that reaches over a border of windows, and one that is private. `poor@` is granted digits only from
/// December on, `lost@` fails in December.
fn server(longest_days: i64) -> Fake {
    Fake::new(move |body| {
        let (start, end) = window(body);
        let days = start.duration_until(end).as_hours() / 24;
        let december = start >= at("2026-12-01T00:00:00Z");
        let mut members = String::new();
        for part in body.split("<t:Address>").skip(1) {
            let who = part.split('@').next().unwrap();
            let (code, view) = if days > longest_days {
                ("ErrorTimeIntervalTooBig", String::new())
            } else if who == "lost" && december {
                ("ErrorFreeBusyGenerationFailed", String::new())
            } else if who == "poor" && december {
                (
                    "NoError",
                    format!(
                        "<t:FreeBusyViewType>MergedOnly</t:FreeBusyViewType><t:MergedFreeBusy>{}</t:MergedFreeBusy>",
                        "0".repeat(usize::try_from(days * 48).unwrap())
                    ),
                )
            } else {
                let event = |start: &str, end: &str, busy: &str, details: &str| {
                    format!(
                        "<t:CalendarEvent><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime><t:BusyType>{busy}</t:BusyType>{details}</t:CalendarEvent>"
                    )
                };
                let events = [
                    event("2026-11-30T22:00:00", "2026-12-01T02:00:00", "Busy", ""),
                    event(
                        "2026-11-03T08:00:00",
                        "2026-11-03T09:00:00",
                        "OOF",
                        "<t:CalendarEventDetails><t:Subject>Canary</t:Subject><t:IsPrivate>true</t:IsPrivate></t:CalendarEventDetails>",
                    ),
                    event("2030-01-01T08:00:00", "2030-01-01T09:00:00", "OOF", ""),
                ];
                (
                    "NoError",
                    format!(
                        "<t:FreeBusyViewType>Detailed</t:FreeBusyViewType><t:CalendarEventArray>{}</t:CalendarEventArray>",
                        events.concat()
                    ),
                )
            };
            let view = match view.as_str() {
                "" => String::new(),
                view => format!("<m:FreeBusyView>{view}</m:FreeBusyView>"),
            };
            let class = if code == "NoError" { "Success" } else { "Error" };
            members.push_str(&format!(r#"<m:FreeBusyResponse><m:ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode></m:ResponseMessage>{view}</m:FreeBusyResponse>"#));
        }
        envelope(
            EXCHANGE,
            &format!(
                "<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>{members}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
            ),
        )
    })
}

const FROM: &str = "2026-11-01T07:30:00Z";
const TO: &str = "2026-12-31T16:00:00Z";

#[test]
fn trap_10_a_long_range_is_cut_halved_and_one_line_again() {
    for longest in [42, 20, 30, 1] {
        let fake = server(longest);
        let asking = FreeBusy::new(fake.client(), Target::SelfMailbox);
        let people = ["anna@x.example", "poor@x.example", "lost@x.example"].map(address);
        let mut answers = run(asking.of(&people, at(FROM), at(TO))).unwrap();
        let lost = answers.pop().unwrap().result;
        let poor = answers.pop().unwrap().result.unwrap();
        let anna = answers.pop().unwrap().result.unwrap();
        let line: Vec<_> =
            anna.slots.iter().map(|slot| (slot.start, slot.end, slot.show_as.clone())).collect();
        assert_eq!(
            line,
            [
                (at("2026-11-03T08:00:00Z"), at("2026-11-03T09:00:00Z"), ShowAs::Oof),
                (at("2026-11-30T22:00:00Z"), at("2026-12-01T02:00:00Z"), ShowAs::Busy),
            ],
            "{longest}"
        );
        assert_eq!(anna.events.len(), 2, "no doubles");
        assert!(anna.events[0].visible().is_none());
        assert!(!format!("{anna:?}").contains("Canary"));
        assert_eq!((anna.granted.clone(), anna.level()), (FreeBusyView::Detailed, AccessLevel::Limited));
        if longest == 30 || longest == 1 {
            assert_eq!(
                (poor.granted.clone(), poor.level()),
                (FreeBusyView::MergedOnly, AccessLevel::FreeBusyOnly)
            );
            assert_eq!(lost.unwrap_err().service_code(), Some("ErrorFreeBusyGenerationFailed"));
        }
        for body in fake.seen() {
            assert!(body.contains("T00:00:00</t:StartTime>") && body.contains("T00:00:00</t:EndTime>"));
        }
    }
}

#[test]
fn trap_10_a_hundred_and_one_mailboxes_are_two_requests() {
    let fake = server(42);
    let asking = FreeBusy::new(fake.client(), Target::SelfMailbox);
    let people: Vec<_> = (0..101).map(|i| address(&format!("anna{i}@x.example"))).collect();
    let (from, to) = (at("2026-11-02T00:00:00Z"), at("2026-11-05T00:00:00Z"));
    let answers: Vec<_> = run(asking.stream(&people, from, to).try_collect()).unwrap();
    assert_eq!(fake.seen().len(), 2);
    assert!(answers.iter().zip(&people).all(|(answer, asked)| answer.mailbox == *asked));
    assert!(answers.iter().all(|answer| answer.result.as_ref().unwrap().slots.len() == 1));
    assert_eq!(run(asking.of(&people, to, from)).unwrap_err().kind(), ErrorKind::InvalidInput);
}
