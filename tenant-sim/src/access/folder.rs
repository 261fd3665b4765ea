//! What entries on folders open, and what the roles on them stand for.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/add-mailboxfolderpermission>

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{View, policy};
use crate::ews::EwsQuirk;
use crate::state::{Folder, FolderGrantee, FolderPermission, GroupKind, State};

/// Single rights.
pub(crate) const RIGHTS: [&str; 10] = [
    "CreateItems",
    "CreateSubfolders",
    "DeleteAllItems",
    "DeleteOwnedItems",
    "EditAllItems",
    "EditOwnedItems",
    "FolderContact",
    "FolderOwner",
    "FolderVisible",
    "ReadItems",
];

/// Roles that calendars have besides.
pub(crate) const CALENDAR_ROLES: [&str; 2] = ["AvailabilityOnly", "LimitedDetails"];

/// Roles and the rights that each stands for.
pub(crate) const ROLES: [(&str, &[&str]); 8] = [
    ("Author", &["CreateItems", "DeleteOwnedItems", "EditOwnedItems", "FolderVisible", "ReadItems"]),
    ("Contributor", &["CreateItems", "FolderVisible"]),
    (
        "Editor",
        &[
            "CreateItems",
            "DeleteAllItems",
            "DeleteOwnedItems",
            "EditAllItems",
            "EditOwnedItems",
            "FolderVisible",
            "ReadItems",
        ],
    ),
    ("NonEditingAuthor", &["CreateItems", "DeleteOwnedItems", "FolderVisible", "ReadItems"]),
    ("Owner", &RIGHTS),
    (
        "PublishingAuthor",
        &[
            "CreateItems",
            "CreateSubfolders",
            "DeleteOwnedItems",
            "EditOwnedItems",
            "FolderVisible",
            "ReadItems",
        ],
    ),
    (
        "PublishingEditor",
        &[
            "CreateItems",
            "CreateSubfolders",
            "DeleteAllItems",
            "DeleteOwnedItems",
            "EditAllItems",
            "EditOwnedItems",
            "FolderVisible",
            "ReadItems",
        ],
    ),
    ("Reviewer", &["FolderVisible", "ReadItems"]),
];

/// The entry of Default or Anonymous on a folder that nobody has touched.
pub(crate) fn implicit(mailbox: Uuid, folder: Folder, grantee: FolderGrantee) -> FolderPermission {
    let available = folder == Folder::Calendar && grantee == FolderGrantee::Default;
    let rights = available.then(|| "AvailabilityOnly".to_owned()).into_iter().collect();
    FolderPermission { mailbox, folder, grantee, rights, delegate: false, private_items: false }
}

/// True when the user has FullAccess to the mailbox, or it is their own.
pub(crate) fn full_access(state: &State, user: Uuid, mailbox: Uuid, now: Timestamp) -> bool {
    if user == mailbox {
        return true;
    }
    let view = View::At(now);
    let entries: Vec<_> = state
        .exchange
        .mailbox_permissions
        .iter()
        .filter(|e| view.sees(e) && e.value.mailbox == mailbox)
        .map(|e| &e.value)
        .filter(|e| e.rights.iter().any(|r| r.eq_ignore_ascii_case("FullAccess")))
        .filter(|e| e.grantee == user || policy::is_nested_member(state, e.grantee, user, view))
        .collect();
    !entries.is_empty() && entries.iter().all(|e| !e.deny)
}

/// True when the user sees private items of the mailbox, as its delegate or as its owner.
pub(crate) fn folder_delegate_sees_private(state: &State, user: Uuid, mailbox: Uuid) -> bool {
    user == mailbox
        || state.exchange.folder_permissions.iter().any(|e| {
            e.is_configured()
                && e.value.mailbox == mailbox
                && e.value.grantee == FolderGrantee::Recipient(user)
                && e.value.private_items
        })
}

/// The rights of a user on a folder of somebody's mailbox: every right for the owner; those of the user's own entry; else
/// those of the entries of mail-enabled security groups that hold the user, united; else those of Default.
///
/// `user` and `mailbox` are object ids. The words are single rights, or `AvailabilityOnly` and `LimitedDetails`. FullAccess
/// on the mailbox goes past these entries and is not looked at.
pub fn effective_folder_rights(
    state: &State,
    user: Uuid,
    mailbox: Uuid,
    folder: &Folder,
) -> BTreeSet<String> {
    if user == mailbox {
        return RIGHTS.iter().map(|r| (*r).to_owned()).collect();
    }
    let entries: Vec<&FolderPermission> = state
        .exchange
        .folder_permissions
        .iter()
        .filter(|e| e.is_configured() && e.value.mailbox == mailbox && e.value.folder == *folder)
        .map(|e| &e.value)
        .collect();
    if let Some(own) = entries.iter().find(|e| e.grantee == FolderGrantee::Recipient(user)) {
        return own.rights.clone();
    }
    let holds = |group: Uuid| {
        state.exchange.groups.iter().any(|g| {
            g.is_configured() && g.value.object_id == group && g.value.kind == GroupKind::MailEnabledSecurity
        }) && policy::is_nested_member(state, group, user, View::Configured)
    };
    let through_groups: Vec<_> = entries
        .iter()
        .filter(|e| matches!(e.grantee, FolderGrantee::Recipient(group) if holds(group)))
        .collect();
    if !through_groups.is_empty() {
        return through_groups.iter().flat_map(|e| e.rights.iter().cloned()).collect();
    }
    if folder.is_calendar() && state.ews.has(EwsQuirk::EverybodyReads) {
        return ["FolderVisible", "ReadItems"].map(str::to_owned).into();
    }
    entries.iter().find(|e| e.grantee == FolderGrantee::Default).map_or_else(
        || implicit(mailbox, folder.clone(), FolderGrantee::Default).rights,
        |e| e.rights.clone(),
    )
}
