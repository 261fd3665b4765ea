//! What every credential has in common: one cache, one deadline, one way to try again. What differs is the [`Issuer`].

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use m365_core::{
    AccessToken, ClientId, Error, ErrorKind, Resource, Result, RetryPolicy, SharedClock, TenantName,
    TokenRequest, Transport, until,
};
use tokio::time::Instant;
use tracing::debug;

use super::cache::{Ask, Flight, Minted, TokenCache};
use super::observer::{TokenObserver, TokenScope};
use super::shelf::KeyRef;
#[cfg(feature = "token-store")]
use super::store::{Invalidations, SharedTokens, Wanted, identity};
use super::wire;

/// Longest time that one caller waits for a refresh while the old token is still good.
const AHEAD: Duration = Duration::from_secs(10);

/// Who hands out tokens, and how it is asked once.
pub(super) trait Issuer: Send + Sync + 'static {
    /// Whether it lives on this machine, where no proxy reaches.
    #[cfg(feature = "reqwest")]
    const LOCAL: bool = false;

    /// Base address; part of the cache's key.
    fn authority(&self) -> &str;

    /// The tenant of requests that name none.
    fn tenant(&self) -> Option<&TenantName>;

    /// The app.
    fn client(&self) -> Option<ClientId>;

    /// The beginning of the certificate's thumbprint, 0 without one.
    fn certificate(&self) -> u128 {
        0
    }

    /// The scope that Entra is asked for, when its tokens may be shared with other processes: authority, tenant, client and
    /// scope then name one token everywhere. A managed identity's do not, its host decides whose token it is.
    #[cfg(feature = "token-store")]
    fn shared_scope(&self, _resource: &Resource, _cp1: bool) -> Option<String> {
        None
    }

    /// What was asked for before is not to be handed out any more.
    fn invalidated(&self) {}

    /// One try.
    fn issue(&self, call: Call<'_>) -> impl Future<Output = Result<AccessToken>> + Send;
}

/// One try to get a token.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) key: KeyRef<'a>,
    pub(super) transport: &'a Transport,
    pub(super) clock: &'a SharedClock,
    pub(super) user_agent: &'a HeaderValue,
    /// The client declares that it answers claims challenges.
    pub(super) cp1: bool,
    /// Nothing asked for earlier will do.
    #[cfg(feature = "user")]
    pub(super) fresh: bool,
}

/// What a conversation with the token service needs.
#[cfg(feature = "user")]
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) transport: &'a Transport,
    pub(super) clock: &'a SharedClock,
    pub(super) user_agent: &'a HeaderValue,
    pub(super) retry: &'a RetryPolicy,
}

/// An issuer behind the cache. Cloning it copies pointers; clones share the cache.
pub(super) struct Engine<I> {
    issuer: Arc<I>,
    transport: Arc<OnceLock<Transport>>,
    clock: SharedClock,
    retry: RetryPolicy,
    deadline: Duration,
    observer: Option<Arc<dyn TokenObserver>>,
    user_agent: HeaderValue,
    cp1: bool,
    cache: Arc<TokenCache>,
    #[cfg(feature = "token-store")]
    store: Option<SharedTokens>,
    #[cfg(feature = "token-store")]
    invalidations: Arc<Invalidations>,
}

impl<I: Issuer> Engine<I> {
    pub(super) fn new(issuer: I) -> Self {
        Self {
            issuer: Arc::new(issuer),
            transport: Arc::default(),
            clock: SharedClock::system(),
            retry: RetryPolicy::default().with_max_attempts(4),
            deadline: Duration::from_secs(60),
            observer: None,
            user_agent: const { HeaderValue::from_static(concat!("graph-auth/", env!("CARGO_PKG_VERSION"))) },
            cp1: false,
            cache: Arc::new(TokenCache::new()),
            #[cfg(feature = "token-store")]
            store: None,
            #[cfg(feature = "token-store")]
            invalidations: Arc::default(),
        }
    }

    pub(super) fn issuer(&self) -> &I {
        &self.issuer
    }

