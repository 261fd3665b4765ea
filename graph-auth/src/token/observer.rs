use std::time::Duration;

use m365_core::{ClientId, Error, Resource};

/// What a token event is about. Holds no secret and no token.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenScope<'a> {
    /// The tenant as the caller names it; empty for a managed identity, whose host decides.
    pub tenant: &'a str,
    /// The app; none for a managed identity that its host chooses.
    pub client: Option<ClientId>,
    /// The API.
    pub resource: &'a Resource,
}

/// Hears what the token cache does: for counters and health pages. Called on the path of a token request, so it must be
/// quick and must not block. Every method does nothing by default.
///
/// ```
/// use graph_auth::{TokenObserver, TokenScope};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Debug, Default)]
/// struct Hits(AtomicU64);
///
/// impl TokenObserver for Hits {
///     fn hit(&self, _scope: &TokenScope<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait TokenObserver: Send + Sync + 'static {
    /// A cached token was handed out.
    fn hit(&self, _scope: &TokenScope<'_>) {}

    /// A token was minted after `took`; `ahead` when the old one was still valid.
    fn minted(&self, _scope: &TokenScope<'_>, _took: Duration, _ahead: bool) {}

    /// A token came from the shared store (`with_store` of the credential): another process
    /// minted it.
    fn shared(&self, _scope: &TokenScope<'_>) {}

    /// The shared store failed, was too slow, or held what is no record of ours. The token is minted as if there were no
    /// store; callers see nothing of it.
    fn store_failed(&self, _scope: &TokenScope<'_>, _error: &Error) {}

    /// No token could be minted; `kept` when the old one is still valid and stays in use.
    fn failed(&self, _scope: &TokenScope<'_>, _error: &Error, _kept: bool) {}
}
