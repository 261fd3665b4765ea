//! Answers as Exchange writes them, from a seed. A hash holds them still: a count means something beside an older count only
//! when both were of the same bytes.

use std::fmt::Write as _;

/// Items of a page.
pub const ITEMS: usize = 1_000;
/// Mailboxes of a question about free/busy.
pub const MAILBOXES: usize = 100;
/// Events of each.
pub const EVENTS: usize = 50;

const HEAD: &str = r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="1748" MinorBuildNumber="10" Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types" xmlns="http://schemas.microsoft.com/exchange/services/2006/types" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/></s:Header><s:Body xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">"#;
const NAMESPACES: &str = r#"xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types""#;
const TAIL: &str = "</s:Body></s:Envelope>";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Numbers from a seed (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    fn base64(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(ALPHABET[self.below(64) as usize])).collect()
    }

    fn of<'a>(&mut self, some: &[&'a str]) -> &'a str {
        some[self.below(some.len() as u64) as usize]
    }
}

/// FNV-1a.
fn held(bytes: String, hash: u64) -> Vec<u8> {
    let found = bytes.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    assert_eq!(found, hash, "other bytes than those of the counts before: {found:#018x}");
    bytes.into_bytes()
}

/// A page of a calendar: [`ITEMS`] of about 1 kB.
///
/// # Panics
/// When its bytes are not those of every run.
pub fn page() -> Vec<u8> {
    let mut seed = Seeded(20_261_121);
    let mut xml = format!(
        r#"{HEAD}<m:FindItemResponse {NAMESPACES}><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:RootFolder TotalItemsInView="{ITEMS}" IncludesLastItemInRange="true"><t:Items>"#
    );
    for n in 0..ITEMS {
        let (id, key, uid) = (seed.base64(150), seed.base64(30), seed.base64(48));
        let subject = seed.of(&[
            "Weekly",
            "R&amp;D review",
            "Lunch",
            "Planning of the third quarter",
            "1:1",
            "Caf\u{e9} &lt;3",
        ]);
        let (sensitivity, show_as) =
            (seed.of(&["Normal", "Normal", "Private"]), seed.of(&["Busy", "Free", "Tentative", "OOF"]));
        let (kind, response) = (
            seed.of(&["Single", "Occurrence", "Exception"]),
            seed.of(&["Accept", "Organizer", "NoResponseReceived"]),
        );
        let (day, hour, room, person) =
            (seed.below(7) + 23, seed.below(10) + 7, seed.below(12), seed.below(60));
        let zone = seed.of(&["Romance Standard Time", "W. Europe Standard Time", "Eastern Standard Time"]);
        write!(
            xml,
            r#"<t:CalendarItem><t:ItemId Id="AAMk{id}AAA=" ChangeKey="DwAA{key}"/><t:Subject>{subject} {n}</t:Subject><t:Sensitivity>{sensitivity}</t:Sensitivity><t:UID>0400{uid}</t:UID><t:Start>2026-11-{day}T{hour:02}:00:00Z</t:Start><t:End>2026-11-{day}T{hour:02}:45:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent><t:LegacyFreeBusyStatus>{show_as}</t:LegacyFreeBusyStatus><t:Location>Room {room}</t:Location><t:IsMeeting>true</t:IsMeeting><t:IsCancelled>false</t:IsCancelled><t:CalendarItemType>{kind}</t:CalendarItemType><t:MyResponseType>{response}</t:MyResponseType><t:Organizer><t:Mailbox><t:Name>Person {person}</t:Name></t:Mailbox></t:Organizer><t:StartTimeZone Id="{zone}" Name="(UTC+01:00) A city, another one, a third"/><t:EndTimeZone Id="{zone}" Name="(UTC+01:00) A city, another one, a third"/></t:CalendarItem>"#
        )
        .expect("a text takes all");
    }
    write!(xml, "</t:Items></m:RootFolder></m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse>{TAIL}")
        .expect("a text takes all");
    held(xml, 0x5A42_DEEE_E5F8_88DD)
}

