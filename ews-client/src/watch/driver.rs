use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{self, FuturesUnordered, SelectAll};
use m365_core::SharedClock;
use tracing::debug;

use super::config::WatchConfig;
use super::event::WatchEvent;
use super::machine::{Action, At, Entry, Input, Machine, NEVER};
use super::token::WatchToken;
use super::wire::{self, Heard};
use super::{WatchStatus, machine};
use crate::{CallOptions, EwsClient, Target};

/// Inputs taken in before anything else is looked at.
const AT_ONCE: usize = 256;
/// Rounds before others in this task have their turn.
const ROUNDS: usize = 32;
/// How long each farewell may take.
const FAREWELL: Duration = Duration::from_secs(10);

type Call = Pin<Box<dyn Future<Output = Input> + Send>>;
type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
type Connection = Pin<Box<dyn Stream<Item = Input> + Send>>;

/// A resumable stream of what changes in a set of mailboxes; see the [module](crate::watch).
///
/// It works while it is polled, and does not end. A consumer that is slow holds back comparisons, not connections, as long
/// as it comes back within a heartbeat or so; after longer absences it finds what it missed.
pub struct Watch {
    machine: Machine,
    config: WatchConfig,
    clients: Vec<EwsClient>,
    clock: SharedClock,
    calls: FuturesUnordered<Call>,
    connections: SelectAll<Connection>,
    /// By group.
    handles: HashMap<u32, AbortHandle>,
    alarm: Option<(At, Sleep)>,
}

impl Watch {
    pub(super) fn start(
        config: WatchConfig,
        clients: Vec<EwsClient>,
        entries: Vec<Entry>,
        token: &WatchToken,
    ) -> Self {
        let clock = clients.first().map_or_else(SharedClock::system, |client| client.clock().clone());
        let machine = Machine::new(config.clone(), entries, token, now(&clock));
        Self {
            machine,
            config,
            clients,
            clock,
            calls: FuturesUnordered::new(),
            connections: SelectAll::new(),
            handles: HashMap::new(),
            alarm: None,
        }
    }

