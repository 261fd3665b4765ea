//! Microsoft's own samples, read from the folder that `EWS_DATA` names. They are not part of this repository.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use ews_client::{Body, CodeClass, EnvelopeFramer, ResponseClass, read_envelope};

fn samples() -> Option<Vec<(String, Vec<u8>)>> {
    let Some(root) = std::env::var_os("EWS_DATA") else {
        eprintln!("NOT RUN: EWS_DATA does not name the folder with Microsoft's samples of EWS");
        return None;
    };
    let folder = PathBuf::from(root).join("microsoft-docs-samples");
    let mut samples: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "xml"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    samples.sort();
    assert_eq!(samples.len(), 486, "the samples are not those that this test was written for");
    Some(samples)
}

#[test]
fn trap_23_every_sample_of_microsoft_is_read() {
    let Some(samples) = samples() else { return };
    let (mut responses, mut requests, mut messages, mut errors) = (0, 0, 0, BTreeMap::new());
    for (name, bytes) in &samples {
        let outline = read_envelope(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outline.replaced, 0, "{name}");
        match outline.body {
            Body::Response { name: root, messages: all } => {
                assert!(root.ends_with("Response"), "{name}: {root}");
                responses += 1;
                messages += all.len();
                for message in all {
                    let known = message.code.class() != CodeClass::Unknown;
                    assert!(known, "{name}: {} is no code of the schema", message.code);
                    assert_eq!(
                        message.class == ResponseClass::Success,
                        message.code.class() == CodeClass::Success,
                        "{name}: {:?} with {}",
                        message.class,
                        message.code
                    );
                    if message.class != ResponseClass::Success {
                        *errors.entry(message.code.to_string()).or_insert(0) += 1;
                    }
                }
            }
            Body::Other(_) => requests += 1,
            other => panic!("{name}: {other:?}"),
        }
    }
    eprintln!("{requests} requests, {responses} responses with {messages} messages, errors {errors:?}");
    assert_eq!(requests + responses, samples.len());
    assert!(messages >= responses);
    assert!(errors.len() > 10, "{errors:?}");
}

#[test]
fn trap_07_the_samples_one_after_another_are_cut_apart_again() {
    let Some(samples) = samples() else { return };
    let mut stream = Vec::new();
    for (_, bytes) in &samples {
        stream.extend_from_slice(bytes);
        stream.extend_from_slice(b"\r\n");
    }
    let mut framer = EnvelopeFramer::new();
    let mut found = Vec::new();
    for chunk in stream.chunks(1000) {
        framer.push(chunk);
        while let Some(envelope) = framer.next_envelope().unwrap() {
            found.push(envelope);
        }
    }
    framer.finish().unwrap();
    assert_eq!(found.len(), samples.len());
    for (envelope, (name, bytes)) in found.iter().zip(&samples) {
        assert_eq!(read_envelope(envelope).unwrap(), read_envelope(bytes).unwrap(), "{name}");
    }
}

#[test]
fn trap_23_a_sample_that_is_cut_anywhere_gives_an_error_with_an_offset() {
    let Some(samples) = samples() else { return };
    for (name, bytes) in samples.iter().step_by(9) {
        let end = bytes.trim_ascii_end().len();
        for cut in (0..end).step_by(7) {
            let error = read_envelope(&bytes[..cut]).expect_err(name);
            let source = std::error::Error::source(&error).unwrap();
            let xml = source.downcast_ref::<ews_client::xml::XmlError>().unwrap();
            assert!(xml.offset() <= cut as u64, "{name} cut at {cut}: {error}");
        }
    }
}
