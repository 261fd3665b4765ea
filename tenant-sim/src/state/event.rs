//! Events of calendars: singles, series with their exceptions, and when they take place.

use jiff::{Timestamp, civil, tz::TimeZone};

use super::Folder;
use super::series::{Recurrence, Slot};

/// Series are looked through up to this many occurrences.
const MAX_OCCURRENCES: u32 = 20_000;

/// An event: a single one, or the master of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Immutable REST id; empty: given when it is stored.
    pub id: String,
    /// Which folder it lies in: the calendar, one of the mailbox's own, or the deleted items.
    pub folder: Folder,
    /// How often it was changed: the change key follows from it.
    pub change: u32,
    /// `UID` of iCalendar, the same in every attendee's mailbox; empty: given when it is stored.
    pub uid: String,
    /// Subject.
    pub subject: String,
    /// Location.
    pub location: String,
    /// Body.
    pub body: String,
    /// True when the body is HTML.
    pub html: bool,
    /// Start; for all-day events midnight of the first day in `zone`.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// Zone that it was made in, as clients said it: a Windows id, an IANA name, or what nobody knows.
    pub zone: String,
    /// True for all-day events.
    pub all_day: bool,
    /// Who may see details.
    pub sensitivity: Sensitivity,
    /// `free|tentative|busy|oof|workingElsewhere`.
    pub show_as: String,
    /// `low|normal|high`.
    pub importance: String,
    /// Categories.
    pub categories: Vec<String>,
    /// Minutes before the start.
    pub reminder: Option<u32>,
    /// Organizer: name and address.
    pub organizer: (String, String),
    /// True in the organizer's own mailbox.
    pub is_organizer: bool,
    /// Attendees.
    pub attendees: Vec<Attendee>,
    /// How the mailbox's user answered; [`Response::Organizer`] in the organizer's own.
    pub my_response: Response,
    /// True for cancelled meetings.
    pub cancelled: bool,
    /// How often the meeting was sent anew.
    pub sequence: u32,
    /// Where to join an online meeting.
    pub join_url: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
    /// Extended properties: what names them, and their value.
    pub extended: Vec<(ExtendedName, String)>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Rule of a series.
    pub recurrence: Option<Recurrence>,
    /// Changed occurrences of a series, by the instant at which they would have started.
    pub exceptions: Vec<(Timestamp, Self)>,
    /// Deleted occurrences of a series, by the instant at which they would have started.
    pub deleted: Vec<Timestamp>,
}

