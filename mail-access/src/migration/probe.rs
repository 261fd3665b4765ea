use std::fmt;
use std::future::Future;

use exchange_admin::ApplicationRole;
use exchange_admin::migration::Consent;
use graph_auth::{ClientSecretCredential, Convergence, prove_revoked};
use m365_core::{ClientId, Credential, ErrorKind, MailboxAddress, Pipeline, Resource, Result};
use secrecy::SecretString;

use crate::calendar::Calendar;
use crate::mail::Mailbox;
use crate::onboarding::Onboarding;

/// What a try with the app's own credential saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The mailbox opened.
    Open,
    /// It was surely refused.
    Refused,
    /// It was not tried, and why; neither open nor refused.
    NotTried(String),
}

/// Tries mailboxes as the app itself. Only this proves anything: Exchange's own test cmdlets run ahead of what is enforced
/// and know nothing of consents.
pub trait LiveProbe: fmt::Debug + Send + Sync {
    /// Waits until a *fresh* token does not hold this consent any more, and drops those from before.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] or [`ErrorKind::Conflict`] when tokens go on holding it.
    fn until_gone(&self, consent: &Consent) -> impl Future<Output = Result<()>> + Send;

    /// Does in the mailbox what this role allows, or looks without doing harm.
    ///
    /// # Errors
    /// What is neither an opening nor a refusal, such as a network that is down.
    fn probe(
        &self,
        role: ApplicationRole,
        mailbox: &MailboxAddress,
    ) -> impl Future<Output = Result<Probed>> + Send;
}

/// Tries over Graph and EWS: opens an inbox or a calendar, and reads nothing of their content. What would change or send
/// something is not tried.
#[derive(Clone, Debug)]
pub struct AppProbe {
    credential: Credential,
    pipeline: Pipeline,
    convergence: Convergence,
    #[cfg(feature = "ews")]
    ews: Option<ews_client::EwsClient>,
}

impl AppProbe {
    /// With the app's credential, and a pipeline over that very credential.
    pub fn new(credential: Credential, pipeline: Pipeline) -> Self {
        let convergence = Convergence::new(pipeline.clock().clone());
        Self {
            credential,
            pipeline,
            convergence,
            #[cfg(feature = "ews")]
            ews: None,
        }
    }

    /// With a client over that very credential, to try EWS as well; without one it is not tried.
    #[cfg(feature = "ews")]
    #[must_use]
    pub fn with_ews(mut self, client: ews_client::EwsClient) -> Self {
        self.ews = Some(client);
        self
    }
}

impl Onboarding {
    /// Tries as the app with this client id and secret.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a secret that is none.
    pub fn probe_as(&self, app: ClientId, secret: SecretString) -> Result<AppProbe> {
        let inner = &self.inner;
        let credential =
            ClientSecretCredential::new(inner.cloud.clone(), inner.tenant_id.into(), app, secret)?
                .with_transport(inner.transport.clone())
                .with_clock(inner.clock.clone())
                .with_user_agent(&inner.user_agent);
        let credential = Credential::new(credential);
        let pipeline = Pipeline::builder(inner.cloud.clone(), inner.transport.clone(), credential.clone())
            .app(app.to_string())
            .clock(inner.clock.clone())
            .throttle(inner.throttle.clone())
            .user_agent(&inner.user_agent)
            .build();
        #[cfg(feature = "ews")]
        let ews = inner.ews_as(app, credential.clone())?;
        let probe = AppProbe::new(credential, pipeline);
        #[cfg(feature = "ews")]
        let probe = probe.with_ews(ews);
        Ok(probe)
    }
}

impl LiveProbe for AppProbe {
    async fn until_gone(&self, consent: &Consent) -> Result<()> {
        let resource = match consent.resource {
            ClientId::EXCHANGE_ONLINE => Resource::Exchange,
            _ => Resource::Graph,
        };
        let unwanted = [consent.permission.clone()];
        prove_revoked(&self.credential, &resource, &unwanted, &self.convergence).await.map(|_| ())
    }

    async fn probe(&self, role: ApplicationRole, mailbox: &MailboxAddress) -> Result<Probed> {
        use ApplicationRole as R;
        #[cfg(feature = "ews")]
        if let (R::EwsAccessAsApp, Some(client)) = (role, &self.ews) {
            let seen = Calendar::ews(client.clone(), mailbox.clone()).probe().await;
            return match seen {
                Ok(()) => Ok(Probed::Open),
                // A switch or a list that closes says nothing of the role.
                Err(error) if crate::verify::is_denied_by_ews(&error) => Ok(Probed::Refused),
                Err(error) => Err(error),
            };
        }
        let seen = match role {
            R::MailRead | R::MailReadWrite | R::MailFullAccess | R::ExchangeFullAccess => {
                Mailbox::graph(self.pipeline.clone(), mailbox.clone()).probe().await
            }
            R::CalendarsRead | R::CalendarsReadWrite => {
                Calendar::graph(self.pipeline.clone(), mailbox.clone()).probe().await
            }
            other => return Ok(Probed::NotTried(format!("{other} has no harmless try here"))),
        };
        match seen {
            Ok(()) => Ok(Probed::Open),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(Probed::Refused),
            Err(error) => Err(error),
        }
    }
}
