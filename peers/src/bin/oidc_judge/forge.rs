//! Assertions, honest and forged, signed by hand: our library would not make the forged ones.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use graph_auth::{
    AssertionRequest, ClientCertificate, Error, ErrorKind, Result, Signer, SigningAlgorithm, SigningInput,
};
use serde_json::{Value, json};

/// An RSA key with a certificate over it.
pub(crate) struct Key {
    pair: KeyPair,
    certificate: String,
    pem: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// How an assertion differs from a good one.
#[derive(Clone, Debug)]
pub(crate) struct Forged {
    pub(crate) algorithm: &'static str,
    pub(crate) audience: Option<&'static str>,
    pub(crate) jti: Option<String>,
    /// Seconds from now to its end.
    pub(crate) ends_in: i64,
    pub(crate) spoiled: bool,
}

impl Default for Forged {
    fn default() -> Self {
        Self { algorithm: "PS256", audience: None, jti: None, ends_in: 300, spoiled: false }
    }
}

impl Key {
    pub(crate) fn generate() -> std::result::Result<Self, String> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|e| e.to_string())?;
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|e| e.to_string())?;
        let signer = rcgen::KeyPair::try_from(der.as_ref()).map_err(|e| e.to_string())?;
        let certificate =
            rcgen::CertificateParams::default().self_signed(&signer).map_err(|e| e.to_string())?;
        let pem = |label: &str, der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
        };
        Ok(Self {
            certificate: pem("CERTIFICATE", certificate.der()),
            pem: pem("PRIVATE KEY", der.as_ref()),
            pair,
        })
    }

    /// The public key for a client of the judge.
    pub(crate) fn jwk(&self, algorithm: &str) -> Value {
        let public = self.pair.public_key();
        json!({
            "kty": "RSA", "use": "sig", "alg": algorithm, "kid": algorithm,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub(crate) fn certificate(&self) -> std::result::Result<ClientCertificate, String> {
        ClientCertificate::from_pem_parts(&self.certificate, &self.pem.as_str().into())
            .map_err(|e| e.to_string())
    }

    pub(crate) fn certificate_by(&self, signer: NoPss) -> std::result::Result<ClientCertificate, String> {
        ClientCertificate::with_signer(&self.certificate, signer).map_err(|e| e.to_string())
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let padding: &'static dyn RsaEncoding =
            if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(padding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| "no signature".to_owned())?;
        Ok(signature)
    }

    pub(crate) fn assertion(
        &self,
        forged: &Forged,
        asked: &AssertionRequest,
    ) -> std::result::Result<String, String> {
        let now = jiff::Timestamp::now().as_second();
        let client = asked.client.to_string();
        let claims = json!({
            "aud": forged.audience.unwrap_or(&asked.audience), "iss": client, "sub": client,
            "jti": forged.jti.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            "iat": now - 60, "nbf": now - 60, "exp": now + forged.ends_in,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&json!({"alg": forged.algorithm, "typ": "JWT"})), part(&claims));
        let mut signature = self.sign(forged.algorithm, input.as_bytes())?;
        if let Some(first) = signature.first_mut().filter(|_| forged.spoiled) {
            *first ^= 1;
        }
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A key store that knows nothing of PSS, as old ones do not.
#[derive(Debug)]
pub(crate) struct NoPss(pub(crate) Arc<Key>);

impl Signer for NoPss {
    async fn sign(&self, input: SigningInput<'_>) -> Result<Vec<u8>> {
        match input.algorithm() {
            SigningAlgorithm::Rs256 => self.0.sign("RS256", input.message()).map_err(Error::invalid),
            _ => Err(Error::new(ErrorKind::Unsupported, "this key store signs RS256 only")),
        }
    }
}

/// The header of an assertion.
pub(crate) fn header(assertion: &str) -> Value {
    let first = assertion.split('.').next().unwrap_or_default();
    URL_SAFE_NO_PAD
        .decode(first)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
