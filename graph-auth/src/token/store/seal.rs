//! How a record is named, sealed and opened. Pure functions of the key.

use std::fmt::Write as _;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use jiff::Timestamp;
use m365_core::{AccessToken, Error, ErrorKind, Result, TenantName};
use zeroize::Zeroizing;

use super::{LARGEST_RECORD, RecordName};
use crate::token::shelf::KeyRef;

/// First byte of every record, and part of what the seal covers.
const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
/// In place of a time that there is none of.
const NEVER: i64 = i64::MIN;

/// Whose token it is, in a form in which no two differ by accident: each part is preceded by its length.
///
/// The scope is among them, not the resource: two clouds with one sign-in host have different Graphs.
pub(in crate::token) fn identity(key: KeyRef<'_>, scope: &str) -> Vec<u8> {
    let client = key.client.map(|id| id.to_string()).unwrap_or_default();
    let certificate = key.certificate.to_be_bytes();
    let parts = [
        key.authority.as_bytes(),
        key.tenant.map_or("", TenantName::as_str).as_bytes(),
        client.as_bytes(),
        &certificate,
        scope.as_bytes(),
    ];
    let mut identity = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        identity.extend_from_slice(&(part.len() as u64).to_be_bytes());
        identity.extend_from_slice(part);
    }
    identity
}

/// A token with what must be known of it before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) token: AccessToken,
    /// When it was asked for, by the clock of who asked.
    pub(super) minted: Timestamp,
}

/// What is derived from a [`StoreKey`](super::StoreKey).
pub(super) struct Keys {
    names: hmac::Key,
    seal: RandomizedNonceKey,
}

impl Keys {
    pub(super) fn derive(master: &[u8; 32]) -> Result<Self> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master);
        let names = hmac::sign(&master, b"m365 token store 1: names");
        let seal = hmac::sign(&master, b"m365 token store 1: seal");
        Ok(Self {
            names: hmac::Key::new(hmac::HMAC_SHA256, names.as_ref()),
            seal: RandomizedNonceKey::new(&AES_256_GCM, seal.as_ref())
                .map_err(|_| Error::invalid("no sealing key can be made of this"))?,
        })
    }

    pub(super) fn name(&self, identity: &[u8]) -> RecordName {
        let digest = hmac::sign(&self.names, identity);
        let mut name = String::with_capacity(64);
        for byte in digest.as_ref() {
            // Writing to a string cannot fail.
            let _infallible = write!(name, "{byte:02x}");
        }
        RecordName(name)
    }

    /// A record as the store gets it: version, nonce, sealed content.
    pub(super) fn seal(&self, name: &RecordName, identity: &[u8], record: &Record) -> Result<Vec<u8>> {
        let token = record.token.expose_secret().as_bytes();
        let room = 3 * 8 + 8 + identity.len() + token.len() + TAG;
        if 1 + NONCE + room > LARGEST_RECORD {
            return Err(Error::invalid("the token is too large to be shared"));
        }
        // With the room taken beforehand the buffer never moves, and it is sealed where it is.
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        for time in [Some(record.minted), Some(record.token.expires_on()), record.token.refresh_on()] {
            content.extend_from_slice(&time.map_or(NEVER, Timestamp::as_microsecond).to_be_bytes());
        }
        content.extend_from_slice(&(identity.len() as u64).to_be_bytes());
        content.extend_from_slice(identity);
        content.extend_from_slice(token);
        let nonce = self
            .seal
            .seal_in_place_append_tag(covered(name), &mut *content)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "the record cannot be sealed"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE + content.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&content);
        Ok(sealed)
    }

    /// The record, when these bytes are one that was sealed under this name for this identity.
    pub(super) fn open(&self, name: &RecordName, identity: &[u8], sealed: &[u8]) -> Result<Record> {
        self.read(name, identity, sealed).ok_or_else(|| {
            Error::unreadable("what lies in the token store is no record of this key and name")
        })
    }

    fn read(&self, name: &RecordName, identity: &[u8], sealed: &[u8]) -> Option<Record> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if sealed.len() > LARGEST_RECORD {
            return None;
        }
        let mut content = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let content = &*self.seal.open_in_place(nonce, covered(name), &mut content).ok()?;
        let (minted, content) = content.split_first_chunk::<8>()?;
        let (expires, content) = content.split_first_chunk::<8>()?;
        let (refresh, content) = content.split_first_chunk::<8>()?;
        let (length, content) = content.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (whose, token) = content.split_at_checked(length)?;
        if whose != identity {
            return None;
        }
        let mut token = AccessToken::new(std::str::from_utf8(token).ok()?, time(expires)?).ok()?;
        if *refresh != NEVER.to_be_bytes() {
            token = token.with_refresh_on(time(refresh)?);
        }
        Some(Record { token, minted: time(minted)? })
    }
}

