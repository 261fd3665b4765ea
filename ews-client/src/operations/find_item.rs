use std::fmt;
use std::sync::Arc;

use jiff::{Timestamp, civil};
use m365_core::Result;

use crate::ids::{ChangeKey, ItemId};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::wire_enum::{CalendarItemType, LegacyFreeBusyStatus, MyResponseType, Sensitivity};
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Reads a calendar between two instants: the server expands series into their occurrences.
///
/// One request is one page of at most 1,000 items over at most two years; there is no paging. A folder with more is
/// answered with `ErrorExceededFindCountLimit`, or with a page whose [`includes_last`](CalendarPage::includes_last) is
/// false. Items that only touch the borders may come along.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendarview>.
#[derive(Clone, Debug)]
pub struct FindItem {
    folders: Vec<FolderRef>,
    start: Timestamp,
    end: Timestamp,
    max_entries: u32,
}

impl FindItem {
    /// Everything in this folder between two instants.
    pub fn calendar_view(folder: FolderRef, start: Timestamp, end: Timestamp) -> Self {
        Self { folders: vec![folder], start, end, max_entries: 1000 }
    }

    /// Another folder in the same request, answered for itself.
    #[must_use]
    pub fn with_folder(mut self, folder: FolderRef) -> Self {
        self.folders.push(folder);
        self
    }

    /// At most so many items, 1,000 unless said otherwise.
    #[must_use]
    pub fn with_max_entries(mut self, items: u32) -> Self {
        self.max_entries = items.max(1);
        self
    }
}

impl EwsOperation for FindItem {
    const NAME: &'static str = "FindItem";
    type Item = CalendarPage;

    fn asked(&self) -> usize {
        self.folders.len()
    }

    fn size_hint(&self) -> usize {
        1400 + 256 * self.folders.len()
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw(concat!(
            r#"<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"#,
            r#"<t:FieldURI FieldURI="item:Subject"/><t:FieldURI FieldURI="item:Sensitivity"/>"#,
            r#"<t:FieldURI FieldURI="calendar:UID"/><t:FieldURI FieldURI="calendar:RecurrenceId"/>"#,
            r#"<t:FieldURI FieldURI="calendar:Start"/><t:FieldURI FieldURI="calendar:End"/>"#,
            r#"<t:FieldURI FieldURI="calendar:IsAllDayEvent"/><t:FieldURI FieldURI="calendar:LegacyFreeBusyStatus"/>"#,
            r#"<t:FieldURI FieldURI="calendar:Location"/><t:FieldURI FieldURI="calendar:IsMeeting"/>"#,
            r#"<t:FieldURI FieldURI="calendar:IsCancelled"/><t:FieldURI FieldURI="calendar:CalendarItemType"/>"#,
            r#"<t:FieldURI FieldURI="calendar:MyResponseType"/><t:FieldURI FieldURI="calendar:Organizer"/>"#,
        ));
        if context.capabilities().time_zones() {
            writer.raw(concat!(
                r#"<t:FieldURI FieldURI="calendar:StartTimeZone"/>"#,
                r#"<t:FieldURI FieldURI="calendar:EndTimeZone"/>"#,
            ));
        }
        writer.raw("</t:AdditionalProperties></m:ItemShape><m:CalendarView MaxEntriesReturned=\"");
        writer.number(self.max_entries);
        writer.raw("\" StartDate=\"");
        writer.timestamp(&self.start);
        writer.raw("\" EndDate=\"");
        writer.timestamp(&self.end);
        writer.raw("\"/><m:ParentFolderIds>");
        for folder in &self.folders {
            folder.write(writer, context.target());
        }
        writer.raw("</m:ParentFolderIds></m:FindItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<CalendarPage>>> {
        let mut seen = Interner::default();
        read_messages(cursor, root, |cursor, child, page| {
            if child.is("RootFolder") {
                *page = Some(CalendarPage::read(cursor, child, &mut seen)?);
            }
            Ok(())
        })
    }
}

/// What one folder holds between the two instants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarPage {
    /// In the order of the answer, which nothing is promised about.
    pub items: Vec<RawCalendarItem>,
    /// Whether the page reaches to the end of the view; false: ask again from the last start.
    pub includes_last: bool,
    /// Items of another kind than `t:CalendarItem`, which a calendar does not have.
    pub others: u32,
}

