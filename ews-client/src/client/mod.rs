//! Sends operations: credential, limits, retries, versions and routing are its business.

mod batch;
#[cfg(feature = "ntlm")]
mod bound;
mod call;
mod explain;
mod gate;
mod known;
mod options;
#[cfg(feature = "ntlm")]
mod tls;
mod wire;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use m365_core::retry::RetryBudget;
use m365_core::{Body, Result, RetryPolicy, SharedClock, Throttle, Transport};

use crate::{
    Answer, Capabilities, EwsCredential, EwsEndpoint, EwsOperation, NegotiatedVersion, ServerVersion, Target,
};
use gate::Gate;
use known::KnownAddresses;
pub use options::{Affinity, BackEndCookie, CallOptions};
use wire::Wire;

/// Sends [`EwsOperation`]s to one endpoint with one credential. Cloning it copies a pointer.
///
/// ```
/// use ews_client::{
///     DistinguishedFolder, EwsClient, EwsCredential, EwsEndpoint, GetFolder, Target,
/// };
///
/// # async fn example(password: secrecy::SecretString, transport: m365_core::Transport) -> ews_client::Result<()> {
/// let endpoint = EwsEndpoint::on_premises("https://mail.fabrikam.example".parse().unwrap())?;
/// let client = EwsClient::builder(endpoint, EwsCredential::basic(r"FABRIKAM\svc-calendar", password))
///     .transport(transport)
///     .user_agent("acme-connector/2.4")
///     .build()?;
/// let answer = client.call(&GetFolder::new([DistinguishedFolder::Calendar.into()]), &Target::SelfMailbox).await?;
/// for result in answer.results {
///     println!("{:?}", result.into_result()?.rights);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EwsClient(Arc<Inner>);

struct Inner {
    endpoint: EwsEndpoint,
    credential: EwsCredential,
    wire: Wire,
    /// First part of the throttle's key.
    account: Arc<str>,
    clock: SharedClock,
    throttle: Throttle,
    retry: RetryPolicy,
    budget: RetryBudget,
    gate: Gate,
    user_agent: HeaderValue,
    attempt_timeout: Duration,
    version: NegotiatedVersion,
    server: RwLock<Option<ServerVersion>>,
    known: KnownAddresses,
}

impl EwsClient {
    /// A client of this endpoint with this credential.
    pub fn builder(endpoint: EwsEndpoint, credential: EwsCredential) -> EwsClientBuilder {
        EwsClientBuilder {
            endpoint,
            credential,
            transport: None,
            roots: None,
            account: None,
            clock: SharedClock::system(),
            throttle: Throttle::new(),
            retry: RetryPolicy::default(),
            user_agent: None,
            attempt_timeout: Duration::from_secs(120),
            password_without_tls: false,
        }
    }

    /// Runs an operation for this target to its end, and gives one result per element asked about.
    ///
    /// A batch that the server stopped halfway is sent again for the rest, one that is too large in halves, and elements
    /// that failed in passing are asked for again, all within the policy and through [`EwsOperation::only`]. What
    /// still failed then stands in its [`ItemResult`](crate::ItemResult).
    ///
    /// # Errors
    /// What status, headers or fault said of the whole request, classified, after retries within the policy:
    /// [`Error::attempts`](m365_core::Error::attempts) says how often. [`Error::retry_after`](m365_core::Error::retry_after) says how long a throttling server wants to be left
    /// alone when that was longer than the deadline.
    pub async fn call<O>(&self, operation: &O, target: &Target) -> Result<Answer<O::Item>>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        self.call_with(operation, target, &CallOptions::default()).await
    }

    /// As [`call`](Self::call), with options.
    ///
    /// # Errors
    /// As [`call`](Self::call); [`ErrorKind::Timeout`](m365_core::ErrorKind::Timeout) when the options' deadline passed.
    pub async fn call_with<O>(
        &self,
        operation: &O,
        target: &Target,
        options: &CallOptions,
    ) -> Result<Answer<O::Item>>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        batch::run(self, operation, target, options).await
    }

    /// Sends an operation and hands out its answer while it still flows: for GetStreamingEvents. Status and headers are
    /// judged here and refusals retried as for a [`call`](Self::call); what the envelopes say is the reader's business. It
    /// has a connection of its own and counts against no limit of calls, and neither deadline nor timeout cuts the stream.
    ///
    /// # Errors
    /// As [`call`](Self::call). Once the body flows, the stream itself reports what breaks it.
    pub async fn open<O>(&self, operation: &O, target: &Target, options: &CallOptions) -> Result<OpenAnswer>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        call::open(self, operation, target, options).await
    }

    /// Its clock.
    pub fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// Its endpoint.
    pub fn endpoint(&self) -> &EwsEndpoint {
        &self.0.endpoint
    }

    /// What the server said of itself last, once it did.
    pub fn server_version(&self) -> Option<ServerVersion> {
        self.0.server.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What may be asked of the server, as far as is known by now.
    pub fn capabilities(&self) -> Capabilities {
        let server = self.0.server.read().unwrap_or_else(PoisonError::into_inner);
        Capabilities::new(self.0.version.current(), server.as_ref())
    }

    fn learn(&self, server: Option<&ServerVersion>) {
        let Some(server) = server else { return };
        let known = self.0.server.read().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(server);
        if !known {
            *self.0.server.write().unwrap_or_else(PoisonError::into_inner) = Some(server.clone());
        }
    }
}

