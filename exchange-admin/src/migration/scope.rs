//! Which mailboxes the scope of a migration holds, and by which groups.

use std::collections::{BTreeMap, BTreeSet};

use m365_core::MailboxAddress;

use super::draft::Draft;
use super::{
    Blocker, GroupTree, Member, MigrationAction, MigrationInput, NestedGroups, OwnGroup, PolicyTarget,
    ScopeGroup,
};
use crate::RecipientFilter;
use crate::cmdlets::PolicyApp;
use crate::types::{AccessRight, RecipientKind};

/// What the policies of the app, or else the caller, name; each group and mailbox once.
#[derive(Default)]
pub(super) struct Targets<'a> {
    pub(super) trees: BTreeMap<&'a str, &'a GroupTree>,
    pub(super) singles: BTreeMap<&'a str, &'a Member>,
}

/// The scope to be, and by which mailboxes it is tried.
pub(super) struct ScopePlan {
    pub(super) inside: Vec<MailboxAddress>,
}

impl<'a> Targets<'a> {
    pub(super) fn of(input: &'a MigrationInput) -> Self {
        let mine = input.policies.iter().filter(|p| {
            p.policy.app == PolicyApp::App(input.app) && p.policy.right == Some(AccessRight::Restrict)
        });
        let mut read = mine.map(|p| p.target.as_ref()).peekable();
        match read.peek() {
            Some(_) => Self::from(read.flatten()),
            None => Self::from(input.named_targets.iter()),
        }
    }

    fn from(targets: impl Iterator<Item = &'a PolicyTarget>) -> Self {
        let mut all = Self::default();
        for target in targets {
            match target {
                PolicyTarget::Mailbox(mailbox) => {
                    all.singles.insert(&mailbox.id, mailbox);
                }
                PolicyTarget::Group(tree) => {
                    if let Some(root) = tree.root() {
                        all.trees.insert(&root.id, tree);
                    }
                }
            }
        }
        let direct = all.direct();
        all.singles.retain(|id, _| !direct.contains_key(*id));
        all
    }

    /// Direct members of the groups that are named.
    fn direct(&self) -> BTreeMap<String, &'a Member> {
        self.trees.values().flat_map(|t| t.direct()).collect()
    }

    /// Everybody whom the policies hold.
    pub(super) fn everybody(&self) -> BTreeMap<String, &'a Member> {
        let mut all: BTreeMap<String, &'a Member> = self.trees.values().flat_map(|t| t.flattened()).collect();
        all.extend(self.singles.iter().map(|(id, m)| ((*id).to_owned(), *m)));
        all
    }
}

