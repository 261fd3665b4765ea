//! What was asked and how it was answered.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// One request as the tenant saw it. It never holds a token, a secret, a query string or a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Running number, from 1.
    pub seq: u64,
    /// The tenant's time.
    pub time: Timestamp,
    /// HTTP method, `IMAP` or `SMTP`.
    pub method: String,
    /// Path without its query; for IMAP and SMTP the session's line.
    pub path: String,
    /// HTTP status; absent for IMAP and SMTP and when the connection was dropped without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Cmdlets that ran in this request, with the names of their parameters; `; ` between several. For EWS the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdlet: Option<String>,
    /// Mailbox as named in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Client id of the caller, when its token was valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<Uuid>,
    /// The injected fault that shaped the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A journal line before it has its number.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: Option<u16>,
    pub(crate) cmdlet: Option<String>,
    pub(crate) mailbox: Option<String>,
    pub(crate) app_id: Option<Uuid>,
    pub(crate) fault: Option<String>,
}

/// Sees each entry as it is written.
pub(crate) type Listener = Box<dyn Fn(&JournalEntry) + Send + Sync>;

/// The list and an optional listener that sees each entry as it is written.
#[derive(Default)]
pub(crate) struct Journal {
    entries: Mutex<(u64, Vec<JournalEntry>)>,
    listener: Option<Listener>,
}

impl Journal {
    pub(crate) fn new(listener: Option<Listener>) -> Self {
        Self { entries: Mutex::default(), listener }
    }

    pub(crate) fn write(&self, time: Timestamp, line: Line) {
        let Line { method, path, status, cmdlet, mailbox, app_id, fault } = line;
        let mut guard = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        guard.0 += 1;
        let entry = JournalEntry { seq: guard.0, time, method, path, status, cmdlet, mailbox, app_id, fault };
        if let Some(listener) = &self.listener {
            listener(&entry);
        }
        guard.1.push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<JournalEntry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub(crate) fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }
}
