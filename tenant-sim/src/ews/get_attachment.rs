//! `GetAttachment`: files with their content.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getattachment-operation>

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::item_xml;
use super::operations::{Acting, Failure, listed, message, response};
use super::place::{self, Named};
use super::soap::{Element, Fault};

/// Answers for each id on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let mut messages = String::new();
    for id in listed(operation, "AttachmentIds")? {
        let outcome = one(acting, id.attribute("Id").unwrap_or_default())
            .map(|file| format!("<m:Attachments>{file}</m:Attachments>"));
        messages.push_str(&message("GetAttachment", outcome, "<m:Attachments/>"));
    }
    Ok(response("GetAttachment", &messages))
}

fn one(acting: &Acting<'_>, id: &str) -> Result<String, Failure> {
    let malformed =
        || Failure::new("ErrorInvalidAttachmentId", "The attachment ID is invalid or could not be found.");
    let bytes = BASE64_STANDARD.decode(id).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (item, attachment) = text.split_once('\n').ok_or_else(malformed)?;
    let found = place::by_store_id(acting, item)?;
    let all = match &found.item {
        Named::Event(event) => &event.attachments,
        Named::Occurrence(master, _) => &master.attachments,
        Named::Message(message) => &message.attachments,
    };
    let file = all.iter().find(|a| a.id == attachment);
    file.map(|file| item_xml::file(item, file, true)).ok_or_else(malformed)
}
