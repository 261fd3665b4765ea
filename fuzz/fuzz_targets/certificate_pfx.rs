//! A PFX file, opened with the password of the seeds.
#![no_main]

use graph_auth::ClientCertificate;

libfuzzer_sys::fuzz_target!(|pfx: &[u8]| {
    if let Err(error) = ClientCertificate::from_pfx(pfx, &"sesame".into()) {
        fuzz::told(&error);
    }
});
