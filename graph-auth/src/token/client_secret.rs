use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use m365_core::{
    AccessToken, ClientId, Cloud, Error, ErrorKind, Resource, Result, RetryPolicy, SharedClock, TenantName,
    TokenCredential, TokenRequest, Transport, until,
};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::debug;

use super::cache::{Ask, KeyRef, TokenCache};
use super::observer::TokenObserver;
use super::wire;

/// Longest time that one caller waits for a refresh while the old token is still good.
const AHEAD: Duration = Duration::from_secs(10);

/// App-only tokens by a client secret, cached per (authority, tenant, client, resource, claims).
///
/// One caller per key asks Entra, the others wait for its answer or keep the valid token; callers of other keys never
/// wait. A token is refreshed ahead of its end, and kept when that fails. Failures are shared and remembered for
/// seconds (or for as long as `Retry-After` says). There is no background task: all work happens in callers.
///
/// Cloning it copies pointers; clones share the cache.
///
/// ```no_run
/// use graph_auth::ClientSecretCredential;
/// use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential, TokenRequest};
///
/// # async fn example() -> graph_auth::Result<()> {
/// let credential = ClientSecretCredential::new(
///     Cloud::public(),
///     TenantName::parse("contoso.example")?,
///     ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
///     std::env::var("ACME_CLIENT_SECRET").unwrap_or_default().into(),
/// )?;
/// let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await?;
/// println!("valid until {}", token.expires_on());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientSecretCredential {
    cloud: Cloud,
    tenant: TenantName,
    client: ClientId,
    secret: Arc<SecretString>,
    transport: Arc<OnceLock<Transport>>,
    clock: SharedClock,
    retry: RetryPolicy,
    deadline: Duration,
    observer: Arc<dyn TokenObserver>,
    user_agent: HeaderValue,
    cache: Arc<TokenCache>,
}

impl ClientSecretCredential {
    /// A credential of this app in this tenant. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the secret is empty, framed by blanks, or a GUID: that is the *Secret ID* of the
    /// portal's list, not the secret's value.
    pub fn new(cloud: Cloud, tenant: TenantName, client: ClientId, secret: SecretString) -> Result<Self> {
        check(secret.expose_secret())?;
        Ok(Self {
            cloud,
            tenant,
            client,
            secret: Arc::new(secret),
            transport: Arc::default(),
            clock: SharedClock::system(),
            retry: RetryPolicy::default().with_max_attempts(4),
            deadline: Duration::from_secs(60),
            observer: Arc::new(Silent),
            user_agent: const { HeaderValue::from_static(concat!("graph-auth/", env!("CARGO_PKG_VERSION"))) },
            cache: Arc::new(TokenCache::new()),
        })
    }

    /// Another transport. Without one, and with feature `reqwest`, the shipped one is made at the first call.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Arc::new(OnceLock::from(transport));
        self
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Another retry policy. The default makes 4 attempts; [`with_deadline`](Self::with_deadline) bounds them.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The longest a caller waits for a token, attempts and waits between them together; 60 s by default. Keep it below
    /// the caller's own deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Somebody who hears of hits, refreshes and failures.
    #[must_use]
    pub fn with_observer(mut self, observer: impl TokenObserver) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// The product's name in the `User-Agent` header. A text that cannot stand in a header is left out.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(user_agent) {
            self.user_agent = value;
        }
        self
    }

    /// The tenant that tokens are asked for.
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// The app.
    pub fn client_id(&self) -> ClientId {
        self.client
    }

    /// Drops the cached tokens of a resource, in every tenant: roles are frozen into a token, so after consent or its
    /// removal the old ones would mislead for up to 90 minutes.
    pub fn invalidate(&self, resource: &Resource) {
        self.cache.invalidate(resource);
    }

    fn key<'a>(&'a self, request: &'a TokenRequest) -> (KeyRef<'a>, Ask<'a>) {
        let key = KeyRef {
            authority: self.cloud.login().as_str(),
            tenant: request.tenant.as_ref().unwrap_or(&self.tenant),
            client: self.client,
            resource: &request.resource,
            claims: request.claims.as_deref(),
        };
        // Claims without a rejected token: nothing tells which cached token could answer the challenge.
        let fresh = request.fresh || (request.claims.is_some() && request.rejected.is_none());
        (key, Ask { rejected: request.rejected.as_ref(), fresh })
    }

    async fn mint(&self, key: KeyRef<'_>, ahead: bool) -> Result<AccessToken> {
        let deadline = if ahead { self.deadline.min(AHEAD) } else { self.deadline };
        let tries = AtomicU32::new(0);
        // Real time on purpose: a server that hangs does so on the machine's clock, whatever the injected one says.
        let result = tokio::time::timeout(deadline, self.attempts(key, ahead, &tries)).await;
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

    async fn attempts(&self, key: KeyRef<'_>, ahead: bool, tries: &AtomicU32) -> Result<AccessToken> {
        let transport = self.transport()?;
        let started = self.clock.now();
        loop {
            let attempt = tries.fetch_add(1, Ordering::Relaxed) + 1;
            let error = match self.attempt(key, transport).await {
                Ok(token) => return Ok(token),
                Err(error) => error,
            };
            let elapsed = until(started, self.clock.now());
            // Ahead of time one attempt is enough: the cache tries again later and nobody is without a token.
            let wait = (error.is_transient() && !ahead)
                .then(|| self.retry.next_wait(attempt, elapsed, error.retry_after()))
                .flatten()
                .filter(|wait| elapsed.saturating_add(*wait) < self.deadline);
            let Some(wait) = wait else {
                debug!(tenant = %key.tenant, resource = ?key.resource, attempt, kind = ?error.kind(), "no token");
                return Err(error);
            };
            debug!(tenant = %key.tenant, attempt, wait_ms = wait.as_millis(), "asking for a token again");
            self.clock.sleep(wait).await;
        }
    }

    async fn attempt(&self, key: KeyRef<'_>, transport: &Transport) -> Result<AccessToken> {
        let request = wire::request(
            &self.cloud,
            key.tenant,
            key.client,
            &self.secret,
            key.resource,
            key.claims,
            &self.user_agent,
        )?;
        let response = transport.send(request).await?;
        let (head, body) = response.into_parts();
        let body =
            body.collect(wire::BODY_LIMIT).await.map_err(|e| Error::from(e).with_status(head.status))?;
        let token =
            wire::read(&http::Response::from_parts(head, body), self.clock.now(), key.tenant, &self.secret)?;
        debug!(tenant = %key.tenant, resource = ?key.resource, expires_on = %token.expires_on(), "token minted");
        Ok(token)
    }

    fn transport(&self) -> Result<&Transport> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        #[cfg(feature = "reqwest")]
        {
            let made = Transport::new(m365_core::transport::ReqwestTransport::new()?);
            Ok(self.transport.get_or_init(|| made))
        }
        #[cfg(not(feature = "reqwest"))]
        Err(Error::new(
            ErrorKind::Unsupported,
            "the credential has no transport: call with_transport, or switch on feature reqwest",
        ))
    }
}

