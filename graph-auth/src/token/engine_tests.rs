//! The whole cache as a credential has it: engine, issuer, clock.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use futures_util::poll;
use jiff::Timestamp;
use m365_core::later;
use m365_core::testing::{ManualClock, ScriptedTransport};
use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;

const HOUR: u64 = 3600;

/// Gives what the test tells it to, when the test tells it to.
#[derive(Clone, Default)]
struct Scripted(Arc<Script>);

#[derive(Default)]
struct Script {
    /// Who is being polled: whoever opens a call then is its leader.
    polled: AtomicUsize,
    calls: Mutex<Vec<Open>>,
    opened: AtomicU32,
}

struct Open {
    leader: usize,
    answer: oneshot::Sender<Result<AccessToken>>,
}

impl Issuer for Scripted {
    fn authority(&self) -> &str {
        "https://login.example/"
    }

    fn tenant(&self) -> Option<&TenantName> {
        None
    }

    fn client(&self) -> Option<ClientId> {
        Some(ClientId::from_bytes([7; 16]))
    }

    async fn issue(&self, _call: Call<'_>) -> Result<AccessToken> {
        let (answer, told) = oneshot::channel();
        let leader = self.0.polled.load(Ordering::Relaxed);
        self.0.calls.lock().unwrap().push(Open { leader, answer });
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        told.await.unwrap()
    }
}

impl Scripted {
    /// Calls that somebody still waits for.
    fn open(&self) -> usize {
        let mut calls = self.0.calls.lock().unwrap();
        calls.retain(|call| !call.answer.is_closed());
        calls.len()
    }

    fn answer(&self, answer: Result<AccessToken>) {
        let call = self.0.calls.lock().unwrap().remove(0);
        call.answer.send(answer).unwrap();
    }

    fn opened(&self) -> u32 {
        self.0.opened.load(Ordering::Relaxed)
    }
}

fn engine<I: Issuer>(issuer: I) -> (Engine<I>, ManualClock) {
    let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    let engine = Engine::new(issuer)
        .with_transport(Transport::new(ScriptedTransport::new()))
        .with_clock(SharedClock::new(manual.clone()))
        .with_retry(RetryPolicy::default().with_max_attempts(1));
    (engine, manual)
}

fn graph() -> TokenRequest {
    TokenRequest::new(Resource::Graph)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Clone, Debug)]
enum Event {
    Get,
    Fresh,
    /// The token handed out last is refused by a resource, and another one asked for.
    Reject,
    Invalidate,
    Pass(u64),
    Grant {
        life: u64,
    },
    Fail {
        retry_after: Option<u64>,
    },
    /// The issuer does not answer for as long as anybody waits.
    Hang,
    Cancel(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Get),
        2 => Just(Event::Fresh),
        2 => Just(Event::Reject),
        1 => Just(Event::Invalidate),
        3 => prop_oneof![1u64..5, 5u64..120, 120u64..4000].prop_map(Event::Pass),
        4 => prop_oneof![Just(HOUR), 60u64..7200].prop_map(|life| Event::Grant { life }),
        2 => proptest::option::weighted(0.3, 1u64..300).prop_map(|retry_after| Event::Fail { retry_after }),
        1 => Just(Event::Hang),
        2 => any::<usize>().prop_map(Event::Cancel),
    ]
}

type Answer = Pin<Box<dyn Future<Output = Result<AccessToken>>>>;

struct Caller {
    id: usize,
    began: usize,
    fresh: bool,
    rejected: Option<AccessToken>,
    answer: Answer,
}

/// What is known without looking into the cache. Jitter is allowed for; nothing else is left open.
#[derive(Default)]
struct Model {
    /// Token in use: its number, from when it may be refreshed at the earliest, until when it is usable.
    slot: Option<(u32, Timestamp, Timestamp)>,
    /// No request before this time; whether that binds those who want a fresh token, too.
    failed: Option<(Timestamp, bool)>,
    in_a_row: u32,
    /// Tokens refused or invalidated, and the step in which that was: who begins later never gets them.
    dead: HashMap<u32, usize>,
    /// For each token, the step in which it was asked for.
    asked: Vec<usize>,
    failures: u32,
}

