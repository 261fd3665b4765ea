use std::fmt;
use std::sync::Arc;

use super::{Interner, read_time};
use crate::email_address::EmailAddress;
use crate::ids::FolderId;
use crate::item::{AttachmentInfo, ExtendedProperty, ItemBody, ItemHead, read_strings};
use crate::operations::{Importance, MyResponseType};
use crate::recurrence::RawRecurrence;
use crate::xml::{Cursor, Element, XmlError};
use crate::xs;

/// What GetItem tells of a calendar item beyond what a view does. What was not asked for, or what the server left out, is
/// `None` or empty.
///
/// `Debug` shows neither body nor people.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarItemDetails {
    /// The folder it lies in.
    pub parent_folder: Option<FolderId>,
    /// `IPM.Appointment`, or a class below it.
    pub item_class: Option<Box<str>>,
    /// What was written into it.
    pub body: Option<ItemBody>,
    /// Labels.
    pub categories: Vec<Box<str>>,
    /// How important it is.
    pub importance: Option<Importance>,
    /// Whether it has attachments that are not part of the body.
    pub has_attachments: Option<bool>,
    /// The attachments, without what is in them.
    pub attachments: Vec<AttachmentInfo>,
    /// When it was made.
    pub created: Option<xs::DateTime>,
    /// When it was changed last.
    pub last_modified: Option<xs::DateTime>,
    /// Whether a reminder is due.
    pub reminder_is_set: Option<bool>,
    /// How many minutes before the start.
    pub reminder_minutes: Option<i32>,
    /// When the organizer's copy was changed last (`DateTimeStamp`).
    pub date_time_stamp: Option<xs::DateTime>,
    /// The organizer with the address.
    pub organizer: Option<EmailAddress>,
    /// Who has to come.
    pub required_attendees: Vec<Attendee>,
    /// Who may come.
    pub optional_attendees: Vec<Attendee>,
    /// Rooms and equipment.
    pub resources: Vec<Attendee>,
    /// Whether the owner is the organizer, from Exchange 2013.
    pub is_organizer: Option<bool>,
    /// Whether invitations were sent.
    pub meeting_request_was_sent: Option<bool>,
    /// Whether an answer is wanted.
    pub is_response_requested: Option<bool>,
    /// When the owner answered.
    pub reply_time: Option<xs::DateTime>,
    /// How often the meeting was changed since it was sent (`AppointmentSequenceNumber`).
    pub sequence: Option<i32>,
    /// Bits: 1 a meeting, 2 received, 4 cancelled (`AppointmentState`).
    pub state: Option<i32>,
    /// Whether it belongs to a series.
    pub is_recurring: Option<bool>,
    /// The rule, of a master.
    pub recurrence: Option<RawRecurrence>,
    /// The first one that still exists, of a master.
    pub first_occurrence: Option<OccurrenceInfo>,
    /// The last one, of a master with an end.
    pub last_occurrence: Option<OccurrenceInfo>,
    /// Occurrences that differ from the rule, of a master.
    pub modified_occurrences: Vec<OccurrenceInfo>,
    /// When the deleted ones would have begun, of a master.
    pub deleted_occurrences: Vec<xs::DateTime>,
    /// When an exception would have begun.
    pub original_start: Option<xs::DateTime>,
    /// Whether it is held online.
    pub is_online_meeting: Option<bool>,
    /// Where to join, from Exchange 2013.
    pub join_url: Option<Box<str>>,
    /// The zone as a text for people (`TimeZone`); all that a server of 2007 tells.
    pub time_zone: Option<Box<str>>,
    /// `StartTimeZoneId`, from Exchange 2013.
    pub start_zone_id: Option<Box<str>>,
    /// `EndTimeZoneId`, from Exchange 2013.
    pub end_zone_id: Option<Box<str>>,
    /// Properties of one's own, as far as they were asked for.
    pub extended: Vec<ExtendedProperty>,
}

impl fmt::Debug for CalendarItemDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalendarItemDetails")
            .field("last_modified", &self.last_modified)
            .field("sequence", &self.sequence)
            .field("is_recurring", &self.is_recurring)
            .field("modified_occurrences", &self.modified_occurrences.len())
            .field("deleted_occurrences", &self.deleted_occurrences.len())
            .field("has_attachments", &self.has_attachments)
            .finish_non_exhaustive()
    }
}

