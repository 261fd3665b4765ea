//! The main job: read, plan, apply, verify, receipt.

use std::sync::Arc;

use exchange_admin::ExchangeAdmin;
use graph_auth::{ClientSecretCredential, Convergence};
use m365_core::{
    ClientId, Cloud, Credential, Error, MailboxAddress, Pipeline, Result, RetryPolicy, SharedClock, TenantId,
    Throttle, Transport,
};

use crate::calendar::Calendar;
use crate::ledger::{Ledger, MemoryLedger};
#[cfg(feature = "imap")]
use crate::mail::imap::ImapServer;
use crate::mail::{Mailbox, MailboxRef};
use crate::plan::Plan;
use crate::profile::{AccessProfile, AppProfile, CredentialPolicy};
use crate::tenant::{self, TenantPicture};
use crate::vault::{HeldSecret, Vault};

/// Sets access up in one tenant. The set-up identity it works with is another app than the ones it sets up.
///
/// ```
/// # async fn run(onboarding: mail_access::Onboarding, profile: mail_access::AccessProfile) -> m365_core::Result<()> {
/// let plan = onboarding.plan(&profile).await?;
/// for step in &plan.steps {
///     println!("{step} ({})", step.description.role);
/// }
/// let applied = onboarding.apply(&plan, &()).await?;
/// let proof = onboarding.verify(&profile, Some(&applied), &Default::default(), &()).await?;
/// assert!(proof.is_proven());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Onboarding {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) cloud: Cloud,
    pub(crate) transport: Transport,
    pub(crate) clock: SharedClock,
    pub(crate) tenant_id: TenantId,
    pub(crate) setup_app: ClientId,
    pub(crate) graph: Pipeline,
    pub(crate) exchange: ExchangeAdmin,
    pub(crate) vault: Vault,
    pub(crate) ledger: Ledger,
    pub(crate) user_agent: String,
    pub(crate) throttle: Throttle,
    pub(crate) convergence: Convergence,
    #[cfg(feature = "imap")]
    pub(crate) imap: ImapServer,
}

/// Settings of an [`Onboarding`].
#[derive(Debug)]
pub struct OnboardingBuilder {
    cloud: Cloud,
    transport: Transport,
    tenant_id: TenantId,
    setup: Credential,
    setup_app: ClientId,
    clock: SharedClock,
    vault: Vault,
    ledger: Ledger,
    user_agent: String,
    retry: RetryPolicy,
    #[cfg(feature = "imap")]
    imap: Option<ImapServer>,
}

impl Onboarding {
    /// With this set-up identity in this tenant. The vault keeps the secrets that are made for product apps; with another
    /// one later, the apps get further secrets, and those of the vault before are left alone.
    pub fn builder(
        cloud: Cloud,
        transport: Transport,
        tenant_id: TenantId,
        setup_app: ClientId,
        setup: Credential,
        vault: Vault,
    ) -> OnboardingBuilder {
        OnboardingBuilder {
            cloud,
            transport,
            tenant_id,
            setup,
            setup_app,
            clock: SharedClock::system(),
            vault,
            ledger: Ledger::new(MemoryLedger::new()),
            user_agent: concat!("mail-access/", env!("CARGO_PKG_VERSION")).to_owned(),
            retry: RetryPolicy::default(),
            #[cfg(feature = "imap")]
            imap: None,
        }
    }

    /// Reads the part of the tenant that a profile speaks of. Writes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) with the place in the profile for addresses of
    /// other organisations, secrets that are none, another tenant than the onboarding's, and for an app that is the set-up
    /// identity itself; [`ErrorKind::Conflict`](m365_core::ErrorKind::Conflict) when the vault holds a secret of another
    /// app under an app's name; otherwise what the tenant says. A part that cannot be read is an error, never an absence.
    pub async fn read(&self, profile: &AccessProfile) -> Result<TenantPicture> {
        for app in &profile.apps {
            self.given_secret(profile, app)?;
        }
        let inner = &self.inner;
        let picture =
            tenant::read(&inner.graph, &inner.exchange, &inner.vault, inner.tenant_id, profile).await?;
        for app in &profile.apps {
            let Some(state) = picture.apps.get(&app.unique_name) else { continue };
            let client = state.registration.client_id();
            self.refuse_setup_identity(profile, app, client)?;
            if let (Some(client), Some(held)) = (client, state.held.filter(|h| Some(h.client_id) != client)) {
                return Err(Error::new(
                    m365_core::ErrorKind::Conflict,
                    format!(
                        "the vault holds a secret for {} of the app {}, and the tenant's app of that name is {client}: take the old secret out of the vault if it is no longer needed",
                        app.unique_name, held.client_id
                    ),
                )
                .with_transient(false));
            }
        }
        Ok(picture)
    }

