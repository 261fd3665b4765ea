use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::guarded::Guarded;
use crate::free_busy::{ShowAs, Slot, merge};
use crate::recurrence::Recurrence;
use crate::xs::DateTime;
use crate::zone::{Provenance, ResolvedZone, WireZone, Zone};
use crate::{
    Attendee, CalendarItemType, ChangeKey, EmailAddress, EventTime, ItemBody, ItemId, MyResponseType,
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
    /// Whether it was computed here from its series, because the server does not list it. Status and details are then those of
    /// the series, also of an exception: [`EwsCalendar::get`](super::EwsCalendar::get) reads its own.
    pub computed: bool,
    /// The instants of the server.
    pub(crate) instants: (Timestamp, Timestamp),
    pub(crate) details: Guarded<EventDetails>,
}

/// Who, what and where.
///
/// `Debug` tells how many are invited and nothing else.
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
    pub body: Option<ItemBody>,
    /// Who has to come, when the event was read by itself.
    pub required: Vec<Attendee>,
    /// Who may come, when the event was read by itself.
    pub optional: Vec<Attendee>,
    /// Rooms and equipment, when the event was read by itself.
    pub resources: Vec<Attendee>,
    /// Labels that the owner gave it.
    pub categories: Vec<Box<str>>,
    /// Where to meet online.
    pub online_meeting: Option<Box<str>>,
    /// Whether something is attached; `None` when the server was not asked.
    pub has_attachments: Option<bool>,
}