/// Somebody who is invited, or a room.
///
/// `Debug` shows the answer, not the person.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/attendee>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attendee {
    /// Who.
    pub mailbox: EmailAddress,
    /// The answer, which only the organizer's copy knows.
    pub response: Option<MyResponseType>,
    /// When it was given.
    pub last_response_time: Option<xs::DateTime>,
    /// Another start that was proposed, from Exchange 2013.
    pub proposed_start: Option<xs::DateTime>,
    /// Another end that was proposed, from Exchange 2013.
    pub proposed_end: Option<xs::DateTime>,
}

impl fmt::Debug for Attendee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attendee").field("response", &self.response).finish_non_exhaustive()
    }
}

/// One of a series, as the master lists it.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/occurrence>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OccurrenceInfo {
    /// Which item it is.
    pub head: ItemHead,
    /// When it begins.
    pub start: xs::DateTime,
    /// When it ends.
    pub end: xs::DateTime,
    /// When the rule would have it begin. An exception is matched to its slot by this, never by its start.
    pub original_start: xs::DateTime,
}

/// Takes in one element of an item that a view does not bring. The box is made for a known one only.
pub(super) fn take<'a>(
    more: &mut Option<Box<CalendarItemDetails>>,
    cursor: &mut Cursor<'a>,
    child: &Element<'a>,
) -> Result<(), XmlError> {
    macro_rules! set {
        ($($field:ident).+ = $value:expr) => {{
            let value = $value;
            more.get_or_insert_default().$($field).+ = value;
        }};
    }
    match child.ews() {
        "ParentFolderId" => set!(parent_folder = cursor.attribute(child, "Id")?.map(Into::into)),
        "ItemClass" => set!(item_class = Some(cursor.boxed(child)?)),
        "Body" => set!(body = Some(ItemBody::read(cursor, child)?)),
        "Categories" => set!(categories = read_strings(cursor, child)?),
        "Importance" => set!(importance = Some(Importance::new(&cursor.text(child)?))),
        "HasAttachments" => set!(has_attachments = Some(cursor.boolean(child)?)),
        "Attachments" => set!(attachments = AttachmentInfo::read_all(cursor, child)?),
        "DateTimeCreated" => set!(created = Some(read_time(cursor, child)?)),
        "LastModifiedTime" => set!(last_modified = Some(read_time(cursor, child)?)),
        "ReminderIsSet" => set!(reminder_is_set = Some(cursor.boolean(child)?)),
        "ReminderMinutesBeforeStart" => set!(reminder_minutes = Some(cursor.number(child)?)),
        "DateTimeStamp" => set!(date_time_stamp = Some(read_time(cursor, child)?)),
        "RequiredAttendees" => set!(required_attendees = read_attendees(cursor, child)?),
        "OptionalAttendees" => set!(optional_attendees = read_attendees(cursor, child)?),
        "Resources" => set!(resources = read_attendees(cursor, child)?),
        "IsOrganizer" => set!(is_organizer = Some(cursor.boolean(child)?)),
        "MeetingRequestWasSent" => set!(meeting_request_was_sent = Some(cursor.boolean(child)?)),
        "IsResponseRequested" => set!(is_response_requested = Some(cursor.boolean(child)?)),
        "AppointmentReplyTime" => set!(reply_time = Some(read_time(cursor, child)?)),
        "AppointmentSequenceNumber" => set!(sequence = Some(cursor.number(child)?)),
        "AppointmentState" => set!(state = Some(cursor.number(child)?)),
        "IsRecurring" => set!(is_recurring = Some(cursor.boolean(child)?)),
        "Recurrence" => set!(recurrence = Some(RawRecurrence::read(cursor, child)?)),
        "FirstOccurrence" => set!(first_occurrence = Some(OccurrenceInfo::read(cursor, child)?)),
        "LastOccurrence" => set!(last_occurrence = Some(OccurrenceInfo::read(cursor, child)?)),
        "ModifiedOccurrences" => {
            let mut all = Vec::new();
            while let Some(one) = cursor.next_child(child)? {
                if one.is("Occurrence") {
                    all.push(OccurrenceInfo::read(cursor, &one)?);
                }
            }
            set!(modified_occurrences = all);
        }
        "DeletedOccurrences" => {
            let mut all = Vec::new();
            while let Some(one) = cursor.next_child(child)? {
                while let Some(part) = cursor.next_child(&one)? {
                    if part.is("Start") {
                        all.push(read_time(cursor, &part)?);
                    }
                }
            }
            set!(deleted_occurrences = all);
        }
        "OriginalStart" => set!(original_start = Some(read_time(cursor, child)?)),
        "IsOnlineMeeting" => set!(is_online_meeting = Some(cursor.boolean(child)?)),
        "JoinOnlineMeetingUrl" => set!(join_url = Some(cursor.boxed(child)?)),
        "TimeZone" => set!(time_zone = Some(cursor.boxed(child)?)),
        "StartTimeZoneId" => set!(start_zone_id = Some(cursor.boxed(child)?)),
        "EndTimeZoneId" => set!(end_zone_id = Some(cursor.boxed(child)?)),
        "ExtendedProperty" => {
            let property = ExtendedProperty::read(cursor, child)?;
            more.get_or_insert_default().extended.push(property);
        }
        _ => {}
    }
    Ok(())
}

