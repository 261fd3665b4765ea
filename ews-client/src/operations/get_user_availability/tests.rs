use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::free_busy::{MergedStatus, ShowAs};
use crate::operations::testing::{answer, failure, request};
use crate::{CodeClass, ErrorKind};

fn address(n: usize) -> MailboxAddress {
    MailboxAddress::parse(&format!("person{n}@contoso.example")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ask(people: usize, start: &str, end: &str) -> GetUserAvailability {
    GetUserAvailability::new((0..people).map(address), at(start), at(end)).unwrap()
}

fn week() -> GetUserAvailability {
    ask(1, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z")
}

fn member(class: &str, code: &str, view: &str) -> String {
    format!(
        r#"<m:FreeBusyResponse><m:ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode></m:ResponseMessage>{view}</m:FreeBusyResponse>"#
    )
}

fn body(members: &[String]) -> String {
    format!(
        "<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>{}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>",
        members.concat()
    )
}

/// What one person is answered.
fn read(operation: &GetUserAvailability, inside: &str) -> Availability {
    let view = format!("<m:FreeBusyView>{inside}</m:FreeBusyView>");
    let mut read = answer(operation, &body(&[member("Success", "NoError", &view)])).unwrap();
    read.results.remove(0).into_result().unwrap()
}

fn event(start: &str, end: &str, status: &str) -> String {
    format!(
        "<t:CalendarEvent><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime><t:BusyType>{status}</t:BusyType></t:CalendarEvent>"
    )
}

fn events(granted: &str, events: &[String]) -> String {
    format!(
        "<t:FreeBusyViewType>{granted}</t:FreeBusyViewType><t:CalendarEventArray>{}</t:CalendarEventArray>",
        events.concat()
    )
}

#[test]
fn requests() {
    let two = ask(2, "2026-11-23T08:00:00Z", "2026-11-26T00:00:00Z");
    insta::assert_snapshot!("get_user_availability", request(&two));
    let copenhagen = TimeZone::get("Europe/Copenhagen").unwrap();
    let zoned = two
        .with_view(RequestedView::FreeBusy)
        .with_whole_days()
        .with_time_zone(SerializableTimeZone::from_time_zone(&copenhagen, 2026).unwrap())
        .unwrap();
    insta::assert_snapshot!("get_user_availability_in_a_zone", request(&zoned));
}

#[test]
fn every_view_is_asked_by_its_name_and_digits_only_where_there_are_any() {
    for (view, name, digits) in [
        (RequestedView::MergedOnly, "MergedOnly", 1),
        (RequestedView::FreeBusy, "FreeBusy", 0),
        (RequestedView::FreeBusyMerged, "FreeBusyMerged", 1),
        (RequestedView::Detailed, "Detailed", 0),
        (RequestedView::DetailedMerged, "DetailedMerged", 1),
    ] {
        let whole = request(&week().with_view(view).with_merged_interval(1440).unwrap());
        assert!(whole.contains(&format!("<t:RequestedView>{name}</t:RequestedView>")), "{whole}");
        assert_eq!(whole.matches("InMinutes>1440<").count(), digits, "{name}");
    }
}

#[test]
fn trap_10_a_hundred_mailboxes_and_no_more() {
    let (start, end) = week().window();
    for count in [0, 101] {
        let refused = GetUserAvailability::new((0..count).map(address), start, end).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.message().contains(&format!("not {count}")), "{refused}");
    }
    assert!(GetUserAvailability::new((0..100).map(address), start, end).is_ok());
    let batches = GetUserAvailability::batches((0..201).map(address), start, end).unwrap();
    let sizes: Vec<_> = batches.iter().map(EwsOperation::asked).collect();
    assert_eq!(sizes, [100, 100, 1]);
    let all: Vec<_> = batches.iter().flat_map(|batch| batch.mailboxes()).cloned().collect();
    assert_eq!(all, (0..201).map(address).collect::<Vec<_>>());
    assert!(GetUserAvailability::batches([], start, end).unwrap().is_empty());
    assert!(GetUserAvailability::new([address(0)], end, end).is_err());
    assert!(week().with_merged_interval(4).is_err());
    assert!(week().with_merged_interval(1441).is_err());
    let rest = batches[0].only(&[99, 3]).unwrap();
    assert_eq!(rest.mailboxes(), [address(99), address(3)]);
    assert!(batches[0].only(&[100]).is_none());
}

#[test]
fn a_digit_is_not_longer_than_the_window() {
    let short = ask(1, "2026-11-23T08:00:00Z", "2026-11-23T08:10:00Z");
    assert!(request(&short).contains("InMinutes>10<"));
    assert!(request(&short.with_whole_days()).contains("InMinutes>30<"));
}

#[test]
fn trap_10_whole_days_are_those_of_the_request() {
    let sent = |operation: &GetUserAvailability| {
        let whole = request(operation);
        let window = whole.split_once("<t:StartTime>").unwrap().1;
        let (start, rest) = window.split_once('<').unwrap();
        let end = rest.split_once("EndTime>").unwrap().1.split_once('<').unwrap().0;
        format!("{start} {end}")
    };
    let morning = ask(1, "2026-10-24T22:30:00Z", "2026-10-25T08:00:00Z");
    assert_eq!(sent(&morning), "2026-10-24T22:30:00 2026-10-25T08:00:00");
    let days = morning.with_whole_days();
    assert_eq!(sent(&days), "2026-10-24T00:00:00 2026-10-26T00:00:00");
    let paris = TimeZone::get("Europe/Paris").unwrap();
    let paris = SerializableTimeZone::from_time_zone(&paris, 2026).unwrap();
    let days = days.with_time_zone(paris).unwrap();
    // The day on which clocks are set back, of 25 hours.
    assert_eq!(sent(&days), "2026-10-25T00:00:00 2026-10-26T00:00:00");
    let view = read(
        &days,
        &events("FreeBusyMerged", &[]).replace(
            "<t:Cal",
            "<t:MergedFreeBusy>00000000000000000000000000000000000000000000000000</t:MergedFreeBusy><t:Cal",
        ),
    );
    let slots = view.merged.unwrap().slots().unwrap();
    assert_eq!((slots[0].start, slots[49].end), (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")));
    // An end on a border stays there.
    assert_eq!(sent(&week().with_whole_days()), "2026-11-23T00:00:00 2026-11-30T00:00:00");
}

#[test]
fn trap_10_43_days_are_asked_in_halves() {
    let long = ask(1, "2026-11-01T12:00:00Z", "2026-12-14T12:00:00Z");
    let [first, second] = long.halves().unwrap();
    assert_eq!(first.window(), (at("2026-11-01T12:00:00Z"), at("2026-11-23T00:00:00Z")));
    assert_eq!(second.window(), (at("2026-11-23T00:00:00Z"), at("2026-12-14T12:00:00Z")));
    assert!(ask(1, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z").halves().is_none());
    assert!(ask(1, "2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z").halves().is_none());
    assert!(ask(1, "2026-11-01T08:00:00Z", "2026-11-02T09:00:00Z").halves().is_some());
    let refused = member("Error", "ErrorTimeIntervalTooBig", "");
    let refused = answer(&long, &body(&[refused])).unwrap();
    assert_eq!(refused.results[0].code.class(), CodeClass::SmallerRequest);
}

#[test]
fn trap_10_times_come_in_three_forms() {
    let forms = [
        event("2026-11-23T08:00:00", "2026-11-23T09:00:00", "Busy"),
        event("2026-11-23T12:00:00+01:00", "2026-11-23T13:00:00+01:00", "Tentative"),
        event(" 2026-11-23T15:00:00.000000000+0100 ", "2026-11-23T15:00:00Z", "OOF"),
    ];
    let line = |operation: &GetUserAvailability| -> Vec<String> {
        let events = read(operation, &events("FreeBusy", &forms)).events;
        events.iter().map(|e| format!("{} {} {}", e.start, e.end, e.show_as.as_str())).collect()
    };
    assert_eq!(
        line(&week()),
        [
            "2026-11-23T08:00:00Z 2026-11-23T09:00:00Z Busy",
            "2026-11-23T11:00:00Z 2026-11-23T12:00:00Z Tentative",
            "2026-11-23T14:00:00Z 2026-11-23T15:00:00Z OOF",
        ]
    );
    // What has no offset is in the request's zone; what has one stays.
    let kathmandu = TimeZone::get("Asia/Kathmandu").unwrap();
    let kathmandu = SerializableTimeZone::from_time_zone(&kathmandu, 2026).unwrap();
    assert_eq!(kathmandu.bias, -345, "UTC minus local");
    let zoned = line(&week().with_time_zone(kathmandu).unwrap());
    assert_eq!(zoned[0], "2026-11-23T02:15:00Z 2026-11-23T03:15:00Z Busy");
    assert_eq!(zoned[1], "2026-11-23T11:00:00Z 2026-11-23T12:00:00Z Tentative");
}

#[test]
fn trap_10_the_day_of_a_clock_change_in_a_zone_with_rules() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let zone = SerializableTimeZone::from_time_zone(&zone, 2026).unwrap();
    assert_eq!((zone.bias, zone.daylight.bias), (300, -60));
    let day = ask(1, "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z").with_time_zone(zone).unwrap();
    assert!(request(&day).contains("<t:EndTime>2026-03-09T00:00:00<"));
    let view =
        read(&day, &events("FreeBusy", &[event("2026-03-08T01:30:00", "2026-03-08T03:30:00", "Busy")]));
    assert_eq!(
        (view.events[0].start, view.events[0].end),
        (at("2026-03-08T06:30:00Z"), at("2026-03-08T07:30:00Z"))
    );
}

#[test]
fn trap_10_events_outside_the_window_are_dropped_and_counted() {
    let view = read(
        &week(),
        &events(
            "FreeBusy",
            &[
                event("2026-11-29T23:00:00", "2026-11-30T02:00:00", "Busy"), // over the edge: whole
                event("2026-11-22T10:00:00", "2026-11-22T11:00:00", "Busy"), // before
                event("2026-11-22T23:00:00", "2026-11-23T00:00:00", "Busy"), // ends where it begins
                event("2026-11-30T00:00:00", "2026-11-30T01:00:00", "Busy"), // begins where it ends
                event("2026-11-23T00:00:00", "2026-11-23T00:00:00", "Free"), // no length
            ],
        ),
    );
    assert_eq!((view.events.len(), view.outside, view.duplicates), (2, 3, 0));
    assert_eq!(view.events[1].end, at("2026-11-30T02:00:00Z"));
    let line = view.line().unwrap();
    assert_eq!((line.len(), line[0].end), (1, at("2026-11-30T00:00:00Z")));
}

#[test]
fn trap_10_duplicates_are_dropped_and_counted_and_overlaps_stay() {
    let twice = event("2026-11-23T08:00:00Z", "2026-11-23T10:00:00Z", "Tentative");
    let other = event("2026-11-23T09:00:00Z", "2026-11-23T09:30:00Z", "OOF");
    let view = read(&week(), &events("FreeBusy", &[twice.clone(), other, twice]));
    assert_eq!((view.events.len(), view.duplicates), (2, 1));
    let line = view.line().unwrap();
    let statuses: Vec<_> = line.iter().map(|slot| slot.show_as.as_str()).collect();
    assert_eq!(statuses, ["Tentative", "OOF", "Tentative"]);
}

#[test]
fn trap_10_an_empty_list_beside_busy_digits_is_not_free() {
    let window = ask(1, "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z");
    for (granted, list, digits, shown) in [
        ("MergedOnly", "<t:CalendarEventArray/>", "20", Some(vec!["Busy"])),
        ("FreeBusyMerged", "<t:CalendarEventArray/>", "04", Some(vec!["4"])),
        ("DetailedMerged", "", "33", Some(vec!["OOF"])),
        ("DetailedMerged", "<t:CalendarEventArray/>", "00", Some(vec![])),
        // Digits that do not fit the window say when nothing, but they do say that.
        ("DetailedMerged", "<t:CalendarEventArray/>", "000", Some(vec![])),
        ("DetailedMerged", "<t:CalendarEventArray/>", "002", None),
    ] {
        let view = format!(
            "<t:FreeBusyViewType>{granted}</t:FreeBusyViewType><t:MergedFreeBusy>{digits}</t:MergedFreeBusy>{list}"
        );
        let line = read(&window, &view).line().ok();
        let statuses = line.map(|line| line.iter().map(|slot| slot.show_as.as_str().to_owned()).collect());
        let shown = shown.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(statuses, shown, "{granted} {digits}");
    }
    // A list that had events is more exact than the digits are, also where they lie outside the window.
    let before = event("2026-11-23T07:40:00Z", "2026-11-23T08:00:00Z", "Busy");
    let view = format!(
        "<t:FreeBusyViewType>FreeBusyMerged</t:FreeBusyViewType><t:MergedFreeBusy>20</t:MergedFreeBusy><t:CalendarEventArray>{before}</t:CalendarEventArray>"
    );
    assert!(read(&window, &view).line().unwrap().is_empty());
}

#[test]
fn trap_10_less_granted_than_asked() {
    let merged = read(
        &ask(1, "2026-11-23T08:00:00Z", "2026-11-23T10:45:00Z"),
        "<t:FreeBusyViewType>MergedOnly</t:FreeBusyViewType><t:MergedFreeBusy>024531</t:MergedFreeBusy>",
    );
    assert_eq!((&merged.granted, merged.has_events), (&FreeBusyView::MergedOnly, false));
    let view = merged.merged.as_ref().unwrap();
    let statuses: Vec<_> = view.slots().unwrap().iter().map(|slot| slot.status).collect();
    assert_eq!(statuses[2..4], [MergedStatus::Unknown4, MergedStatus::NoData]);
    assert_eq!(view.digits.as_ref(), "024531");
    let line = merged.line().unwrap();
    let shown: Vec<_> = line.iter().map(|slot| slot.show_as.as_str()).collect();
    assert_eq!(shown, ["Busy", "4", "NoData", "OOF", "Tentative"]);
    assert_eq!(line[4].end, at("2026-11-23T10:45:00Z"), "the last digit is cut short");
    assert!(line.iter().all(|slot| slot.show_as != ShowAs::Free));

    let none = read(&week(), "<t:FreeBusyViewType>None</t:FreeBusyViewType>");
    assert_eq!(none.line().unwrap_err().kind(), ErrorKind::PermissionDenied);
    // Nothing in the calendar, and the list left out.
    let empty = read(&week(), "<t:FreeBusyViewType>Detailed</t:FreeBusyViewType>");
    assert!(empty.has_events && empty.line().unwrap().is_empty());
    // The merged view was asked for and did not come; or came too short.
    assert_eq!(empty.merged, None);
    let short = read(
        &week(),
        "<t:FreeBusyViewType>MergedOnly</t:FreeBusyViewType><t:MergedFreeBusy>00</t:MergedFreeBusy>",
    );
    assert_eq!(short.line().unwrap_err().kind(), ErrorKind::InvalidResponse);
    let later = read(&week(), "<t:FreeBusyViewType>Everything</t:FreeBusyViewType>");
    assert_eq!(later.granted, FreeBusyView::Other("Everything".into()));
}

#[test]
fn trap_10_one_mailbox_fails_alone_with_or_without_a_view() {
    let good = "<m:FreeBusyView><t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType></m:FreeBusyView>";
    let none = "<m:FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></m:FreeBusyView>";
    let details = r#"<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Error"><m:MessageText>Proxy failed.</m:MessageText><m:ResponseCode>ErrorProxyRequestProcessingFailed</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:MessageXml><e:ExceptionType xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">ProxyException</e:ExceptionType></m:MessageXml></m:ResponseMessage></m:FreeBusyResponse>"#;
    let members = [
        member("Error", "ErrorMailRecipientNotFound", none),
        member("Success", "NoError", good),
        details.to_owned(),
        member("Error", "ErrorNoFreeBusyAccess", ""),
    ];
    let four = ask(4, "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z");
    let read = answer(&four, &body(&members)).unwrap();
    let classes: Vec<_> = read.results.iter().map(|result| result.code.class()).collect();
    assert_eq!(classes[0], CodeClass::NotFound);
    assert_eq!(classes[3], CodeClass::Permission);
    assert!(read.results[1].clone().into_result().is_ok());
    let proxy = read.results[2].details.as_ref().unwrap();
    assert_eq!(proxy.xml.get("ExceptionType"), Some("ProxyException"));
    assert_eq!(read.results[2].value, None);
    // Nothing repeats the address: another number of answers is nobody's.
    assert_eq!(answer(&four, &body(&members[..3])).unwrap_err().kind(), ErrorKind::InvalidResponse);
    // A success that holds nothing is not free.
    let hollow = answer(&week(), &body(&[member("Success", "NoError", "")])).unwrap();
    assert!(hollow.results[0].clone().into_result().is_err());
}

fn detailed(private: &str) -> Availability {
    let details = format!(
        "<t:CalendarEventDetails><t:ID>00000000B1</t:ID><t:Subject>Doctor</t:Subject><t:Location>Harbour</t:Location><t:IsMeeting>true</t:IsMeeting><t:IsRecurring>1</t:IsRecurring><t:IsException>false</t:IsException><t:IsReminderSet>false</t:IsReminderSet>{private}</t:CalendarEventDetails></t:CalendarEvent>"
    );
    let whole = event("2026-11-23T08:00:00", "2026-11-23T09:00:00", "WorkingElsewhere")
        .replace("</t:CalendarEvent>", &details);
    read(&week(), &events("Detailed", &[whole]))
}

#[test]
fn trap_16_private_details_take_an_explicit_call_and_debug_shows_none() {
    for (private, is_private) in [
        ("<t:IsPrivate>false</t:IsPrivate>", false),
        ("<t:IsPrivate>true</t:IsPrivate>", true),
        ("", true), // not said
    ] {
        let view = detailed(private);
        let event = &view.events[0];
        assert_eq!((event.is_private(), event.visible().is_none()), (is_private, is_private));
        let details = event.reveal_private().unwrap();
        assert_eq!(details.subject.as_deref(), Some("Doctor"));
        assert!(details.is_meeting && details.is_recurring && !details.is_exception);
        let shown = format!("{view:?} {event:?} {details:?} {:?}", event.slot());
        assert!(!shown.contains("Doctor") && !shown.contains("Harbour") && !shown.contains("B1"), "{shown}");
        assert_eq!(event.show_as, ShowAs::WorkingElsewhere);
    }
    let plain =
        read(&week(), &events("Detailed", &[event("2026-11-23T08:00:00", "2026-11-23T09:00:00", "Busy")]));
    assert!(plain.events[0].is_private() && plain.events[0].reveal_private().is_none());
}

#[test]
fn working_hours_are_in_the_mailboxs_zone() {
    let hours = "<t:WorkingHours><t:TimeZone><t:Bias>480</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>11</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>2</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek><t:Year>0</t:Year></t:DaylightTime></t:TimeZone><t:WorkingPeriodArray><t:WorkingPeriod><t:DayOfWeek>Monday Friday</t:DayOfWeek><t:StartTimeInMinutes>480</t:StartTimeInMinutes><t:EndTimeInMinutes>1020</t:EndTimeInMinutes></t:WorkingPeriod></t:WorkingPeriodArray></t:WorkingHours>";
    let view = read(&week(), &format!("<t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType>{hours}"));
    let hours = view.working_hours.unwrap();
    assert_eq!((hours.zone.bias, hours.zone.daylight.bias, hours.zone.daylight.year), (480, -60, None));
    let [period] = hours.periods.as_slice() else { panic!("{hours:?}") };
    assert_eq!((period.start_minutes, period.end_minutes), (480, 1020));
    assert_eq!(period.days.to_string(), "Monday Friday");
    let summer = hours.zone.to_rules().unwrap().offset_at(at("2026-07-01T00:00:00Z"));
    assert_eq!(summer, jiff::tz::offset(-7));
    let nothing = "<t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType><t:WorkingHours/>";
    assert_eq!(read(&week(), nothing).working_hours, None);
}

/// Three people are asked about; what the second is answered costs the others nothing.
fn second_of_three(second: &str) -> Error {
    let good = events("FreeBusy", &[event("2026-11-23T08:00:00", "2026-11-23T09:00:00", "Busy")]);
    let good = member("Success", "NoError", &format!("<m:FreeBusyView>{good}</m:FreeBusyView>"));
    let three = ask(3, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z");
    let answer = answer(&three, &body(&[good.clone(), second.to_owned(), good])).unwrap();
    let [first, second, third] = <[_; 3]>::try_from(answer.results).unwrap();
    assert_eq!(first.into_result().unwrap().events.len(), 1);
    assert_eq!(third.into_result().unwrap().events.len(), 1);
    assert!(!second.is_done());
    second.into_result().unwrap_err()
}

#[test]
fn trap_10_what_is_wrong_with_one_mailbox_costs_no_other() {
    let zone = "<t:TimeZone><t:Bias>480</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>11</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>2</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone>";
    let hours = format!(
        "<m:FreeBusyView><t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType><t:WorkingHours>{zone}<t:WorkingPeriodArray><t:WorkingPeriod><t:DayOfWeek>Monday</t:DayOfWeek><t:StartTimeInMinutes>nine</t:StartTimeInMinutes></t:WorkingPeriod></t:WorkingPeriodArray></t:WorkingHours></m:FreeBusyView>"
    );
    let error = second_of_three(&member("Success", "NoError", &hours));
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.to_string().contains("StartTimeInMinutes is no number of the expected size, at byte"));
    // Beside an error the view may be as empty as it likes.
    let denied = member("Error", "ErrorNoFreeBusyAccess", "<m:FreeBusyView/>");
    let error = second_of_three(&denied);
    assert_eq!(error.service_code(), Some("ErrorNoFreeBusyAccess"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let silent = second_of_three("<m:FreeBusyResponse/>");
    assert!(silent.to_string().contains("the ResponseMessage is missing"), "{silent}");
}

#[test]
fn a_view_without_its_message_is_a_success() {
    let view = "<m:FreeBusyResponse><m:FreeBusyView><t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType></m:FreeBusyView></m:FreeBusyResponse>";
    let answer = answer(&week(), &body(&[view.to_owned()])).unwrap();
    assert!(answer.results[0].is_done() && answer.results[0].value.is_some());
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_place() {
    let good = events("FreeBusy", &[event("2026-11-23T08:00:00", "2026-11-23T09:00:00", "Busy")]);
    for (part, broken) in [
        ("2026-11-23T08:00:00", "morning"),
        ("<t:BusyType>Busy</t:BusyType>", ""),
        ("<t:EndTime>2026-11-23T09:00:00</t:EndTime>", ""),
        ("<t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType>", ""),
    ] {
        let inside = good.replace(part, broken);
        assert_ne!(inside, good);
        let view = format!("<m:FreeBusyView>{inside}</m:FreeBusyView>");
        let error = failure(answer(&week(), &body(&[member("Success", "NoError", &view)])));
        assert!(
            error.kind() == ErrorKind::InvalidResponse && error.to_string().contains("at byte"),
            "{error}"
        );
        assert!(!error.to_string().contains("morning"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever events come, none is lost: each is in the list, counted as outside, or as a duplicate.
    #[test]
    fn no_event_is_lost(raw in prop::collection::vec((-60_i64..60, -3_i64..60), 0..20)) {
        let operation = week();
        let (start, end) = operation.window();
        let hour = |n: i64| start + SignedDuration::from_hours(n);
        let texts: Vec<String> =
            raw.iter().map(|(from, len)| event(&hour(*from).to_string(), &hour(from + len).to_string(), "Busy")).collect();
        let view = read(&operation, &events("FreeBusy", &texts));
        let kept = view.events.len() + view.outside as usize + view.duplicates as usize;
        prop_assert_eq!(kept, raw.len());
        prop_assert!(view.events.is_sorted());
        for event in &view.events {
            prop_assert!(event.start < end && event.end >= start);
        }
        let inside = |(from, len): &&(i64, i64)| *from < 168 && from + len > 0;
        let mut distinct: Vec<_> = raw.iter().filter(inside).collect();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert!(view.events.len() >= distinct.len());
    }

    /// Damage anywhere is an error or an answer, never a panic.
    #[test]
    fn damage_never_panics(at in 0_usize..900, with in any::<u8>()) {
        let view = format!(
            "<m:FreeBusyView>{}</m:FreeBusyView>",
            events("FreeBusy", &[event("2026-11-23T08:00:00", "2026-11-23T09:00:00", "Busy")])
        );
        let text = crate::operations::testing::envelope(&body(&[member("Success", "NoError", &view)]));
        let mut bytes = text.into_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = with;
        }
        _ = crate::read_answer(&week(), http::StatusCode::OK, &bytes);
        _ = crate::read_answer(&week(), http::StatusCode::OK, &bytes[..at.min(bytes.len())]);
    }
}
