use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

use super::{Dates, Recurrence};
use crate::zone::{OFFSET_MARGIN, Zone};
use crate::{Error, Result};

/// The longest event that Exchange takes (ErrorCalendarDurationIsTooLong): five years.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

/// A master with its exceptions, ready to be expanded.
///
/// Occurrences keep their local time in the zone that the series was made in, both ends, so a series over a change of clocks
/// moves in UTC, and an all-day one has a day of 23 and one of 25 hours. Two things are assumed, for Microsoft documents neither:
/// a local time that clocks skip is moved forward by the gap, and of one that comes twice the earlier is meant.
///
/// ```
/// use ews_client::recurrence::{Pattern, Range, Recurrence, Series};
/// use ews_client::zone::ZoneRef;
/// use jiff::civil::date;
///
/// let rule = Recurrence::new(Pattern::Daily { interval: 1 }, Range::NoEnd { start: date(2026, 3, 1) })?;
/// let zone = ZoneRef::windows_zone("Romance Standard Time")?.zone()?;
/// let series = Series::new(rule, zone, "2026-03-01T08:00:00Z".parse().unwrap(), "2026-03-01T09:00:00Z".parse().unwrap())?;
/// let window = ("2026-03-28T00:00:00Z".parse().unwrap(), "2026-03-30T00:00:00Z".parse().unwrap());
/// let starts: Vec<_> = series.occurrences(window.0, window.1).map(|o| o.start.to_string()).collect();
/// assert_eq!(starts, ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"]);
/// # Ok::<(), ews_client::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Series {
    rule: Recurrence,
    zone: Zone,
    time: jiff::civil::Time,
    /// From start to end on the clock, not in elapsed time.
    span: SignedDuration,
    modified: Vec<ModifiedOccurrence>,
    /// Slots that exceptions replace or deletions empty, by ordinal.
    gone: BTreeSet<u32>,
    /// By ordinal, or `None` where no slot matches.
    slots: Vec<Option<u32>>,
}

/// An exception as the master lists it (`ModifiedOccurrences/Occurrence`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModifiedOccurrence {
    /// `OriginalStart`: the slot that it replaces.
    pub original_start: Timestamp,
    /// `Start`.
    pub start: Timestamp,
    /// `End`.
    pub end: Timestamp,
}

/// One event of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// `InstanceIndex`: counted from 1, deleted ones included. `None`: an exception whose slot the rule does not have.
    pub index: Option<u32>,
    /// The slot's own beginning, whatever an exception did to it: with the series' UID it names the occurrence for ever.
    pub original_start: Timestamp,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// Where its exception stands in the list that was given to [`Series::with_modified`].
    pub exception: Option<usize>,
}

impl Series {
    /// A series from its master. `start` and `end` are the master's: their local times in `zone` (its StartTimeZone, the zone
    /// that the series was made in) are those of every occurrence. The days come from the rule alone.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the end is before the start, or the event longer than five
    /// years.
    pub fn new(rule: Recurrence, zone: Zone, start: Timestamp, end: Timestamp) -> Result<Self> {
        let (local_start, local_end) = (zone.to_local(start), zone.to_local(end));
        let span = local_start.duration_until(local_end);
        if end < start || span > LONGEST {
            return Err(Error::invalid("an event ends after its start, and within five years"));
        }
        // In the hour that comes twice an event may end on the clock before it starts: keep what elapsed.
        let span = if span.is_negative() { start.duration_until(end) } else { span };
        Ok(Self {
            rule,
            zone,
            time: local_start.time(),
            span,
            modified: Vec::new(),
            gone: BTreeSet::new(),
            slots: Vec::new(),
        })
    }

    /// With exceptions. Each replaces the slot that its original start names: the same instant, else the same local day. One that
    /// names none is an event all the same: the server says that it exists.
    #[must_use]
    pub fn with_modified(mut self, modified: impl IntoIterator<Item = ModifiedOccurrence>) -> Self {
        for exception in modified {
            let slot = self.slot_of(exception.original_start);
            self.gone.extend(slot);
            self.slots.push(slot);
            self.modified.push(exception);
        }
        self
    }