/// What the seal covers beside the content: a record is good under its own name and in this format only.
fn covered(name: &RecordName) -> Aad<Vec<u8>> {
    Aad::from([&[VERSION], name.as_str().as_bytes()].concat())
}

fn time(bytes: &[u8; 8]) -> Option<Timestamp> {
    Timestamp::from_microsecond(i64::from_be_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    use m365_core::{ClientId, Resource};
    use proptest::prelude::*;

    use super::*;
    use crate::StoreKey;

    fn keys(byte: u8) -> StoreKey {
        let mut bytes = [byte; 32];
        bytes[0] = 99;
        StoreKey::from_bytes(&bytes).unwrap()
    }

    fn record() -> Record {
        let at = |s| Timestamp::from_second(s).unwrap();
        let token = AccessToken::new("e30.c2VjcmV0.c2ln", at(5000)).unwrap().with_refresh_on(at(3000));
        Record { token, minted: at(1000) }
    }

    #[test]
    fn what_was_sealed_is_opened_under_its_own_name_identity_and_key_only() {
        let (key, other) = (keys(1), keys(2));
        let (a, b) = (key.keys.name(b"a"), key.keys.name(b"b"));
        let sealed = key.keys.seal(&a, b"a", &record()).unwrap();
        let opened = key.keys.open(&a, b"a", &sealed).unwrap();
        assert_eq!(opened, record());
        assert_eq!(opened.token.refresh_on(), record().token.refresh_on());
        assert!(key.keys.open(&b, b"b", &sealed).is_err(), "swapped");
        assert!(key.keys.open(&a, b"b", &sealed).is_err(), "another identity under one name");
        assert!(other.keys.open(&a, b"a", &sealed).is_err(), "another key");
        assert_ne!(a, other.keys.name(b"a"));
        assert_ne!(sealed, key.keys.seal(&a, b"a", &record()).unwrap(), "a nonce of its own each time");
        let shown = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!shown.contains("c2VjcmV0"));
    }

    #[test]
    fn a_record_of_another_version_truncated_or_changed_anywhere_is_none() {
        let key = keys(1);
        let name = key.keys.name(b"a");
        let sealed = key.keys.seal(&name, b"a", &record()).unwrap();
        for cut in 0..sealed.len() {
            assert!(key.keys.open(&name, b"a", &sealed[..cut]).is_err(), "{cut}");
            let mut changed = sealed.clone();
            changed[cut] ^= 1;
            assert!(key.keys.open(&name, b"a", &changed).is_err(), "{cut}");
        }
        let longer = [&sealed[..], b"x"].concat();
        assert!(key.keys.open(&name, b"a", &longer).is_err());
    }

    #[test]
    fn a_token_too_large_to_share_is_refused_and_the_largest_fits() {
        let key = keys(1);
        let name = key.keys.name(b"a");
        for (length, fits) in [(65_000, true), (65_536, false)] {
            let token = AccessToken::new(&"x".repeat(length), Timestamp::MAX).unwrap();
            let sealed = key.keys.seal(&name, b"a", &Record { token, minted: Timestamp::UNIX_EPOCH });
            assert_eq!(sealed.is_ok_and(|sealed| sealed.len() <= LARGEST_RECORD), fits);
        }
    }

    #[test]
    fn no_two_credentials_that_differ_in_anything_share_a_name() {
        let (t, u) = (TenantName::parse("a.example").unwrap(), TenantName::parse("b.example").unwrap());
        let key = KeyRef {
            authority: "https://login.example/",
            tenant: Some(&t),
            client: Some(ClientId::from_bytes([1; 16])),
            certificate: 0,
            own: false,
            resource: &Resource::Graph,
            claims: None,
        };
        let all = [
            identity(key, "https://graph.example/.default"),
            identity(key, "https://dod-graph.example/.default"),
            identity(KeyRef { tenant: Some(&u), ..key }, "https://graph.example/.default"),
            identity(KeyRef { certificate: 1, ..key }, "https://graph.example/.default"),
            identity(
                KeyRef { authority: "https://login.example.cn/", ..key },
                "https://graph.example/.default",
            ),
            identity(
                KeyRef { client: Some(ClientId::from_bytes([2; 16])), ..key },
                "https://graph.example/.default",
            ),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| other != one));
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let key = keys(1);
            prop_assert!(key.keys.open(&key.keys.name(b"a"), b"a", &bytes).is_err());
            let versioned = [&[VERSION], &bytes[..]].concat();
            prop_assert!(key.keys.open(&key.keys.name(b"a"), b"a", &versioned).is_err());
        }
    }
}
