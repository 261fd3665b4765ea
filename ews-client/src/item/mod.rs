//! What all kinds of items have in common, and messages.

mod message;
mod property;

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::calendar_item::{Found, Interner, RawCalendarItem};
use crate::ids::{AttachmentId, ChangeKey, ItemId};
use crate::operations::BodyType;
use crate::xml::{Cursor, Element, Writer, XmlError};

pub use message::{Message, MessageKind};
pub(crate) use property::write_named;
pub use property::{ExtendedProperty, Marker};

/// Lenient in padding: what the bytes are does not depend on it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An item's id with its version.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/itemid>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemHead {
    /// Which one.
    pub id: ItemId,
    /// Which version of it. Some servers leave it out; reading does without.
    pub change_key: Option<ChangeKey>,
}

impl ItemHead {
    /// An item, version unknown.
    pub fn new(id: impl Into<ItemId>) -> Self {
        Self { id: id.into(), change_key: None }
    }

    /// In this version.
    #[must_use]
    pub fn with_change_key(mut self, key: impl Into<ChangeKey>) -> Self {
        self.change_key = Some(key.into());
        self
    }

    pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let [id, key] = cursor.attributes(element, ["Id", "ChangeKey"])?;
        let id = id.ok_or_else(|| element.missing("the Id"))?;
        Ok(Self { id: id.into(), change_key: key.map(Into::into) })
    }

    pub(crate) fn write(&self, name: &'static str, writer: &mut Writer) {
        write_id(writer, name, "Id", &self.id, self.change_key.as_ref(), None);
    }
}

/// Which item a request is about.
///
/// Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/occurrenceitemid>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/recurringmasteritemid>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemRef {
    /// By its id.
    Id(ItemHead),
    /// One of a series.
    Occurrence {
        /// The series.
        master: ItemHead,
        /// Which one, counted from 1; deleted ones count.
        index: u32,
    },
    /// The master of the series that this one belongs to.
    MasterOf(ItemHead),
}

impl ItemRef {
    /// Writes it in the choice of ids that requests have.
    pub(crate) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Id(head) => head.write("t:ItemId", writer),
            Self::Occurrence { master, index } => {
                let key = master.change_key.as_ref();
                let (name, id) = ("t:OccurrenceItemId", "RecurringMasterId");
                write_id(writer, name, id, &master.id, key, Some(*index));
            }
            Self::MasterOf(head) => {
                let (name, id) = ("t:RecurringMasterItemId", "OccurrenceId");
                write_id(writer, name, id, &head.id, head.change_key.as_ref(), None);
            }
        }
    }
}

impl From<ItemHead> for ItemRef {
    fn from(head: ItemHead) -> Self {
        Self::Id(head)
    }
}

impl From<ItemId> for ItemRef {
    fn from(id: ItemId) -> Self {
        Self::Id(ItemHead { id, change_key: None })
    }
}

fn write_id(
    writer: &mut Writer,
    name: &'static str,
    attribute: &'static str,
    id: &ItemId,
    key: Option<&ChangeKey>,
    index: Option<u32>,
) {
    writer.raw("<");
    writer.raw(name);
    writer.raw(" ");
    writer.raw(attribute);
    writer.raw("=\"");
    writer.attribute(id.as_str());
    if let Some(key) = key {
        writer.raw("\" ChangeKey=\"");
        writer.attribute(key.as_str());
    }
    if let Some(index) = index {
        writer.raw("\" InstanceIndex=\"");
        writer.number(index);
    }
    writer.raw("\"/>");
}

/// An item of whatever kind a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// An appointment or a meeting.
    Calendar(Box<RawCalendarItem>),
    /// One of which no times were asked for: its id alone.
    CalendarHead(ItemHead),
    /// A message, or an invitation and what follows from it.
    Message(Box<Message>),
    /// A contact, a task, or another thing.
    Other {
        /// Its id.
        head: ItemHead,
        /// Its element, such as `Contact`.
        element: Box<str>,
    },
}

impl Item {
    /// Its id and version.
    pub fn head(&self) -> ItemHead {
        match self {
            Self::Calendar(item) => item.head(),
            Self::Message(message) => message.head.clone(),
            Self::CalendarHead(head) | Self::Other { head, .. } => head.clone(),
        }
    }

    /// Whether it came with this mark, which is to be asked for.
    pub fn has_marker(&self, marker: &Marker) -> bool {
        let extended = match self {
            Self::Calendar(item) => item.more.as_ref().map(|more| &more.extended),
            Self::Message(message) => Some(&message.extended),
            Self::CalendarHead(_) | Self::Other { .. } => None,
        };
        extended.is_some_and(|all| all.iter().any(|property| marker.is(property)))
    }

    /// The appointment, if it is one that came with times.
    pub fn into_calendar(self) -> Option<Box<RawCalendarItem>> {
        match self {
            Self::Calendar(item) => Some(item),
            _ => None,
        }
    }

