//! Proof key for code exchange: <https://www.rfc-editor.org/rfc/rfc7636>

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use m365_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The secret of one authorization request.
pub(super) struct Verifier(SecretString);

impl Verifier {
    /// 32 bytes of the operating system's randomness.
    pub(super) fn random() -> Result<Self> {
        random().map(Self)
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the authorization request shows of it (S256).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.expose().as_bytes()))
    }
}

/// 32 random bytes in base64url: 43 characters.
pub(super) fn random() -> Result<SecretString> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(bytes.as_mut())
        .map_err(|_| Error::new(ErrorKind::Unsupported, "the operating system gives no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(*bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // Appendix B of RFC 7636.
        let verifier = Verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifiers_are_long_enough_and_differ() {
        let (one, two) = (Verifier::random().unwrap(), Verifier::random().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), two.expose());
        assert!(one.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    }
}
