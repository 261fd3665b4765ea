use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::HeaderValue;
use jiff::Timestamp;

use crate::{Error, ErrorKind, Resource, Result, TenantName};

/// What a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    /// The API to be called.
    pub resource: Resource,
    /// Another tenant than the credential's own, for multi-tenant apps.
    pub tenant: Option<TenantName>,
    /// JSON of a claims challenge: the token must be new and carry these claims.
    pub claims: Option<Arc<str>>,
    /// A token that a resource refused: the answer must not be this one again.
    pub rejected: Option<AccessToken>,
    /// The token must be minted for this request, never taken from a cache: roles are frozen into a token when it is
    /// issued, so only a new one shows what was granted since.
    pub fresh: bool,
}

impl TokenRequest {
    /// A request for the credential's own tenant.
    pub const fn new(resource: Resource) -> Self {
        Self { resource, tenant: None, claims: None, rejected: None, fresh: false }
    }

    /// For another tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: TenantName) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// With the claims of a challenge.
    #[must_use]
    pub fn with_claims(mut self, claims: impl Into<Arc<str>>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Past a token that a resource refused.
    #[must_use]
    pub fn with_rejected(mut self, token: AccessToken) -> Self {
        self.rejected = Some(token);
        self
    }

    /// Past every cache.
    #[must_use]
    pub const fn with_fresh(mut self) -> Self {
        self.fresh = true;
        self
    }
}

/// A bearer token as a ready `Authorization` header. Cloning it copies a pointer.
#[derive(Clone)]
pub struct AccessToken(Arc<TokenInner>);

struct TokenInner {
    header: HeaderValue,
    expires_on: Timestamp,
    refresh_on: Option<Timestamp>,
}

impl AccessToken {
    /// A token that is valid until `expires_on`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] when the text cannot stand in a header.
    pub fn new(token: &str, expires_on: Timestamp) -> Result<Self> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the access token is empty or holds characters no header can carry",
            ));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            Error::new(ErrorKind::InvalidResponse, "the access token cannot stand in a header")
        })?;
        header.set_sensitive(true);
        Ok(Self(Arc::new(TokenInner { header, expires_on, refresh_on: None })))
    }

    /// The same token with the time from which a refresh is advised.
    #[must_use]
    pub fn with_refresh_on(self, at: Timestamp) -> Self {
        let TokenInner { header, expires_on, .. } = &*self.0;
        Self(Arc::new(TokenInner { header: header.clone(), expires_on: *expires_on, refresh_on: Some(at) }))
    }

    /// The `Authorization` header value, marked sensitive.
    pub fn header(&self) -> &HeaderValue {
        &self.0.header
    }

    /// The bare token, for protocols without headers (XOAUTH2). Never log it.
    pub fn expose_secret(&self) -> &str {
        self.0.header.to_str().ok().and_then(|h| h.strip_prefix("Bearer ")).unwrap_or("")
    }

    /// When it expires.
    pub fn expires_on(&self) -> Timestamp {
        self.0.expires_on
    }

    /// From when on a refresh is advised, when the issuer said so.
    pub fn refresh_on(&self) -> Option<Timestamp> {
        self.0.refresh_on
    }
}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.header == other.0.header
    }
}

impl Eq for AccessToken {}

impl std::hash::Hash for AccessToken {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.expires_on.hash(state);
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_on", &self.0.expires_on).finish_non_exhaustive()
    }
}

/// Where tokens come from. Implementations live in `graph-auth`; write your own for a token that you get elsewhere.
///
/// Implementors write an `async fn`; users hold a [`Credential`].
///
/// ```
/// use m365_core::{AccessToken, Credential, Result, TokenCredential, TokenRequest};
///
/// #[derive(Debug)]
/// struct Fixed(AccessToken);
///
/// impl TokenCredential for Fixed {
///     async fn get_token(&self, _request: &TokenRequest) -> Result<AccessToken> {
///         Ok(self.0.clone())
///     }
/// }
///
/// let credential = Credential::new(Fixed(AccessToken::new("abc", jiff::Timestamp::MAX)?));
/// # Ok::<(), m365_core::Error>(())
/// ```
pub trait TokenCredential: fmt::Debug + Send + Sync + 'static {
    /// A token that is valid now. Cached tokens are welcome unless the request carries claims or a rejected token.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when the issuer refuses; transient kinds when it cannot answer.
    fn get_token(&self, request: &TokenRequest) -> impl Future<Output = Result<AccessToken>> + Send;

    /// A token that is at hand without waiting, if there is one. [`Credential::get_token`] asks here first, so that a
    /// cache hit costs no allocation. The default has none.
    fn cached_token(&self, _request: &TokenRequest) -> Option<AccessToken> {
        None
    }

    /// Forgets cached tokens for this resource: what was granted or revoked since is not in them. The default does
    /// nothing.
    fn invalidate(&self, _resource: &Resource) {}
}

/// A cheap handle to any [`TokenCredential`].
#[derive(Clone)]
pub struct Credential(Arc<dyn dynamic::TokenCredential>);

impl Credential {
    /// A handle to this credential.
    pub fn new(credential: impl TokenCredential) -> Self {
        Self(Arc::new(credential))
    }

    /// See [`TokenCredential::get_token`].
    ///
    /// # Errors
    /// Those of the credential behind it.
    pub async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        match self.0.cached_token(request) {
            Some(token) => Ok(token),
            None => self.0.get_token(request).await,
        }
    }

    /// See [`TokenCredential::invalidate`].
    pub fn invalidate(&self, resource: &Resource) {
        self.0.invalidate(resource);
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

mod dynamic {
    use std::fmt;

    use super::{AccessToken, Resource, Result, TokenRequest};

    #[async_trait::async_trait]
    pub(super) trait TokenCredential: fmt::Debug + Send + Sync {
        async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken>;
        fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken>;
        fn invalidate(&self, resource: &Resource);
    }

    #[async_trait::async_trait]
    impl<T: super::TokenCredential> TokenCredential for T {
        async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
            super::TokenCredential::get_token(self, request).await
        }
        fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
            super::TokenCredential::cached_token(self, request)
        }
        fn invalidate(&self, resource: &Resource) {
            super::TokenCredential::invalidate(self, resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_in_debug() {
        let token = AccessToken::new("s3cr3t", Timestamp::MAX).unwrap();
        let request = TokenRequest::new(Resource::Graph).with_rejected(token.clone());
        assert!(!format!("{token:?} {request:?} {:?}", token.header()).contains("s3cr3t"));
        assert_eq!(token.expose_secret(), "s3cr3t");
    }

    #[test]
    fn a_token_that_cannot_stand_in_a_header_is_refused() {
        assert!(AccessToken::new("a\r\nb", Timestamp::MAX).is_err());
        assert!(AccessToken::new("", Timestamp::MAX).is_err());
    }
}
