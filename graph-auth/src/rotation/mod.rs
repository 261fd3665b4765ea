//! One credential follows another without an outage.

mod directory;
#[cfg(feature = "certificate")]
mod own;
mod record;

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use m365_core::{Credential, Error, ErrorKind, KeyId, Resource, Result, TokenRequest, later, until};
use secrecy::SecretString;

use crate::Convergence;
use crate::convergence::{Call, Verdict, classify};

pub use directory::{rotate, rotate_to_the_end};
#[cfg(feature = "certificate")]
pub use own::{OwnCertificates, rotate_own};
pub use record::{Rotation, RotationPhase};

/// What a rotation needs of the product whose credential it is: a place for the record, a place for the secret, and the
/// moment of the switch. Every method may be called again after an interruption and must then do the same again.
pub trait RotationHost: Send + Sync {
    /// Stores the record, durably, in place of the former one. It holds no secret. Whatever was stored last is what the
    /// rotation goes on from.
    ///
    /// # Errors
    /// Any; the rotation stops and can be taken up again.
    fn save(&self, rotation: &Rotation) -> impl Future<Output = Result<()>> + Send;

    /// Stores the new secret, durably, beside the old one, which stays in use. Its text is seen this once and never
    /// again. When an interrupted rotation makes another one, it takes the place of the former new one.
    ///
    /// # Errors
    /// Any; the new secret is then removed from the directory and the rotation stops.
    fn keep(&self, new: &KeptCredential, secret: SecretString) -> impl Future<Output = Result<()>> + Send;

    /// A credential made of the new secret or certificate, to prove that it works. It shares no cache with the product's.
    ///
    /// # Errors
    /// Any; the rotation stops and can be taken up again.
    fn credential(&self, new: &KeptCredential) -> impl Future<Output = Result<Credential>> + Send;

    /// From now on the product uses the new one. Nodes that hear of it late still work with the old one while it is drained;
    /// a [`RotatingCredential`](crate::RotatingCredential) of both bridges that.
    ///
    /// # Errors
    /// Any; the rotation stops and can be taken up again.
    fn switch(&self, new: &KeptCredential) -> impl Future<Output = Result<()>> + Send;
}

/// The new credential, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCredential {
    /// Its id in the registration; unknown for a certificate whose `addKey` was answered without one.
    pub key_id: Option<KeyId>,
    /// Its displayed name.
    pub name: String,
    /// When it ends to work.
    pub end: Timestamp,
    /// SHA-1 thumbprint of a certificate; none for a secret.
    pub thumbprint: Option<String>,
}

/// How far a rotation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotationProgress {
    /// The new credential is in use, and the old one works until then. Call again at this time.
    Draining {
        /// When the last token got with the old one has ended.
        until: Timestamp,
    },
    /// The old credential is gone.
    Done,
    /// Another rotation of the same application is under way, and this one has taken back what it had made. Nothing was
    /// switched.
    Withdrawn,
}

/// Proves with fresh tokens that a new credential works wherever it is tried: `times` successes in a row. One that is
/// refused is waited for within the convergence's [credential grace](Convergence::with_credential_grace).
pub(crate) async fn prove_usable(
    credential: &Credential,
    convergence: &Convergence,
    times: u32,
) -> Result<()> {
    let request = TokenRequest::new(Resource::Graph).with_fresh();
    let clock = convergence.clock();
    let mut patience = convergence.patience("the new credential to be accepted");
    let mut in_a_row = 0;
    loop {
        let Err(error) = credential.get_token(&request).await else {
            in_a_row += 1;
            if in_a_row >= times {
                credential.invalidate(&Resource::Graph);
                return Ok(());
            }
            clock.sleep(BETWEEN_TOKENS).await;
            continue;
        };
        in_a_row = 0;
        let may_be_new = patience.elapsed() < convergence.credential_grace();
        if classify(Call::Token, &error, may_be_new) != Verdict::Wait
            || !patience.wait(error.message(), error.retry_after()).await
        {
            return Err(error.with_attempts(patience.tries()));
        }
    }
}

/// Token servers answer in turn, as directory replicas do.
const BETWEEN_TOKENS: Duration = Duration::from_secs(1);

fn drained_at(switched: Timestamp, drain: Duration) -> Timestamp {
    later(switched, drain)
}

fn is_over(at: Timestamp, now: Timestamp) -> bool {
    until(now, at).is_zero()
}

fn conflict(what: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Conflict, what).with_operation("rotate")
}
