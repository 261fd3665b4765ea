use std::collections::BTreeSet;

use exchange_admin::ApplicationRole;
use graph_auth::Api;
use m365_core::{Authority, ClientId};

use super::{
    AccessPicture, AssignmentScope, Evidence, Grantee, Outcome, PolicyPicture, PolicyRight, Question,
    RecipientId, Verdict,
};
use crate::permission::is_covered_by_policies;

impl AccessPicture {
    /// What the configuration says about one way into one mailbox.
    ///
    /// Unknown is never turned into a verdict: it is the answer whenever an unread part could change it.
    pub fn effective_access(&self, mailbox: &RecipientId, question: &Question<'_>) -> Verdict {
        let mut chain = Chain::default();
        let Some(picture) = self.mailboxes.get(mailbox) else {
            chain.note(Authority::Mailbox, Outcome::Unknown, "the mailbox was not read");
            return chain.close(Outcome::Unknown);
        };
        if self.app.object_id.is_none() || !self.app.enabled {
            chain.note(
                Authority::EntraToken,
                Outcome::Denied,
                "the enterprise application is absent or disabled",
            );
            return chain.close(Outcome::Denied);
        }
        if !picture.in_cloud {
            chain.note(Authority::Mailbox, Outcome::Denied, "the mailbox does not live in Exchange Online");
            return chain.close(Outcome::Denied);
        }
        let outcome = match question {
            Question::Graph(needed) => {
                let consent = self.by_consent(mailbox, needed, &mut chain);
                let roles = self.by_roles(mailbox, needed, &mut chain);
                either(consent, roles)
            }
            Question::Imap => self.by_imap(mailbox, &mut chain),
        };
        chain.close(outcome)
    }

