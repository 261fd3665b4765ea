//! From a connection to an answer: journal, faults, and the split between Entra, Graph, EWS and the Admin API.

mod journal;
pub(crate) mod listen;
pub(crate) mod reply;
mod submission;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, watch};
use uuid::Uuid;

pub use self::journal::JournalEntry;
pub(crate) use self::journal::{Journal, Line, Listener};
use self::reply::{Outgoing, Reply};
use crate::{
    Caller, SimClock, autodiscover,
    entra::{self, jwt::SigningKey},
    ews::{self, Site, door, streaming},
    exchange,
    faults::{Effect, Faults, Lines, Probe},
    graph, imap,
    json::At,
    state::State,
};

/// Requests above this size are answered 413; Graph's own limit is 4 MB.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Pieces of a stream that wait for a slow client.
const STREAM_AHEAD: usize = 16;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
pub(crate) struct Dropped;

/// Where a request comes in.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) scheme: &'static str,
    pub(crate) site: Site,
    pub(crate) connection: door::Connection,
}

impl Peer {
    /// A door of Microsoft's cloud.
    pub(crate) fn cloud(scheme: &'static str) -> Self {
        Self { scheme, site: Site::Cloud, connection: door::Connection::default() }
    }
}

/// Everything that the listeners share.
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// The state before the last write, for stale reads; kept only while such a fault waits.
    before_write: Mutex<Option<State>>,
    pub(crate) clock: SimClock,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) rng: Mutex<fastrand::Rng>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) strict: bool,
    /// Real time that a mailbox call takes, so that calls can overlap.
    latency: Duration,
    pub(crate) used_assertions: Mutex<BTreeSet<String>>,
    pub(crate) sign_ins: Mutex<entra::sign_ins::SignIns>,
    pub(crate) reads: AtomicU64,
    flights: Mutex<BTreeMap<(Uuid, Uuid), u32>>,
}

