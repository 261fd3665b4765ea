//! Answers in the form that each operation has, and those that throttling gives in their place.

use http::StatusCode;
use uuid::Uuid;

use super::soap::{self, Element, Fault, MESSAGES, TYPES, escaped};
use super::throttle::EwsThrottle;
use super::{Refused, named};
use crate::server::reply;
use crate::state::State;

/// Answers in place of the operation while a storm strikes.
pub(super) fn throttled(
    state: &State,
    mailbox: Uuid,
    server: &str,
    operation: &Element,
) -> Result<(), Refused> {
    let Some(storm) = state.ews.strike(mailbox) else { return Ok(()) };
    let Some(fault) = storm.fault() else {
        let page =
            "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body>busy</body></html>";
        let mut reply = reply::bytes(StatusCode::SERVICE_UNAVAILABLE, "text/html", page);
        reply::set(&mut reply, "connection", "close");
        return Err(Refused::Answer(Box::new(reply)));
    };
    if !matches!(storm, EwsThrottle::BusyMessage(_)) {
        return Err(fault.into());
    }
    let lists =
        ["ItemIds", "FolderIds", "ParentFolderIds", "Items", "ItemChanges", "SourceIds", "MailboxDataArray"];
    let list = operation.children.iter().find(|c| lists.contains(&c.name.as_str()));
    let count = list.map_or(1, |l| l.children.len().max(1));
    let name = named(operation).unwrap_or_default();
    Err(Refused::Answer(Box::new(soap::answer_of(server, &failure(&name, &fault, count)))))
}

/// An answer with `count` messages of class Error, in the operation's own form.
pub(super) fn failure(operation: &str, fault: &Fault, count: usize) -> String {
    let values: String = fault
        .values
        .iter()
        .map(|(name, value)| format!(r#"<t:Value Name="{name}">{}</t:Value>"#, escaped(value)))
        .collect();
    let values = if values.is_empty() { values } else { format!("<m:MessageXml>{values}</m:MessageXml>") };
    let head = format!(
        "<m:MessageText>{}</m:MessageText><m:ResponseCode>{}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{values}",
        escaped(&fault.message),
        escaped(&fault.code)
    );
    let (own, messages) = match operation {
        "GetRooms" | "GetRoomLists" | "GetDelegate" => (r#" ResponseClass="Error""#, head),
        "GetUserOofSettings" => {
            ("", format!(r#"<m:ResponseMessage ResponseClass="Error">{head}</m:ResponseMessage>"#))
        }
        "GetUserAvailability" => {
            let one = format!(
                r#"<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Error">{head}</m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></m:FreeBusyView></m:FreeBusyResponse>"#
            );
            ("", format!("<m:FreeBusyResponseArray>{}</m:FreeBusyResponseArray>", one.repeat(count)))
        }
        _ => {
            return response(operation, "Error", &head, "", "").replace(
                "</m:ResponseMessages>",
                &format!(
                    "{}</m:ResponseMessages>",
                    one_message(operation, "Error", &head, "").repeat(count - 1)
                ),
            );
        }
    };
    format!(
        r#"<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"{own}>{messages}</m:{operation}Response>"#
    )
}

/// An answer with one message of class Success and what stands in it.
pub(super) fn message(operation: &str, attributes: &str, content: &str) -> String {
    response(operation, "Success", "<m:ResponseCode>NoError</m:ResponseCode>", attributes, content)
}

/// An answer with one message; `head` is text, code and link.
pub(super) fn response(operation: &str, class: &str, head: &str, attributes: &str, content: &str) -> String {
    format!(
        r#"<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"{attributes}><m:ResponseMessages>{}</m:ResponseMessages></m:{operation}Response>"#,
        one_message(operation, class, head, content)
    )
}

fn one_message(operation: &str, class: &str, head: &str, content: &str) -> String {
    let required =
        if operation == "GetServerTimeZones" && class == "Error" { "<m:TimeZoneDefinitions/>" } else { "" };
    format!(
        r#"<m:{operation}ResponseMessage ResponseClass="{class}">{head}{content}{required}</m:{operation}ResponseMessage>"#
    )
}
