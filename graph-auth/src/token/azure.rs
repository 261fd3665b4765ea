//! azure_core's credentials, both ways.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential as AzureTokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::OffsetDateTime;
use http::StatusCode;
use jiff::Timestamp;
use m365_core::transport::{HttpTransport, TransportError, TransportErrorKind};
use m365_core::{
    AccessToken, Acted, Authority, Body, ClientId, Cloud, Credential, Error, ErrorKind, Resource, Result,
    RetryPolicy, SharedClock, TenantName, TokenCredential, TokenRequest, Transport,
};

use super::TokenObserver;
use super::engine::{Call, Engine, Issuer};

/// A credential of this family where a crate of Azure's wants one of its own.
///
/// ```
/// use azure_core::credentials::TokenCredential as _;
/// use graph_auth::AzureCredential;
/// # use m365_core::{AccessToken, Cloud, Credential, TokenCredential, TokenRequest};
/// # #[derive(Debug)]
/// # struct Fixed;
/// # impl TokenCredential for Fixed {
/// #     async fn get_token(&self, _: &TokenRequest) -> graph_auth::Result<AccessToken> {
/// #         AccessToken::new("abc", "2026-11-21T09:00:00Z".parse().expect("a time"))
/// #     }
/// # }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let ours = Credential::new(Fixed);
/// let theirs = AzureCredential::new(Cloud::public(), ours);
/// let token = theirs.get_token(&["https://vault.azure.net/.default"], None).await?;
/// assert_eq!(token.expires_on.unix_timestamp(), 1_795_251_600);
/// # Ok::<(), azure_core::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AzureCredential {
    cloud: Cloud,
    credential: Credential,
}

impl AzureCredential {
    /// An adapter of this credential; the cloud tells which scope means which resource.
    pub fn new(cloud: Cloud, credential: Credential) -> Self {
        Self { cloud, credential }
    }
}

impl fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AzureCredential").field(&self.credential).finish()
    }
}

#[async_trait::async_trait]
impl AzureTokenCredential for AzureCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<azure_core::credentials::AccessToken> {
        let failed = |error: Error| azure_core::Error::new(AzureErrorKind::Credential, error);
        let resource = resource(&self.cloud, scopes).map_err(failed)?;
        let token = self.credential.get_token(&TokenRequest::new(resource)).await.map_err(failed)?;
        let expires_on = OffsetDateTime::from_unix_timestamp(token.expires_on().as_second())
            .map_err(|e| azure_core::Error::new(AzureErrorKind::DataConversion, e))?;
        let secret = Secret::new(token.expose_secret().to_owned());
        Ok(azure_core::credentials::AccessToken::new(secret, expires_on))
    }
}

/// App-only scopes are one resource with `/.default`.
fn resource(cloud: &Cloud, scopes: &[&str]) -> Result<Resource> {
    let [scope] = scopes else {
        return Err(Error::invalid(
            "a token is for one resource: give one scope, the resource with /.default",
        ));
    };
    let Some(audience) = scope.strip_suffix("/.default").filter(|audience| !audience.is_empty()) else {
        return Err(Error::invalid("the scope of an app is the resource with /.default"));
    };
    let known = [Resource::Graph, Resource::Exchange].into_iter().find(|r| cloud.audience(r) == audience);
    Ok(known.unwrap_or_else(|| Resource::Other(audience.into())))
}

/// A credential of azure_identity, or any other of azure_core's, behind this family's cache: concurrent callers share one
/// request, a hit allocates nothing, a total deadline holds.
///
/// azure_core knows neither tenants per request nor claims challenges, and its caches cannot be bypassed: requests for
/// those are refused with [`ErrorKind::Unsupported`] instead of answered with another token than was asked for.
///
/// ```
/// use graph_auth::FromAzureCredential;
/// use m365_core::{Cloud, Credential, Resource, TokenRequest};
/// # use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
/// # #[derive(Debug)]
/// # struct Theirs;
/// # #[async_trait::async_trait]
/// # impl TokenCredential for Theirs {
/// #     async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
/// #         let hour = std::time::Duration::from_secs(3600);
/// #         Ok(AccessToken::new("abc".to_owned(), azure_core::time::OffsetDateTime::now_utc() + hour))
/// #     }
/// # }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let theirs = std::sync::Arc::new(Theirs);
/// let credential = Credential::new(FromAzureCredential::new(Cloud::public(), theirs));
/// let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await?;
/// assert!(token.header().is_sensitive());
/// # Ok::<(), graph_auth::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FromAzureCredential {
    engine: Engine<Azure>,
}

