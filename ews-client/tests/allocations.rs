//! How much memory reading and writing takes. The page is what a busy calendar looks like: 1,000 items of 1 kB.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fmt::Write;

use allocation_counter::measure;
use ews_client::{
    Capabilities, ConnectingSid, DistinguishedFolder, EnvelopeFramer, FindItem, GetUserAvailability,
    RequestContext, Target, read_answer, write_request,
};
use http::StatusCode;
use m365_core::MailboxAddress;

const ITEMS: usize = 1_000;

fn view() -> FindItem {
    let at = |text: &str| text.parse().unwrap();
    FindItem::calendar_view(
        DistinguishedFolder::Calendar.into(),
        at("2026-11-23T00:00:00Z"),
        at("2026-11-30T00:00:00Z"),
    )
}

fn page() -> String {
    let mut xml = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><h:ServerVersionInfo MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="6" Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/></s:Header><s:Body><m:FindItemResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:RootFolder TotalItemsInView="{ITEMS}" IncludesLastItemInRange="true"><t:Items>"#
    );
    for n in 0..ITEMS {
        write!(
            xml,
            r#"<t:CalendarItem><t:ItemId Id="AAMkADk3{n:0>140}=" ChangeKey="DwAAABYAAAB{n:0>24}=="/><t:Subject>R&amp;D weekly {n}</t:Subject><t:Sensitivity>Normal</t:Sensitivity><t:UID>040000008200E00074C5B7101A82E008{n:0>48}</t:UID><t:Start>2026-11-23T12:00:00Z</t:Start><t:End>2026-11-23T13:00:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent><t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>Room {}</t:Location><t:IsMeeting>true</t:IsMeeting><t:IsCancelled>false</t:IsCancelled><t:CalendarItemType>Occurrence</t:CalendarItemType><t:MyResponseType>Accept</t:MyResponseType><t:Organizer><t:Mailbox><t:Name>Person {}</t:Name></t:Mailbox></t:Organizer><t:StartTimeZone Id="Romance Standard Time" Name="(UTC+01:00) Brussels, Copenhagen, Madrid, Paris"/><t:EndTimeZone Id="Romance Standard Time" Name="(UTC+01:00) Brussels, Copenhagen, Madrid, Paris"/></t:CalendarItem>"#,
            n % 7,
            n % 40,
        )
        .unwrap();
    }
    xml.push_str("</t:Items></m:RootFolder></m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse></s:Body></s:Envelope>");
    xml
}

#[test]
fn a_page_costs_few_allocations_and_less_memory_than_its_text() {
    let xml = page();
    let operation = view();
    let used = measure(|| {
        let answer = read_answer(&operation, StatusCode::OK, xml.as_bytes()).unwrap();
        assert_eq!(answer.results[0].value.as_ref().unwrap().items.len(), ITEMS);
    });
    let per_item = used.count_total as f64 / ITEMS as f64;
    let share = used.bytes_max as f64 / xml.len() as f64;
    eprintln!(
        "{per_item:.2} allocations per item of {} bytes, peak {share:.2} of the document",
        xml.len() / ITEMS
    );
    assert!(per_item <= 8.5, "{per_item} allocations per item");
    assert!(share <= 0.7, "peak of {share} times the document");
}

#[test]
fn a_request_is_one_allocation() {
    let target = Target::Impersonate(ConnectingSid::PrimarySmtpAddress(
        MailboxAddress::parse("anna@contoso.example").unwrap(),
    ));
    let context = RequestContext::new(&target, Capabilities::default());
    let operation = view();
    let used = measure(|| {
        assert!(!write_request(&operation, &context).unwrap().is_empty());
    });
    assert_eq!(used.count_total, 1);
}

#[test]
fn a_question_about_a_hundred_mailboxes_is_one_allocation() {
    let people = (0..100).map(|n| MailboxAddress::parse(&format!("person{n}@contoso.example")).unwrap());
    let at = |text: &str| text.parse().unwrap();
    let operation =
        GetUserAvailability::new(people, at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z")).unwrap();
    let context = RequestContext::new(&Target::SelfMailbox, Capabilities::default());
    let used = measure(|| {
        assert!(!write_request(&operation, &context).unwrap().is_empty());
    });
    assert_eq!(used.count_total, 1);
}

#[test]
fn a_stream_that_never_ends_keeps_no_more_than_what_is_unfinished() {
    let heartbeat = format!("<Envelope><Body>{}</Body></Envelope>\r\n", "x".repeat(500));
    let mut framer = EnvelopeFramer::new();
    let used = measure(|| {
        for _ in 0..20_000 {
            framer.push(heartbeat.as_bytes());
            assert!(framer.next_envelope().unwrap().is_some());
        }
    });
    assert!(used.bytes_max < 64 << 10, "{} bytes for a stream of 10 MB", used.bytes_max);
}
