use jiff::Timestamp;
use jiff::tz::Offset;

use crate::email_address::EmailAddress;
use crate::item::{ItemBody, Marker};
use crate::operations::{Importance, LegacyFreeBusyStatus, Sensitivity};
use crate::recurrence::{Recurrence, write_recurrence};
use crate::soap::{Capabilities, SchemaVersion};
use crate::when::When;
use crate::xml::Writer;
use crate::zone::ZoneRef;
use crate::{Error, Result, xs};

/// The longest event that Exchange takes (ErrorCalendarDurationIsTooLong): five years.
const LONGEST: i64 = 5 * 366 * 86_400;

/// A property as it is written, in CreateItem as in UpdateItem.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Field {
    Subject(Box<str>),
    Sensitivity(Sensitivity),
    Body(ItemBody),
    Categories(Vec<Box<str>>),
    Importance(Importance),
    ReminderIsSet(bool),
    ReminderMinutes(u32),
    Marker(Marker),
    Uid(Box<str>),
    Start(At),
    End(At),
    IsAllDay(bool),
    ShowAs(LegacyFreeBusyStatus),
    Location(Box<str>),
    IsResponseRequested(bool),
    RequiredAttendees(Vec<EmailAddress>),
    OptionalAttendees(Vec<EmailAddress>),
    Resources(Vec<EmailAddress>),
    Recurrence(Recurrence),
    StartZone(Box<str>),
    EndZone(Box<str>),
}

/// An instant with the offset to write it with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    instant: Timestamp,
    offset: Offset,
}

impl At {
    /// The day on the clock of its zone.
    pub(super) fn day(self) -> jiff::civil::Date {
        self.offset.to_datetime(self.instant).date()
    }
}

impl Field {
    /// Its place in the schema, and the path by which UpdateItem names it; a marker has a path of another kind.
    pub(super) fn place(&self) -> (u8, &'static str) {
        match self {
            Self::Subject(_) => (0, "item:Subject"),
            Self::Sensitivity(_) => (1, "item:Sensitivity"),
            Self::Body(_) => (2, "item:Body"),
            Self::Categories(_) => (3, "item:Categories"),
            Self::Importance(_) => (4, "item:Importance"),
            Self::ReminderIsSet(_) => (5, "item:ReminderIsSet"),
            Self::ReminderMinutes(_) => (6, "item:ReminderMinutesBeforeStart"),
            Self::Marker(_) => (7, ""),
            Self::Uid(_) => (8, "calendar:UID"),
            Self::Start(_) => (9, "calendar:Start"),
            Self::End(_) => (10, "calendar:End"),
            Self::IsAllDay(_) => (11, "calendar:IsAllDayEvent"),
            Self::ShowAs(_) => (12, "calendar:LegacyFreeBusyStatus"),
            Self::Location(_) => (13, "calendar:Location"),
            Self::IsResponseRequested(_) => (14, "calendar:IsResponseRequested"),
            Self::RequiredAttendees(_) => (15, "calendar:RequiredAttendees"),
            Self::OptionalAttendees(_) => (16, "calendar:OptionalAttendees"),
            Self::Resources(_) => (17, "calendar:Resources"),
            Self::Recurrence(_) => (18, "calendar:Recurrence"),
            Self::StartZone(_) => (19, "calendar:StartTimeZone"),
            Self::EndZone(_) => (20, "calendar:EndTimeZone"),
        }
    }

    /// Whether this server knows the property at all.
    pub(super) fn is_known_to(&self, capabilities: Capabilities) -> bool {
        // An older server takes the offsets of start and end; the zone of a series is then its own.
        capabilities.time_zones() || !matches!(self, Self::StartZone(_) | Self::EndZone(_))
    }

