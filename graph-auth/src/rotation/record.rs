use std::time::Duration;

use jiff::Timestamp;
use m365_core::{ApplicationObjectId, Error, KeyId, Result};
use serde::{Deserialize, Serialize};

use super::KeptCredential;
use crate::registration::check_name;
use crate::{PublicCertificate, SecretPolicy};

/// Longest life of a token got with the old credential.
const LEAST_DRAIN: Duration = Duration::from_secs(90 * 60);

/// Another rotation's credential older than this is not under way but left behind.
pub(super) const UNDER_WAY: Duration = Duration::from_secs(24 * 3600);

/// A rotation as it stands: everything that is needed to go on with it after an interruption, and nothing secret. Store it
/// as JSON, or however serde does.
///
/// ```
/// use graph_auth::{Rotation, RotationPhase, SecretPolicy};
/// # let application = "a0000000-0000-4000-8000-000000000001".parse()?;
/// # let held = "d0000000-0000-4000-8000-000000000002".parse()?;
/// let policy = SecretPolicy::new("acme", std::time::Duration::from_secs(180 * 86_400))?;
/// let rotation = Rotation::secret(application, Some(held), &policy)?;
/// let stored = serde_json::to_string(&rotation)?;
/// let again: Rotation = serde_json::from_str(&stored)?;
/// assert_eq!((again.phase(), again), (RotationPhase::Begun, rotation));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    pub(super) application: ApplicationObjectId,
    /// What comes before the mark in the names of this product's rotated credentials.
    pub(super) base_name: String,
    pub(super) mark: String,
    pub(super) old: Option<KeyId>,
    pub(super) wanted: Wanted,
    pub(super) drain_seconds: u64,
    pub(super) phase: RotationPhase,
    pub(super) new_key: Option<KeyId>,
    pub(super) new_end: Option<Timestamp>,
    pub(super) switched_at: Option<Timestamp>,
    /// Whether the new certificate may have been added already.
    #[serde(default)]
    pub(super) tried: bool,
    /// The credential of the rotation that this one withdrew before.
    #[serde(default)]
    pub(super) rival: Option<KeyId>,
}

/// What is to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Wanted {
    Secret { lifetime_seconds: u64 },
    Certificate(PublicCertificate),
}

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RotationPhase {
    /// Nothing was made yet, or what was made is not known to be held.
    Begun,
    /// The new credential is in the directory and held.
    Added,
    /// It was accepted wherever it was tried.
    Usable,
    /// The product is being told to use it.
    Switching,
    /// The product uses it, and the old one is drained.
    Switched,
    /// The old one is gone.
    Done,
    /// Another rotation was under way, and this one took back what it had made.
    Withdrawn,
}

impl Rotation {
    /// A new secret in place of the credential `old`, a secret or a certificate; without one, a first secret. Its name is
    /// the policy's, a number sign, and a mark of this rotation: by it the rotation knows what it made.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the policy's name is longer than 75 characters.
    pub fn secret(
        application: ApplicationObjectId,
        old: Option<KeyId>,
        policy: &SecretPolicy,
    ) -> Result<Self> {
        let wanted = Wanted::Secret { lifetime_seconds: policy.lifetime.as_secs() };
        Self::new(application, old, &policy.display_name, wanted)
    }

    /// A new certificate in place of the credential `old`, a certificate or a secret; without one, a first certificate. The
    /// product holds its key already.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the name is empty, longer than 75 characters or
    /// holds control characters.
    pub fn certificate(
        application: ApplicationObjectId,
        old: Option<KeyId>,
        name: &str,
        certificate: PublicCertificate,
    ) -> Result<Self> {
        Self::new(application, old, name, Wanted::Certificate(certificate))
    }

    fn new(application: ApplicationObjectId, old: Option<KeyId>, name: &str, wanted: Wanted) -> Result<Self> {
        check_name("credential's name", name)?;
        if name.chars().count() > 75 {
            return Err(Error::invalid("the credential's name is longer than 75 characters"));
        }
        Ok(Self {
            application,
            base_name: name.to_owned(),
            mark: uuid::Uuid::new_v4().simple().to_string().chars().take(12).collect(),
            old,
            wanted,
            drain_seconds: LEAST_DRAIN.as_secs(),
            phase: RotationPhase::Begun,
            new_key: None,
            new_end: None,
            switched_at: None,
            tried: false,
            rival: None,
        })
    }

    /// How long the old credential stays after the switch; 90 minutes, the longest life of a usual token, unless it is
    /// said to be longer. Nodes must hear of the switch within this time.
    #[must_use]
    pub fn with_drain(mut self, drain: Duration) -> Self {
        self.drain_seconds = drain.max(LEAST_DRAIN).as_secs();
        self
    }

    /// The registration.
    pub fn application(&self) -> ApplicationObjectId {
        self.application
    }

    /// Where it stands.
    pub fn phase(&self) -> RotationPhase {
        self.phase
    }

    /// The credential that is replaced.
    pub fn old_key(&self) -> Option<KeyId> {
        self.old
    }

    /// The credential that replaces it, once it was made.
    pub fn new_key(&self) -> Option<KeyId> {
        self.new_key
    }

    /// Displayed name of the new credential.
    pub fn name(&self) -> String {
        format!("{}{}", self.prefix(), self.mark)
    }

    /// SHA-1 thumbprint of the new certificate; none where a secret is to come.
    pub fn new_thumbprint(&self) -> Option<&str> {
        match &self.wanted {
            Wanted::Secret { .. } => None,
            Wanted::Certificate(new) => Some(new.thumbprint()),
        }
    }

    /// When the product was told to use the new one.
    pub fn switched_at(&self) -> Option<Timestamp> {
        self.switched_at
    }

    /// The credential of the other rotation before which this one [withdrew](RotationPhase::Withdrawn). When nobody goes on
    /// with that one, begin anew a day after it was made, or remove it.
    pub fn rival(&self) -> Option<KeyId> {
        self.rival
    }

    /// Beginning of the names of all that rotations of this product make.
    pub(super) fn prefix(&self) -> String {
        format!("{} #", self.base_name)
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    pub(super) fn kept(&self) -> KeptCredential {
        let end = match &self.wanted {
            Wanted::Secret { .. } => self.new_end.unwrap_or(Timestamp::MAX),
            Wanted::Certificate(new) => new.not_after(),
        };
        let thumbprint = self.new_thumbprint().map(str::to_owned);
        KeptCredential { key_id: self.new_key, name: self.name(), end, thumbprint }
    }
}
