use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use m365_core::{AccessToken, Acted, Error, ErrorKind, Resource, Result, TokenCredential, TokenRequest};
use tracing::debug;

use super::Link;
use crate::token::retell::retell;

/// The first of several credentials that is there: the environment's on a server, the workload's in a cluster, a managed
/// identity on a virtual machine.
///
/// A link that is not configured ([`ErrorKind::Unsupported`]) is passed over. A link that *is* configured and fails ends
/// the search with its error: going on would hide the fault and call in another identity's name. Once a link has given a
/// token, it alone is asked from then on.
///
/// The error's [`source`](std::error::Error::source) is a [`ChainAnswers`]: what each link said.
///
/// ```
/// use graph_auth::{ChainAnswers, ChainedCredential, EnvironmentCredential, ManagedIdentityCredential};
/// use graph_auth::WorkloadIdentityCredential;
/// use m365_core::{Cloud, Resource, TokenCredential, TokenRequest};
/// use std::error::Error as _;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let nothing_set = |_name: &str| None;
/// let credential = ChainedCredential::new()
///     .with("environment", EnvironmentCredential::from_vars(Cloud::public(), nothing_set))
///     .with("workload identity", WorkloadIdentityCredential::from_vars(Cloud::public(), nothing_set));
///
/// let error = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
/// let answers = error.source().and_then(|s| s.downcast_ref::<ChainAnswers>()).unwrap();
/// for answer in answers.iter() {
///     assert!(!answer.is_configured());
///     println!("{}: {}", answer.name(), answer.error());
/// }
/// # });
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChainedCredential {
    links: Vec<ChainLink>,
    chosen: Arc<OnceLock<usize>>,
}

#[derive(Clone)]
struct ChainLink {
    name: Cow<'static, str>,
    credential: Result<Arc<dyn Link>, Arc<Error>>,
}

impl ChainedCredential {
    /// No link yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A further link, under the name that errors and traces call it by. One that could not even be made is welcome:
    /// its error is that link's answer.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        credential: Result<impl TokenCredential>,
    ) -> Self {
        let credential = match credential {
            Ok(credential) => Ok(Arc::new(credential) as Arc<dyn Link>),
            Err(error) => Err(Arc::new(error)),
        };
        self.links.push(ChainLink { name: name.into(), credential });
        self
    }

    /// The link that gave a token, and is asked alone since.
    pub fn chosen(&self) -> Option<&str> {
        self.chosen.get().and_then(|at| self.links.get(*at)).map(|link| &*link.name)
    }

    fn sticky(&self) -> Option<&Arc<dyn Link>> {
        self.links.get(*self.chosen.get()?)?.credential.as_ref().ok()
    }
}

impl TokenCredential for ChainedCredential {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        if let Some(link) = self.sticky() {
            return link.get(request).await;
        }
        let mut answers = Vec::new();
        for (at, link) in self.links.iter().enumerate() {
            let answer = match &link.credential {
                Ok(credential) => credential.get(request).await.map_err(Arc::new),
                Err(error) => Err(error.clone()),
            };
            let error = match answer {
                Ok(token) => {
                    // Two first callers may end here together: whoever comes first decides.
                    let at = *self.chosen.get_or_init(|| at);
                    debug!(link = %link.name, at, "this link of the chain gave a token");
                    return Ok(token);
                }
                Err(error) => error,
            };
            let answer = LinkAnswer { name: link.name.clone(), error };
            let goes_on = !answer.is_configured();
            answers.push(answer);
            if !goes_on {
                break;
            }
        }
        Err(ChainAnswers(answers).into_error())
    }

    fn cached_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        self.sticky()?.cached(request)
    }

    fn invalidate(&self, resource: &Resource) {
        for credential in self.links.iter().filter_map(|link| link.credential.as_ref().ok()) {
            credential.forget(resource);
        }
    }
}

impl fmt::Debug for ChainLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(&self.name).field(&self.credential).finish()
    }
}

/// What each link of a [`ChainedCredential`] answered, in order; links after one that failed were not asked.
#[derive(Clone, Debug)]
pub struct ChainAnswers(Vec<LinkAnswer>);

/// What one link answered.
#[derive(Clone, Debug)]
pub struct LinkAnswer {
    name: Cow<'static, str>,
    error: Arc<Error>,
}

impl ChainAnswers {
    /// The answers.
    pub fn iter(&self) -> impl Iterator<Item = &LinkAnswer> {
        self.0.iter()
    }

    fn into_error(self) -> Error {
        let told = self.to_string();
        let error = match self.0.last() {
            Some(last) if last.is_configured() => retell(&last.error, &told),
            _ => Error::new(ErrorKind::Unsupported, format!("no credential is configured: {told}"))
                .with_acted(Acted::No),
        };
        error.with_source(self)
    }
}

impl LinkAnswer {
    /// The link's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is such a credential here at all.
    pub fn is_configured(&self) -> bool {
        self.error.kind() != ErrorKind::Unsupported
    }

    /// What it said.
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for ChainAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the chain has no links");
        }
        // The one that failed comes first: long texts are cut at their end.
        let (failed, absent): (Vec<_>, Vec<_>) = self.0.iter().partition(|answer| answer.is_configured());
        let mut separator = "";
        for answer in failed {
            write!(f, "{separator}{} failed: {}", answer.name, answer.error.message())?;
            separator = "; ";
        }
        for answer in absent {
            write!(f, "{separator}{} not configured: {}", answer.name, answer.error.message())?;
            separator = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for ChainAnswers {}
