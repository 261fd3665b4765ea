//! The embedded tenant: the crate's front door.

mod ews;
mod sign_in;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

pub use self::ews::EwsControl;
pub use self::sign_in::SignInError;
use crate::{
    Faults, JournalEntry, Scenario, ScenarioError, SimClock,
    entra::jwt::SigningKey,
    server::{
        Journal, Listener, Shared,
        listen::{self, Identity, Listening},
        lock,
    },
    state::{Propagation, State},
    summary,
};

/// A tenant that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The scenario cannot be built.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A port could not be opened.
    #[error("no listener could be opened on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// A key or certificate could not be made.
    #[error("keys or certificates could not be made: {0}")]
    Tls(String),
}

/// The one-off app that sets other apps up. It owns what it registers, may consent to application permissions, reads
/// users and groups, and administers Exchange.
#[derive(Clone)]
#[non_exhaustive]
pub struct SetupIdentity {
    /// Its client id.
    pub client_id: Uuid,
    /// Its simulated secret.
    pub secret: String,
}

impl fmt::Debug for SetupIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetupIdentity").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// How a tenant starts.
pub struct Builder {
    scenario: Scenario,
    clock: Option<SimClock>,
    propagation: Propagation,
    strict: bool,
    latency: Duration,
    ports: [u16; 4],
    on_premises_ports: [u16; 2],
    listener: Option<Listener>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("scenario", &self.scenario.name).finish_non_exhaustive()
    }
}

impl Builder {
    /// What lies in the tenant; [`Scenario::contoso`] unless said otherwise.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// The tenant's clock; it stands still at the scenario's start unless said otherwise.
    #[must_use]
    pub fn clock(mut self, clock: SimClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long changes take to be enforced; [`Propagation::realistic`] unless said otherwise.
    #[must_use]
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }

    /// Refuses what Entra tolerates of other clients: numbers as strings or floats in assertions, padded thumbprints,
    /// HTTP Basic, unknown form fields, a query on the token URL, an assertion used twice.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Real time that each mailbox call of Graph takes, so that calls overlap and meet the limit of four in flight.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Ports for http, https and IMAP; 0 takes a free one.
    #[must_use]
    pub fn ports(mut self, http: u16, https: u16, imap: u16) -> Self {
        let [.., smtp] = self.ports;
        self.ports = [http, https, imap, smtp];
        self
    }

    /// Port for SMTP submission; 0 takes a free one.
    #[must_use]
    pub fn smtp_port(mut self, port: u16) -> Self {
        let [http, https, imap, _] = self.ports;
        self.ports = [http, https, imap, port];
        self
    }

    /// Ports for http and https of the organisation's own Exchange server; 0 takes a free one.
    #[must_use]
    pub fn on_premises_ports(mut self, http: u16, https: u16) -> Self {
        self.on_premises_ports = [http, https];
        self
    }

    /// Shows each journal entry as it is written.
    #[must_use]
    pub fn on_journal(mut self, listener: impl Fn(&JournalEntry) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Opens the listeners.
    ///
    /// # Errors
    /// [`StartError`] for a scenario that cannot be built and for ports or keys that cannot be had.
    pub async fn start(self) -> Result<Tenant, StartError> {
        let clock = self.clock.unwrap_or_else(|| SimClock::new(self.scenario.start));
        let (mut state, setup) = self.scenario.build(clock.now())?;
        state.propagation = self.propagation;
        let options = Options { seed: self.scenario.seed, strict: self.strict, latency: self.latency };
        let ports = (self.ports, self.on_premises_ports);
        Tenant::open(state, clock, setup, options, ports, Journal::new(self.listener)).await
    }
}

#[derive(Clone, Copy, Debug)]
struct Options {
    seed: u64,
    strict: bool,
    latency: Duration,
}

/// A state to go back to; see [`Tenant::snapshot`].
#[derive(Clone, Debug)]
pub struct Snapshot(State);

/// A running simulated tenant. Its listeners and connections end when it is dropped.
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use tenant_sim::{Scenario, Tenant};
///
/// let tenant = Tenant::start(Scenario::contoso()).await?;
/// let setup = tenant.setup_identity();
/// let answer: serde_json::Value = reqwest::Client::new()
///     .post(format!("{}/{}/oauth2/v2.0/token", tenant.http_url(), tenant.tenant_id()))
///     .form(&[
///         ("grant_type", "client_credentials"),
///         ("client_id", &setup.client_id.to_string()),
///         ("client_secret", &setup.secret),
///         ("scope", "https://graph.microsoft.com/.default"),
///     ])
///     .send()
///     .await?
///     .json()
///     .await?;
/// assert_eq!(answer["token_type"], "Bearer");
/// assert_eq!(tenant.journal().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tenant {
    shared: Arc<Shared>,
    identity: Identity,
    setup: SetupIdentity,
    options: Options,
    http: Listening,
    https: Listening,
    imap: Listening,
    smtp: Listening,
    on_premises: Listening,
    on_premises_tls: Listening,
    _notify: Notifying,
}

/// Tells subscriptions of changes until it is dropped.
struct Notifying(tokio::task::JoinHandle<()>);

impl Drop for Notifying {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("tenant_id", &self.tenant_id())
            .field("http_url", &self.http_url())
            .finish_non_exhaustive()
    }
}

