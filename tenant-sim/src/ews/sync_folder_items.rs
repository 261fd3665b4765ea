//! `SyncFolderItems`: what changed in a folder. Calendars tell of masters alone.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderitems-operation>

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::item_xml::{self, Manner};
use super::operations::{Acting, Failure, message, needed, response};
use super::place::{self, Place, resolve, wire_id};
use super::schema_violation;
use super::shape::Shape;
use super::soap::{Element, Fault, MESSAGES};
use crate::state::ChangeKind;

/// Changes in one answer.
const MOST: usize = 512;
const EMPTY: &str = "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange><m:Changes/>";

/// How far a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    folder: String,
    /// Number of the last change before this round.
    base: u64,
    /// Number of the last change that was told of.
    done: u64,
    /// In the first round: the last item that was told of.
    after: Option<String>,
    /// True while the items themselves are listed.
    listing: bool,
}

impl State {
    fn written(&self) -> String {
        let after = self.after.as_deref().unwrap_or_default();
        BASE64_STANDARD.encode(format!(
            "items\n{}\n{}\n{}\n{}\n{after}",
            self.folder,
            self.base,
            self.done,
            u8::from(self.listing)
        ))
    }

    fn read(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
        let mut lines = text.split('\n');
        let mut next = || lines.next();
        if next()? != "items" {
            return None;
        }
        let folder = next()?.to_owned();
        let (base, done) = (next()?.parse().ok()?, next()?.parse().ok()?);
        let listing = next()? == "1";
        let after = Some(next()?.to_owned()).filter(|a| !a.is_empty());
        Some(Self { folder, base, done, after, listing })
    }
}

enum Told {
    Create(String),
    Update(String),
    Delete(String),
}

/// Answers with at most 512 changes.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let shape = Shape::read(operation, "ItemShape", acting.version)?;
    let folder = needed(operation, "SyncFolderId")?
        .children
        .first()
        .ok_or_else(|| schema_violation("SyncFolderId is empty."))?;
    let most = needed(operation, "MaxChangesReturned")?
        .text
        .parse::<usize>()
        .ok()
        .filter(|n| (1..=MOST).contains(n))
        .ok_or_else(|| schema_violation("MaxChangesReturned is from 1 to 512."))?;
    let state = operation.child(MESSAGES, "SyncState").map(|s| s.text.as_str()).filter(|s| !s.is_empty());
    let ignored: Vec<String> = operation
        .child(MESSAGES, "Ignore")
        .map(|i| i.children.as_slice())
        .unwrap_or_default()
        .iter()
        .filter_map(|id| place::store_id(id.attribute("Id")?).ok())
        .collect();
    let outcome = shape.and_then(|shape| {
        let place = resolve(acting, folder).map_err(|failure| match failure.code {
            "ErrorFolderNotFound" => Failure::new(
                "ErrorSyncFolderNotFound",
                "The specified folder could not be found in the store.",
            ),
            _ => failure,
        })?;
        if !place.has("ReadItems") {
            return Err(Failure::access_denied());
        }
        changes(acting, &place, state, most, &ignored, &shape)
    });
    Ok(response("SyncFolderItems", &message("SyncFolderItems", outcome, EMPTY)))
}

