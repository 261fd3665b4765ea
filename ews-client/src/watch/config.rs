use std::time::Duration;

/// What is told of a folder that there is no token for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Initial {
    /// Nothing of what is there already: one [`Change::Resynced`](super::Change::Resynced), then what changes.
    #[default]
    Skip,
    /// Every item that is there, as [`Change::Created`](super::Change::Created).
    Report,
}

/// How a [`Watch`](super::Watch) behaves. The defaults are what Exchange is known to keep to.
///
/// ```
/// use ews_client::watch::{Initial, WatchConfig};
/// use std::time::Duration;
/// let config = WatchConfig::default()
///     .with_initial(Initial::Report)
///     .with_poll_interval(Duration::from_secs(120));
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct WatchConfig {
    pub(crate) initial: Initial,
    pub(crate) heartbeat: Duration,
    pub(crate) slack: Duration,
    pub(crate) connection_minutes: u32,
    pub(crate) connection_slack: Duration,
    pub(crate) coalesce: Duration,
    pub(crate) group_size: usize,
    pub(crate) hanging: Option<usize>,
    pub(crate) concurrency: usize,
    pub(crate) sync_concurrency: usize,
    pub(crate) page: u16,
    pub(crate) pull_interval: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) upgrade_after: Duration,
    pub(crate) lost_retry: Duration,
    pub(crate) rejoin_after: Duration,
    pub(crate) reconnect: (Duration, Duration),
    pub(crate) call_deadline: Duration,
    pub(crate) buffered_events: usize,
    pub(crate) streaming: bool,
    pub(crate) seed: Option<u64>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            initial: Initial::Skip,
            heartbeat: Duration::from_secs(45),
            slack: Duration::from_secs(15),
            connection_minutes: 30,
            connection_slack: Duration::from_secs(60),
            coalesce: Duration::from_secs(2),
            group_size: 200,
            hanging: None,
            concurrency: 27,
            sync_concurrency: 5,
            page: 512,
            pull_interval: Duration::from_secs(60),
            poll_interval: Duration::from_secs(300),
            upgrade_after: Duration::from_secs(1800),
            lost_retry: Duration::from_secs(900),
            rejoin_after: Duration::from_secs(30),
            reconnect: (Duration::from_secs(2), Duration::from_secs(60)),
            call_deadline: Duration::from_secs(60),
            buffered_events: 4096,
            streaming: true,
            seed: None,
        }
    }
}

impl WatchConfig {
    /// What is told of folders that there is no token for.
    #[must_use]
    pub fn with_initial(mut self, initial: Initial) -> Self {
        self.initial = initial;
        self
    }

    /// How often a server sends something on a streaming connection, 45 s, and what is granted on top, 15 s. After two
    /// of the former and one of the latter in silence a connection counts as dead.
    #[must_use]
    pub fn with_heartbeat(mut self, every: Duration, slack: Duration) -> Self {
        self.heartbeat = every;
        self.slack = slack;
        self
    }

    /// For how many minutes a streaming connection is asked to stay, 1 to 30 (the default). Servers are given
    /// [a minute more](Self::with_connection_slack).
    #[must_use]
    pub fn with_connection_minutes(mut self, minutes: u32) -> Self {
        self.connection_minutes = minutes.clamp(1, 30);
        self
    }

    /// How long a streaming connection may outlive the minutes asked for, 60 s.
    #[must_use]
    pub fn with_connection_slack(mut self, slack: Duration) -> Self {
        self.connection_slack = slack;
        self
    }

    /// How long notifications of a mailbox are collected before it is looked at, 2 s: one act of a person gives several.
    #[must_use]
    pub fn with_coalescing(mut self, wait: Duration) -> Self {
        self.coalesce = wait;
        self
    }

    /// Most mailboxes on one streaming connection, 1 to 200 (the default, and the most that Exchange takes).
    #[must_use]
    pub fn with_group_size(mut self, mailboxes: usize) -> Self {
        self.group_size = mailboxes.clamp(1, 200);
        self
    }

    /// Most streaming connections per [`EwsClient`](crate::EwsClient); mailboxes beyond them are pulled. None by
    /// default, because Exchange counts a group's connection on the mailbox that the group is anchored at. Servers that
    /// count on the account that signs in allow 10 (Exchange Server 2016 and later) or 3 (2013).
    ///
    /// A server that refuses a connection for this reason lowers the number by itself for a while.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange>.
    #[must_use]
    pub fn with_hanging_connections(mut self, most: usize) -> Self {
        self.hanging = Some(most);
        self
    }

    /// Most calls in flight per [`EwsClient`](crate::EwsClient), streaming connections not counted, 27; and how many of them
    /// may compare folders, 5. A throttled watch halves the former and grows it again as calls succeed.
    #[must_use]
    pub fn with_concurrency(mut self, calls: usize, syncs: usize) -> Self {
        self.concurrency = calls.max(1);
        self.sync_concurrency = syncs.clamp(1, self.concurrency);
        self
    }

    /// Most changes per answer, 1 to 512 (the default, and the most that Exchange takes).
    #[must_use]
    pub fn with_page_size(mut self, changes: u16) -> Self {
        self.page = changes.clamp(1, 512);
        self
    }

    /// How often mailboxes are asked for notifications where streaming does not work, 1 min.
    #[must_use]
    pub fn with_pull_interval(mut self, every: Duration) -> Self {
        self.pull_interval = every.max(Duration::from_secs(1));
        self
    }

    /// How often mailboxes without notifications are compared, 5 min.
    #[must_use]
    pub fn with_poll_interval(mut self, every: Duration) -> Self {
        self.poll_interval = every.max(Duration::from_secs(1));
        self
    }

    /// When a better way than the present one is tried again, 30 min; twice as long after each time in vain, up to
    /// eightfold.
    #[must_use]
    pub fn with_upgrade_after(mut self, wait: Duration) -> Self {
        self.upgrade_after = wait.max(Duration::from_secs(1));
        self
    }

    /// When a mailbox that refused for good is tried again, 15 min.
    #[must_use]
    pub fn with_lost_retry(mut self, wait: Duration) -> Self {
        self.lost_retry = wait.max(Duration::from_secs(1));
        self
    }

    /// How long a connection stays before it is opened anew for mailboxes that were subscribed later, 30 s.
    #[must_use]
    pub fn with_rejoin_after(mut self, wait: Duration) -> Self {
        self.rejoin_after = wait;
        self
    }

    /// Waits before a broken connection is opened again: drawn below 2 s first, doubling up to 60 s.
    #[must_use]
    pub fn with_reconnect_waits(mut self, first: Duration, longest: Duration) -> Self {
        self.reconnect = (first, longest.max(first));
        self
    }

    /// Longest time for one call, waits between its attempts included, 60 s.
    #[must_use]
    pub fn with_call_deadline(mut self, deadline: Duration) -> Self {
        self.call_deadline = deadline;
        self
    }

    /// How many events may wait to be taken before folders are no longer compared, 4,096. Up to one page per comparison
    /// in flight may come on top.
    #[must_use]
    pub fn with_buffered_events(mut self, events: usize) -> Self {
        self.buffered_events = events.max(1);
        self
    }

    /// No streaming: pull only, where a proxy in between is known to hold back answers.
    #[must_use]
    pub fn without_streaming(mut self) -> Self {
        self.streaming = false;
        self
    }

    /// The same waits every time.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}