struct Azure {
    cloud: Cloud,
    credential: Arc<dyn AzureTokenCredential>,
}

impl FromAzureCredential {
    /// An adapter of this credential; the cloud tells the scope of each resource.
    pub fn new(cloud: Cloud, credential: Arc<dyn AzureTokenCredential>) -> Self {
        let engine = Engine::new(Azure { cloud, credential })
            .with_transport(Transport::new(Unused))
            // Azure's credentials have tried for over a minute before they say no.
            .with_retry(RetryPolicy::default().with_max_attempts(1));
        Self { engine }
    }

    /// Another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: SharedClock) -> Self {
        self.engine = self.engine.with_clock(clock);
        self
    }

    /// The longest a caller waits for a token; 60 s by default, whatever the credential inside would take.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.engine = self.engine.with_deadline(deadline);
        self
    }

    /// Somebody who hears of hits, refreshes and failures.
    #[must_use]
    pub fn with_observer(mut self, observer: impl TokenObserver) -> Self {
        self.engine = self.engine.with_observer(observer);
        self
    }
}

impl fmt::Debug for FromAzureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FromAzureCredential").field(&self.engine.issuer().credential).finish()
    }
}

impl TokenCredential for FromAzureCredential {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        supported(request)?;
        let token = self.engine.get_token(request).await?;
        if request.rejected.as_ref() == Some(&token) {
            return Err(unsupported("the credential behind it gives the same token again"));
        }
        Ok(token)
    }

    fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        supported(request).ok().and_then(|()| self.engine.cached_token(request))
    }

    fn invalidate(&self, resource: &Resource) {
        self.engine.invalidate(resource);
    }
}

fn supported(request: &TokenRequest) -> Result<()> {
    if request.tenant.is_some() {
        Err(unsupported("a tenant per request"))
    } else if request.claims.is_some() {
        Err(unsupported("a claims challenge"))
    } else if request.fresh {
        Err(unsupported("a token past the cache of the credential behind it"))
    } else {
        Ok(())
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("not with a credential of azure_core: {what}"))
        .with_acted(Acted::No)
}

impl Issuer for Azure {
    fn authority(&self) -> &str {
        "azure_core"
    }

    fn tenant(&self) -> Option<&TenantName> {
        None
    }

    fn client(&self) -> Option<ClientId> {
        None
    }

    async fn issue(&self, call: Call<'_>) -> Result<AccessToken> {
        let scope = self.cloud.scope(call.key.resource);
        let token = self.credential.get_token(&[&scope], None).await.map_err(|e| translated(&e))?;
        let expires_on = Timestamp::from_second(token.expires_on.unix_timestamp())
            .map_err(|e| Error::unreadable("the token's end is no time").with_source(e))?;
        AccessToken::new(token.token.secret(), expires_on)
    }
}

/// azure_identity puts the refusal it got inside an error of its own.
fn translated(error: &azure_core::Error) -> Error {
    let inner = error.source().and_then(|source| source.downcast_ref::<azure_core::Error>());
    let kind = match error.kind() {
        AzureErrorKind::Credential => inner.map_or(&AzureErrorKind::Credential, azure_core::Error::kind),
        kind => kind,
    };
    let (kind, status) = match kind {
        AzureErrorKind::HttpResponse { status, .. } => {
            let status = u16::from(*status);
            let kind = match status {
                429 => ErrorKind::Throttled,
                500..=599 => ErrorKind::Unavailable,
                _ => ErrorKind::Authentication,
            };
            (kind, StatusCode::from_u16(status).ok())
        }
        AzureErrorKind::Connection | AzureErrorKind::Io => (ErrorKind::Network, None),
        AzureErrorKind::DataConversion => (ErrorKind::InvalidResponse, None),
        _ => (ErrorKind::Authentication, None),
    };
    let authority = if kind == ErrorKind::Network { Authority::Network } else { Authority::EntraToken };
    let transient = matches!(kind, ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Network);
    let text = error.to_string();
    let mut ours = Error::new(kind, &text)
        .with_authority(authority)
        .with_aadsts(super::wire::aadsts(&text))
        .with_transient(transient)
        .with_acted(Acted::No);
    if let Some(status) = status {
        ours = ours.with_status(status);
    }
    // Not kept as the source: its Debug form shows the whole answer.
    ours
}

/// The credential inside has a transport of its own.
#[derive(Debug)]
struct Unused;

impl HttpTransport for Unused {
    async fn send(&self, _: http::Request<bytes::Bytes>) -> Result<http::Response<Body>, TransportError> {
        Err(TransportError::new(TransportErrorKind::NotSent, "no transport is used here"))
    }
}
