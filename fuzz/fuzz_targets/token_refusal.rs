//! A refusal of the token endpoint or of something in between: status, a header, body.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8], &[u8])| {
    let (status, header, body) = input;
    fuzz::ask(300 + status % 300, Some(header), body);
});