    /// The oldest schema that has the value. A property that an older one lacks without harm is left out instead.
    pub(super) fn since(&self) -> SchemaVersion {
        match self {
            Self::ShowAs(LegacyFreeBusyStatus::WorkingElsewhere) => SchemaVersion::Exchange2013Sp1,
            _ => SchemaVersion::Exchange2007Sp1,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer, capabilities: Capabilities) {
        match self {
            Self::Subject(text) => writer.leaf("t:Subject", text),
            Self::Sensitivity(value) => writer.leaf("t:Sensitivity", value.as_str()),
            Self::Body(body) => body.write("t:Body", writer),
            Self::Categories(all) => {
                writer.raw("<t:Categories>");
                for one in all {
                    writer.leaf("t:String", one);
                }
                writer.raw("</t:Categories>");
            }
            Self::Importance(value) => writer.leaf("t:Importance", value.as_str()),
            Self::ReminderIsSet(set) => boolean(writer, "t:ReminderIsSet", *set),
            Self::ReminderMinutes(minutes) => {
                writer.raw("<t:ReminderMinutesBeforeStart>");
                writer.number(*minutes);
                writer.raw("</t:ReminderMinutesBeforeStart>");
            }
            Self::Marker(marker) => marker.write(writer),
            Self::Uid(uid) => writer.leaf("t:UID", uid),
            Self::Start(at) => time(writer, "t:Start", *at),
            Self::End(at) => time(writer, "t:End", *at),
            Self::IsAllDay(all_day) => boolean(writer, "t:IsAllDayEvent", *all_day),
            Self::ShowAs(value) => writer.leaf("t:LegacyFreeBusyStatus", value.as_str()),
            Self::Location(text) => writer.leaf("t:Location", text),
            Self::IsResponseRequested(wanted) => boolean(writer, "t:IsResponseRequested", *wanted),
            Self::RequiredAttendees(people) => attendees(writer, "t:RequiredAttendees", people),
            Self::OptionalAttendees(people) => attendees(writer, "t:OptionalAttendees", people),
            Self::Resources(people) => attendees(writer, "t:Resources", people),
            Self::Recurrence(rule) => write_recurrence(rule, writer, capabilities),
            Self::StartZone(id) => writer.empty("t:StartTimeZone", &[("Id", id)]),
            Self::EndZone(id) => writer.empty("t:EndTimeZone", &[("Id", id)]),
        }
    }
}

fn boolean(writer: &mut Writer, name: &'static str, value: bool) {
    writer.leaf(name, xs::format_boolean(value));
}

fn time(writer: &mut Writer, name: &'static str, at: At) {
    writer.open(name);
    writer.display(&xs::format_instant_at(at.instant, at.offset));
    writer.close(name);
}

fn attendees(writer: &mut Writer, name: &'static str, people: &[EmailAddress]) {
    writer.open(name);
    for person in people {
        writer.raw("<t:Attendee><t:Mailbox>");
        person.write(writer);
        writer.raw("</t:Mailbox></t:Attendee>");
    }
    writer.close(name);
}

/// The five properties that say when an item is. They only make sense together: a zone without its time would move the
/// instant, a time without its zone would lose the day.
pub(super) fn times(when: &When, zone: &ZoneRef) -> Result<[Field; 5]> {
    match when {
        When::AllDay { .. } => timed(when, zone, zone, true),
        When::Timed { start, end } => {
            timed(when, start.zone.as_ref().unwrap_or(zone), end.zone.as_ref().unwrap_or(zone), false)
        }
    }
}

fn timed(when: &When, start_zone: &ZoneRef, end_zone: &ZoneRef, all_day: bool) -> Result<[Field; 5]> {
    let (of_start, of_end) = (start_zone.zone()?, end_zone.zone()?);
    let (start, end) = when.instants(&of_start);
    let seconds = end.as_second() - start.as_second();
    if end < start {
        return Err(Error::invalid("an event ends after its start"));
    }
    if seconds > LONGEST {
        return Err(Error::invalid("an event lasts five years at most"));
    }
    Ok([
        Field::Start(At { instant: start, offset: of_start.offset_at(start) }),
        Field::End(At { instant: end, offset: of_end.offset_at(end) }),
        Field::IsAllDay(all_day),
        Field::StartZone(windows(start_zone)?),
        Field::EndZone(windows(end_zone)?),
    ])
}

fn windows(zone: &ZoneRef) -> Result<Box<str>> {
    zone.windows()
        .map(Into::into)
        .ok_or_else(|| Error::invalid("a server is told a zone by its Windows id, and this one has none"))
}
