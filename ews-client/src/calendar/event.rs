use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::guarded::Guarded;
use crate::free_busy::{ShowAs, Slot, merge};
use crate::recurrence::Recurrence;
use crate::xs::DateTime;
use crate::zone::{ResolvedZone, WireZone, Zone, ZoneDefinition};
use crate::{
    CalendarItemType, ChangeKey, EmailAddress, EventTime, ItemId, LegacyFreeBusyStatus, MyResponseType,
    RawCalendarItem, RawZone, Sensitivity, When,
};

/// What an event is called, so that it can be read again, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventId {
    /// An item of its own on the server.
    Item(ItemId),
    /// An occurrence that the server did not list, and that was computed from its series: the master and the number of the
    /// occurrence, from 1, deleted ones counted.
    Occurrence {
        /// The series.
        master: ItemId,
        /// `InstanceIndex`.
        index: u32,
    },
}

impl EventId {
    /// The item itself, unless it is one computed from its series.
    pub fn item(&self) -> Option<&ItemId> {
        match self {
            Self::Item(id) => Some(id),
            Self::Occurrence { .. } => None,
        }
    }
}

impl From<ItemId> for EventId {
    fn from(id: ItemId) -> Self {
        Self::Item(id)
    }
}

/// What an event is to a series.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Not part of one.
    Single,
    /// One of a series, as the series says.
    Occurrence,
    /// One of a series, changed.
    Exception,
    /// The series itself. A view never holds one; the rule is absent where it was not read.
    Master(Option<Box<Recurrence>>),
    /// The server did not say, or said something that this version does not know.
    Unknown,
}

/// An appointment or a meeting, or one occurrence of a series.
///
/// Status and time are in the open; who, what and where are [`Guarded`]: Exchange leaves it to its clients to honour the
/// mark "private". `Debug` shows no details, whatever the mark.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendaritem>.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CalendarEvent {
    /// What to call it.
    pub id: EventId,
    /// Its version, which changing it needs. Some servers leave it out.
    pub change_key: Option<ChangeKey>,
    /// The id that all copies in all mailboxes share, and all occurrences of a series.
    pub uid: Option<Box<str>>,
    /// What it is to a series.
    pub kind: EventKind,
    /// When it is, as days or as instants.
    pub when: When,
    /// The zone that it begins in (`StartTimeZone`), and how that was found out; `None` when the server named none.
    pub zone: Option<ResolvedZone>,
    /// How it is shown, as the item says. [`presence`](Self::presence) corrects it.
    pub show_as: ShowAs,
    /// How private it is; `None` when the server did not say, which counts as private.
    pub sensitivity: Option<Sensitivity>,
    /// Whether it was called off. It may still be shown as busy.
    pub is_cancelled: bool,
    /// What the owner answered.
    pub my_response: MyResponseType,
    /// Whether others are invited.
    pub is_meeting: bool,
    /// The slot of the series that it stands for, even if it was moved.
    pub recurrence_id: Option<Timestamp>,
    /// The folder of the view that it was found in: its place among those asked for.
    pub folder: usize,
    /// Whether it was computed here from its series, because the server does not list it.
    pub computed: bool,
    /// The instants of the server.
    pub(crate) instants: (Timestamp, Timestamp),
    pub(crate) details: Guarded<EventDetails>,
}

/// Who, what and where.
///
/// `Debug` tells how much there is and shows none of it.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EventDetails {
    /// The subject; cut at 255 characters in a view.
    pub subject: Option<Box<str>>,
    /// The place; cut at 255 characters in a view.
    pub location: Option<Arc<str>>,
    /// The organizer; a view gives the name without the address.
    pub organizer: Option<EmailAddress>,
    /// The text, when the event was read by itself.
    pub body: Option<Box<str>>,
    /// Who is invited, when the event was read by itself.
    pub attendees: Vec<Attendee>,
    /// Labels that the owner gave it.
    pub categories: Vec<Box<str>>,
    /// Where to meet online.
    pub online_meeting: Option<Box<str>>,
    /// Whether something is attached; `None` when the server was not asked.
    pub has_attachments: Option<bool>,
}

impl fmt::Debug for EventDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDetails").field("attendees", &self.attendees.len()).finish_non_exhaustive()
    }
}

/// Somebody who is invited.
///
/// `Debug` does not tell who it is.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Attendee {
    /// Who.
    pub address: EmailAddress,
    /// As what.
    pub role: AttendeeRole,
    /// What was answered, as far as the organizer's server knows; `None` when it did not say.
    pub response: Option<MyResponseType>,
}

impl fmt::Debug for Attendee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attendee")
            .field("role", &self.role)
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

/// As what somebody is invited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttendeeRole {
    /// Must come.
    Required,
    /// May come.
    Optional,
    /// A room or a thing.
    Resource,
}

impl CalendarEvent {
    /// Who, what and where.
    pub fn details(&self) -> &Guarded<EventDetails> {
        &self.details
    }

    /// The subject, unless it is private.
    pub fn subject(&self) -> Option<&str> {
        self.details.visible()?.subject.as_deref()
    }

    /// The place, unless it is private.
    pub fn location(&self) -> Option<&str> {
        self.details.visible()?.location.as_deref()
    }

    /// When it begins. For an all-day event the midnight of whoever made it: [`when`](Self::when) has the days.
    pub fn start(&self) -> Timestamp {
        self.instants.0
    }

    /// When it ends, exclusive; see [`start`](Self::start).
    pub fn end(&self) -> Timestamp {
        self.instants.1
    }

