//! `UpdateItem`: events, occurrences, messages.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem-operation>

use super::calendar_read::{self, Times};
use super::item_xml::{instance_key, item_id};
use super::meetings;
use super::operations::{Acting, Failure, choice, listed, message, response};
use super::place::{self, Named};
use super::schema_violation;
use super::soap::{Element, Fault, TYPES};
use crate::state::{Event, Slot};

const INVITATIONS: [&str; 5] =
    ["SendToNone", "SendOnlyToAll", "SendOnlyToChanged", "SendToAllAndSaveCopy", "SendToChangedAndSaveCopy"];

/// Answers for each change on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let resolution =
        choice(operation, "ConflictResolution", &["NeverOverwrite", "AutoResolve", "AlwaysOverwrite"])?
            .ok_or_else(|| schema_violation("UpdateItem needs ConflictResolution."))?;
    let invitations = choice(operation, "SendMeetingInvitationsOrCancellations", &INVITATIONS)?;
    choice(operation, "MessageDisposition", &["SaveOnly", "SendOnly", "SendAndSaveCopy"])?;
    let mut messages = String::new();
    for change in listed(operation, "ItemChanges")? {
        let outcome = one(acting, change, resolution, invitations).map(|item| {
            format!("<m:Items>{item}</m:Items><m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>")
        });
        messages.push_str(&message("UpdateItem", outcome, "<m:Items/>"));
    }
    Ok(response("UpdateItem", &messages))
}

fn one(
    acting: &mut Acting<'_>,
    change: &Element,
    resolution: &str,
    invitations: Option<&str>,
) -> Result<String, Failure> {
    let id = change.children.first().ok_or_else(Failure::malformed_id)?;
    let updates = change.child(TYPES, "Updates").map(|u| u.children.as_slice()).unwrap_or_default();
    let found = place::item(acting, id)?;
    if !found.place.has("EditAllItems") {
        return Err(Failure::access_denied());
    }
    let key = id.attribute("ChangeKey").ok_or_else(|| {
        Failure::new(
            "ErrorChangeKeyRequiredForWriteOperations",
            "A change key is required for this operation.",
        )
    })?;
    let check = |current: &str| {
        if key == current || resolution == "AlwaysOverwrite" || id.name != "ItemId" {
            return Ok(());
        }
        Err(Failure::new(
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
        ))
    };
    let owner = found.place.owner;
    let (event, slot) = match found.item {
        Named::Message(message) => {
            check(&message.change_key())?;
            return mail(acting, owner, &message.id, updates);
        }
        Named::Event(event) => (event, None),
        Named::Occurrence(master, slot) => (master, Some(slot)),
    };
    let invitations = invitations.ok_or_else(|| {
        Failure::new(
            "ErrorSendMeetingInvitationsOrCancellationsRequired",
            "SendMeetingInvitationsOrCancellations attribute is required for calendar items.",
        )
    })?;
    let before: Vec<String> = event.attendees.iter().map(|a| a.address.to_ascii_lowercase()).collect();
    let mut changed = match slot {
        None => {
            check(&event.change_key())?;
            let mut changed = (*event).clone();
            apply(acting, &mut changed, updates)?;
            if (changed.start, &changed.recurrence, &changed.zone)
                != (event.start, &event.recurrence, &event.zone)
            {
                // Another rule has other slots.
                changed.exceptions.clear();
                changed.deleted.clear();
            }
            changed
        }
        Some(slot) => {
            let current = event.at(slot).map(|i| instance_key(&i)).unwrap_or_default();
            check(&current)?;
            exception(acting, &event, slot, updates)?
        }
    };
    if invitations != "SendToNone" {
        changed.sequence += 1;
    }
    let now = acting.now;
    acting.state.store.put_event(owner, changed, now);
    let stored = acting.state.store.event(owner, &event.id).cloned().ok_or_else(Failure::item_not_found)?;
    if invitations != "SendToNone" && stored.is_organizer {
        let only_new =
            invitations.starts_with("SendOnlyToChanged") || invitations.starts_with("SendToChanged");
        meetings::invite(acting, &stored, |address| {
            !only_new || !before.contains(&address.to_ascii_lowercase())
        });
    }
    let answer = match slot.and_then(|slot| stored.at(slot)) {
        Some(instance) => item_id(&instance.id(), &instance_key(&instance)),
        None => item_id(&stored.id, &stored.change_key()),
    };
    Ok(format!("<t:CalendarItem>{answer}</t:CalendarItem>"))
}