/// Free/busy of [`MAILBOXES`] with [`EVENTS`] each.
///
/// # Panics
/// When its bytes are not those of every run.
pub fn availability() -> Vec<u8> {
    let mut seed = Seeded(20_261_122);
    let mut xml = format!(
        "{HEAD}<GetUserAvailabilityResponse xmlns=\"http://schemas.microsoft.com/exchange/services/2006/messages\" xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><FreeBusyResponseArray>"
    );
    for _ in 0..MAILBOXES {
        let merged: String = (0..336).map(|_| seed.of(&["0", "0", "0", "1", "2", "2", "3"])).collect();
        write!(
            xml,
            r#"<FreeBusyResponse><ResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode></ResponseMessage><FreeBusyView><t:FreeBusyViewType>DetailedMerged</t:FreeBusyViewType><t:MergedFreeBusy>{merged}</t:MergedFreeBusy><t:CalendarEventArray>"#
        )
        .expect("a text takes all");
        for n in 0..EVENTS {
            let (day, hour) = (23 + n / 8, 7 + n % 8);
            let (busy, id, room) = (seed.of(&["Busy", "Tentative", "OOF"]), seed.base64(56), seed.below(12));
            let subject = seed.of(&["Weekly", "R&amp;D review", "Lunch", "1:1"]);
            write!(
                xml,
                r#"<t:CalendarEvent><t:StartTime>2026-11-{day}T{hour:02}:00:00</t:StartTime><t:EndTime>2026-11-{day}T{hour:02}:30:00</t:EndTime><t:BusyType>{busy}</t:BusyType><t:CalendarEventDetails><t:ID>{id}</t:ID><t:Subject>{subject}</t:Subject><t:Location>Room {room}</t:Location><t:IsMeeting>true</t:IsMeeting><t:IsRecurring>true</t:IsRecurring><t:IsException>false</t:IsException><t:IsReminderSet>true</t:IsReminderSet><t:IsPrivate>false</t:IsPrivate></t:CalendarEventDetails></t:CalendarEvent>"#
            )
            .expect("a text takes all");
        }
        xml.push_str(r#"</t:CalendarEventArray><t:WorkingHours><t:TimeZone><t:Bias>-60</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>03:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone><t:WorkingPeriodArray><t:WorkingPeriod><t:DayOfWeek>Monday Tuesday Wednesday Thursday Friday</t:DayOfWeek><t:StartTimeInMinutes>480</t:StartTimeInMinutes><t:EndTimeInMinutes>1020</t:EndTimeInMinutes></t:WorkingPeriod></t:WorkingPeriodArray></t:WorkingHours></FreeBusyView></FreeBusyResponse>"#);
    }
    write!(xml, "</FreeBusyResponseArray></GetUserAvailabilityResponse>{TAIL}").expect("a text takes all");
    held(xml, 0xC840_5497_2D4A_254A)
}

/// A stream of notifications: 300 envelopes, every third with no more than that the server is there. The others tell of one to
/// ten things that happened in the one folder that their subscription watches.
///
/// # Panics
/// When its bytes are not those of every run.
pub fn stream() -> Vec<u8> {
    let mut seed = Seeded(20_261_123);
    let mut xml = String::new();
    for n in 0..300 {
        write!(xml, r#"{HEAD}<m:GetStreamingEventsResponse {NAMESPACES}><m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>"#)
            .expect("a text takes all");
        if n % 3 == 0 {
            xml.push_str("<m:ConnectionStatus>OK</m:ConnectionStatus>");
        } else {
            write!(
                xml,
                "<m:Notifications><m:Notification><t:SubscriptionId>{}</t:SubscriptionId>",
                seed.base64(88)
            )
            .expect("a text takes all");
            let folder = seed.base64(110);
            for _ in 0..=seed.below(10) {
                let event = seed.of(&["CreatedEvent", "ModifiedEvent", "DeletedEvent"]);
                let (id, key) = (seed.base64(150), seed.base64(14));
                write!(
                    xml,
                    r#"<t:{event}><t:TimeStamp>2026-11-23T04:31:{:02}Z</t:TimeStamp><t:ItemId Id="AAMk{id}" ChangeKey="CQAA{key}"/><t:ParentFolderId Id="AQMk{folder}" ChangeKey="AQAAAA=="/></t:{event}>"#,
                    seed.below(60)
                )
                .expect("a text takes all");
            }
            xml.push_str("</m:Notification></m:Notifications>");
        }
        write!(xml, "</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse>{TAIL}\r\n").expect("a text takes all");
    }
    held(xml, 0x3402_DFD0_0C77_B835)
}
