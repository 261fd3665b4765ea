//! EWS: answers to read, made from a seed, with what reads them: ours, bare loops, the peers.

mod data;
mod peers;

use ews_client::{
    Answer, Availability, CalendarPage, Capabilities, ConnectingSid, DistinguishedFolder, EnvelopeFramer,
    FindItem, GetUserAvailability, RequestContext, StreamingMessage, Target, read_answer, write_request,
};
use http::StatusCode;
use jiff::Timestamp;
use m365_core::MailboxAddress;

pub use data::{EVENTS, ITEMS, MAILBOXES, availability, page, stream};
pub use peers::{ews_build, ews_page, raw_41, raw_42, serde_availability, serde_page};

/// Requests built per measured function, so that entering it weighs nothing.
pub const REQUESTS: u32 = 20;
/// Bytes of a stream that arrive together.
const CHUNK: usize = 4 << 10;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub fn view() -> FindItem {
    FindItem::calendar_view(
        DistinguishedFolder::Calendar.into(),
        at("2026-11-23T00:00:00Z"),
        at("2026-11-30T00:00:00Z"),
    )
}

pub fn question() -> GetUserAvailability {
    let mailboxes = (0..MAILBOXES)
        .map(|n| MailboxAddress::parse(&format!("person{n}@contoso.example")).expect("an address"));
    GetUserAvailability::new(mailboxes, at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z"))
        .expect("a question")
}

pub fn target() -> Target {
    let anna = MailboxAddress::parse("anna@contoso.example").expect("an address");
    Target::Impersonate(ConnectingSid::PrimarySmtpAddress(anna))
}

/// A page, read.
///
/// # Panics
/// When not all of it came.
pub fn our_page(view: &FindItem, xml: &[u8]) -> Answer<CalendarPage> {
    let answer = read_answer(view, StatusCode::OK, xml).expect("an answer");
    assert_eq!(answer.results[0].value.as_ref().expect("a page").items.len(), ITEMS);
    answer
}

/// Free/busy, read.
///
/// # Panics
/// When not all of it came.
pub fn our_availability(question: &GetUserAvailability, xml: &[u8]) -> Answer<Availability> {
    let answer = read_answer(question, StatusCode::OK, xml).expect("an answer");
    assert_eq!(answer.results.len(), MAILBOXES);
    answer
}

/// A stream as it arrives, cut into envelopes.
///
/// # Panics
/// When it is no stream.
pub fn framed(stream: &[u8]) -> usize {
    let mut framer = EnvelopeFramer::new();
    let mut count = 0;
    for chunk in stream.chunks(CHUNK) {
        framer.push(chunk);
        while framer.next_envelope().expect("envelopes").is_some() {
            count += 1;
        }
    }
    count
}

/// A stream as it arrives, cut and read.
///
/// # Panics
/// When it is no stream.
pub fn our_stream(stream: &[u8]) -> Vec<StreamingMessage> {
    let mut framer = EnvelopeFramer::new();
    let mut messages = Vec::new();
    for chunk in stream.chunks(CHUNK) {
        framer.push(chunk);
        while let Some(envelope) = framer.next_envelope().expect("envelopes") {
            messages.push(StreamingMessage::read(&envelope).expect("a message"));
        }
    }
    messages
}

/// The request as it is posted.
///
/// # Panics
/// When it cannot be written.
pub fn our_request(operation: &impl ews_client::EwsOperation, target: &Target) -> Vec<u8> {
    let context = RequestContext::new(target, Capabilities::default());
    write_request(operation, &context).expect("a request")
}
