//! A PEM text with certificates and keys.
#![no_main]

use graph_auth::ClientCertificate;

libfuzzer_sys::fuzz_target!(|pem: &str| {
    if let Err(error) = ClientCertificate::from_pem(&pem.into()) {
        fuzz::told(&error);
    }
});
