//! Which windows of a calendar to ask for, so that no view fails on its size: no I/O here.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{Error, ErrorKind, Result};

/// The longest view that a server answers, and a bit less: two years, of which one may be a leap year.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 730);
/// A page of a view holds no more.
const PAGE: u32 = 1000;
/// A view of more requests than this is a server that plays games.
const MOST_REQUESTS: u32 = 20_000;

/// A part of the view, in some of its folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Places in the caller's list of folders; never empty.
    pub(crate) folders: Vec<usize>,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What a server said to a window and a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A page, with so many items on the wire; whether the server says that it is all.
    Page { items: usize, complete: bool },
    /// Too many items; the limit, if it was told.
    TooMany { limit: Option<u32> },
    /// Too long a time.
    TooLong,
}

/// What to do with the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is whole.
    Take,
    /// It is not: its window was cut and will be asked again. What the page holds is true, but not all.
    Again,
}

/// The windows still to ask.
#[derive(Clone, Debug)]
pub(crate) struct ViewPlan {
    pending: VecDeque<Window>,
    max_entries: u32,
    longest: SignedDuration,
    requests: u32,
}

impl ViewPlan {
    /// A plan for this many folders.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: the range is empty or inverted, or there is no folder.
    pub(crate) fn new(folders: usize, from: Timestamp, to: Timestamp) -> Result<Self> {
        if from >= to {
            return Err(Error::invalid("a view of a calendar ends after its start"));
        }
        if folders == 0 {
            return Err(Error::invalid("a view of a calendar names a folder"));
        }
        let whole = Window { folders: (0..folders).collect(), from, to };
        Ok(Self { pending: VecDeque::from([whole]), max_entries: PAGE, longest: LONGEST, requests: 0 })
    }

    /// How many items to ask for.
    pub(crate) fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// How many requests were made.
    pub(crate) fn requests(&self) -> u32 {
        self.requests
    }

    /// The next window, the earliest first; `None` when all is read.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]: the server makes no end of it.
    pub(crate) fn next(&mut self) -> Result<Option<Window>> {
        let Some(mut window) = self.pending.pop_front() else { return Ok(None) };
        if self.requests >= MOST_REQUESTS {
            return Err(Error::new(
                ErrorKind::Truncated,
                format!("the view took {MOST_REQUESTS} requests and has no end"),
            ));
        }
        self.requests += 1;
        if window.from.duration_until(window.to) > self.longest {
            let cut = window.from.checked_add(self.longest).unwrap_or(window.to);
            self.pending.push_front(Window { from: cut, ..window.clone() });
            window.to = cut;
        }
        Ok(Some(window))
    }

    /// Takes in what the server said about one folder of a window.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]: more items at one moment than the server gives at once.
    pub(crate) fn answered(&mut self, window: &Window, folder: usize, size: Size) -> Result<Verdict> {
        let alone = window.folders.len() == 1;
        match size {
            // A full page is not believed as long as it can be helped: some servers cut without saying so.
            Size::Page { items, complete: true } if items < self.max_entries as usize => {
                return Ok(Verdict::Take);
            }
            Size::Page { complete: true, .. } if middle(window).is_none() => return Ok(Verdict::Take),
            Size::Page { .. } => {}
            Size::TooMany { limit } => {
                if let Some(limit) = limit.filter(|limit| (1..self.max_entries).contains(limit)) {
                    self.max_entries = limit;
                }
                // The limit may be one for all folders of the request together.
                if !alone {
                    self.pending.push_front(Window { folders: vec![folder], ..window.clone() });
                    return Ok(Verdict::Again);
                }
            }
            Size::TooLong => {
                self.longest = (window.from.duration_until(window.to) / 2).max(SignedDuration::from_secs(1));
            }
        }
        let Some(cut) = middle(window) else {
            let message = match size {
                Size::TooLong => "the server finds a view of one second too long".to_owned(),
                _ => format!("more than {} items lie at {} in one folder", self.max_entries, window.from),
            };
            return Err(Error::new(ErrorKind::Truncated, message));
        };
        let half = |from, to| Window { folders: vec![folder], from, to };
        self.pending.push_front(half(cut, window.to));
        self.pending.push_front(half(window.from, cut));
        Ok(Verdict::Again)
    }
}

