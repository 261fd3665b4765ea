//! What servers do besides the schema: each habit behind a switch of its own.
//!
//! Most of them rewrite an answer that is already rendered, so that the operations know nothing of them.

mod items;
mod tree;

use std::collections::BTreeSet;

use bytes::Bytes;
use http::StatusCode;

use self::tree::Style;
use super::soap::{self, ERRORS, Element, MESSAGES, SOAP, TYPES};
use crate::server::reply::Reply;

/// A habit of some Exchange version, or of another server that speaks EWS.
///
/// All are off unless a scenario or a test turns them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EwsQuirk {
    /// Faults come with HTTP 200, an unprefixed faultcode with `xsi:type`, without detail, below an empty header.
    FaultWithHttp200,
    /// `faultcode` and its neighbours are qualified with SOAP's namespace.
    FaultQualified,
    /// Faults hold nothing at all.
    FaultEmpty,
    /// Faults as Exchange 2007 writes them: `soap:Client`, with `e:Line` and `e:Position`.
    FaultOf2007,
    /// Faults as the oldest servers write them: an `ErrorCode` that is a number, and no name.
    FaultNumeric,
    /// Answers with a response message of class Error come with HTTP 500.
    MessageWithHttp500,
    /// Blanks and line ends around codes, numbers and times.
    PaddedText,
    /// Indented XML.
    PrettyPrinted,
    /// Prefixes that nobody expects.
    ForeignPrefixes,
    /// No prefixes: a default namespace on each element that needs it.
    DefaultNamespaces,
    /// A byte order mark before the declaration.
    ByteOrderMark,
    /// Microsoft's namespaces begin with `https://`, as its documentation shows them.
    HttpsNamespaces,
    /// References to characters that XML does not allow, in subjects.
    IllegalReferences,
    /// The same characters as raw bytes.
    IllegalBytes,
    /// Comments, and text in CDATA sections.
    CommentsAndCdata,
    /// Attributes on the SOAP body.
    BodyAttributes,
    /// Elements that no schema knows.
    UnknownElements,
    /// `xsi:nil="true"` on elements without content.
    NilElements,
    /// `UID` and the time zones of a calendar item out of order.
    ReorderedElements,
    /// The time zones of a calendar item twice.
    DoubledZones,
    /// Dates of recurrences as `2026-10-19T00:00:00.000000Z`.
    DatesAsDateTimes,
    /// Times of items with nine fractional digits.
    NineFractionalDigits,
    /// Times of items with `+0100` for an offset.
    OffsetsWithoutColon,
    /// Items have no change key.
    NoChangeKeys,
    /// Calendar items carry `DateTimeReceived`, `IsRecurring` and `CalendarItemType`, whatever shape was asked for.
    MoreThanAsked,
    /// A view of a calendar has neither the occurrences of a series nor its master.
    ViewWithoutSeries,
    /// A view of a calendar has the master of a series in place of its occurrences.
    ViewHoldsMasters,
    /// A sync state that cannot be read counts as none.
    GarbageSyncStateAccepted,
    /// Free/busy times with an offset, as Exchange 2007 writes them. Only where the request's zone has one all year.
    FreeBusyWithOffset,
    /// The same as `+0100`.
    FreeBusyOffsetWithoutColon,
    /// No merged stream although it was asked for, and a view type that says so.
    FreeBusyWithoutMerged,
    /// The merged stream and nothing else, whatever was asked for.
    FreeBusyMergedOnly,
    /// Events outside the window.
    FreeBusyBeyondWindow,
    /// Events twice.
    FreeBusyDuplicates,
    /// An unknown address comes without a free/busy view.
    FreeBusyUnknownWithoutView,
    /// Every user reads every calendar.
    EverybodyReads,
    /// Heartbeats and first envelopes of streams are notifications with a `StatusEvent` per subscription.
    HeartbeatIsStatusEvent,
    /// Stream events carry ids without change keys.
    EventsWithoutChangeKey,
    /// Empty `Notifications` and `ErrorSubscriptionIds` beside the status of a stream.
    EmptyNotifications,
    /// `Notification` in the namespace that the schema says and nobody uses.
    NotificationInTypes,
    /// `SubscriptionId` inside `ErrorSubscriptionIds` in the messages' namespace.
    ErrorIdsInMessages,
    /// A declaration before each envelope of a stream.
    DeclarationMidStream,
    /// Streams in chunks of a few bytes.
    StreamInSmallChunks,
    /// Each chunk of a stream ends in the middle of a second envelope that the next one completes.
    StreamChunksOverlap,
    /// A bad subscription is named again and again while the connection stays `OK`.
    InvalidSubscriptionStaysOpen,
    /// Streams end 33 seconds later than asked.
    StreamEndsLate,
    /// What happens while no stream is open is never told.
    EventsLostBetweenConnections,
    /// `GetServerTimeZones` is no operation.
    NoServerTimeZones,
    /// Answers do not say which version the server is.
    NoServerVersion,
    /// Answers name a version that no list has.
    UnknownServerVersion,
}

