use m365_core::Result;

use crate::ids::{ChangeKey, FolderId};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::pick;
use crate::operations::wire_enum::SharingRights;
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Reads folders: their ids, their class, and what the caller may do in them. It touches no item, so it is the right
/// question to ask whether a calendar can be reached.
///
/// A folder that is not there and one that the caller may not see are answered alike, with `ErrorFolderNotFound` or
/// `ErrorAccessDenied`.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getfolder-operation>.
#[derive(Clone, Debug)]
pub struct GetFolder {
    folders: Vec<FolderRef>,
    sharing: bool,
}

impl GetFolder {
    /// These folders, each answered for itself.
    pub fn new(folders: impl IntoIterator<Item = FolderRef>) -> Self {
        Self { folders: folders.into_iter().collect(), sharing: false }
    }

    /// Asks what the caller may see of a shared calendar, too. Only calendars and contacts have it, from Exchange 2010.
    #[must_use]
    pub fn with_sharing_rights(mut self) -> Self {
        self.sharing = true;
        self
    }
}

impl EwsOperation for GetFolder {
    const NAME: &'static str = "GetFolder";
    type Item = Folder;

    fn asked(&self) -> usize {
        self.folders.len()
    }

    fn size_hint(&self) -> usize {
        512 + 256 * self.folders.len()
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { folders: pick(&self.folders, places)?, sharing: self.sharing })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw("<m:GetFolder>");
        write_shape(writer, self.sharing && context.capabilities().time_zones());
        writer.raw("<m:FolderIds>");
        for folder in &self.folders {
            folder.write(writer, context.target());
        }
        writer.raw("</m:FolderIds></m:GetFolder>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Folder>>> {
        read_messages(cursor, root, |cursor, child, folder| {
            if child.is("Folders")
                && let Some(found) = cursor.next_child(child)?
            {
                *folder = Some(Folder::read(cursor, &found)?);
            }
            Ok(())
        })
    }
}

/// `m:FolderShape`: what [`Folder`] holds.
pub(super) fn write_shape(writer: &mut Writer, sharing: bool) {
    writer.raw(concat!(
        "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>",
        r#"<t:FieldURI FieldURI="folder:ParentFolderId"/>"#,
        r#"<t:FieldURI FieldURI="folder:DisplayName"/><t:FieldURI FieldURI="folder:FolderClass"/>"#,
        r#"<t:FieldURI FieldURI="folder:TotalCount"/><t:FieldURI FieldURI="folder:EffectiveRights"/>"#,
    ));
    if sharing {
        writer.raw(r#"<t:FieldURI FieldURI="folder:SharingEffectiveRights"/>"#);
    }
    writer.raw("</t:AdditionalProperties></m:FolderShape>");
}

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folder {
    /// Its id: opaque, telling the cases of letters apart, new when the folder is deleted and made again.
    pub id: FolderId,
    /// The version of its properties.
    pub change_key: Option<ChangeKey>,
    /// The folder that it lies in.
    pub parent: Option<FolderId>,
    /// Its name for people, in the mailbox's language.
    pub display_name: Option<Box<str>>,
    /// What it holds.
    pub class: FolderClass,
    /// How many items it holds.
    pub total_count: Option<u32>,
    /// What the caller may do in it.
    pub rights: Option<EffectiveRights>,
    /// What the caller may see of it, when it is a calendar and the server says so.
    pub sharing: Option<SharingRights>,
}

/// What kind of items a folder holds, from its class (`IPF.Appointment`) or else from its element (`t:CalendarFolder`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FolderClass {
    /// Appointments.
    Calendar,
    /// Messages.
    Mail,
    /// Contacts.
    Contacts,
    /// Tasks.
    Tasks,
    /// A class of its own.
    Other(Box<str>),
}

impl FolderClass {
    fn of_class(class: &str) -> Self {
        // Subclasses such as IPF.Appointment.Birthday hold the same kind of items.
        let is = |base: &str| {
            class.get(..base.len()).is_some_and(|head| head.eq_ignore_ascii_case(base))
                && matches!(class.as_bytes().get(base.len()), None | Some(b'.'))
        };
        match class {
            _ if is("IPF.Appointment") => Self::Calendar,
            _ if is("IPF.Note") => Self::Mail,
            _ if is("IPF.Contact") => Self::Contacts,
            _ if is("IPF.Task") => Self::Tasks,
            _ => Self::Other(class.into()),
        }
    }

    fn of_element(name: &str) -> Self {
        match name {
            "CalendarFolder" => Self::Calendar,
            "ContactsFolder" => Self::Contacts,
            "TasksFolder" => Self::Tasks,
            _ => Self::Other("".into()),
        }
    }
}

/// What the caller may do in a folder.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/effectiverights>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EffectiveRights {
    /// Make hidden items.
    pub create_associated: bool,
    /// Make items.
    pub create_contents: bool,
    /// Make folders.
    pub create_hierarchy: bool,
    /// Delete.
    pub delete: bool,
    /// Change.
    pub modify: bool,
    /// Read items.
    pub read: bool,
    /// Read private items, mailbox-wide; unknown to older servers.
    pub view_private_items: Option<bool>,
}

impl Folder {
    pub(super) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut id = None;
        let mut folder = Self {
            id: FolderId::from(""),
            change_key: None,
            parent: None,
            display_name: None,
            class: FolderClass::of_element(element.local),
            total_count: None,
            rights: None,
            sharing: None,
        };
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "FolderId" => {
                    id = cursor.attribute(&child, "Id")?.map(FolderId::from);
                    folder.change_key = cursor.attribute(&child, "ChangeKey")?.map(Into::into);
                }
                "ParentFolderId" => folder.parent = cursor.attribute(&child, "Id")?.map(FolderId::from),
                "DisplayName" => folder.display_name = Some(cursor.boxed(&child)?),
                "FolderClass" => {
                    let class = cursor.value(&child)?;
                    if !class.is_empty() {
                        folder.class = FolderClass::of_class(&class);
                    }
                }
                "TotalCount" => folder.total_count = Some(cursor.number(&child)?),
                "EffectiveRights" => folder.rights = Some(EffectiveRights::read(cursor, &child)?),
                "SharingEffectiveRights" => folder.sharing = Some(SharingRights::new(&cursor.value(&child)?)),
                _ => {}
            }
        }
        folder.id = id.ok_or_else(|| element.missing("the FolderId"))?;
        Ok(folder)
    }
}

impl EffectiveRights {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut rights = Self::default();
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "CreateAssociated" => rights.create_associated = cursor.boolean(&child)?,
                "CreateContents" => rights.create_contents = cursor.boolean(&child)?,
                "CreateHierarchy" => rights.create_hierarchy = cursor.boolean(&child)?,
                "Delete" => rights.delete = cursor.boolean(&child)?,
                "Modify" => rights.modify = cursor.boolean(&child)?,
                "Read" => rights.read = cursor.boolean(&child)?,
                "ViewPrivateItems" => rights.view_private_items = Some(cursor.boolean(&child)?),
                _ => {}
            }
        }
        Ok(rights)
    }
}
