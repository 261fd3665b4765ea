use std::future::Future;

use futures_util::future::BoxFuture;
use m365_core::{ClientId, Cloud, Result, TenantName};
use secrecy::{ExposeSecret as _, SecretString};

use super::token;
use crate::token::engine::{Engine, credential};
use crate::token::entra::{Asking, ClientAuth, Entra};
use crate::token::wire::Proof;

/// What an assertion is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssertionRequest {
    /// The token endpoint: `aud` of an assertion that the app signs for itself. Federated ones carry what the
    /// registration expects, `api://AzureADTokenExchange` by default.
    pub audience: String,
    /// The tenant that a token is asked of.
    pub tenant: TenantName,
    /// The app.
    pub client: ClientId,
}

/// Makes or fetches a client assertion (a JSON Web Token) for each token request. Every
/// `Fn(AssertionRequest) -> impl Future<Output = Result<SecretString>>` is one.
pub trait AssertionProvider: Send + Sync + 'static {
    /// The assertion. It is asked for once per token request and never cached: an old one is refused.
    ///
    /// # Errors
    /// Any; they end the token request, and transient ones are tried again.
    fn assertion(&self, request: AssertionRequest) -> impl Future<Output = Result<SecretString>> + Send;
}

impl<F, Fut> AssertionProvider for F
where
    F: Fn(AssertionRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<SecretString>> + Send,
{
    async fn assertion(&self, request: AssertionRequest) -> Result<SecretString> {
        self(request).await
    }
}

/// App-only tokens by an assertion that a callback gives: another cloud's identity token, a managed identity's token, or
/// one that the caller signs. Cached as [`ClientSecretCredential`](crate::ClientSecretCredential) does.
///
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>
///
/// ```
/// use graph_auth::{AssertionRequest, ClientAssertionCredential};
/// use m365_core::{ClientId, Cloud, TenantName};
///
/// let credential = ClientAssertionCredential::new(
///     Cloud::public(),
///     TenantName::parse("contoso.example")?,
///     ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
///     |_request: AssertionRequest| async { other_clouds_token().await },
/// );
/// # drop(credential);
/// # async fn other_clouds_token() -> graph_auth::Result<secrecy::SecretString> { Ok("e30.e30.c2ln".into()) }
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientAssertionCredential {
    engine: Engine<Entra<Callback>>,
}

struct Callback(Box<dyn DynProvider>);

impl ClientAssertionCredential {
    /// A credential of this app in this tenant. Nothing is sent yet.
    pub fn new(cloud: Cloud, tenant: TenantName, client: ClientId, provider: impl AssertionProvider) -> Self {
        Self { engine: Engine::new(Entra::new(cloud, tenant, client, Callback(Box::new(provider)))) }
    }
}

credential!(ClientAssertionCredential of an app);

impl ClientAuth for Callback {
    async fn prove(&self, asking: Asking<'_>) -> Result<Proof> {
        let request = AssertionRequest {
            audience: asking.cloud.token_endpoint(asking.tenant).into(),
            tenant: asking.tenant.clone(),
            client: asking.client,
        };
        let assertion = self.0.assertion(request).await?;
        token(assertion.expose_secret(), "what the callback gave").map(Proof::Assertion)
    }
}

trait DynProvider: Send + Sync {
    fn assertion(&self, request: AssertionRequest) -> BoxFuture<'_, Result<SecretString>>;
}

impl<T: AssertionProvider> DynProvider for T {
    fn assertion(&self, request: AssertionRequest) -> BoxFuture<'_, Result<SecretString>> {
        Box::pin(AssertionProvider::assertion(self, request))
    }
}