type Quirks = BTreeSet<EwsQuirk>;

/// Rewrites an answer as the quirks want it. Answers that are no SOAP stay as they are.
pub(super) fn rewrite(quirks: &Quirks, request: Option<&Element>, reply: Reply) -> Reply {
    if quirks.is_empty() {
        return reply;
    }
    let Ok(mut root) = soap::parse(reply.body()) else { return reply };
    if root.name != "Envelope" || root.namespace != SOAP {
        return reply;
    }
    let mut status = reply.status();
    let has = |quirk| quirks.contains(&quirk);
    if let Some(fault) = descend(&mut root, &["Body", "Fault"]) {
        faults(quirks, fault, &mut status);
        if has(EwsQuirk::FaultWithHttp200) {
            root.children.retain(|c| c.name != "Header");
            root.children.insert(0, element(SOAP, "Header", ""));
        }
    } else if has(EwsQuirk::MessageWithHttp500) && any(&root, &|e| attribute_is(e, "ResponseClass", "Error"))
    {
        status = StatusCode::INTERNAL_SERVER_ERROR;
    }
    if let Some(header) = descend(&mut root, &["Header"]) {
        if has(EwsQuirk::NoServerVersion) {
            header.children.retain(|c| c.name != "ServerVersionInfo");
        }
        for info in header.children.iter_mut().filter(|_| has(EwsQuirk::UnknownServerVersion)) {
            set_attribute(info, "Version", "V2_23");
        }
    }
    items::rewrite(quirks, request, &mut root);
    notifications(quirks, &mut root);
    let text = tree::render(&root, &Style::of(quirks));
    let (mut parts, _) = reply.into_parts();
    parts.status = status;
    Reply::from_parts(parts, Bytes::from(text))
}

/// Changes below the body of a fault.
fn faults(quirks: &Quirks, fault: &mut Element, status: &mut StatusCode) {
    let has = |quirk| quirks.contains(&quirk);
    if has(EwsQuirk::FaultWithHttp200) {
        *status = StatusCode::OK;
        fault.children.retain(|c| c.name != "detail");
        for code in fault.children.iter_mut().filter(|c| c.name == "faultcode") {
            code.text = code.text.rsplit(':').next().unwrap_or_default().to_owned();
            code.attributes.push(("xsi:type".to_owned(), "xsd:string".to_owned()));
        }
    }
    if has(EwsQuirk::FaultOf2007) {
        for code in fault.children.iter_mut().filter(|c| c.name == "faultcode") {
            code.text = "s:Client".to_owned();
        }
        for detail in fault.children.iter_mut().filter(|c| c.name == "detail") {
            detail.children.retain(|c| c.namespace == ERRORS);
            detail.children.extend([element(ERRORS, "Line", "1"), element(ERRORS, "Position", "1")]);
        }
    }
    if has(EwsQuirk::FaultNumeric) {
        for child in &mut fault.children {
            match child.name.as_str() {
                "faultcode" => child.text = "s:Server".to_owned(),
                "detail" => child.children = vec![element(MESSAGES, "ErrorCode", "-2146233088")],
                _ => {}
            }
        }
    }
    if has(EwsQuirk::FaultEmpty) {
        fault.children.clear();
    }
    if has(EwsQuirk::FaultQualified) {
        for child in &mut fault.children {
            SOAP.clone_into(&mut child.namespace);
        }
    }
}

