use jiff::{SignedDuration, Timestamp};

/// A record with the two truths of a distributed service: what administrators see, and what is enforced.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// The record.
    pub value: T,
    /// When it was written; configuration reads show it from here on.
    pub created: Timestamp,
    /// When enforcement (or the other replicas) starts to know it.
    pub effective_from: Timestamp,
    /// When it was deleted; configuration reads hide it from here on.
    pub deleted: Option<Timestamp>,
    /// When enforcement forgets it.
    pub effective_until: Option<Timestamp>,
}

impl<T> Timed<T> {
    /// A record written at `now`, enforced after `delay`.
    pub fn new(value: T, now: Timestamp, delay: SignedDuration) -> Self {
        Self {
            value,
            created: now,
            effective_from: now.checked_add(delay).unwrap_or(Timestamp::MAX),
            deleted: None,
            effective_until: None,
        }
    }

    /// A record that has always been there.
    pub fn always(value: T) -> Self {
        Self {
            value,
            created: Timestamp::UNIX_EPOCH,
            effective_from: Timestamp::UNIX_EPOCH,
            deleted: None,
            effective_until: None,
        }
    }

    /// Deletes it at `now`; enforcement forgets it after `delay`.
    pub fn delete(&mut self, now: Timestamp, delay: SignedDuration) {
        self.deleted.get_or_insert(now);
        self.effective_until.get_or_insert(now.checked_add(delay).unwrap_or(Timestamp::MAX));
    }

    /// True while administrators see it.
    pub fn is_configured(&self) -> bool {
        self.deleted.is_none()
    }

    /// True while it is enforced at `at`.
    pub fn is_effective(&self, at: Timestamp) -> bool {
        self.effective_from <= at && self.effective_until.is_none_or(|until| at < until)
    }
}
