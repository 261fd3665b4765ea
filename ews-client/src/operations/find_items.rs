use jiff::Timestamp;
use m365_core::Result;

use crate::calendar_item::Interner;
use crate::item::{Item, Marker};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::paging::Paging;
use crate::operations::shape::{CALENDAR_VIEW, MESSAGE_VIEW, Shape};
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Lists the items of a folder page by page: messages, the newest first; or calendar items as they are stored, with masters in
/// place of their occurrences ([`FindItem`](crate::FindItem) is the one that expands).
///
/// ```
/// use ews_client::{DistinguishedFolder, FindItemPaged};
/// let unread = FindItemPaged::messages(DistinguishedFolder::Inbox.into()).with_unread_only();
/// ```
///
/// Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/finditem-operation>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/indexedpageitemview>.
#[derive(Clone, Debug)]
pub struct FindItemPaged {
    folder: FolderRef,
    calendar: bool,
    offset: u32,
    max_entries: u32,
    unread: bool,
    since: Option<Timestamp>,
    marker: Option<Marker>,
}

impl FindItemPaged {
    /// The messages of this folder, in pages of 250.
    pub fn messages(folder: FolderRef) -> Self {
        Self::of(folder, false)
    }

    /// The appointments and masters of this folder, in pages of 250.
    pub fn calendar(folder: FolderRef) -> Self {
        Self::of(folder, true)
    }

    fn of(folder: FolderRef, calendar: bool) -> Self {
        Self { folder, calendar, offset: 0, max_entries: 250, unread: false, since: None, marker: None }
    }

    /// From this place on, counted from 0.
    #[must_use]
    pub fn with_offset(mut self, offset: u32) -> Self {
        self.offset = offset;
        self
    }

    /// At most so many; a server gives 1,000, and 250 under a condition.
    #[must_use]
    pub fn with_max_entries(mut self, items: u32) -> Self {
        self.max_entries = items.clamp(1, 1000);
        self
    }

    /// Only what was not read.
    #[must_use]
    pub fn with_unread_only(mut self) -> Self {
        self.unread = true;
        self
    }

    /// Only what came in at this time or later.
    #[must_use]
    pub fn with_received_since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Only what has this mark: whether an item was made although the answer was lost. The mark comes along with each item
    /// ([`Marker::is`]), by which a server is found out that passes over the condition.
    #[must_use]
    pub fn with_marker(mut self, marker: Marker) -> Self {
        self.marker = Some(marker);
        self
    }

    /// What to ask next, or `None` after the last page.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): the page says that there are more, and gives no way to
    /// come nearer to them.
    pub fn next(&self, page: &ItemPage) -> Result<Option<Self>> {
        Ok(page.paging.next(self.offset, page.items.len())?.map(|offset| self.clone().with_offset(offset)))
    }

    fn write_restriction(&self, writer: &mut Writer) {
        let conditions = [self.unread, self.since.is_some(), self.marker.is_some()];
        let count = conditions.into_iter().filter(|set| *set).count();
        if count == 0 {
            return;
        }
        writer.raw("<m:Restriction>");
        if count > 1 {
            writer.raw("<t:And>");
        }
        if self.unread {
            writer.raw(concat!(
                r#"<t:IsEqualTo><t:FieldURI FieldURI="message:IsRead"/>"#,
                r#"<t:FieldURIOrConstant><t:Constant Value="false"/></t:FieldURIOrConstant></t:IsEqualTo>"#,
            ));
        }
        if let Some(since) = &self.since {
            writer.raw(r#"<t:IsGreaterThanOrEqualTo><t:FieldURI FieldURI="item:DateTimeReceived"/>"#);
            writer.raw("<t:FieldURIOrConstant><t:Constant Value=\"");
            writer.timestamp(since);
            writer.raw("\"/></t:FieldURIOrConstant></t:IsGreaterThanOrEqualTo>");
        }
        if let Some(marker) = &self.marker {
            marker.write_restriction(writer);
        }
        if count > 1 {
            writer.raw("</t:And>");
        }
        writer.raw("</m:Restriction>");
    }
}

impl EwsOperation for FindItemPaged {
    const NAME: &'static str = "FindItem";
    type Item = ItemPage;

    fn asked(&self) -> usize {
        1
    }

