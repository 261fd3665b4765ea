//! Folder ids as requests name them.

use uuid::Uuid;

use super::soap::{Element, TYPES};
use super::{Context, Site};
use crate::exchange::folder_id;
use crate::state::Folder;

/// Whose folder it is, and its id.
pub(super) fn named(
    context: &Context<'_>,
    id: &Element,
) -> Result<(Uuid, String), (&'static str, &'static str)> {
    const MALFORMED: (&str, &str) = ("ErrorInvalidIdMalformed", "Id is malformed.");
    let state = context.state;
    if id.namespace != TYPES {
        return Err(MALFORMED);
    }
    if id.name == "FolderId" {
        let text = id.attribute("Id").unwrap_or_default();
        return owner_of(text).map(|owner| (owner, text.to_owned())).ok_or(MALFORMED);
    }
    let folder = match id.attribute("Id") {
        Some("inbox") => Folder::Inbox,
        Some("calendar") => Folder::Calendar,
        Some("sentitems") => Folder::Sent,
        Some("drafts") => Folder::Drafts,
        Some("deleteditems") => Folder::Deleted,
        Some("msgfolderroot" | "root") => Folder::Root,
        _ => return Err(("ErrorFolderNotFound", "The specified folder could not be found in the store.")),
    };
    let owner = match id.child(TYPES, "Mailbox").and_then(|m| m.child(TYPES, "EmailAddress")) {
        None => context.mailbox,
        Some(address) => state
            .mailbox(&address.text, context.now)
            .filter(|m| m.remote == (context.site == Site::OnPremises))
            .map(|m| m.object_id)
            .ok_or(("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it."))?,
    };
    Ok((owner, folder_id(state, owner, &folder)))
}

/// The mailbox in a folder's id.
fn owner_of(id: &str) -> Option<Uuid> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let bytes = BASE64_STANDARD.decode(id).ok()?;
    Uuid::from_slice(bytes.get(4..20)?).ok()
}
