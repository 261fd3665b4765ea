use m365_core::Result;

use crate::operation::{EwsOperation, read_messages};
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

wire_enum! {
    /// The forms that ids of the store come in.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/alternateid>.
    IdFormat {
        /// Exchange 2007 before its service pack 1.
        EwsLegacyId = "EwsLegacyId",
        /// What EWS speaks: [`ItemId`](crate::ItemId), [`FolderId`](crate::FolderId).
        EwsId = "EwsId",
        /// MAPI's, in base64.
        EntryId = "EntryId",
        /// MAPI's, in hexadecimal digits; GetUserAvailability names events by it.
        HexEntryId = "HexEntryId",
        /// The store's.
        StoreId = "StoreId",
        /// Outlook on the web's.
        OwaId = "OwaId",
    }
}

/// An id in one of its forms.
///
/// Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/alternateid>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/alternatepublicfolderid>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/alternatepublicfolderitemid>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlternateId {
    /// Of an item or folder in a mailbox.
    Mailbox {
        /// The form.
        format: IdFormat,
        /// The id.
        id: Box<str>,
        /// The mailbox's address.
        mailbox: Box<str>,
        /// Whether it is in the mailbox's archive.
        is_archive: bool,
    },
    /// Of a public folder.
    PublicFolder {
        /// The form.
        format: IdFormat,
        /// The folder.
        folder: Box<str>,
    },
    /// Of an item in a public folder.
    PublicFolderItem {
        /// The form.
        format: IdFormat,
        /// The folder.
        folder: Box<str>,
        /// The item.
        item: Box<str>,
    },
}

impl AlternateId {
    /// An id of a mailbox, not of its archive.
    pub fn new(format: IdFormat, id: impl Into<Box<str>>, mailbox: impl Into<Box<str>>) -> Self {
        Self::Mailbox { format, id: id.into(), mailbox: mailbox.into(), is_archive: false }
    }

    /// The id itself: the item's, or else the folder's.
    pub fn id(&self) -> &str {
        match self {
            Self::Mailbox { id, .. } => id,
            Self::PublicFolder { folder, .. } => folder,
            Self::PublicFolderItem { item, .. } => item,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Mailbox { format, id, mailbox, is_archive } => {
                let attributes = [
                    ("Format", format.as_str()),
                    ("Id", id.as_ref()),
                    ("Mailbox", mailbox.as_ref()),
                    ("IsArchive", "true"),
                ];
                let used = if *is_archive { 4 } else { 3 };
                writer.empty("t:AlternateId", attributes.get(..used).unwrap_or_default());
            }
            Self::PublicFolder { format, folder } => {
                let attributes = [("Format", format.as_str()), ("FolderId", folder.as_ref())];
                writer.empty("t:AlternatePublicFolderId", &attributes);
            }
            Self::PublicFolderItem { format, folder, item } => writer.empty(
                "t:AlternatePublicFolderItemId",
                &[("Format", format.as_str()), ("FolderId", folder.as_ref()), ("ItemId", item.as_ref())],
            ),
        }
    }

    /// Which of the three it is stands in `xsi:type`; its attributes say as much.
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let names = ["Format", "Id", "Mailbox", "IsArchive", "FolderId", "ItemId"];
        let [format, id, mailbox, is_archive, folder, item] = cursor.attributes(element, names)?;
        let format = IdFormat::new(&format.ok_or_else(|| element.missing("the Format of an id"))?);
        match (id, folder, item) {
            (Some(id), _, _) => Ok(Self::Mailbox {
                format,
                id: id.into(),
                mailbox: mailbox.unwrap_or_default().into(),
                is_archive: matches!(is_archive.as_deref().map(str::trim_ascii), Some("true" | "1")),
            }),
            (None, Some(folder), None) => Ok(Self::PublicFolder { format, folder: folder.into() }),
            (None, Some(folder), Some(item)) => {
                Ok(Self::PublicFolderItem { format, folder: folder.into(), item: item.into() })
            }
            (None, None, _) => Err(element.missing("the id itself")),
        }
    }
}

/// Turns ids of one form into another: for instance what GetUserAvailability calls an event into an id that GetItem takes.
///
/// Each id is answered for itself; a malformed one with `ErrorInvalidIdMalformed`.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/convertid-operation>.
#[derive(Clone, Debug)]
pub struct ConvertId {
    destination: IdFormat,
    ids: Vec<AlternateId>,
}

