//! A model of servers, networks and consumers that fail at random, against the machine.

mod cases;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use m365_core::{Error, ErrorKind, MailboxAddress};
use proptest::prelude::*;

use super::*;
use crate::DistinguishedFolder;
use crate::watch::{Initial, Level, Resync, WatchEvent};

const FAR: At = 1_000_000_000_000;

fn address(at: usize) -> MailboxAddress {
    MailboxAddress::parse(&format!("user{at:05}@contoso.example")).unwrap()
}

fn entries(count: usize) -> Vec<Entry> {
    let entry = |at| Entry {
        lane: 0,
        grouping: Some("site-1".into()),
        address: address(at),
        folder: DistinguishedFolder::Calendar.into(),
    };
    (0..count).map(entry).collect()
}

fn coded(kind: ErrorKind, code: &str) -> Error {
    Error::new(kind, "refused").with_code(code)
}

fn parts(state: &SyncState) -> (u64, u64) {
    let (epoch, number) = state.as_str().split_once(':').unwrap();
    (epoch.parse().unwrap(), number.parse().unwrap())
}

fn only_state(machine: &Machine) -> SyncState {
    machine.token().iter().next().unwrap().state().clone()
}

/// Subscriptions, connections and folders of one server.
#[derive(Default)]
struct Server {
    /// How many changes each mailbox has seen.
    log: Vec<u64>,
    /// States of an earlier one are refused.
    epoch: Vec<u64>,
    subs: HashMap<String, (usize, SubKind)>,
    made: u64,
    /// Generation and subscriptions of each group's connection.
    streams: BTreeMap<u32, (u32, Vec<SubscriptionId>)>,
    /// Pulled events that wait, by subscription.
    waiting: BTreeSet<String>,
    buffered: bool,
    no_streaming: bool,
    denied: BTreeSet<usize>,
    down: bool,
}

struct World {
    server: Server,
    machine: Machine,
    config: WatchConfig,
    now: At,
    /// What is under way, by when it arrives.
    under_way: Vec<(At, Input)>,
    random: fastrand::Rng,
    /// Numbers told of, per mailbox, with the event's place.
    told: Vec<BTreeMap<u64, u64>>,
    durable: Vec<BTreeSet<u64>>,
    saved: WatchToken,
    last_seen: u64,
    levels: Vec<Option<Level>>,
    actions: u64,
    in_flight: usize,
    syncing: BTreeSet<u32>,
}

impl World {
    fn new(count: usize, config: WatchConfig, seed: u64) -> Self {
        let machine = Machine::new(config.clone(), entries(count), &WatchToken::new(), FAR);
        Self {
            server: Server { log: vec![0; count], epoch: vec![0; count], ..Server::default() },
            machine,
            config,
            now: FAR,
            under_way: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            told: vec![BTreeMap::new(); count],
            durable: vec![BTreeSet::new(); count],
            saved: WatchToken::new(),
            last_seen: 0,
            levels: vec![None; count],
            actions: 0,
            in_flight: 0,
            syncing: BTreeSet::new(),
        }
    }

    fn later(&mut self, input: Input) {
        let at = self.now + self.random.u64(1..400);
        self.under_way.push((at, input));
    }

