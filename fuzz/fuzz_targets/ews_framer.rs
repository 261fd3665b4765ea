//! A stream of envelopes: wherever it is cut into chunks, the same envelopes come out and it ends the same way.
#![no_main]

use ews_client::{EnvelopeFramer, ErrorKind};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [sizes, stream @ ..] = data else { return };
    // Half of them with a cap that such small streams reach.
    let cap = if sizes & 0x80 == 0 { 8 << 20 } else { 200 };
    let whole = frame(cap, [stream]);
    let single = frame(cap, stream.chunks(1));
    let some = frame(cap, stream.chunks(usize::from(sizes & 0x7F).max(2)));
    for pieces in [single, some] {
        assert_eq!(whole.0, pieces.0);
        if cap > stream.len() {
            assert_eq!(whole.1, pieces.1);
        } else {
            // What is both too long and wrong is refused for the one or the other.
            assert_eq!(whole.1.is_some(), pieces.1.is_some());
        }
    }
    let mut rest = stream;
    for envelope in &whole.0 {
        let at =
            rest.windows(envelope.len()).position(|window| window == envelope).expect("bytes of the stream");
        rest = &rest[at + envelope.len()..];
        assert!(envelope.len() <= cap && envelope.starts_with(b"<") && envelope.ends_with(b">"));
    }
});

fn frame<'a>(cap: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<ErrorKind>) {
    let mut framer = EnvelopeFramer::with_cap(cap);
    let mut found = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next_envelope() {
                Ok(Some(envelope)) => found.push(envelope.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    fuzz::told(&error);
                    return (found, Some(error.kind()));
                }
            }
        }
    }
    (found, framer.finish().err().map(|error| error.kind()))
}
