use std::fmt;
use std::future::Future;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use futures_util::future::BoxFuture;
use m365_core::{Error, ErrorKind, Result};

/// How an assertion is signed. Entra takes RSA keys only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes: the default.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: for keys that refuse PSS.
    Rs256,
}

/// What a [`Signer`] is to sign.
#[derive(Clone, Copy, Debug)]
pub struct SigningInput<'a> {
    algorithm: SigningAlgorithm,
    message: &'a [u8],
}

impl<'a> SigningInput<'a> {
    pub(super) fn new(algorithm: SigningAlgorithm, message: &'a [u8]) -> Self {
        Self { algorithm, message }
    }

    /// The algorithm wanted.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The bytes to be signed: header and payload of the assertion. They hold no secret.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// SHA-256 of the message, for services that sign a digest (Key Vault, most HSMs).
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.message)
    }
}

/// A private key that stays where it is: an HSM, Key Vault, a smart card.
///
/// The key behind it must belong to the certificate that it is used with; Entra says so when it does not
/// (`invalid_client`).
///
/// ```
/// use graph_auth::{Error, ErrorKind, Result, Signer, SigningAlgorithm, SigningInput};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl Signer for Vault {
///     async fn sign(&self, input: SigningInput<'_>) -> Result<Vec<u8>> {
///         match input.algorithm() {
///             SigningAlgorithm::Ps256 => ask_the_vault("PS256", input.sha256()).await,
///             // "Unsupported" for PS256 would make the credential try RS256.
///             _ => Err(Error::new(ErrorKind::Unsupported, "this key signs PS256 only")),
///         }
///     }
/// }
/// # async fn ask_the_vault(_: &str, _: [u8; 32]) -> Result<Vec<u8>> { Ok(Vec::new()) }
/// ```
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The raw signature: as many bytes as the key's modulus has.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when the key refuses this algorithm: after `PS256` the credential asks for `RS256`
    /// instead, and remembers it. Any other error ends the token request; a transient one is tried again.
    fn sign(&self, input: SigningInput<'_>) -> impl Future<Output = Result<Vec<u8>>> + Send;
}

/// [`Signer`] behind a pointer.
pub(super) trait DynSigner: fmt::Debug + Send + Sync {
    fn sign<'a>(&'a self, input: SigningInput<'a>) -> BoxFuture<'a, Result<Vec<u8>>>;
}

impl<T: Signer> DynSigner for T {
    fn sign<'a>(&'a self, input: SigningInput<'a>) -> BoxFuture<'a, Result<Vec<u8>>> {
        Box::pin(Signer::sign(self, input))
    }
}

/// A key in this process, parsed once.
pub(super) struct LocalKey(pub(super) RsaKeyPair);

impl Signer for LocalKey {
    // A quarter of a millisecond for 2048 bits: shorter than the way to another thread and back is worth.
    async fn sign(&self, input: SigningInput<'_>) -> Result<Vec<u8>> {
        let padding: &'static dyn RsaEncoding = match input.algorithm {
            SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
            SigningAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(padding, &SystemRandom::new(), input.message, &mut signature).map_err(|_| {
            Error::new(ErrorKind::Unsupported, "the private key does not sign with this algorithm")
        })?;
        Ok(signature)
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").field("bits", &(self.0.public_modulus_len() * 8)).finish_non_exhaustive()
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}