/// Where to cut, on a whole second; `None` for what is too short to cut.
fn middle(window: &Window) -> Option<Timestamp> {
    let (from, to) = (window.from.as_second(), window.to.as_second());
    let cut = Timestamp::from_second(from + (to - from) / 2).ok()?;
    (cut > window.from && cut < window.to).then_some(cut)
}

/// Whether an item belongs to a range. A server also gives those that only touch its beginning.
pub(crate) fn overlaps(start: Timestamp, end: Timestamp, from: Timestamp, to: Timestamp) -> bool {
    start < to && (end > from || (start >= end && start >= from))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// A server with limits, and what it keeps: (folder, start, end) by place.
    #[derive(Debug)]
    struct Fake {
        items: Vec<(usize, i64, i64)>,
        /// Items that it finds for a request, over all folders; more is an error, or a page cut somewhere.
        find_limit: usize,
        longest: i64,
        cuts: Cut,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Cut {
        Error,
        ErrorWithLimit,
        PageFromStart,
        PageFromEnd,
    }

    impl Fake {
        fn found(&self, folder: usize, window: &Window) -> Vec<usize> {
            let hit = |item: &(usize, i64, i64)| {
                item.0 == folder && at(item.2) >= window.from && at(item.1) < window.to
            };
            (0..self.items.len()).filter(|i| hit(&self.items[*i])).collect()
        }

        fn answer(&self, window: &Window, max: u32) -> Vec<(Size, Vec<usize>)> {
            let all: Vec<_> = window.folders.iter().map(|folder| self.found(*folder, window)).collect();
            let total: usize = all.iter().map(Vec::len).sum();
            let too_long = window.from.duration_until(window.to).as_secs() > self.longest;
            let answer = |mut found: Vec<usize>| {
                if too_long {
                    return (Size::TooLong, Vec::new());
                }
                if total > self.find_limit {
                    match self.cuts {
                        Cut::Error => return (Size::TooMany { limit: None }, Vec::new()),
                        Cut::ErrorWithLimit => {
                            let limit = u32::try_from(self.find_limit).ok();
                            return (Size::TooMany { limit }, Vec::new());
                        }
                        _ => {}
                    }
                }
                let most = self.find_limit.min(max as usize);
                let complete = found.len() <= most;
                match self.cuts {
                    Cut::PageFromEnd => drop(found.drain(..found.len().saturating_sub(most))),
                    _ => found.truncate(most),
                }
                (Size::Page { items: found.len(), complete }, found)
            };
            all.into_iter().map(answer).collect()
        }
    }

    /// What a reader of the plan gets, by place and without doubles.
    fn read(fake: &Fake, folders: usize, from: i64, to: i64) -> Result<BTreeSet<usize>> {
        let mut plan = ViewPlan::new(folders, at(from), at(to))?;
        let mut seen = BTreeSet::new();
        while let Some(window) = plan.next()? {
            let answers = fake.answer(&window, plan.max_entries());
            for (folder, (size, found)) in window.folders.iter().zip(answers) {
                if plan.answered(&window, *folder, size)? == Verdict::Take {
                    let within = |i: &usize| {
                        let (_, start, end) = fake.items[*i];
                        overlaps(at(start), at(end), at(from), at(to))
                    };
                    seen.extend(found.into_iter().filter(within));
                }
            }
        }
        Ok(seen)
    }

    fn cut() -> impl Strategy<Value = Cut> {
        prop::sample::select(vec![Cut::Error, Cut::ErrorWithLimit, Cut::PageFromStart, Cut::PageFromEnd])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_500))]

        /// Whatever the limits: all that overlaps the range, or an error.
        #[test]
        fn trap_09_the_view_is_whole_or_an_error(
            raw in prop::collection::vec((0_usize..3, -40_i64..140, 0_i64..30), 0..60),
            find_limit in 1_usize..40,
            longest in 3_i64..200,
            cuts in cut(),
            (from, length) in (-20_i64..100, 1_i64..100),
        ) {
            let items: Vec<_> = raw.into_iter().map(|(folder, start, long)| (folder, start, start + long)).collect();
            let to = from + length;
            let fake = Fake { items, find_limit, longest, cuts };
            let expected: BTreeSet<usize> = (0..fake.items.len())
                .filter(|i| overlaps(at(fake.items[*i].1), at(fake.items[*i].2), at(from), at(to)))
                .collect();
            match read(&fake, 3, from, to) {
                Ok(seen) => prop_assert_eq!(seen, expected),
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Truncated);
                    // Only where more lie at one second than the server gives.
                    let crowded = (from..to).any(|second| (0..3).any(|folder| {
                        let window = Window { folders: vec![folder], from: at(second), to: at(second + 1) };
                        fake.found(folder, &window).len() > fake.find_limit
                    }));
                    prop_assert!(crowded);
                }
            }
        }
    }

    #[test]
    fn trap_09_two_years_and_a_day_are_two_windows() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let to: Timestamp = "2028-01-02T00:00:00Z".parse().unwrap();
        let mut plan = ViewPlan::new(1, from, to).unwrap();
        let mut windows = Vec::new();
        while let Some(window) = plan.next().unwrap() {
            assert!(window.from.duration_until(window.to) <= LONGEST);
            assert_eq!(
                plan.answered(&window, 0, Size::Page { items: 3, complete: true }).unwrap(),
                Verdict::Take
            );
            windows.push((window.from, window.to));
        }
        assert_eq!(windows.len(), 2);
        assert_eq!((windows[0].0, windows[0].1, windows[1].1), (from, windows[1].0, to));
    }

    #[test]
    fn the_limit_that_a_server_tells_is_learned() {
        let mut plan = ViewPlan::new(2, at(0), at(1000)).unwrap();
        let whole = plan.next().unwrap().unwrap();
        plan.answered(&whole, 0, Size::TooMany { limit: Some(250) }).unwrap();
        assert_eq!(plan.max_entries(), 250);
        // For one folder of two: first the folder alone.
        let alone = plan.next().unwrap().unwrap();
        assert_eq!((alone.folders.as_slice(), alone.from, alone.to), (&[0][..], at(0), at(1000)));
        plan.answered(&alone, 0, Size::TooMany { limit: Some(0) }).unwrap();
        assert_eq!(plan.max_entries(), 250, "no limit of nothing");
        let half = plan.next().unwrap().unwrap();
        assert_eq!((half.from, half.to), (at(0), at(500)));
    }

    #[test]
    fn a_full_page_is_not_believed_and_one_moment_is_never_short() {
        let mut plan = ViewPlan::new(1, at(0), at(2)).unwrap();
        let whole = plan.next().unwrap().unwrap();
        let full = Size::Page { items: 1000, complete: true };
        assert_eq!(plan.answered(&whole, 0, full).unwrap(), Verdict::Again);
        let second = plan.next().unwrap().unwrap();
        assert_eq!(plan.answered(&second, 0, full).unwrap(), Verdict::Take, "nothing left to cut");
        let second = plan.next().unwrap().unwrap();
        let cut = Size::Page { items: 1000, complete: false };
        assert_eq!(plan.answered(&second, 0, cut).unwrap_err().kind(), ErrorKind::Truncated);
    }

    #[test]
    fn a_server_that_always_refuses_comes_to_an_end() {
        let mut plan = ViewPlan::new(1, at(0), at(100_000_000)).unwrap();
        let error = loop {
            let window = match plan.next() {
                Ok(window) => window.unwrap(),
                Err(error) => break error,
            };
            if let Err(error) = plan.answered(&window, 0, Size::TooLong) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::Truncated);
        assert!(plan.requests() < 100);
        assert!(ViewPlan::new(1, at(5), at(5)).is_err());
        assert!(ViewPlan::new(0, at(0), at(5)).is_err());
    }
}
