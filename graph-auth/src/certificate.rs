//! The public half of a certificate: what a registration holds, and all that may be written down.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A certificate without its key. It may be stored and logged; `Debug` shows subject, thumbprint and end.
///
/// ```
/// # let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
/// # let pem = rcgen::CertificateParams::default().self_signed(&key)?.pem();
/// let certificate = graph_auth::PublicCertificate::from_pem(&pem)?;
/// println!("{} ends {}", certificate.thumbprint(), certificate.not_after());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicCertificate {
    #[serde(with = "der")]
    der: Vec<u8>,
    thumbprint: String,
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl PublicCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is no X.509 certificate, or its key is no RSA
    /// key: Entra takes no other.
    #[cfg(feature = "certificate")]
    pub fn from_der(der: &[u8]) -> crate::Result<Self> {
        use m365_core::Error;
        use x509_cert::der::Decode as _;

        const RSA: x509_cert::der::oid::ObjectIdentifier =
            x509_cert::der::oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        let none = || Error::invalid("what should be an X.509 certificate is none");
        let parsed = x509_cert::Certificate::from_der(der).map_err(|e| none().with_source(e))?;
        let body = parsed.tbs_certificate();
        if body.subject_public_key_info().algorithm.oid != RSA {
            return Err(Error::invalid("the certificate's key is no RSA key, and Entra takes no other"));
        }
        let time = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| none())?;
            Timestamp::from_second(seconds).map_err(|_| none())
        };
        let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, der);
        Ok(Self {
            der: der.to_vec(),
            thumbprint: sha1.as_ref().iter().map(|byte| format!("{byte:02X}")).collect(),
            subject: body.subject().to_string(),
            not_before: time(body.validity().not_before)?,
            not_after: time(body.validity().not_after)?,
        })
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when there is none, as [`from_der`](Self::from_der),
    /// and when the text holds a private key: a registration needs none, and it should not go where this goes.
    #[cfg(feature = "certificate")]
    pub fn from_pem(pem: &str) -> crate::Result<Self> {
        use m365_core::Error;
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject as _;

        if pem.contains("PRIVATE KEY") {
            return Err(Error::invalid(
                "the PEM text holds a private key: hand in the certificate alone, a registration needs no more",
            ));
        }
        // The reader's own errors repeat lines of the text.
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| Error::invalid("the PEM text holds no certificate, or a damaged one"))?;
        Self::from_der(&der)
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-1 thumbprint as the portal shows it: 40 hexadecimal digits, upper case.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The subject, as RFC 4514 writes it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether subject and issuer are the same, so that no authority vouches for it. Without the feature `certificate` that is
    /// not told apart, and every certificate counts as issued.
    pub(crate) fn is_self_signed(&self) -> bool {
        #[cfg(feature = "certificate")]
        {
            use x509_cert::der::Decode as _;
            x509_cert::Certificate::from_der(&self.der)
                .is_ok_and(|parsed| parsed.tbs_certificate().issuer() == parsed.tbs_certificate().subject())
        }
        #[cfg(not(feature = "certificate"))]
        false
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends to be valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            der: b"0\x82 no certificate, and this module's readers do not look".to_vec(),
            thumbprint: "AB".repeat(20),
            subject: "CN=acme".to_owned(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::MAX,
        }
    }
}

impl fmt::Debug for PublicCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicCertificate")
            .field("subject", &self.subject)
            .field("thumbprint", &self.thumbprint)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// DER as base64.
mod der {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(der: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(der))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map_err(|_| D::Error::custom("the certificate is not base64"))
    }
}

#[cfg(feature = "certificate")]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rsa() -> (rcgen::KeyPair, rcgen::CertificateParams) {
        let key =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Acme, Inc.");
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        (key, params)
    }

    #[test]
    fn subject_thumbprint_and_dates_are_read() {
        let (key, params) = rsa();
        let made = params.self_signed(&key).unwrap();
        let read = PublicCertificate::from_pem(&made.pem()).unwrap();
        assert_eq!(read, PublicCertificate::from_der(made.der()).unwrap());
        assert_eq!(read.subject(), r"CN=Acme\, Inc.");
        assert_eq!(read.thumbprint().len(), 40);
        assert_eq!(read.not_before().to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(read.not_after().to_string(), "2051-03-04T00:00:00Z");
        let stored = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<PublicCertificate>(&stored).unwrap(), read);
    }

    #[test]
    fn what_is_no_certificate_of_an_app_is_refused() {
        let (key, params) = rsa();
        let both = format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem());
        let elliptic = rcgen::KeyPair::generate().unwrap();
        let elliptic = params.self_signed(&elliptic).unwrap().pem();
        for (text, said) in [(both.as_str(), "private key"), (&elliptic, "RSA"), ("", "no certificate")] {
            let error = PublicCertificate::from_pem(text).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
            assert!(error.message().contains(said) && !error.message().contains("MII"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(PublicCertificate::from_der(&bytes).is_err());
        }
    }
}
