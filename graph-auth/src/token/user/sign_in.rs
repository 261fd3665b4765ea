use std::error::Error as StdError;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use m365_core::{AccessToken, Error, TenantId, TenantName, UserObjectId};
use serde::Deserialize;

/// Where an administrator signs in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInTenant {
    /// One tenant. When it is named by its GUID, a token of another tenant is refused; when it is named by a domain,
    /// the first answer says which tenant that is, and every later token must be of it.
    Tenant(TenantName),
    /// Any tenant of a work or school account: the person decides by signing in, and
    /// [`SignIn::tenant`] says afterwards which one it was. From then on the session stays in that tenant: refreshes go
    /// to it by GUID, and a token of another one is refused unless the request names that other one.
    Organizations,
}

impl From<TenantName> for SignInTenant {
    fn from(tenant: TenantName) -> Self {
        Self::Tenant(tenant)
    }
}

impl From<TenantId> for SignInTenant {
    fn from(tenant: TenantId) -> Self {
        Self::Tenant(tenant.into())
    }
}

/// Who signed in, as the token says it. Read **without verifying** the token: to show and to compare, never to authorise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignIn {
    /// The tenant (`tid`); none when the token cannot be read.
    pub tenant: Option<TenantId>,
    /// The person's object id (`oid`).
    pub user: Option<UserObjectId>,
    /// The person's sign-in name (`upn`, `preferred_username` or `unique_name`).
    pub username: Option<String>,
    /// Delegated permissions that were given (`scp`): fewer than asked for when consent is missing.
    pub scopes: Vec<String>,
}

impl SignIn {
    pub(super) fn of(token: &AccessToken) -> Self {
        let payload = token.expose_secret().split('.').nth(1).unwrap_or_default();
        let claims: Claims = URL_SAFE_NO_PAD
            .decode(payload.trim_end_matches('='))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            tenant: claims.tid.as_deref().and_then(|id| TenantId::parse(id).ok()),
            user: claims.oid.as_deref().and_then(|id| UserObjectId::parse(id).ok()),
            username: claims.upn.or(claims.preferred_username).or(claims.unique_name),
            scopes: claims.scp.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        }
    }
}

#[derive(Default, Deserialize)]
struct Claims {
    tid: Option<String>,
    oid: Option<String>,
    upn: Option<String>,
    preferred_username: Option<String>,
    unique_name: Option<String>,
    scp: Option<String>,
}

/// The reason inside an error that only a person can get out of: nobody has signed in yet, or the session ended (revoked,
/// expired, its refresh token used twice), or Entra wants the person once more for this resource. Call `sign_in` again;
/// no credential starts a sign-in by itself.
///
/// ```
/// use graph_auth::{DeviceCodeCredential, SignInRequired, SignInTenant};
/// use m365_core::{ClientId, Cloud, Resource, TokenCredential, TokenRequest};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// let credential = DeviceCodeCredential::new(Cloud::public(), SignInTenant::Organizations, client);
/// let error = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
/// assert!(SignInRequired::is_behind(&error));
/// # Ok::<(), graph_auth::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignInRequired;

impl SignInRequired {
    /// Whether this is why the call failed.
    pub fn is_behind(error: &Error) -> bool {
        let mut source = error.source();
        while let Some(inner) = source {
            if inner.is::<Self>() {
                return true;
            }
            source = inner.source();
        }
        false
    }
}

impl fmt::Display for SignInRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a person has to sign in again")
    }
}

impl StdError for SignInRequired {}