impl TokenCredential for ClientSecretCredential {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let (key, ask) = self.key(request);
        let token =
            self.cache.get(key, ask, &self.clock, &*self.observer, |ahead| self.mint(key, ahead)).await?;
        if let (Some(_), Some(rejected)) = (key.claims, ask.rejected) {
            self.cache.replace(KeyRef { claims: None, ..key }, rejected, &token, self.clock.now());
        }
        Ok(token)
    }

    fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        let (key, ask) = self.key(request);
        self.cache.peek(key, ask, self.clock.now(), &*self.observer)
    }

    fn invalidate(&self, resource: &Resource) {
        self.cache.invalidate(resource);
    }
}

impl fmt::Debug for ClientSecretCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecretCredential")
            .field("cloud", &self.cloud.name())
            .field("tenant", &self.tenant.as_str())
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

struct Silent;

impl TokenObserver for Silent {}

/// Refuses what cannot be a secret's value before it goes anywhere.
fn check(secret: &str) -> Result<()> {
    let why = if secret.is_empty() {
        "the client secret is empty"
    } else if uuid::Uuid::parse_str(secret.trim()).is_ok() {
        return Err(Error::invalid(
            "the client secret is a GUID: that is the Secret ID of the portal's list. Use the secret's Value, which is \
             shown only once, right after the secret was added; if nobody kept it, add another one",
        )
        .with_diagnosis("AUTH-SECRET-ID"));
    } else if secret.trim() != secret {
        "the client secret begins or ends with a blank or a line break, which no secret does"
    } else {
        return Ok(());
    };
    Err(Error::invalid(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(secret: &str) -> Result<ClientSecretCredential> {
        ClientSecretCredential::new(
            Cloud::public(),
            TenantName::parse("contoso.example")?,
            ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
            secret.into(),
        )
    }

    #[test]
    fn trap_9_a_secret_that_is_a_guid_is_refused_with_the_remedy() {
        for guid in ["3f6d0c1a-2b3c-4d5e-8f90-a1b2c3d4e5f6", " {3F6D0C1A-2B3C-4D5E-8F90-A1B2C3D4E5F6} "] {
            let error = new(guid).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains("Secret ID") && error.message().contains("Value"), "{error}");
            assert!(!error.to_string().to_lowercase().contains("3f6d0c1a"), "{error}");
        }
    }

    #[test]
    fn secrets_that_are_no_secrets_are_refused() {
        for bad in ["", "Q8~abc\n", " Q8~abc"] {
            assert_eq!(new(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        for good in ["~Q8.x+y=z", ".starts.with.a.dot", "+x", "=x"] {
            assert!(new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", new("Q8~hidden").unwrap()).contains("hidden"));
    }
}
