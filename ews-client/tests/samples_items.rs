//! Microsoft's own samples of operations on items and folders, read by the typed readers, from the folder that `EWS_DATA` names.
//! They are not part of this repository.
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
    Answer, AttachmentContent, Body, CalendarItemChange, ConflictResolution, CreateMessage, DeleteItem,
    DeleteType, DistinguishedFolder, EwsOperation, FindFolder, FindItemPaged, FolderRef, GetAttachment,
    GetFolder, GetItem, Item, ItemBody, ItemId, ItemRef, MessageDisposition, MyResponseType, NewMessage,
    ResponseCode, SendItem, SendMeetingInvitationsOrCancellations, SyncChange, SyncFolderHierarchy,
    SyncFolderItems, UpdateItem, read_answer, read_envelope,
};
use http::StatusCode;

/// The answers of one operation, by file name.
fn samples(operation: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let Some(root) = std::env::var_os("EWS_DATA") else {
        eprintln!("NOT RUN: EWS_DATA does not name the folder with Microsoft's samples of EWS");
        return None;
    };
    let folder = PathBuf::from(root).join("microsoft-docs-samples");
    let ending = format!(".{operation}Response.xml");
    let found: BTreeMap<_, _> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .filter(|(name, _)| name.ends_with(&ending))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    assert!(!found.is_empty(), "no sample of {operation}");
    Some(found)
}

/// Reads every answer of an operation, made for as many elements as it answers. All must be readable; the good ones must have
/// a value.
fn read_all<O: EwsOperation>(operation: impl Fn(usize) -> O) -> Option<BTreeMap<String, Answer<O::Item>>> {
    let read = samples(O::NAME)?.into_iter().map(|(name, bytes)| {
        let Body::Response { messages, .. } = read_envelope(&bytes).unwrap().body else {
            panic!("{name} is no response");
        };
        // One sample has an ellipsis in the place of most of a message.
        let bytes = String::from_utf8(bytes).unwrap().replace("tDQe/Eo=…", "tDQe/Eo=").into_bytes();
        let answer = read_answer(&operation(messages.len()), StatusCode::OK, &bytes)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for result in &answer.results {
            assert_eq!(result.is_done(), result.code == ResponseCode::NO_ERROR, "{name}");
            assert!(!result.is_done() || result.value.is_some(), "{name} says success without a value");
        }
        (name, answer)
    });
    Some(read.collect())
}

fn values<'a, T>(answers: &'a BTreeMap<String, Answer<T>>, name: &str) -> Vec<&'a T> {
    let answer = answers.iter().find(|(known, _)| known.starts_with(name));
    answer.expect(name).1.results.iter().filter_map(|result| result.value.as_ref()).collect()
}

fn ids(count: usize) -> impl Iterator<Item = ItemRef> {
    (0..count).map(|_| ItemId::from("A").into())
}

fn calendar() -> FolderRef {
    DistinguishedFolder::Calendar.into()
}

#[test]
fn samples_of_get_item() {
    let Some(answers) = read_all(|count| GetItem::messages(ids(count))) else { return };
    let [Item::Calendar(item)] = values(&answers, "getitem-operation-calendar-item.4")[..] else { panic!() };
    assert_eq!((item.is_all_day, item.is_meeting), (Some(false), Some(false)));
    let more = item.more.as_deref().unwrap();
    assert_eq!((more.reminder_minutes, more.is_recurring), (Some(15), Some(false)));
    assert_eq!(more.item_class.as_deref(), Some("IPM.Appointment"));
    assert_eq!(
        more.organizer.as_ref().unwrap().smtp_address().unwrap().split('@').nth(1),
        Some("example.com")
    );
    assert!(matches!(values(&answers, "getitem-operation-calendar-item.2")[..], [Item::CalendarHead(_)]));
    assert!(
        matches!(values(&answers, "getitem-operation-task.2")[..], [Item::Other { element, .. }] if &**element == "Task")
    );
    let people =
        answers.values().flat_map(|answer| &answer.results).filter_map(|result| match &result.value {
            Some(Item::Calendar(item)) => Some(item.more.as_ref()?.required_attendees.clone()),
            _ => None,
        });
    let responses: Vec<_> = people.flatten().filter_map(|attendee| attendee.response).collect();
    assert!(responses.contains(&MyResponseType::Unknown), "{responses:?}");
    let with_mime = answers
        .values()
        .flat_map(|answer| &answer.results)
        .any(|result| matches!(&result.value, Some(Item::Message(message)) if message.mime.is_some()));
    assert!(with_mime);
}