    /// Whoever sets up must not cut off its own access.
    pub(crate) fn refuse_setup_identity(
        &self,
        profile: &AccessProfile,
        app: &AppProfile,
        client: Option<ClientId>,
    ) -> Result<()> {
        match client == Some(self.inner.setup_app) {
            false => Ok(()),
            true => Err(profile.complain(
                &app.unique_name,
                format!(
                    "{} is the set-up identity itself ({}): it sets other apps up, and is never set up",
                    app.unique_name, self.inner.setup_app
                ),
            )),
        }
    }

    /// Reads the tenant and plans. Writes nothing.
    ///
    /// # Errors
    /// As [`Onboarding::read`] and [`plan`](crate::plan::plan).
    pub async fn plan(&self, profile: &AccessProfile) -> Result<Plan> {
        let picture = self.read(profile).await?;
        let mut plan = crate::plan::plan(profile, &picture)?;
        for (name, state) in &picture.apps {
            if let (None, Some(held)) = (state.registration.client_id(), state.held) {
                plan.notes.push(format!(
                    "The vault holds a secret for {name} of the app {}, which the tenant no longer has: the new app's secret takes its place.",
                    held.client_id
                ));
            }
        }
        Ok(plan)
    }

    /// What a product does with the access: tokens, mailboxes and calendars of one app.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](m365_core::ErrorKind::NotFound) when the vault holds no credential for the app yet.
    pub async fn session(&self, profile: &AccessProfile, app: &AppProfile) -> Result<AppSession> {
        let (client, secret) = match self.given_secret(profile, app)? {
            Some(secret) => {
                let picture = self.read(profile).await?;
                let client = picture.apps.get(&app.unique_name).and_then(|a| a.registration.client_id());
                (client.ok_or_else(|| absent(&app.unique_name))?, secret)
            }
            None => {
                let held: HeldSecret = self
                    .inner
                    .vault
                    .load(self.inner.tenant_id, &app.unique_name)
                    .await?
                    .ok_or_else(|| absent(&app.unique_name))?;
                (held.client_id, held.secret)
            }
        };
        let inner = &self.inner;
        let credential =
            ClientSecretCredential::new(inner.cloud.clone(), inner.tenant_id.into(), client, secret)?
                .with_transport(inner.transport.clone())
                .with_clock(inner.clock.clone())
                .with_user_agent(&inner.user_agent);
        let credential = Credential::new(credential);
        let pipeline = Pipeline::builder(inner.cloud.clone(), inner.transport.clone(), credential.clone())
            .app(client.to_string())
            .clock(inner.clock.clone())
            .throttle(inner.throttle.clone())
            .user_agent(&inner.user_agent)
            .build();
        Ok(AppSession {
            client,
            credential,
            pipeline,
            #[cfg(any(feature = "imap", feature = "ews"))]
            inner: Arc::clone(inner),
        })
    }

    /// A secret that the profile takes from the environment. Checked before any request is sent.
    fn given_secret(
        &self,
        profile: &AccessProfile,
        app: &AppProfile,
    ) -> Result<Option<secrecy::SecretString>> {
        let CredentialPolicy::FromEnvironment { variable } = &app.credential else { return Ok(None) };
        let value = std::env::var(variable).ok().filter(|v| !v.is_empty()).ok_or_else(|| {
            profile.complain(variable, format!("the environment variable {variable} is not set"))
        })?;
        if uuid::Uuid::parse_str(value.trim()).is_ok() {
            return Err(profile
                .complain(
                    variable,
                    format!("{variable} holds a GUID: that is the secret's id (\"Secret ID\"), not the secret (\"Value\")"),
                )
                .with_diagnosis("AUTH-SECRET-ID"));
        }
        Ok(Some(value.into()))
    }
}

fn absent(app: &str) -> Error {
    Error::new(
        m365_core::ErrorKind::NotFound,
        format!("there is no credential for {app} yet: apply its plan first"),
    )
}

