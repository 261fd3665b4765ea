//! `GetFolder` of distinguished folders, one's own or, as a delegate, somebody else's.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getfolder-operation>

use std::collections::BTreeSet;

use uuid::Uuid;

use super::soap::{Element, Fault, MESSAGES, TYPES, escaped};
use super::{Context, schema_violation};
use crate::access::effective_folder_rights;
use crate::exchange::{folder_id, shown_name};
use crate::state::Folder;

/// Answers for each folder on its own.
pub(super) fn run(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let shape = operation
        .child(MESSAGES, "FolderShape")
        .and_then(|s| s.child(TYPES, "BaseShape"))
        .ok_or_else(|| schema_violation("GetFolder needs FolderShape with BaseShape."))?;
    let ids = operation
        .child(MESSAGES, "FolderIds")
        .filter(|ids| !ids.children.is_empty())
        .ok_or_else(|| schema_violation("GetFolder needs FolderIds."))?;
    let mut messages = String::new();
    for id in &ids.children {
        let message = match resolve(context, id) {
            Ok(found) => success(context, &found, shape.text == "IdOnly"),
            Err((code, text)) => format!(
                r#"<m:GetFolderResponseMessage ResponseClass="Error"><m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:Folders/></m:GetFolderResponseMessage>"#
            ),
        };
        messages.push_str(&message);
    }
    Ok(format!(
        r#"<m:GetFolderResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>{messages}</m:ResponseMessages></m:GetFolderResponse>"#
    ))
}

struct Found {
    owner: Uuid,
    folder: Folder,
    rights: BTreeSet<String>,
}

fn resolve(context: &Context<'_>, id: &Element) -> Result<Found, (&'static str, &'static str)> {
    if id.namespace != TYPES || id.name != "DistinguishedFolderId" {
        return Err(("ErrorInvalidIdMalformed", "Id is malformed."));
    }
    let folder = match id.attribute("Id") {
        Some("inbox") => Folder::Inbox,
        Some("calendar") => Folder::Calendar,
        Some("msgfolderroot") => Folder::Root,
        _ => return Err(("ErrorFolderNotFound", "The specified folder could not be found in the store.")),
    };
    let owner = match id.child(TYPES, "Mailbox").and_then(|m| m.child(TYPES, "EmailAddress")) {
        None => context.mailbox,
        Some(address) => context
            .state
            .exchange
            .mailboxes
            .iter()
            .filter(|m| m.is_configured() && m.value.remote == (context.site == super::Site::OnPremises))
            .find(|m| m.value.primary_smtp_address.eq_ignore_ascii_case(&address.text))
            .map(|m| m.value.object_id)
            .ok_or(("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it."))?,
    };
    let rights = effective_folder_rights(context.state, context.mailbox, owner, &folder);
    // Free/busy alone opens no folder. A delegate is not told whether there is one.
    if rights.contains("FolderVisible") || rights.contains("ReadItems") {
        Ok(Found { owner, folder, rights })
    } else {
        Err(("ErrorAccessDenied", "Access is denied. Check credentials and try again."))
    }
}

fn success(context: &Context<'_>, found: &Found, id_only: bool) -> String {
    let Found { owner, folder, rights } = found;
    let (element, class) = match folder {
        Folder::Calendar => ("CalendarFolder", "IPF.Appointment"),
        _ => ("Folder", "IPF.Note"),
    };
    let mut properties = format!(
        r#"<t:FolderId Id="{}" ChangeKey="AQAAAA=="/>"#,
        escaped(&folder_id(context.state, *owner, folder))
    );
    if !id_only {
        let has = |right: &str| rights.contains(right);
        properties.push_str(&format!(
            "<t:FolderClass>{class}</t:FolderClass><t:DisplayName>{}</t:DisplayName><t:EffectiveRights><t:CreateAssociated>{}</t:CreateAssociated><t:CreateContents>{}</t:CreateContents><t:CreateHierarchy>{}</t:CreateHierarchy><t:Delete>{}</t:Delete><t:Modify>{}</t:Modify><t:Read>{}</t:Read></t:EffectiveRights>",
            escaped(&shown_name(context.state, *owner, folder)),
            has("FolderOwner"),
            has("CreateItems"),
            has("CreateSubfolders"),
            has("FolderOwner"),
            has("FolderOwner"),
            has("ReadItems"),
        ));
    }
    format!(
        r#"<m:GetFolderResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Folders><t:{element}>{properties}</t:{element}></m:Folders></m:GetFolderResponseMessage>"#
    )
}