    /// The same settings with another issuer, and no token of the old one.
    pub(super) fn with_issuer(mut self, issuer: I) -> Self {
        self.issuer = Arc::new(issuer);
        self.cache = Arc::new(TokenCache::new());
        self
    }

    pub(super) fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Arc::new(OnceLock::from(transport));
        self
    }

    pub(super) fn with_clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    pub(super) fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    pub(super) fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn with_observer(mut self, observer: impl TokenObserver) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    pub(super) fn with_user_agent(mut self, user_agent: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(user_agent) {
            self.user_agent = value;
        }
        self
    }

    pub(super) fn with_cp1(mut self) -> Self {
        self.cp1 = true;
        self.cache = Arc::new(TokenCache::new());
        self
    }

    #[cfg(feature = "token-store")]
    pub(super) fn with_store(mut self, store: SharedTokens) -> Self {
        self.store = Some(store);
        self
    }

    pub(super) fn invalidate(&self, resource: &Resource) {
        #[cfg(feature = "token-store")]
        self.invalidations.note(resource, self.clock.now());
        self.issuer.invalidated();
        self.cache.invalidate(resource);
    }

    fn observer(&self) -> &dyn TokenObserver {
        self.observer.as_deref().unwrap_or(&Silent)
    }

    /// What a conversation of the issuer's own needs, besides the cache.
    #[cfg(feature = "user")]
    pub(super) fn parts(&self) -> Result<Parts<'_>> {
        let transport = self.transport()?;
        Ok(Parts { transport, clock: &self.clock, user_agent: &self.user_agent, retry: &self.retry })
    }

    pub(super) async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let (key, ask) = self.key(request);
        let token =
            self.cache.get(key, ask, &self.clock, self.observer(), |flight| self.mint(key, flight)).await?;
        if let (Some(_), Some(rejected)) = (key.claims, ask.rejected) {
            self.cache.replace(KeyRef { claims: None, ..key }, rejected, &token, self.clock.now());
        }
        Ok(token)
    }

    pub(super) fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        let now = self.clock.now();
        // What nearly every call is: the own tenant, any token that is good.
        let plain = request.tenant.is_none()
            && request.claims.is_none()
            && request.rejected.is_none()
            && !request.fresh;
        if plain && let Some(token) = self.cache.at_a_glance(&request.resource, now) {
            if let Some(observer) = &self.observer {
                let tenant = self.issuer.tenant().map_or("", TenantName::as_str);
                let client = self.issuer.client();
                observer.hit(&TokenScope { tenant, client, resource: &request.resource });
            }
            return Some(token);
        }
        let (key, ask) = self.key(request);
        self.cache.peek(key, ask, now, self.observer())
    }

    /// Who it is, and nothing that proves it.
    pub(super) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("authority", &self.issuer.authority())
            .field("tenant", &self.issuer.tenant().map(TenantName::as_str))
            .field("client", &self.issuer.client())
            .finish_non_exhaustive()
    }

    fn key<'a>(&'a self, request: &'a TokenRequest) -> (KeyRef<'a>, Ask<'a>) {
        let key = KeyRef {
            authority: self.issuer.authority(),
            tenant: request.tenant.as_ref().or(self.issuer.tenant()),
            own: request.tenant.is_none() || request.tenant.as_ref() == self.issuer.tenant(),
            client: self.issuer.client(),
            certificate: self.issuer.certificate(),
            resource: &request.resource,
            claims: request.claims.as_deref(),
        };
        // Claims without a rejected token: nothing tells which cached token could answer the challenge.
        let fresh = request.fresh || (request.claims.is_some() && request.rejected.is_none());
        (key, Ask { rejected: request.rejected.as_ref(), fresh })
    }

    async fn mint(&self, key: KeyRef<'_>, flight: Flight) -> Result<Minted> {
        let deadline = if flight.ahead { self.deadline.min(AHEAD) } else { self.deadline };
        let end = Instant::now() + deadline;
        #[cfg(feature = "token-store")]
        if let (Some(store), None) = (&self.store, key.claims)
            && let Some(scope) = self.issuer.shared_scope(key.resource, self.cp1)
        {
            let wanted = Wanted {
                scope: key.scope(),
                identity: &identity(key, &scope),
                floor: flight.floor.max(self.invalidations.floor(key.resource)),
                flight,
                clock: &self.clock,
                observer: self.observer(),
                end,
            };
            return store.get_or_mint(&wanted, self.issue(key, flight, deadline, end)).await;
        }
        self.issue(key, flight, deadline, end).await.map(Minted::from)
    }

    async fn issue(
        &self,
        key: KeyRef<'_>,
        flight: Flight,
        deadline: Duration,
        end: Instant,
    ) -> Result<AccessToken> {
        let tries = AtomicU32::new(0);
        // Real time on purpose: a server that hangs does so on the machine's clock, whatever the injected one says.
        let result = tokio::time::timeout_at(end, self.attempts(key, flight, &tries)).await;
        result
            .unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Timeout,
                    format!("the token service gave no token within {} s", deadline.as_secs_f32()),
                )
                .with_transient(true))
            })
            .map_err(|e| e.with_operation(wire::NAME).with_attempts(tries.load(Ordering::Relaxed).max(1)))
    }

    async fn attempts(&self, key: KeyRef<'_>, flight: Flight, tries: &AtomicU32) -> Result<AccessToken> {
        let (transport, clock) = (self.transport()?, &self.clock);
        let call = Call {
            key,
            transport,
            clock,
            user_agent: &self.user_agent,
            cp1: self.cp1,
            #[cfg(feature = "user")]
            fresh: flight.fresh,
        };
        let (tenant, resource) = (key.tenant.map_or("", TenantName::as_str), key.resource);
        let started = clock.now();
        loop {
            let attempt = tries.fetch_add(1, Ordering::Relaxed) + 1;
            let error = match self.issuer.issue(call).await {
                Ok(token) => {
                    debug!(tenant, ?resource, expires_on = %token.expires_on(), "token minted");
                    return Ok(token);
                }
                Err(error) => error,
            };
            let elapsed = until(started, clock.now());
            // Ahead of time one attempt is enough: the cache tries again later and nobody is without a token.
            let wait = (error.is_transient() && !flight.ahead)
                .then(|| self.retry.next_wait(attempt, elapsed, error.retry_after()))
                .flatten()
                .filter(|wait| elapsed.saturating_add(*wait) < self.deadline);
            let Some(wait) = wait else {
                debug!(tenant, ?resource, attempt, kind = ?error.kind(), "no token");
                return Err(error);
            };
            debug!(tenant, attempt, wait_ms = wait.as_millis(), "asking for a token again");
            clock.sleep(wait).await;
        }
    }

    fn transport(&self) -> Result<&Transport> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        #[cfg(feature = "reqwest")]
        {
            use m365_core::transport::ReqwestTransport;
            let made = if I::LOCAL { ReqwestTransport::without_proxy() } else { ReqwestTransport::new() };
            let made = Transport::new(made?);
            Ok(self.transport.get_or_init(|| made))
        }
        #[cfg(not(feature = "reqwest"))]
        Err(Error::new(
            ErrorKind::Unsupported,
            "the credential has no transport: call with_transport, or switch on feature reqwest",
        ))
    }
}