    /// What the owner is doing meanwhile: the status of the item, but free if it was called off.
    pub fn presence(&self) -> ShowAs {
        if self.is_cancelled { ShowAs::Free } else { self.show_as.clone() }
    }

    /// Whether it is shown for whole days.
    pub fn is_all_day(&self) -> bool {
        matches!(self.when, When::AllDay { .. })
    }
}

/// What a calendar says about its owner, stretch by stretch: overlapping events decided by
/// [`ShowAs`]'s order, cancelled ones free. What no event covers is not in it.
///
/// An all-day event counts from midnight to midnight of the zone that it was made in, as Exchange's own free/busy has it.
pub fn presence(events: &[CalendarEvent], from: Timestamp, to: Timestamp) -> Vec<Slot> {
    let slots =
        events.iter().filter(|event| !matches!(event.kind, EventKind::Master(_))).map(|event| Slot {
            start: event.instants.0,
            end: event.instants.1,
            show_as: event.presence(),
        });
    merge(slots, from, to)
}

/// Makes events of items. Zones repeat from item to item and are resolved once.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    territory: Option<Box<str>>,
    zones: Vec<(RawZone, ResolvedZone)>,
}

/// More zones than these are not kept; a calendar has a handful.
const MOST_ZONES: usize = 64;

impl EventReader {
    pub(crate) fn new(territory: Option<&str>) -> Self {
        Self { territory: territory.map(Into::into), zones: Vec::new() }
    }

    /// The event of an item, from the given folder of the view.
    pub(crate) fn read(&mut self, raw: RawCalendarItem, folder: usize) -> CalendarEvent {
        let offsets = offset(&raw.start).zip(offset(&raw.end));
        let start_zone = raw.start_zone.as_ref().map(|zone| self.resolve(zone, offsets));
        let end_zone = raw.end_zone.as_ref().map(|zone| self.resolve(zone, offsets));
        let start = instant(&raw.start, start_zone.as_ref());
        let end = instant(&raw.end, end_zone.as_ref().or(start_zone.as_ref()));
        let zone_ref = |zone: &Option<ResolvedZone>| zone.as_ref().map(|resolved| resolved.zone.clone());
        let when = When::read(
            raw.is_all_day.unwrap_or(false),
            EventTime { instant: start, zone: zone_ref(&start_zone) },
            EventTime { instant: end, zone: zone_ref(&end_zone).or_else(|| zone_ref(&start_zone)) },
        );
        let recurrence_id = raw.recurrence_id.as_ref().map(|time| instant(time, start_zone.as_ref()));
        let kind = match &raw.item_type {
            Some(CalendarItemType::Single) => EventKind::Single,
            Some(CalendarItemType::Occurrence) => EventKind::Occurrence,
            Some(CalendarItemType::Exception) => EventKind::Exception,
            Some(CalendarItemType::RecurringMaster) => EventKind::Master(recurrence(&raw)),
            Some(CalendarItemType::Other(_)) | None => EventKind::Unknown,
        };
        CalendarEvent {
            change_key: raw.change_key.clone(),
            uid: raw.uid.clone(),
            kind,
            when,
            zone: start_zone,
            show_as: raw.show_as.as_ref().map_or(ShowAs::NoData, show_as),
            is_cancelled: raw.is_cancelled.unwrap_or(false),
            my_response: raw.my_response.clone().unwrap_or(MyResponseType::Unknown),
            is_meeting: raw.is_meeting.unwrap_or(false),
            recurrence_id,
            folder,
            computed: false,
            instants: (start, end),
            details: Guarded::by(raw.sensitivity.as_ref(), details(&raw)),
            sensitivity: raw.sensitivity,
            id: EventId::Item(raw.id),
        }
    }

    /// The zone of an item. One that is known by nothing but the item's own offsets is not kept.
    pub(crate) fn resolve(&mut self, zone: &RawZone, offsets: Option<(Offset, Offset)>) -> ResolvedZone {
        if let Some((_, known)) = self.zones.iter().find(|(raw, _)| raw == zone) {
            return known.clone();
        }
        let wire = WireZone {
            id: Some(&zone.id),
            name: zone.name.as_deref(),
            definition: definition(zone),
            offsets,
        };
        let resolved = wire.resolve(self.territory.as_deref());
        if resolved.provenance < crate::zone::Provenance::Offsets && self.zones.len() < MOST_ZONES {
            self.zones.push((zone.clone(), resolved.clone()));
        }
        resolved
    }
}

/// The zone to compute with, if it is known.
pub(crate) fn zone_of(resolved: Option<&ResolvedZone>) -> Option<Zone> {
    resolved.and_then(|resolved| resolved.zone.zone().ok())
}

/// An offset that says something about a zone; `Z` does not.
fn offset(time: &DateTime) -> Option<Offset> {
    match time {
        DateTime::Zoned { offset, .. } if *offset != Offset::UTC => Some(*offset),
        _ => None,
    }
}

/// A time without offset is one of the item's zone, and of UTC without such.
pub(crate) fn instant(time: &DateTime, zone: Option<&ResolvedZone>) -> Timestamp {
    match time.instant() {
        Some(instant) => instant,
        None => time.instant_in(&zone_of(zone).unwrap_or_else(|| jiff::tz::TimeZone::UTC.into())),
    }
}

fn show_as(status: &LegacyFreeBusyStatus) -> ShowAs {
    ShowAs::parse(status.as_str())
}