/// An item as the server gives it, before zones, days and privacy are made sense of.
///
/// Exchange does not hide the details of private items from an app that impersonates; so `Debug` shows none of them,
/// whatever the sensitivity.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawCalendarItem {
    /// Opaque; tells the cases of letters apart.
    pub id: ItemId,
    /// The version of the item.
    pub change_key: Option<ChangeKey>,
    /// The id that all copies and all occurrences share.
    pub uid: Option<Box<str>>,
    /// When an occurrence would be, had it not been moved.
    pub recurrence_id: Option<RawTime>,
    /// When it begins.
    pub start: RawTime,
    /// When it ends.
    pub end: RawTime,
    /// The zone it begins in.
    pub start_zone: Option<RawZone>,
    /// The zone it ends in.
    pub end_zone: Option<RawZone>,
    /// Cut at 255 characters by the server.
    pub subject: Option<Box<str>>,
    /// Cut at 255 characters by the server.
    pub location: Option<Arc<str>>,
    /// The organizer's name; FindItem gives no address.
    pub organizer: Option<Arc<str>>,
    /// Absent when the server left it out: then it is not known, not normal.
    pub sensitivity: Option<Sensitivity>,
    /// How it stands in free/busy.
    pub show_as: Option<LegacyFreeBusyStatus>,
    /// What it is to a series.
    pub item_type: Option<CalendarItemType>,
    /// What the owner answered.
    pub my_response: Option<MyResponseType>,
    /// Whether it is for whole days.
    pub is_all_day: Option<bool>,
    /// Whether others are invited.
    pub is_meeting: Option<bool>,
    /// Whether it was called off. It may still be shown as busy.
    pub is_cancelled: Option<bool>,
}

impl fmt::Debug for RawCalendarItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCalendarItem")
            .field("id", &self.id)
            .field("start", &self.start)
            .field("end", &self.end)
            .field("item_type", &self.item_type)
            .field("sensitivity", &self.sensitivity)
            .finish_non_exhaustive()
    }
}

/// A time as the wire has it: an instant, or, without offset, a time in a zone that stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RawTime {
    /// With `Z` or an offset.
    Instant(Timestamp),
    /// Without.
    Local(civil::DateTime),
}

impl RawTime {
    /// Reads an `xs:dateTime`. An offset makes it an instant; asking for a civil time first would drop the offset in
    /// silence.
    fn parse(text: &str) -> Option<Self> {
        let (_, time) = text.split_once(['T', 't'])?;
        if time.bytes().any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-')) {
            text.parse().ok().map(Self::Instant)
        } else {
            text.parse().ok().map(Self::Local)
        }
    }
}

/// A zone as the wire names it; its rules, if they came along, are passed over here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawZone {
    /// Usually a Windows id.
    pub id: Arc<str>,
    /// A name for people.
    pub name: Option<Arc<str>>,
}

impl CalendarPage {
    fn read<'a>(
        cursor: &mut Cursor<'a>,
        folder: &Element<'a>,
        seen: &mut Interner,
    ) -> Result<Self, XmlError> {
        let last = cursor.attribute(folder, "IncludesLastItemInRange")?;
        let total = cursor.attribute(folder, "TotalItemsInView")?;
        let total: usize = total.and_then(|text| text.trim_ascii().parse().ok()).unwrap_or(0);
        let mut page = Self {
            // A server's number is a hint for memory, no more.
            items: Vec::with_capacity(total.min(1024)),
            includes_last: !matches!(last.as_deref().map(str::trim_ascii), Some("false" | "0")),
            others: 0,
        };
        while let Some(items) = cursor.next_child(folder)? {
            if !items.is("Items") {
                continue;
            }
            while let Some(item) = cursor.next_child(&items)? {
                if item.is("CalendarItem") {
                    page.items.push(RawCalendarItem::read(cursor, &item, seen)?);
                } else {
                    page.others += 1;
                }
            }
        }
        Ok(page)
    }
}