fn changes(
    acting: &Acting<'_>,
    place: &Place,
    state: Option<&str>,
    most: usize,
    ignored: &[String],
    shape: &Shape,
) -> Result<String, Failure> {
    let store = &acting.state.store;
    let folder_id = place.id(acting.state);
    let head = store.last_change(place.owner);
    let mut state = match state {
        None => State { folder: folder_id.clone(), base: head, done: head, after: None, listing: true },
        Some(text) => State::read(text)
            .filter(|s| s.folder == folder_id && s.done <= head && s.base <= s.done)
            .ok_or_else(|| {
                Failure::new("ErrorInvalidSyncStateData", "The specified SyncState is invalid.")
            })?,
    };
    let mut told = Vec::new();
    let last;
    if state.listing {
        let after = state.after.clone().unwrap_or_default();
        let mut ids: Vec<&str> = store
            .events_of(place.owner, &place.folder)
            .map(|e| e.id.as_str())
            .chain(store.messages(place.owner, &place.folder).iter().map(|m| m.id.as_str()))
            .filter(|id| *id > after.as_str())
            .collect();
        ids.sort_unstable();
        last = ids.len() <= most;
        ids.truncate(most);
        state.after = ids.last().map(|id| (*id).to_owned()).or(state.after);
        if last {
            state.listing = false;
            state.after = None;
        }
        told.extend(ids.into_iter().map(|id| Told::Create(id.to_owned())));
    } else {
        let (all, done) = since(acting, place, &state);
        last = all.len() <= most;
        for (number, change) in all.into_iter().take(most) {
            state.done = number;
            told.push(change);
        }
        if last {
            state.done = done;
            state.base = done;
        }
    }
    let manner = Manner { shape, zone: acting.zone.as_ref(), found: false, folder: &folder_id };
    let mut inner = String::new();
    for change in told {
        let (name, id) = match &change {
            Told::Create(id) => ("Create", id),
            Told::Update(id) => ("Update", id),
            Told::Delete(id) => {
                inner.push_str(&format!(r#"<t:Delete><t:ItemId Id="{}"/></t:Delete>"#, wire_id(id)));
                continue;
            }
        };
        if ignored.contains(id) {
            continue;
        }
        let item = if let Some(event) = store.event(place.owner, id) {
            item_xml::event_itself(event, manner)
        } else if let Some((_, message)) = store.message(place.owner, id) {
            item_xml::message_item(message, manner)
        } else {
            continue;
        };
        inner.push_str(&format!("<t:{name}>{item}</t:{name}>"));
    }
    Ok(format!(
        "<m:SyncState>{}</m:SyncState><m:IncludesLastItemInRange>{last}</m:IncludesLastItemInRange><m:Changes>{inner}</m:Changes>",
        state.written()
    ))
}

/// What happened to each item of the folder since, in the order of the items' last changes, and the log's end.
fn since(acting: &Acting<'_>, place: &Place, state: &State) -> (Vec<(u64, Told)>, u64) {
    let store = &acting.state.store;
    // Per item: number of its last change, whether it came into being in this round, whether it is there.
    let mut items: BTreeMap<&str, (u64, bool, bool)> = BTreeMap::new();
    for change in store.changes_since(place.owner, state.base) {
        if let ChangeKind::Moved { from, old } = &change.kind
            && *from == place.folder
        {
            let entry = items.entry(old).or_default();
            (entry.0, entry.2) = (change.number, false);
        }
        if change.folder != place.folder {
            continue;
        }
        let entry = items.entry(&change.item).or_default();
        entry.0 = change.number;
        match change.kind {
            ChangeKind::Created | ChangeKind::Moved { .. } => (entry.1, entry.2) = (true, true),
            ChangeKind::Modified => entry.2 = true,
            ChangeKind::Deleted => entry.2 = false,
        }
    }
    let mut all: Vec<(u64, Told)> = items
        .into_iter()
        .filter(|(_, (number, ..))| *number > state.done)
        .filter_map(|(id, (number, created, there))| {
            let id = id.to_owned();
            Some((
                number,
                match (created, there) {
                    (true, true) => Told::Create(id),
                    (false, true) => Told::Update(id),
                    (false, false) => Told::Delete(id),
                    // It may have been told of in an earlier part of the round.
                    (true, false) if state.done > state.base => Told::Delete(id),
                    (true, false) => return None,
                },
            ))
        })
        .collect();
    all.sort_by_key(|(number, _)| *number);
    (all, store.last_change(place.owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_back_and_nothing_else_is_one() {
        let state =
            State { folder: "x=".to_owned(), base: 1, done: 3, after: Some("id".to_owned()), listing: true };
        assert_eq!(State::read(&state.written()), Some(state));
        for bad in ["", "H4sIAAAA", "!", &BASE64_STANDARD.encode("folders\na\n1\n1\n0\n")] {
            assert_eq!(State::read(bad), None, "{bad}");
        }
    }
}
