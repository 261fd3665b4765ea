//! `GetUserOofSettings`, `GetDelegate` and `ConvertId`.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::soap::{Element, Fault, MESSAGES, TYPES, escaped};
use super::{Context, schema_violation};
use crate::access::effective_folder_rights;
use crate::state::{Folder, FolderGrantee, MailboxRecipient};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn mailbox<'a>(
    context: &Context<'a>,
    element: Option<&Element>,
    child: &str,
) -> Option<&'a MailboxRecipient> {
    let address = element?.child(TYPES, child)?;
    context.state.mailbox(&address.text, context.now)
}

/// Out of office: of the mailbox that is acted in, and of no other.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseroofsettings-operation>
pub(super) fn get_user_oof_settings(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let element = operation
        .child(TYPES, "Mailbox")
        .ok_or_else(|| schema_violation("GetUserOofSettingsRequest needs a Mailbox."))?;
    let answer = |class: &str, message: &str, rest: &str| {
        format!(
            r#"<m:GetUserOofSettingsResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessage ResponseClass="{class}">{message}</m:ResponseMessage>{rest}</m:GetUserOofSettingsResponse>"#
        )
    };
    let found = mailbox(context, Some(element), "Address");
    if found.is_none_or(|m| m.object_id != context.mailbox) {
        let (code, text) = match found {
            Some(_) => ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
            None => ("ErrorMailRecipientNotFound", "The recipient was not found."),
        };
        let message = format!(
            "<m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        );
        return Ok(answer("Error", &message, ""));
    }
    let oof = context.state.exchange.out_of_office.get(&context.mailbox).cloned().unwrap_or_default();
    let state = match (oof.enabled, &oof.scheduled) {
        (false, _) => "Disabled",
        (true, None) => "Enabled",
        (true, Some(_)) => "Scheduled",
    };
    let time = |t: jiff::Timestamp| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (start, end) = oof.scheduled.unwrap_or((
        context.now,
        context.now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(context.now),
    ));
    let reply = |text: &str| format!("<t:Message>{}</t:Message>", escaped(text));
    let settings = format!(
        "<t:OofSettings><t:OofState>{state}</t:OofState><t:ExternalAudience>{}</t:ExternalAudience><t:Duration><t:StartTime>{}</t:StartTime><t:EndTime>{}</t:EndTime></t:Duration><t:InternalReply>{}</t:InternalReply><t:ExternalReply>{}</t:ExternalReply></t:OofSettings><m:AllowExternalOof>All</m:AllowExternalOof>",
        if oof.external_reply.is_empty() { "None" } else { "All" },
        time(start),
        time(end),
        reply(&oof.internal_reply),
        reply(&oof.external_reply),
    );
    Ok(answer("Success", "<m:ResponseCode>NoError</m:ResponseCode>", &settings))
}

/// The delegates of a mailbox, by the entries on its calendar and inbox.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getdelegate-operation>
pub(super) fn get_delegate(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let owner = mailbox(context, operation.child(MESSAGES, "Mailbox"), "EmailAddress");
    let answer = |class: &str, content: &str| {
        format!(
            r#"<m:GetDelegateResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}" ResponseClass="{class}">{content}</m:GetDelegateResponse>"#
        )
    };
    let error = |code: &str, text: &str| {
        let content = format!(
            "<m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        );
        Ok(answer("Error", &content))
    };
    let Some(owner) = owner else {
        return error("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.");
    };
    if owner.object_id != context.mailbox {
        return error("ErrorAccessDenied", "Access is denied. Check credentials and try again.");
    }
    let permissions = operation.attribute("IncludePermissions") == Some("true");
    let entries = &context.state.exchange.folder_permissions;
    let delegates = entries.iter().filter(|e| {
        e.is_configured()
            && e.value.mailbox == owner.object_id
            && e.value.folder == Folder::Calendar
            && e.value.delegate
    });
    let mut messages = String::new();
    for entry in delegates {
        let FolderGrantee::Recipient(id) = entry.value.grantee else { continue };
        let mut all = context.state.exchange.mailboxes.iter().filter(|m| m.is_configured());
        let Some(delegate) = all.find(|m| m.value.object_id == id).map(|m| &m.value) else { continue };
        let level =
            |folder: Folder| level(&effective_folder_rights(context.state, id, owner.object_id, &folder));
        let permissions = if permissions {
            format!(
                "<t:DelegatePermissions><t:CalendarFolderPermissionLevel>{}</t:CalendarFolderPermissionLevel><t:InboxFolderPermissionLevel>{}</t:InboxFolderPermissionLevel></t:DelegatePermissions>",
                level(Folder::Calendar),
                level(Folder::Inbox)
            )
        } else {
            String::new()
        };
        messages.push_str(&format!(
            r#"<m:DelegateUserResponseMessageType ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:DelegateUser><t:UserId><t:PrimarySmtpAddress>{}</t:PrimarySmtpAddress><t:DisplayName>{}</t:DisplayName></t:UserId>{permissions}<t:ReceiveCopiesOfMeetingMessages>true</t:ReceiveCopiesOfMeetingMessages><t:ViewPrivateItems>{}</t:ViewPrivateItems></m:DelegateUser></m:DelegateUserResponseMessageType>"#,
            escaped(&delegate.primary_smtp_address),
            escaped(&delegate.display_name),
            entry.value.private_items,
        ));
    }
    let list = if messages.is_empty() {
        messages
    } else {
        format!("<m:ResponseMessages>{messages}</m:ResponseMessages>")
    };
    Ok(answer(
        "Success",
        &format!(
            "<m:ResponseCode>NoError</m:ResponseCode>{list}<m:DeliverMeetingRequests>DelegatesAndSendInformationToMe</m:DeliverMeetingRequests>"
        ),
    ))
}

/// The level that a delegate's rights amount to.
fn level(rights: &std::collections::BTreeSet<String>) -> &'static str {
    let has = |right: &str| rights.contains(right);
    match (has("ReadItems"), has("CreateItems"), has("EditAllItems")) {
        (true, true, true) => "Editor",
        (true, true, false) => "Author",
        (true, false, false) => "Reviewer",
        (false, ..) => "None",
        (true, false, true) => "Custom",
    }
}

/// Ids in other forms. Whatever cannot be read is an error of its own.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/convertid-operation>
pub(super) fn convert_id(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    const FORMATS: [&str; 6] = ["EwsLegacyId", "EwsId", "EntryId", "HexEntryId", "StoreId", "OwaId"];
    let format = operation
        .attribute("DestinationFormat")
        .filter(|f| FORMATS.contains(f))
        .ok_or_else(|| schema_violation("ConvertId needs a DestinationFormat."))?;
    let ids = operation
        .child(MESSAGES, "SourceIds")
        .filter(|ids| !ids.children.is_empty())
        .ok_or_else(|| schema_violation("ConvertId needs SourceIds."))?;
    let mut messages = String::new();
    for id in &ids.children {
        let attribute = |name| id.attribute(name).unwrap_or_default();
        let (source, address) = (attribute("Format"), attribute("Mailbox"));
        if id.name != "AlternateId" || !FORMATS.contains(&source) {
            return Err(schema_violation("An id is an AlternateId with its Format, Id and Mailbox."));
        }
        let converted = match context.state.mailbox(address, context.now) {
            None => Err(("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")),
            Some(_) => bytes_of(source, attribute("Id"))
                .map(|bytes| text_of(format, &bytes))
                .ok_or(("ErrorInvalidIdMalformed", "Id is malformed.")),
        };
        messages.push_str(&match converted {
            Ok(text) => format!(
                r#"<m:ConvertIdResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:AlternateId xmlns:xsi="{XSI}" xsi:type="t:AlternateIdType" Format="{format}" Id="{}" Mailbox="{}"/></m:ConvertIdResponseMessage>"#,
                escaped(&text),
                escaped(address)
            ),
            Err((code, text)) => format!(
                r#"<m:ConvertIdResponseMessage ResponseClass="Error"><m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:ConvertIdResponseMessage>"#
            ),
        });
    }
    Ok(format!(
        r#"<m:ConvertIdResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>{messages}</m:ResponseMessages></m:ConvertIdResponse>"#
    ))
}

/// Shortest id that is one.
const SHORTEST: usize = 20;

fn bytes_of(format: &str, id: &str) -> Option<Vec<u8>> {
    let bytes = match format {
        "HexEntryId" => (0..id.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(id.get(at..at + 2)?, 16).ok())
            .collect::<Option<Vec<u8>>>()?,
        "OwaId" => {
            let plain = percent_encoding::percent_decode_str(id).decode_utf8().ok()?;
            BASE64_STANDARD.decode(plain.as_bytes()).ok()?
        }
        _ => BASE64_STANDARD
            .decode(id)
            .or_else(|_| {
                // Ids of items are written in the alphabet for addresses.
                base64::prelude::BASE64_URL_SAFE.decode(id)
            })
            .ok()?,
    };
    (bytes.len() >= SHORTEST).then_some(bytes)
}

fn text_of(format: &str, bytes: &[u8]) -> String {
    match format {
        "HexEntryId" => bytes.iter().map(|b| format!("{b:02X}")).collect(),
        "OwaId" => percent_encoding::utf8_percent_encode(
            &BASE64_STANDARD.encode(bytes),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string(),
        _ => BASE64_STANDARD.encode(bytes),
    }
}

/// The operation is none, or not one that this server has.
pub(super) fn unknown(operation: &Element) -> Fault {
    Fault::new(
        "ErrorInvalidRequest",
        format!("The simulated tenant does not serve the operation {}.", operation.name),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn ids_survive_every_form(bytes in prop::collection::vec(any::<u8>(), SHORTEST..80)) {
            for format in ["EwsLegacyId", "EwsId", "EntryId", "HexEntryId", "StoreId", "OwaId"] {
                prop_assert_eq!(bytes_of(format, &text_of(format, &bytes)), Some(bytes.clone()), "{}", format);
            }
        }
    }

    #[test]
    fn nonsense_is_no_id() {
        for (format, id) in [
            ("EwsId", "nonsense!"),
            ("HexEntryId", "ABC"),
            ("OwaId", "%"),
            ("EntryId", "AAAA"),
            ("HexEntryId", "zz"),
        ] {
            assert_eq!(bytes_of(format, id), None, "{format} {id}");
        }
    }
}
