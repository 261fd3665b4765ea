//! Application access policies: the legacy limit on permissions granted in Entra.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/new-applicationaccesspolicy>

use uuid::Uuid;

use super::View;
use crate::state::{PolicyRight, State};

/// True for the permissions that these policies limit at all.
pub(crate) fn covers(permission: &str) -> bool {
    ["Mail.", "MailboxSettings.", "Calendars.", "Contacts."].iter().any(|area| permission.starts_with(area))
}

/// The documented order of evaluation over the policies of one app, each with whether its scope holds the mailbox:
/// a matching deny closes, else a matching restrict opens, else any restrict closes, else the mailbox is open.
pub(crate) fn verdict(policies: impl IntoIterator<Item = (PolicyRight, bool)>) -> bool {
    let (mut granted, mut restricted) = (false, false);
    for policy in policies {
        match policy {
            (PolicyRight::Deny, true) => return false,
            (PolicyRight::Restrict, true) => granted = true,
            (PolicyRight::Restrict, false) => restricted = true,
            (PolicyRight::Deny, false) => {}
        }
    }
    granted || !restricted
}

/// True when the policies for this client id leave the mailbox open.
pub(crate) fn allows(state: &State, client_id: Uuid, mailbox: Uuid, view: View) -> bool {
    let members = view.delayed(state.propagation.access_policy);
    let policies =
        state.exchange.access_policies.iter().filter(|p| view.sees(p)).map(|p| &p.value).filter(|p| match p
            .app_id
        {
            Some(app) => app == client_id,
            None => true,
        });
    verdict(
        policies.map(|p| (p.right, p.scope == mailbox || is_nested_member(state, p.scope, mailbox, members))),
    )
}

/// True when the group holds the recipient, directly or through groups inside it.
pub(super) fn is_nested_member(state: &State, group: Uuid, recipient: Uuid, view: View) -> bool {
    let mut seen = vec![];
    let mut open = vec![group];
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let Some(group) = state
            .exchange
            .groups
            .iter()
            .find(|g| g.value.object_id == id && g.is_configured())
            .map(|g| &g.value)
        else {
            continue;
        };
        for member in group.members.iter().filter(|m| view.sees(m)) {
            if member.value == recipient {
                return true;
            }
            open.push(member.value);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn right() -> impl Strategy<Value = PolicyRight> {
        prop_oneof![Just(PolicyRight::Restrict), Just(PolicyRight::Deny)]
    }

    proptest! {
        /// The five rules of the documentation, one after the other, in the plainest words.
        #[test]
        fn verdict_follows_the_five_rules(policies in proptest::collection::vec((right(), any::<bool>()), 0..8)) {
            let matching = |wanted| policies.iter().any(|(right, hit)| *right == wanted && *hit);
            let restricts_exist = policies.iter().any(|(right, _)| *right == PolicyRight::Restrict);
            let expected = if matching(PolicyRight::Deny) {
                false
            } else if matching(PolicyRight::Restrict) {
                true
            } else {
                !restricts_exist
            };
            prop_assert_eq!(verdict(policies.clone()), expected);
        }
    }

    #[test]
    fn only_mail_calendars_contacts_and_settings_are_covered() {
        assert!(covers("Mail.Read") && covers("Calendars.ReadWrite") && covers("MailboxSettings.Read"));
        assert!(
            !covers("MailboxItem.Read.All")
                && !covers("Mail-Advanced.ReadWrite.All")
                && !covers("User.Read.All")
        );
    }
}
