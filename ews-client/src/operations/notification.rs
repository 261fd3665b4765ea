//! What notifications consist of, whether they are pulled or streamed.

use crate::ids::{ChangeKey, FolderId, ItemId, SubscriptionId, Watermark};
use crate::xml::{Cursor, Element, XmlError};
use crate::xs;

/// What to be told about.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/eventtype>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventType {
    /// An item or folder was copied.
    Copied,
    /// An item or folder was made.
    Created,
    /// An item or folder was deleted.
    Deleted,
    /// An item or folder was changed.
    Modified,
    /// An item or folder was moved.
    Moved,
    /// A message came in.
    NewMail,
    /// Free/busy of the mailbox changed; from Exchange 2010.
    FreeBusyChanged,
}

impl EventType {
    /// All that a calendar can have, which is everything but mail.
    pub const CALENDAR: [Self; 6] =
        [Self::Copied, Self::Created, Self::Deleted, Self::Modified, Self::Moved, Self::FreeBusyChanged];

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copied => "CopiedEvent",
            Self::Created => "CreatedEvent",
            Self::Deleted => "DeletedEvent",
            Self::Modified => "ModifiedEvent",
            Self::Moved => "MovedEvent",
            Self::NewMail => "NewMailEvent",
            Self::FreeBusyChanged => "FreeBusyChangedEvent",
        }
    }
}

wire_enum! {
    /// What happened.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/notification-ex15websvcsotherref>.
    NotificationEventType {
        /// Copied to where the event says.
        Copied = "CopiedEvent",
        /// Made.
        Created = "CreatedEvent",
        /// Deleted.
        Deleted = "DeletedEvent",
        /// Changed.
        Modified = "ModifiedEvent",
        /// Moved to where the event says; an item gets a new id by that.
        Moved = "MovedEvent",
        /// A message came in.
        NewMail = "NewMailEvent",
        /// Free/busy of the mailbox changed.
        FreeBusyChanged = "FreeBusyChangedEvent",
        /// Nothing happened: the server shows that it is there.
        Status = "StatusEvent",
    }
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectId {
    /// An item, and its version if the server named it.
    Item(ItemId, Option<ChangeKey>),
    /// A folder, and its version if the server named it.
    Folder(FolderId, Option<ChangeKey>),
}

/// One thing that happened. Events carry ids only, and one action of a user causes several of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotificationEvent {
    /// What happened.
    pub kind: NotificationEventType,
    /// Where a pull subscription stands behind this event; streams have none.
    pub watermark: Option<Watermark>,
    /// When it happened.
    pub at: Option<xs::DateTime>,
    /// What it happened to: the copy, or what was moved as it is called now. A status event has none.
    pub object: Option<ObjectId>,
    /// The folder that it is in.
    pub parent: Option<FolderId>,
    /// What was copied, or what was moved as it was called before.
    pub old_object: Option<ObjectId>,
    /// The folder that it was in before.
    pub old_parent: Option<FolderId>,
    /// How many unread items the folder has, when that is what changed.
    pub unread: Option<i32>,
}

impl NotificationEvent {
    /// Whether anything happened at all.
    pub fn is_status(&self) -> bool {
        self.kind == NotificationEventType::Status
    }

    fn read<'a>(
        cursor: &mut Cursor<'a>,
        element: &Element<'a>,
        latest: &mut Option<FolderId>,
    ) -> Result<Self, XmlError> {
        let mut event = Self {
            kind: NotificationEventType::new(element.local),
            watermark: None,
            at: None,
            object: None,
            parent: None,
            old_object: None,
            old_parent: None,
            unread: None,
        };
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "Watermark" => event.watermark = read_watermark(cursor, &child)?,
                "TimeStamp" => {
                    let text = cursor.value(&child)?;
                    let at = xs::parse_date_time(&text).map_err(|_| child.bad_value("dateTime"))?;
                    event.at = Some(at);
                }
                "ItemId" | "FolderId" => event.object = Some(read_object(cursor, &child)?),
                "OldItemId" | "OldFolderId" => event.old_object = Some(read_object(cursor, &child)?),
                "ParentFolderId" => event.parent = Some(read_parent(cursor, &child, latest)?),
                "OldParentFolderId" => event.old_parent = Some(read_parent(cursor, &child, latest)?),
                "UnreadCount" => event.unread = Some(cursor.number(&child)?),
                _ => {}
            }
        }
        Ok(event)
    }
}

/// What happened within one subscription.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/notification-ex15websvcsotherref>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// Which subscription; a server that leaves it out of a heartbeat means all of the connection.
    pub subscription_id: Option<SubscriptionId>,
    /// Where a pull subscription stood before these events.
    pub previous_watermark: Option<Watermark>,
    /// Whether more waits to be asked for at once.
    pub more_events: bool,
    /// What happened, in the order of the answer; kinds that this version does not know included.
    pub events: Vec<NotificationEvent>,
}

impl Notification {
    /// What to send with the next [`GetEvents`](super::GetEvents): the last event's watermark, or else the one before.
    pub fn watermark(&self) -> Option<&Watermark> {
        let last = self.events.iter().rev().find_map(|event| event.watermark.as_ref());
        last.or(self.previous_watermark.as_ref())
    }

    /// Whether anything happened: a heartbeat has status events only.
    pub fn has_changes(&self) -> bool {
        self.events.iter().any(|event| !event.is_status())
    }

    pub(super) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut read =
            Self { subscription_id: None, previous_watermark: None, more_events: false, events: Vec::new() };
        let mut latest = None;
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "SubscriptionId" => read.subscription_id = read_subscription_id(cursor, &child)?,
                "PreviousWatermark" => read.previous_watermark = read_watermark(cursor, &child)?,
                "MoreEvents" => read.more_events = cursor.boolean(&child)?,
                // An event is told by its name; what has another name is none.
                name if name.ends_with("Event") => {
                    read.events.push(NotificationEvent::read(cursor, &child, &mut latest)?);
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

pub(super) fn read_subscription_id<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<Option<SubscriptionId>, XmlError> {
    let text = cursor.value(element)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

pub(super) fn read_watermark<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<Option<Watermark>, XmlError> {
    let text = cursor.value(element)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

fn read_object<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<ObjectId, XmlError> {
    let [id, key] = cursor.attributes(element, ["Id", "ChangeKey"])?;
    let id = id.ok_or_else(|| element.missing("the Id of an event's object"))?;
    let key = key.map(Into::into);
    Ok(if element.local.ends_with("ItemId") {
        ObjectId::Item(id.into(), key)
    } else {
        ObjectId::Folder(id.into(), key)
    })
}

/// The same folder from event to event is one text.
fn read_parent<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    latest: &mut Option<FolderId>,
) -> Result<FolderId, XmlError> {
    let id = cursor.attribute(element, "Id")?.ok_or_else(|| element.missing("the Id of a folder"))?;
    match latest {
        Some(known) if known.as_str() == id => Ok(known.clone()),
        _ => Ok(latest.insert(id.into()).clone()),
    }
}
