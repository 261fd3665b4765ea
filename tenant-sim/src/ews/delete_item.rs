//! `DeleteItem`: events, occurrences, messages.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteitem-operation>

use super::meetings;
use super::operations::{Acting, Failure, choice, listed, message, response};
use super::place::{self, Named};
use super::schema_violation;
use super::soap::{Element, Fault};
use crate::state::{Event, Folder};

/// Answers for each id on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let kind = choice(operation, "DeleteType", &["HardDelete", "SoftDelete", "MoveToDeletedItems"])?
        .ok_or_else(|| schema_violation("DeleteItem needs DeleteType."))?;
    let cancellations = choice(
        operation,
        "SendMeetingCancellations",
        &["SendToNone", "SendOnlyToAll", "SendToAllAndSaveCopy"],
    )?;
    let mut messages = String::new();
    for id in listed(operation, "ItemIds")? {
        let outcome = one(acting, id, kind == "MoveToDeletedItems", cancellations).map(|()| String::new());
        messages.push_str(&message("DeleteItem", outcome, ""));
    }
    Ok(response("DeleteItem", &messages))
}

fn one(
    acting: &mut Acting<'_>,
    id: &Element,
    keep: bool,
    cancellations: Option<&str>,
) -> Result<(), Failure> {
    let found = place::item(acting, id)?;
    if !found.place.has("DeleteAllItems") {
        return Err(Failure::access_denied());
    }
    let (owner, now) = (found.place.owner, acting.now);
    let required = || {
        Failure::new(
            "ErrorSendMeetingCancellationsRequired",
            "SendMeetingCancellations attribute is required for calendar items.",
        )
    };
    match found.item {
        Named::Message(message) => {
            acting.state.store.remove_message(owner, &message.id, keep.then_some(&Folder::Deleted), now);
        }
        Named::Event(event) => {
            let tell = cancellations.ok_or_else(required)? != "SendToNone";
            acting.state.store.remove_event(owner, &event.id, keep, now);
            if tell && event.is_organizer {
                meetings::cancel(acting, &event);
            }
        }
        Named::Occurrence(master, slot) => {
            let tell = cancellations.ok_or_else(required)? != "SendToNone";
            let mut series = Event { sequence: master.sequence + u32::from(tell), ..(*master).clone() };
            series.exceptions.retain(|(original, _)| *original != slot.start);
            series.deleted.push(slot.start);
            series.deleted.sort_unstable();
            acting.state.store.put_event(owner, series.clone(), now);
            if tell && series.is_organizer {
                meetings::invite(acting, &series, |_| true);
            }
        }
    }
    Ok(())
}
