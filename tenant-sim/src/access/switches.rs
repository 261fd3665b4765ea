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

/// What a switch or list of EWS says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EwsGate {
    /// It lets the call pass.
    Open,
    /// EWS is switched off.
    Off,
    /// EWS is on for the apps of a list, and this app is not on it.
    NotListed,
}

/// The organisation's switch and list of apps. While the switch is on, and not only unset, the app must be on the list;
/// an empty list then blocks every app. The list reaches enforcement later than the switch.
pub(super) fn ews_organization(state: &State, client_id: Uuid, view: View) -> EwsGate {
    let propagation = &state.propagation;
    let listed = view.delayed(propagation.ews_allowed_apps.saturating_sub(propagation.organization_switch));
    match organization(state, view).ews_enabled {
        None => EwsGate::Open,
        Some(false) => EwsGate::Off,
        Some(true) if organization(state, listed).ews_allowed_apps.contains(&client_id) => EwsGate::Open,
        Some(true) => EwsGate::NotListed,
    }
}

/// A mailbox's own switch.
pub(super) fn ews_mailbox(state: &State, mailbox: Uuid, view: View) -> EwsGate {
    if mailbox_switches(state, mailbox, view).ews_enabled == Some(false) {
        EwsGate::Off
    } else {
        EwsGate::Open
    }
}

/// True when the switches let this app's EWS calls to the mailbox pass: organisation and mailbox must both allow.
pub(crate) fn ews_is_on(state: &State, client_id: Uuid, mailbox: Uuid, view: View) -> bool {
    ews_organization(state, client_id, view) == EwsGate::Open
        && ews_mailbox(state, mailbox, view) == EwsGate::Open
}

/// True when the lists of user agents let the client pass, over EWS and Graph alike. A mailbox with a policy of its own
/// is judged by its own lists, any other, and a call without a mailbox, by the organisation's. (That the mailbox's
/// replace the organisation's is how Exchange Server does it; the pages do not say.)
pub(crate) fn agent_passes(state: &State, mailbox: Option<Uuid>, agent: &str, view: View) -> bool {
    let propagation = &state.propagation;
    let own = view.delayed(propagation.agent_lists.saturating_sub(propagation.mailbox_switch));
    let of_all = view.delayed(propagation.agent_lists.saturating_sub(propagation.organization_switch));
    let own = mailbox.map(|mailbox| mailbox_switches(state, mailbox, own).agents);
    let lists = own
        .filter(|lists| lists.allow_list_counts.is_some())
        .unwrap_or_else(|| organization(state, of_all).agents);
    let any = |patterns: &[String]| patterns.iter().any(|pattern| agent_matches(pattern, agent));
    match lists.allow_list_counts {
        None => true,
        Some(true) => any(&lists.allowed),
        Some(false) => !any(&lists.blocked),
    }
}

/// `*` stands for anything; letter case does not count.
fn agent_matches(pattern: &str, agent: &str) -> bool {
    let (pattern, agent) = (pattern.to_lowercase(), agent.to_lowercase());
    let mut parts = pattern.split('*');
    // A split has at least one part.
    let Some(mut rest) = agent.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What the switches of authenticated SMTP say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SmtpGate {
    /// It is on.
    On,
    /// The organisation's switch is off, and the mailbox has none of its own.
    OffForTenant,
    /// The mailbox's own switch is off.
    OffForMailbox,
}

/// The switches of authenticated SMTP for a mailbox: its own goes before the organisation's.
pub(super) fn smtp_gate(state: &State, mailbox: Uuid, view: View) -> SmtpGate {
    match mailbox_switches(state, mailbox, view).smtp_disabled {
        Some(true) => SmtpGate::OffForMailbox,
        None if organization(state, view).smtp_disabled => SmtpGate::OffForTenant,
        _ => SmtpGate::On,
    }
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
    smtp_gate(state, mailbox.object_id, view) == SmtpGate::On
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_user_agents() {
        for (pattern, agent, matches) in [
            ("*", "", true),
            ("acme/*", "Acme/2.4 (x)", true),
            ("acme/*", "other acme/2", false),
            ("acme/2", "acme/2.4", false),
            ("acme/2", "ACME/2", true),
            ("*probe*1", "a probe of version 1", true),
            ("*probe*1", "a probe 1 b", false),
            ("ab*b", "ab", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(agent_matches(pattern, agent), matches, "{pattern} {agent}");
        }
    }
}
