//! Free and busy times: overlapping answers made one line, and the digits of the merged view.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{Error, Result};

/// How an event shows in the calendar (`LegacyFreeBusyStatus`, `BusyType`):
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/legacyfreebusystatus>.
///
/// Ordered by what wins where events overlap: [`Free`](Self::Free) < [`NoData`](Self::NoData) < [`WorkingElsewhere`](Self::WorkingElsewhere) <
/// [`Tentative`](Self::Tentative) < [`Other`](Self::Other) < [`Busy`](Self::Busy) < [`Oof`](Self::Oof). What is not known never reads as
/// free.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShowAs {
    /// Nobody is kept.
    Free,
    /// The server does not know.
    NoData,
    /// At work, at another place.
    WorkingElsewhere,
    /// Perhaps.
    Tentative,
    /// A word that this version does not know.
    Other(Box<str>),
    /// Taken.
    Busy,
    /// Out of office.
    Oof,
}

impl ShowAs {
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "Free" => Self::Free,
            "NoData" => Self::NoData,
            "WorkingElsewhere" => Self::WorkingElsewhere,
            "Tentative" => Self::Tentative,
            "Busy" => Self::Busy,
            "OOF" => Self::Oof,
            other => Self::Other(other.into()),
        }
    }

    /// The word of the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Free => "Free",
            Self::NoData => "NoData",
            Self::WorkingElsewhere => "WorkingElsewhere",
            Self::Tentative => "Tentative",
            Self::Busy => "Busy",
            Self::Oof => "OOF",
            Self::Other(other) => other,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Free => 0,
            Self::NoData => 1,
            Self::WorkingElsewhere => 2,
            Self::Tentative => 3,
            Self::Other(_) => 4,
            Self::Busy => 5,
            Self::Oof => 6,
        }
    }
}

impl Ord for ShowAs {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.as_str().cmp(other.as_str()))
    }
}

impl PartialOrd for ShowAs {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A stretch of time with one status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Where it begins.
    pub start: Timestamp,
    /// Where it ends; not part of it.
    pub end: Timestamp,
    /// What it shows as.
    pub show_as: ShowAs,
}

/// Makes one line out of slots in any order: cut to the window, overlaps decided by the order of [`ShowAs`], equal neighbours
/// joined. What no slot covers is not in the result. Slots without length, or with the end before the start, say nothing.
///
/// ```
/// use ews_client::free_busy::{ShowAs, Slot, merge};
///
/// let slot = |start: &str, end: &str, show_as| Slot { start: start.parse().unwrap(), end: end.parse().unwrap(), show_as };
/// let line = merge(
///     [
///         slot("2026-11-23T08:00:00Z", "2026-11-23T12:00:00Z", ShowAs::Tentative),
///         slot("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z", ShowAs::Oof),
///     ],
///     "2026-11-23T00:00:00Z".parse()?,
///     "2026-11-23T11:00:00Z".parse()?,
/// );
/// assert_eq!(line.len(), 3);
/// assert_eq!(line[1], slot("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z", ShowAs::Oof));
/// # Ok::<(), jiff::Error>(())
/// ```
pub fn merge(
    slots: impl IntoIterator<Item = Slot>,
    window_start: Timestamp,
    window_end: Timestamp,
) -> Vec<Slot> {
    let mut edges: Vec<(Timestamp, bool, ShowAs)> = Vec::new();
    for slot in slots {
        let (start, end) = (slot.start.max(window_start), slot.end.min(window_end));
        if start < end {
            edges.push((start, true, slot.show_as.clone()));
            edges.push((end, false, slot.show_as));
        }
    }
    edges.sort_by_key(|edge| edge.0);
    let mut open: BTreeMap<ShowAs, usize> = BTreeMap::new();
    let mut line: Vec<Slot> = Vec::new();
    let mut edges = edges.into_iter().peekable();
    while let Some((at, begins, show_as)) = edges.next() {
        if begins {
            *open.entry(show_as).or_default() += 1;
        } else if let Some(count) = open.get_mut(&show_as) {
            *count -= 1;
            if *count == 0 {
                open.remove(&show_as);
            }
        }
        let Some(until) = edges.peek().map(|edge| edge.0).filter(|next| *next > at) else { continue };
        let Some((shown, _)) = open.last_key_value() else { continue };
        match line.last_mut() {
            Some(last) if last.end == at && last.show_as == *shown => last.end = until,
            _ => line.push(Slot { start: at, end: until, show_as: shown.clone() }),
        }
    }
    line
}

/// One digit of `MergedFreeBusy`:
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/mergedfreebusy>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergedStatus {
    /// 0.
    Free,
    /// 1.
    Tentative,
    /// 2.
    Busy,
    /// 3.
    Oof,
    /// 4: "no data" by the documentation, "working elsewhere" by some builds. The list of events tells which, when there is one.
    Unknown4,
    /// 5: "no data" where 4 is "working elsewhere".
    NoData,
    /// Anything else.
    Other(char),
}

/// A stretch of the merged view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MergedSlot {
    /// Where it begins.
    pub start: Timestamp,
    /// Where it ends: the last one at the end of the window, even if that cuts it short.
    pub end: Timestamp,
    /// The strongest status within it.
    pub status: MergedStatus,
}

