use std::collections::BTreeMap;

use jiff::Timestamp;
use m365_core::later;

use super::LedgerEntry;
use crate::plan::Window;
use crate::profile::AccessProfile;

/// When an app's changes are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Before this a probe would only keep old caches alive.
    pub(crate) quiet_until: Timestamp,
    /// After this a refusal is a failure.
    pub(crate) latest: Timestamp,
}

/// Per app: when its changes may be looked at, and when a refusal stops being "not yet".
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows(BTreeMap<String, Pending>);

impl Windows {
    /// What a ledger says of a profile's apps. A step that may have been taken counts.
    pub(crate) fn of(profile: &AccessProfile, entries: &[LedgerEntry]) -> Self {
        let mut windows = Self::default();
        for entry in entries {
            windows.extend(profile, entry.app.as_deref(), entry.window, entry.at);
        }
        windows
    }

    /// A change at this time, to one app or to all of them.
    pub(crate) fn extend(
        &mut self,
        profile: &AccessProfile,
        app: Option<&str>,
        window: Window,
        at: Timestamp,
    ) {
        let pending = Pending { quiet_until: later(at, window.likely), latest: later(at, window.latest) };
        for name in profile.apps.iter().map(|a| a.unique_name.as_str()) {
            if app.is_none_or(|app| app == name) {
                self.add(name, pending);
            }
        }
    }

    /// These and others.
    pub(crate) fn join(&mut self, others: &Self) {
        for (app, pending) in &others.0 {
            self.add(app, *pending);
        }
    }

    pub(crate) fn of_app(&self, app: &str) -> Option<Pending> {
        self.0.get(app).copied()
    }

    fn add(&mut self, app: &str, more: Pending) {
        let pending = self.0.entry(app.to_owned()).or_insert(more);
        pending.quiet_until = pending.quiet_until.max(more.quiet_until);
        pending.latest = pending.latest.max(more.latest);
    }
}
