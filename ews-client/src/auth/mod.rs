//! How the caller proves who it is.

#[cfg(feature = "ntlm")]
pub(crate) mod handshake;

use std::fmt;

use base64::Engine as _;
use http::HeaderValue;
use m365_core::{Credential, Error, Resource, Result};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{AuthScheme, EwsEndpoint};

/// How the caller signs in to EWS. Its `Debug` shows no secret.
///
/// ```
/// use ews_client::EwsCredential;
/// let credential = EwsCredential::basic(r"FABRIKAM\svc-calendar", "not a real one".into());
/// assert!(!format!("{credential:?}").contains("real"));
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/authentication-and-ews-in-exchange>.
#[derive(Clone, Debug)]
pub struct EwsCredential(pub(crate) Scheme);

#[derive(Clone, Debug)]
pub(crate) enum Scheme {
    Bearer {
        credential: Credential,
        resource: Option<Resource>,
    },
    Basic {
        header: HeaderValue,
    },
    #[cfg(feature = "ntlm")]
    Connection {
        mechanism: handshake::Mechanism,
        account: handshake::Account,
    },
}

impl EwsCredential {
    /// A token from any credential: for Exchange Online (`full_access_as_app`, or the scoped role
    /// `Application EWS.AccessAsApp`), and for Exchange Server with hybrid modern authentication, where the token is asked
    /// for the server's own https address.
    ///
    /// An app's own token must impersonate ([`Target::Impersonate`](crate::Target::Impersonate)); one on behalf of a person
    /// must not.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-authenticate-an-ews-application-by-using-oauth>.
    pub fn bearer(credential: Credential) -> Self {
        Self(Scheme::Bearer { credential, resource: None })
    }

    /// As [`bearer`](Self::bearer), with tokens for another resource than the endpoint's: a server whose published name
    /// differs from the one that its service principal bears.
    pub fn bearer_for(credential: Credential, resource: Resource) -> Self {
        Self(Scheme::Bearer { credential, resource: Some(resource) })
    }

    /// User name (`user@domain` or `DOMAIN\user`) and password in each request. Exchange Server only, and over TLS.
    /// Anything that cannot stand in a header is carried by the encoding.
    pub fn basic(user: &str, password: SecretString) -> Self {
        let text = zeroizing(user, &password);
        let mut header = HeaderValue::try_from(text.expose_secret())
            // Base64 always can stand in a header.
            .unwrap_or(const { HeaderValue::from_static("Basic") });
        header.set_sensitive(true);
        Self(Scheme::Basic { header })
    }

    /// NTLM, with the password of an account named `DOMAIN\\user` or `user@domain`. Exchange Server only.
    ///
    /// NTLM signs in the connection and not the request, so the client keeps connections of its own for it: over TLS bound to
    /// the server's certificate (`tls-server-end-point`, for Extended Protection), past any proxy that the environment
    /// names, and past the [`Transport`](m365_core::Transport) of the builder. A proxy that ends TLS before Exchange breaks
    /// the binding; Exchange then answers 401.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) for a name of another form.
    #[cfg(feature = "ntlm")]
    pub fn ntlm(user: &str, password: SecretString) -> Result<Self> {
        let account = handshake::Account::new(user, password)?;
        Ok(Self(Scheme::Connection { mechanism: handshake::Mechanism::Ntlm, account }))
    }

    /// Negotiate: Kerberos with a domain controller that the system's configuration names (`/etc/krb5.conf`, or the registry
    /// of Windows), and NTLM where none can be reached. Otherwise as [`ntlm`](Self::ntlm).
    ///
    /// This crate's tests run NTLM inside of Negotiate. Kerberos is the work of the `sspi` crate and was not tested here
    /// against a domain controller.
    ///
    /// # Errors
    /// As [`ntlm`](Self::ntlm).
    #[cfg(feature = "negotiate")]
    pub fn negotiate(user: &str, password: SecretString) -> Result<Self> {
        let account = handshake::Account::new(user, password)?;
        Ok(Self(Scheme::Connection { mechanism: handshake::Mechanism::Negotiate { kdc: None }, account }))
    }

    /// As [`negotiate`](Self::negotiate), with a domain controller named: `tcp://dc1.fabrikam.example:88`.
    ///
    /// # Errors
    /// As [`ntlm`](Self::ntlm), and for a URL that is not `tcp`.
    #[cfg(feature = "negotiate")]
    pub fn negotiate_at(user: &str, password: SecretString, domain_controller: url::Url) -> Result<Self> {
        if domain_controller.scheme() != "tcp" {
            return Err(Error::invalid("a domain controller is named by tcp:// and its host"));
        }
        let account = handshake::Account::new(user, password)?;
        let mechanism = handshake::Mechanism::Negotiate { kdc: Some(domain_controller) };
        Ok(Self(Scheme::Connection { mechanism, account }))
    }

    /// The scheme it speaks.
    pub fn scheme(&self) -> AuthScheme {
        match &self.0 {
            Scheme::Bearer { .. } => AuthScheme::Bearer,
            Scheme::Basic { .. } => AuthScheme::Basic,
            #[cfg(feature = "ntlm")]
            Scheme::Connection { mechanism: handshake::Mechanism::Ntlm, .. } => AuthScheme::Ntlm,
            #[cfg(feature = "negotiate")]
            Scheme::Connection { .. } => AuthScheme::Negotiate,
        }
    }

    /// Whether it is among the schemes that a server offers; one that offers none said nothing.
    pub(crate) fn is_taken(&self, offered: &[AuthScheme]) -> bool {
        offered.is_empty() || offered.contains(&self.scheme())
    }

    /// Whether this credential may be sent to this endpoint at all.
    pub(crate) fn check(&self, endpoint: &EwsEndpoint, password_without_tls: bool) -> Result<()> {
        let scheme = self.scheme();
        if endpoint.is_online() && scheme != AuthScheme::Bearer {
            return Err(Error::invalid(format!(
                "Exchange Online refuses {}: it takes OAuth tokens only",
                scheme.as_str()
            )));
        }
        if endpoint.is_private() || (scheme == AuthScheme::Basic && password_without_tls) {
            return Ok(());
        }
        Err(Error::invalid(format!("{} is not sent without TLS", scheme.as_str())))
    }
}

fn zeroizing(user: &str, password: &SecretString) -> SecretString {
    let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair.expose_secret());
    format!("Basic {encoded}").into()
}

impl fmt::Display for EwsCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme().as_str())
    }
}
