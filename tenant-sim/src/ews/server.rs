//! What the simulated Exchange server keeps in memory, and forgets when it restarts: subscriptions, open streams,
//! throttling, and the switches that tests turn.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::quirks::EwsQuirk;
use super::throttle::Storm;

/// Events that wait for one subscription; what comes on top is lost, and the subscription is told so.
const MAX_WAITING: usize = 5_000;

/// The server's memory. Copies of a state share it.
#[derive(Clone)]
pub(crate) struct EwsServer(Arc<Inner>);

struct Inner {
    core: Mutex<Core>,
    /// Raised to end connections: all of them.
    cut: watch::Sender<u64>,
    /// Raised to end the streams alone.
    cut_streams: watch::Sender<u64>,
}

impl Default for EwsServer {
    fn default() -> Self {
        Self(Arc::new(Inner {
            core: Mutex::default(),
            cut: watch::Sender::new(0),
            cut_streams: watch::Sender::new(0),
        }))
    }
}

impl fmt::Debug for EwsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EwsServer").finish_non_exhaustive()
    }
}

/// Limits that administrators of Exchange can change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EwsLimits {
    /// `HangingConnectionLimit`: open streams of one account, or of one mailbox that it impersonates: each has a budget of
    /// its own; 10, and 3 on Exchange 2013.
    pub hanging_connections: u32,
    /// Subscriptions of one mailbox online (`EWSMaxSubscriptions`); 20.
    pub subscriptions_online: usize,
    /// Subscriptions of one mailbox on premises; 5000.
    pub subscriptions_on_premises: usize,
    /// Subscription ids in one `GetStreamingEvents`; 200.
    pub ids_per_stream: usize,
    /// Events in one notification; 50.
    pub events_per_notification: usize,
    /// `EWSMaxConcurrency`: calls of one account to one mailbox at the same time; 27.
    pub concurrency: u32,
    /// How long a streaming subscription lives without a connection, in the tenant's time; 30 minutes.
    pub idle_subscription: SignedDuration,
    /// Mailbox servers behind the front end; a request without the affinity cookie goes to the one of its anchor
    /// mailbox. With more than one, a subscription is only known where it was made; 1.
    pub back_ends: u32,
}

impl Default for EwsLimits {
    fn default() -> Self {
        Self {
            hanging_connections: 10,
            subscriptions_online: 20,
            subscriptions_on_premises: 5_000,
            ids_per_stream: 200,
            events_per_notification: 50,
            concurrency: 27,
            idle_subscription: SignedDuration::from_mins(30),
            back_ends: 1,
        }
    }
}

/// How often an idle stream says that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// On the tenant's clock.
    Tenant(SignedDuration),
    /// On the machine's clock, for clients that wait in real time.
    Real(Duration),
}

/// Everything behind the lock.
pub(super) struct Core {
    pub(super) quirks: BTreeSet<EwsQuirk>,
    pub(super) limits: EwsLimits,
    pub(super) heartbeat: Heartbeat,
    pub(super) subscriptions: HashMap<String, Subscription>,
    /// Mailboxes with subscriptions.
    of_mailbox: HashMap<Uuid, Watched>,
    /// Open streams by account and mailbox.
    pub(super) hanging: HashMap<(String, Uuid), u32>,
    /// Calls in flight by account and mailbox.
    pub(super) flights: HashMap<(String, Uuid), u32>,
    pub(super) storms: Vec<Storm>,
    /// Number of the last event, for watermarks.
    last_event: u64,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            quirks: BTreeSet::new(),
            limits: EwsLimits::default(),
            heartbeat: Heartbeat::Tenant(SignedDuration::from_secs(45)),
            subscriptions: HashMap::new(),
            of_mailbox: HashMap::new(),
            hanging: HashMap::new(),
            flights: HashMap::new(),
            storms: Vec::new(),
            last_event: 0,
        }
    }
}

/// A mailbox with subscriptions.
struct Watched {
    ids: Vec<String>,
    /// Number of the last change in its log that they were told of.
    told: u64,
}

