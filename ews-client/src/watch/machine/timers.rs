use std::collections::BTreeSet;

/// Milliseconds since 1970.
pub(crate) type At = u64;
/// Not at all.
pub(crate) const NEVER: At = u64::MAX;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Lane(u32),
    Group(u32),
    Mailbox(u32),
}

/// One alarm for each who wants one; the earliest first.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(At, Who)>);

impl Timers {
    /// Moves an alarm from where it stood to another time.
    pub(super) fn set(&mut self, who: Who, stood: &mut At, at: At) {
        if *stood == at {
            return;
        }
        if *stood != NEVER {
            self.0.remove(&(*stood, who));
        }
        if at != NEVER {
            self.0.insert((at, who));
        }
        *stood = at;
    }

    /// When the next one goes off.
    pub(super) fn next(&self) -> At {
        self.0.first().map_or(NEVER, |(at, _)| *at)
    }

    /// Takes one that is due.
    pub(super) fn due(&mut self, now: At) -> Option<Who> {
        let first = *self.0.first()?;
        (first.0 <= now).then(|| {
            self.0.remove(&first);
            first.1
        })
    }
}