impl ConvertId {
    /// These ids into this form.
    pub fn new(destination: IdFormat, ids: impl IntoIterator<Item = AlternateId>) -> Self {
        Self { destination, ids: ids.into_iter().collect() }
    }
}

impl EwsOperation for ConvertId {
    const NAME: &'static str = "ConvertId";
    type Item = AlternateId;

    fn asked(&self) -> usize {
        self.ids.len()
    }

    fn size_hint(&self) -> usize {
        256 + 320 * self.ids.len()
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        let ids: Option<Vec<_>> = places.iter().map(|at| self.ids.get(*at).cloned()).collect();
        Some(Self { destination: self.destination.clone(), ids: ids? })
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.open_with("m:ConvertId", &[("DestinationFormat", self.destination.as_str())]);
        writer.raw("<m:SourceIds>");
        for id in &self.ids {
            id.write(writer);
        }
        writer.raw("</m:SourceIds></m:ConvertId>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<AlternateId>>> {
        read_messages(cursor, root, |cursor, child, id| {
            if child.is("AlternateId") {
                *id = Some(AlternateId::read(cursor, child)?);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answer, failure, request};
    use crate::{CodeClass, ErrorKind};

    fn operation() -> ConvertId {
        let anna = "anna@contoso.example";
        ConvertId::new(
            IdFormat::EwsId,
            [
                AlternateId::new(IdFormat::HexEntryId, "0000B1", anna),
                AlternateId::Mailbox {
                    format: IdFormat::OwaId,
                    id: "AA<\"+".into(),
                    mailbox: anna.into(),
                    is_archive: true,
                },
                AlternateId::PublicFolder { format: IdFormat::EntryId, folder: "AAF".into() },
                AlternateId::PublicFolderItem {
                    format: IdFormat::StoreId,
                    folder: "AAF".into(),
                    item: "AAI".into(),
                },
            ],
        )
    }

    #[test]
    fn request_with_each_kind_of_id() {
        insta::assert_snapshot!("convert_id", request(&operation()));
        let rest = operation().only(&[2, 0]).unwrap();
        assert_eq!(rest.asked(), 2);
        assert_eq!(rest.ids[0].id(), "AAF");
        assert!(operation().only(&[4]).is_none());
    }

    #[test]
    fn trap_08_each_id_is_answered_for_itself() {
        let good = |attributes: &str| {
            format!(
                r#"<m:ConvertIdResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:AlternateId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" {attributes}/></m:ConvertIdResponseMessage>"#
            )
        };
        let bad = r#"<m:ConvertIdResponseMessage ResponseClass="Error"><m:MessageText>Id is malformed.</m:MessageText><m:ResponseCode>ErrorInvalidIdMalformed</m:ResponseCode></m:ConvertIdResponseMessage>"#;
        let body = format!(
            "<m:ConvertIdResponse><m:ResponseMessages>{}{bad}{}{}</m:ResponseMessages></m:ConvertIdResponse>",
            good(
                r#"xsi:type="t:AlternateIdType" Format="EwsId" Id="AAMk+/=" Mailbox="anna@contoso.example""#
            ),
            good(r#"xsi:type="t:AlternatePublicFolderIdType" Format="EwsId" FolderId="PF""#),
            good(r#"xsi:type="t:AlternatePublicFolderItemIdType" Format="Runes" FolderId="PF" ItemId="PI""#),
        );
        let answer = answer(&operation(), &body).unwrap();
        let ids: Vec<_> =
            answer.results.iter().map(|result| result.value.as_ref().map(AlternateId::id)).collect();
        assert_eq!(ids, [Some("AAMk+/="), None, Some("PF"), Some("PI")]);
        assert_eq!(answer.results[1].code.class(), CodeClass::BadId);
        let Some(AlternateId::PublicFolderItem { format, .. }) = &answer.results[3].value else { panic!() };
        assert_eq!(*format, IdFormat::Other("Runes".into()));
    }

    #[test]
    fn an_id_without_its_parts_is_an_error_with_a_place() {
        let one = ConvertId::new(IdFormat::EwsId, [AlternateId::new(IdFormat::EwsId, "x", "y@z.example")]);
        for attributes in ["", "Format=\"EwsId\"", "Format=\"EwsId\" ItemId=\"I\""] {
            let body = format!(
                "<m:ConvertIdResponse><m:ResponseMessages><m:X ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode><m:AlternateId {attributes}/></m:X></m:ResponseMessages></m:ConvertIdResponse>"
            );
            assert_eq!(failure(answer(&one, &body)).kind(), ErrorKind::InvalidResponse);
        }
    }
}
