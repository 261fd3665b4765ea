//! `SendItem`: drafts.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/senditem-operation>

use uuid::Uuid;

use super::operations::{Acting, Failure, listed, message, response};
use super::place::{self, Named, resolve};
use super::schema_violation;
use super::soap::{Element, Fault, MESSAGES};
use crate::graph::mime;
use crate::state::{Folder, Message};

/// Answers for each draft on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let save = match operation.attribute("SaveItemToFolder") {
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        _ => return Err(schema_violation("SendItem needs SaveItemToFolder.")),
    };
    let target = operation.child(MESSAGES, "SavedItemFolderId").and_then(|s| s.children.first());
    let mut messages = String::new();
    for id in listed(operation, "ItemIds")? {
        let outcome = one(acting, id, save, target).map(|()| String::new());
        messages.push_str(&message("SendItem", outcome, ""));
    }
    Ok(response("SendItem", &messages))
}

fn one(acting: &mut Acting<'_>, id: &Element, save: bool, target: Option<&Element>) -> Result<(), Failure> {
    let found = place::item(acting, id)?;
    let Named::Message(draft) = &found.item else {
        return Err(Failure::new("ErrorInvalidItemForOperationSendItem", "The item can't be sent."));
    };
    let key = id.attribute("ChangeKey").ok_or_else(|| {
        Failure::new(
            "ErrorChangeKeyRequiredForWriteOperations",
            "The change key passed in the request does not match the current change key for the item.",
        )
    })?;
    if key != draft.change_key() {
        return Err(Failure::new("ErrorStaleObject", "The item was changed since it was read."));
    }
    let owner = found.place.owner;
    let target = match target {
        Some(id) => resolve(acting, id)?.folder,
        None => Folder::Sent,
    };
    deliver(acting, owner, draft)?;
    let now = acting.now;
    acting.state.store.remove_message(owner, &draft.id, save.then_some(&target), now);
    Ok(())
}

/// Fills in what a message lacks: its text from the parts, or the parts from its text.
pub(super) fn compose(acting: &mut Acting<'_>, draft: &mut Message, raw: Option<Vec<u8>>) {
    if let Some(raw) = raw {
        let header = |name: &str| mime::header(&raw, name).unwrap_or_default();
        if draft.subject.is_empty() {
            draft.subject = header("subject");
        }
        if draft.internet_message_id.is_empty() {
            draft.internet_message_id = header("message-id");
        }
        if draft.to.is_empty() {
            draft.to = ["to", "cc", "bcc"].iter().flat_map(|name| mime::addresses(&header(name))).collect();
        }
        draft.body = mime::body(&raw);
        draft.mime = raw;
        return;
    }
    if draft.internet_message_id.is_empty() {
        let id = acting.state.store.fresh_id();
        let domain = draft.from.1.rsplit_once('@').map_or("localhost", |(_, d)| d);
        draft.internet_message_id = format!("<{}@{domain}>", id.get(8..40).unwrap_or(&id));
    }
    draft.mime = mime::compose(&mime::Parts {
        from: (&draft.from.0, &draft.from.1),
        to: &draft.to,
        subject: &draft.subject,
        date: acting.now,
        message_id: &draft.internet_message_id,
        body: &draft.body,
    });
}

/// Brings a message into the inboxes of the tenant.
pub(super) fn deliver(acting: &mut Acting<'_>, sender: Uuid, draft: &Message) -> Result<(), Failure> {
    if draft.to.is_empty() {
        return Err(Failure::new("ErrorInvalidRecipients", "At least one recipient is not valid."));
    }
    // A delegate sends in the owner's name only with the right to.
    let view = crate::access::View::At(acting.now);
    if sender != acting.mailbox
        && !crate::access::switches::sends_as(acting.state, acting.mailbox, sender, view)
    {
        return Err(Failure::new(
            "ErrorSendAsDenied",
            "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.",
        ));
    }
    let now = acting.now;
    let recipients: Vec<Uuid> =
        draft.to.iter().filter_map(|to| acting.state.mailbox(to, now)).map(|m| m.object_id).collect();
    for recipient in recipients {
        let copy =
            Message { id: String::new(), uid: 0, change: 0, read: false, received: now, ..draft.clone() };
        acting.state.store.add_message(recipient, &Folder::Inbox, copy, now);
    }
    Ok(())
}