impl<I> Clone for Engine<I> {
    fn clone(&self) -> Self {
        Self {
            issuer: self.issuer.clone(),
            transport: self.transport.clone(),
            clock: self.clock.clone(),
            retry: self.retry.clone(),
            deadline: self.deadline,
            observer: self.observer.clone(),
            user_agent: self.user_agent.clone(),
            cp1: self.cp1,
            cache: self.cache.clone(),
            #[cfg(feature = "token-store")]
            store: self.store.clone(),
            #[cfg(feature = "token-store")]
            invalidations: self.invalidations.clone(),
        }
    }
}

struct Silent;

impl TokenObserver for Silent {}

/// The settings and the seam's methods of a credential whose field `engine` is an [`Engine`].
macro_rules! credential {
    ($name:ident) => {
        impl $name {
            /// Another transport. Without one, and with feature `reqwest`, the shipped one is made at the first call.
            #[must_use]
            pub fn with_transport(mut self, transport: ::m365_core::Transport) -> Self {
                self.engine = self.engine.with_transport(transport);
                self
            }

            /// Another clock.
            #[must_use]
            pub fn with_clock(mut self, clock: ::m365_core::SharedClock) -> Self {
                self.engine = self.engine.with_clock(clock);
                self
            }

            /// Another retry policy. The default makes 4 attempts; [`with_deadline`](Self::with_deadline) bounds them.
            #[must_use]
            pub fn with_retry(mut self, retry: ::m365_core::RetryPolicy) -> Self {
                self.engine = self.engine.with_retry(retry);
                self
            }

            /// The longest a caller waits for a token, attempts and waits between them together; 60 s by default. Keep
            /// it below the caller's own deadline.
            #[must_use]
            pub fn with_deadline(mut self, deadline: ::std::time::Duration) -> Self {
                self.engine = self.engine.with_deadline(deadline);
                self
            }

            /// Somebody who hears of hits, refreshes and failures.
            #[must_use]
            pub fn with_observer(mut self, observer: impl $crate::TokenObserver) -> Self {
                self.engine = self.engine.with_observer(observer);
                self
            }

            /// The product's name in the `User-Agent` header. A text that cannot stand in a header is left out.
            #[must_use]
            pub fn with_user_agent(mut self, user_agent: &str) -> Self {
                self.engine = self.engine.with_user_agent(user_agent);
                self
            }

            /// Drops the cached tokens of a resource, in every tenant: roles are frozen into a token, so after consent
            /// or its removal the old ones would mislead for up to 90 minutes.
            pub fn invalidate(&self, resource: &::m365_core::Resource) {
                self.engine.invalidate(resource);
            }
        }

        impl ::m365_core::TokenCredential for $name {
            async fn get_token(
                &self,
                request: &::m365_core::TokenRequest,
            ) -> ::m365_core::Result<::m365_core::AccessToken> {
                self.engine.get_token(request).await
            }

            fn cached_token(&self, request: &::m365_core::TokenRequest) -> Option<::m365_core::AccessToken> {
                self.engine.cached_token(request)
            }

            fn invalidate(&self, resource: &::m365_core::Resource) {
                self.engine.invalidate(resource);
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.engine.debug(stringify!($name), f)
            }
        }
    };
    // With the names of an app in a tenant.
    ($name:ident of an app) => {
        $crate::token::engine::credential!($name);

        impl $name {
            /// The tenant that tokens are asked for.
            pub fn tenant(&self) -> &::m365_core::TenantName {
                &self.engine.issuer().tenant
            }

            /// The app.
            pub fn client_id(&self) -> ::m365_core::ClientId {
                self.engine.issuer().client
            }

            /// Declares the client capability `cp1`: that this app answers claims challenges, as every call through
            /// [`Pipeline`](::m365_core::Pipeline) does. Graph then gives tokens of 24 to 28 hours and takes them back by
            /// a challenge within minutes when the app is disabled or its rights change. Off by default: it is for
            /// single-tenant apps and Graph only, and whoever uses a token past the pipeline must answer challenges
            /// himself. Drops cached tokens.
            ///
            /// <https://learn.microsoft.com/entra/identity/conditional-access/concept-continuous-access-evaluation-workload>
            #[must_use]
            pub fn with_continuous_access_evaluation(mut self) -> Self {
                self.engine = self.engine.with_cp1();
                self
            }

            /// Shares tokens with other processes through a store: they make one token request between them. What the
            /// store does wrong costs the sharing and nothing else. Tokens for a claims challenge are not shared.
            #[cfg(feature = "token-store")]
            #[must_use]
            pub fn with_store(mut self, store: $crate::SharedTokens) -> Self {
                self.engine = self.engine.with_store(store);
                self
            }
        }
    };
}
pub(super) use credential;

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