impl Model {
    fn usable(&self, now: Timestamp) -> bool {
        self.slot.is_some_and(|(_, _, until)| until > now)
    }

    /// Whether a caller of this kind may make the issuer be asked.
    fn may_ask(&self, fresh: bool, now: Timestamp) -> bool {
        let bound = self.failed.is_some_and(|(until, asked)| until > now && (asked || !fresh));
        let due = self.slot.is_none_or(|(_, refresh, usable)| refresh <= now || usable <= now);
        !bound && (fresh || due)
    }

    fn granted(&mut self, number: u32, life: u64, now: Timestamp, kept: bool) {
        let usable = secs(life) - (secs(life) / 10).min(secs(30));
        let advised = if life >= 7200 || life <= 600 { secs(life) / 2 } else { secs(life - 300) };
        let earliest = advised - (advised / 10).min(secs(300));
        if kept {
            self.slot = Some((number, later(now, earliest), later(now, usable)));
        }
        (self.failed, self.in_a_row) = (None, 0);
    }

    /// `ahead`: the token in use was usable when the flight began; `died`: it was invalidated since.
    fn refused(&mut self, retry_after: Option<u64>, ahead: bool, died: bool, now: Timestamp) {
        self.failures += 1;
        let grown = secs(1 << self.in_a_row.min(10)).min(secs(60)).mul_f64(0.75);
        self.in_a_row += 1;
        let until = later(now, grown.max(secs(retry_after.unwrap_or_default())));
        match &mut self.slot {
            Some((_, refresh, usable)) if ahead && *usable > now => {
                *refresh = until;
                if retry_after.is_some() {
                    self.failed = Some((until, true));
                }
            }
            _ if died && retry_after.is_none() => {}
            _ => self.failed = Some((until, retry_after.is_some())),
        }
    }
}

struct World {
    engine: Engine<Scripted>,
    manual: ManualClock,
    issuer: Scripted,
    callers: Vec<Caller>,
    model: Model,
    step: usize,
    serial: u32,
    last: Option<AccessToken>,
    /// Of the open call: the step it began in, the invalidations before it, and whether a token was at hand.
    flight: Option<(usize, usize, bool)>,
    /// The steps in which that was.
    invalidated: Vec<usize>,
    next: usize,
}

fn number(token: &AccessToken) -> u32 {
    token.expose_secret().parse().unwrap()
}