impl Tenant {
    /// Starts a tenant with realistic propagation on a clock that stands still at the scenario's start.
    ///
    /// # Errors
    /// [`StartError`] for a scenario that cannot be built and for ports or keys that cannot be had.
    pub async fn start(scenario: Scenario) -> Result<Self, StartError> {
        Self::builder().scenario(scenario).start().await
    }

    /// A tenant with other than the usual settings.
    pub fn builder() -> Builder {
        Builder {
            scenario: Scenario::contoso(),
            clock: None,
            propagation: Propagation::realistic(),
            strict: false,
            latency: Duration::ZERO,
            ports: [0; 4],
            on_premises_ports: [0; 2],
            listener: None,
        }
    }

    async fn open(
        state: State,
        clock: SimClock,
        setup: SetupIdentity,
        options: Options,
        ([http, https, imap, smtp], [own, own_tls]): ([u16; 4], [u16; 2]),
        journal: Journal,
    ) -> Result<Self, StartError> {
        let key = SigningKey::shared()?;
        let Options { seed, strict, latency } = options;
        let shared = Arc::new(Shared::new(state, clock, journal, key, seed, strict, latency));
        let identity = Identity::generate()?;
        Ok(Self {
            http: listen::http(http, &shared).await?,
            https: listen::https(https, &identity, &shared).await?,
            imap: listen::imaps(imap, &identity, &shared).await?,
            smtp: listen::smtp(smtp, &identity, &shared).await?,
            on_premises: listen::on_premises(own, &shared).await?,
            on_premises_tls: listen::on_premises_tls(own_tls, &identity, &shared).await?,
            _notify: {
                let shared = Arc::clone(&shared);
                Notifying(tokio::spawn(async move { shared.notify().await }))
            },
            shared,
            identity,
            setup,
            options,
        })
    }

    /// `http://127.0.0.1:{port}`: Entra, Graph, EWS and the Admin API on one origin.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http.addr)
    }

    /// `https://localhost:{port}`: the same over TLS, trusted by [`Tenant::ca_pem`].
    pub fn https_url(&self) -> String {
        format!("https://localhost:{}", self.https.addr.port())
    }

    /// Address of the IMAP server (TLS from the first byte, certificate for `localhost` and 127.0.0.1).
    pub fn imap_addr(&self) -> SocketAddr {
        self.imap.addr
    }

    /// Address of the SMTP submission server (STARTTLS, with the same certificate).
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp.addr
    }

    /// `http://127.0.0.1:{port}`: the organisation's own Exchange server, with EWS and Autodiscover for the mailboxes on
    /// premises.
    pub fn on_premises_url(&self) -> String {
        format!("http://{}", self.on_premises.addr)
    }

    /// `https://localhost:{port}`: the same over TLS, HTTP/1.1 alone.
    pub fn on_premises_https_url(&self) -> String {
        format!("https://localhost:{}", self.on_premises_tls.addr.port())
    }

    /// PEM of the tenant's own certificate authority.
    pub fn ca_pem(&self) -> &str {
        &self.identity.ca_pem
    }

    /// The tenant id.
    pub fn tenant_id(&self) -> Uuid {
        lock(&self.shared.state).tenant_id
    }

    /// The domain of the tenant's addresses: the last of the verified ones.
    pub fn domain(&self) -> String {
        lock(&self.shared.state).domains.last().cloned().unwrap_or_default()
    }

    /// The tenant's clock; advance it to wait.
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// How long changes take to be enforced.
    pub fn propagation(&self) -> Propagation {
        lock(&self.shared.state).propagation.clone()
    }

    /// The app that sets other apps up.
    pub fn setup_identity(&self) -> SetupIdentity {
        self.setup.clone()
    }

    /// Every request so far, in order.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.shared.journal.entries()
    }

    /// Forgets the journal's entries; the numbers run on.
    pub fn clear_journal(&self) {
        self.shared.journal.clear();
    }

    /// Faults to inject.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The configuration as administrators see it, in a canonical form to compare end states: sorted, by names, without
    /// ids, times and secrets, with counts of credentials.
    pub fn state_snapshot(&self) -> Value {
        summary::of(&lock(&self.shared.state))
    }

    /// Changes the tenant's state directly, for what no request can do.
    pub fn with_state<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut lock(&self.shared.state))
    }

    /// The whole state, to go back to by [`Tenant::restore`].
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(lock(&self.shared.state).clone())
    }

    /// Goes back to a state. The clock, the journal and waiting faults stay as they are.
    pub fn restore(&self, snapshot: &Snapshot) {
        *lock(&self.shared.state) = snapshot.0.clone();
    }

    /// A second tenant on its own ports that starts with this one's state and time, and goes its own way from there.
    ///
    /// # Errors
    /// [`StartError`] when ports or keys cannot be had.
    pub async fn fork(&self) -> Result<Self, StartError> {
        let mut state = lock(&self.shared.state).clone();
        state.ews = state.ews.fork();
        let clock = SimClock::new(self.shared.clock.now());
        let ports = ([0; 4], [0; 2]);
        Self::open(state, clock, self.setup.clone(), self.options, ports, Journal::default()).await
    }

    /// The tenant's time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}