    fn act(&mut self, action: Action) {
        self.actions += 1;
        let server = &mut self.server;
        let down = || Error::new(ErrorKind::Network, "no connection");
        match action {
            Action::Close { group } => {
                server.streams.remove(&group);
                return;
            }
            Action::Open { group, generation, ids } => {
                assert!(!server.streams.contains_key(&group), "one connection per group");
                assert!(!ids.is_empty() && ids.len() <= self.config.group_size);
                let ended = |error| Input::Ended { group, generation, error: Some(error) };
                let input = if server.down {
                    ended(down())
                } else if server.no_streaming {
                    ended(Error::new(ErrorKind::Unsupported, "too old"))
                } else {
                    server.streams.insert(group, (generation, ids.clone()));
                    let named: Vec<_> =
                        ids.iter().filter(|id| !server.subs.contains_key(id.as_str())).cloned().collect();
                    let failure =
                        (!named.is_empty()).then_some((ResponseCode::ERROR_INVALID_SUBSCRIPTION, None));
                    if server.buffered {
                        return;
                    }
                    Input::Said { group, generation, said: Said { named, failure, ..Said::default() } }
                };
                return self.later(input);
            }
            _ => {}
        }
        self.in_flight += 1;
        assert!(self.in_flight <= 27, "27 calls at a time");
        let input = match action {
            Action::Subscribe { mailbox, kind } => {
                let place = mailbox as usize;
                let result = if server.down {
                    Err(down())
                } else if server.no_streaming && kind == SubKind::Streaming {
                    Err(Error::new(ErrorKind::Unsupported, "too old"))
                } else if server.denied.contains(&place) {
                    Err(coded(ErrorKind::PermissionDenied, "ErrorSubscriptionAccessDenied"))
                } else {
                    server.made += 1;
                    let id = format!("sub-{}", server.made);
                    server.subs.insert(id.clone(), (place, kind));
                    let watermark = (kind == SubKind::Pull).then(|| "w0".into());
                    Ok(Subscribed { id: id.into(), watermark, cookie: None })
                };
                Input::Subscribed { mailbox, kind, result }
            }
            Action::Pull { mailbox, id, .. } => {
                let result = if server.down {
                    Err(down())
                } else if server.subs.contains_key(id.as_str()) {
                    let any = server.waiting.remove(id.as_str());
                    Ok(Pulled { watermark: Some("w1".into()), any, more: false })
                } else {
                    Err(coded(ErrorKind::Gone, "ErrorSubscriptionNotFound"))
                };
                Input::Pulled { mailbox, result }
            }
            Action::Sync { mailbox, state } => {
                assert!(self.syncing.insert(mailbox), "one comparison of a folder at a time");
                assert!(self.syncing.len() <= 5, "5 comparisons at a time");
                let place = mailbox as usize;
                let from = state.map(|state| parts(&state));
                let result = if server.down {
                    Err(down())
                } else if from.is_some_and(|(epoch, _)| epoch != server.epoch[place]) {
                    Err(coded(ErrorKind::Gone, "ErrorInvalidSyncStateData"))
                } else {
                    let (from, last) = (from.map_or(0, |(_, from)| from), server.log[place]);
                    let to = last.min(from + u64::from(self.config.page));
                    let item = |n: u64| Change::Updated(format!("{place}-{n}").into());
                    let changes = (from + 1..=to).map(item).collect();
                    let state = format!("{}:{to}", server.epoch[place]).into();
                    Ok(Page { changes, state, last: to == last })
                };
                Input::Synced { mailbox, result }
            }
            Action::Unsubscribe { mailbox, id } => {
                server.subs.remove(id.as_str());
                Input::Unsubscribed { mailbox }
            }
            Action::Open { .. } | Action::Close { .. } => return,
        };
        self.later(input);
    }

    /// Something changes in a mailbox; who listens hears of it.
    fn change(&mut self, place: usize) {
        self.server.log[place] += 1;
        let mut notes = Vec::new();
        for (id, (of, kind)) in &self.server.subs {
            if *of == place {
                match kind {
                    SubKind::Pull => {
                        self.server.waiting.insert(id.clone());
                    }
                    SubKind::Streaming => {
                        let id = SubscriptionId::from(id.as_str());
                        let stream = self.server.streams.iter().find(|(_, (_, ids))| ids.contains(&id));
                        if let Some((group, (generation, _))) = stream.filter(|_| !self.server.buffered) {
                            let said = Said { touched: vec![id], ..Said::default() };
                            notes.push(Input::Said { group: *group, generation: *generation, said });
                        }
                    }
                }
            }
        }
        notes.into_iter().for_each(|note| self.later(note));
    }

    fn say(&mut self, group: u32, said: Said) {
        if let Some((generation, _)) = self.server.streams.get(&group) {
            let generation = *generation;
            self.later(Input::Said { group, generation, said });
        }
    }

