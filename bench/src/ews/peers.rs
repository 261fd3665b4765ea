//! What reads and writes the same beside ours: bare loops over the events of quick-xml, its serde structs, Thunderbird's crate.

use std::hint::black_box;

use ews::find_item::{FindItem, FindItemResponse, Traversal};
use ews::soap::Envelope;
use ews::{BaseFolderId, BaseShape, ItemShape, PathToElement, View};
use serde::Deserialize;

/// Every event of the bytes, and nothing made of it.
///
/// # Panics
/// When it is no XML.
pub fn raw_42(xml: &[u8]) -> u64 {
    let mut reader = quick_xml::Reader::from_reader(xml);
    let mut events = 0;
    loop {
        match reader.read_event().expect("XML") {
            quick_xml::events::Event::Eof => return events,
            event => {
                black_box(&event);
                events += 1;
            }
        }
    }
}

/// The same in the version before, which checks UTF-8 when text is asked for.
///
/// # Panics
/// When it is no XML.
pub fn raw_41(xml: &[u8]) -> u64 {
    let mut reader = quick_xml_41::Reader::from_reader(xml);
    let mut events = 0;
    loop {
        match reader.read_event().expect("XML") {
            quick_xml_41::events::Event::Eof => return events,
            event => {
                black_box(&event);
                events += 1;
            }
        }
    }
}

/// A page by Thunderbird's crate, which drops what is a calendar's.
///
/// # Panics
/// When it cannot read it.
pub fn ews_page(xml: &[u8]) -> Envelope<FindItemResponse> {
    Envelope::from_xml_document(xml).expect("a page")
}

/// A request as like ours as the crate has it.
pub fn ews_request() -> Envelope<FindItem> {
    let field = |uri: &str| PathToElement::FieldURI { field_URI: uri.to_owned() };
    let fields = [
        "item:Subject",
        "item:Sensitivity",
        "calendar:UID",
        "calendar:RecurrenceId",
        "calendar:Start",
        "calendar:End",
        "calendar:IsAllDayEvent",
        "calendar:LegacyFreeBusyStatus",
        "calendar:Location",
        "calendar:IsMeeting",
        "calendar:IsCancelled",
        "calendar:CalendarItemType",
        "calendar:MyResponseType",
        "calendar:Organizer",
        "calendar:StartTimeZone",
        "calendar:EndTimeZone",
    ];
    Envelope {
        headers: Vec::new(),
        body: FindItem {
            traversal: Traversal::Shallow,
            item_shape: ItemShape {
                base_shape: BaseShape::IdOnly,
                include_mime_content: None,
                additional_properties: Some(fields.map(field).into()),
            },
            view: Some(View::CalendarView {
                max_entries_returned: Some(1000),
                start_date: "2026-11-23T00:00:00Z".to_owned(),
                end_date: "2026-11-30T00:00:00Z".to_owned(),
            }),
            parent_folder_ids: vec![BaseFolderId::DistinguishedFolderId {
                id: "calendar".to_owned(),
                change_key: None,
                mailbox: None,
            }],
        },
    }
}

/// The request as it is posted.
///
/// # Panics
/// When the crate cannot write it.
pub fn ews_build() -> Vec<u8> {
    ews_request().as_xml_document().expect("a request")
}

/// What serde takes in of a page: the fields that ours does.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SerdePage {
    body: PageBody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageBody {
    find_item_response: PageResponse,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageResponse {
    response_messages: PageMessages,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageMessages {
    find_item_response_message: Vec<PageMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageMessage {
    root_folder: PageFolder,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageFolder {
    items: PageItems,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageItems {
    calendar_item: Vec<PageItem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read to be counted")]
struct PageItem {
    item_id: PageId,
    subject: String,
    sensitivity: String,
    #[serde(rename = "UID")]
    uid: String,
    start: String,
    end: String,
    is_all_day_event: bool,
    legacy_free_busy_status: String,
    location: String,
    is_meeting: bool,
    is_cancelled: bool,
    calendar_item_type: String,
    my_response_type: String,
    organizer: PageOrganizer,
    start_time_zone: PageZone,
    end_time_zone: PageZone,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "read to be counted")]
struct PageId {
    #[serde(rename = "@Id")]
    id: String,
    #[serde(rename = "@ChangeKey")]
    change_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read to be counted")]
struct PageOrganizer {
    mailbox: PageMailbox,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read to be counted")]
struct PageMailbox {
    name: String,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "read to be counted")]
struct PageZone {
    #[serde(rename = "@Id")]
    id: String,
    #[serde(rename = "@Name")]
    name: String,
}

/// A page by serde.
///
/// # Panics
/// When it cannot read it.
pub fn serde_page(xml: &[u8]) -> SerdePage {
    let page: SerdePage = quick_xml::de::from_reader(xml).expect("a page");
    let items: usize = page
        .body
        .find_item_response
        .response_messages
        .find_item_response_message
        .iter()
        .map(|message| message.root_folder.items.calendar_item.len())
        .sum();
    assert_eq!(items, super::ITEMS);
    page
}

/// What serde takes in of free/busy.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SerdeAvailability {
    body: BusyBody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BusyBody {
    get_user_availability_response: BusyResponse,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BusyResponse {
    free_busy_response_array: BusyArray,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BusyArray {
    free_busy_response: Vec<BusyOne>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BusyOne {
    free_busy_view: BusyView,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read to be counted")]
struct BusyView {
    free_busy_view_type: String,
    merged_free_busy: String,
    calendar_event_array: BusyEvents,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BusyEvents {
    calendar_event: Vec<BusyEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read to be counted")]
struct BusyEvent {
    start_time: String,
    end_time: String,
    busy_type: String,
    calendar_event_details: BusyDetails,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read to be counted")]
struct BusyDetails {
    #[serde(rename = "ID")]
    id: String,
    subject: String,
    location: String,
    is_meeting: bool,
    is_recurring: bool,
    is_exception: bool,
    is_reminder_set: bool,
    is_private: bool,
}

/// Free/busy by serde.
///
/// # Panics
/// When it cannot read it.
pub fn serde_availability(xml: &[u8]) -> SerdeAvailability {
    let answer: SerdeAvailability = quick_xml::de::from_reader(xml).expect("free/busy");
    let all = &answer.body.get_user_availability_response.free_busy_response_array.free_busy_response;
    let events: usize =
        all.iter().map(|one| one.free_busy_view.calendar_event_array.calendar_event.len()).sum();
    assert_eq!(events, super::MAILBOXES * super::EVENTS);
    answer
}
