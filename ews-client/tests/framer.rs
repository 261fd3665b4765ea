//! Streams cut into envelopes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ews_client::{EnvelopeFramer, ErrorKind, Result, read_envelope};
use proptest::prelude::*;

const S: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Envelopes as they were seen, and some that are merely allowed.
fn envelopes() -> Vec<String> {
    let m = r#"xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types""#;
    let message = |inside: &str| {
        format!(
            r#"<s:Body><m:GetStreamingEventsResponse {m}><m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{inside}</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse></s:Body>"#
        )
    };
    vec![
        format!(r#"<s:Envelope xmlns:s="{S}">{}</s:Envelope>"#, message("<m:ConnectionStatus>OK</m:ConnectionStatus>")),
        format!(
            r#"<s:Envelope xmlns:s="{S}" note='a > b "</s:Envelope>'>{}</s:Envelope >"#,
            message(r#"<m:Notifications><m:Notification><t:SubscriptionId>JgBjbzFw</t:SubscriptionId><t:CreatedEvent><t:TimeStamp>2026-11-23T04:31:29Z</t:TimeStamp><t:ItemId Id="AAMkAD0=" ChangeKey="CQAAAA=="/><t:ParentFolderId Id="AQMkAD0=" ChangeKey="AQAAAA=="/></t:CreatedEvent></m:Notification></m:Notifications>"#)
        ),
        format!(
            r#"<Envelope xmlns="{S}"><!-- </Envelope> -- --><Body><?x </Envelope> ?><![CDATA[</Envelope>]] ]> <Envelope>]]><EnvelopeX></EnvelopeX><Envelope a="/"><Envelope b="/>"/></Envelope></Body></Envelope>"#
        )
        .replace(" -- -->", " - -->"),
        format!(r#"<soap11:Envelope xmlns:soap11="{S}"/>"#),
        format!("<s:Envelope\n xmlns:s=\"{S}\"\n>{}\n</s:Envelope>", message("<m:ConnectionStatus>Closed</m:ConnectionStatus>")),
    ]
}

fn stream() -> (Vec<u8>, Vec<String>) {
    let envelopes = envelopes();
    let between = [
        "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>",
        "",
        "\r\n \u{FEFF}",
        "<!-- between > --><?xml version=\"1.0\"?>\n",
        "\n",
    ];
    let mut stream = String::new();
    for (before, envelope) in between.iter().zip(&envelopes) {
        stream.push_str(before);
        stream.push_str(envelope);
    }
    stream.push_str("\r\n");
    (stream.into_bytes(), envelopes)
}

fn frame<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Result<()>) {
    let mut framer = EnvelopeFramer::new();
    let mut found = Vec::new();
    for chunk in chunks {
        framer.push(chunk);
        loop {
            match framer.next_envelope() {
                Ok(Some(envelope)) => found.push(String::from_utf8(envelope.to_vec()).unwrap()),
                Ok(None) => break,
                Err(error) => return (found, Err(error)),
            }
        }
    }
    (found, framer.finish())
}

#[test]
fn trap_07_every_chunk_size_gives_the_same_envelopes() {
    let (stream, expected) = stream();
    for size in 1..=stream.len() {
        let (found, end) = frame(stream.chunks(size));
        assert_eq!(found, expected, "chunks of {size}");
        end.unwrap();
    }
}

#[test]
fn trap_07_a_stream_cut_at_every_byte_gives_what_was_whole_and_says_that_it_was_cut() {
    let (stream, expected) = stream();
    let mut ends = Vec::new();
    let mut from = 0;
    for envelope in &expected {
        let at =
            from + stream[from..].windows(envelope.len()).position(|w| w == envelope.as_bytes()).unwrap();
        from = at + envelope.len();
        ends.push((at, from));
    }
    for cut in 0..=stream.len() {
        // In two halves, too: nothing hangs on where the border of the chunk is.
        let whole = ends.iter().filter(|(_, end)| *end <= cut).count();
        let inside = ends.iter().any(|(begin, end)| *begin < cut && cut < *end);
        let (found, end) = frame([&stream[..cut / 2], &stream[cut / 2..cut]]);
        assert_eq!(found, expected[..whole], "cut at {cut}");
        if inside {
            assert_eq!(end.unwrap_err().kind(), ErrorKind::Network, "cut at {cut}");
        }
        let (found, end) = frame([&stream[..cut], &stream[cut..]]);
        assert_eq!(found, expected, "split at {cut}");
        end.unwrap();
    }
}

#[test]
fn trap_07_an_envelope_comes_with_the_chunk_that_completes_it() {
    let (stream, expected) = stream();
    let mut framer = EnvelopeFramer::new();
    let (mut text, mut count) = (Vec::new(), 0);
    for byte in &stream {
        text.push(*byte);
        framer.push(&[*byte]);
        if let Some(envelope) = framer.next_envelope().unwrap() {
            assert!(text.ends_with(&envelope));
            count += 1;
        }
    }
    assert_eq!(count, expected.len());
    assert_eq!(framer.pending(), 0);
}

#[test]
fn what_is_no_envelope_is_an_error_with_its_offset() {
    for (stream, offset) in [
        ("<html><body>Sign in</body></html>", "byte 0"),
        ("  <Envelope/> oops", "byte 14"),
        ("<Envelope/><!DOCTYPE x>", "byte 11"),
        ("<Envelopes/>", "byte 0"),
        ("</Envelope>", "byte 0"),
        ("HTTP/1.1 200", "byte 0"),
    ] {
        let (_, end) = frame([stream.as_bytes()]);
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{stream}");
        assert!(error.to_string().contains(offset), "{stream}: {error}");
    }
    let mut framer = EnvelopeFramer::new();
    framer.push(b"x");
    assert!(framer.next_envelope().is_err());
    framer.push(b"<Envelope/>");
    assert!(framer.next_envelope().is_err(), "a broken stream stays broken");
    assert!(framer.finish().is_err());
}

#[test]
fn a_name_without_end_is_refused_alike_whole_and_in_pieces() {
    for (length, fits) in [(118, true), (119, true), (120, false), (4_000, false)] {
        let prefix = "x".repeat(length);
        let stream = format!("<{prefix}:Envelope></{prefix}:Envelope>");
        for size in [1, 7, stream.len()] {
            let (found, end) = frame(stream.as_bytes().chunks(size));
            assert_eq!((found.len(), end.is_ok()), (usize::from(fits), fits), "{length} in chunks of {size}");
        }
    }
}

#[test]
fn what_stands_between_envelopes_is_not_kept() {
    let stream = format!("<?xml {}?><!-- {} --><Envelope/>", "x".repeat(500), "-x".repeat(500));
    for size in [1, 7, 150, stream.len()] {
        let mut framer = EnvelopeFramer::with_cap(100);
        let mut found = Vec::new();
        for chunk in stream.as_bytes().chunks(size) {
            framer.push(chunk);
            found.extend(framer.next_envelope().unwrap());
            assert!(size == stream.len() || framer.pending() < size + 20, "{} bytes", framer.pending());
        }
        assert_eq!(found, ["<Envelope/>"], "chunks of {size}");
    }
}

#[test]
fn an_envelope_above_the_cap_is_refused_whether_it_ends_or_not() {
    for end in ["", "</Envelope>"] {
        let mut framer = EnvelopeFramer::with_cap(100);
        framer.push(format!("<Envelope>{}{end}", "x".repeat(100)).as_bytes());
        assert_eq!(framer.next_envelope().unwrap_err().kind(), ErrorKind::Limit);
    }
    let mut framer = EnvelopeFramer::with_cap(100);
    framer.push("<Envelope/>".repeat(50).as_bytes());
    let mut count = 0;
    while framer.next_envelope().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 50, "the cap is for each, not for all");
}

#[test]
fn trap_06_illegal_characters_in_a_stream_are_the_readers_business() {
    let xml = format!(r#"<Envelope xmlns="{S}"><Body><x>&#x1F;{}</x></Body></Envelope>"#, '\u{1}');
    let mut framer = EnvelopeFramer::new();
    framer.push(xml.as_bytes());
    let envelope = framer.next_envelope().unwrap().unwrap();
    assert_eq!(read_envelope(&envelope).unwrap().replaced, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_split_gives_the_same_envelopes(sizes in proptest::collection::vec(1_usize..60, 1..200)) {
        let (stream, expected) = stream();
        let mut rest = stream.as_slice();
        let mut chunks = Vec::new();
        for size in sizes {
            let (chunk, more) = rest.split_at(size.min(rest.len()));
            chunks.push(chunk);
            rest = more;
        }
        chunks.push(rest);
        let (found, end) = frame(chunks);
        prop_assert_eq!(found, expected);
        prop_assert!(end.is_ok());
    }

    /// What is remembered of how envelopes begin hides nothing in those that begin alike.
    #[test]
    fn envelopes_that_begin_alike_up_to_anywhere_are_each_found(
        picks in proptest::collection::vec((0_usize..4, 0_usize..14, 0_usize..3), 1..40),
        size in 1_usize..400,
    ) {
        let heads = [
            r#"<s:Envelope a="1">"#,
            r#"<s:Envelope a="1"><s:Header/>"#,
            r#"<s:Envelope a=">">"#,
            r#"<x:Envelope a="1">"#,
        ];
        let bodies = [
            "", "<b/>", "<!-- </N> -->", "<!-- <N> -->", "<![CDATA[</N>]]>", "<?x </N>?>", "<N>a</N>", "<N/>", "<Ns>",
            "</Ns>", "<s:Envelope/>", "</x:Envelope>", "<s:Body>a</s:Body>", "<s:Body>a</s:Body><!-- </N> -->",
        ];
        let expected: Vec<String> = picks
            .iter()
            .map(|(head, body, last)| {
                let name = if *head == 3 { "x:Envelope" } else { "s:Envelope" };
                // An end tag of its own would be the end.
                let body = if *head == 3 && bodies[*body] == "</x:Envelope>" { "" } else { bodies[*body] };
                let body = body.replace('N', name);
                let last = ["", " ", "<s:Body/>"][*last];
                if last == " " {
                    format!("{}{body}</{name} >", heads[*head])
                } else {
                    format!("{}{body}{last}</{name}>", heads[*head])
                }
            })
            .collect();
        let stream = expected.join("\r\n");
        let (found, end) = frame(stream.as_bytes().chunks(size));
        prop_assert_eq!(found, expected);
        prop_assert!(end.is_ok());
    }

    #[test]
    fn any_bytes_in_any_chunks_end_the_same_way(bytes in "[<>/!?\\-\\[\\]CDATEnvelop\"' x]{0,80}", size in 1_usize..9) {
        let (whole, end) = frame([bytes.as_bytes()]);
        let (pieces, end_of_pieces) = frame(bytes.as_bytes().chunks(size));
        prop_assert_eq!(whole, pieces);
        prop_assert_eq!(end.is_ok(), end_of_pieces.is_ok());
    }
}
