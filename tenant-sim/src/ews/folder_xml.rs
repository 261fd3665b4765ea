//! Properties of folders, in the schema's order.

use super::operations::Acting;
use super::place::{Place, distinguished, folders};
use super::shape::Shape;
use super::soap::escaped;
use crate::access::folder_delegate_sees_private;
use crate::exchange::{folder_id, shown_name};
use crate::state::Folder;

/// A folder as `Folder` or `CalendarFolder`.
pub(super) fn folder(acting: &Acting<'_>, place: &Place, shape: &Shape) -> String {
    let state = &*acting.state;
    let Place { owner, folder, .. } = place;
    let element = if folder.is_calendar() { "CalendarFolder" } else { "Folder" };
    let class = match folder {
        Folder::Birthdays => "IPF.Appointment.Birthday",
        _ if folder.is_calendar() => "IPF.Appointment",
        _ => "IPF.Note",
    };
    let all = folders(state, *owner);
    let mut xml =
        format!(r#"<t:{element}><t:FolderId Id="{}" ChangeKey="AQAAAA=="/>"#, escaped(&place.id(state)));
    let parent = all.iter().find(|(f, _)| f == folder).and_then(|(_, parent)| parent.clone());
    if shape.wants("folder:ParentFolderId", false) {
        // The root's own is the mailbox itself.
        let id = folder_id(state, *owner, &parent.unwrap_or(Folder::Root));
        xml.push_str(&format!(r#"<t:ParentFolderId Id="{}" ChangeKey="AQAAAA=="/>"#, escaped(&id)));
    }
    let messages = state.store.messages(*owner, folder);
    let total = messages.len() + state.store.events_of(*owner, folder).count();
    let children = all.iter().filter(|(_, parent)| parent.as_ref() == Some(folder)).count();
    let mut put = |uri: &str, by_default: bool, value: &str| {
        if shape.wants(uri, by_default) {
            let name = uri.trim_start_matches("folder:");
            xml.push_str(&format!("<t:{name}>{}</t:{name}>", escaped(value)));
        }
    };
    put("folder:FolderClass", true, class);
    put("folder:DisplayName", true, &shown_name(state, *owner, folder));
    put("folder:TotalCount", true, &total.to_string());
    put("folder:ChildFolderCount", true, &children.to_string());
    if shape.wants("folder:EffectiveRights", true) {
        let private = if folder.is_calendar() {
            let sees = folder_delegate_sees_private(state, acting.mailbox, *owner);
            format!("<t:ViewPrivateItems>{sees}</t:ViewPrivateItems>")
        } else {
            String::new()
        };
        xml.push_str(&format!("<t:EffectiveRights><t:CreateAssociated>{}</t:CreateAssociated><t:CreateContents>{}</t:CreateContents><t:CreateHierarchy>{}</t:CreateHierarchy><t:Delete>{}</t:Delete><t:Modify>{}</t:Modify><t:Read>{}</t:Read>{private}</t:EffectiveRights>",
            place.has("FolderOwner"),
            place.has("CreateItems"),
            place.has("CreateSubfolders"),
            place.has("FolderOwner"),
            place.has("FolderOwner"),
            place.has("ReadItems"),
        ));
    }
    if let Some(name) = distinguished(folder).filter(|_| shape.names("folder:DistinguishedFolderId")) {
        xml.push_str(&format!("<t:DistinguishedFolderId>{name}</t:DistinguishedFolderId>"));
    }
    if folder.is_calendar() && shape.wants("folder:SharingEffectiveRights", false) {
        let level = if place.has("ReadItems") {
            "FullDetails"
        } else if place.has("LimitedDetails") {
            "TimeAndSubjectAndLocation"
        } else if place.has("AvailabilityOnly") {
            "TimeOnly"
        } else {
            "None"
        };
        xml.push_str(&format!("<t:SharingEffectiveRights>{level}</t:SharingEffectiveRights>"));
    }
    if !folder.is_calendar() && shape.wants("folder:UnreadCount", true) {
        let unread = messages.iter().filter(|m| !m.read).count();
        xml.push_str(&format!("<t:UnreadCount>{unread}</t:UnreadCount>"));
    }
    xml.push_str(&format!("</t:{element}>"));
    xml
}