impl RawCalendarItem {
    fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        seen: &mut Interner,
    ) -> Result<Self, XmlError> {
        let (mut id, mut change_key, mut uid, mut recurrence_id) = (None, None, None, None);
        let (mut start, mut end, mut start_zone, mut end_zone) = (None, None, None, None);
        let (mut subject, mut location, mut organizer, mut sensitivity) = (None, None, None, None);
        let (mut show_as, mut item_type, mut my_response) = (None, None, None);
        let (mut is_all_day, mut is_meeting, mut is_cancelled) = (None, None, None);
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "ItemId" => {
                    let [found, key] = cursor.attributes(&child, ["Id", "ChangeKey"])?;
                    (id, change_key) = (found.map(Into::into), key.map(Into::into));
                }
                "Subject" => subject = Some(cursor.boxed(&child)?),
                "Sensitivity" => sensitivity = Some(Sensitivity::new(&cursor.text(&child)?)),
                "UID" => uid = Some(cursor.boxed(&child)?),
                "RecurrenceId" => recurrence_id = Some(time(cursor, &child)?),
                "Start" => start = Some(time(cursor, &child)?),
                "End" => end = Some(time(cursor, &child)?),
                "IsAllDayEvent" => is_all_day = Some(cursor.boolean(&child)?),
                "LegacyFreeBusyStatus" => show_as = Some(LegacyFreeBusyStatus::new(&cursor.text(&child)?)),
                "Location" => location = Some(seen.intern(&cursor.text(&child)?)),
                "IsMeeting" => is_meeting = Some(cursor.boolean(&child)?),
                "IsCancelled" => is_cancelled = Some(cursor.boolean(&child)?),
                "CalendarItemType" => item_type = Some(CalendarItemType::new(&cursor.text(&child)?)),
                "MyResponseType" => my_response = Some(MyResponseType::new(&cursor.text(&child)?)),
                "Organizer" => organizer = read_name(cursor, &child, seen)?,
                "StartTimeZone" => start_zone = read_zone(cursor, &child, seen)?,
                "EndTimeZone" => end_zone = read_zone(cursor, &child, seen)?,
                _ => {}
            }
        }
        Ok(Self {
            id: id.ok_or_else(|| element.missing("the ItemId"))?,
            change_key,
            uid,
            recurrence_id,
            start: start.ok_or_else(|| element.missing("the Start"))?,
            end: end.ok_or_else(|| element.missing("the End"))?,
            start_zone,
            end_zone,
            subject,
            location,
            organizer,
            sensitivity,
            show_as,
            item_type,
            my_response,
            is_all_day,
            is_meeting,
            is_cancelled,
        })
    }
}

fn time<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<RawTime, XmlError> {
    RawTime::parse(&cursor.value(element)?).ok_or_else(|| element.bad_value("dateTime"))
}

fn read_name<'a>(
    cursor: &mut Cursor<'a>,
    person: &Element<'a>,
    seen: &mut Interner,
) -> Result<Option<Arc<str>>, XmlError> {
    let mut name = None;
    while let Some(mailbox) = cursor.next_child(person)? {
        while let Some(part) = cursor.next_child(&mailbox)? {
            if part.is("Name") {
                name = Some(seen.intern(&cursor.text(&part)?));
            }
        }
    }
    Ok(name)
}

fn read_zone<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    seen: &mut Interner,
) -> Result<Option<RawZone>, XmlError> {
    let [id, name] = cursor.attributes(element, ["Id", "Name"])?;
    Ok(id.map(|id| RawZone { id: seen.intern(&id), name: name.map(|name| seen.intern(&name)) }))
}

/// Shares the texts that repeat from item to item: organizers, zones, rooms. Each text has one place by its length and its
/// ends, where the latest stays.
struct Interner([Option<Arc<str>>; 64]);

impl Default for Interner {
    fn default() -> Self {
        Self([const { None }; 64])
    }
}

impl Interner {
    fn intern(&mut self, text: &str) -> Arc<str> {
        let byte = |from_end: usize| {
            let at = text.len().checked_sub(from_end);
            at.and_then(|at| text.as_bytes().get(at)).map_or(0, |b| usize::from(*b))
        };
        let place = text.len().wrapping_mul(7)
            ^ byte(1)
            ^ byte(2).wrapping_mul(11)
            ^ byte(text.len()).wrapping_mul(3);
        match self.0.get_mut(place % 64) {
            Some(Some(known)) if known.as_ref() == text => known.clone(),
            Some(slot) => slot.insert(text.into()).clone(),
            None => text.into(),
        }
    }
}