/// A subscription.
pub(super) struct Subscription {
    /// Who made it; nobody else may read it.
    pub(super) owner: String,
    pub(super) mailbox: Uuid,
    /// Ids of its folders; none: all of them.
    pub(super) folders: Option<Vec<String>>,
    pub(super) events: BTreeSet<ChangeKind>,
    pub(super) kind: Kind,
    /// The mailbox server that knows it.
    pub(super) back_end: u32,
    /// When it ends unless somebody reads it; not while a stream reads it.
    pub(super) expires: Option<Timestamp>,
    pub(super) waiting: VecDeque<Arc<Event>>,
    /// Number of the last event that was handed out, or of the moment it was made.
    pub(super) last_read: u64,
    /// Events were lost, and nobody has been told.
    pub(super) missed: bool,
    /// The stream that reads it.
    pub(super) reader: Weak<Reader>,
}

/// How a subscription is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Streaming,
    /// With its time to live.
    Pull(SignedDuration),
}

/// Wakes a stream, and says which of its subscriptions have something to tell.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) ready: Mutex<BTreeSet<String>>,
    pub(super) wake: Notify,
}

impl Reader {
    fn call(&self, id: &str) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        self.wake.notify_one();
    }
}

/// What kinds of change a subscription can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ChangeKind {
    Copied,
    Created,
    Deleted,
    Modified,
    Moved,
    NewMail,
    FreeBusyChanged,
}

impl ChangeKind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Copied, "CopiedEvent"),
        (Self::Created, "CreatedEvent"),
        (Self::Deleted, "DeletedEvent"),
        (Self::Modified, "ModifiedEvent"),
        (Self::Moved, "MovedEvent"),
        (Self::NewMail, "NewMailEvent"),
        (Self::FreeBusyChanged, "FreeBusyChangedEvent"),
    ];

    /// The name of its event.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }
}

/// A change of an item, as the store tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) at: Timestamp,
    pub(crate) item: String,
    pub(crate) change_key: String,
    /// Id of the folder that it lies in.
    pub(crate) folder: String,
    /// For a move or copy: the item's id and folder before.
    pub(crate) old: Option<(String, String)>,
}

/// A change with its number.
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) change: Change,
}

impl EwsServer {
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while this quirk is on.
    pub(crate) fn has(&self, quirk: EwsQuirk) -> bool {
        self.core().quirks.contains(&quirk)
    }

    /// The quirks that are on.
    pub(crate) fn quirks(&self) -> BTreeSet<EwsQuirk> {
        self.core().quirks.clone()
    }

    pub(crate) fn set_quirk(&self, quirk: EwsQuirk, on: bool) {
        let mut core = self.core();
        if on {
            core.quirks.insert(quirk);
        } else {
            core.quirks.remove(&quirk);
        }
    }

    pub(crate) fn limits(&self) -> EwsLimits {
        self.core().limits.clone()
    }

    pub(crate) fn set_limits(&self, limits: EwsLimits) {
        self.core().limits = limits;
    }

    pub(crate) fn set_heartbeat(&self, heartbeat: Heartbeat) {
        self.core().heartbeat = heartbeat;
    }

    /// Tells every subscription to the mailbox that wants it. Costs nothing for a mailbox without subscriptions.
    pub(crate) fn publish(&self, mailbox: Uuid, change: Change) {
        let core = &mut *self.core();
        core.last_event += 1;
        let Some(watched) = core.of_mailbox.get(&mailbox) else { return };
        let lossy = core.quirks.contains(&EwsQuirk::EventsLostBetweenConnections);
        let event = Arc::new(Event { number: core.last_event, change });
        for id in &watched.ids {
            let Some(subscription) = core.subscriptions.get_mut(id) else { continue };
            if !subscription.wants(&event.change) {
                continue;
            }
            let reader = subscription.reader.upgrade();
            if lossy && reader.is_none() && subscription.kind == Kind::Streaming {
                continue;
            }
            if subscription.waiting.len() >= MAX_WAITING {
                subscription.waiting.clear();
                subscription.missed = true;
            } else {
                subscription.waiting.push_back(Arc::clone(&event));
            }
            if let Some(reader) = reader {
                reader.call(id);
            }
        }
    }

    /// The change that a mailbox's subscriptions were told of last, and notes that they now are of `last`; none without
    /// subscriptions, or when there is nothing new.
    pub(super) fn told(&self, mailbox: Uuid, last: u64) -> Option<u64> {
        let mut core = self.core();
        let watched = core.of_mailbox.get_mut(&mailbox)?;
        let told = std::mem::replace(&mut watched.told, last);
        (told < last).then_some(told)
    }

    /// Mailboxes with subscriptions.
    pub(super) fn mailboxes(&self) -> Vec<Uuid> {
        self.core().of_mailbox.keys().copied().collect()
    }

