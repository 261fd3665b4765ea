use std::collections::BTreeSet;

use super::{AccessPicture, AssignmentScope, Grantee, Outcome, PermissionPicture, RecipientId};
use crate::RecipientFilter;
use crate::application_access::Membership;

impl AccessPicture {
    /// Whether a group holds this recipient, directly or through groups inside it.
    pub fn holds(&self, scope: &RecipientId, recipient: &RecipientId) -> Outcome {
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

    /// The mailbox that a policy names, or a member of the group it names; nested members count.
    pub(super) fn in_policy_scope(&self, scope: &RecipientId, mailbox: &RecipientId) -> Membership {
        if scope == mailbox {
            return Membership::Inside;
        }
        match self.holds(scope, mailbox) {
            Outcome::Allowed => Membership::Inside,
            Outcome::Denied => Membership::Outside,
            Outcome::Unknown => Membership::Unknown,
        }
    }

    /// RBAC for Applications looks at direct members only.
    fn is_direct_member(&self, group: &RecipientId, mailbox: &RecipientId) -> Outcome {
        match self.groups.get(group).map(|g| &g.members) {
            Some(Some(members)) => Outcome::of(members.contains(mailbox)),
            _ => Outcome::Unknown,
        }
    }

    /// Whether a role's scope holds the mailbox, and the scope in words.
    pub(super) fn in_scope(&self, scope: &AssignmentScope, mailbox: &RecipientId) -> (Outcome, String) {
        match scope {
            AssignmentScope::Organization => (Outcome::Allowed, "the whole organisation".to_owned()),
            AssignmentScope::MembersOf(groups) => (
                Outcome::any(groups.iter().map(|g| self.is_direct_member(g, mailbox))),
                format!("membership in {}", self.names(groups)),
            ),
            AssignmentScope::AdministrativeUnit(unit) => (
                self.units
                    .get(&unit.to_lowercase())
                    .map_or(Outcome::Unknown, |members| Outcome::of(members.contains(mailbox))),
                format!("administrative unit {unit}"),
            ),
            AssignmentScope::Filter(filter) => (
                self.mailboxes.get(mailbox).map_or(Outcome::Unknown, |read| {
                    super::scope_filter::holds(filter, &read.attributes, |dn| {
                        self.is_member_by_name(dn, mailbox)
                    })
                }),
                self.shown(filter),
            ),
            AssignmentScope::Opaque(scope) => (Outcome::Unknown, scope.clone()),
        }
    }

    fn is_member_by_name(&self, distinguished_name: &str, mailbox: &RecipientId) -> Outcome {
        self.groups
            .iter()
            .find(|(_, g)| g.distinguished_name.eq_ignore_ascii_case(distinguished_name))
            .map_or(Outcome::Unknown, |(id, _)| self.is_direct_member(id, mailbox))
    }

    /// A filter in words: by the groups it names, where it names nothing else.
    fn shown(&self, filter: &RecipientFilter) -> String {
        let Some(groups) = filter.groups() else { return format!("the filter {filter}") };
        let address = |dn: &String| {
            let read = self.groups.values().find(|g| g.distinguished_name.eq_ignore_ascii_case(dn));
            read.map_or_else(|| dn.clone(), |g| g.address.clone())
        };
        format!("membership in {}", groups.iter().map(address).collect::<Vec<_>>().join(", "))
    }

    fn names(&self, groups: &BTreeSet<RecipientId>) -> String {
        let shown: Vec<&str> =
            groups.iter().map(|g| self.groups.get(g).map_or(g.as_str(), |p| p.address.as_str())).collect();
        shown.join(", ")
    }

    /// What entries on a mailbox give the app.
    pub(super) fn by_entries(&self, entries: &[PermissionPicture]) -> Outcome {
        let holds = |deny: bool| {
            Outcome::any(entries.iter().filter(|p| p.deny == deny).map(|p| self.is_grantee(&p.grantee)))
        };
        holds(false).and(holds(true).not())
    }

    fn is_grantee(&self, grantee: &Grantee) -> Outcome {
        let app = self.app.object_id();
        match grantee {
            // Without any id of the app, every app's entry may be its own.
            Grantee::App(id) => app.map_or(Outcome::Unknown, |app| Outcome::of(app == *id)),
            Grantee::Other => Outcome::Denied,
            Grantee::Unclear(_) => Outcome::Unknown,
            // An entry that names any other kind of group gives nothing.
            Grantee::Group(id) if self.groups.get(id).is_some_and(|g| !g.is_security_principal) => {
                Outcome::Denied
            }
            Grantee::Group(id) => {
                app.map_or(Outcome::Unknown, |app| self.holds(id, &RecipientId::new(app.to_string())))
            }
        }
    }
}