impl OnboardingBuilder {
    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Where it is kept when which step was taken; in memory unless said otherwise. One that survives a restart lets a
    /// verification after it tell "not yet" from "refused".
    #[must_use]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// One stable name of your product.
    #[must_use]
    pub fn user_agent(mut self, user_agent: &str) -> Self {
        user_agent.clone_into(&mut self.user_agent);
        self
    }

    /// Another retry policy for the set-up's calls.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Another IMAP server than the cloud's.
    #[cfg(feature = "imap")]
    #[must_use]
    pub fn imap(mut self, imap: ImapServer) -> Self {
        self.imap = Some(imap);
        self
    }

    /// The onboarding. Nothing is sent before its first call.
    pub fn build(self) -> Onboarding {
        let throttle = Throttle::new();
        let graph = Pipeline::builder(self.cloud.clone(), self.transport.clone(), self.setup)
            .app(self.setup_app.to_string())
            .clock(self.clock.clone())
            .throttle(throttle.clone())
            .retry(self.retry)
            .user_agent(&self.user_agent)
            .build();
        Onboarding {
            inner: Arc::new(Inner {
                exchange: ExchangeAdmin::new(graph.clone(), self.tenant_id),
                convergence: Convergence::new(self.clock.clone()),
                #[cfg(feature = "imap")]
                imap: self.imap.unwrap_or_else(|| ImapServer::new(self.cloud.imap().clone())),
                cloud: self.cloud,
                transport: self.transport,
                clock: self.clock,
                tenant_id: self.tenant_id,
                setup_app: self.setup_app,
                graph,
                vault: self.vault,
                ledger: self.ledger,
                user_agent: self.user_agent,
                throttle,
            }),
        }
    }
}

/// One product app at work. Cloning it copies pointers.
#[derive(Clone, Debug)]
pub struct AppSession {
    client: ClientId,
    credential: Credential,
    pipeline: Pipeline,
    #[cfg(any(feature = "imap", feature = "ews"))]
    inner: Arc<Inner>,
}

impl AppSession {
    /// The app's client id.
    pub fn client_id(&self) -> ClientId {
        self.client
    }

    /// Its credential.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Its pipeline to Microsoft Graph.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// A mailbox over Microsoft Graph.
    pub fn mailbox(&self, address: MailboxAddress) -> Mailbox {
        Mailbox::graph(self.pipeline.clone(), address)
    }

    /// A mailbox over Microsoft Graph, by object id when the reference knows it.
    pub fn mailbox_of(&self, mailbox: MailboxRef) -> Mailbox {
        Mailbox::graph_of(self.pipeline.clone(), mailbox)
    }

    /// A mailbox over IMAP.
    #[cfg(feature = "imap")]
    pub fn imap_mailbox(&self, address: MailboxAddress) -> Mailbox {
        Mailbox::imap(self.inner.imap.clone(), self.credential.clone(), address)
    }

    /// A calendar over Microsoft Graph.
    pub fn calendar(&self, mailbox: MailboxAddress) -> Calendar {
        Calendar::graph(self.pipeline.clone(), mailbox)
    }

    /// A calendar over Microsoft Graph, by object id when the reference knows it.
    pub fn calendar_of(&self, mailbox: MailboxRef) -> Calendar {
        Calendar::graph_of(self.pipeline.clone(), mailbox)
    }
    /// A client of EWS in Exchange Online that signs in as the app. Keep it: it learns what the server can, and one
    /// client serves all mailboxes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when the cloud's Exchange has no private address.
    #[cfg(feature = "ews")]
    pub fn ews(&self) -> Result<ews_client::EwsClient> {
        self.inner.ews_as(self.client, self.credential.clone())
    }
}

#[cfg(feature = "ews")]
impl Inner {
    /// A client of EWS as this app.
    pub(crate) fn ews_as(&self, app: ClientId, credential: Credential) -> Result<ews_client::EwsClient> {
        let endpoint = ews_client::EwsEndpoint::online(&self.cloud);
        ews_client::EwsClient::builder(endpoint, ews_client::EwsCredential::bearer(credential))
            .transport(self.transport.clone())
            .clock(self.clock.clone())
            .throttle(self.throttle.clone())
            .account(app.to_string())
            .user_agent(&self.user_agent)
            .build()
    }
}
