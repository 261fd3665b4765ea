use jiff::Timestamp;
use m365_core::Result;

use crate::calendar_item::{Interner, RawCalendarItem};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::pick;
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

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { folders: pick(&self.folders, places)?, ..*self })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        // The shape CALENDAR_VIEW in one piece: this is the request that is sent most.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::shape::{CALENDAR_VIEW, Shape};
    use crate::operations::testing::{answers, request_in, success};
    use crate::soap::{Capabilities, SchemaVersion};
    use crate::{DistinguishedFolder, ErrorKind};

    fn view() -> FindItem {
        let at = |text: &str| text.parse().unwrap();
        FindItem::calendar_view(
            DistinguishedFolder::Calendar.into(),
            at("2026-11-23T00:00:00Z"),
            at("2026-11-30T00:00:00Z"),
        )
    }

    #[test]
    fn the_shape_in_one_piece_is_the_shape_of_the_other_requests() {
        for schema in [SchemaVersion::Exchange2007Sp1, SchemaVersion::Exchange2016] {
            let mut writer = Writer::default();
            Shape::of(&[CALENDAR_VIEW]).write(&mut writer, Capabilities::new(schema, None));
            let shape = writer.as_str().replace("><", ">\n<");
            assert!(request_in(&view(), schema).contains(&shape), "{schema}");
        }
    }

    fn page(last: &str, items: &str) -> Result<CalendarPage> {
        let text =
            success("FindItem", &format!("<m:RootFolder {last}><t:Items>{items}</t:Items></m:RootFolder>"));
        answers(&view(), &text)?.results.remove(0).into_result()
    }

    #[test]
    fn trap_09_a_page_that_is_not_the_last_says_so_and_items_at_the_border_come_along() {
        let item = |id: &str, start: &str, end: &str| {
            format!(
                r#"<t:CalendarItem><t:ItemId Id="{id}"/><t:End>{end}</t:End><t:Start>{start}</t:Start></t:CalendarItem>"#
            )
        };
        let items = item("A", "2026-11-22T23:00:00Z", "2026-11-23T00:00:00Z")
            + &item("B", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z")
            + &item("b", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z");
        let cut = page(r#"TotalItemsInView="3" IncludesLastItemInRange="false""#, &items).unwrap();
        assert!(!cut.includes_last);
        let ids: std::collections::HashSet<_> = cut.items.iter().map(|item| &item.id).collect();
        assert_eq!(ids.len(), 3, "trap 15: ids differ by case");
        assert!(page("IncludesLastItemInRange=\"1\"", "").unwrap().includes_last);
    }

    #[test]
    fn an_item_of_a_view_has_its_times() {
        let error = page(
            "",
            r#"<t:CalendarItem><t:ItemId Id="A"/><t:Start>2026-11-23T12:00:00Z</t:Start></t:CalendarItem>"#,
        );
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidResponse);
    }

    #[test]
    fn trap_12_rules_come_with_their_zone_twice_and_out_of_order() {
        let zone = |name: &str| {
            format!(
                r#"<t:{name} Id="tzone://Microsoft/Custom" Name="x"><t:Periods><t:Period Bias="PT5H" Name="Standard" Id="s"/></t:Periods></t:{name}>"#
            )
        };
        let xml = format!(
            r#"<t:CalendarItem>{0}<t:End>2026-11-23T13:00:00.000000000Z</t:End>{1}<t:ItemId Id="A"/>{0}<t:Start> 2026-11-23T13:00:00+0100 </t:Start>{1}</t:CalendarItem>"#,
            zone("EndTimeZone"),
            zone("StartTimeZone"),
        );
        let page = page("", &xml).unwrap();
        let item = &page.items[0];
        assert_eq!(item.start.instant().unwrap().to_string(), "2026-11-23T12:00:00Z");
        let zone = item.start_zone.as_ref().unwrap().wire().resolve(None);
        assert_eq!(zone.provenance, crate::zone::Provenance::ServerRules);
        assert!(item.more.is_none());
    }
}
