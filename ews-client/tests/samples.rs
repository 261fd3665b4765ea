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

use ews_client::{
    AlternateId, Body, CodeClass, ConvertId, EnvelopeFramer, EventType, EwsOperation, ExpandDl, GetDelegate,
    GetEvents, GetRoomLists, GetRooms, GetUserAvailability, GetUserOofSettings, IdFormat,
    NotificationEventType, OofState, ResolveNames, ResponseClass, Subscribe, Unsubscribe, read_answer,
    read_envelope,
};
use http::StatusCode;
use m365_core::MailboxAddress;

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

/// The answers to an operation among the samples, read by its own reader: each value, or the code of its failure.
fn answers<O: EwsOperation>(operation: &O) -> Option<Vec<Result<O::Item, String>>> {
    let ending = format!(".{}Response.xml", O::NAME);
    let samples = samples()?;
    let answers = samples.iter().filter(|(name, _)| name.ends_with(&ending)).flat_map(|(name, bytes)| {
        let answer = read_answer(operation, StatusCode::OK, bytes)
            .unwrap_or_else(|error| panic!("{name}: {error}: {:?}", std::error::Error::source(&error)));
        answer.results.into_iter().map(|result| {
            result.into_result().map_err(|error| error.service_code().unwrap_or_default().to_owned())
        })
    });
    Some(answers.collect())
}

fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

#[test]
fn trap_23_free_busy_samples_are_typed() {
    // In the first sample times have offsets, in the second none.
    for (window, year) in [
        (("2006-10-16T07:00:00Z", "2006-10-17T07:00:00Z"), "2006"),
        (("2014-02-13T08:00:00Z", "2014-02-14T08:00:00Z"), "2014"),
    ] {
        let people = ["anna@contoso.example", "bo@contoso.example"].map(address);
        let operation =
            GetUserAvailability::new(people, window.0.parse().unwrap(), window.1.parse().unwrap()).unwrap();
        let Some(answers) = answers(&operation) else { return };
        assert_eq!(answers.len(), 4, "two samples for two people each");
        let views: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        let busy: usize = views.iter().map(|view| view.events.len()).sum();
        let all: u32 =
            views.iter().map(|view| view.outside + u32::try_from(view.events.len()).unwrap()).sum();
        assert!(busy >= 4, "{year}: {busy}");
        assert!(all >= 10, "{year}: {all}");
        for view in &views {
            assert!(view.has_events && view.duplicates == 0);
            assert_eq!(view.working_hours.as_ref().unwrap().zone.bias, 480);
            assert!(view.events.iter().all(|event| event.start.to_string().starts_with(year)));
        }
        let granted: Vec<_> = views.iter().map(|view| view.granted.as_str()).collect();
        assert_eq!(granted, ["DetailedMerged", "FreeBusyMerged", "FreeBusy", "FreeBusy"]);
        assert_eq!(views[0].merged.is_some(), views[1].merged.is_some());
        if year == "2006" {
            let merged = views[0].merged.as_ref().unwrap();
            assert_eq!(merged.digits.len(), 24);
            assert!(views[0].events.iter().all(|event| event.visible().is_some_and(|d| d.subject.is_some())));
        }
    }
}

#[test]
fn trap_23_samples_of_people_and_rooms_are_typed() {
    let Some(resolved) = answers(&ResolveNames::new("x").unwrap()) else { return };
    let found: Vec<_> = resolved.iter().map(|r| r.as_ref().map(|r| r.found.len())).collect();
    assert!(found.contains(&Ok(1)) && found.contains(&Ok(2)), "{found:?}");
    assert!(found.contains(&Err(&"ErrorNameResolutionNoResults".to_owned())), "{found:?}");
    let with_contact = resolved.iter().flatten().flat_map(|r| &r.found).filter_map(|r| r.contact.as_ref());
    assert!(with_contact.clone().count() > 0);
    assert!(with_contact.into_iter().all(|contact| contact.smtp_addresses().count() == 1));

    let lists = answers(&GetRoomLists).unwrap();
    let sizes: Vec<_> = lists.iter().flatten().map(Vec::len).collect();
    assert_eq!((lists.len(), sizes), (3, vec![1, 0, 3]));
    assert!(lists.iter().flatten().flatten().all(|list| list.smtp_address().is_some()));
    let rooms = answers(&GetRooms::new(address("rooms@contoso.example"))).unwrap();
    assert_eq!(rooms[0].as_ref().unwrap().len(), 2);
    assert!(rooms[1].is_err());

    let members = answers(&ExpandDl::new(&address("list@contoso.example"))).unwrap();
    assert_eq!(members[0].as_ref().map(|m| (m.members.len(), m.is_complete)), Ok((3, true)));
    let delegates = answers(&GetDelegate::new(address("anna@contoso.example"))).unwrap();
    let delegate = delegates[0].as_ref().unwrap().users[0].value.as_ref().unwrap();
    assert_eq!((delegate.calendar(), delegate.view_private_items), (Some("Author"), Some(false)));
    let oof = answers(&GetUserOofSettings::new(address("anna@contoso.example"))).unwrap();
    let oof = oof[0].as_ref().unwrap();
    assert_eq!(oof.state, OofState::Disabled);
    assert!(oof.start.is_some() && oof.internal_reply.is_some() && oof.allowed_audience.is_some());
    let id = AlternateId::new(IdFormat::EwsId, "x", "anna@contoso.example");
    let ids = answers(&ConvertId::new(IdFormat::EntryId, [id])).unwrap();
    assert_eq!(ids, [Err("ErrorInvalidIdMalformed".to_owned())]);
}

#[test]
fn trap_23_samples_of_notifications_are_typed() {
    let Some(made) = answers(&Subscribe::streaming([], [EventType::NewMail]).unwrap()) else { return };
    let watermarks = made.iter().flatten().filter(|made| made.watermark.is_some()).count();
    assert_eq!((made.len(), made.iter().flatten().count(), watermarks), (4, 3, 2), "{made:?}");
    assert!(made.contains(&Err("ErrorSubscriptionDelegateAccessNotSupported".to_owned())));
    let pulled = answers(&GetEvents::new("x".into(), "y".into())).unwrap();
    let notification = pulled[0].as_ref().unwrap();
    assert!(
        notification
            .events
            .iter()
            .all(|event| event.kind == NotificationEventType::NewMail && event.object.is_some())
    );
    assert_eq!((notification.events.len(), notification.more_events), (2, false));
    assert_eq!(notification.watermark(), notification.events[1].watermark.as_ref());
    assert_eq!(pulled[1], Err("ErrorSubscriptionAccessDenied".to_owned()));
    let ended = answers(&Unsubscribe::new("x".into())).unwrap();
    assert_eq!(ended, [Ok(()), Err("ErrorSubscriptionNotFound".to_owned())]);
}
