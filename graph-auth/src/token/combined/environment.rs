use std::fmt;
use std::time::Duration;

use m365_core::{
    AccessToken, ClientId, Cloud, Error, Resource, Result, RetryPolicy, SharedClock, TenantName,
    TokenCredential, TokenRequest, Transport,
};

#[cfg(feature = "certificate")]
use crate::ClientCertificateCredential;
use crate::token::vars::{Vars, absent};
use crate::{ClientSecretCredential, TokenObserver, WorkloadIdentityCredential};

/// The credential that the environment describes, by the names that Microsoft's own libraries use.
///
/// | variable | meaning |
/// |---|---|
/// | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` | always |
/// | `AZURE_CLIENT_SECRET` | the secret's value; comes first |
/// | `AZURE_CLIENT_CERTIFICATE_PATH` | PEM file with certificate and key, or (feature `pfx`) a PFX file |
/// | `AZURE_CLIENT_CERTIFICATE_PASSWORD` | password of the PFX file |
/// | `AZURE_CLIENT_SEND_CERTIFICATE_CHAIN` | `1` or `true`: [`with_send_chain`](crate::ClientCertificateCredential::with_send_chain) |
/// | `AZURE_FEDERATED_TOKEN_FILE` | [`WorkloadIdentityCredential`] |
/// | `AZURE_AUTHORITY_HOST` | must be the sign-in host of the cloud given here |
///
/// <https://learn.microsoft.com/dotnet/api/azure.identity.environmentcredential>
///
/// ```
/// use graph_auth::EnvironmentCredential;
/// use m365_core::Cloud;
///
/// let vars = |name: &str| match name {
///     "AZURE_TENANT_ID" => Some("contoso.example".to_owned()),
///     "AZURE_CLIENT_ID" => Some("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".to_owned()),
///     "AZURE_CLIENT_SECRET" => Some("Q8~value".to_owned()),
///     _ => None,
/// };
/// let credential = EnvironmentCredential::from_vars(Cloud::public(), vars)?;
/// assert!(!format!("{credential:?}").contains("value"));
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct EnvironmentCredential(Kind);

#[derive(Clone)]
enum Kind {
    Secret(ClientSecretCredential),
    #[cfg(feature = "certificate")]
    Certificate(ClientCertificateCredential),
    Workload(WorkloadIdentityCredential),
}

/// The same expression for whichever credential it is.
macro_rules! whichever {
    ($kind:expr, $credential:ident => $what:expr) => {
        match $kind {
            Kind::Secret($credential) => $what,
            #[cfg(feature = "certificate")]
            Kind::Certificate($credential) => $what,
            Kind::Workload($credential) => $what,
        }
    };
}

/// The same setting on whichever credential it is.
macro_rules! set {
    ($kind:expr, $credential:ident => $what:expr) => {
        Self(match $kind {
            Kind::Secret($credential) => Kind::Secret($what),
            #[cfg(feature = "certificate")]
            Kind::Certificate($credential) => Kind::Certificate($what),
            Kind::Workload($credential) => Kind::Workload($what),
        })
    };
}

