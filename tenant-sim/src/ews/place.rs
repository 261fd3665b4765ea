//! Folders and items as requests name them, and what the caller may do there.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::operations::{Acting, Failure};
use super::soap::{Element, TYPES};
use crate::access::effective_folder_rights;
use crate::access::full_access;
use crate::exchange::folder_id;
use crate::state::{Event, Folder, Message, State, split_occurrence_id};

/// A folder, and what the caller may do in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) owner: Uuid,
    pub(super) folder: Folder,
    pub(super) rights: BTreeSet<String>,
}

impl Place {
    pub(super) fn has(&self, right: &str) -> bool {
        self.rights.contains(right)
    }

    /// Its id on the wire.
    pub(super) fn id(&self, state: &State) -> String {
        folder_id(state, self.owner, &self.folder)
    }
}

/// What the caller may do in a folder.
pub(super) fn rights(acting: &Acting<'_>, owner: Uuid, folder: &Folder) -> BTreeSet<String> {
    let whole = full_access(acting.state, acting.mailbox, owner, acting.now);
    let user = if whole { owner } else { acting.mailbox };
    effective_folder_rights(acting.state, user, owner, folder)
}

/// The folders of a mailbox, each with the one above it; the root first.
pub(super) fn folders(state: &State, owner: Uuid) -> Vec<(Folder, Option<Folder>)> {
    let root = Some(Folder::Root);
    let below = |folder| (folder, root.clone());
    let own = state.exchange.own_folders.get(&owner).into_iter().flatten();
    let calendars = state.store.calendars.get(&owner).into_iter().flatten();
    [(Folder::Root, None)]
        .into_iter()
        .chain([Folder::Inbox, Folder::Drafts, Folder::Sent, Folder::Deleted, Folder::Calendar].map(below))
        .chain(own.map(|name| (Folder::Own(name.clone()), root.clone())))
        .chain([(Folder::Birthdays, Some(Folder::Calendar))])
        .chain(calendars.map(|c| (Folder::OwnCalendar(c.name.clone()), Some(Folder::Calendar))))
        .collect()
}

/// The distinguished name of a folder that has one.
pub(super) fn distinguished(folder: &Folder) -> Option<&'static str> {
    Some(match folder {
        Folder::Root => "msgfolderroot",
        Folder::Inbox => "inbox",
        Folder::Drafts => "drafts",
        Folder::Sent => "sentitems",
        Folder::Deleted => "deleteditems",
        Folder::Calendar => "calendar",
        Folder::Birthdays | Folder::Own(_) | Folder::OwnCalendar(_) => return None,
    })
}

/// The folder that an id means, if the caller may know of it.
pub(super) fn resolve(acting: &Acting<'_>, id: &Element) -> Result<Place, Failure> {
    if id.namespace != TYPES {
        return Err(Failure::malformed_id());
    }
    let (owner, folder) = match (id.name.as_str(), id.attribute("Id")) {
        ("FolderId", Some(text)) => by_id(acting, text)?,
        ("DistinguishedFolderId", Some(name)) => {
            let owner = match id.child(TYPES, "Mailbox").and_then(|m| m.child(TYPES, "EmailAddress")) {
                None => acting.mailbox,
                Some(address) => mailbox_named(acting, &address.text)?,
            };
            let folder = match name {
                "root" | "msgfolderroot" => Folder::Root,
                "inbox" => Folder::Inbox,
                "drafts" => Folder::Drafts,
                "sentitems" => Folder::Sent,
                "deleteditems" => Folder::Deleted,
                "calendar" => Folder::Calendar,
                _ => return Err(Failure::folder_not_found()),
            };
            (owner, folder)
        }
        _ => return Err(Failure::malformed_id()),
    };
    let rights = rights(acting, owner, &folder);
    // Free/busy alone opens no folder. A delegate is not told whether there is one.
    if rights.contains("FolderVisible") || rights.contains("ReadItems") {
        Ok(Place { owner, folder, rights })
    } else {
        Err(Failure::access_denied())
    }
}

