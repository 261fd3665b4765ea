use m365_core::Result;

use crate::operation::{EwsOperation, read_messages};
use crate::operations::Paging;
use crate::operations::get_folder::{Folder, write_shape};
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Lists the folders below one, page by page: how secondary calendars are found. A name is no way to find a folder, its class
/// is: see [`Folder::class`].
///
/// ```
/// use ews_client::{DistinguishedFolder, FindFolder};
/// let calendars = FindFolder::deep(DistinguishedFolder::MsgFolderRoot.into()).with_class("IPF.Appointment");
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/findfolder-operation>.
#[derive(Clone, Debug)]
pub struct FindFolder {
    parent: FolderRef,
    deep: bool,
    class: Option<Box<str>>,
    offset: u32,
    max_entries: u32,
}

impl FindFolder {
    /// All folders below this one, at any depth, in pages of 500.
    pub fn deep(parent: FolderRef) -> Self {
        Self { parent, deep: true, class: None, offset: 0, max_entries: 500 }
    }

    /// The folders directly below this one, in pages of 500.
    pub fn shallow(parent: FolderRef) -> Self {
        Self { deep: false, ..Self::deep(parent) }
    }

    /// Only those of exactly this class, such as `IPF.Appointment`. Classes below it (`IPF.Appointment.Birthday`) are not of it:
    /// who wants them asks for all folders.
    #[must_use]
    pub fn with_class(mut self, class: impl Into<Box<str>>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// From this place on, counted from 0.
    #[must_use]
    pub fn with_offset(mut self, offset: u32) -> Self {
        self.offset = offset;
        self
    }

    /// At most so many.
    #[must_use]
    pub fn with_max_entries(mut self, folders: u32) -> Self {
        self.max_entries = folders.clamp(1, 1000);
        self
    }

    /// What to ask next, or `None` after the last page.
    ///
    /// # Errors
    /// As [`FindItemPaged::next`](crate::FindItemPaged::next).
    pub fn next(&self, page: &FolderPage) -> Result<Option<Self>> {
        Ok(page.paging.next(self.offset, page.folders.len())?.map(|offset| self.clone().with_offset(offset)))
    }
}

impl EwsOperation for FindFolder {
    const NAME: &'static str = "FindFolder";
    type Item = FolderPage;

    fn asked(&self) -> usize {
        1
    }

    fn size_hint(&self) -> usize {
        1400
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw(if self.deep {
            "<m:FindFolder Traversal=\"Deep\">"
        } else {
            "<m:FindFolder Traversal=\"Shallow\">"
        });
        write_shape(writer, false);
        Paging::write(writer, "m:IndexedPageFolderView", self.max_entries, self.offset);
        if let Some(class) = &self.class {
            writer.raw(concat!(
                r#"<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="folder:FolderClass"/>"#,
                "<t:FieldURIOrConstant>",
            ));
            writer.empty("t:Constant", &[("Value", class)]);
            writer.raw("</t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>");
        }
        writer.raw("<m:ParentFolderIds>");
        self.parent.write(writer, context.target());
        writer.raw("</m:ParentFolderIds></m:FindFolder>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<FolderPage>>> {
        read_messages(cursor, root, |cursor, child, page| {
            if child.is("RootFolder") {
                *page = Some(FolderPage::read(cursor, child)?);
            }
            Ok(())
        })
    }
}

/// A page of folders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderPage {
    /// In the order of the answer.
    pub folders: Vec<Folder>,
    /// Where the page ends, and how many there are in all.
    pub paging: Paging,
}

impl FolderPage {
    fn read<'a>(cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Self, XmlError> {
        let paging = Paging::read(cursor, root)?;
        let mut folders = Vec::new();
        while let Some(list) = cursor.next_child(root)? {
            if list.is("Folders") {
                while let Some(folder) = cursor.next_child(&list)? {
                    folders.push(Folder::read(cursor, &folder)?);
                }
            }
        }
        Ok(Self { folders, paging })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, request_for, success};
    use crate::{DistinguishedFolder, FolderClass, Target};

    fn calendars() -> FindFolder {
        FindFolder::deep(DistinguishedFolder::MsgFolderRoot.into()).with_class("IPF.Appointment")
    }

    #[test]
    fn find_folder_calendars() {
        insta::assert_snapshot!(own_request(&calendars()));
    }

    #[test]
    fn find_folder_of_somebody_else() {
        let owner = m365_core::MailboxAddress::parse("anna@contoso.example").unwrap();
        let operation = FindFolder::shallow(DistinguishedFolder::Calendar.into()).with_offset(500);
        insta::assert_snapshot!(request_for(&operation, &Target::Delegate(owner)));
    }

    #[test]
    fn secondary_calendars_are_known_by_class_or_element() {
        let text = success(
            "FindFolder",
            r#"<m:RootFolder TotalItemsInView="2" IncludesLastItemInRange="false"><t:Folders><t:CalendarFolder><t:FolderId Id="A"/><t:ParentFolderId Id="R"/><t:DisplayName>Agenda</t:DisplayName></t:CalendarFolder>
            <t:Folder><t:FolderId Id="B"/><t:FolderClass>IPF.Appointment.Birthday</t:FolderClass></t:Folder></t:Folders></m:RootFolder>"#,
        );
        let results = answers(&calendars(), &text).unwrap().results;
        let page = results.into_iter().next().unwrap().into_result().unwrap();
        assert!(page.folders.iter().all(|folder| folder.class == FolderClass::Calendar));
        assert_eq!(page.folders[0].parent.as_ref().map(|id| id.as_str()), Some("R"));
        assert_eq!(calendars().next(&page).unwrap().unwrap().offset, 2);
    }
}