/// The organizer's name for the item; with an address, as only GetItem gives it, the whole person for the details.
pub(super) fn read_organizer<'a>(
    cursor: &mut Cursor<'a>,
    person: &Element<'a>,
    seen: &mut Interner,
    more: &mut Option<Box<CalendarItemDetails>>,
) -> Result<Option<Arc<str>>, XmlError> {
    let mut name = None;
    while let Some(mailbox) = cursor.next_child(person)? {
        let mut whole = EmailAddress::default();
        while let Some(part) = cursor.next_child(&mailbox)? {
            match part.ews() {
                "Name" => name = Some(seen.intern(&cursor.text(&part)?)),
                _ => whole.take(cursor, &part)?,
            }
        }
        if whole != EmailAddress::default() {
            whole.name = name.as_deref().map(Into::into);
            more.get_or_insert_default().organizer = Some(whole);
        }
    }
    Ok(name)
}

fn read_attendees<'a>(cursor: &mut Cursor<'a>, list: &Element<'a>) -> Result<Vec<Attendee>, XmlError> {
    let mut attendees = Vec::new();
    while let Some(element) = cursor.next_child(list)? {
        if !element.is("Attendee") {
            continue;
        }
        let mut mailbox = None;
        let (mut response, mut last_response_time) = (None, None);
        let (mut proposed_start, mut proposed_end) = (None, None);
        while let Some(part) = cursor.next_child(&element)? {
            match part.ews() {
                "Mailbox" => mailbox = Some(EmailAddress::read(cursor, &part)?),
                "ResponseType" => response = Some(MyResponseType::new(&cursor.text(&part)?)),
                "LastResponseTime" => last_response_time = Some(read_time(cursor, &part)?),
                "ProposedStart" => proposed_start = Some(read_time(cursor, &part)?),
                "ProposedEnd" => proposed_end = Some(read_time(cursor, &part)?),
                _ => {}
            }
        }
        attendees.push(Attendee {
            // An attendee about whom nothing is said counts all the same.
            mailbox: mailbox.unwrap_or_default(),
            response,
            last_response_time,
            proposed_start,
            proposed_end,
        });
    }
    Ok(attendees)
}

impl OccurrenceInfo {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let (mut head, mut start, mut end, mut original_start) = (None, None, None, None);
        while let Some(part) = cursor.next_child(element)? {
            match part.ews() {
                "ItemId" => head = Some(ItemHead::read(cursor, &part)?),
                "Start" => start = Some(read_time(cursor, &part)?),
                "End" => end = Some(read_time(cursor, &part)?),
                "OriginalStart" => original_start = Some(read_time(cursor, &part)?),
                _ => {}
            }
        }
        Ok(Self {
            head: head.ok_or_else(|| element.missing("the ItemId"))?,
            start: start.ok_or_else(|| element.missing("the Start"))?,
            end: end.ok_or_else(|| element.missing("the End"))?,
            original_start: original_start.ok_or_else(|| element.missing("the OriginalStart"))?,
        })
    }
}
