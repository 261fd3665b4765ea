//! RBAC for Applications: roles of an app inside a resource scope, seen through the app's own cache.
//! <https://learn.microsoft.com/exchange/permissions-exo/application-rbac>

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{View, filter::Filter};
use crate::state::{GroupRecipient, MailboxRecipient, RbacCache, ResourceScope, State};

/// The application roles and the permissions that each grants.
pub(crate) const ROLES: [(&str, &[&str]); 24] = [
    ("Application Mail.Read", &["Mail.Read"]),
    ("Application Mail.ReadBasic", &["Mail.ReadBasic", "Mail.ReadBasic.All"]),
    ("Application Mail.ReadWrite", &["Mail.ReadWrite"]),
    ("Application Mail.Send", &["Mail.Send"]),
    ("Application MailboxSettings.Read", &["MailboxSettings.Read"]),
    ("Application MailboxSettings.ReadWrite", &["MailboxSettings.ReadWrite"]),
    ("Application Calendars.Read", &["Calendars.Read"]),
    ("Application Calendars.ReadWrite", &["Calendars.ReadWrite"]),
    ("Application Contacts.Read", &["Contacts.Read"]),
    ("Application Contacts.ReadWrite", &["Contacts.ReadWrite"]),
    ("Application MailboxFolder.Read", &["MailboxFolder.Read.All"]),
    ("Application MailboxFolder.ReadWrite", &["MailboxFolder.ReadWrite.All"]),
    ("Application MailboxItem.Read", &["MailboxItem.Read.All"]),
    ("Application MailboxItem.ReadWrite", &["MailboxItem.ReadWrite.All"]),
    ("Application MailboxItem.Export", &["MailboxItem.Export.All"]),
    ("Application MailboxItem.ImportExport", &["MailboxItem.ImportExport.All"]),
    ("Application Mail Full Access", &["Mail.ReadWrite", "Mail.Send"]),
    (
        "Application Exchange Full Access",
        &[
            "Mail.ReadWrite",
            "Mail.Send",
            "MailboxSettings.ReadWrite",
            "Calendars.ReadWrite",
            "Contacts.ReadWrite",
        ],
    ),
    ("Application EWS.AccessAsApp", &["EWS.AccessAsApp"]),
    ("Application SMTP.SendAsApp", &["SMTP.SendAsApp"]),
    ("Application MailboxConfigItem.Read", &["MailboxConfigItem.Read"]),
    ("Application MailboxConfigItem.ReadWrite", &["MailboxConfigItem.ReadWrite"]),
    ("Application MailTips.ReadBasic.All", &["MailTips.ReadBasic.All"]),
    ("Application Mail-Advanced.ReadWrite.All", &["Mail-Advanced.ReadWrite.All"]),
];