/// The mailbox of an address, if this server has it.
pub(super) fn mailbox_named(acting: &Acting<'_>, address: &str) -> Result<Uuid, Failure> {
    acting
        .state
        .mailbox(address, acting.now)
        .filter(|m| m.remote == acting.on_premises)
        .map(|m| m.object_id)
        .ok_or_else(|| {
            Failure::new("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
        })
}

fn by_id(acting: &Acting<'_>, text: &str) -> Result<(Uuid, Folder), Failure> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| Failure::malformed_id())?;
    let owner =
        bytes.get(4..20).and_then(|id| Uuid::from_slice(id).ok()).ok_or_else(Failure::malformed_id)?;
    folders(acting.state, owner)
        .into_iter()
        .find(|(folder, _)| folder_id(acting.state, owner, folder) == text)
        .map(|(folder, _)| (owner, folder))
        .ok_or_else(Failure::folder_not_found)
}

/// An item's id on the wire: of the same letters as over Graph, in the other alphabet.
pub(super) fn wire_id(id: &str) -> String {
    let id = id.strip_prefix("AAkA").map_or_else(|| id.to_owned(), |rest| format!("AAMk{rest}"));
    id.replace('-', "+").replace('_', "/")
}

/// The store's id for one on the wire.
pub(super) fn store_id(id: &str) -> Result<String, Failure> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    if id.is_empty() {
        return Err(Failure::new("ErrorInvalidIdEmpty", "Id must be non-empty."));
    }
    let rest = id.strip_prefix("AAMk").filter(|_| BASE64_STANDARD.decode(id).is_ok());
    let rest = rest.ok_or_else(Failure::malformed_id)?;
    Ok(format!("AAkA{}", rest.replace('+', "-").replace('/', "_")))
}

/// An item that a request names.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// An event or a series.
    Event(Box<Event>),
    /// The slot of a series.
    Occurrence(Box<Event>, crate::state::Slot),
    /// A message.
    Message(Box<Message>),
}

/// What an id means, whose it is, and what the caller may do in its folder.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) item: Named,
    pub(super) place: Place,
}

/// The item that `ItemId`, `OccurrenceItemId` or `RecurringMasterItemId` means. Who may not read there is told that there
/// is none.
pub(super) fn item(acting: &Acting<'_>, id: &Element) -> Result<Found, Failure> {
    let attribute = |name: &str| id.attribute(name).ok_or_else(Failure::malformed_id);
    match id.name.as_str() {
        "ItemId" | "ReferenceItemId" => by_store_id(acting, &store_id(attribute("Id")?)?),
        "OccurrenceItemId" => {
            let found = by_store_id(acting, &store_id(attribute("RecurringMasterId")?)?)?;
            let index: u32 = attribute("InstanceIndex")?.parse().map_err(|_| Failure::malformed_id())?;
            occurrence_of(found, index)
        }
        "RecurringMasterItemId" => {
            let id = store_id(attribute("OccurrenceId")?)?;
            let (master, _) = split_occurrence_id(&id).ok_or_else(|| {
                Failure::new(
                    "ErrorCalendarCannotUseIdForOccurrenceId",
                    "The occurrence ID doesn't correspond to a valid occurrence of a recurring item.",
                )
            })?;
            by_store_id(acting, &master)
        }
        _ => Err(Failure::malformed_id()),
    }
}

fn occurrence_of(found: Found, index: u32) -> Result<Found, Failure> {
    let Named::Event(master) = found.item else {
        return Err(Failure::new(
            "ErrorCalendarCannotUseIdForRecurringMasterId",
            "The recurring master ID doesn't correspond to a valid recurring master item.",
        ));
    };
    if !master.is_series() {
        return Err(Failure::new(
            "ErrorCalendarCannotUseIdForRecurringMasterId",
            "The recurring master ID doesn't correspond to a valid recurring master item.",
        ));
    }
    let slot = master.slot(index).ok_or_else(|| {
        Failure::new(
            "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
            "Occurrence index is out of recurrence range.",
        )
    })?;
    if master.deleted.contains(&slot.start) {
        return Err(deleted());
    }
    Ok(Found { item: Named::Occurrence(master, slot), place: found.place })
}

fn deleted() -> Failure {
    Failure::new(
        "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
        "Occurrence with this index was previously deleted from the recurrence.",
    )
}

/// The item of a store's id.
pub(super) fn by_store_id(acting: &Acting<'_>, id: &str) -> Result<Found, Failure> {
    let store = &acting.state.store;
    let owner = store.owner(id).unwrap_or(acting.mailbox);
    let recipient = acting.state.mailbox_of(owner, acting.now);
    if recipient.is_none_or(|m| m.remote != acting.on_premises) {
        return Err(Failure::item_not_found());
    }
    let (item, folder) = if let Some((master, original)) = split_occurrence_id(id) {
        let master = store.event(owner, &master).ok_or_else(Failure::item_not_found)?;
        let slot = master.slot_at(original).ok_or_else(Failure::item_not_found)?;
        if master.deleted.contains(&original) {
            return Err(Failure::item_not_found());
        }
        (Named::Occurrence(Box::new(master.clone()), slot), master.folder.clone())
    } else if let Some(event) = store.event(owner, id) {
        (Named::Event(Box::new(event.clone())), event.folder.clone())
    } else {
        let (folder, message) = store.message(owner, id).ok_or_else(Failure::item_not_found)?;
        (Named::Message(Box::new(message.clone())), folder)
    };
    let rights = rights(acting, owner, &folder);
    if !rights.contains("ReadItems") {
        return Err(Failure::item_not_found());
    }
    Ok(Found { item, place: Place { owner, folder, rights } })
}
