//! A success of the token endpoint, in whatever form.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::ask(200, None, body));
