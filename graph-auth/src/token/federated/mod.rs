//! Federated credentials: somebody else's signed statement takes the place of a secret.

mod callback;
mod github_actions;
mod workload_identity;

use m365_core::{Error, Result};
use secrecy::SecretString;

pub use callback::{AssertionProvider, AssertionRequest, ClientAssertionCredential};
pub use github_actions::GitHubActionsCredential;
pub use workload_identity::WorkloadIdentityCredential;

/// What a federated credential of a registration expects as `aud`, unless it was set up otherwise.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// A JSON Web Token by its looks. Whether it is a good one is Entra's to say.
fn token(text: &str, source: &str) -> Result<SecretString> {
    let text = text.trim();
    let parts = text.split('.').count() == 3;
    if parts && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return Ok(text.into());
    }
    Err(Error::invalid(format!("{source} is no JSON Web Token")))
}