impl EnvironmentCredential {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) when the variables describe no credential, naming what
    /// is missing; [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when they describe one that cannot be: a
    /// variable that is no id, a Secret ID in place of the secret, a certificate that cannot be read, another cloud.
    pub fn from_env(cloud: Cloud) -> Result<Self> {
        Self::from_vars(cloud, |name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with the variables from elsewhere.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(cloud: Cloud, vars: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let vars = Vars(&vars);
        let (tenant, client) = vars.app(&cloud)?;
        if let Some(secret) = vars.get("AZURE_CLIENT_SECRET") {
            return ClientSecretCredential::new(cloud, tenant, client, secret.into())
                .map(|credential| Self(Kind::Secret(credential)));
        }
        if let Some(path) = vars.get("AZURE_CLIENT_CERTIFICATE_PATH") {
            return certificate(cloud, tenant, client, &path, vars).map(Self);
        }
        if let Some(file) = vars.get("AZURE_FEDERATED_TOKEN_FILE") {
            let credential = WorkloadIdentityCredential::new(cloud, tenant, client, file);
            return Ok(Self(Kind::Workload(credential)));
        }
        Err(absent(
            "none of AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_FEDERATED_TOKEN_FILE is set",
        ))
    }

    /// Another transport. Without one, and with feature `reqwest`, the shipped one is made at the first call.
    #[must_use]
    pub fn with_transport(self, transport: Transport) -> Self {
        set!(self.0, credential => credential.with_transport(transport))
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(self, clock: SharedClock) -> Self {
        set!(self.0, credential => credential.with_clock(clock))
    }

    /// Another retry policy; see [`ClientSecretCredential::with_retry`].
    #[must_use]
    pub fn with_retry(self, retry: RetryPolicy) -> Self {
        set!(self.0, credential => credential.with_retry(retry))
    }

    /// The longest a caller waits for a token; see [`ClientSecretCredential::with_deadline`].
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        set!(self.0, credential => credential.with_deadline(deadline))
    }

    /// Somebody who hears of hits, refreshes and failures.
    #[must_use]
    pub fn with_observer(self, observer: impl TokenObserver) -> Self {
        set!(self.0, credential => credential.with_observer(observer))
    }

    /// The product's name in the `User-Agent` header. A text that cannot stand in a header is left out.
    #[must_use]
    pub fn with_user_agent(self, user_agent: &str) -> Self {
        set!(self.0, credential => credential.with_user_agent(user_agent))
    }

    /// Shares tokens with other processes; see [`ClientSecretCredential::with_store`].
    #[cfg(feature = "token-store")]
    #[must_use]
    pub fn with_store(self, store: crate::SharedTokens) -> Self {
        set!(self.0, credential => credential.with_store(store))
    }

    /// The tenant that tokens are asked for.
    pub fn tenant(&self) -> &TenantName {
        whichever!(&self.0, credential => credential.tenant())
    }

    /// The app.
    pub fn client_id(&self) -> ClientId {
        whichever!(&self.0, credential => credential.client_id())
    }
}

impl TokenCredential for EnvironmentCredential {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        whichever!(&self.0, credential => credential.get_token(request).await)
    }

    fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        whichever!(&self.0, credential => credential.cached_token(request))
    }

    fn invalidate(&self, resource: &Resource) {
        whichever!(&self.0, credential => credential.invalidate(resource));
    }
}

impl fmt::Debug for EnvironmentCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        whichever!(&self.0, credential => f.debug_tuple("EnvironmentCredential").field(credential).finish())
    }
}

#[cfg(feature = "certificate")]
fn certificate(
    cloud: Cloud,
    tenant: TenantName,
    client: ClientId,
    path: &str,
    vars: Vars<'_>,
) -> Result<Kind> {
    use std::io::Read as _;

    use zeroize::Zeroizing;

    use crate::ClientCertificate;

    /// Largest certificate file, in bytes; a long chain has some ten thousand.
    const LARGEST: u64 = 1024 * 1024;

    let unreadable = |e: std::io::Error| {
        Error::invalid(format!("AZURE_CLIENT_CERTIFICATE_PATH: {path} cannot be read")).with_source(e)
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    let certificate = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => ClientCertificate::from_pem(&text.into())?,
        #[cfg(feature = "pfx")]
        _ => {
            // As it is: a password may begin or end with a blank.
            let password = (vars.0)("AZURE_CLIENT_CERTIFICATE_PASSWORD").unwrap_or_default();
            ClientCertificate::from_pfx(&bytes, &password.into())?
        }
        #[cfg(not(feature = "pfx"))]
        _ => {
            return Err(Error::invalid(format!(
                "AZURE_CLIENT_CERTIFICATE_PATH: {path} is no PEM text; PFX files need feature pfx"
            )));
        }
    };
    let credential = ClientCertificateCredential::new(cloud, tenant, client, certificate);
    let chain = vars
        .get("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN")
        .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"));
    Ok(Kind::Certificate(if chain { credential.with_send_chain() } else { credential }))
}

#[cfg(not(feature = "certificate"))]
fn certificate(_: Cloud, _: TenantName, _: ClientId, _: &str, _: Vars<'_>) -> Result<Kind> {
    Err(Error::invalid("AZURE_CLIENT_CERTIFICATE_PATH is set, and this build lacks feature certificate"))
}
