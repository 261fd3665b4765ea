//! A key with its self-signed certificate, made here and kept here.

use std::fmt;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use m365_core::{Error, Result, later};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, RsaKeySize};
#[cfg(unix)]
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::ClientCertificate;
use crate::PublicCertificate;

/// Longest life.
const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);

/// A fresh RSA key of 2048 bits, which Entra takes, and a certificate over it that it has signed itself. The key leaves the
/// process by [`write_to`](Self::write_to) alone.
///
/// ```
/// use graph_auth::GeneratedCertificate;
/// use std::time::Duration;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("acme.pem");
/// let made = GeneratedCertificate::new("Acme connector", Duration::from_secs(365 * 86_400))?;
/// # #[cfg(unix)]
/// made.write_to(&path)?;
/// println!("register {}", made.public().thumbprint());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GeneratedCertificate {
    pem: SecretString,
    certificate: ClientCertificate,
    public: PublicCertificate,
}

impl GeneratedCertificate {
    /// A certificate with this common name, valid from now (less five minutes, for clocks that differ) for this long by the
    /// machine's clock.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the name is empty, longer than the 64 characters that a
    /// common name may have, or holds control characters, when it would live for less than a day or more than 100 years, or
    /// when no key can be made.
    pub fn new(common_name: &str, lifetime: Duration) -> Result<Self> {
        Self::starting(common_name, Timestamp::now(), lifetime)
    }

    /// As [`new`](Self::new), from another time.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn starting(common_name: &str, now: Timestamp, lifetime: Duration) -> Result<Self> {
        crate::registration::check_name("common name", common_name)?;
        if common_name.chars().count() > 64 {
            return Err(Error::invalid("a common name has at most 64 characters"));
        }
        if !(Duration::from_secs(86_400)..=LONGEST).contains(&lifetime) {
            return Err(Error::invalid(
                "a certificate must live for a day at least, and for 100 years at most",
            ));
        }
        let failed = |e: rcgen::Error| Error::invalid("no certificate can be made").with_source(e);
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let early = now.checked_sub(Duration::from_secs(300)).unwrap_or(now);
        // rcgen counts in the calendar of another crate; this way that crate is not named.
        let date = |at: Timestamp| {
            let seconds = u64::try_from(at.as_second()).unwrap_or_default();
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        params.not_before = date(early);
        params.not_after = date(later(now, lifetime));
        let made = params.self_signed(&key).map_err(failed)?;
        let key_pem = Zeroizing::new(key.serialize_pem());
        let pem: SecretString = format!("{}{}", *key_pem, made.pem()).into();
        let certificate = ClientCertificate::from_pem(&pem)?;
        let public = certificate.public()?;
        Ok(Self { pem, certificate, public })
    }

    /// It as a credential's certificate.
    pub fn certificate(&self) -> &ClientCertificate {
        &self.certificate
    }

    /// Its public half, for the registration.
    pub fn public(&self) -> &PublicCertificate {
        &self.public
    }

    /// Writes key and certificate as one PEM text, which [`ClientCertificate::from_pem`] reads, into a new file that only its
    /// owner may read (0600). The file is complete or not there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when something is there already, a symbolic link included;
    /// when the directory is not there, is a symbolic link, belongs to another user, or may be written by others; and
    /// when the file cannot be written. Nothing is overwritten.
    #[cfg(unix)]
    pub fn write_to(&self, path: &Path) -> Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

        let io = |what: &str| {
            let what = format!("{what} {}", path.display());
            move |e: std::io::Error| Error::invalid(what).with_source(e)
        };
        let name = path.file_name().ok_or_else(|| Error::invalid("the path names no file"))?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let seen =
            std::fs::symlink_metadata(directory).map_err(io("there is no directory for the key file"))?;
        if !seen.is_dir() {
            return Err(Error::invalid("the key file's directory is none, or a symbolic link to one"));
        }
        if seen.mode() & 0o022 != 0 {
            return Err(Error::invalid(
                "others may write the key file's directory: a key does not belong there",
            ));
        }
        // Beside its place and then linked to it: a link is refused where anything stands, which a rename is not.
        let mut draft = name.to_owned();
        draft.push(format!(".{}", uuid::Uuid::new_v4().simple()));
        let draft = directory.join(draft);
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(io("the key file cannot be made:"))
            .and_then(|mut file| {
                // What was made just now belongs to whoever this process is.
                let mine = file.metadata().map_err(io("the key file cannot be read:"))?.uid();
                if seen.uid() != mine {
                    return Err(Error::invalid("the key file's directory belongs to another user"));
                }
                file.write_all(self.pem.expose_secret().as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(io("the key file cannot be written:"))?;
                std::fs::hard_link(&draft, path)
                    .map_err(io("the key file is not written, something is there:"))
            });
        // When there was no draft, this finds nothing.
        drop(std::fs::remove_file(&draft));
        written
    }
}

impl fmt::Debug for GeneratedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GeneratedCertificate").field(&self.public).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn subject_and_life_are_as_asked_for_and_no_key_is_shown() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let made = GeneratedCertificate::starting("Acme, Inc.", now, YEAR).unwrap();
        let public = made.public();
        assert_eq!(public.subject(), r"CN=Acme\, Inc.");
        assert_eq!(public.not_before().to_string(), "2026-11-21T07:55:00Z");
        assert_eq!(public.not_after().to_string(), "2027-11-21T08:00:00Z");
        assert_eq!(made.certificate().thumbprint(), public.thumbprint());
        assert!(!format!("{made:?}").contains("PRIVATE"));
        assert!(format!("{:?}", made.certificate()).contains("2048"));
    }

    #[test]
    fn wishes_that_cannot_be_met_are_refused() {
        let day = Duration::from_secs(86_400);
        let long = "x".repeat(65);
        for (name, life) in
            [("", YEAR), (long.as_str(), YEAR), ("a\nb", YEAR), ("a", day / 2), ("a", YEAR * 101)]
        {
            assert_eq!(GeneratedCertificate::new(name, life).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_key_file_is_private_and_never_takes_the_place_of_anything() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let made = GeneratedCertificate::new("acme", YEAR).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("acme.pem");
        made.write_to(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let read = ClientCertificate::from_pem(&text.clone().into()).unwrap();
        assert_eq!(read.der(), made.public().der());

        // Again, over a file, a link to a file, and a link to nothing.
        let other = GeneratedCertificate::new("other", YEAR).unwrap();
        let (link, dangling) = (directory.path().join("link"), directory.path().join("dangling"));
        symlink(&path, &link).unwrap();
        symlink(directory.path().join("nothing"), &dangling).unwrap();
        for taken in [&path, &link, &dangling] {
            let error = other.write_to(taken).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!format!("{error} {error:?}").contains("PRIVATE"));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(!directory.path().join("nothing").exists());

        // Directories that others may write, that are links, that are not there.
        let shared = directory.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
        let via = directory.path().join("via");
        symlink(directory.path(), &via).unwrap();
        for bad in [shared.join("k"), via.join("k"), directory.path().join("absent/k")] {
            assert!(other.write_to(&bad).is_err(), "{}", bad.display());
            assert!(!bad.exists());
        }
        // No draft stays behind.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 5);
        assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
    }
}