/// One call in flight for an (app, mailbox) pair.
struct Flight<'a> {
    shared: &'a Shared,
    key: (Uuid, Uuid),
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = lock(&self.shared.flights);
        if let Some(count) = flights.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                flights.remove(&self.key);
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(
        state: State,
        clock: SimClock,
        journal: Journal,
        key: Arc<SigningKey>,
        seed: u64,
        strict: bool,
        latency: Duration,
    ) -> Self {
        Self {
            state: Mutex::new(state),
            before_write: Mutex::default(),
            clock,
            journal,
            faults: Faults::default(),
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            key,
            strict,
            latency,
            used_assertions: Mutex::default(),
            sign_ins: Mutex::default(),
            reads: AtomicU64::new(0),
            flights: Mutex::default(),
        }
    }

    /// One request, from the wire to the answer, which may go on for a while.
    pub(crate) async fn serve(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Result<Response<Outgoing>, Dropped> {
        let mut reply = self.answer(peer, request).await?;
        let stream = reply.extensions_mut().remove::<streaming::Stream>();
        let Some(stream) = stream else { return Ok(reply.map(|body| Outgoing::Whole(Full::new(body)))) };
        let (pieces, body) = mpsc::channel(STREAM_AHEAD);
        // Ends by itself when its connection or its time ends.
        tokio::spawn(streaming::run(stream, self.clock.clone(), pieces));
        Ok(reply.map(|_| Outgoing::Pieces(body)))
    }

    /// Resolves when every connection is to end.
    pub(crate) fn connections_end(&self) -> watch::Receiver<u64> {
        lock(&self.state).ews.connections_end()
    }

    /// Tells subscriptions of changes as they happen, for as long as it is polled.
    pub(crate) async fn notify(&self) {
        let mut changed = lock(&self.state).store.changed_mailboxes();
        loop {
            match changed.recv().await {
                Ok(mailbox) => {
                    let state = lock(&self.state);
                    state.ews.catch_up(&state, mailbox);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let state = lock(&self.state);
                    state.ews.catch_up_all(&state);
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Result<Reply, Dropped> {
        let (mut parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return Ok(self.finish(reply::empty(StatusCode::PAYLOAD_TOO_LARGE)));
        };
        // HTTP/2 has no Host header; the handlers build links from it.
        if !parts.headers.contains_key(header::HOST)
            && let Some(host) = parts.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok())
        {
            parts.headers.insert(header::HOST, host);
        }
        parts.headers.insert("x-sim-scheme", HeaderValue::from_static(peer.scheme));
        parts.headers.remove(exchange::FAILING_ITEMS);
        let mut request = Request::from_parts(parts, body.to_bytes());

        let mut line = Line {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            ..Line::default()
        };
        let cmdlet = cmdlet_of(&request);
        let fault = self.faults.take(Probe::Http {
            method: request.method().as_str(),
            path: &percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy(),
            cmdlet: cmdlet.as_deref(),
        });
        line.fault = fault.as_ref().map(|(label, _)| label.clone());

        let mut drop_after = false;
        let mut stale = false;
        match fault.map(|(_, effect)| effect) {
            None | Some(Effect::ImapLine(_) | Effect::SmtpLine(_)) => {}
            Some(Effect::DropBefore) => {
                line.cmdlet = cmdlet;
                self.journal.write(self.clock.now(), line);
                return Err(Dropped);
            }
            Some(Effect::DropAfter) => drop_after = true,
            Some(Effect::StaleRead) => stale = true,
            Some(Effect::Delay(by)) => tokio::time::sleep(by).await,
            Some(Effect::BatchItems { status, positions }) => {
                exchange::fail_items(request.headers_mut(), status, &positions);
            }
            Some(Effect::Dehydrate) => lock(&self.state).exchange.dehydrated = true,
            Some(effect) => {
                if let Some(reply) = effect.render(&request, self.clock.now()) {
                    line.cmdlet = cmdlet;
                    line.status = Some(reply.status().as_u16());
                    self.journal.write(self.clock.now(), line);
                    return Ok(self.finish(reply));
                }
            }
        }

        let reply = match peer.site {
            Site::Cloud => self.dispatch(&request, cmdlet.as_deref(), stale, &mut line).await,
            Site::OnPremises => {
                let reply = self.on_premises(peer, &request, stale, &mut line);
                tokio::time::sleep(self.latency).await;
                reply
            }
        };
        line.cmdlet = line.cmdlet.take().or(cmdlet);
        line.status = (!drop_after).then(|| reply.status().as_u16());
        self.journal.write(self.clock.now(), line);
        if drop_after { Err(Dropped) } else { Ok(self.finish(reply)) }
    }

    /// The organisation's own servers: EWS and Autodiscover, and nothing else.
    fn on_premises(&self, peer: &Peer, request: &Request<Bytes>, stale: bool, line: &mut Line) -> Reply {
        let finds = autodiscover::is_path(request.uri().path());
        if finds && autodiscover::is_open(request) {
            return self
                .with_view(true, stale, |state, _| autodiscover::handle(state, Site::OnPremises, request));
        }
        self.with_view(false, stale, |state, now| {
            let authenticated = match door::authenticate(state, &peer.connection, request.headers()) {
                Ok(authenticated) => authenticated,
                Err(refused) => return *refused,
            };
            if finds {
                return autodiscover::handle(state, Site::OnPremises, request);
            }
            let tenant = state.tenant_id;
            let token = || self.validated_in(tenant, request);
            ews::handle_on_premises(state, authenticated, token, request, now, line)
        })
    }

    async fn dispatch(
        &self,
        request: &Request<Bytes>,
        cmdlet: Option<&str>,
        stale: bool,
        line: &mut Line,
    ) -> Reply {
        let path = request.uri().path();
        let root = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if root.eq_ignore_ascii_case("adminapi") {
            let caller = self.bearer(request).ok().filter(|c| c.audience == entra::EXCHANGE_AUDIENCE);
            line.app_id = caller.as_ref().map(|c| c.app_id);
            let reads = cmdlet
                .is_some_and(|c| ["get-", "test-"].iter().any(|p| c.to_ascii_lowercase().starts_with(p)));
            let mut cmdlets = Vec::new();
            let reply = self.with_view(reads, stale, |state, now| {
                exchange::handle(state, caller.as_ref(), request, now, &mut cmdlets)
            });
            line.cmdlet = (!cmdlets.is_empty()).then(|| cmdlets.join("; "));
            reply
        } else if root.eq_ignore_ascii_case("ews") {
            let caller = self.bearer(request);
            let reply = self.with_view(!ews::writes(request), stale, |state, now| {
                ews::handle(state, caller, request, now, line)
            });
            tokio::time::sleep(self.latency).await;
            reply
        } else if autodiscover::is_path(path) {
            self.with_view(true, stale, |state, _| autodiscover::handle(state, Site::Cloud, request))
        } else if root.eq_ignore_ascii_case(if graph::is_exchange_roles(path) { "beta" } else { "v1.0" }) {
            self.graph(request, stale, line).await
        } else if root.eq_ignore_ascii_case("beta") || root.eq_ignore_ascii_case("v1.0") {
            graph::unknown_version(request, self.clock.now())
        } else {
            entra::handle(self, request, line)
        }
    }

    async fn graph(&self, request: &Request<Bytes>, stale: bool, line: &mut Line) -> Reply {
        let parsed = graph::GraphRequest::from_http(request);
        line.mailbox = parsed.mailbox().map(str::to_owned);
        let caller = match self.bearer(request) {
            Ok(caller) if caller.audience == entra::GRAPH_AUDIENCE => caller,
            Ok(_) => {
                return graph::unauthorized(
                    &entra::jwt::TokenFault::WrongAudience,
                    request,
                    self.clock.now(),
                );
            }
            Err(fault) => return graph::unauthorized(&fault, request, self.clock.now()),
        };
        line.app_id = Some(caller.app_id);
        let challenge = entra::continuous::challenge(&lock(&self.state), &caller);
        if let Some(challenge) = challenge {
            return graph::challenged(&challenge, request, self.clock.now());
        }

        let mut _flight = None;
        if let Some(identity) = line.mailbox.as_deref() {
            let key = graph::mailbox_key(&lock(&self.state), identity).map(|id| (caller.app_id, id));
            if let Some(key) = key {
                match self.take_off(key) {
                    Some(flight) => _flight = Some(flight),
                    None => return graph::throttled(request, self.clock.now()),
                }
            }
            if !self.latency.is_zero() {
                tokio::time::sleep(self.latency).await;
            }
        }
        let reads = request.method() == Method::GET;
        let count = self.reads.fetch_add(1, Ordering::Relaxed);
        let mut rng = lock(&self.rng).fork();
        self.with_view(reads, stale, |state, now| {
            let mut context = graph::Context { state, caller: &caller, now, rng: &mut rng, reads: count };
            graph::handle(&mut context, &parsed)
        })
    }

    /// Runs one request's evaluation under the lock; a stale read sees what was there before the last write.
    fn with_view(&self, reads: bool, stale: bool, f: impl FnOnce(&mut State, Timestamp) -> Reply) -> Reply {
        let now = self.clock.now();
        if stale
            && reads
            && let Some(mut old) = lock(&self.before_write).clone()
        {
            return f(&mut old, now);
        }
        let mut state = lock(&self.state);
        if !reads && self.faults.waits_for_stale_read() {
            *lock(&self.before_write) = Some(state.clone());
        }
        f(&mut state, now)
    }

    fn take_off(&self, key: (Uuid, Uuid)) -> Option<Flight<'_>> {
        let mut flights = lock(&self.flights);
        let count = flights.entry(key).or_default();
        if *count >= graph::MAILBOX_CONCURRENCY {
            return None;
        }
        *count += 1;
        Some(Flight { shared: self, key })
    }

    fn bearer(&self, request: &Request<Bytes>) -> Result<Caller, entra::jwt::TokenFault> {
        self.validate(token_in(request).ok_or(entra::jwt::TokenFault::Missing)?)
    }

    /// For those who hold the state's lock.
    fn validated_in(&self, tenant: Uuid, request: &Request<Bytes>) -> Result<Caller, entra::jwt::TokenFault> {
        let token = token_in(request).ok_or(entra::jwt::TokenFault::Missing)?;
        self.key.validate(token, tenant, self.clock.now())
    }

    pub(crate) fn validate(&self, token: &str) -> Result<Caller, entra::jwt::TokenFault> {
        let tenant = lock(&self.state).tenant_id;
        self.key.validate(token, tenant, self.clock.now())
    }

    /// Headers that every answer carries; `Date` follows the tenant's clock.
    fn finish(&self, mut reply: Reply) -> Reply {
        if let Ok(date) =
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.clock.now())
        {
            reply::set(&mut reply, "date", &date);
        }
        let id = uuid(&mut lock(&self.rng));
        reply::set(&mut reply, "request-id", &id.to_string());
        reply
    }
}

impl imap::Backend for Shared {
    fn caller(&self, bearer: &str) -> Option<Caller> {
        self.validate(bearer).ok().filter(|c| c.audience == entra::EXCHANGE_AUDIENCE)
    }

    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let now = self.clock.now();
        f(&mut lock(&self.state), now)
    }

    fn fault(&self, step: &str) -> Option<String> {
        match self.faults.take(Probe::Line { protocol: Lines::Imap, step }) {
            Some((_, Effect::ImapLine(line))) => Some(line),
            _ => None,
        }
    }

    fn journal(&self, line: String) {
        self.journal
            .write(self.clock.now(), Line { method: "IMAP".to_owned(), path: line, ..Line::default() });
    }
}

fn token_in(request: &Request<Bytes>) -> Option<&str> {
    let given = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A random id from the tenant's seeded generator.
pub(crate) fn uuid(rng: &mut fastrand::Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid()
}

/// Scheme and host of the request: links and issuers are built on it.
pub(crate) fn origin(request: &Request<Bytes>) -> String {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    format!("{}://{}", header("x-sim-scheme"), header("host"))
}

/// Name of the cmdlet of an InvokeCommand request, so that faults can be aimed at it.
fn cmdlet_of(request: &Request<Bytes>) -> Option<String> {
    if !request.uri().path().to_ascii_lowercase().starts_with("/adminapi/") {
        return None;
    }
    let body: Value = serde_json::from_slice(request.body()).ok()?;
    body.at("CmdletInput").at("CmdletName").as_str().map(str::to_owned)
}

/// Entra's and Graph's common error for a path that nobody serves here.
pub(crate) fn not_served(path: &str) -> Reply {
    reply::json(
        StatusCode::NOT_FOUND,
        &json!({"error": {"code": "NotFound", "message": format!("the simulated tenant serves nothing at {path}")}}),
    )
}
