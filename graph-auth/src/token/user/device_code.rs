use std::time::Duration;

use jiff::Timestamp;
use m365_core::{Error, ErrorKind, Resource, Result, TokenCredential as _, TokenRequest, later};
use secrecy::ExposeSecret as _;
use tracing::debug;

use super::ops::device_poll::{self, Poll};
use super::ops::{Granted, device_start};
use super::session::{UserSession, ask, converse};
use super::sign_in::SignIn;
use super::user_credential;
use crate::token::engine::Engine;

/// What `slow_down` adds to the interval (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// Longest wait between two polls while the network or the server fails.
const LONGEST: Duration = Duration::from_secs(60);

/// What a person must be shown to sign in on another device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevicePrompt {
    /// The code to type.
    pub user_code: String,
    /// The page to type it on.
    pub verification_uri: String,
    /// The page with the code filled in, where the server offers one; Entra does not.
    pub verification_uri_complete: Option<String>,
    /// A ready sentence with both, in one line.
    pub message: String,
    /// Until when the code is promised to work. It may die earlier.
    pub expires_on: Timestamp,
}

/// Tokens of an administrator who signs in on any device by typing a short code: for the set-up session on a machine
/// without a browser. A public client; delegated permissions.
///
/// [`sign_in`](Self::sign_in) talks to the person, once. After that tokens of every resource come from the cache or by the
/// refresh token, which stays in memory and never goes anywhere but to the cloud's login host. When Entra ends the
/// session, calls fail with [`SignInRequired`](crate::SignInRequired) inside: nothing asks a person unbidden.
///
/// Tenants may forbid this way (conditional access, "authentication flows"), since others can be talked into typing a
/// code; [`AuthorizationCodeCredential`](crate::AuthorizationCodeCredential) is safer where a browser is at hand.
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>
///
/// ```
/// use graph_auth::DeviceCodeCredential;
/// use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential, TokenRequest};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let simulated = tenant_sim::Tenant::start(tenant_sim::Scenario::contoso()).await?;
/// # let client_id = simulated.register_public_client("Set-up tool", &["http://localhost"]).to_string();
/// # let base = url::Url::parse(&simulated.http_url())?;
/// let cloud = Cloud::public();
/// # let cloud = cloud.with_base_urls(base.clone(), base.clone(), base);
/// let credential =
///     DeviceCodeCredential::new(cloud, TenantName::parse("contoso.example")?, ClientId::parse(&client_id)?);
/// # let manual = m365_core::testing::ManualClock::at(simulated.now());
/// # let credential = credential.with_clock(m365_core::SharedClock::new(manual));
/// let who = credential
///     .sign_in(&Resource::Graph, |prompt| {
///         println!("{}", prompt.message);
/// #       simulated.approve_device_code(&prompt.user_code, "alice@contoso.example").unwrap();
///     })
///     .await?;
/// println!("signed in: {:?}", who.username);
/// let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await?;
/// # assert!(token.expires_on() > simulated.now());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DeviceCodeCredential {
    engine: Engine<UserSession>,
}

user_credential!(DeviceCodeCredential);

impl DeviceCodeCredential {
    fn over(engine: Engine<UserSession>) -> Self {
        Self { engine }
    }

    /// Gets a code, hands it to `prompt`, and waits until the person has typed it and signed in, for consent to
    /// `resource`. A former session is forgotten once this one stands. Dropping the future gives up.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when the person or Entra says no (`authorization_declined`, `access_denied` and others
    /// as [`Error::service_code`]) or the tenant is not the expected one; [`ErrorKind::Timeout`] when nobody finished
    /// while the code lived; what the network gives when no code could be had. While the person is busy, failures of
    /// network and server only make the polls rarer.
    pub async fn sign_in(
        &self,
        resource: &Resource,
        prompt: impl FnOnce(&DevicePrompt) + Send,
    ) -> Result<SignIn> {
        let granted = self.converse(resource, prompt).await.map_err(|e| e.with_operation("sign in"))?;
        let (who, stale) = self.engine.issuer().begin(resource, granted);
        for resource in stale {
            self.engine.invalidate(&resource);
        }
        self.get_token(&TokenRequest::new(resource.clone()).with_fresh()).await?;
        Ok(who)
    }

    async fn converse(
        &self,
        resource: &Resource,
        prompt: impl FnOnce(&DevicePrompt) + Send,
    ) -> Result<Granted> {
        let (session, parts) = (self.engine.issuer(), self.engine.parts()?);
        let (cloud, place, client) = (&session.cloud, session.place(), session.client);
        let scope = session.scope(resource);
        let started = ask(
            parts,
            true,
            || device_start::request(cloud, place, client, &scope, parts.user_agent),
            |response| device_start::read(response, parts.clock.now()),
        )
        .await?;
        prompt(&started.prompt);

        let device_code = started.device_code.expose_secret();
        let (mut interval, mut hiccups, mut polls) = (started.interval, 0_u32, 0_u32);
        let mut floor = Duration::ZERO;
        loop {
            let mut wait = interval.saturating_mul(1 << hiccups.min(5));
            if hiccups > 0 {
                wait = wait.min(LONGEST.max(interval)).max(floor);
            }
            if later(parts.clock.now(), wait) >= started.prompt.expires_on {
                return Err(device_poll::expired(
                    Error::new(ErrorKind::Timeout, "expired").with_code("expired_token").with_attempts(polls),
                ));
            }
            parts.clock.sleep(wait).await;
            polls += 1;
            let request = device_poll::request(cloud, place, client, device_code, parts.user_agent)?;
            let poll = match converse(parts, request).await {
                Ok(response) => {
                    device_poll::read(&response, parts.clock.now(), session.expected(), device_code)
                }
                Err(error) if error.is_transient() => Poll::Hiccup(error),
                Err(error) => Poll::Ended(error),
            };
            hiccups = match poll {
                Poll::Granted(granted) => return Ok(granted),
                Poll::Ended(error) => return Err(error.with_attempts(polls)),
                Poll::Pending => 0,
                Poll::SlowDown => {
                    interval = interval.saturating_add(SLOWER);
                    0
                }
                Poll::Hiccup(error) => {
                    debug!(kind = ?error.kind(), "a poll failed; the code is still good");
                    floor = error.retry_after().unwrap_or_default();
                    hiccups + 1
                }
            };
        }
    }
}