impl Event {
    /// An event of the mailbox's own calendar that everybody sees, in UTC, made at its start.
    pub fn new(subject: impl Into<String>, start: Timestamp, end: Timestamp) -> Self {
        Self {
            id: String::new(),
            folder: Folder::Calendar,
            change: 0,
            uid: String::new(),
            subject: subject.into(),
            location: String::new(),
            body: String::new(),
            html: false,
            start,
            end,
            zone: "UTC".to_owned(),
            all_day: false,
            sensitivity: Sensitivity::Normal,
            show_as: "busy".to_owned(),
            importance: "normal".to_owned(),
            categories: Vec::new(),
            reminder: None,
            organizer: (String::new(), String::new()),
            is_organizer: true,
            attendees: Vec::new(),
            my_response: Response::Organizer,
            cancelled: false,
            sequence: 0,
            join_url: None,
            created: start,
            modified: start,
            extended: Vec::new(),
            attachments: Vec::new(),
            recurrence: None,
            exceptions: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// The zone's rules; those of UTC for a zone that nobody knows.
    pub fn time_zone(&self) -> TimeZone {
        zone_rules(&self.zone).unwrap_or(TimeZone::UTC)
    }

    /// True for a master whose occurrences the window's view shows.
    pub fn is_series(&self) -> bool {
        self.recurrence.is_some()
    }

    /// Occurrences that are there, in order, the deleted ones left out: until `end`, at most 20,000.
    pub fn occurrences(&self, end: Timestamp) -> Vec<Instance<'_>> {
        self.slots(end).into_iter().filter_map(|slot| self.at(slot)).collect()
    }

    /// Every slot of the series that starts before `end`, also of those deleted and moved.
    pub fn slots(&self, end: Timestamp) -> Vec<Slot> {
        let Some(rule) = &self.recurrence else { return Vec::new() };
        let zone = self.time_zone();
        let time = zone.to_datetime(self.start).time();
        let mut slots = Vec::new();
        // Changed occurrences may have been moved into the window from behind it.
        let last = self.exceptions.iter().map(|(original, _)| *original).max().unwrap_or(Timestamp::MIN);
        for (index, date) in (1..=MAX_OCCURRENCES).zip(rule.dates()) {
            let Ok(start) = zone.to_ambiguous_zoned(date.to_datetime(time)).compatible() else { break };
            let start = start.timestamp();
            if start >= end && start > last {
                break;
            }
            slots.push(Slot { index, start });
        }
        slots
    }

    /// The slot of this index, from 1.
    pub fn slot(&self, index: u32) -> Option<Slot> {
        let rule = self.recurrence.as_ref()?;
        let nth = usize::try_from(index.checked_sub(1)?).ok().filter(|_| index <= MAX_OCCURRENCES)?;
        let start = self.starts_on(rule.dates().nth(nth)?)?;
        Some(Slot { index, start })
    }

    /// The slot that starts here.
    pub fn slot_at(&self, start: Timestamp) -> Option<Slot> {
        let after = start.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
        self.slots(after).into_iter().find(|slot| slot.start == start)
    }

    fn starts_on(&self, date: civil::Date) -> Option<Timestamp> {
        let zone = self.time_zone();
        let time = zone.to_datetime(self.start).time();
        Some(zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()?.timestamp())
    }

    /// The occurrence in this slot, unless it was deleted.
    pub fn at(&self, slot: Slot) -> Option<Instance<'_>> {
        if self.deleted.contains(&slot.start) {
            return None;
        }
        let exception = self.exceptions.iter().find(|(original, _)| *original == slot.start);
        Some(match exception {
            Some((_, event)) => Instance {
                event,
                master: Some(self),
                original: Some(slot.start),
                start: event.start,
                end: event.end,
                changed: true,
            },
            None => Instance {
                event: self,
                master: Some(self),
                original: Some(slot.start),
                start: slot.start,
                end: self.end_of(slot.start),
                changed: false,
            },
        })
    }

    /// Where an occurrence that starts here ends: as many days later as the first one, at the same time by the clock, so that a
    /// night shift over a change of clocks still ends at six.
    fn end_of(&self, start: Timestamp) -> Timestamp {
        if start == self.start {
            return self.end;
        }
        let zone = self.time_zone();
        let (first, last) = (zone.to_datetime(self.start), zone.to_datetime(self.end));
        let end = first
            .date()
            .until(last.date())
            .and_then(|days| zone.to_datetime(start).date().checked_add(days))
            .and_then(|day| zone.to_ambiguous_zoned(day.to_datetime(last.time())).compatible());
        end.map_or(start, |end| end.timestamp()).max(start)
    }

    /// What takes place in the window: the event itself, or the occurrences of the series. One whose end is the window's
    /// start, or that lasts no time, belongs to it.
    pub fn instances(&self, from: Timestamp, until: Timestamp) -> Vec<Instance<'_>> {
        let all = if self.is_series() {
            self.occurrences(until)
        } else {
            vec![Instance {
                event: self,
                master: None,
                original: None,
                start: self.start,
                end: self.end,
                changed: false,
            }]
        };
        all.into_iter().filter(|i| i.end >= from && i.start < until).collect()
    }
}

/// Something in a calendar's view.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// Where its properties stand: the event, the changed occurrence, or the master.
    pub event: &'a Event,
    /// The series that it belongs to.
    pub master: Option<&'a Event>,
    /// The start of its slot in the series.
    pub original: Option<Timestamp>,
    /// Start.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// True for a changed occurrence.
    pub changed: bool,
}

impl Instance<'_> {
    /// Immutable REST id: the event's own, or that of the occurrence.
    pub fn id(&self) -> String {
        match (self.master, self.original) {
            (Some(master), Some(original)) => occurrence_id(&master.id, original),
            _ => self.event.id.clone(),
        }
    }

    /// How often it was changed, with its series.
    pub fn change(&self) -> u32 {
        self.event.change + self.master.map_or(0, |m| m.change)
    }
}

/// Who sees an event's details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// `normal`
    Normal,
    /// `personal`
    Personal,
    /// `private`
    Private,
    /// `confidential`
    Confidential,
}

/// Somebody who is invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// Must come, may come, or is a room.
    pub role: AttendeeRole,
    /// What they answered, as the organizer knows.
    pub response: Response,
    /// When they answered.
    pub responded: Option<Timestamp>,
}

