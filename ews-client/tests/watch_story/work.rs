//! What is done with the events: work that is saved together with the mailbox's token, and lost without it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ews_client::watch::{
    Change, MailboxToken, Resync, Watch, WatchConfig, WatchEvent, WatchStatus, WatchToken,
};
use tokio::task::JoinHandle;

use super::server::{Happened, Kind, Server};

/// What survives a crash, and what does not.
#[derive(Default)]
struct Notes {
    saved: HashSet<Happened>,
    /// The token of each mailbox as text, as a table holds it.
    tokens: HashMap<String, String>,
    unsaved: HashMap<String, Vec<Happened>>,
    status: WatchStatus,
    repeated: usize,
    gaps: usize,
}

#[derive(Clone)]
pub(crate) struct Desk {
    server: Server,
    notes: Arc<Mutex<Notes>>,
}

impl Notes {
    fn take(&mut self, event: &WatchEvent) {
        let mailbox = event.mailbox.as_str().to_owned();
        let happened = match &event.change {
            Change::Created(id) => Some((Kind::Created, id)),
            Change::Updated(id) => Some((Kind::Updated, id)),
            Change::Deleted(id) => Some((Kind::Deleted, id)),
            Change::Resynced(why) => {
                self.gaps += usize::from(*why != Resync::First || self.tokens.contains_key(&mailbox));
                None
            }
            Change::Level(_) => None,
            other => panic!("{other:?}"),
        };
        if let Some((kind, id)) = happened {
            let happened = (mailbox.clone(), kind, id.as_str().to_owned());
            self.unsaved.entry(mailbox.clone()).or_default().push(happened);
        }
        if let Some(token) = event.token() {
            for done in self.unsaved.remove(&mailbox).into_iter().flatten() {
                self.repeated += usize::from(!self.saved.insert(done));
            }
            self.tokens.insert(mailbox, token.to_string());
        }
    }
}

impl Desk {
    pub(crate) fn open(server: &Server) -> Self {
        Self { server: server.clone(), notes: Arc::default() }
    }

    /// Watches from where the notes end until it is aborted.
    pub(crate) fn work(&self) -> JoinHandle<()> {
        let token: WatchToken = {
            let notes = self.notes.lock().unwrap();
            notes.tokens.values().map(|line| line.parse::<MailboxToken>().unwrap()).collect()
        };
        // As in the field, in a fraction of its time.
        let config = WatchConfig::default()
            .with_heartbeat(Duration::from_secs(1), Duration::from_secs(1))
            .with_coalescing(Duration::from_millis(200))
            .with_reconnect_waits(Duration::from_millis(200), Duration::from_secs(2))
            .with_rejoin_after(Duration::from_secs(1));
        let (client, mailboxes) = (self.server.client(), self.server.watched());
        let mut watch = Watch::builder(client, mailboxes).config(config).resume(token).build().unwrap();
        let notes = Arc::clone(&self.notes);
        tokio::spawn(async move {
            let mut look = tokio::time::interval(Duration::from_millis(100));
            loop {
                tokio::select! {
                    event = watch.next() => {
                        notes.lock().unwrap().take(&event);
                        watch.ack(&event);
                    }
                    _ = look.tick() => notes.lock().unwrap().status = watch.status(),
                }
            }
        })
    }

    /// Whatever was not saved is gone; how much that was.
    pub(crate) fn crash(&self) -> usize {
        let mut notes = self.notes.lock().unwrap();
        notes.status = WatchStatus::default();
        std::mem::take(&mut notes.unsaved).into_values().flatten().count()
    }

    pub(crate) fn status(&self) -> WatchStatus {
        self.notes.lock().unwrap().status.clone()
    }

    pub(crate) fn missing(&self, made: &HashSet<Happened>) -> usize {
        made.difference(&self.notes.lock().unwrap().saved).count()
    }

    pub(crate) fn invented(&self, made: &HashSet<Happened>) -> Vec<String> {
        self.notes.lock().unwrap().saved.difference(made).map(|happened| format!("{happened:?}")).collect()
    }

    pub(crate) fn repeated(&self) -> usize {
        self.notes.lock().unwrap().repeated
    }

    pub(crate) fn gaps(&self) -> usize {
        self.notes.lock().unwrap().gaps
    }
}