    /// A server with the same settings and nothing in its memory.
    pub(crate) fn fork(&self) -> Self {
        let core = self.core();
        let settings = Core {
            quirks: core.quirks.clone(),
            limits: core.limits.clone(),
            heartbeat: core.heartbeat,
            ..Core::default()
        };
        drop(core);
        let forked = Self::default();
        *forked.core() = settings;
        forked
    }

    /// Adds a subscription to a mailbox whose last change is `last`.
    pub(super) fn subscribe(&self, id: String, subscription: Subscription, last: u64) {
        let mut core = self.core();
        let fresh = Watched { ids: Vec::new(), told: last };
        core.of_mailbox.entry(subscription.mailbox).or_insert(fresh).ids.push(id.clone());
        core.subscriptions.insert(id, subscription);
    }

    /// Forgets everything that a restart forgets, and ends every connection.
    pub(crate) fn restart(&self) {
        let mut core = self.core();
        core.subscriptions.clear();
        core.of_mailbox.clear();
        drop(core);
        self.drop_connections();
    }

    /// Ends every connection.
    pub(crate) fn drop_connections(&self) {
        self.0.cut.send_modify(|n| *n += 1);
    }

    /// Ends every stream in the middle.
    pub(crate) fn drop_streams(&self) {
        self.0.cut_streams.send_modify(|n| *n += 1);
    }

    pub(crate) fn connections_end(&self) -> watch::Receiver<u64> {
        self.0.cut.subscribe()
    }

    pub(super) fn streams_end(&self) -> watch::Receiver<u64> {
        self.0.cut_streams.subscribe()
    }

    /// Forgets the subscriptions to a mailbox, or all; the streams that read them are told. Answers how many.
    pub(crate) fn forget(&self, mailbox: Option<Uuid>) -> usize {
        let mut core = self.core();
        let ids = core.ids(mailbox);
        for id in &ids {
            core.remove(id);
        }
        ids.len()
    }

    /// Drops what waits for the subscriptions to a mailbox, or all, and lets the server say so. Answers how many.
    pub(crate) fn miss(&self, mailbox: Option<Uuid>) -> usize {
        let mut core = self.core();
        let ids = core.ids(mailbox);
        for id in &ids {
            if let Some(subscription) = core.subscriptions.get_mut(id) {
                subscription.waiting.clear();
                subscription.missed = true;
                if let Some(reader) = subscription.reader.upgrade() {
                    reader.call(id);
                }
            }
        }
        ids.len()
    }

    /// Subscriptions and open streams.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let core = self.core();
        (core.subscriptions.len(), core.hanging.values().map(|n| *n as usize).sum())
    }
}

impl Core {
    fn ids(&self, mailbox: Option<Uuid>) -> Vec<String> {
        match mailbox {
            Some(mailbox) => self.of_mailbox.get(&mailbox).map(|w| w.ids.clone()).unwrap_or_default(),
            None => self.subscriptions.keys().cloned().collect(),
        }
    }

    /// Forgets a subscription; the stream that reads it is woken.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some(gone) = self.subscriptions.remove(id) else { return false };
        if let Some(watched) = self.of_mailbox.get_mut(&gone.mailbox) {
            watched.ids.retain(|i| i != id);
            if watched.ids.is_empty() {
                self.of_mailbox.remove(&gone.mailbox);
            }
        }
        if let Some(reader) = gone.reader.upgrade() {
            reader.call(id);
        }
        true
    }

    /// Number of the last event so far.
    pub(super) fn last_event(&self) -> u64 {
        self.last_event
    }

    /// Subscriptions to a mailbox that have not run out.
    pub(super) fn count_of(&mut self, mailbox: Uuid, now: Timestamp) -> usize {
        for id in self.ids(Some(mailbox)) {
            if self.subscriptions.get(&id).is_some_and(|s| s.has_expired(now)) {
                self.remove(&id);
            }
        }
        self.of_mailbox.get(&mailbox).map_or(0, |w| w.ids.len())
    }
}

impl Subscription {
    fn wants(&self, change: &Change) -> bool {
        let folder = |id: &str| self.folders.as_ref().is_none_or(|all| all.iter().any(|f| f == id));
        self.events.contains(&change.kind)
            && (folder(&change.folder) || change.old.as_ref().is_some_and(|(_, old)| folder(old)))
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.reader.strong_count() == 0 && self.expires.is_some_and(|at| at <= now)
    }
}
