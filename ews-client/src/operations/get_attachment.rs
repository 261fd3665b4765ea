use bytes::Bytes;
use m365_core::Result;

use crate::ids::AttachmentId;
use crate::item::{AttachmentInfo, read_base64};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::pick;
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Reads attachments: files with what is in them, attached items as MIME.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getattachment-operation>.
#[derive(Clone, Debug)]
pub struct GetAttachment {
    ids: Vec<AttachmentId>,
}

impl GetAttachment {
    /// These attachments, by the ids of [`AttachmentInfo::id`]. Whole files come in one answer: ask for few at a time.
    pub fn new(ids: impl IntoIterator<Item = AttachmentId>) -> Self {
        Self { ids: ids.into_iter().collect() }
    }
}

impl EwsOperation for GetAttachment {
    const NAME: &'static str = "GetAttachment";
    type Item = Attachment;

    fn asked(&self) -> usize {
        self.ids.len()
    }

    fn size_hint(&self) -> usize {
        400 + 300 * self.ids.len()
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self { ids: pick(&self.ids, places)? })
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw(concat!(
            "<m:GetAttachment><m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent>",
            "</m:AttachmentShape><m:AttachmentIds>",
        ));
        for id in &self.ids {
            writer.empty("t:AttachmentId", &[("Id", id.as_str())]);
        }
        writer.raw("</m:AttachmentIds></m:GetAttachment>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Attachment>>> {
        read_messages(cursor, root, |cursor, child, attachment| {
            if child.is("Attachments")
                && let Some(found) = cursor.next_child(child)?
            {
                *attachment = Some(Attachment::read(cursor, &found)?);
            }
            Ok(())
        })
    }
}

/// An attachment with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// Name, type and size.
    pub info: AttachmentInfo,
    /// What is in it.
    pub content: AttachmentContent,
}

/// What an attachment holds. `Debug` shows how long it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachmentContent {
    /// A file.
    File(Bytes),
    /// An item as MIME, where the server has a form for it: messages as RFC 5322, appointments as iCalendar.
    Item {
        /// Its element, such as `Message`.
        element: Box<str>,
        /// The text.
        mime: Option<Bytes>,
    },
    /// Something that lies elsewhere, such as a file in a cloud.
    Elsewhere,
}

impl std::fmt::Debug for AttachmentContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) => f.debug_tuple("File").field(&bytes.len()).finish(),
            Self::Item { element, mime } => f
                .debug_struct("Item")
                .field("element", element)
                .field("mime", &mime.as_ref().map(Bytes::len))
                .finish(),
            Self::Elsewhere => f.write_str("Elsewhere"),
        }
    }
}

impl Attachment {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut info = AttachmentInfo::of(element);
        let (mut file, mut item) = (None, None);
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "Content" => file = Some(read_base64(cursor, &child)?),
                // Every other element of an item attachment that is not of attachments in general is the item.
                "AttachmentId"
                | "Name"
                | "ContentType"
                | "ContentId"
                | "ContentLocation"
                | "Size"
                | "AttachmentOriginalUrl"
                | "LastModifiedTime"
                | "IsInline"
                | "IsContactPhoto" => {
                    info.take(cursor, &child)?;
                }
                "" => {}
                name => {
                    let mut mime = None;
                    while let Some(part) = cursor.next_child(&child)? {
                        if part.is("MimeContent") {
                            mime = Some(read_base64(cursor, &part)?);
                        }
                    }
                    item = Some((name, mime));
                }
            }
        }
        let content = match (element.ews(), file, item) {
            ("FileAttachment", Some(bytes), _) => AttachmentContent::File(bytes),
            ("FileAttachment", None, _) if info.size == Some(0) => AttachmentContent::File(Bytes::new()),
            ("FileAttachment", None, _) => return Err(element.missing("the Content")),
            ("ItemAttachment", _, Some((name, mime))) => {
                AttachmentContent::Item { element: name.into(), mime }
            }
            ("ItemAttachment", _, None) => return Err(element.missing("the item")),
            _ => AttachmentContent::Elsewhere,
        };
        Ok(Self { info, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::operations::testing::{answers, failure, own_request, success};

    fn two() -> GetAttachment {
        GetAttachment::new(["AAMkATT=".into(), "AAMk\"<+/".into()])
    }

    #[test]
    fn get_attachment() {
        insta::assert_snapshot!(own_request(&two()));
        insta::assert_snapshot!("get_attachment_again", own_request(&two().only(&[1]).unwrap()));
    }

    #[test]
    fn files_and_items_are_read() {
        let file = success(
            "GetAttachment",
            r#"<m:Attachments><t:FileAttachment><t:AttachmentId Id="A"/><t:Name>plan.txt</t:Name><t:ContentType>text/plain</t:ContentType><t:Size>5</t:Size><t:Content>aGVsbG8</t:Content></t:FileAttachment></m:Attachments>"#,
        );
        let item = success(
            "GetAttachment",
            r#"<m:Attachments><t:ItemAttachment><t:AttachmentId Id="B"/><t:Name>Fwd</t:Name><t:IsInline>false</t:IsInline><t:Message><t:MimeContent>SGk=</t:MimeContent><t:Subject>Hi</t:Subject></t:Message></t:ItemAttachment></m:Attachments>"#,
        );
        let results = answers(&two(), &(file + &item)).unwrap().results;
        let all: Vec<_> = results.into_iter().map(|result| result.into_result().unwrap()).collect();
        assert_eq!(
            all[0].content,
            AttachmentContent::File(Bytes::from_static(b"hello")),
            "padding is not needed"
        );
        assert_eq!(all[0].info.content_type.as_deref(), Some("text/plain"));
        let AttachmentContent::Item { element, mime } = &all[1].content else { panic!("{all:?}") };
        assert_eq!((&**element, mime.as_deref()), ("Message", Some(b"Hi".as_slice())));
        let text = format!("{all:?}");
        assert!(!text.contains("plan") && !text.contains("hello") && !text.contains("Fwd"), "{text}");
    }

    #[test]
    fn a_file_without_its_content_is_not_an_empty_one() {
        let read = |size: u32| {
            let text = success(
                "GetAttachment",
                &format!(
                    "<m:Attachments><t:FileAttachment><t:Size>{size}</t:Size></t:FileAttachment></m:Attachments>"
                ),
            );
            answers(&GetAttachment::new(["A".into()]), &text)
        };
        assert_eq!(failure(read(7)).kind(), ErrorKind::InvalidResponse);
        assert!(read(0).is_ok());
    }
}