impl fmt::Debug for EwsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EwsClient")
            .field("endpoint", &self.0.endpoint.url().host_str())
            .field("credential", &self.0.credential)
            .finish_non_exhaustive()
    }
}

/// An answer whose envelopes are still to come.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenAnswer {
    /// The server that answered.
    pub back_end: Option<BackEndCookie>,
    /// The id that support asks for.
    pub request_id: Option<Box<str>>,
    body: Body,
}

impl OpenAnswer {
    /// The body, unlimited: cut it with an [`EnvelopeFramer`](crate::EnvelopeFramer), which bounds what it keeps.
    pub fn into_body(self) -> Body {
        self.body
    }
}

/// Settings of an [`EwsClient`].
#[derive(Debug)]
pub struct EwsClientBuilder {
    endpoint: EwsEndpoint,
    credential: EwsCredential,
    transport: Option<Transport>,
    roots: Option<Box<str>>,
    account: Option<Arc<str>>,
    clock: SharedClock,
    throttle: Throttle,
    retry: RetryPolicy,
    user_agent: Option<HeaderValue>,
    attempt_timeout: Duration,
    password_without_tls: bool,
}

impl EwsClientBuilder {
    /// Another transport than the shipped one. It must not follow redirects.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Trusts these PEM certificates only, as a server with a certificate of its own authority needs it. It holds for the
    /// shipped transport and for the connections of NTLM and Negotiate; a [`transport`](Self::transport) of your own knows
    /// its roots itself.
    #[must_use]
    pub fn only_roots(mut self, pem: impl Into<Box<str>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// The account or the app that signs in, the first part of the throttle's key: pauses and limits of one are not those
    /// of another. By default each client counts alone; with a shared [`throttle`](Self::throttle), name it.
    #[must_use]
    pub fn account(mut self, account: impl Into<Arc<str>>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// A throttle shared with other clients of the same process.
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    /// Another retry policy.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// One stable name of your product: allow and block lists of EWS match on it. A text that cannot stand in a header is
    /// replaced by this crate's own name.
    #[must_use]
    pub fn user_agent(mut self, user_agent: &str) -> Self {
        self.user_agent = HeaderValue::try_from(user_agent).ok();
        self
    }

    /// Longest time from sending a request to the last byte of its answer, 2 minutes by default. Of an
    /// [opened](EwsClient::open) answer only the head must be there by then. It runs on tokio's timer.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// Sends a password of [`EwsCredential::basic`] over plain http, readable to everybody on the way. Only for a server
    /// that is reached through a tunnel.
    #[must_use]
    pub fn send_password_without_tls(mut self) -> Self {
        self.password_without_tls = true;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when the credential must not be sent to this
    /// endpoint (a password to Exchange Online, anything in the clear), or the roots cannot be read.
    /// [`ErrorKind::Unsupported`](m365_core::ErrorKind::Unsupported) when no transport was given and none is built in, or
    /// TLS cannot be set up.
    pub fn build(self) -> Result<EwsClient> {
        self.credential.check(&self.endpoint, self.password_without_tls)?;
        let wire = Wire::new(&self.endpoint, &self.credential, self.transport, self.roots.as_deref())?;
        Ok(EwsClient(Arc::new(Inner {
            wire,
            account: self.account.unwrap_or_else(|| Arc::from("")),
            endpoint: self.endpoint,
            credential: self.credential,
            clock: self.clock,
            throttle: self.throttle,
            retry: self.retry,
            budget: RetryBudget::new(),
            gate: Gate::default(),
            user_agent: self.user_agent.unwrap_or(
                const { HeaderValue::from_static(concat!("ews-client/", env!("CARGO_PKG_VERSION"))) },
            ),
            attempt_timeout: self.attempt_timeout,
            version: NegotiatedVersion::default(),
            server: RwLock::default(),
            known: KnownAddresses::default(),
        })))
    }
}

/// No transport was given and none is built in.
#[cfg(not(feature = "reqwest"))]
fn no_transport() -> m365_core::Error {
    m365_core::Error::new(
        m365_core::ErrorKind::Unsupported,
        "no transport: give one to the builder, or switch the feature `reqwest` on",
    )
    .with_acted(m365_core::Acted::No)
}