    fn by_consent(&self, mailbox: &RecipientId, needed: &[&str], chain: &mut Chain) -> Outcome {
        let held: Vec<&str> = needed
            .iter()
            .copied()
            .filter(|n| self.app.consented.contains(&(Api::Graph, (*n).to_owned())))
            .collect();
        if held.is_empty() {
            return chain.note(Authority::EntraConsent, Outcome::Denied, "no consent in Entra");
        }
        chain.note(
            Authority::EntraConsent,
            Outcome::Allowed,
            format!("consent in Entra to {}", held.join(", ")),
        );
        if let Some(free) = held.iter().find(|p| !is_covered_by_policies(p)) {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Allowed,
                format!("access policies do not limit {free}: every mailbox is open"),
            );
        }
        let Some(policies) = &self.policies else {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Unknown,
                "access policies could not be read",
            );
        };
        let mine: Vec<&PolicyPicture> =
            policies.iter().filter(|p| p.app.is_none() || p.app == self.app.client_id).collect();
        if mine.is_empty() {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Allowed,
                "no access policy limits it: every mailbox is open",
            );
        }
        let matching = |right: PolicyRight| {
            any(mine.iter().filter(|p| p.right == right).map(|p| self.in_policy_scope(&p.scope, mailbox)))
        };
        let denied = matching(PolicyRight::Deny);
        if denied == Outcome::Allowed {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Denied,
                "an access policy denies this mailbox",
            );
        }
        let restricted = mine.iter().any(|p| p.right == PolicyRight::Restrict);
        let outcome = match (restricted, matching(PolicyRight::Restrict), denied) {
            (true, Outcome::Denied, _) => Outcome::Denied,
            (_, _, Outcome::Unknown) | (true, Outcome::Unknown, _) => Outcome::Unknown,
            _ => Outcome::Allowed,
        };
        let text = match outcome {
            Outcome::Denied => "access policies restrict the app to other mailboxes",
            Outcome::Unknown => "an access policy names a group whose members could not be read",
            Outcome::Allowed => "access policies let this mailbox through",
        };
        chain.note(Authority::ExchangeScoping, outcome, text)
    }

    /// The mailbox that a policy names, or a member of the group it names; nested members count.
    fn in_policy_scope(&self, scope: &RecipientId, mailbox: &RecipientId) -> Outcome {
        if scope == mailbox { Outcome::Allowed } else { self.holds(scope, mailbox) }
    }

    /// Whether a group holds this recipient, directly or through groups inside it.
    pub(crate) fn holds(&self, scope: &RecipientId, recipient: &RecipientId) -> Outcome {
        let (mut seen, mut open, mut unread) = (BTreeSet::new(), vec![scope.clone()], false);
        while let Some(group) = open.pop() {
            if !seen.insert(group.clone()) {
                continue;
            }
            match self.groups.get(&group).map(|g| &g.members) {
                Some(Some(members)) if members.contains(recipient) => return Outcome::Allowed,
                Some(Some(members)) => {
                    open.extend(members.iter().filter(|m| !self.mailboxes.contains_key(m)).cloned());
                }
                Some(None) => unread = true,
                // The group itself must be known; below it, an unknown member is some other mailbox.
                None => unread |= group == *scope && !self.mailboxes.contains_key(scope),
            }
        }
        if unread { Outcome::Unknown } else { Outcome::Denied }
    }

    fn by_roles(&self, mailbox: &RecipientId, needed: &[&str], chain: &mut Chain) -> Outcome {
        if self.app.exchange_pointer.is_none() || self.app.exchange_pointer != self.app.object_id {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Denied,
                "no application role: Exchange has no service principal of this app",
            );
        }
        let Some(assignments) = &self.assignments else {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Unknown,
                "role assignments could not be read",
            );
        };
        let mut outcome = Outcome::Denied;
        for assignment in assignments {
            let role = match assignment.role {
                Some(role) if !grants(role, needed) => continue,
                role => role,
            };
            let (here, place) = match &assignment.scope {
                AssignmentScope::Organization => (Outcome::Allowed, "the whole organisation".to_owned()),
                AssignmentScope::MembersOf(groups) => {
                    (any(groups.iter().map(|g| self.is_direct_member(g, mailbox))), self.names(groups))
                }
                AssignmentScope::Opaque(scope) => (Outcome::Unknown, scope.clone()),
            };
            let relation = match here {
                Outcome::Allowed => "holds here by",
                Outcome::Denied => "is scoped elsewhere, to",
                Outcome::Unknown => "is scoped by what could not be evaluated:",
            };
            // What an unknown role grants is unknown, unless it surely does not hold here.
            let (here, name) = match role {
                Some(role) => (here, role.to_string()),
                None if here == Outcome::Denied => (here, "a role unknown to this version".to_owned()),
                None => (Outcome::Unknown, "a role unknown to this version".to_owned()),
            };
            chain.note(Authority::ExchangeScoping, here, format!("{name} {relation} {place}"));
            outcome = either(outcome, here);
        }
        if outcome == Outcome::Denied {
            chain.note(Authority::ExchangeScoping, Outcome::Denied, "no application role holds here");
        }
        outcome
    }

    /// RBAC for Applications looks at direct members only.
    fn is_direct_member(&self, group: &RecipientId, mailbox: &RecipientId) -> Outcome {
        match self.groups.get(group).map(|g| &g.members) {
            Some(Some(members)) if members.contains(mailbox) => Outcome::Allowed,
            Some(Some(_)) => Outcome::Denied,
            _ => Outcome::Unknown,
        }
    }

    fn names(&self, groups: &BTreeSet<RecipientId>) -> String {
        let shown: Vec<&str> =
            groups.iter().map(|g| self.groups.get(g).map_or(g.as_str(), |p| p.address.as_str())).collect();
        format!("membership in {}", shown.join(", "))
    }

    fn by_imap(&self, mailbox: &RecipientId, chain: &mut Chain) -> Outcome {
        if !self.app.consented.contains(&(Api::Exchange, "IMAP.AccessAsApp".to_owned())) {
            return chain.note(Authority::EntraConsent, Outcome::Denied, "no consent to IMAP.AccessAsApp");
        }
        let pointer = match (self.app.exchange_pointer, self.app.object_id) {
            (None, _) => Some("no service principal of this app in Exchange"),
            (pointer, oid) if pointer != oid => Some(
                "Exchange's service principal points to another object id than the enterprise application's",
            ),
            _ => None,
        };
        if let Some(text) = pointer {
            return chain.note(Authority::ExchangeScoping, Outcome::Denied, text);
        }
        let Some(permissions) = &self.permissions else {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Unknown,
                "mailbox permissions could not be read",
            );
        };
        let entries = || permissions.iter().filter(|p| p.mailbox == *mailbox);
        let holds =
            |deny: bool| any(entries().filter(|p| p.deny == deny).map(|p| self.is_grantee(&p.grantee)));
        let outcome = match (holds(true), holds(false)) {
            (Outcome::Allowed, _) | (_, Outcome::Denied) => Outcome::Denied,
            (Outcome::Denied, Outcome::Allowed) => Outcome::Allowed,
            _ => Outcome::Unknown,
        };
        let text = match outcome {
            Outcome::Allowed => "FullAccess on this mailbox",
            Outcome::Denied => "no FullAccess on this mailbox",
            Outcome::Unknown => "a mailbox permission names a group whose members could not be read",
        };
        chain.note(Authority::ExchangeScoping, outcome, text);
        if outcome == Outcome::Denied {
            // Both are read together: no entries of a mailbox that was not read prove nothing.
            let read = self.mailboxes.get(mailbox).is_some_and(|m| m.imap_enabled.is_some());
            return if read || entries().next().is_some() { outcome } else { Outcome::Unknown };
        }
        match self.mailboxes.get(mailbox).and_then(|m| m.imap_enabled) {
            Some(true) => outcome,
            Some(false) => chain.note(
                Authority::ProtocolSwitch,
                Outcome::Denied,
                "IMAP is switched off for this mailbox",
            ),
            None => chain.note(
                Authority::ProtocolSwitch,
                Outcome::Unknown,
                "whether IMAP is switched on could not be read",
            ),
        }
    }

    fn is_grantee(&self, grantee: &Grantee) -> Outcome {
        match grantee {
            Grantee::App(id) => {
                if Some(*id) == self.app.object_id {
                    Outcome::Allowed
                } else {
                    Outcome::Denied
                }
            }
            Grantee::Other => Outcome::Denied,
            // An entry that names any other kind of group gives nothing.
            Grantee::Group(id) if self.groups.get(id).is_some_and(|g| !g.is_security_principal) => {
                Outcome::Denied
            }
            Grantee::Group(id) => match self.app.object_id {
                Some(app) => self.holds(id, &RecipientId::new(app.to_string())),
                None => Outcome::Denied,
            },
        }
    }
}

/// Whether a role holds any of these permissions of Microsoft Graph. Exchange lists some of them without their `.All`.
fn grants(role: ApplicationRole, needed: &[&str]) -> bool {
    needed.iter().any(|permission| {
        role.permissions().contains(permission)
            || ApplicationRole::from_permission(ClientId::MICROSOFT_GRAPH, permission) == Some(role)
    })
}

/// A union: one open way suffices, and an unknown one may be open.
fn either(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Allowed, _) | (_, Outcome::Allowed) => Outcome::Allowed,
        (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
        _ => Outcome::Denied,
    }
}

fn any(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.fold(Outcome::Denied, either)
}

#[derive(Default)]
struct Chain(Vec<Evidence>);

impl Chain {
    fn note(&mut self, authority: Authority, outcome: Outcome, text: impl Into<String>) -> Outcome {
        self.0.push(Evidence { authority, outcome, text: text.into() });
        outcome
    }

    fn close(self, outcome: Outcome) -> Verdict {
        Verdict { outcome, evidence: self.0 }
    }
}
