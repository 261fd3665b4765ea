use std::fmt;

use bytes::Bytes;

use super::{AttachmentInfo, ExtendedProperty, ItemBody, ItemHead, read_base64, read_strings};
use crate::calendar_item::read_time;
use crate::email_address::EmailAddress;
use crate::ids::FolderId;
use crate::operations::{Importance, MyResponseType, Sensitivity};
use crate::xml::{Cursor, Element, XmlError};
use crate::xs;

/// A message as the server gives it. What was not asked for, or what the server left out, is `None` or empty.
///
/// `Debug` shows neither texts nor people.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/message-ex15websvcsotherref>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its id and version.
    pub head: ItemHead,
    /// What kind of message.
    pub kind: MessageKind,
    /// The folder it lies in.
    pub parent_folder: Option<FolderId>,
    /// `IPM.Note`, or another class.
    pub item_class: Option<Box<str>>,
    /// Cut at 255 characters by FindItem; whole from GetItem.
    pub subject: Option<Box<str>>,
    /// How private it is.
    pub sensitivity: Option<Sensitivity>,
    /// The text.
    pub body: Option<ItemBody>,
    /// The whole message as it goes over the internet.
    pub mime: Option<Bytes>,
    /// Whether it has attachments that are not part of the body.
    pub has_attachments: Option<bool>,
    /// The attachments, without what is in them.
    pub attachments: Vec<AttachmentInfo>,
    /// When it came in.
    pub received: Option<xs::DateTime>,
    /// When it was sent.
    pub sent: Option<xs::DateTime>,
    /// When it was made.
    pub created: Option<xs::DateTime>,
    /// When it was changed last.
    pub last_modified: Option<xs::DateTime>,
    /// In bytes.
    pub size: Option<u64>,
    /// Labels.
    pub categories: Vec<Box<str>>,
    /// How important it is.
    pub importance: Option<Importance>,
    /// Whether it was read.
    pub is_read: Option<bool>,
    /// Whether it is not sent yet.
    pub is_draft: Option<bool>,
    /// In whose name. FindItem gives the name only, on some servers.
    pub from: Option<EmailAddress>,
    /// Who sent it.
    pub sender: Option<EmailAddress>,
    /// To whom.
    pub to: Vec<EmailAddress>,
    /// To whom for information.
    pub cc: Vec<EmailAddress>,
    /// To whom unseen by the others.
    pub bcc: Vec<EmailAddress>,
    /// Where answers go.
    pub reply_to: Vec<EmailAddress>,
    /// `Message-ID` of the internet.
    pub internet_message_id: Option<Box<str>>,
    /// The `Message-ID` that it answers.
    pub in_reply_to: Option<Box<str>>,
    /// The messages before it.
    pub references: Option<Box<str>>,
    /// The calendar item that an invitation is about.
    pub associated_calendar_item: Option<ItemHead>,
    /// What an answer to an invitation says.
    pub response: Option<MyResponseType>,
    /// Properties of one's own, as far as they were asked for.
    pub extended: Vec<ExtendedProperty>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("head", &self.head)
            .field("kind", &self.kind)
            .field("received", &self.received)
            .field("size", &self.size)
            .field("is_read", &self.is_read)
            .finish_non_exhaustive()
    }
}

/// What kind of message, by its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// `t:Message`.
    Message,
    /// An invitation.
    MeetingRequest,
    /// An answer to one.
    MeetingResponse,
    /// A meeting was called off.
    MeetingCancellation,
    /// Another message about a meeting.
    MeetingMessage,
    /// An item of a class that Exchange has no element for, such as a report of delivery.
    Item,
}

impl MessageKind {
    pub(crate) fn of_element(name: &str) -> Option<Self> {
        Some(match name {
            "Message" => Self::Message,
            "MeetingRequest" => Self::MeetingRequest,
            "MeetingResponse" => Self::MeetingResponse,
            "MeetingCancellation" => Self::MeetingCancellation,
            "MeetingMessage" => Self::MeetingMessage,
            "Item" => Self::Item,
            _ => return None,
        })
    }
}