    /// The connection breaks; what was on its way is lost.
    fn cut(&mut self, group: u32, error: Option<Error>) {
        if let Some((generation, _)) = self.server.streams.remove(&group) {
            self.under_way
                .retain(|(_, input)| !matches!(input, Input::Said { group: of, .. } if *of == group));
            self.later(Input::Ended { group, generation, error });
        }
    }

    fn heartbeats(&mut self) {
        if self.server.buffered {
            return;
        }
        let groups: Vec<u32> = self.server.streams.keys().copied().collect();
        for group in groups {
            let dead = self.server.streams[&group].1.iter();
            let named: Vec<_> =
                dead.filter(|id| !self.server.subs.contains_key(id.as_str())).cloned().collect();
            let failure = (!named.is_empty()).then_some((ResponseCode::ERROR_INVALID_SUBSCRIPTION, None));
            self.say(group, Said { named, failure, ..Said::default() });
        }
    }

    fn consume(&mut self, event: WatchEvent) {
        let place = (0..self.told.len()).find(|at| address(*at) == event.mailbox).unwrap();
        assert_eq!(event.sequence(), self.last_seen + 1, "no gap in what is handed out");
        self.last_seen = event.sequence();
        match event.change {
            Change::Updated(id) => {
                let (of, number) = id.as_str().split_once('-').unwrap();
                assert_eq!(of.parse::<usize>().unwrap(), place);
                self.told[place].insert(number.parse().unwrap(), event.sequence);
            }
            // The consumer reads the folder now.
            Change::Resynced(_) => {
                (1..=self.server.log[place]).for_each(|number| {
                    self.told[place].entry(number).or_insert(event.sequence);
                });
            }
            Change::Level(level) => self.levels[place] = Some(level),
            other => panic!("{other:?}"),
        }
    }

    /// The consumer has done its work up to here and saves the token, as text.
    fn save(&mut self) {
        let up_to = self.last_seen.saturating_sub(self.random.u64(0..4));
        self.machine.ack(up_to);
        self.saved = self.machine.token().to_string().parse().unwrap();
        for (told, durable) in self.told.iter().zip(&mut self.durable) {
            durable.extend(told.iter().filter(|(_, at)| **at <= up_to).map(|(number, _)| *number));
        }
    }

    /// The process dies and is started again with what was saved.
    fn crash(&mut self) {
        let count = self.told.len();
        self.machine = Machine::new(self.config.clone(), entries(count), &self.saved, self.now);
        self.under_way.clear();
        self.server.streams.clear();
        self.in_flight = 0;
        self.syncing.clear();
        self.last_seen = 0;
        for (told, durable) in self.told.iter_mut().zip(&self.durable) {
            *told = durable.iter().map(|number| (*number, 0)).collect();
        }
        self.levels = vec![None; count];
    }

    fn restart_server(&mut self) {
        self.server.subs.clear();
        self.server.waiting.clear();
        for group in self.server.streams.keys().copied().collect::<Vec<_>>() {
            self.cut(group, Some(Error::new(ErrorKind::Network, "reset")));
        }
    }

    /// Lets this much time pass.
    fn run(&mut self, millis: u64, greedy: bool) {
        self.run_until(millis, |random| greedy || random.u8(..) < 200);
    }

    fn run_until(&mut self, millis: u64, takes: impl Fn(&mut fastrand::Rng) -> bool) {
        let end = self.now + millis;
        let mut beat = self.now + 45_000;
        loop {
            while let Some(action) = self.machine.next_action(self.now) {
                self.act(action);
                assert!(self.actions < 60_000, "a loop without a pause");
            }
            while takes(&mut self.random) {
                let Some(event) = self.machine.next_event() else { break };
                self.consume(event);
            }
            let next = self.under_way.iter().map(|(at, _)| *at).min().unwrap_or(NEVER);
            let at = next.min(self.machine.wake_at()).min(beat).max(self.now);
            if at > end {
                self.now = end;
                return;
            }
            self.now = at;
            if at == beat {
                self.heartbeats();
                beat += 45_000;
            }
            while let Some(due) = self.under_way.iter().position(|(due, _)| *due <= self.now) {
                let (_, input) = self.under_way.swap_remove(due);
                match &input {
                    Input::Said { .. } | Input::Ended { .. } => {}
                    Input::Synced { mailbox, .. } => {
                        self.in_flight -= 1;
                        self.syncing.remove(mailbox);
                    }
                    _ => self.in_flight -= 1,
                }
                self.machine.input(input, self.now);
            }
        }
    }

