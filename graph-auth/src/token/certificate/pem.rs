//! Certificates and RSA keys out of PEM texts. <https://www.rfc-editor.org/rfc/rfc7468>

use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use m365_core::{Error, Result};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use zeroize::Zeroizing;

/// What a text holds, in its order.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) keys: Vec<RsaKeyPair>,
}

/// Reads all certificates and RSA keys. Blanks around lines, a byte order mark, text between the sections and, where an
/// environment variable lost its line breaks, `\n` spelt out are no obstacle.
pub(super) fn read(text: &str) -> Result<Contents> {
    let spelt_out = !text.contains('\n') && text.contains("\\n");
    let text = Zeroizing::new(if spelt_out { text.replace("\\n", "\n") } else { text.to_owned() });
    let mut tidy = Zeroizing::new(String::with_capacity(text.len() + 1));
    for line in text.trim_start_matches('\u{feff}').lines() {
        tidy.push_str(line.trim());
        tidy.push('\n');
    }
    // The reader passes over sections that it does not know: without this an encrypted key would just be missing.
    if tidy.contains("BEGIN ENCRYPTED PRIVATE KEY") || tidy.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Error::invalid(
            "the private key of the PEM text is encrypted: store it decrypted where only this service reads it, or use a \
             PFX file with its password",
        ));
    }
    let mut contents = Contents::default();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(tidy.as_bytes()) {
        // The reader's own errors repeat lines of the text, so they stay out of the chain.
        let (kind, bytes) = section.map_err(|_| Error::invalid("the PEM text is damaged"))?;
        let bytes = Zeroizing::new(bytes);
        match kind {
            SectionKind::Certificate => contents.certificates.push(certificate(&bytes)?),
            SectionKind::PrivateKey => contents.keys.push(pkcs8(&bytes)?),
            SectionKind::RsaPrivateKey => contents.keys.push(RsaKeyPair::from_der(&bytes).map_err(no_key)?),
            SectionKind::EcPrivateKey => return Err(no_key("EC")),
            _ => {}
        }
    }
    Ok(contents)
}

pub(super) fn pkcs8(bytes: &[u8]) -> Result<RsaKeyPair> {
    RsaKeyPair::from_pkcs8(bytes).map_err(no_key)
}

/// Refuses what is no DER sequence. The rest of the structure does not matter here: the thumbprint is a hash of it all.
pub(super) fn certificate(bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.first() == Some(&0x30) && bytes.len() > 64 {
        return Ok(bytes.to_vec());
    }
    Err(Error::invalid("what the text calls a certificate is none"))
}

/// Puts the certificate of this key first. The key's public half stands in its certificate byte for byte, so finding it
/// takes no parser.
pub(super) fn leaf_first(mut chain: Vec<Vec<u8>>, key: &RsaKeyPair) -> Option<Vec<Vec<u8>>> {
    let public = key.public_key().as_ref();
    let at = chain.iter().position(|der| der.windows(public.len()).any(|part| part == public))?;
    let leaf = chain.remove(at);
    chain.insert(0, leaf);
    Some(chain)
}

fn no_key<E>(_: E) -> Error {
    Error::invalid("the private key is no RSA key of 2048 to 8192 bits, and Entra takes no other")
}
