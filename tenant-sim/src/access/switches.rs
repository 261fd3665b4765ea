//! EWS and SMTP: the switches of organisation and mailbox, and who may use the protocol at all.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange>

use uuid::Uuid;

use super::{View, policy, rbac};
use crate::state::{MailboxRecipient, MailboxSwitches, OrganizationSwitches, State};

/// The consented permission for EWS without a user, and the role that grants the same inside a scope.
pub(super) const EWS_PERMISSIONS: [&str; 2] = ["full_access_as_app", "EWS.AccessAsApp"];
/// The permission for SMTP, of both kinds.
pub(super) const SMTP_PERMISSION: &str = "SMTP.SendAsApp";

/// The organisation's switches in this view.
pub(crate) fn organization(state: &State, view: View) -> OrganizationSwitches {
    let mut records = state.exchange.organization_switches.iter().rev();
    records.find(|s| view.sees(s)).map(|s| s.value.clone()).unwrap_or_default()
}

/// A mailbox's switches in this view.
pub(crate) fn mailbox_switches(state: &State, mailbox: Uuid, view: View) -> MailboxSwitches {
    let mut records = state.exchange.mailbox_switches.iter().rev();
    let found = records.find(|s| s.value.mailbox == mailbox && view.sees(s));
    found.map_or_else(|| MailboxSwitches::untouched(mailbox), |s| s.value.clone())
}

/// True when the switches let this app's EWS calls to the mailbox pass. Organisation and mailbox must both allow; while
/// the organisation's switch is on, and not only unset, the app must be on its list.
pub(crate) fn ews_is_on(state: &State, client_id: Uuid, mailbox: Uuid, view: View) -> bool {
    let organization = organization(state, view);
    let listed = organization.ews_allowed_apps.contains(&client_id);
    let passes = match organization.ews_enabled {
        None => true,
        Some(enabled) => enabled && listed,
    };
    passes && mailbox_switches(state, mailbox, view).ews_enabled != Some(false)
}

/// True when authenticated SMTP is on for the mailbox: its own switch goes before the organisation's.
pub(crate) fn smtp_is_on(state: &State, mailbox: Uuid, view: View) -> bool {
    let own = mailbox_switches(state, mailbox, view).smtp_disabled;
    !own.unwrap_or_else(|| organization(state, view).smtp_disabled)
}

/// True when the app opens the mailbox over EWS: by consent, limited by access policies, or by a role in its scope.
pub(super) fn ews_grant(
    state: &State,
    (client_id, object_id): (Uuid, Uuid),
    mailbox: &MailboxRecipient,
    consented: bool,
    view: View,
) -> bool {
    ews_is_on(state, client_id, mailbox.object_id, view)
        && (consented && policy::allows(state, client_id, mailbox.object_id, view)
            || rbac::grants(state, object_id, mailbox, &["EWS.AccessAsApp"], view))
}

/// True when the app sends as the mailbox over SMTP. A consent brings a look at the mailbox's own entries with it, also
/// for an app that has the role: then Send As or FullAccess is needed.
pub(super) fn smtp_grant(
    state: &State,
    object_id: Uuid,
    mailbox: &MailboxRecipient,
    consented: bool,
    view: View,
) -> bool {
    smtp_is_on(state, mailbox.object_id, view)
        && if consented {
            super::imap::mailbox_grant(state, object_id, mailbox, view).is_ok()
                || sends_as(state, object_id, mailbox.object_id, view)
        } else {
            rbac::grants(state, object_id, mailbox, &[SMTP_PERMISSION], view)
        }
}

/// True when the trustee has the recipient's Send As, itself or through a group.
pub(crate) fn sends_as(state: &State, trustee: Uuid, recipient: Uuid, view: View) -> bool {
    let members = view.delayed(state.propagation.mailbox_permission);
    state.exchange.send_as.iter().filter(|e| view.sees(e) && e.value.recipient == recipient).any(|e| {
        e.value.trustee == trustee || policy::is_nested_member(state, e.value.trustee, trustee, members)
    })
}
