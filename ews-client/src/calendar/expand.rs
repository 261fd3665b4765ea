//! Series that a server does not expand: computed from their masters, and laid beside what the server did list. No I/O.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::event::{CalendarEvent, EventId, EventKind, zone_of};
use crate::recurrence::{ModifiedOccurrence, Recurrence, Series};
use crate::zone::Zone;
use crate::{EventTime, ItemHead, ItemId, When};

/// A series with what its master says about its occurrences.
#[derive(Clone, Debug)]
pub(crate) struct Master {
    /// The master itself, as an event.
    pub(crate) event: CalendarEvent,
    pub(crate) rule: Recurrence,
    /// Exceptions, and the items that hold them.
    pub(crate) modified: Vec<(ItemHead, ModifiedOccurrence)>,
    /// Original starts of the deleted ones.
    pub(crate) deleted: Vec<Timestamp>,
}

/// Most occurrences computed of all series of a view: a rule of every day over centuries ends somewhere.
const MOST_OCCURRENCES: usize = 100_000;

/// What a view holds, with the series that the server left out.
#[derive(Debug, Default)]
pub(crate) struct Expanded {
    /// Occurrences that the server did not list.
    pub(crate) added: Vec<CalendarEvent>,
    /// Series that could not be computed: their zone is unknown, or their times make no sense. Their masters.
    pub(crate) unknown: Vec<ItemId>,
    /// There were too many.
    pub(crate) overflow: bool,
}

/// What a server listed so far, as far as doubles are told by it.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    ids: HashSet<EventId>,
    /// What else is known of series, by folder and UID: a copy in another folder is another series.
    series: HashMap<(usize, Box<str>), ListedSeries>,
}

#[derive(Debug, Default)]
struct ListedSeries {
    /// Whether a regular occurrence was listed.
    expanded: bool,
    /// Exceptions that a server keeps as items of their own: by the slot, or else by when they are.
    slots: HashSet<Timestamp>,
}

