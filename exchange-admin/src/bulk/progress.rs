use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where one item of a bulk run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BulkState {
    /// Its write was refused before it acted; it will be read again.
    Pending,
    /// Its write was about to be sent: whether it took effect, a read tells.
    Attempted,
    /// Written by this run or an earlier one.
    Applied,
    /// It was there before.
    AlreadyThere,
    /// It failed for good; a later run tries it anew.
    Failed {
        /// The error's kind.
        kind: String,
        /// The error in one line.
        message: String,
    },
}

/// One change of a [`Progress`]: a line of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkChange {
    /// The item's key.
    pub key: String,
    /// Its new state.
    #[serde(flatten)]
    pub state: BulkState,
}

/// What a bulk run has done so far, to be kept across interruptions. It holds no secret.
///
/// ```
/// use exchange_admin::{BulkChange, Progress};
/// let line = r#"{"key":"anna@contoso.example|b7e4|FullAccess","state":"applied"}"#;
/// let progress: Progress = [serde_json::from_str::<BulkChange>(line)?].into_iter().collect();
/// assert!(progress.is_done("anna@contoso.example|b7e4|FullAccess"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Progress(BTreeMap<String, BulkState>);

impl Progress {
    /// Notes a change.
    pub fn record(&mut self, change: BulkChange) {
        self.0.insert(change.key, change.state);
    }

    /// The state of an item, if anything is known of it.
    pub fn get(&self, key: &str) -> Option<&BulkState> {
        self.0.get(key)
    }

    /// Whether nothing is left to do for an item.
    pub fn is_done(&self, key: &str) -> bool {
        matches!(self.0.get(key), Some(BulkState::Applied | BulkState::AlreadyThere))
    }

    pub(super) fn report(&self, keys: &[String]) -> BulkReport {
        let mut report = BulkReport::default();
        for key in keys {
            match self.0.get(key) {
                Some(BulkState::Applied) => report.applied.push(key.clone()),
                Some(BulkState::AlreadyThere) => report.already_there.push(key.clone()),
                Some(BulkState::Failed { kind, message }) => {
                    report.failed.push((key.clone(), format!("{kind}: {message}")));
                }
                Some(BulkState::Pending | BulkState::Attempted) | None => report.open.push(key.clone()),
            }
        }
        report
    }
}

impl FromIterator<BulkChange> for Progress {
    fn from_iter<I: IntoIterator<Item = BulkChange>>(changes: I) -> Self {
        let mut progress = Self::default();
        for change in changes {
            progress.record(change);
        }
        progress
    }
}

/// What became of all items, by key; each is in exactly one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkReport {
    /// Written, in this run or one before it.
    pub applied: Vec<String>,
    /// There before the first run.
    pub already_there: Vec<String>,
    /// Failed for good, and why.
    pub failed: Vec<(String, String)>,
    /// Neither: none of a run that came to its end.
    pub open: Vec<String>,
}

impl BulkReport {
    /// Whether every item is there.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.open.is_empty()
    }
}