#[test]
fn samples_of_find_item() {
    let Some(answers) = read_all(|_| FindItemPaged::calendar(calendar())) else { return };
    let first = values(&answers, "how-to-perform-paged-searches-by-using-ews-in-exchange.2")[0];
    let operation = FindItemPaged::messages(DistinguishedFolder::Inbox.into());
    assert_eq!(operation.next(first).unwrap().is_some(), !first.paging.includes_last);
    let view = values(&answers, "how-to-get-appointments-and-meetings-by-using-ews-in-exchange.4")[0];
    assert!(!view.items.is_empty() && view.items.iter().all(|item| matches!(item, Item::Calendar(_))));
    let kinds: usize = answers
        .values()
        .flat_map(|answer| &answer.results)
        .filter_map(|result| result.value.as_ref())
        .map(|page| page.items.len())
        .sum();
    assert!(kinds > 20, "{kinds} items");
}

#[test]
fn samples_of_folders() {
    let Some(answers) = read_all(|_| FindFolder::deep(DistinguishedFolder::MsgFolderRoot.into())) else {
        return;
    };
    let page = values(&answers, "findfolder-operation.2")[0];
    assert!(page.paging.includes_last && !page.folders.is_empty());
    let answers = read_all(|count| GetFolder::new((0..count).map(|_| calendar()))).unwrap();
    assert!(values(&answers, "getfolder-operation.2")[0].total_count.is_some());
    let answers = read_all(|_| SyncFolderHierarchy::new(DistinguishedFolder::MsgFolderRoot.into())).unwrap();
    let page = values(&answers, "syncfolderhierarchy-operation.2")[0];
    assert!(page.state.is_some() && page.includes_last && !page.changes.is_empty());
}

#[test]
fn trap_14_samples_of_sync_folder_items() {
    let Some(answers) = read_all(|_| SyncFolderItems::new(calendar())) else { return };
    let page = values(&answers, "syncfolderitems-operation.2")[0];
    assert_eq!(page.state.as_ref().map(|state| state.as_str()), Some("H4sIAAAAA="));
    assert!(
        matches!(&page.changes[..], [SyncChange::Created(Item::Message(request))] if request.response == Some(MyResponseType::NoResponseReceived))
    );
    let page = values(&answers, "syncfolderitems-operation.3")[0];
    assert!(page.state.is_none(), "an empty state is none");
    let all: Vec<_> = answers
        .values()
        .flat_map(|answer| &answer.results)
        .filter_map(|result| result.value.as_ref())
        .collect();
    assert!(all.iter().flat_map(|page| &page.changes).all(|change| !matches!(change, SyncChange::Other(_))));
}

#[test]
fn samples_of_get_attachment() {
    let Some(answers) = read_all(|count| GetAttachment::new((0..count).map(|_| "A".into()))) else { return };
    let contents: Vec<_> = answers
        .values()
        .flat_map(|answer| &answer.results)
        .filter_map(|result| Some(&result.value.as_ref()?.content))
        .collect();
    assert!(
        contents.iter().any(|content| matches!(content, AttachmentContent::File(bytes) if !bytes.is_empty()))
    );
    assert!(contents.iter().any(|content| matches!(content, AttachmentContent::Item { .. })), "{contents:?}");
}

#[test]
fn samples_of_writing() {
    let new = || NewMessage::new("x", ItemBody::text("x"));
    let Some(answers) =
        read_all(|count| CreateMessage::new(MessageDisposition::SaveOnly, (0..count).map(|_| new())))
    else {
        return;
    };
    let made = values(&answers, "createitem-operation-calendar-item.2")[0];
    assert!(made[0].change_key.is_some());
    let change = || CalendarItemChange::new("A".into(), "B".into()).with_location("x");
    let send = SendMeetingInvitationsOrCancellations::SendToNone;
    let answers = read_all(|count| {
        UpdateItem::new(send, ConflictResolution::AutoResolve, (0..count).map(|_| change())).unwrap()
    });
    assert!(answers.unwrap().values().flat_map(|answer| &answer.results).any(|r| r.is_done()));
    read_all(|count| DeleteItem::messages(DeleteType::HardDelete, ids(count))).unwrap();
    read_all(|count| SendItem::new((0..count).map(|_| ("A".into(), "B".into())))).unwrap();
}
