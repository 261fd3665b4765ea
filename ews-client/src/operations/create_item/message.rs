use std::fmt;

use bytes::Bytes;
use m365_core::{Idempotency, Result};

use super::read_created;
use crate::email_address::EmailAddress;
use crate::item::{ItemBody, ItemHead, Marker, write_base64};
use crate::operation::EwsOperation;
use crate::operations::{Importance, MessageDisposition, pick};
use crate::soap::{FolderRef, ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// Makes messages: drafts, or mail that is sent at once.
///
/// It is not idempotent: sent twice it makes two. A draft is safer: when an answer is lost, look for its
/// [`Marker`](crate::Marker), and send it by [`SendItem`](crate::SendItem).
///
/// ```
/// use ews_client::{CreateMessage, EmailAddress, ItemBody, MessageDisposition, NewMessage};
/// let hello = NewMessage::new("Hello", ItemBody::text("How are you?"))
///     .with_to([EmailAddress::smtp("bo@contoso.example")]);
/// let operation = CreateMessage::new(MessageDisposition::SendAndSaveCopy, [hello]);
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem-operation-email-message>.
#[derive(Clone, Debug)]
pub struct CreateMessage {
    disposition: MessageDisposition,
    messages: Vec<NewMessage>,
    folder: Option<FolderRef>,
}

impl CreateMessage {
    /// Makes these messages, each answered for itself: drafts with their ids, sent ones without.
    pub fn new(disposition: MessageDisposition, messages: impl IntoIterator<Item = NewMessage>) -> Self {
        Self { disposition, messages: messages.into_iter().collect(), folder: None }
    }

    /// Keeps drafts, or the copies of what is sent, in this folder rather than in drafts or sent items.
    #[must_use]
    pub fn with_saved_in(mut self, folder: FolderRef) -> Self {
        self.folder = Some(folder);
        self
    }
}

impl EwsOperation for CreateMessage {
    const NAME: &'static str = "CreateItem";
    /// The ids of what was kept.
    type Item = Vec<ItemHead>;

    fn asked(&self) -> usize {
        self.messages.len()
    }

    fn size_hint(&self) -> usize {
        400 + self.messages.iter().map(NewMessage::size_hint).sum::<usize>()
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NotIdempotent
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        Some(Self {
            messages: pick(&self.messages, places)?,
            disposition: self.disposition,
            folder: self.folder.clone(),
        })
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.open_with("m:CreateItem", &[("MessageDisposition", self.disposition.as_str())]);
        if let Some(folder) = &self.folder {
            writer.raw("<m:SavedItemFolderId>");
            folder.write(writer, context.target());
            writer.raw("</m:SavedItemFolderId>");
        }
        writer.raw("<m:Items>");
        for message in &self.messages {
            message.write(writer);
        }
        writer.raw("</m:Items></m:CreateItem>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<Vec<ItemHead>>>> {
        read_created(cursor, root)
    }
}

/// A message to be made. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    content: Content,
    importance: Option<Importance>,
    marker: Option<Marker>,
    to: Vec<EmailAddress>,
    cc: Vec<EmailAddress>,
    bcc: Vec<EmailAddress>,
    reply_to: Vec<EmailAddress>,
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    Mime(Bytes),
    Text { subject: Box<str>, body: ItemBody },
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage").finish_non_exhaustive()
    }
}

impl NewMessage {
    /// A message with this subject and text.
    pub fn new(subject: impl Into<Box<str>>, body: ItemBody) -> Self {
        Self::of(Content::Text { subject: subject.into(), body })
    }