    /// The message, if it is one.
    pub fn into_message(self) -> Option<Box<Message>> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }

    pub(crate) fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        seen: &mut Interner,
    ) -> Result<Self, XmlError> {
        if element.is("CalendarItem") {
            return Ok(match RawCalendarItem::read_any(cursor, element, seen)? {
                Found::Whole(item) => Self::Calendar(Box::new(item)),
                Found::Head(head) => Self::CalendarHead(head),
            });
        }
        if let Some(kind) = MessageKind::of_element(element.ews()) {
            return Ok(Self::Message(Box::new(Message::read(cursor, element, kind)?)));
        }
        let mut head = None;
        while let Some(child) = cursor.next_child(element)? {
            if child.is("ItemId") {
                head = Some(ItemHead::read(cursor, &child)?);
            }
        }
        let head = head.ok_or_else(|| element.missing("the ItemId"))?;
        Ok(Self::Other { head, element: element.local.into() })
    }
}

/// A text with what it is. `Debug` shows its length.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/body>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemBody {
    /// Plain text or HTML.
    pub kind: BodyType,
    /// The text.
    pub text: Box<str>,
    /// Whether the server cut it.
    pub is_truncated: bool,
}

impl ItemBody {
    /// Plain text.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self { kind: BodyType::Text, text: text.into(), is_truncated: false }
    }

    /// HTML.
    pub fn html(text: impl Into<Box<str>>) -> Self {
        Self { kind: BodyType::Html, text: text.into(), is_truncated: false }
    }

    pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let [kind, truncated] = cursor.attributes(element, ["BodyType", "IsTruncated"])?;
        Ok(Self {
            kind: BodyType::new(kind.as_deref().unwrap_or("Text")),
            text: cursor.boxed(element)?,
            is_truncated: matches!(truncated.as_deref().map(str::trim_ascii), Some("true" | "1")),
        })
    }

    pub(crate) fn write(&self, name: &'static str, writer: &mut Writer) {
        writer.open_with(name, &[("BodyType", self.kind.as_str())]);
        writer.text(&self.text);
        writer.close(name);
    }
}

impl fmt::Debug for ItemBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemBody").field("kind", &self.kind).field("bytes", &self.text.len()).finish()
    }
}

/// An attachment without what is in it. `Debug` does not show its name.
///
/// Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/fileattachment>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/itemattachment>.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachmentInfo {
    /// What to ask GetAttachment for.
    pub id: Option<AttachmentId>,
    /// `FileAttachment`, `ItemAttachment`, `ReferenceAttachment`.
    pub element: Box<str>,
    /// A file's name or an item's subject.
    pub name: Option<Box<str>>,
    /// The media type.
    pub content_type: Option<Box<str>>,
    /// What an HTML body calls it.
    pub content_id: Option<Box<str>>,
    /// In bytes, about.
    pub size: Option<u64>,
    /// Whether it is shown inside the body.
    pub is_inline: Option<bool>,
}

impl fmt::Debug for AttachmentInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentInfo")
            .field("id", &self.id)
            .field("element", &self.element)
            .field("content_type", &self.content_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl AttachmentInfo {
    pub(crate) fn read_all<'a>(cursor: &mut Cursor<'a>, list: &Element<'a>) -> Result<Vec<Self>, XmlError> {
        let mut all = Vec::new();
        while let Some(element) = cursor.next_child(list)? {
            let mut info = Self::of(&element);
            while let Some(child) = cursor.next_child(&element)? {
                info.take(cursor, &child)?;
            }
            all.push(info);
        }
        Ok(all)
    }

    pub(crate) fn of(element: &Element<'_>) -> Self {
        Self { element: element.local.into(), ..Self::default() }
    }

    pub(crate) fn take<'a>(&mut self, cursor: &mut Cursor<'a>, child: &Element<'a>) -> Result<(), XmlError> {
        match child.ews() {
            "AttachmentId" => self.id = cursor.attribute(child, "Id")?.map(Into::into),
            "Name" => self.name = Some(cursor.boxed(child)?),
            "ContentType" => self.content_type = Some(cursor.boxed(child)?),
            "ContentId" => self.content_id = Some(cursor.boxed(child)?),
            // A size is no reason to lose an item.
            "Size" => self.size = cursor.value(child)?.parse().ok(),
            "IsInline" => self.is_inline = Some(cursor.boolean(child)?),
            _ => {}
        }
        Ok(())
    }
}

/// The members of `t:ArrayOfStringsType`.
pub(crate) fn read_strings<'a>(
    cursor: &mut Cursor<'a>,
    list: &Element<'a>,
) -> Result<Vec<Box<str>>, XmlError> {
    let mut all = Vec::new();
    while let Some(one) = cursor.next_child(list)? {
        if one.is("String") {
            all.push(cursor.boxed(&one)?);
        }
    }
    Ok(all)
}

/// The bytes of an `xs:base64Binary`, which may be broken into lines.
pub(crate) fn read_base64<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Bytes, XmlError> {
    let text = cursor.value(element)?;
    let decoded = if text.bytes().any(|b| b.is_ascii_whitespace()) {
        let mut joined = text.into_owned();
        joined.retain(|c| !c.is_ascii_whitespace());
        BASE64.decode(joined)
    } else {
        BASE64.decode(text.as_ref())
    };
    decoded.map(Into::into).map_err(|_| element.bad_value("base64 text"))
}

pub(crate) fn write_base64(writer: &mut Writer, bytes: &[u8]) {
    writer.text(&BASE64.encode(bytes));
}