impl Message {
    fn empty(kind: MessageKind) -> Self {
        Self {
            head: ItemHead::new(""),
            kind,
            parent_folder: None,
            item_class: None,
            subject: None,
            sensitivity: None,
            body: None,
            mime: None,
            has_attachments: None,
            attachments: Vec::new(),
            received: None,
            sent: None,
            created: None,
            last_modified: None,
            size: None,
            categories: Vec::new(),
            importance: None,
            is_read: None,
            is_draft: None,
            from: None,
            sender: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            internet_message_id: None,
            in_reply_to: None,
            references: None,
            associated_calendar_item: None,
            response: None,
            extended: Vec::new(),
        }
    }

    pub(crate) fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        kind: MessageKind,
    ) -> Result<Self, XmlError> {
        let mut message = Self::empty(kind);
        let mut head = None;
        while let Some(child) = cursor.next_child(element)? {
            if child.is("ItemId") {
                head = Some(ItemHead::read(cursor, &child)?);
            } else {
                message.take(cursor, &child)?;
            }
        }
        message.head = head.ok_or_else(|| element.missing("the ItemId"))?;
        Ok(message)
    }

    fn take<'a>(&mut self, cursor: &mut Cursor<'a>, child: &Element<'a>) -> Result<(), XmlError> {
        match child.ews() {
            "ParentFolderId" => self.parent_folder = cursor.attribute(child, "Id")?.map(Into::into),
            "ItemClass" => self.item_class = Some(cursor.boxed(child)?),
            "Subject" => self.subject = Some(cursor.boxed(child)?),
            "Sensitivity" => self.sensitivity = Some(Sensitivity::new(&cursor.text(child)?)),
            "Body" => self.body = Some(ItemBody::read(cursor, child)?),
            "MimeContent" => self.mime = Some(read_base64(cursor, child)?),
            "HasAttachments" => self.has_attachments = Some(cursor.boolean(child)?),
            "Attachments" => self.attachments = AttachmentInfo::read_all(cursor, child)?,
            "DateTimeReceived" => self.received = Some(read_time(cursor, child)?),
            "DateTimeSent" => self.sent = Some(read_time(cursor, child)?),
            "DateTimeCreated" => self.created = Some(read_time(cursor, child)?),
            "LastModifiedTime" => self.last_modified = Some(read_time(cursor, child)?),
            // A size is no reason to lose an item.
            "Size" => self.size = cursor.value(child)?.parse().ok(),
            "Categories" => self.categories = read_strings(cursor, child)?,
            "Importance" => self.importance = Some(Importance::new(&cursor.text(child)?)),
            "IsRead" => self.is_read = Some(cursor.boolean(child)?),
            "IsDraft" => self.is_draft = Some(cursor.boolean(child)?),
            "From" => self.from = read_people(cursor, child)?.pop(),
            "Sender" => self.sender = read_people(cursor, child)?.pop(),
            "ToRecipients" => self.to = read_people(cursor, child)?,
            "CcRecipients" => self.cc = read_people(cursor, child)?,
            "BccRecipients" => self.bcc = read_people(cursor, child)?,
            "ReplyTo" => self.reply_to = read_people(cursor, child)?,
            "InternetMessageId" => self.internet_message_id = Some(cursor.boxed(child)?),
            "InReplyTo" => self.in_reply_to = Some(cursor.boxed(child)?),
            "References" => self.references = Some(cursor.boxed(child)?),
            "AssociatedCalendarItemId" => {
                self.associated_calendar_item = Some(ItemHead::read(cursor, child)?);
            }
            "ResponseType" => self.response = Some(MyResponseType::new(&cursor.text(child)?)),
            "ExtendedProperty" => self.extended.push(ExtendedProperty::read(cursor, child)?),
            _ => {}
        }
        Ok(())
    }
}

/// The mailboxes below a recipient or a list of them.
fn read_people<'a>(cursor: &mut Cursor<'a>, list: &Element<'a>) -> Result<Vec<EmailAddress>, XmlError> {
    let mut people = Vec::new();
    while let Some(one) = cursor.next_child(list)? {
        if one.is("Mailbox") {
            people.push(EmailAddress::read(cursor, &one)?);
        }
    }
    Ok(people)
}
