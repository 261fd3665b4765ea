use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use m365_core::{Resource, later};

/// By how much the clocks of two machines may differ before an old token could be taken for one minted since.
pub(super) const SKEW: Duration = Duration::from_secs(5 * 60);

/// Resources that are remembered one by one.
const MOST: usize = 256;

/// When the tokens of each resource were invalidated in this process. The cache forgets its own; this keeps it from
/// fetching them back out of the store.
#[derive(Default)]
pub(in crate::token) struct Invalidations(Mutex<State>);

#[derive(Default)]
struct State {
    each: HashMap<Resource, Timestamp>,
    /// Every other resource.
    rest: Option<Timestamp>,
}

impl Invalidations {
    pub(in crate::token) fn note(&self, resource: &Resource, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.each.len() >= MOST && !state.each.contains_key(resource) {
            state.each.clear();
            state.rest = Some(now);
        }
        state.each.insert(resource.clone(), now);
    }

    /// A token of this resource from the store must have been minted later, by whatever clock.
    pub(in crate::token) fn floor(&self, resource: &Resource) -> Option<Timestamp> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.each.get(resource).copied().max(state.rest).map(|at| later(at, SKEW))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_resources_are_invalidated_together_rather_than_forgotten() {
        let (notes, at) = (Invalidations::default(), |s| Timestamp::from_second(s).unwrap());
        let other = |n: usize| Resource::Other(format!("api://{n}").into());
        assert_eq!(notes.floor(&Resource::Graph), None);
        notes.note(&Resource::Graph, at(100));
        assert_eq!(notes.floor(&Resource::Graph), Some(at(400)));
        assert_eq!(notes.floor(&Resource::Exchange), None);
        for n in 0..MOST {
            notes.note(&other(n), at(200));
        }
        assert!(notes.floor(&Resource::Graph) >= Some(at(400)));
        for n in 0..MOST {
            assert_eq!(notes.floor(&other(n)), Some(at(500)));
        }
        assert!(notes.0.lock().unwrap().each.len() <= MOST);
    }
}