impl Listed {
    /// Takes one in; whether it is new.
    pub(crate) fn add(&mut self, event: &CalendarEvent) -> bool {
        if !self.ids.insert(event.id.clone()) {
            return false;
        }
        if let Some(uid) = &event.uid
            && !matches!(event.kind, EventKind::Single | EventKind::Master(_))
        {
            let series = self.series.entry((event.folder, uid.clone())).or_default();
            if event.kind == EventKind::Occurrence {
                series.expanded = true;
            } else {
                series.slots.insert(event.recurrence_id.unwrap_or_else(|| event.start()));
            }
        }
        true
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// The occurrences of `masters` between the two instants, without those that were listed already. A series of which the
/// server lists a regular occurrence is the server's: it knows best.
pub(crate) fn expand(masters: &[Master], listed: &Listed, from: Timestamp, to: Timestamp) -> Expanded {
    let mut expanded = Expanded::default();
    for master in masters {
        let known = master.event.uid.clone().and_then(|uid| listed.series.get(&(master.event.folder, uid)));
        if known.is_some_and(|known| known.expanded) {
            continue;
        }
        let EventId::Item(master_id) = &master.event.id else { continue };
        let Some(series) = series(master) else {
            expanded.unknown.push(master_id.clone());
            continue;
        };
        let taken = known.map(|known| &known.slots);
        for occurrence in series.occurrences(from, to) {
            if expanded.added.len() >= MOST_OCCURRENCES {
                expanded.overflow = true;
                return expanded;
            }
            if taken.is_some_and(|taken| {
                taken.contains(&occurrence.original_start) || taken.contains(&occurrence.start)
            }) {
                continue;
            }
            let exception = occurrence.exception.and_then(|place| Some(&master.modified.get(place)?.0));
            let (id, change_key) = match (exception, occurrence.index) {
                // Some servers keep exceptions inside the master, and call them by its id.
                (Some(head), _) if head.id != *master_id => {
                    (EventId::Item(head.id.clone()), head.change_key.clone())
                }
                (_, Some(index)) => {
                    let id = EventId::Occurrence { master: master_id.clone(), index };
                    (id, master.event.change_key.clone())
                }
                // An exception without item and without slot cannot be called anything but its series.
                (_, None) => (EventId::Item(master_id.clone()), master.event.change_key.clone()),
            };
            if listed.ids.contains(&id) && id.item() != Some(master_id) {
                continue;
            }
            let kind =
                if occurrence.exception.is_some() { EventKind::Exception } else { EventKind::Occurrence };
            let (start, end) = (occurrence.start, occurrence.end);
            expanded.added.push(CalendarEvent {
                id,
                change_key,
                kind,
                when: when(&master.event, start, end),
                recurrence_id: Some(occurrence.original_start),
                instants: (start, end),
                computed: true,
                ..master.event.clone()
            });
        }
    }
    expanded
}

fn series(master: &Master) -> Option<Series> {
    let zone = series_zone(master)?;
    let series = Series::new(master.rule.clone(), zone, master.event.start(), master.event.end()).ok()?;
    let modified = master.modified.iter().map(|(_, modified)| modified.clone());
    Some(series.with_modified(modified).with_deleted(master.deleted.iter().copied()))
}

/// The zone that a series was made in. One offset alone moves a series by an hour for half of the year: that is no zone.
fn series_zone(master: &Master) -> Option<Zone> {
    match &master.event.zone {
        Some(resolved) if resolved.provenance >= crate::zone::Provenance::Offsets => None,
        Some(resolved) => zone_of(Some(resolved)),
        // Servers that name no zone keep their times in UTC.
        None => Some(jiff::tz::TimeZone::UTC.into()),
    }
}

/// The time of an occurrence in the zone of its series.
fn when(master: &CalendarEvent, start: Timestamp, end: Timestamp) -> When {
    let zone = master.zone.as_ref().map(|resolved| resolved.zone.clone());
    let time = |instant| EventTime { instant, zone: zone.clone() };
    When::read(master.is_all_day(), time(start), time(end))
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::MyResponseType;
    use crate::calendar::event::EventDetails;
    use crate::calendar::guarded::Guarded;
    use crate::free_busy::ShowAs;
    use crate::recurrence::{Pattern, Range};
    use crate::zone::{Provenance, ResolvedZone, ZoneRef};

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub(crate) fn event(id: &str, kind: EventKind, start: &str, end: &str) -> CalendarEvent {
        let zone = ZoneRef::windows_zone("Romance Standard Time").unwrap();
        let time = |text: &str| EventTime { instant: at(text), zone: Some(zone.clone()) };
        CalendarEvent {
            id: EventId::Item(id.into()),
            change_key: None,
            uid: Some("UID-1".into()),
            kind,
            when: When::Timed { start: time(start), end: time(end) },
            zone: Some(ResolvedZone { zone: zone.clone(), provenance: Provenance::WindowsId }),
            show_as: ShowAs::Busy,
            sensitivity: Some(crate::Sensitivity::Normal),
            is_cancelled: false,
            my_response: MyResponseType::Organizer,
            is_meeting: false,
            recurrence_id: None,
            folder: 0,
            computed: false,
            instants: (at(start), at(end)),
            details: Guarded::open(EventDetails::default()),
        }
    }

    fn master() -> Master {
        let rule = Recurrence::new(Pattern::Daily { interval: 1 }, Range::NoEnd { start: date(2026, 3, 27) })
            .unwrap();
        let event = event("M", EventKind::Master(None), "2026-03-27T08:00:00Z", "2026-03-27T09:00:00Z");
        Master { event, rule, modified: Vec::new(), deleted: Vec::new() }
    }

    fn listed(events: &[CalendarEvent]) -> Listed {
        let mut listed = Listed::default();
        assert!(events.iter().all(|event| listed.add(event)));
        listed
    }

    const FROM: &str = "2026-03-28T00:00:00Z";
    const TO: &str = "2026-03-31T00:00:00Z";

    fn starts(expanded: &Expanded) -> Vec<String> {
        expanded.added.iter().map(|event| event.start().to_string()).collect()
    }

    #[test]
    fn trap_13_a_series_that_the_view_lacks_is_computed_over_the_change_of_clocks() {
        let expanded = expand(&[master()], &listed(&[]), at(FROM), at(TO));
        assert_eq!(
            starts(&expanded),
            ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"]
        );
        assert_eq!(expanded.added[1].id, EventId::Occurrence { master: "M".into(), index: 3 });
        assert_eq!(expanded.added[1].kind, EventKind::Occurrence);
    }

    #[test]
    fn trap_13_exceptions_and_deletions_are_neither_lost_nor_doubled() {
        let mut series = master();
        series.modified.push((
            ItemHead::new("X").with_change_key("XK"),
            ModifiedOccurrence {
                original_start: at("2026-03-29T07:00:00Z"),
                start: at("2026-03-29T12:00:00Z"),
                end: at("2026-03-29T13:00:00Z"),
            },
        ));
        series.deleted.push(at("2026-03-30T07:00:00Z"));
        let alone = expand(&[series.clone()], &listed(&[]), at(FROM), at(TO));
        assert_eq!(starts(&alone), ["2026-03-28T08:00:00Z", "2026-03-29T12:00:00Z"]);
        assert_eq!(alone.added[1].id, EventId::Item("X".into()));
        assert_eq!(alone.added[1].kind, EventKind::Exception);
        assert_eq!(alone.added[1].change_key, Some("XK".into()), "its own version, not that of its series");

        // The server lists the exception as an item, and not the series: by id, by slot, or by when it is.
        let mut it = event("X", EventKind::Exception, "2026-03-29T12:00:00Z", "2026-03-29T13:00:00Z");
        let beside = expand(&[series.clone()], &listed(&[it.clone()]), at(FROM), at(TO));
        assert_eq!(starts(&beside), ["2026-03-28T08:00:00Z"]);
        it.uid = None;
        let beside = expand(std::slice::from_ref(&series), &listed(&[it.clone()]), at(FROM), at(TO));
        assert_eq!(starts(&beside), ["2026-03-28T08:00:00Z"], "by its id alone");
        it.uid = Some("UID-1".into());
        it.id = EventId::Item("OTHER".into());
        it.recurrence_id = Some(at("2026-03-29T07:00:00Z"));
        let beside = expand(&[series], &listed(&[it]), at(FROM), at(TO));
        assert_eq!(starts(&beside), ["2026-03-28T08:00:00Z"]);
    }

    #[test]
    fn trap_13_what_the_server_expands_is_the_servers() {
        let it = event("O", EventKind::Occurrence, "2026-03-28T08:00:00Z", "2026-03-28T09:00:00Z");
        assert!(expand(&[master()], &listed(&[it]), at(FROM), at(TO)).added.is_empty());
    }

    #[test]
    fn trap_13_a_copy_of_the_series_in_another_folder_is_another_series() {
        let mut it = event("O", EventKind::Occurrence, "2026-03-28T08:00:00Z", "2026-03-28T09:00:00Z");
        it.folder = 1;
        let mut exception = event("X", EventKind::Exception, "2026-03-29T07:00:00Z", "2026-03-29T08:00:00Z");
        exception.folder = 1;
        let expanded = expand(&[master()], &listed(&[it, exception]), at(FROM), at(TO));
        assert_eq!(expanded.added.len(), 3);
    }

    #[test]
    fn trap_13_an_exception_that_is_called_by_its_series_is_not_lost_when_the_view_holds_the_series() {
        let mut series = master();
        let moved = |original: &str| ModifiedOccurrence {
            original_start: at(original),
            start: at("2026-03-29T12:00:00Z"),
            end: at("2026-03-29T13:00:00Z"),
        };
        series.modified.push((ItemHead::new("M"), moved("2026-03-29T07:00:00Z")));
        // And one whose slot the rule does not have.
        series.modified.push((ItemHead::new("M"), moved("2020-01-01T07:00:00Z")));
        let expanded = expand(&[series.clone()], &listed(&[series.event]), at(FROM), at(TO));
        let ids: Vec<_> = expanded.added.iter().map(|event| event.id.clone()).collect();
        let occurrence = |index| EventId::Occurrence { master: "M".into(), index };
        assert_eq!(ids, [occurrence(2), occurrence(3), EventId::Item("M".into()), occurrence(4)]);
    }

    #[test]
    fn a_series_in_an_unknown_zone_is_told_and_not_guessed() {
        let mut series = master();
        let zone = ZoneRef::Unknown { id: "Mitteleuropäische Zeit".into(), name: None };
        series.event.zone = Some(ResolvedZone { zone, provenance: Provenance::Unresolved });
        let expanded = expand(&[series], &listed(&[]), at(FROM), at(TO));
        assert!(expanded.added.is_empty());
        assert_eq!(expanded.unknown, [ItemId::from("M")]);
    }
}
