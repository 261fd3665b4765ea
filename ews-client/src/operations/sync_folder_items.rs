use m365_core::{Error, Result};

use crate::calendar_item::Interner;
use crate::ids::{ItemId, SyncState};
use crate::item::{Item, ItemHead};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::shape::{CALENDAR_VIEW, MESSAGE_VIEW, Property, Shape};
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// What changed in a folder since a state, 512 changes at a time.
///
/// A calendar tells of masters, never of occurrences: an exception is an update of its master. So it says *that* something
/// changed; what a day looks like says [`FindItem`](crate::FindItem). Keep the state of a page only after its changes are dealt with.
///
/// ```
/// use ews_client::{DistinguishedFolder, SyncFolderItems};
/// let all = SyncFolderItems::new(DistinguishedFolder::Calendar.into());
/// let since = all.clone().with_state("H4sIAAAA".into());
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderitems-operation>.
#[derive(Clone, Debug)]
pub struct SyncFolderItems {
    folder: FolderRef,
    state: Option<SyncState>,
    ignored: Vec<ItemId>,
    max_changes: u32,
    properties: &'static [Property],
}

impl SyncFolderItems {
    /// All that is in this folder, by ids alone: each further property costs the server another look into its database.
    pub fn new(folder: FolderRef) -> Self {
        Self { folder, state: None, ignored: Vec::new(), max_changes: 512, properties: &[] }
    }

    /// What changed since this state, which must be one of this very folder: that of a folder's hierarchy is another.
    #[must_use]
    pub fn with_state(mut self, state: SyncState) -> Self {
        self.state = Some(state);
        self
    }

    /// With the properties that a view of a calendar has.
    #[must_use]
    pub fn with_calendar_properties(mut self) -> Self {
        self.properties = CALENDAR_VIEW;
        self
    }

    /// With the properties that a list of messages has.
    #[must_use]
    pub fn with_message_properties(mut self) -> Self {
        self.properties = MESSAGE_VIEW;
        self
    }

    /// At most so many changes, 1 to 512.
    #[must_use]
    pub fn with_max_changes(mut self, changes: u32) -> Self {
        self.max_changes = changes.clamp(1, 512);
        self
    }

    /// Silent about these items.
    #[must_use]
    pub fn with_ignored(mut self, items: impl IntoIterator<Item = ItemId>) -> Self {
        self.ignored.extend(items);
        self
    }

    /// What to ask next, or `None` when the page was the last. Whatever comes next, keep [`SyncPage::state`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): more follows, and the state has not moved, or is missing.
    pub fn next(&self, page: &SyncPage) -> Result<Option<Self>> {
        if page.includes_last {
            return Ok(None);
        }
        Ok(Some(self.clone().with_state(moved_on(self.state.as_ref(), page.state.as_ref())?)))
    }
}

impl EwsOperation for SyncFolderItems {
    const NAME: &'static str = "SyncFolderItems";
    type Item = SyncPage;

    fn asked(&self) -> usize {
        1
    }