    /// The next event. It may be dropped and called again; no event is lost by that.
    pub async fn next(&mut self) -> WatchEvent {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// This event and all before it are dealt with.
    pub fn ack(&mut self, event: &WatchEvent) {
        self.machine.ack(event.sequence());
    }

    /// All events up to this [`sequence`](WatchEvent::sequence) are dealt with.
    pub fn ack_through(&mut self, sequence: u64) {
        self.machine.ack(sequence);
    }

    /// Where to resume from: after everything that was acknowledged.
    pub fn token(&self) -> WatchToken {
        self.machine.token()
    }

    /// How it fares. Counts through all mailboxes: for a gauge every few seconds, not for each event.
    pub fn status(&self) -> WatchStatus {
        self.machine.status()
    }

    /// Ends it politely: connections are dropped and subscriptions ended, so that they do not count against the
    /// mailboxes. Those that a server does not let go at once are left to run out. Gives the [`token`](Self::token).
    pub async fn close(mut self) -> WatchToken {
        self.calls.clear();
        self.connections.clear();
        let live = self.machine.live();
        let farewells = live.into_iter().filter_map(|(mailbox, id)| {
            let (client, target, options) = self.way(mailbox)?;
            let options = options.with_deadline(FAREWELL);
            Some(async move { wire::unsubscribe(&client, &target, id, &options).await })
        });
        let mut farewells = stream::iter(farewells).buffer_unordered(self.config.concurrency);
        while let Some(result) = farewells.next().await {
            if let Err(error) = result {
                debug!(kind = ?error.kind(), "subscriptions are left to run out");
                break;
            }
        }
        drop(farewells);
        self.machine.token()
    }

    /// The client, the target and the options of a mailbox's calls on its group's server.
    fn way(&self, mailbox: u32) -> Option<(EwsClient, Target, CallOptions)> {
        let client = self.clients.get(self.machine.lane_of(mailbox) as usize)?.clone();
        let (address, _) = self.machine.address(mailbox)?;
        let mut options = CallOptions::default().with_deadline(self.config.call_deadline);
        if let Some(affinity) = self.machine.affinity(mailbox) {
            options = options.with_affinity(affinity);
        }
        Some((client, wire::target(address), options))
    }

    fn begin(&mut self, action: Action) {
        match action {
            Action::Close { group } => {
                if let Some(handle) = self.handles.remove(&group) {
                    handle.abort();
                }
            }
            Action::Open { group, generation, ids } => self.open(group, generation, ids),
            Action::Subscribe { mailbox, kind } => {
                let Some((client, target, options)) = self.way(mailbox) else { return };
                let Some((_, folder)) = self.machine.address(mailbox) else { return };
                let folder = folder.clone();
                // Longer than a few pulls are apart.
                let minutes = self.config.pull_interval.as_secs().saturating_mul(5) / 60;
                let minutes = u16::try_from(minutes.clamp(10, 1440)).unwrap_or(1440);
                self.calls.push(Box::pin(async move {
                    let made = wire::subscribe(&client, &target, folder, (kind, minutes), &options).await;
                    Input::Subscribed { mailbox, kind, result: made }
                }));
            }
            Action::Pull { mailbox, id, watermark } => {
                let Some((client, target, options)) = self.way(mailbox) else { return };
                self.calls.push(Box::pin(async move {
                    let result = wire::pull(&client, &target, (id, watermark), &options).await;
                    Input::Pulled { mailbox, result }
                }));
            }
            Action::Sync { mailbox, state } => {
                let Some((client, target, _)) = self.way(mailbox) else { return };
                let Some((_, folder)) = self.machine.address(mailbox) else { return };
                let (folder, page) = (folder.clone(), self.config.page);
                let options = CallOptions::default().with_deadline(self.config.call_deadline);
                self.calls.push(Box::pin(async move {
                    let result = wire::sync(&client, &target, folder, (state, page), &options).await;
                    Input::Synced { mailbox, result }
                }));
            }
            Action::Unsubscribe { mailbox, id } => {
                let Some((client, target, options)) = self.way(mailbox) else { return };
                self.calls.push(Box::pin(async move {
                    if let Err(error) = wire::unsubscribe(&client, &target, id, &options).await {
                        debug!(kind = ?error.kind(), "a subscription is left to run out");
                    }
                    Input::Unsubscribed { mailbox }
                }));
            }
        }
    }

    fn open(&mut self, group: u32, generation: u32, ids: Vec<crate::SubscriptionId>) {
        let Some(client) = self.clients.get(self.machine.lane_of_group(group) as usize).cloned() else {
            return;
        };
        let Some(affinity) = self.machine.affinity_of_group(group) else { return };
        // Whoever holds back the head of the answer as well is found out by the watchdog, which comes first.
        let patience = self.config.heartbeat.saturating_mul(3).saturating_add(self.config.slack);
        let target = wire::target(affinity.anchor());
        let options = CallOptions::default().with_deadline(patience).with_affinity(affinity);
        let minutes = u8::try_from(self.config.connection_minutes).unwrap_or(30);
        debug!(group, subscriptions = ids.len(), "a streaming connection is opened");
        let heard = wire::connection(client, target, (ids, minutes), options).map(move |heard| match heard {
            Heard::Said(said) => Input::Said { group, generation, said },
            Heard::Ended(error) => {
                debug!(group, kind = ?error.as_ref().map(m365_core::Error::kind), "a streaming connection is over");
                Input::Ended { group, generation, error }
            }
        });
        let (handle, registration) = AbortHandle::new_pair();
        if let Some(old) = self.handles.insert(group, handle) {
            old.abort();
        }
        self.connections.push(Box::pin(Abortable::new(heard, registration)));
    }

    /// Takes in what came; whether anything did.
    fn listen(&mut self, cx: &mut Context<'_>) -> bool {
        let mut heard = 0;
        while heard < AT_ONCE
            && let Poll::Ready(Some(input)) = self.calls.poll_next_unpin(cx)
        {
            self.machine.input(input, now(&self.clock));
            heard += 1;
        }
        while heard < 2 * AT_ONCE
            && let Poll::Ready(Some(input)) = self.connections.poll_next_unpin(cx)
        {
            self.machine.input(input, now(&self.clock));
            heard += 1;
        }
        heard > 0
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<WatchEvent> {
        for _ in 0..ROUNDS {
            let mut moved = self.listen(cx);
            while let Some(action) = self.machine.next_action(now(&self.clock)) {
                self.begin(action);
                moved = true;
            }
            if let Some(event) = self.machine.next_event() {
                return Poll::Ready(event);
            }
            if moved {
                continue;
            }
            let at = self.machine.wake_at();
            if at == NEVER {
                return Poll::Pending;
            }
            let now = now(&self.clock);
            if at <= now {
                continue;
            }
            let (_, sleep) = match self.alarm.take() {
                Some((set, sleep)) if set == at => self.alarm.insert((at, sleep)),
                _ => {
                    let clock = self.clock.clone();
                    let wait = Duration::from_millis(at - now);
                    self.alarm.insert((at, Box::pin(async move { clock.sleep(wait).await })))
                }
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.alarm = None;
        }
        // Others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn now(clock: &SharedClock) -> At {
    At::try_from(clock.now().as_millisecond()).unwrap_or(0)
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.poll_event(cx).map(Some)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine::Counts { mailboxes, groups } = self.machine.counts();
        f.debug_struct("Watch")
            .field("mailboxes", &mailboxes)
            .field("groups", &groups)
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}