    /// Without these occurrences (`DeletedOccurrences/DeletedOccurrence/Start`, the original starts).
    #[must_use]
    pub fn with_deleted(mut self, original_starts: impl IntoIterator<Item = Timestamp>) -> Self {
        for start in original_starts {
            let slot = self.slot_of(start);
            self.gone.extend(slot);
        }
        self
    }

    /// The rule.
    pub fn recurrence(&self) -> &Recurrence {
        &self.rule
    }

    /// The occurrences that overlap the window, in order of their beginning; one without length counts if it begins within. The
    /// work depends on the window, not on how long ago the series began.
    pub fn occurrences(&self, from: Timestamp, to: Timestamp) -> Occurrences<'_> {
        let mut exceptions: BTreeMap<(Timestamp, usize), Occurrence> = BTreeMap::new();
        for (i, (exception, slot)) in self.modified.iter().zip(&self.slots).enumerate() {
            if overlaps(exception.start, exception.end, from, to) {
                let occurrence = Occurrence {
                    index: slot.map(|ordinal| ordinal + 1),
                    original_start: exception.original_start,
                    start: exception.start,
                    end: exception.end,
                    exception: Some(i),
                };
                exceptions.insert((exception.start, i), occurrence);
            }
        }
        let margin = OFFSET_MARGIN + self.span;
        let first = self.zone.to_local(from.saturating_sub(margin).unwrap_or(from)).date();
        let last = self.zone.to_local(to.saturating_add(OFFSET_MARGIN).unwrap_or(to)).date();
        Occurrences {
            series: self,
            dates: self.rule.dates_between(first, last),
            exceptions,
            from,
            to,
            pending: None,
        }
    }

    fn slot_of(&self, original_start: Timestamp) -> Option<u32> {
        let day = self.zone.to_local(original_start).date();
        let near = [Some(day), day.yesterday().ok(), day.tomorrow().ok()];
        // A clock change may push a slot over midnight: the instant decides before the day does.
        near.into_iter()
            .flatten()
            .filter(|day| self.start_on(*day) == original_start)
            .chain([day])
            .find_map(|day| self.rule.ordinal_of(day))
    }

    fn start_on(&self, day: Date) -> Timestamp {
        self.zone.to_instant(day.to_datetime(self.time))
    }

    fn end_on(&self, day: Date, start: Timestamp) -> Timestamp {
        let end = day.to_datetime(self.time).checked_add(self.span).unwrap_or(DateTime::MAX);
        // On the day when clocks go back or forward within it, an event never ends before it begins.
        self.zone.to_instant(end).max(start)
    }
}

/// The occurrences of a series in a window.
#[derive(Clone, Debug)]
pub struct Occurrences<'a> {
    series: &'a Series,
    dates: Dates<'a>,
    exceptions: BTreeMap<(Timestamp, usize), Occurrence>,
    from: Timestamp,
    to: Timestamp,
    pending: Option<Occurrence>,
}

impl Occurrences<'_> {
    fn next_regular(&mut self) -> Option<Occurrence> {
        let series = self.series;
        loop {
            let (ordinal, day) = self.dates.next_with_ordinal()?;
            if series.gone.contains(&ordinal) {
                continue;
            }
            let start = series.start_on(day);
            let end = series.end_on(day, start);
            if overlaps(start, end, self.from, self.to) {
                let index = Some(ordinal + 1);
                return Some(Occurrence { index, original_start: start, start, end, exception: None });
            }
        }
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        if self.pending.is_none() {
            self.pending = self.next_regular();
        }
        match (&self.pending, self.exceptions.first_key_value()) {
            (Some(regular), Some(((start, _), _))) if regular.start < *start => self.pending.take(),
            (_, Some(_)) => self.exceptions.pop_first().map(|(_, occurrence)| occurrence),
            (_, None) => self.pending.take(),
        }
    }
}

fn overlaps(start: Timestamp, end: Timestamp, from: Timestamp, to: Timestamp) -> bool {
    start < to && (end > from || (start == end && start >= from))
}