    fn size_hint(&self) -> usize {
        let state = self.state.as_ref().map_or(0, |state| state.as_str().len());
        600 + 64 * self.properties.len() + state + 256 * self.ignored.len()
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw("<m:SyncFolderItems>");
        Shape::of(&[self.properties]).write(writer, context.capabilities());
        writer.raw("<m:SyncFolderId>");
        self.folder.write(writer, context.target());
        writer.raw("</m:SyncFolderId>");
        if let Some(state) = &self.state {
            writer.leaf("m:SyncState", state.as_str());
        }
        if !self.ignored.is_empty() {
            writer.raw("<m:Ignore>");
            for id in &self.ignored {
                writer.empty("t:ItemId", &[("Id", id.as_str())]);
            }
            writer.raw("</m:Ignore>");
        }
        writer.raw("<m:MaxChangesReturned>");
        writer.number(self.max_changes);
        writer.raw("</m:MaxChangesReturned>");
        if context.capabilities().time_zones() {
            writer.raw("<m:SyncScope>NormalItems</m:SyncScope>");
        }
        writer.raw("</m:SyncFolderItems>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<SyncPage>>> {
        let mut seen = Interner::default();
        let mut last = None;
        let mut results = read_messages(cursor, root, |cursor, child, page: &mut Option<SyncPage>| {
            match child.ews() {
                "SyncState" => page.get_or_insert_default().state = read_state(cursor, child)?,
                "IncludesLastItemInRange" => last = Some(cursor.boolean(child)?),
                "Changes" => {
                    let page = page.get_or_insert_default();
                    while let Some(change) = cursor.next_child(child)? {
                        page.changes.push(SyncChange::read(cursor, &change, &mut seen)?);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        for page in results.iter_mut().filter_map(|result| result.value.as_mut()) {
            // Where it is not said, the end is a page without changes.
            page.includes_last = last.unwrap_or(page.changes.is_empty());
        }
        Ok(results)
    }
}

/// A state that can be kept: `ErrorInvalidSyncStateData` comes with an empty one.
pub(super) fn read_state<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<Option<SyncState>, XmlError> {
    let text = cursor.value(element)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

/// The state to go on from, which must be another than the one that was asked with: else the same page comes for ever.
pub(super) fn moved_on(asked: Option<&SyncState>, answered: Option<&SyncState>) -> Result<SyncState> {
    answered
        .filter(|state| asked != Some(*state))
        .cloned()
        .ok_or_else(|| Error::unreadable("more changes follow, and there is no new state to ask for them"))
}

/// Changes of a folder, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncPage {
    /// Where the folder stands after these changes. `None` when the server gave none: then there is nothing to keep, and the
    /// old one must not be kept either if the answer was `ErrorInvalidSyncStateData`.
    pub state: Option<SyncState>,
    /// Whether there are no more changes at present.
    pub includes_last: bool,
    /// What happened.
    pub changes: Vec<SyncChange>,
}

/// Something that happened to an item.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/changes-items>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncChange {
    /// It is new in the folder.
    Created(Item),
    /// It is another than before.
    Updated(Item),
    /// It is in the folder no more. It may never have been told of.
    Deleted(ItemId),
    /// It was read, or marked as unread.
    ReadFlagChanged {
        /// Which one.
        item: ItemHead,
        /// Read.
        is_read: bool,
    },
    /// Something that this version does not know, by its element. The folder changed.
    Other(Box<str>),
}

impl SyncChange {
    fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        seen: &mut Interner,
    ) -> Result<Self, XmlError> {
        let item = |cursor: &mut Cursor<'a>, seen: &mut Interner| match cursor.next_child(element)? {
            Some(item) => Item::read(cursor, &item, seen),
            None => Err(element.missing("the item")),
        };
        Ok(match element.ews() {
            "Create" => Self::Created(item(cursor, seen)?),
            "Update" => Self::Updated(item(cursor, seen)?),
            "Delete" => {
                let (head, _) = read_flagged(cursor, element)?;
                Self::Deleted(head.id)
            }
            "ReadFlagChange" => {
                let (item, is_read) = read_flagged(cursor, element)?;
                Self::ReadFlagChanged { item, is_read: is_read.ok_or_else(|| element.missing("IsRead"))? }
            }
            _ => Self::Other(element.local.into()),
        })
    }
}

fn read_flagged<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<(ItemHead, Option<bool>), XmlError> {
    let (mut head, mut is_read) = (None, None);
    while let Some(part) = cursor.next_child(element)? {
        match part.ews() {
            "ItemId" => head = Some(ItemHead::read(cursor, &part)?),
            "IsRead" => is_read = Some(cursor.boolean(&part)?),
            _ => {}
        }
    }
    Ok((head.ok_or_else(|| element.missing("the ItemId"))?, is_read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, request_in, success};
    use crate::soap::SchemaVersion;
    use crate::{CodeClass, DistinguishedFolder, ResponseCode};

    fn calendar() -> SyncFolderItems {
        SyncFolderItems::new(DistinguishedFolder::Calendar.into())
    }

    #[test]
    fn sync_folder_items_first() {
        insta::assert_snapshot!(own_request(&calendar()));
    }

    #[test]
    fn sync_folder_items_again() {
        let operation = SyncFolderItems::new(DistinguishedFolder::Inbox.into())
            .with_state("H4sIAAAA+/=".into())
            .with_ignored(["AAMkAD0=".into()])
            .with_max_changes(10_000)
            .with_message_properties();
        let text = own_request(&operation);
        assert!(text.contains("<m:MaxChangesReturned>512<"));
        insta::assert_snapshot!(text);
        assert!(!request_in(&operation, SchemaVersion::Exchange2007Sp1).contains("SyncScope"));
    }

    #[test]
    fn every_kind_of_change_is_read() {
        let text = success(
            "SyncFolderItems",
            r#"<m:SyncState>H4sIAAAB</m:SyncState><m:IncludesLastItemInRange>false</m:IncludesLastItemInRange><m:Changes>
            <t:Create><t:CalendarItem><t:ItemId Id="A" ChangeKey="1"/></t:CalendarItem></t:Create>
            <t:Update><t:CalendarItem><t:ItemId Id="B"/><t:Start>2026-11-23T09:00:00Z</t:Start><t:End>2026-11-23T10:00:00Z</t:End></t:CalendarItem></t:Update>
            <t:Create><t:Message><t:ItemId Id="C"/></t:Message></t:Create><t:Delete><t:ItemId Id="D"/></t:Delete>
            <t:ReadFlagChange><t:ItemId Id="E" ChangeKey="2"/><t:IsRead>1</t:IsRead></t:ReadFlagChange><t:Archive><t:ItemId Id="F"/></t:Archive></m:Changes>"#,
        );
        let results = answers(&calendar(), &text).unwrap().results;
        let page = results.into_iter().next().unwrap().into_result().unwrap();
        let [one, two, three, four, five, six] = page.changes.as_slice() else { panic!("{page:?}") };
        assert!(matches!(one, SyncChange::Created(Item::CalendarHead(head)) if head.id.as_str() == "A"));
        assert!(matches!(two, SyncChange::Updated(Item::Calendar(item)) if item.id.as_str() == "B"));
        assert!(
            matches!(three, SyncChange::Created(Item::Message(message)) if message.head.id.as_str() == "C")
        );
        assert_eq!(four, &SyncChange::Deleted("D".into()), "trap 14: nobody told of it before");
        assert!(matches!(five, SyncChange::ReadFlagChanged { is_read: true, .. }));
        assert_eq!(six, &SyncChange::Other("Archive".into()));
        assert_eq!(calendar().next(&page).unwrap().unwrap().state, Some("H4sIAAAB".into()));
        let stuck = calendar().with_state("H4sIAAAB".into());
        assert!(stuck.next(&page).is_err(), "it would ask the same for ever");
    }

    #[test]
    fn trap_14_an_empty_state_is_not_kept() {
        let text = r#"<m:SyncFolderItemsResponseMessage ResponseClass="Error"><m:MessageText>The state is no state.</m:MessageText><m:ResponseCode>ErrorInvalidSyncStateData</m:ResponseCode>
            <m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange></m:SyncFolderItemsResponseMessage>"#;
        let result = answers(&calendar().with_state("garbage".into()), text).unwrap().results.remove(0);
        assert_eq!(result.code, ResponseCode::ERROR_INVALID_SYNC_STATE_DATA);
        assert_eq!(result.code.class(), CodeClass::StartAnew);
        assert_eq!(result.value.unwrap().state, None);
    }

    #[test]
    fn trap_14_the_boundary_of_512_changes() {
        let many = "<t:Delete><t:ItemId Id=\"A\"/></t:Delete>".repeat(512);
        let text = |last: &str| {
            success(
                "SyncFolderItems",
                &format!("<m:SyncState>S2</m:SyncState>{last}<m:Changes>{many}</m:Changes>"),
            )
        };
        let page = |text: &str| answers(&calendar(), text).unwrap().results.remove(0).into_result().unwrap();
        let full = page(&text("<m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"));
        assert_eq!(full.changes.len(), 512);
        assert!(calendar().next(&full).unwrap().is_none(), "512 can be all there are");
        assert!(calendar().next(&page(&text(""))).unwrap().is_some(), "not said: asked again");
        let empty = page(&success("SyncFolderItems", "<m:SyncState>S2</m:SyncState><m:Changes/>"));
        assert!(calendar().next(&empty).unwrap().is_none());
    }
}
