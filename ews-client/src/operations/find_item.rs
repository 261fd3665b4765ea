use jiff::Timestamp;
use m365_core::Result;

use crate::calendar_item::{Interner, RawCalendarItem};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::pick;
use crate::operations::shape::{CALENDAR_VIEW, Shape};
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
        writer.raw("<m:FindItem Traversal=\"Shallow\">");
        Shape::of(&[CALENDAR_VIEW]).write(writer, context.capabilities());
        writer.raw("<m:CalendarView MaxEntriesReturned=\"");
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