/// The role's exact name and permissions, found without regard to case.
pub(crate) fn application_role(name: &str) -> Option<(&'static str, &'static [&'static str])> {
    ROLES.iter().copied().find(|(role, _)| role.eq_ignore_ascii_case(name))
}

/// True when a role of the app grants any needed permission on this mailbox.
pub(super) fn grants(
    state: &State,
    app: Uuid,
    mailbox: &MailboxRecipient,
    needed: &[&str],
    view: View,
) -> bool {
    state
        .exchange
        .role_assignments
        .iter()
        .filter(|a| view.sees(a) && a.value.app == app)
        .map(|a| &a.value)
        .filter(|a| {
            application_role(&a.role).is_some_and(|(_, granted)| needed.iter().any(|n| granted.contains(n)))
        })
        .any(|a| in_scope(state, &a.scope, mailbox, view))
}

/// True when a role of the app grants this permission on some mailbox, whichever its scope holds.
pub(super) fn holds(state: &State, app: Uuid, permission: &str, view: View) -> bool {
    let mut assignments = state.exchange.role_assignments.iter();
    assignments.any(|a| {
        view.sees(a)
            && a.value.app == app
            && application_role(&a.value.role).is_some_and(|(_, granted)| granted.contains(&permission))
    })
}

/// True when the resource scope holds the mailbox. Only direct members of a group count.
pub(crate) fn in_scope(state: &State, scope: &ResourceScope, mailbox: &MailboxRecipient, view: View) -> bool {
    match scope {
        ResourceScope::Organization => true,
        ResourceScope::Custom(name) => state
            .exchange
            .scopes
            .iter()
            .filter(|s| view.sees(s) && s.value.name.eq_ignore_ascii_case(name))
            .filter_map(|s| Filter::parse(&s.value.recipient_filter).ok())
            .any(|filter| matches_filter(state, &filter, mailbox, view)),
        ResourceScope::Group(id) => state
            .exchange
            .groups
            .iter()
            .filter(|g| view.sees(g) && g.value.object_id == *id)
            .any(|g| has_direct_member(&g.value, mailbox.object_id, view)),
        ResourceScope::AdministrativeUnit(name) => state
            .exchange
            .administrative_units
            .iter()
            .filter(|u| view.sees(u) && u.value.answers_to(name))
            .any(|u| u.value.members.iter().any(|m| view.sees(m) && m.value == mailbox.object_id)),
    }
}

/// True when the filter selects the mailbox.
pub(crate) fn matches_filter(state: &State, filter: &Filter, mailbox: &MailboxRecipient, view: View) -> bool {
    let organisation = state.initial_domain();
    filter.matches(mailbox, &|dn| {
        state
            .exchange
            .groups
            .iter()
            .filter(|g| view.sees(g) && g.value.distinguished_name(organisation).eq_ignore_ascii_case(dn))
            .any(|g| has_direct_member(&g.value, mailbox.object_id, view))
    })
}

fn has_direct_member(group: &GroupRecipient, recipient: Uuid, view: View) -> bool {
    group.members.iter().any(|m| view.sees(m) && m.value == recipient)
}

/// Counts an inbound call of the app and answers the instant at which its roles are to be looked at.
pub(super) fn picture_at_call(state: &mut State, app: Uuid, now: Timestamp) -> Timestamp {
    let cache = state.exchange.rbac_cache.entry(app).or_insert(RbacCache { taken_at: now, last_call: now });
    let idle = now.duration_since(cache.last_call) >= state.propagation.rbac_idle;
    let old = now.duration_since(cache.taken_at) >= state.propagation.rbac_active;
    if idle || old {
        cache.taken_at = now;
    }
    cache.last_call = now;
    cache.taken_at
}

/// To be called just before assignments, scopes or group members change: apps that never called keep the picture from
/// before the change until their cache runs out, and so do apps that called in the very instant of the change.
pub(crate) fn about_to_change(state: &mut State, now: Timestamp) {
    let before = now.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
    for cache in state.exchange.rbac_cache.values_mut() {
        cache.taken_at = cache.taken_at.min(before);
    }
    for app in state.exchange.service_principals.iter().filter(|p| p.is_configured()) {
        state
            .exchange
            .rbac_cache
            .entry(app.value.object_id)
            .or_insert(RbacCache { taken_at: before, last_call: now });
    }
}

/// Deletes the pointers, and their role assignments, whose application has left the directory. Management scopes stay.
pub(crate) fn drop_orphans(state: &mut State, now: Timestamp) {
    let directory = &state.directory.service_principals;
    let exchange = &mut state.exchange;
    for pointer in exchange.service_principals.iter_mut().filter(|p| p.is_configured()) {
        if directory.iter().any(|sp| sp.is_configured() && sp.value.app_id == pointer.value.app_id) {
            continue;
        }
        pointer.delete(now, SignedDuration::ZERO);
        for assignment in
            exchange.role_assignments.iter_mut().filter(|a| a.value.app == pointer.value.object_id)
        {
            assignment.delete(now, SignedDuration::ZERO);
        }
    }
}