/// Reads the digits of `MergedFreeBusy` for the window that was asked, one per interval.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the interval is not positive or the window empty.
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): not as many digits as the window has intervals; which time
/// one stands for would be a guess.
pub fn merged_slots(
    digits: &str,
    window_start: Timestamp,
    window_end: Timestamp,
    interval: SignedDuration,
) -> Result<Vec<MergedSlot>> {
    if interval <= SignedDuration::ZERO || window_start >= window_end {
        return Err(Error::invalid(
            "a merged view has a positive interval and a window that ends after its start",
        ));
    }
    let mut slots = Vec::with_capacity(digits.len().min(4096));
    let mut start = window_start;
    let short = || Error::unreadable("MergedFreeBusy has not as many digits as the window has intervals");
    for digit in digits.trim().chars() {
        if start >= window_end {
            return Err(short());
        }
        let end = start.saturating_add(interval).map_or(window_end, |end| end.min(window_end));
        let status = match digit {
            '0' => MergedStatus::Free,
            '1' => MergedStatus::Tentative,
            '2' => MergedStatus::Busy,
            '3' => MergedStatus::Oof,
            '4' => MergedStatus::Unknown4,
            '5' => MergedStatus::NoData,
            other => MergedStatus::Other(other),
        };
        slots.push(MergedSlot { start, end, status });
        start = end;
    }
    if start < window_end {
        return Err(short());
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + minute * 60).unwrap()
    }

    fn slot(start: i64, end: i64, show_as: ShowAs) -> Slot {
        Slot { start: at(start), end: at(end), show_as }
    }

    #[test]
    fn trap_10_events_over_the_edge_are_cut_and_duplicates_are_one() {
        let line = merge(
            [
                slot(-90, 30, ShowAs::Busy),
                slot(-90, 30, ShowAs::Busy),
                slot(30, 60, ShowAs::Busy),
                slot(500, 900, ShowAs::Oof),
                slot(70, 70, ShowAs::Busy),
                slot(90, 80, ShowAs::Busy),
                slot(1000, 1100, ShowAs::Busy),
            ],
            at(0),
            at(600),
        );
        assert_eq!(line, [slot(0, 60, ShowAs::Busy), slot(500, 600, ShowAs::Oof)]);
    }

    #[test]
    fn trap_21_the_strongest_wins_an_overlap() {
        let order = [
            ShowAs::Oof,
            ShowAs::Busy,
            ShowAs::Other("Napping".into()),
            ShowAs::Tentative,
            ShowAs::WorkingElsewhere,
            ShowAs::NoData,
            ShowAs::Free,
        ];
        for (i, strong) in order.iter().enumerate() {
            assert_eq!(ShowAs::parse(strong.as_str()), *strong);
            for weak in &order[i + 1..] {
                let line = merge([slot(0, 30, weak.clone()), slot(10, 20, strong.clone())], at(0), at(30));
                let expected =
                    [slot(0, 10, weak.clone()), slot(10, 20, strong.clone()), slot(20, 30, weak.clone())];
                assert_eq!(line, expected);
            }
        }
    }

    #[test]
    fn trap_10_digits_four_and_five_are_kept_apart() {
        let hour = SignedDuration::from_hours(1);
        let slots = merged_slots("012345x", at(0), at(390), hour).unwrap();
        let statuses: Vec<_> = slots.iter().map(|slot| slot.status).collect();
        assert_eq!(statuses[4..], [MergedStatus::Unknown4, MergedStatus::NoData, MergedStatus::Other('x')]);
        assert_eq!((slots[6].start, slots[6].end), (at(360), at(390)));
        assert!(merged_slots("00", at(0), at(180), hour).is_err());
        assert!(merged_slots("0000", at(0), at(180), hour).is_err());
        assert!(merged_slots("", at(0), at(180), hour).is_err());
        assert!(merged_slots("0", at(0), at(180), SignedDuration::ZERO).is_err());
        assert!(merged_slots("0", at(0), at(0), hour).is_err());
    }

    fn status() -> impl Strategy<Value = ShowAs> {
        prop::sample::select(vec![
            "Free",
            "NoData",
            "WorkingElsewhere",
            "Tentative",
            "Nap",
            "Rest",
            "Busy",
            "OOF",
        ])
        .prop_map(ShowAs::parse)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Minute by minute, the line says what the strongest slot over that minute says.
        #[test]
        fn the_line_agrees_with_every_minute(raw in prop::collection::vec((-20_i64..80, -20_i64..80, status()), 0..12)) {
            let slots: Vec<Slot> = raw.iter().map(|(start, end, show_as)| slot(*start, *end, show_as.clone())).collect();
            let line = merge(slots.clone(), at(0), at(60));
            for pair in line.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
                prop_assert!(pair[0].end < pair[1].start || pair[0].show_as != pair[1].show_as);
            }
            for minute in -30..100 {
                let over = |slot: &&Slot| slot.start <= at(minute) && at(minute) < slot.end;
                let expected = slots.iter().filter(over).map(|slot| &slot.show_as).max();
                let expected = expected.filter(|_| (0..60).contains(&minute));
                prop_assert_eq!(line.iter().find(over).map(|slot| &slot.show_as), expected);
            }
        }

        #[test]
        fn no_digits_panic(digits in ".{0,50}", minutes in 1_i64..100) {
            _ = merged_slots(&digits, at(0), at(60), SignedDuration::from_mins(minutes));
        }
    }
}