fn apply(acting: &Acting<'_>, event: &mut Event, updates: &[Element]) -> Result<(), Failure> {
    let mut times = Times::default();
    for update in updates {
        let invalid =
            || Failure::new("ErrorIncorrectUpdatePropertyCount", "An update has exactly one property.");
        match update.name.as_str() {
            "DeleteItemField" => {
                calendar_read::delete(event, update.children.first().ok_or_else(invalid)?)?;
            }
            "SetItemField" | "AppendToItemField" => {
                let item = update.children.iter().find(|c| c.name == "CalendarItem" || c.name == "Item");
                let [property] = item.ok_or_else(invalid)?.children.as_slice() else { return Err(invalid()) };
                if update.name == "AppendToItemField" && property.name == "Body" {
                    event.body.push_str(&property.text);
                } else {
                    calendar_read::set(event, property, &mut times)?;
                }
            }
            _ => return Err(invalid()),
        }
    }
    calendar_read::finish(event, &times, acting.zone.as_ref())
}

/// The master with this occurrence changed.
fn exception(acting: &Acting<'_>, master: &Event, slot: Slot, updates: &[Element]) -> Result<Event, Failure> {
    let instance = master.at(slot).ok_or_else(Failure::item_not_found)?;
    let mut changed = Event {
        start: instance.start,
        end: instance.end,
        recurrence: None,
        exceptions: Vec::new(),
        deleted: Vec::new(),
        change: instance.event.change + 1,
        modified: acting.now,
        ..instance.event.clone()
    };
    if changed.id == master.id {
        changed.change = 1;
    }
    apply(acting, &mut changed, updates)?;
    let neighbour = |index: Option<u32>| index.and_then(|n| master.slot(n)).and_then(|slot| master.at(slot));
    let crosses = neighbour(slot.index.checked_sub(1)).is_some_and(|before| changed.start < before.start)
        || neighbour(slot.index.checked_add(1)).is_some_and(|after| changed.start > after.start);
    if crosses {
        return Err(Failure::new(
            "ErrorOccurrenceCrossingBoundary",
            "Occurrence can't be moved past an adjacent occurrence.",
        ));
    }
    let mut series = master.clone();
    series.exceptions.retain(|(original, _)| *original != slot.start);
    series.exceptions.push((slot.start, changed));
    series.exceptions.sort_by_key(|(original, _)| *original);
    Ok(series)
}

fn mail(
    acting: &mut Acting<'_>,
    owner: uuid::Uuid,
    id: &str,
    updates: &[Element],
) -> Result<String, Failure> {
    let mut read = None;
    let mut subject = None;
    for update in updates {
        let property = update.children.get(1).and_then(|m| m.children.first());
        match property.map(|p| (p.name.as_str(), p.text.as_str())) {
            Some(("IsRead", text)) => read = Some(matches!(text, "true" | "1")),
            Some(("Subject", text)) => subject = Some(text.to_owned()),
            _ => {
                return Err(Failure::new("ErrorInvalidPropertySet", "Set action is invalid for property."));
            }
        }
    }
    let now = acting.now;
    acting.state.store.change_message(owner, id, now, |m| {
        m.read = read.unwrap_or(m.read);
        if let Some(subject) = subject {
            m.subject = subject;
        }
    });
    let key = acting.state.store.message(owner, id).map(|(_, m)| m.change_key()).unwrap_or_default();
    Ok(format!("<t:Message>{}</t:Message>", item_id(id, &key)))
}