impl World {
    fn new() -> Self {
        let issuer = Scripted::default();
        let (engine, manual) = engine(issuer.clone());
        Self {
            engine,
            manual,
            issuer,
            callers: Vec::new(),
            model: Model { asked: vec![0], ..Model::default() },
            step: 0,
            serial: 0,
            last: None,
            flight: None,
            invalidated: Vec::new(),
            next: 0,
        }
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    async fn begin(&mut self, fresh: bool, rejected: Option<AccessToken>) -> Result<(), TestCaseError> {
        let mut request = graph();
        (request.fresh, request.rejected) = (fresh, rejected.clone());
        if let Some(rejected) = &rejected {
            // Nobody gets it any more if it is the one in use.
            if self.model.slot.is_some_and(|(slot, ..)| slot == number(rejected)) {
                self.model.slot = None;
                self.model.dead.insert(number(rejected), self.step);
            }
        }
        let engine = self.engine.clone();
        let answer: Answer = Box::pin(async move { engine.get_token(&request).await });
        self.next += 1;
        self.callers.push(Caller { id: self.next, began: self.step, fresh, rejected, answer });
        let at_hand = !fresh && self.model.usable(self.now());
        let waiting = self.issuer.open() > 0;
        self.settle().await?;
        // Whoever finds a usable token waits for nobody, but for the one call that it makes itself.
        if at_hand && waiting {
            prop_assert!(
                self.callers.iter().all(|c| c.id != self.next),
                "waits although a valid token is there"
            );
        }
        Ok(())
    }

    /// Polls everybody until nothing moves, and judges what comes out.
    async fn settle(&mut self) -> Result<(), TestCaseError> {
        let mut idle = 0;
        while idle < 2 {
            idle += 1;
            let mut at = 0;
            while at < self.callers.len() {
                let before = self.issuer.opened();
                let now = self.now();
                let caller = &mut self.callers[at];
                self.issuer.0.polled.store(caller.id, Ordering::Relaxed);
                let answer = poll!(&mut caller.answer);
                let fresh = caller.fresh;
                let opened = self.issuer.opened() - before;
                prop_assert!(opened <= 1);
                if opened == 1 {
                    idle = 0;
                    prop_assert!(self.model.may_ask(fresh, now), "a request too many");
                    prop_assert_eq!(self.issuer.open(), 1, "two flights at once");
                    self.flight = Some((self.step, self.invalidated.len(), !fresh && self.model.usable(now)));
                }
                if let std::task::Poll::Ready(answer) = answer {
                    idle = 0;
                    let caller = self.callers.remove(at);
                    self.judge(&caller, answer)?;
                } else {
                    at += 1;
                }
            }
        }
        // Nobody waits for nothing.
        prop_assert!(self.callers.is_empty() || self.issuer.open() == 1, "forgotten callers");
        // And nobody at all while a good token is there, but for who fetches the next one.
        let leader = self.issuer.0.calls.lock().unwrap().first().map(|call| call.leader);
        let usable = self.model.usable(self.now());
        let waits = |caller: &Caller| usable && !caller.fresh && Some(caller.id) != leader;
        prop_assert!(!self.callers.iter().any(waits), "waits although a valid token is there");
        Ok(())
    }

    fn judge(&mut self, caller: &Caller, answer: Result<AccessToken>) -> Result<(), TestCaseError> {
        let now = self.now();
        match answer {
            Ok(token) => {
                let n = number(&token);
                let asked = self.model.asked[n as usize];
                prop_assert!(token.expires_on() > now, "expired");
                prop_assert!(caller.rejected.as_ref() != Some(&token), "the very one that was refused");
                prop_assert!(!caller.fresh || asked >= caller.began, "not fresh");
                prop_assert!(self.model.dead.get(&n).is_none_or(|died| *died >= caller.began), "dead");
                self.last = Some(token);
            }
            Err(error) => {
                prop_assert!(self.model.failures > 0, "an error out of nothing: {}", error);
                prop_assert!(
                    caller.fresh || !self.model.usable(now),
                    "an error although a valid token is there"
                );
            }
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<(), TestCaseError> {
        self.step += 1;
        let open = self.issuer.open() > 0;
        match event {
            Event::Get => self.begin(false, None).await?,
            Event::Fresh => self.begin(true, None).await?,
            Event::Reject => {
                let last = self.last.clone();
                self.begin(false, last).await?;
            }
            Event::Invalidate => {
                self.engine.invalidate(&Resource::Graph);
                self.invalidated.push(self.step);
                for number in 0..=self.serial {
                    self.model.dead.entry(number).or_insert(self.step);
                }
                self.model.slot = None;
                self.model.failed = self.model.failed.filter(|(_, asked)| *asked);
            }
            Event::Pass(seconds) => self.manual.advance(secs(seconds)),
            Event::Grant { life } if open => {
                self.serial += 1;
                let (began, generation, _) = self.flight.unwrap();
                self.model.asked.push(began);
                // Invalidated on its way.
                let died = self.invalidated.get(generation);
                let kept = died.is_none();
                self.model.dead.extend(died.map(|died| (self.serial, *died)));
                self.model.granted(self.serial, life, self.now(), kept);
                let token =
                    AccessToken::new(&self.serial.to_string(), later(self.now(), secs(life))).unwrap();
                self.issuer.answer(Ok(token));
            }
            Event::Fail { retry_after } if open => {
                let (_, generation, ahead) = self.flight.unwrap();
                let died = self.invalidated.get(generation).is_some();
                self.model.refused(retry_after, ahead, died, self.now());
                let error =
                    Error::new(ErrorKind::Unavailable, "down").with_retry_after(retry_after.map(secs));
                self.issuer.answer(Err(error));
            }
            Event::Hang if open => {
                let (_, generation, ahead) = self.flight.unwrap();
                let died = self.invalidated.get(generation).is_some();
                self.model.refused(None, ahead, died, self.now());
                tokio::time::advance(secs(61)).await;
            }
            Event::Cancel(n) if !self.callers.is_empty() => {
                let caller = self.callers.remove(n % self.callers.len());
                let leads = self.issuer.0.calls.lock().unwrap().iter().any(|call| call.leader == caller.id);
                let before = self.issuer.open();
                drop(caller);
                prop_assert_eq!(
                    before - self.issuer.open(),
                    usize::from(leads),
                    "only the leader's call goes with it"
                );
            }
            _ => {}
        }
        self.settle().await
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Every interleaving of callers, answers, failures, hangs, cancellations, invalidations and time: each caller gets
    /// what the model allows, the issuer is asked only when the model allows it, and nobody is forgotten.
    #[test]
    fn the_cache_does_what_the_model_allows(events in proptest::collection::vec(event(), 1..60)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for event in events {
                world.take(event).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}

/// Answers by itself, after a while on tokio's clock.
#[derive(Clone, Default)]
struct Timed(Arc<Service>);

#[derive(Default)]
struct Service {
    requests: AtomicU32,
    takes: Mutex<Duration>,
    /// Tenants whose requests never end.
    hangs: Mutex<Option<TenantName>>,
    fails: std::sync::atomic::AtomicBool,
}

impl Issuer for Timed {
    fn authority(&self) -> &str {
        "https://login.example/"
    }

    fn tenant(&self) -> Option<&TenantName> {
        None
    }

    fn client(&self) -> Option<ClientId> {
        Some(ClientId::from_bytes([7; 16]))
    }

    async fn issue(&self, call: Call<'_>) -> Result<AccessToken> {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if call.key.tenant.is_some() && call.key.tenant == self.0.hangs.lock().unwrap().as_ref() {
            std::future::pending::<()>().await;
        }
        let takes = *self.0.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "down"));
        }
        AccessToken::new(&number.to_string(), later(call.clock.now(), secs(HOUR)))
    }
}

impl Timed {
    fn requests(&self) -> u32 {
        self.0.requests.load(Ordering::Relaxed)
    }

    fn takes(&self, seconds: u64) {
        *self.0.takes.lock().unwrap() = secs(seconds);
    }

    fn fails(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::Relaxed);
    }
}

/// Each caller a task of its own; what each got, and how long it waited.
async fn crowd(engine: &Engine<Timed>, count: usize) -> Vec<(Result<AccessToken>, Duration)> {
    let began = Instant::now();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { (engine.get_token(&graph()).await, began.elapsed()) })
        })
        .collect();
    let mut got = Vec::with_capacity(count);
    for task in tasks {
        got.push(task.await.unwrap());
    }
    got
}

