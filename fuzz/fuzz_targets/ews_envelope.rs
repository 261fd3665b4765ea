//! An answer of EWS: read by name, as a page of a calendar, as folders.
#![no_main]

use ews_client::xml::XmlError;
use ews_client::{
    DistinguishedFolder, Error, EwsOperation, FindItem, GetFolder, read_answer, read_envelope,
    read_http_answer,
};
use http::{HeaderMap, StatusCode};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let outline = read_envelope(body);
    if let Err(error) = &outline {
        located(error, body);
    }
    let folder = || DistinguishedFolder::Calendar.into();
    let at = |text: &str| text.parse().expect("an instant");
    let view = FindItem::calendar_view(folder(), at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    asked(&view, body);
    asked(&GetFolder::new([folder(), folder()]), body);
});

fn asked<O: EwsOperation>(operation: &O, body: &[u8]) {
    match read_answer(operation, StatusCode::OK, body) {
        Ok(answer) => assert_eq!(answer.results.len(), operation.asked()),
        Err(error) => located(&error, body),
    }
    // What the status says may come first, and must end as well.
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FORBIDDEN, StatusCode::OK] {
        if let Err(error) = read_http_answer(operation, status, &HeaderMap::new(), body) {
            fuzz::told(&error);
        }
    }
}

/// What is no XML is told with a place within the answer.
fn located(error: &Error, body: &[u8]) {
    fuzz::told(error);
    if let Some(xml) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<XmlError>()) {
        assert!(xml.offset() <= body.len() as u64, "{error} of {} bytes", body.len());
    }
}