/// Changes in the answers of subscriptions and streams.
fn notifications(quirks: &Quirks, root: &mut Element) {
    let has = |quirk| quirks.contains(&quirk);
    walk(root, &mut |e| match e.name.as_str() {
        "Notification" if has(EwsQuirk::NotificationInTypes) => TYPES.clone_into(&mut e.namespace),
        "ErrorSubscriptionIds" if has(EwsQuirk::ErrorIdsInMessages) => {
            for id in &mut e.children {
                MESSAGES.clone_into(&mut id.namespace);
            }
        }
        "GetStreamingEventsResponseMessage"
            if has(EwsQuirk::EmptyNotifications)
                && attribute_is(e, "ResponseClass", "Success")
                && !e.children.iter().any(|c| c.name == "Notifications") =>
        {
            let status = e.children.iter().position(|c| c.name == "ConnectionStatus");
            let at = status.unwrap_or(e.children.len());
            e.children.insert(at, element(MESSAGES, "ErrorSubscriptionIds", ""));
            e.children.insert(at, element(MESSAGES, "Notifications", ""));
        }
        name if name.ends_with("Event") && has(EwsQuirk::EventsWithoutChangeKey) => {
            for id in &mut e.children {
                id.attributes.retain(|(name, _)| name != "ChangeKey");
            }
        }
        _ => {}
    });
}

/// One envelope of a stream as the pieces that go on the wire one by one.
pub(super) fn framed(quirks: &Quirks, envelope: Bytes, first: bool) -> Vec<Bytes> {
    const DECLARATION: &[u8] = br#"<?xml version="1.0" encoding="utf-8"?>"#;
    let mut envelope = envelope;
    if !first && !quirks.contains(&EwsQuirk::DeclarationMidStream) && envelope.starts_with(DECLARATION) {
        envelope = envelope.split_off(DECLARATION.len());
    }
    if quirks.contains(&EwsQuirk::StreamInSmallChunks) {
        return envelope.chunks(7).map(Bytes::copy_from_slice).collect();
    }
    if quirks.contains(&EwsQuirk::StreamChunksOverlap) {
        // The same envelope once more, cut in its middle; clients have to bear a fact told twice.
        let again = envelope.clone();
        let (head, tail) = again.split_at_checked(again.len() / 2).unwrap_or((&again, &[]));
        let one = [envelope.as_ref(), if first { &[] } else { head }].concat();
        let two = if first { Vec::new() } else { tail.to_vec() };
        return [one, two].into_iter().filter(|p| !p.is_empty()).map(Bytes::from).collect();
    }
    vec![envelope]
}

fn element(namespace: &str, name: &str, text: &str) -> Element {
    Element {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        text: text.to_owned(),
        ..Element::default()
    }
}

fn descend<'a>(root: &'a mut Element, path: &[&str]) -> Option<&'a mut Element> {
    path.iter().try_fold(root, |at, name| at.children.iter_mut().find(|c| c.name == *name))
}

fn walk(e: &mut Element, f: &mut impl FnMut(&mut Element)) {
    f(e);
    for child in &mut e.children {
        walk(child, f);
    }
}

fn any(e: &Element, test: &impl Fn(&Element) -> bool) -> bool {
    test(e) || e.children.iter().any(|c| any(c, test))
}

fn attribute_is(e: &Element, name: &str, value: &str) -> bool {
    e.attribute(name) == Some(value)
}

fn set_attribute(e: &mut Element, name: &str, value: &str) {
    match e.attributes.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) => value.clone_into(old),
        None => e.attributes.push((name.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests;
