use m365_core::Result;

use crate::ids::{FolderId, SyncState};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::get_folder::{Folder, write_shape};
use crate::operations::sync_folder_items::{moved_on, read_state};
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// What changed among the folders below one since a state: calendars that were made, renamed or deleted.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderhierarchy-operation>.
#[derive(Clone, Debug)]
pub struct SyncFolderHierarchy {
    root: FolderRef,
    state: Option<SyncState>,
}

impl SyncFolderHierarchy {
    /// All folders below this one, at any depth.
    pub fn new(root: FolderRef) -> Self {
        Self { root, state: None }
    }

    /// What changed since this state, which must be one of this hierarchy: that of a folder's items is another.
    #[must_use]
    pub fn with_state(mut self, state: SyncState) -> Self {
        self.state = Some(state);
        self
    }

    /// What to ask next, or `None` when the page was the last.
    ///
    /// # Errors
    /// As [`SyncFolderItems::next`](crate::SyncFolderItems::next).
    pub fn next(&self, page: &HierarchyPage) -> Result<Option<Self>> {
        if page.includes_last {
            return Ok(None);
        }
        Ok(Some(self.clone().with_state(moved_on(self.state.as_ref(), page.state.as_ref())?)))
    }
}

impl EwsOperation for SyncFolderHierarchy {
    const NAME: &'static str = "SyncFolderHierarchy";
    type Item = HierarchyPage;

    fn asked(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw("<m:SyncFolderHierarchy>");
        write_shape(writer, false);
        writer.raw("<m:SyncFolderId>");
        self.root.write(writer, context.target());
        writer.raw("</m:SyncFolderId>");
        if let Some(state) = &self.state {
            writer.leaf("m:SyncState", state.as_str());
        }
        writer.raw("</m:SyncFolderHierarchy>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<HierarchyPage>>> {
        let mut last = None;
        let mut results = read_messages(cursor, root, |cursor, child, page: &mut Option<HierarchyPage>| {
            match child.ews() {
                "SyncState" => page.get_or_insert_default().state = read_state(cursor, child)?,
                "IncludesLastFolderInRange" => last = Some(cursor.boolean(child)?),
                "Changes" => {
                    let page = page.get_or_insert_default();
                    while let Some(change) = cursor.next_child(child)? {
                        page.changes.push(FolderChange::read(cursor, &change)?);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        for page in results.iter_mut().filter_map(|result| result.value.as_mut()) {
            page.includes_last = last.unwrap_or(page.changes.is_empty());
        }
        Ok(results)
    }
}

/// Changes of folders, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HierarchyPage {
    /// Where the hierarchy stands after these changes; as [`SyncPage::state`](crate::SyncPage::state).
    pub state: Option<SyncState>,
    /// Whether there are no more changes at present.
    pub includes_last: bool,
    /// What happened.
    pub changes: Vec<FolderChange>,
}

/// Something that happened to a folder.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/changes-hierarchy>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderChange {
    /// It is new.
    Created(Folder),
    /// It is another than before.
    Updated(Folder),
    /// It is gone. It may never have been told of.
    Deleted(FolderId),
    /// Something that this version does not know, by its element.
    Other(Box<str>),
}

impl FolderChange {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let first = cursor.next_child(element)?;
        let folder = |cursor: &mut Cursor<'a>| match first {
            Some(folder) => Folder::read(cursor, &folder),
            None => Err(element.missing("the folder")),
        };
        Ok(match element.ews() {
            "Create" => Self::Created(folder(cursor)?),
            "Update" => Self::Updated(folder(cursor)?),
            "Delete" => {
                let id =
                    first.filter(|id| id.is("FolderId")).ok_or_else(|| element.missing("the FolderId"))?;
                let text = cursor.attribute(&id, "Id")?.ok_or_else(|| id.missing("the Id"))?;
                Self::Deleted(text.into())
            }
            _ => Self::Other(element.local.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, success};
    use crate::{DistinguishedFolder, FolderClass};

    fn all() -> SyncFolderHierarchy {
        SyncFolderHierarchy::new(DistinguishedFolder::MsgFolderRoot.into())
    }

    #[test]
    fn sync_folder_hierarchy() {
        insta::assert_snapshot!(own_request(&all().with_state("H4sIAAAA".into())));
    }

    #[test]
    fn trap_14_a_folder_that_is_made_anew_has_another_id() {
        let text = success(
            "SyncFolderHierarchy",
            r#"<m:SyncState>H2</m:SyncState><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange><m:Changes><t:Delete><t:FolderId Id="OLD"/></t:Delete>
            <t:Create><t:CalendarFolder><t:FolderId Id="NEW"/><t:DisplayName>Team</t:DisplayName></t:CalendarFolder></t:Create><t:Update><t:Folder><t:FolderId Id="X"/></t:Folder></t:Update></m:Changes>"#,
        );
        let page = answers(&all(), &text).unwrap().results.remove(0).into_result().unwrap();
        let [gone, made, changed] = page.changes.as_slice() else { panic!("{page:?}") };
        assert_eq!(gone, &FolderChange::Deleted("OLD".into()));
        assert!(
            matches!(made, FolderChange::Created(folder) if folder.class == FolderClass::Calendar && folder.id.as_str() == "NEW")
        );
        assert!(matches!(changed, FolderChange::Updated(_)));
        assert!(all().next(&page).unwrap().is_none());
    }
}
