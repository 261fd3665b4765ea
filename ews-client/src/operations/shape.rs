//! Which properties an answer shall have. Always named one by one: stable, and cheap for the server.

use crate::operations::BodyType;
use crate::soap::{Capabilities, SchemaVersion};
use crate::xml::Writer;

use SchemaVersion::{Exchange2007Sp1 as V2007, Exchange2010 as V2010, Exchange2013Sp1 as V2013};

/// A property and the oldest schema that knows it.
pub(super) type Property = (&'static str, SchemaVersion);

/// What a view of a calendar shows.
pub(super) const CALENDAR_VIEW: &[Property] = &[
    ("item:Subject", V2007),
    ("item:Sensitivity", V2007),
    ("calendar:UID", V2007),
    ("calendar:RecurrenceId", V2007),
    ("calendar:Start", V2007),
    ("calendar:End", V2007),
    ("calendar:IsAllDayEvent", V2007),
    ("calendar:LegacyFreeBusyStatus", V2007),
    ("calendar:Location", V2007),
    ("calendar:IsMeeting", V2007),
    ("calendar:IsCancelled", V2007),
    ("calendar:CalendarItemType", V2007),
    ("calendar:MyResponseType", V2007),
    ("calendar:Organizer", V2007),
    ("calendar:StartTimeZone", V2010),
    ("calendar:EndTimeZone", V2010),
];

/// What only GetItem gives of a calendar item, without the body.
pub(super) const CALENDAR_DETAILS: &[Property] = &[
    ("item:ParentFolderId", V2007),
    ("item:ItemClass", V2007),
    ("item:Attachments", V2007),
    ("item:HasAttachments", V2007),
    ("item:Categories", V2007),
    ("item:Importance", V2007),
    ("item:DateTimeCreated", V2007),
    ("item:LastModifiedTime", V2010),
    ("item:ReminderIsSet", V2007),
    ("item:ReminderMinutesBeforeStart", V2007),
    ("calendar:DateTimeStamp", V2007),
    ("calendar:OriginalStart", V2007),
    ("calendar:IsRecurring", V2007),
    ("calendar:MeetingRequestWasSent", V2007),
    ("calendar:IsResponseRequested", V2007),
    ("calendar:RequiredAttendees", V2007),
    ("calendar:OptionalAttendees", V2007),
    ("calendar:Resources", V2007),
    ("calendar:TimeZone", V2007),
    ("calendar:AppointmentReplyTime", V2007),
    ("calendar:AppointmentSequenceNumber", V2007),
    ("calendar:AppointmentState", V2007),
    ("calendar:Recurrence", V2007),
    ("calendar:FirstOccurrence", V2007),
    ("calendar:LastOccurrence", V2007),
    ("calendar:ModifiedOccurrences", V2007),
    ("calendar:DeletedOccurrences", V2007),
    ("calendar:IsOnlineMeeting", V2007),
    ("calendar:JoinOnlineMeetingUrl", V2013),
    ("calendar:StartTimeZoneId", V2013),
    ("calendar:EndTimeZoneId", V2013),
    ("calendar:IsOrganizer", V2013),
];

/// What a list of messages shows.
pub(super) const MESSAGE_VIEW: &[Property] = &[
    ("item:ParentFolderId", V2007),
    ("item:ItemClass", V2007),
    ("item:Subject", V2007),
    ("item:Sensitivity", V2007),
    ("item:DateTimeReceived", V2007),
    ("item:DateTimeSent", V2007),
    ("item:Size", V2007),
    ("item:Categories", V2007),
    ("item:Importance", V2007),
    ("item:HasAttachments", V2007),
    ("item:IsDraft", V2007),
    ("item:LastModifiedTime", V2010),
    ("message:From", V2007),
    ("message:Sender", V2007),
    ("message:IsRead", V2007),
    ("message:InternetMessageId", V2007),
];

/// What only GetItem gives of a message, without the body.
pub(super) const MESSAGE_DETAILS: &[Property] = &[
    ("item:Attachments", V2007),
    ("item:DateTimeCreated", V2007),
    ("item:InReplyTo", V2007),
    ("message:ToRecipients", V2007),
    ("message:CcRecipients", V2007),
    ("message:BccRecipients", V2007),
    ("message:ReplyTo", V2007),
    ("message:References", V2007),
    ("meeting:AssociatedCalendarItemId", V2007),
    ("meeting:ResponseType", V2007),
];

/// The body.
pub(super) const BODY: &[Property] = &[("item:Body", V2007)];

/// A shape to be written.
#[derive(Clone, Debug)]
pub(super) struct Shape<'s> {
    pub(super) properties: &'s [&'static [Property]],
    pub(super) left_out: &'s [Box<str>],
    pub(super) named: &'s [Box<str>],
    pub(super) mime: bool,
    pub(super) body: Option<&'s BodyType>,
}

impl<'s> Shape<'s> {
    /// These properties; with none of them ids alone.
    pub(super) fn of(properties: &'s [&'static [Property]]) -> Self {
        Self { properties, left_out: &[], named: &[], mime: false, body: None }
    }

    /// `m:ItemShape`.
    pub(super) fn write(&self, writer: &mut Writer, capabilities: Capabilities) {
        writer.raw("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>");
        if self.mime {
            writer.raw("<t:IncludeMimeContent>true</t:IncludeMimeContent>");
        }
        if let Some(body) = self.body {
            writer.leaf("t:BodyType", body.as_str());
        }
        let asked = self.properties.iter().copied().flatten().filter(|(uri, since)| {
            capabilities.schema() >= *since && !self.left_out.iter().any(|name| **name == **uri)
        });
        let mut any = false;
        let mut begin = |writer: &mut Writer| {
            if !std::mem::replace(&mut any, true) {
                writer.raw("<t:AdditionalProperties>");
            }
        };
        for (uri, _) in asked {
            begin(writer);
            writer.raw("<t:FieldURI FieldURI=\"");
            writer.raw(uri);
            writer.raw("\"/>");
        }
        for name in self.named {
            begin(writer);
            crate::item::write_named(writer, name);
        }
        if any {
            writer.raw("</t:AdditionalProperties>");
        }
        writer.raw("</m:ItemShape>");
    }
}
