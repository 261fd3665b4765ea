use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use proptest::prelude::*;
use std::sync::LazyLock;

use super::*;

struct Sample {
    certificate: String,
    key: String,
    key_der: Vec<u8>,
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn sample() -> Sample {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let pair = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    Sample {
        certificate: pem("CERTIFICATE", certificate.der()),
        key: pem("PRIVATE KEY", der.as_ref()),
        key_der: der.as_ref().to_vec(),
    }
}

static ONE: LazyLock<Sample> = LazyLock::new(sample);
static TWO: LazyLock<Sample> = LazyLock::new(sample);

fn message(result: Result<ClientCertificate>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.to_string()
}

#[test]
fn pem_is_read_in_any_order_with_any_line_ends() {
    let expected = ClientCertificate::from_pem_parts(&ONE.certificate, &ONE.key.clone().into()).unwrap();
    for text in [
        format!("{}{}", ONE.certificate, ONE.key),
        format!("\u{feff}{}Bag Attributes: none\n{}", ONE.key, ONE.certificate),
        format!("{}{}", ONE.certificate, ONE.key).replace('\n', "\r\n"),
        format!("{}{}", ONE.certificate, ONE.key).replace('\n', "\n    "),
        format!("{}{}", ONE.certificate, ONE.key).replace('\n', "\\n"),
        // A chain that begins with another certificate.
        format!("{}{}{}", TWO.certificate, ONE.certificate, ONE.key),
    ] {
        let read = ClientCertificate::from_pem(&text.into()).unwrap();
        assert_eq!(read.thumbprint(), expected.thumbprint());
        assert_eq!(read.der(), expected.der());
    }
    assert_eq!(expected.thumbprint().len(), 40);
}

#[test]
fn pkcs1_is_read_as_well() {
    // A PKCS#8 key is an algorithm and the PKCS#1 key; the latter begins after 26 bytes for 2048 bits.
    let pkcs1 = pem("RSA PRIVATE KEY", &ONE.key_der[26..]);
    let read = ClientCertificate::from_pem(&format!("{pkcs1}{}", ONE.certificate).into()).unwrap();
    let expected = ClientCertificate::from_pem(&format!("{}{}", ONE.key, ONE.certificate).into()).unwrap();
    assert_eq!(read.der(), expected.der());
}

#[test]
fn what_is_missing_or_wrong_is_said_and_nothing_is_repeated() {
    let read = |text: &str| message(ClientCertificate::from_pem(&text.to_owned().into()));
    let damaged = ONE.key.replace('M', "*");
    for (text, said) in [
        (String::new(), "no private key"),
        (ONE.certificate.clone(), "no private key"),
        (ONE.key.clone(), "no certificate"),
        (format!("{}{}{}", ONE.certificate, ONE.key, TWO.key), "several private keys"),
        (format!("{}{}", TWO.certificate, ONE.key), "belongs to none"),
        (format!("{}{}", ONE.certificate, pem("ENCRYPTED PRIVATE KEY", &ONE.key_der)), "encrypted"),
        (format!("{}{}", ONE.certificate, pem("EC PRIVATE KEY", &ONE.key_der)), "no RSA key"),
        (format!("{}{}", ONE.certificate, pem("PRIVATE KEY", &ONE.key_der[..100])), "no RSA key"),
        (format!("{}{damaged}", ONE.certificate), "damaged"),
        (format!("{}{}", pem("CERTIFICATE", b"x"), ONE.key), "is none"),
    ] {
        let shown = read(&text);
        assert!(shown.contains(said), "{shown}");
        assert!(!shown.contains("MII") && !shown.contains("BEGIN PRIVATE"), "{shown}");
    }
}

#[test]
fn trap_15_two_certificates_over_one_key_are_two_credentials() {
    let pair = rcgen::KeyPair::try_from(ONE.key_der.as_slice()).unwrap();
    let mut renewed = rcgen::CertificateParams::default();
    renewed.serial_number = Some(rcgen::SerialNumber::from(2u64));
    let renewed = pem("CERTIFICATE", renewed.self_signed(&pair).unwrap().der());
    let credential = |certificate: &str| {
        ClientCertificateCredential::new(
            Cloud::public(),
            TenantName::parse("contoso.example").unwrap(),
            ClientId::from_bytes([7; 16]),
            ClientCertificate::from_pem_parts(certificate, &ONE.key.clone().into()).unwrap(),
        )
    };
    use crate::token::engine::Issuer as _;
    let [old, new] = [&ONE.certificate, &renewed].map(|c| credential(c).engine.issuer().certificate());
    assert_ne!(old, new);
    assert_ne!(old, 0);
}

#[test]
fn trap_11_debug_shows_the_thumbprint_and_no_key() {
    let certificate = ClientCertificate::from_pem_parts(&ONE.certificate, &ONE.key.clone().into()).unwrap();
    let shown = format!("{certificate:?}");
    assert!(shown.contains(&certificate.thumbprint()) && shown.contains("2048"), "{shown}");
    assert!(shown.len() < 200, "{shown}");
}

#[tokio::test]
async fn signatures_of_both_algorithms_verify() {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    let key = LocalKey(RsaKeyPair::from_pkcs8(&ONE.key_der).unwrap());
    let public = key.0.public_key().as_ref().to_vec();
    for (algorithm, verifier) in [
        (SigningAlgorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
        (SigningAlgorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    ] {
        let signature = Signer::sign(&key, SigningInput::new(algorithm, b"message")).await.unwrap();
        let verifier = UnparsedPublicKey::new(verifier, &public);
        verifier.verify(b"message", &signature).unwrap();
        assert!(verifier.verify(b"massage", &signature).is_err());
    }
}

/// A key in a service that signs with this algorithm only.
#[derive(Debug)]
struct Only(SigningAlgorithm, LocalKey);

impl Signer for Only {
    async fn sign(&self, input: SigningInput<'_>) -> Result<Vec<u8>> {
        if input.algorithm() != self.0 {
            return Err(Error::new(ErrorKind::Unsupported, "not with this key"));
        }
        Signer::sign(&self.1, input).await
    }
}

#[tokio::test]
async fn a_proof_is_signed_by_whatever_the_key_can() {
    let application = "a0000000-0000-4000-8000-000000000001".parse().unwrap();
    for (algorithm, name) in [(SigningAlgorithm::Rs256, "RS256"), (SigningAlgorithm::Ps256, "PS256")] {
        let key = LocalKey(RsaKeyPair::from_pkcs8(&ONE.key_der).unwrap());
        let held = ClientCertificate::with_signer(&ONE.certificate, Only(algorithm, key)).unwrap();
        let proof = held.proof_of_possession(application, Timestamp::UNIX_EPOCH).await.unwrap();
        let header = proof.expose_secret().split('.').next().unwrap().to_owned();
        let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert!(header.contains(name), "{header}");
    }
}

#[test]
fn the_end_is_warned_of_once_for_each_stage() {
    let pair = rcgen::KeyPair::try_from(ONE.key_der.as_slice()).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2027, 1, 31);
    let made = pem("CERTIFICATE", params.self_signed(&pair).unwrap().der());
    let held = ClientCertificate::from_pem_parts(&made, &ONE.key.clone().into()).unwrap();
    assert_eq!(held.not_after().unwrap().to_string(), "2027-01-31T00:00:00Z");
    let warned = |day: &str| {
        held.warn_of_end(format!("{day}T12:00:00Z").parse().unwrap());
        held.0.warned.load(Ordering::Relaxed)
    };
    for (day, stage) in [
        ("2026-12-31", i64::MAX),
        ("2027-01-02", 30),
        ("2027-01-20", 14),
        ("2027-01-25", 7),
        ("2027-01-30", 1),
        ("2027-01-31", 0),
        ("2027-02-01", 0),
    ] {
        assert_eq!(warned(day), stage, "{day}");
    }
}

#[cfg(feature = "pfx")]
#[test]
fn a_pfx_of_either_encryption_is_read() {
    use p12_keystore::{Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm};
    use p12_keystore::{PrivateKey, PrivateKeyChain};
    let expected = ClientCertificate::from_pem_parts(&ONE.certificate, &ONE.key.clone().into()).unwrap();
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new(
        vec![1],
        PrivateKey::from_der(&ONE.key_der).unwrap(),
        [Certificate::from_der(expected.der()).unwrap()],
    );
    store.add_entry("acme", KeyStoreEntry::PrivateKeyChain(chain));
    for (encryption, mac) in [
        (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256),
        (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1),
    ] {
        let bytes =
            store.writer("Pa55 wörd").encryption_algorithm(encryption).mac_algorithm(mac).write().unwrap();
        let read = ClientCertificate::from_pfx(&bytes, &"Pa55 wörd".into()).unwrap();
        assert_eq!(read.der(), expected.der());
        let wrong = message(ClientCertificate::from_pfx(&bytes, &"Pa55".into()));
        assert!(wrong.contains("password") && !wrong.contains("Pa55"), "{wrong}");
        assert!(message(ClientCertificate::from_pfx(&bytes[..200], &"x".into())).contains("damaged"));
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".*", cut in 0usize..2000, junk in "[ -~\n]{0,40}") {
        let _read = ClientCertificate::from_pem(&text.into());
        let _read = ClientCertificate::from_pem(&format!("-----BEGIN {junk}").into());
        let whole = format!("{}{}", ONE.certificate, ONE.key);
        let cut = cut.min(whole.len());
        let spoilt = format!("{}{junk}{}", &whole[..cut], &whole[cut..]);
        let _read = ClientCertificate::from_pem(&spoilt.into());
        let short = ClientCertificate::from_pem(&whole[..cut].to_owned().into());
        prop_assert!(short.is_err() || cut + 2 >= whole.len());
    }
}

#[cfg(feature = "pfx")]
proptest! {
    #[test]
    fn reading_a_pfx_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(ClientCertificate::from_pfx(&bytes, &"x".into()).is_err());
    }
}