impl Draft<'_> {
    /// Plans group and scope. `None` when nothing after it would make sense; the blockers say why.
    pub(super) fn scope(&mut self) -> Option<ScopePlan> {
        let targets = Targets::of(self.input);
        self.unread(&targets);
        let copied = self.nested(&targets);
        let everybody = targets.everybody();
        if everybody.values().any(|m| m.is(&self.input.canary)) {
            self.blockers.push(Blocker::CanaryInside { canary: self.input.canary.label() });
        }
        let mut groups = Vec::new();
        if !copied {
            groups = self.named_groups(&targets);
        }
        let own: BTreeMap<String, &Member> = match copied {
            true => everybody.clone(),
            false => {
                let named: BTreeMap<String, &Member> = match self.options.nested {
                    NestedGroups::Filter => targets.trees.values().flat_map(|t| t.flattened()).collect(),
                    _ => BTreeMap::new(),
                };
                let singles = targets.singles.iter().filter(|(id, _)| !named.contains_key(**id));
                singles.map(|(id, m)| ((*id).to_owned(), *m)).collect()
            }
        };
        if !own.is_empty() {
            let why = if copied { "for the copied members" } else { "for the policies of single mailboxes" };
            groups.push(self.own_group(&own, why)?);
        }
        let inside = self.inside(&targets, copied);
        if groups.is_empty() || inside.is_empty() {
            if self.blockers.is_empty() {
                self.blockers.push(Blocker::EmptyScope);
            }
            return None;
        }
        self.make_scope(groups, None)?;
        Some(ScopePlan { inside })
    }

    /// A mailbox of each group of the scope, to look at.
    pub(super) fn inside(&self, targets: &Targets<'_>, copied: bool) -> Vec<MailboxAddress> {
        let address = |m: &&Member| m.is_cloud_mailbox().then(|| m.address.clone()).flatten();
        let mut found = BTreeSet::new();
        for tree in targets.trees.values() {
            let nested = tree.nested();
            let groups = tree.root().into_iter().chain(nested);
            for group in groups {
                found.extend(tree.direct_of(&group.id).values().find_map(address));
            }
        }
        if !copied || found.is_empty() {
            found.extend(targets.singles.values().filter_map(address));
        }
        found.into_iter().collect()
    }

    fn unread(&mut self, targets: &Targets<'_>) {
        for group in targets.trees.values().flat_map(|t| t.unread()) {
            let blocker = Blocker::UnreadGroup { group: group.label() };
            if !self.blockers.contains(&blocker) {
                self.blockers.push(blocker);
            }
        }
    }

    /// Whether members are to be copied. Inner groups need a decision as soon as somebody would lose access.
    fn nested(&mut self, targets: &Targets<'_>) -> bool {
        let inner: BTreeMap<&str, &Member> =
            targets.trees.values().flat_map(|t| t.nested()).map(|g| (g.id.as_str(), g)).collect();
        if inner.is_empty() {
            return false;
        }
        let direct = targets.direct();
        let lost: BTreeMap<String, &Member> =
            targets.everybody().into_iter().filter(|(id, _)| !direct.contains_key(id)).collect();
        let lost: Vec<String> = lost
            .values()
            .filter(|m| !targets.singles.contains_key(m.id.as_str()))
            .map(|m| m.label())
            .collect();
        let groups: Vec<String> = inner.values().map(|g| g.label()).collect();
        match self.options.nested {
            NestedGroups::Refuse if lost.is_empty() => {
                self.notes.push(format!(
                    "{} is inside a group of the policies; all its members are in the scope all the same today. Roles do not follow later ones.",
                    groups.join(", ")
                ));
                false
            }
            NestedGroups::Refuse => {
                self.blockers.push(Blocker::Nested { groups, mailboxes: lost });
                false
            }
            NestedGroups::Filter => {
                self.notes.push(format!(
                    "The scope names {} beside the outer groups, for {}. A group put into one of them later is not followed.",
                    groups.join(", "),
                    match lost.as_slice() {
                        [] => "members that join later".to_owned(),
                        [only] => only.clone(),
                        many => format!("{} mailboxes", many.len()),
                    }
                ));
                false
            }
            NestedGroups::Copy => {
                self.notes.push(
                    "The members are copied into a group of the migration's own; later changes of the old groups do not reach it."
                        .to_owned(),
                );
                true
            }
        }
    }

    /// The groups by their names, inner ones only when they were asked for.
    fn named_groups(&mut self, targets: &Targets<'_>) -> Vec<ScopeGroup> {
        let mut named: BTreeMap<&str, &Member> = BTreeMap::new();
        for tree in targets.trees.values() {
            let groups = match self.options.nested {
                NestedGroups::Filter => tree.groups(),
                _ => tree.root().into_iter().collect(),
            };
            named.extend(groups.into_iter().map(|g| (g.id.as_str(), g)));
        }
        let mut groups = Vec::new();
        for group in named.values() {
            if group.distinguished_name.trim().is_empty() {
                self.blockers.push(Blocker::NoDistinguishedName { group: group.label() });
                continue;
            }
            groups.push(ScopeGroup::Known {
                id: group.id.clone(),
                distinguished_name: group.distinguished_name.clone(),
            });
        }
        groups
    }

    /// The migration's own group with these members.
    fn own_group(&mut self, wanted: &BTreeMap<String, &Member>, why: &'static str) -> Option<ScopeGroup> {
        let Some(address) = self.options.own_group.clone() else {
            self.blockers.push(Blocker::OwnGroupNeeded { why });
            return None;
        };
        let taken = |why: String| Blocker::OwnGroupTaken { why };
        let mut there: Vec<&Member> = Vec::new();
        let group = match &self.input.own_group {
            OwnGroup::Absent => {
                match self.options.group_name() {
                    Ok(name) => {
                        let address = address.clone();
                        self.actions.push(MigrationAction::MakeGroup { name, address });
                    }
                    Err(error) => self.blockers.push(Blocker::invalid(&error)),
                }
                ScopeGroup::Made(address.clone())
            }
            OwnGroup::Other(kind) => {
                self.blockers.push(taken(format!("{address} is a {kind}")));
                return None;
            }
            OwnGroup::There(group) if group.group.kind != RecipientKind::MailUniversalSecurityGroup => {
                self.blockers.push(taken(format!("{address} is a {}", group.group.kind)));
                return None;
            }
            OwnGroup::There(group) => {
                let Some(members) = &group.members else {
                    self.blockers.push(taken(format!("the members of {address} are not known")));
                    return None;
                };
                let others: Vec<String> =
                    members.iter().filter(|m| !wanted.values().any(|w| w.is(m))).map(Member::label).collect();
                if !others.is_empty() {
                    let why = format!("{address} holds others besides: {}", others.join(", "));
                    self.blockers.push(taken(why));
                    return None;
                }
                if group.group.distinguished_name.is_empty() {
                    self.blockers.push(Blocker::NoDistinguishedName { group: address.to_string() });
                    return None;
                }
                there.extend(members);
                ScopeGroup::Known {
                    id: group.group.id.clone(),
                    distinguished_name: group.group.distinguished_name.clone(),
                }
            }
        };
        for member in wanted.values().filter(|w| !there.iter().any(|t| t.is(w))) {
            let (group, member) = (address.clone(), (*member).clone());
            self.actions.push(MigrationAction::AddMember { group, member });
        }
        Some(group)
    }

    /// The scope, unless it is there. One of the name with another content is never touched.
    pub(super) fn make_scope(
        &mut self,
        groups: Vec<ScopeGroup>,
        former: Option<RecipientFilter>,
    ) -> Option<()> {
        let name = match self.options.scope_name() {
            Ok(name) => name,
            Err(error) => {
                self.blockers.push(Blocker::invalid(&error));
                return None;
            }
        };
        let known: Option<Vec<&str>> = groups
            .iter()
            .map(|g| match g {
                ScopeGroup::Known { distinguished_name, .. } => Some(distinguished_name.as_str()),
                ScopeGroup::Made(_) => None,
            })
            .collect();
        let wanted = match (&former, known.map(RecipientFilter::members_of).transpose()) {
            (Some(former), _) => Some(former.clone()),
            (None, Ok(wanted)) => wanted,
            (None, Err(error)) => {
                self.blockers.push(Blocker::invalid(&error));
                return None;
            }
        };
        let Some(there) = &self.input.scope else {
            self.actions.push(MigrationAction::MakeScope { name, groups, filter: former });
            return Some(());
        };
        let fits = !there.exclusive
            && wanted.as_ref().zip(there.filter.as_ref()).is_some_and(|(w, found)| found.same_as(w));
        if !fits {
            let found = match &there.filter {
                _ if there.exclusive => "it is exclusive, and does not restrict apps".to_owned(),
                Some(filter) => filter.to_string(),
                None => "no filter that can be read".to_owned(),
            };
            self.blockers.push(Blocker::ScopeDiffers { scope: there.name.clone(), found });
            return None;
        }
        Some(())
    }
}

pub(super) fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