#[tokio::test(start_paused = true)]
async fn a_thousand_cold_callers_cause_one_request() {
    let issuer = Timed::default();
    issuer.takes(3);
    let (engine, _) = engine(issuer.clone());
    for (token, waited) in crowd(&engine, 1000).await {
        assert_eq!((number(&token.unwrap()), waited.as_secs()), (1, 3));
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_the_refresh_window_exactly_one_of_a_thousand_callers_waits() {
    let issuer = Timed::default();
    let (engine, manual) = engine(issuer.clone());
    engine.get_token(&graph()).await.unwrap();
    manual.advance(secs(56 * 60));
    issuer.takes(3);
    let got = crowd(&engine, 1000).await;
    let waited: Vec<_> = got.iter().filter(|(_, waited)| !waited.is_zero()).collect();
    assert_eq!((waited.len(), issuer.requests()), (1, 2));
    for (token, waited) in &got {
        assert_eq!(number(token.as_ref().unwrap()), if waited.is_zero() { 1 } else { 2 });
    }
    assert_eq!(number(&engine.get_token(&graph()).await.unwrap()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_hangs_delays_no_other_keys_hit_mint_or_refresh() {
    let issuer = Timed::default();
    let hanging = TenantName::parse("hangs.example").unwrap();
    *issuer.0.hangs.lock().unwrap() = Some(hanging.clone());
    let (engine, manual) = engine(issuer.clone());
    let stuck = tokio::spawn({
        let engine = engine.clone();
        async move { engine.get_token(&graph().with_tenant(hanging)).await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    for n in 0..100 {
        let other = graph().with_tenant(TenantName::parse(&format!("t{n}.example")).unwrap());
        engine.get_token(&other).await.unwrap();
        engine.get_token(&other).await.unwrap();
        manual.advance(secs(56 * 60));
        engine.get_token(&other).await.unwrap();
    }
    assert!(began.elapsed().is_zero() && !stuck.is_finished());
    assert_eq!(issuer.requests(), 201);
    assert_eq!(stuck.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
}

/// The bound: back-off of 1, 2, 4 … 60 s, each shortened by a quarter at most.
fn most_flights(over: Duration) -> u32 {
    let (mut flights, mut passed, mut pause) = (0, 0.0, 1.0_f64);
    while passed < over.as_secs_f64() {
        flights += 1;
        passed += 0.75 * pause;
        pause = (pause * 2.0).min(60.0);
    }
    flights
}

#[tokio::test(start_paused = true)]
async fn trap_4_a_refresh_that_fails_for_the_tokens_whole_remaining_life_fails_no_call() {
    let issuer = Timed::default();
    let (engine, manual) = engine(issuer.clone());
    engine.get_token(&graph()).await.unwrap();
    issuer.fails(true);
    // 30 s before its end a token is no longer handed out.
    for second in 0..HOUR - 31 {
        manual.advance(secs(1));
        let token = engine.get_token(&graph()).await;
        assert!(token.is_ok_and(|token| number(&token) == 1), "at second {second}");
    }
    let refreshes = issuer.requests() - 1;
    assert!((1..=most_flights(secs(600))).contains(&refreshes), "{refreshes}");
    manual.advance(secs(60));
    assert_eq!(engine.get_token(&graph()).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_an_hour_gets_some_eighty_flights_whoever_asks_how_often() {
    let issuer = Timed::default();
    issuer.fails(true);
    let (engine, manual) = engine(issuer.clone());
    for _ in 0..HOUR {
        for (token, _) in crowd(&engine, 3).await {
            assert_eq!(token.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        manual.advance(secs(1));
    }
    let most = most_flights(secs(HOUR));
    assert!((80..90).contains(&most), "{most}");
    assert!((60..=most).contains(&issuer.requests()), "{}", issuer.requests());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_cancelled_leaders_are_each_taken_over() {
    let issuer = Timed::default();
    issuer.takes(3);
    let (engine, _) = engine(issuer.clone());
    let mut tasks: Vec<_> = (0..200)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.get_token(&graph()).await })
        })
        .collect();
    for leader in tasks.drain(..100) {
        tokio::time::sleep(secs(1)).await;
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
    }
    for task in tasks {
        assert_eq!(number(&task.await.unwrap().unwrap()), 101);
    }
    assert_eq!(issuer.requests(), 101);
}