    fn size_hint(&self) -> usize {
        2400
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw("<m:FindItem Traversal=\"Shallow\">");
        let view = if self.calendar { CALENDAR_VIEW } else { MESSAGE_VIEW };
        // The mark is asked for, too: a server that passes over the condition must not pass for one that found it.
        let named: Vec<Box<str>> = self.marker.iter().map(|marker| marker.name().into()).collect();
        Shape { named: &named, ..Shape::of(&[view]) }.write(writer, context.capabilities());
        Paging::write(writer, "m:IndexedPageItemView", self.max_entries, self.offset);
        self.write_restriction(writer);
        // Without an order, pages need not fit together.
        writer.raw(if self.calendar {
            r#"<m:SortOrder><t:FieldOrder Order="Ascending"><t:FieldURI FieldURI="calendar:Start"/></t:FieldOrder></m:SortOrder>"#
        } else {
            r#"<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeReceived"/></t:FieldOrder></m:SortOrder>"#
        });
        writer.raw("<m:ParentFolderIds>");
        self.folder.write(writer, context.target());
        writer.raw("</m:ParentFolderIds></m:FindItem>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<ItemPage>>> {
        read_messages(cursor, root, |cursor, child, page| {
            if child.is("RootFolder") {
                *page = Some(ItemPage::read(cursor, child)?);
            }
            Ok(())
        })
    }
}

/// A page of the items of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemPage {
    /// In the order asked.
    pub items: Vec<Item>,
    /// Where the page ends, and how many there are in all.
    pub paging: Paging,
}

impl ItemPage {
    fn read<'a>(cursor: &mut Cursor<'a>, folder: &Element<'a>) -> Result<Self, XmlError> {
        let paging = Paging::read(cursor, folder)?;
        let (mut items, mut seen) = (Vec::new(), Interner::default());
        while let Some(list) = cursor.next_child(folder)? {
            if list.is("Items") {
                while let Some(item) = cursor.next_child(&list)? {
                    items.push(Item::read(cursor, &item, &mut seen)?);
                }
            }
        }
        Ok(Self { items, paging })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DistinguishedFolder;
    use crate::operations::testing::{answers, own_request, success};

    #[test]
    fn find_item_messages() {
        let operation = FindItemPaged::messages(DistinguishedFolder::Inbox.into()).with_offset(250);
        insta::assert_snapshot!(own_request(&operation));
    }

    #[test]
    fn find_item_unread_messages() {
        let operation = FindItemPaged::messages(DistinguishedFolder::Inbox.into())
            .with_unread_only()
            .with_received_since("2026-11-20T00:00:00Z".parse().unwrap())
            .with_max_entries(50);
        insta::assert_snapshot!(own_request(&operation));
    }

    #[test]
    fn trap_22_find_item_by_marker() {
        let operation = FindItemPaged::calendar(DistinguishedFolder::Calendar.into())
            .with_marker(Marker::new("contoso-booking", "6f9b \"42\""));
        insta::assert_snapshot!(own_request(&operation));
    }

    fn page(attributes: &str, items: &str) -> ItemPage {
        let text = success(
            "FindItem",
            &format!("<m:RootFolder {attributes}><t:Items>{items}</t:Items></m:RootFolder>"),
        );
        let operation = FindItemPaged::messages(DistinguishedFolder::Inbox.into());
        let results = answers(&operation, &text).unwrap().results;
        results.into_iter().next().unwrap().into_result().unwrap()
    }

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let inbox = FindItemPaged::messages(DistinguishedFolder::Inbox.into()).with_offset(2);
        let two = r#"<t:Message><t:ItemId Id="A"/><t:IsRead>true</t:IsRead></t:Message><t:MeetingRequest><t:ItemId Id="B"/><t:Subject>Invited</t:Subject></t:MeetingRequest><t:Contact><t:ItemId Id="C"/></t:Contact>"#;
        let read =
            page(r#"IndexedPagingOffset="5" TotalItemsInView="9" IncludesLastItemInRange="false""#, two);
        assert_eq!((read.items.len(), read.paging.total), (3, Some(9)));
        assert!(matches!(&read.items[1], Item::Message(m) if m.kind == crate::MessageKind::MeetingRequest));
        assert!(matches!(&read.items[2], Item::Other { element, .. } if &**element == "Contact"));
        assert_eq!(inbox.next(&read).unwrap().unwrap().offset, 5);
        // Without an offset of the server's, and with one that stands still, what came is counted.
        for attributes in
            [r#"IncludesLastItemInRange="false""#, r#"IndexedPagingOffset="2" IncludesLastItemInRange="0""#]
        {
            assert_eq!(inbox.next(&page(attributes, two)).unwrap().unwrap().offset, 5);
        }
        assert!(inbox.next(&page(r#"IncludesLastItemInRange="true""#, two)).unwrap().is_none());
        assert!(
            inbox.next(&page(r#"IncludesLastItemInRange="false""#, "")).is_err(),
            "no way to come nearer"
        );
    }

    #[test]
    fn trap_13_a_master_comes_as_it_is_stored() {
        let read = page(
            r#"IncludesLastItemInRange="true""#,
            r#"<t:CalendarItem><t:ItemId Id="A"/><t:Start>2026-10-19T07:00:00Z</t:Start><t:End>2026-10-19T08:00:00Z</t:End><t:CalendarItemType>RecurringMaster</t:CalendarItemType></t:CalendarItem>"#,
        );
        let item = read.items.into_iter().next().unwrap().into_calendar().unwrap();
        assert_eq!(item.item_type, Some(crate::CalendarItemType::RecurringMaster));
        assert!(item.more.is_none());
    }
}
