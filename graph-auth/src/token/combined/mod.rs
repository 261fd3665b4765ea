//! Credentials made of credentials.

mod chained;
mod environment;
mod rotating;

use std::fmt;

use futures_util::future::BoxFuture;
use m365_core::{AccessToken, Resource, Result, TokenCredential, TokenRequest};

pub use chained::{ChainAnswers, ChainedCredential, LinkAnswer};
pub use environment::EnvironmentCredential;
pub use rotating::RotatingCredential;

/// [`TokenCredential`] behind a pointer, with the way to a cached token that costs no allocation.
trait Link: fmt::Debug + Send + Sync {
    fn get<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<AccessToken>>;
    fn cached(&self, request: &TokenRequest) -> Option<AccessToken>;
    fn forget(&self, resource: &Resource);
}

impl<T: TokenCredential> Link for T {
    fn get<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<AccessToken>> {
        Box::pin(async move {
            match self.cached_token(request) {
                Some(token) => Ok(token),
                None => self.get_token(request).await,
            }
        })
    }

    fn cached(&self, request: &TokenRequest) -> Option<AccessToken> {
        self.cached_token(request)
    }

    fn forget(&self, resource: &Resource) {
        self.invalidate(resource);
    }
}
