use std::time::Duration;

use m365_core::{Error, ErrorKind, Resource, Result, TokenCredential as _, TokenRequest};
use secrecy::ExposeSecret as _;
use url::Url;

use super::loopback::{Loopback, LoopbackHost};
use super::ops::authorize_url::{self, Ask};
use super::ops::redeem_code::{self, Code};
use super::ops::{self, Granted};
use super::pkce::{self, Verifier};
use super::session::{UserSession, ask};
use super::sign_in::SignIn;
use super::user_credential;
use crate::token::engine::Engine;

/// Tokens of an administrator who signs in with the browser of this machine: for the set-up session. A public client with
/// a proof key (S256); the answer comes to a port of this machine that is open for that one answer. Delegated permissions.
///
/// [`sign_in`](Self::sign_in) needs the person, once. After that it works like
/// [`DeviceCodeCredential`](crate::DeviceCodeCredential).
///
/// The registration must list `http://localhost` as a redirect address of its *mobile and desktop applications*; Entra
/// ignores the port.
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>,
/// <https://learn.microsoft.com/entra/identity-platform/reply-url#localhost-exceptions>
///
/// ```no_run
/// use graph_auth::{AuthorizationCodeCredential, SignInTenant};
/// use m365_core::{ClientId, Cloud, Credential, Resource};
///
/// # async fn example() -> graph_auth::Result<()> {
/// let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// let credential = AuthorizationCodeCredential::new(Cloud::public(), SignInTenant::Organizations, client)
///     .with_scopes(&Resource::Graph, ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"])?;
/// let who = credential
///     .sign_in(&Resource::Graph, |address| {
///         println!("open {address}");
///         Ok(())
///     })
///     .await?;
/// println!("tenant {:?}", who.tenant);
/// let credential = Credential::new(credential);
/// # drop(credential);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuthorizationCodeCredential {
    engine: Engine<UserSession>,
    host: LoopbackHost,
    path: String,
    login_hint: Option<String>,
    patience: Duration,
}

user_credential!(AuthorizationCodeCredential);

impl AuthorizationCodeCredential {
    fn over(engine: Engine<UserSession>) -> Self {
        Self {
            engine,
            host: LoopbackHost::default(),
            path: String::new(),
            login_hint: None,
            patience: Duration::from_secs(300),
        }
    }

    /// Another redirect address than `http://localhost:{port}`: the host by which it names this machine, and a path (empty,
    /// or beginning with a slash) as it is registered.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a path that is no plain absolute path.
    pub fn with_redirect(mut self, host: LoopbackHost, path: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !(path.is_empty() || path.starts_with('/') && path.chars().all(plain)) {
            return Err(Error::invalid(
                "the path of a redirect address begins with a slash and holds letters, digits and -._~ only",
            ));
        }
        self.host = host;
        path.clone_into(&mut self.path);
        Ok(self)
    }

    /// The sign-in name that the page shows at first.
    #[must_use]
    pub fn with_login_hint(mut self, name: impl Into<String>) -> Self {
        self.login_hint = Some(name.into());
        self
    }

    /// How long the person has; 5 minutes by default.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Opens a port, hands the address of the sign-in page to `open` (which shows it in a browser), waits for the answer
    /// and trades it for tokens of `resource`. A former session is forgotten once this one stands. Dropping the future
    /// gives up and closes the port.
    ///
    /// # Errors
    /// What `open` gives; [`ErrorKind::Authentication`] when the person or Entra says no (`access_denied` and others as
    /// [`Error::service_code`]) or the tenant is not the expected one; [`ErrorKind::Timeout`] when nobody finished in
    /// time; [`ErrorKind::Network`] when no port can be opened or the token service cannot be reached.
    pub async fn sign_in(
        &self,
        resource: &Resource,
        open: impl FnOnce(&Url) -> Result<()> + Send,
    ) -> Result<SignIn> {
        let granted = self.converse(resource, open).await.map_err(|e| e.with_operation("sign in"))?;
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
        open: impl FnOnce(&Url) -> Result<()> + Send,
    ) -> Result<Granted> {
        let (session, parts) = (self.engine.issuer(), self.engine.parts()?);
        let (cloud, place, client) = (&session.cloud, session.place(), session.client);
        let scope = session.scope(resource);
        let (verifier, state) = (Verifier::random()?, pkce::random()?);
        let loopback = Loopback::open(self.host, &self.path).await?;
        let redirect = loopback.redirect().to_owned();
        let address = authorize_url::url(
            cloud,
            place,
            &Ask {
                client,
                redirect: &redirect,
                scope: &scope,
                state: state.expose_secret(),
                challenge: &verifier.challenge(),
                login_hint: self.login_hint.as_deref(),
            },
        );
        open(&address)?;
        // Real time on purpose: the port and the person live by the machine's clock.
        let code = tokio::time::timeout(self.patience, loopback.answer(state.expose_secret())).await;
        let code = code.unwrap_or_else(|_| {
            let waited = self.patience.as_secs();
            Err(Error::new(ErrorKind::Timeout, format!("nobody finished the sign-in within {waited} s"))
                .with_transient(false))
        })?;
        let code = Code {
            code: code.expose_secret(),
            redirect: &redirect,
            verifier: verifier.expose(),
            scope: &scope,
        };
        // A code serves once: it is sent again only when the first request surely had no effect.
        ask(
            parts,
            false,
            || redeem_code::request(cloud, place, client, &code, parts.user_agent),
            |response| {
                ops::read(response, parts.clock.now(), session.expected(), code.code).map_err(|r| r.error)
            },
        )
        .await
    }
}