impl Attendee {
    /// Somebody who must come and has not answered.
    pub fn required(address: impl Into<String>) -> Self {
        let address = address.into();
        Self {
            name: address.clone(),
            address,
            role: AttendeeRole::Required,
            response: Response::NoResponseReceived,
            responded: None,
        }
    }
}

/// What somebody is invited as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttendeeRole {
    /// Must come.
    Required,
    /// May come.
    Optional,
    /// A room or a device.
    Resource,
}

/// An answer to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Nobody was asked.
    Unknown,
    /// Theirs is the meeting.
    Organizer,
    /// Perhaps.
    Tentative,
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// None yet.
    NoResponseReceived,
}

/// What an extended property is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedName {
    /// The attributes of `ExtendedFieldURI` without the type.
    pub attributes: Vec<(String, String)>,
    /// `PropertyType`
    pub kind: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Media type.
    pub content_type: String,
    /// Content.
    pub content: Vec<u8>,
}

/// The rules of a zone by its Windows id, in English, or its IANA name.
pub fn zone_rules(id: &str) -> Option<TimeZone> {
    if matches!(id, "UTC" | "tzone://Microsoft/Utc" | "") {
        return Some(TimeZone::UTC);
    }
    let iana = id.parse::<windows_timezones::WindowsTimezone>().map_or(id, |zone| zone.tzdb_id());
    TimeZone::get(iana).ok()
}

/// What stands between a series' id and an occurrence's time in the occurrence's id.
const OCCURRENCE: &str = "AAEK";
/// Letters of an item's id before its last four.
const STEM: usize = 68;

/// The id of an occurrence: of the same letters as that of its series, with the start of its slot.
pub fn occurrence_id(master: &str, original: Timestamp) -> String {
    use base64::Engine as _;
    let mut bytes = original.as_second().to_be_bytes().to_vec();
    bytes.push(0x10);
    let time = base64::prelude::BASE64_URL_SAFE.encode(bytes);
    format!("{}{OCCURRENCE}{time}", master.get(..STEM).unwrap_or(master))
}

/// The id of the series and the start of the slot that an occurrence's id names.
pub fn split_occurrence_id(id: &str) -> Option<(String, Timestamp)> {
    use base64::Engine as _;
    let (stem, rest) = (id.get(..STEM)?, id.get(STEM..)?.strip_prefix(OCCURRENCE)?);
    let bytes = base64::prelude::BASE64_URL_SAFE.decode(rest).ok()?;
    let seconds = i64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let original = Timestamp::from_second(seconds).ok().filter(|_| bytes.get(8..) == Some(&[0x10]))?;
    Some((format!("{stem}AAA="), original))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::series::{Pattern, Range};

    #[test]
    fn an_occurrences_id_leads_back_to_its_series() {
        let id = format!("AAkA{}AAA=", "b".repeat(64));
        let at = "2026-11-23T08:00:00Z".parse().unwrap();
        let occurrence = occurrence_id(&id, at);
        assert_eq!(split_occurrence_id(&occurrence), Some((id.clone(), at)));
        assert_eq!((split_occurrence_id(&id), occurrence.len() % 4), (None, 0));
    }

    #[test]
    fn a_series_keeps_its_local_time_over_a_change_of_clocks() {
        let mut event = Event::new(
            "Stand-up",
            "2026-10-24T07:00:00Z".parse().unwrap(),
            "2026-10-24T07:30:00Z".parse().unwrap(),
        );
        event.zone = "Romance Standard Time".to_owned();
        event.recurrence = Some(Recurrence {
            pattern: Pattern::Daily { interval: 1 },
            first: civil::date(2026, 10, 24),
            range: Range::Numbered(3),
        });
        let starts: Vec<String> =
            event.occurrences(Timestamp::MAX).iter().map(|i| i.start.to_string()).collect();
        assert_eq!(starts, ["2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]);
        event.all_day = true;
        event.start = "2026-10-23T22:00:00Z".parse().unwrap();
        event.end = "2026-10-24T22:00:00Z".parse().unwrap();
        let hours: Vec<i64> = event
            .occurrences(Timestamp::MAX)
            .iter()
            .map(|i| i.end.duration_since(i.start).as_hours())
            .collect();
        assert_eq!(hours, [24, 25, 24]);
    }
}
