//! One token request between many processes, and none of a store's faults reaches a caller.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use m365_core::{AccessToken, Error, ErrorKind, Result, SharedClock, later, until};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::invalidations::SKEW;
use super::key::StoreKey;
use super::seal::{Keys, Record};
use super::{DynStore, LARGEST_RECORD, RecordName, TokenStore};
use crate::token::cache::{Flight, Minted, is_usable};
use crate::token::observer::{TokenObserver, TokenScope};

/// How long a lease lasts: many times what the token service needs, short enough to wait for a holder who has died.
const LEASE: Duration = Duration::from_secs(5);
/// Longest time for which a record is kept; the longest tokens of Entra live for a little more than a day.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long another's lease is waited for, with a little room to take it over in an orderly way.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same while the old token is still good.
const AHEAD: Duration = Duration::from_secs(2);
/// First and longest pause between two looks into the store.
const LOOK: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(250));

/// Tokens that many processes share: a [`TokenStore`] and the key to what lies in it. Give it to every credential with
/// `with_store`; clones share the store and its state.
///
/// A cached token is served without a look into the store. When there is none, or the one there is due for a refresh, the
/// store is asked first, and of the processes that find nothing there one asks Entra while the others wait up to 6 s for
/// its token (2 s while their old one is good). Then they ask for themselves.
///
/// A store can cost the sharing and some delay, never a token: each of its answers is waited for half a second
/// ([`with_timeout`](Self::with_timeout)); one that fails, is late, or lets a lease stand for longer than it lasts is left
/// alone for 5 s ([`with_pause`](Self::with_pause)). Records are sealed, bound to their name, and checked for app, tenant,
/// scope and times; a token older than an `invalidate` or older than one that a resource refused is not taken, nor is any
/// for a request that wants a fresh one or answers a claims challenge. Times of other machines are believed up to 5 min.
///
/// Tokens in the store are as good as tokens: whoever has its key can use them until they expire.
///
/// ```
/// use graph_auth::{ClientSecretCredential, SharedTokens, StoreKey, TokenStore};
/// use m365_core::{ClientId, Cloud, TenantName};
///
/// # fn example(store: impl TokenStore, key: secrecy::SecretString) -> graph_auth::Result<()> {
/// let shared = SharedTokens::new(store, StoreKey::from_base64(&key)?);
/// let credential = ClientSecretCredential::new(
///     Cloud::public(),
///     TenantName::parse("contoso.example")?,
///     ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
///     "Q8~value".into(),
/// )?
/// .with_store(shared);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedTokens {
    store: Arc<dyn DynStore>,
    keys: Arc<Keys>,
    timeout: Duration,
    pause: Duration,
    /// Until when the store is left alone.
    resting: Arc<Mutex<Option<Instant>>>,
}

/// The token somebody is waiting for.
pub(in crate::token) struct Wanted<'a> {
    pub(in crate::token) scope: TokenScope<'a>,
    pub(in crate::token) identity: &'a [u8],
    /// A token from the store must have been minted later.
    pub(in crate::token) floor: Option<Timestamp>,
    pub(in crate::token) flight: Flight,
    pub(in crate::token) clock: &'a SharedClock,
    pub(in crate::token) observer: &'a dyn TokenObserver,
    /// When the caller's patience ends.
    pub(in crate::token) end: Instant,
}

enum Settled {
    /// Another process had it.
    Found(Minted),
    /// It is to be minted here: with the lease, or without one when the store is of no help.
    Mint(Option<Lease>),
}

impl SharedTokens {
    /// Tokens shared through this store, sealed with this key.
    pub fn new(store: impl TokenStore, key: StoreKey) -> Self {
        Self {
            store: Arc::new(store),
            keys: key.keys,
            timeout: Duration::from_millis(500),
            pause: Duration::from_secs(5),
            resting: Arc::default(),
        }
    }

    /// How long one answer of the store is waited for; 500 ms by default. A token request asks up to five times, so a store
    /// that is always just in time costs it five times as much.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For how long a store that has failed is left alone; 5 s by default.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The token out of the store, or else the one that `mint` gives, which is left there for the others.
    pub(in crate::token) async fn get_or_mint(
        &self,
        wanted: &Wanted<'_>,
        mint: impl Future<Output = Result<AccessToken>> + Send,
    ) -> Result<Minted> {
        let name = self.keys.name(wanted.identity);
        let lease = if wanted.flight.fresh {
            None
        } else {
            match self.settle(&name, wanted).await {
                Settled::Found(minted) => return Ok(minted),
                Settled::Mint(lease) => lease,
            }
        };
        // Roles are frozen in at some time after this.
        let minted = wanted.clock.now();
        let result = mint.await;
        if let Ok(token) = &result {
            self.save(&name, wanted, &Record { token: token.clone(), minted }).await;
        }
        if let Some(lease) = lease {
            lease.end(self, wanted).await;
        }
        result.map(|token| Minted { token, at: Some(minted), shared: false })
    }