    fn fault(&mut self, what: u8) {
        let count = self.told.len();
        let place = self.random.usize(0..count);
        let groups: Vec<u32> = self.server.streams.keys().copied().collect();
        let group = self.random.choice(&groups).copied().unwrap_or(0);
        match what % 20 {
            0..=4 => self.change(place),
            5 => (0..self.random.usize(1..30)).for_each(|_| self.change(place)),
            6 => self.cut(group, None),
            7 => self.cut(group, Some(Error::new(ErrorKind::Network, "reset"))),
            8 => self.restart_server(),
            9 => {
                // A subscription dies without a word.
                let ids: Vec<_> = self.server.subs.keys().cloned().collect();
                if let Some(id) = self.random.choice(&ids) {
                    self.server.subs.remove(id);
                }
            }
            10 => self.say(group, Said { closed: true, ..Said::default() }),
            11 => {
                // Events are dropped, and this is said.
                self.server.log[place] += 1;
                let failure = Some((ResponseCode::ERROR_MISSED_NOTIFICATION_EVENTS, None));
                for group in groups {
                    self.say(group, Said { failure: failure.clone(), ..Said::default() });
                }
            }
            12 => {
                self.server.log[place] += 1;
                self.server.epoch[place] += 1;
                self.change(place);
            }
            13 => {
                // Every call that is under way fails.
                let kind = if self.random.bool() { ErrorKind::Throttled } else { ErrorKind::Unavailable };
                let error = || Error::new(kind, "busy").with_retry_after(Some(Duration::from_secs(5)));
                for (_, input) in &mut self.under_way {
                    match input {
                        Input::Subscribed { result, .. } => *result = Err(error()),
                        Input::Pulled { result, .. } => *result = Err(error()),
                        Input::Synced { result, .. } => *result = Err(error()),
                        _ => {}
                    }
                }
            }
            14 => self.server.buffered = !self.server.buffered,
            15 => {
                if !self.server.denied.remove(&place) {
                    self.server.denied.insert(place);
                }
            }
            16 => {
                let code = ResponseCode::ERROR_EXCEEDED_CONNECTION_COUNT;
                self.say(group, Said { failure: Some((code, None)), closed: true, ..Said::default() });
            }
            17 => self.server.down = !self.server.down,
            18 => self.save(),
            _ => self.crash(),
        }
    }

    fn calm_down(&mut self) {
        (self.server.down, self.server.buffered, self.server.no_streaming) = (false, false, false);
        self.server.denied.clear();
        self.run(12 * 3_600_000, true);
        for place in 0..self.told.len() {
            let missing: Vec<u64> =
                (1..=self.server.log[place]).filter(|n| !self.told[place].contains_key(n)).collect();
            assert!(missing.is_empty(), "mailbox {place}: changes {missing:?} were never told");
        }
    }
}

fn small() -> WatchConfig {
    WatchConfig::default().with_group_size(3).with_page_size(4).with_buffered_events(6).with_seed(7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_fails_every_change_is_told_once_things_calm_down(
        seed in any::<u64>(),
        report in any::<bool>(),
        steps in proptest::collection::vec((any::<u8>(), 0_u64..200_000), 1..60),
    ) {
        let initial = if report { Initial::Report } else { Initial::Skip };
        let mut world = World::new(7, small().with_initial(initial), seed);
        for (what, wait) in steps {
            world.fault(what);
            world.run(wait, false);
        }
        world.calm_down();
        for level in &world.levels {
            prop_assert!(matches!(level, Some(Level::Streaming)), "{:?}", world.levels);
        }
        // In peace nothing is done but keeping connections.
        let before = world.actions;
        world.run(3_600_000, true);
        prop_assert!(world.actions - before < 60, "{} calls in an hour of peace", world.actions - before);
    }
}
