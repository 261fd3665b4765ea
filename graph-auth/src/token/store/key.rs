use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use m365_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::seal::Keys;

/// The secret of a shared store: 32 random bytes that every process has which shares its tokens, and nobody else. Whoever
/// has them can read every token in the store.
///
/// Records are sealed with AES-256-GCM and named by HMAC-SHA-256, under two keys derived from it. To change it, give the
/// processes another one: those with the old and those with the new key do not share, and nothing else happens.
///
/// ```
/// use graph_auth::StoreKey;
///
/// let key = StoreKey::generate()?;
/// let kept: secrecy::SecretString = key.to_base64(); // into a vault
/// let same = StoreKey::from_base64(&kept)?;
/// # drop(same);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct StoreKey {
    master: Arc<Zeroizing<[u8; 32]>>,
    pub(super) keys: Arc<Keys>,
}

impl StoreKey {
    /// This key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there are not 32 bytes, or all of them are the same.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let master = <[u8; 32]>::try_from(bytes).map(Zeroizing::new).map_err(|_| {
            Error::invalid(format!("the key of a token store has 32 bytes, and not {}", bytes.len()))
        })?;
        if bytes.iter().all(|byte| bytes.first() == Some(byte)) {
            return Err(Error::invalid(
                "the key of a token store is one byte over and over: make a random one",
            ));
        }
        let keys = Arc::new(Keys::derive(&master)?);
        Ok(Self { master: Arc::new(master), keys })
    }

    /// The key that [`to_base64`](Self::to_base64) gave, or 32 random bytes in standard base64 from elsewhere; white space
    /// around it is left out.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is no base64, and as [`from_bytes`](Self::from_bytes).
    pub fn from_base64(text: &SecretString) -> Result<Self> {
        let bytes = STANDARD
            .decode(text.expose_secret().trim())
            .map(Zeroizing::new)
            // The source would tell a character of it.
            .map_err(|_| Error::invalid("the key of a token store is no base64"))?;
        Self::from_bytes(&bytes)
    }

    /// A new key, from the operating system's random numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when it has none to give.
    pub fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| {
            Error::new(ErrorKind::Unavailable, "the operating system gives no random numbers")
        })?;
        Self::from_bytes(&*bytes)
    }

    /// The key as text, to keep it in a vault.
    pub fn to_base64(&self) -> SecretString {
        STANDARD.encode(**self.master).into()
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_is_refused_and_never_shown() {
        for bad in [&[][..], &[1; 31], &[1; 33], &[0; 32], &[7; 32]] {
            assert_eq!(StoreKey::from_bytes(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        for bad in ["", "not base64!", "c2hvcnQ="] {
            let error = StoreKey::from_base64(&bad.into()).unwrap_err();
            assert!(bad.is_empty() || !format!("{error:?}").contains(bad));
        }
        let key = StoreKey::generate().unwrap();
        let text = key.to_base64();
        let framed = format!(" {}\n", text.expose_secret());
        let again = StoreKey::from_base64(&framed.into()).unwrap();
        assert_eq!(again.to_base64().expose_secret(), text.expose_secret());
        assert!(!format!("{key:?}").contains(text.expose_secret()));
        assert_ne!(StoreKey::generate().unwrap().to_base64().expose_secret(), text.expose_secret());
    }
}