    async fn settle(&self, name: &RecordName, wanted: &Wanted<'_>) -> Settled {
        if let Some(found) = self.find(name, wanted, true).await {
            return Settled::Found(found);
        }
        let longest = if wanted.flight.ahead { AHEAD } else { PATIENCE };
        // Whoever has little time uses at most half of it for waiting.
        let patience = longest.min(wanted.end.saturating_duration_since(Instant::now()) / 2);
        let give_up = Instant::now() + patience;
        let mut pause = LOOK.0;
        loop {
            match self.lease(name, wanted).await {
                // The holder before may have saved after we looked.
                Some(Some(lease)) => match self.find(name, wanted, false).await {
                    Some(found) => {
                        lease.end(self, wanted).await;
                        return Settled::Found(found);
                    }
                    None => return Settled::Mint(Some(lease)),
                },
                Some(None) => {}
                None => return Settled::Mint(None),
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if patience == PATIENCE {
                    let error = Error::new(ErrorKind::Timeout, "a lease in the token store does not end");
                    self.failed(wanted, &error, true);
                }
                return Settled::Mint(None);
            }
            // Real time: the others are on the machine's clock. Apart from each other, so that they do not knock together.
            tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0).min(left)).await;
            pause = (pause * 2).min(LOOK.1);
            if let Some(found) = self.find(name, wanted, false).await {
                return Settled::Found(found);
            }
        }
    }

    /// A record that may be used. A bad one is told at the first look only, not at each while waiting for a better one.
    async fn find(&self, name: &RecordName, wanted: &Wanted<'_>, first: bool) -> Option<Minted> {
        let sealed = self.ask(wanted, self.store.load(name)).await??;
        let opened = if sealed.len() > LARGEST_RECORD {
            Err(Error::unreadable("a record of the token store is larger than any of ours"))
        } else {
            self.keys.open(name, wanted.identity, &sealed)
        };
        let Record { token, minted } = match opened {
            Ok(record) => record,
            Err(error) => {
                // The store is not away: the next save puts a good one there.
                if first {
                    self.failed(wanted, &error, false);
                }
                return None;
            }
        };
        let now = wanted.clock.now();
        let newer = wanted.floor.is_none_or(|floor| minted > floor);
        let plausible = minted <= later(now, SKEW) && is_usable(&token, minted, now);
        debug!(newer, plausible, "a token of another process");
        (newer && plausible).then_some(Minted { token, at: Some(minted), shared: true })
    }

    async fn save(&self, name: &RecordName, wanted: &Wanted<'_>, record: &Record) {
        let life = until(wanted.clock.now(), record.token.expires_on()).min(LONGEST);
        match self.keys.seal(name, wanted.identity, record) {
            Ok(sealed) => {
                self.ask(wanted, self.store.save(name, Bytes::from(sealed), life)).await;
            }
            Err(error) => self.failed(wanted, &error, false),
        }
    }

    /// `None` when the store fails, `Some(None)` when another has the lease.
    async fn lease(&self, name: &RecordName, wanted: &Wanted<'_>) -> Option<Option<Lease>> {
        if self.is_resting() {
            return None;
        }
        // It exists before it is asked for: a caller who goes away meanwhile, and an answer that is late, leave none behind.
        let mut lease = Lease {
            store: self.store.clone(),
            timeout: self.timeout,
            name: name.clone(),
            holder: uuid::Uuid::new_v4().simple().to_string(),
            held: true,
        };
        let given = self.ask(wanted, self.store.lease(&lease.name, &lease.holder, LEASE)).await?;
        lease.held = given;
        Some(given.then_some(lease))
    }

    /// One answer of the store; none when it fails, is late or rests.
    async fn ask<T>(&self, wanted: &Wanted<'_>, answer: impl Future<Output = Result<T>> + Send) -> Option<T> {
        if self.is_resting() {
            return None;
        }
        let left = wanted.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let at_most = self.timeout.min(left);
        let error = match tokio::time::timeout(at_most, answer).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error,
            Err(_) => Error::new(
                ErrorKind::Timeout,
                format!("the token store did not answer within {} ms", at_most.as_millis()),
            ),
        };
        // A caller in a hurry is no reason for the others to do without the store.
        let in_a_hurry = left < self.timeout && error.kind() == ErrorKind::Timeout;
        self.failed(wanted, &error, !in_a_hurry);
        None
    }

    fn is_resting(&self) -> bool {
        self.resting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|until| until > Instant::now())
    }

    fn failed(&self, wanted: &Wanted<'_>, error: &Error, rests: bool) {
        if rests {
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + self.pause);
        }
        warn!(%error, rests, "the token store is of no help; tokens are minted without it");
        wanted.observer.store_failed(&wanted.scope, error);
    }
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTokens").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The right to be the one who asks Entra.
struct Lease {
    store: Arc<dyn DynStore>,
    timeout: Duration,
    name: RecordName,
    holder: String,
    held: bool,
}

impl Lease {
    async fn end(mut self, shared: &SharedTokens, wanted: &Wanted<'_>) {
        let ended = shared.ask(wanted, self.store.release(&self.name, &self.holder)).await.is_some();
        // Even a store that rests after a failed save is told once, but nobody waits for that.
        self.held = !ended;
    }
}

impl Drop for Lease {
    /// Of a caller who went away, or could not end it in time: the others need not wait until it runs out.
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, timeout) = (self.store.clone(), self.timeout);
            let (name, holder) = (self.name.clone(), std::mem::take(&mut self.holder));
            drop(runtime.spawn(async move {
                if !matches!(tokio::time::timeout(timeout, store.release(&name, &holder)).await, Ok(Ok(()))) {
                    debug!("a lease in the token store is left to run out");
                }
            }));
        }
    }
}
