//! An access token's claims.
#![no_main]

use graph_auth::TokenClaims;

libfuzzer_sys::fuzz_target!(|token: &str| {
    if let Err(error) = TokenClaims::parse(token) {
        fuzz::told(&error);
    }
});
