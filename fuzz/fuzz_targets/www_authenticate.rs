//! A challenge of a resource.
#![no_main]

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, value);
    if let Some(claims) = m365_core::claims_challenge::read(&headers) {
        assert!(claims.starts_with(|c: char| !c.is_control() || c.is_whitespace()));
    }
});