    /// A message as it goes over the internet (RFC 5322). Recipients in its header are its recipients. A request holds some
    /// 290 kB of it.
    pub fn mime(content: impl Into<Bytes>) -> Self {
        Self::of(Content::Mime(content.into()))
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            importance: None,
            marker: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
        }
    }

    /// How important it is.
    #[must_use]
    pub fn with_importance(mut self, importance: Importance) -> Self {
        self.importance = Some(importance);
        self
    }

    /// A mark by which it is found again when an answer was lost.
    #[must_use]
    pub fn with_marker(mut self, marker: Marker) -> Self {
        self.marker = Some(marker);
        self
    }

    /// To whom.
    #[must_use]
    pub fn with_to(mut self, people: impl IntoIterator<Item = EmailAddress>) -> Self {
        self.to.extend(people);
        self
    }

    /// To whom for information.
    #[must_use]
    pub fn with_cc(mut self, people: impl IntoIterator<Item = EmailAddress>) -> Self {
        self.cc.extend(people);
        self
    }

    /// To whom unseen by the others.
    #[must_use]
    pub fn with_bcc(mut self, people: impl IntoIterator<Item = EmailAddress>) -> Self {
        self.bcc.extend(people);
        self
    }

    /// Where answers go.
    #[must_use]
    pub fn with_reply_to(mut self, people: impl IntoIterator<Item = EmailAddress>) -> Self {
        self.reply_to.extend(people);
        self
    }

    fn size_hint(&self) -> usize {
        let content = match &self.content {
            Content::Mime(bytes) => bytes.len() / 3 * 4,
            Content::Text { body, .. } => body.text.len(),
        };
        600 + content
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw("<t:Message>");
        match &self.content {
            Content::Mime(bytes) => {
                writer.raw("<t:MimeContent CharacterSet=\"UTF-8\">");
                write_base64(writer, bytes);
                writer.raw("</t:MimeContent>");
            }
            Content::Text { subject, body } => {
                writer.leaf("t:Subject", subject);
                body.write("t:Body", writer);
            }
        }
        if let Some(importance) = &self.importance {
            writer.leaf("t:Importance", importance.as_str());
        }
        if let Some(marker) = &self.marker {
            marker.write(writer);
        }
        for (name, people) in [
            ("t:ToRecipients", &self.to),
            ("t:CcRecipients", &self.cc),
            ("t:BccRecipients", &self.bcc),
            ("t:ReplyTo", &self.reply_to),
        ] {
            if people.is_empty() {
                continue;
            }
            writer.open(name);
            for person in people {
                writer.raw("<t:Mailbox>");
                person.write(writer);
                writer.raw("</t:Mailbox>");
            }
            writer.close(name);
        }
        writer.raw("</t:Message>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, success};
    use crate::{DistinguishedFolder, ErrorKind, RequestContext, Target};

    #[test]
    fn create_item_message() {
        let hello = NewMessage::new("R&D", ItemBody::html("<p>x</p>"))
            .with_reply_to([EmailAddress::smtp("team@contoso.example")])
            .with_bcc([EmailAddress::smtp("di@contoso.example")])
            .with_cc([EmailAddress::smtp("cy@contoso.example")])
            .with_to([EmailAddress::smtp("bo@contoso.example")])
            .with_marker(Marker::new("contoso-mail", "42"))
            .with_importance(Importance::Low);
        let operation = CreateMessage::new(MessageDisposition::SaveOnly, [hello])
            .with_saved_in(DistinguishedFolder::Drafts.into());
        assert!(!format!("{operation:?}").contains("R&D"));
        insta::assert_snapshot!(own_request(&operation));
    }

    #[test]
    fn create_item_mime() {
        let mime = NewMessage::mime("To: bo@contoso.example\r\nSubject: Hi\r\n\r\nHi\r\n");
        let operation = CreateMessage::new(MessageDisposition::SendOnly, [mime.clone(), mime]);
        insta::assert_snapshot!(own_request(&operation));
        assert_eq!(operation.idempotency(), Idempotency::NotIdempotent);
        let sent = success("CreateItem", "<m:Items/>") + &success("CreateItem", "");
        for result in answers(&operation, &sent).unwrap().results {
            assert_eq!(result.into_result().unwrap(), []);
        }
    }

    #[test]
    fn a_message_too_large_for_a_request_is_not_sent() {
        let operation =
            CreateMessage::new(MessageDisposition::SendOnly, [NewMessage::mime(vec![b'x'; 310_000])]);
        let context = RequestContext::new(&Target::SelfMailbox, crate::Capabilities::default());
        assert_eq!(crate::write_request(&operation, &context).unwrap_err().kind(), ErrorKind::Limit);
    }
}
