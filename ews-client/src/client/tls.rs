//! TLS of the connections that are signed in.

use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use m365_core::{Acted, Error, ErrorKind, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// A connector that trusts what the platform trusts, or these PEM certificates only.
pub(super) fn connector(roots: Option<&str>) -> Result<TlsConnector> {
    let unsupported = |error: rustls::Error| {
        Error::new(ErrorKind::Unsupported, "TLS could not be set up").with_acted(Acted::No).with_source(error)
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unsupported)?;
    let mut config = match roots {
        None => builder.with_platform_verifier().map_err(unsupported)?.with_no_client_auth(),
        Some(pem) => {
            let unreadable = || Error::invalid("the PEM text holds no readable certificate");
            let mut store = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                store.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
            }
            if store.is_empty() {
                return Err(unreadable());
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
    };
    // The handshake binds to an HTTP/1.1 connection.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The hash of a server's certificate for `tls-server-end-point`: by the hash of its own signature, with SHA-256 in place
/// of MD5 and SHA-1, and where the signature has no one hash.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc5929#section-4.1>.
pub(super) fn end_point(certificate: &[u8]) -> Vec<u8> {
    let algorithm = match Certificate::from_der(certificate) {
        Ok(certificate) => match certificate.signature_algorithm().oid.to_string().as_str() {
            // RSA, then ECDSA.
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &SHA384,
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &SHA512,
            _ => &SHA256,
        },
        Err(_) => &SHA256,
    };
    digest::digest(algorithm, certificate).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = rcgen::CertificateParams::new(vec!["mail.fabrikam.example".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_certificates_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, 32),
            (&rcgen::PKCS_ECDSA_P384_SHA384, 48),
            (&rcgen::PKCS_ED25519, 32),
        ] {
            assert_eq!(end_point(&certificate(algorithm)).len(), length);
        }
        assert_eq!(end_point(b"no certificate").len(), 32);
    }

    #[test]
    fn roots_that_cannot_be_read_are_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no certificate", broken] {
            assert_eq!(connector(Some(pem)).err().unwrap().kind(), ErrorKind::InvalidInput);
        }
        assert!(connector(None).is_ok());
    }
}
