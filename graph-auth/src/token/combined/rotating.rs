use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use m365_core::{AccessToken, Error, Resource, Result, TokenCredential, TokenRequest};
use tracing::info;

use super::Link;
use crate::token::retell::retell;

/// Several credentials of one app, for rotation without downtime: the old one and the new one are both configured, and
/// the app need not know which of them the directory accepts at the moment.
///
/// The one that worked last is asked. When Entra refuses it (`invalid_client`: unknown, expired or removed), each other
/// one is tried once, in order, and the first that is accepted is kept. Other failures are returned as they are: another
/// secret does not help against a wrong tenant or a service that is down. Cached tokens of a removed credential stay in
/// use until they expire, as they do everywhere.
///
/// ```
/// use graph_auth::{ClientSecretCredential, RotatingCredential};
/// use m365_core::{ClientId, Cloud, TenantName};
///
/// # let (old, new) = ("Q8~old-secret", "Q8~new-secret");
/// let tenant = TenantName::parse("contoso.example")?;
/// let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// let with = |secret: &str| {
///     ClientSecretCredential::new(Cloud::public(), tenant.clone(), client, secret.into())
/// };
/// let credential = RotatingCredential::new(with(new)?, with(old)?);
/// # drop(credential);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RotatingCredential {
    credentials: Vec<Arc<dyn Link>>,
    current: Arc<AtomicUsize>,
}

impl RotatingCredential {
    /// These two, the first one preferred.
    pub fn new(first: impl TokenCredential, second: impl TokenCredential) -> Self {
        Self { credentials: vec![Arc::new(first), Arc::new(second)], current: Arc::default() }
    }

    /// And one more.
    #[must_use]
    pub fn with(mut self, further: impl TokenCredential) -> Self {
        self.credentials.push(Arc::new(further));
        self
    }

    /// Position of the credential in use, counted from 0: shows when the old one may be removed.
    pub fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }
}

impl TokenCredential for RotatingCredential {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let (current, count) = (self.current(), self.credentials.len());
        let mut first_refusal = None;
        for at in (0..count).map(|step| (current + step) % count) {
            let Some(credential) = self.credentials.get(at) else { continue };
            match credential.get(request).await {
                Ok(token) => {
                    if at != current {
                        info!(from = current, to = at, "another credential of the app is in use now");
                        // Unless another caller has moved on already.
                        let _unchanged =
                            self.current.compare_exchange(current, at, Ordering::Relaxed, Ordering::Relaxed);
                    }
                    return Ok(token);
                }
                Err(error) if is_refusal(&error) => {
                    first_refusal.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(match first_refusal {
            Some(error) => {
                let error = Arc::new(error);
                retell(
                    &error,
                    &format!("all {count} credentials were refused; the first: {}", error.message()),
                )
            }
            None => Error::invalid("there is no credential to rotate"),
        })
    }

    fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        self.credentials.get(self.current())?.cached(request)
    }

    fn invalidate(&self, resource: &Resource) {
        for credential in &self.credentials {
            credential.forget(resource);
        }
    }
}

/// Entra knows the app and refuses this proof of it.
fn is_refusal(error: &Error) -> bool {
    error.service_code() == Some("invalid_client") && !error.is_transient()
}