impl fmt::Debug for EventDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let people = self.required.len() + self.optional.len() + self.resources.len();
        f.debug_struct("EventDetails").field("attendees", &people).finish_non_exhaustive()
    }
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
    let slots = events.iter().filter(|event| !matches!(event.kind, EventKind::Master(_))).map(|event| Slot {
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
    pub(crate) fn read(&mut self, mut raw: RawCalendarItem, folder: usize) -> CalendarEvent {
        let offsets = offset(&raw.start).zip(offset(&raw.end));
        let zone = raw.start_zone.as_ref().map(|zone| self.resolve(zone, offsets));
        let end_zone = raw.end_zone.as_ref().map(|zone| self.resolve(zone, offsets));
        let end_zone = end_zone.as_ref().or(zone.as_ref());
        let start = instant(&raw.start, zone.as_ref());
        let end = instant(&raw.end, end_zone);
        let time = |instant, zone: Option<&ResolvedZone>| EventTime {
            instant,
            zone: zone.map(|resolved| resolved.zone.clone()),
        };
        let is_all_day = raw.is_all_day.unwrap_or(false);
        let when = When::read(is_all_day, time(start, zone.as_ref()), time(end, end_zone));
        let more = raw.more.take().map(|more| *more).unwrap_or_default();
        let slot = raw.recurrence_id.or(more.original_start);
        let kind = match raw.item_type {
            Some(CalendarItemType::Single) => EventKind::Single,
            Some(CalendarItemType::Occurrence) => EventKind::Occurrence,
            Some(CalendarItemType::Exception) => EventKind::Exception,
            Some(CalendarItemType::RecurringMaster) => {
                let rule = more.recurrence.as_ref().and_then(|raw| raw.known());
                EventKind::Master(rule.map(|rule| Box::new(rule.clone())))
            }
            Some(CalendarItemType::Other(_)) | None => EventKind::Unknown,
        };
        let organizer =
            raw.organizer.map(|name| EmailAddress { name: Some((&*name).into()), ..EmailAddress::default() });
        let details = EventDetails {
            subject: raw.subject,
            location: raw.location,
            organizer: more.organizer.or(organizer),
            body: more.body,
            required: more.required_attendees,
            optional: more.optional_attendees,
            resources: more.resources,
            categories: more.categories,
            online_meeting: more.join_url,
            has_attachments: more.has_attachments,
        };
        CalendarEvent {
            id: EventId::Item(raw.id),
            change_key: raw.change_key,
            uid: raw.uid,
            kind,
            when,
            recurrence_id: slot.as_ref().map(|time| instant(time, zone.as_ref())),
            zone,
            show_as: raw.show_as.map_or(ShowAs::NoData, |status| ShowAs::parse(status.as_str())),
            is_cancelled: raw.is_cancelled.unwrap_or(false),
            my_response: raw.my_response.unwrap_or(MyResponseType::Unknown),
            is_meeting: raw.is_meeting.unwrap_or(false),
            folder,
            computed: false,
            instants: (start, end),
            details: Guarded::by(raw.sensitivity.as_ref(), details),
            sensitivity: raw.sensitivity,
        }
    }

    /// The zone of an item. One that is known by nothing but the item's own offsets is not kept.
    pub(crate) fn resolve(&mut self, zone: &RawZone, offsets: Option<(Offset, Offset)>) -> ResolvedZone {
        if let Some((_, known)) = self.zones.iter().find(|(raw, _)| raw == zone) {
            return known.clone();
        }
        let resolved = WireZone { offsets, ..zone.wire() }.resolve(self.territory.as_deref());
        if resolved.provenance < Provenance::Offsets && self.zones.len() < MOST_ZONES {
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

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use jiff::{SignedDuration, ToSpan as _};
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::testing::read_items;
    use crate::zone::windows_ids;

    const CANARY: &str = "Kanarienvogel";

    fn item(sensitivity: &str, body: &str) -> RawCalendarItem {
        let item = format!(
            r#"<t:CalendarItem><t:ItemId Id="AAA="/><t:Subject>{CANARY}</t:Subject>{sensitivity}
            <t:Location>{CANARY}</t:Location><t:Organizer><t:Mailbox><t:Name>{CANARY}</t:Name><t:EmailAddress>{CANARY}@x.example</t:EmailAddress></t:Mailbox></t:Organizer>
            <t:Body BodyType="Text">{CANARY}</t:Body><t:Categories><t:String>{CANARY}</t:String></t:Categories>
            <t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>{CANARY}@x.example</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees>
            <t:OptionalAttendees><t:Attendee><t:Mailbox><t:Name>{CANARY}</t:Name></t:Mailbox></t:Attendee></t:OptionalAttendees>
            <t:Resources><t:Attendee><t:Mailbox><t:Name>{CANARY}</t:Name></t:Mailbox></t:Attendee></t:Resources>
            <t:JoinOnlineMeetingUrl>https://meet.example/{CANARY}</t:JoinOnlineMeetingUrl>{body}</t:CalendarItem>"#
        );
        read_items(&item).remove(0)
    }

    const TIMES: &str = "<t:Start>2026-11-23T08:00:00Z</t:Start><t:End>2026-11-23T09:00:00Z</t:End>";

    #[test]
    fn trap_16_nothing_private_is_shown_whatever_the_mark() {
        for sensitivity in ["Normal", "Personal", "Private", "Confidential", "Secret", ""] {
            let element = match sensitivity {
                "" => String::new(),
                word => format!("<t:Sensitivity>{word}</t:Sensitivity>"),
            };
            let event = EventReader::default().read(item(&element, TIMES), 0);
            let hidden = !matches!(sensitivity, "Normal" | "Personal");
            assert_eq!(event.details().is_hidden(), hidden, "{sensitivity}");
            assert_eq!(event.subject().is_none(), hidden);
            assert_eq!(event.location().is_none(), hidden);
            let revealed = event.details().reveal_private();
            assert_eq!(revealed.subject.as_deref(), Some(CANARY));
            assert!(revealed.body.is_some() && revealed.online_meeting.is_some());
            assert_eq!(
                (revealed.required.len(), revealed.optional.len(), revealed.resources.len()),
                (1, 1, 1)
            );
            for shown in [
                format!("{event:?}"),
                format!("{event:#?}"),
                format!("{revealed:#?}"),
                format!("{:?}", event.details()),
                format!("{:?}", event.clone().details.into_visible()),
            ] {
                assert!(!shown.contains(CANARY), "{shown}");
            }
        }
    }

    #[test]
    fn trap_21_cancelled_is_free_and_the_strongest_wins() {
        let read = |more: &str| {
            EventReader::default()
                .read(item("<t:Sensitivity>Normal</t:Sensitivity>", &format!("{TIMES}{more}")), 0)
        };
        let status = |word: &str| format!("<t:LegacyFreeBusyStatus>{word}</t:LegacyFreeBusyStatus>");
        let cancelled = read(&format!("{}<t:IsCancelled>true</t:IsCancelled>", status("Busy")));
        assert_eq!((cancelled.show_as.clone(), cancelled.presence()), (ShowAs::Busy, ShowAs::Free));
        assert_eq!(read("").presence(), ShowAs::NoData, "never free without being told");
        let declined = read("<t:MyResponseType>Decline</t:MyResponseType>");
        assert_eq!(declined.my_response, MyResponseType::Decline);
        let (from, to) = (cancelled.start(), cancelled.end());
        let tentative = read(&status("Tentative"));
        let line = presence(&[cancelled.clone(), tentative.clone()], from, to);
        assert_eq!(line.first().map(|slot| slot.show_as.clone()), Some(ShowAs::Tentative));
        let line = presence(&[tentative, read(&status("OOF")), cancelled], from, to);
        assert_eq!(line, [Slot { start: from, end: to, show_as: ShowAs::Oof }]);
    }

    #[test]
    fn trap_12_each_form_of_a_zone_tells_how_it_was_found() {
        let zone = |attributes: &str, rules: &str| {
            let body = format!("{TIMES}<t:StartTimeZone {attributes}>{rules}</t:StartTimeZone>");
            EventReader::default().read(item("", &body), 0).zone.unwrap()
        };
        let rules = r#"<t:Periods><t:Period Bias="-PT60M" Name="Standard" Id="s"/></t:Periods>"#;
        for (attributes, rules, provenance) in [
            (r#"Id="Romance Standard Time""#, "", Provenance::WindowsId),
            (r#"Id="Europe/Copenhagen""#, "", Provenance::IanaId),
            (r#"Id="Mitteleuropäische Zeit""#, rules, Provenance::ServerRules),
            (r#"Id="Mitteleuropäische Zeit""#, "", Provenance::Unresolved),
            (r#"Id="tzone://Microsoft/Custom""#, rules, Provenance::ServerRules),
        ] {
            assert_eq!(zone(attributes, rules).provenance, provenance, "{attributes}");
        }
    }

    #[test]
    fn trap_12_rules_that_make_no_sense_lose_neither_the_item_nor_its_neighbours() {
        let item = |rules: &str| {
            format!(
                r#"<t:CalendarItem><t:ItemId Id="AAA="/><t:StartTimeZone Id="Romance Standard Time">{rules}</t:StartTimeZone>
                {TIMES}<t:Subject>Standup</t:Subject></t:CalendarItem>"#
            )
        };
        for rules in [
            r#"<t:Periods><t:Period Bias="an hour" Name="Standard" Id="s"><t:More>1</t:More></t:Period></t:Periods>"#,
            r#"<t:Periods><t:Period Name="Standard" Id="s"/></t:Periods>"#,
            r#"<t:Periods/><t:TransitionsGroups><t:TransitionsGroup Id="0"><t:RecurringDayTransition><t:To Kind="Period">s</t:To><t:Month>May<t:x/></t:Month></t:RecurringDayTransition></t:TransitionsGroup></t:TransitionsGroups>"#,
        ] {
            let items = read_items(&format!("{}{}", item(rules), item("")));
            assert_eq!(items.len(), 2, "{rules}");
            for raw in items {
                assert_eq!(raw.subject.as_deref(), Some("Standup"));
                let event = EventReader::default().read(raw, 0);
                assert_eq!(event.zone.unwrap().provenance, Provenance::WindowsId);
            }
        }
    }

    #[test]
    fn a_time_without_offset_is_one_of_the_items_zone() {
        let body = "<t:Start>2026-11-23T08:00:00</t:Start><t:End>2026-11-23T09:00:00</t:End>";
        let zone = r#"<t:StartTimeZone Id="Romance Standard Time"/>"#;
        let event = EventReader::default().read(item("", &format!("{body}{zone}")), 0);
        assert_eq!(event.start().to_string(), "2026-11-23T07:00:00Z");
        assert_eq!(event.end().to_string(), "2026-11-23T08:00:00Z");
        assert_eq!(
            EventReader::default().read(item("", body), 0).start().to_string(),
            "2026-11-23T08:00:00Z"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Whole days made in any zone of Windows are those days for every reader, on days of 23 and 25 hours too.
        #[test]
        fn trap_11_all_day_events_of_any_zone_are_the_days_that_were_meant(
            zone in prop::sample::select(windows_ids().collect::<Vec<_>>()),
            day in 0_i64..3_000,
            days in 1_u16..9,
        ) {
            let first = date(2020, 1, 1).checked_add(day.days()).unwrap();
            let when = When::all_day(first, days).unwrap();
            let iana = crate::zone::windows_to_iana(zone, None).unwrap();
            let (start, end) = when.instants(&Zone::from(TimeZone::get(iana).unwrap()));
            let body = format!(
                r#"<t:IsAllDayEvent>true</t:IsAllDayEvent><t:Start>{start}</t:Start><t:End>{end}</t:End><t:StartTimeZone Id="{zone}"/><t:EndTimeZone Id="{zone}"/>"#
            );
            let event = EventReader::default().read(item("", &body), 0);
            prop_assert_eq!(&event.when, &when);
            let hours = event.start().duration_until(event.end());
            let off = (hours - SignedDuration::from_hours(24 * i64::from(days))).abs();
            prop_assert!(off <= SignedDuration::from_hours(1));
        }
    }
}
