use std::collections::{BTreeMap, BTreeSet};

use super::input::ConsentKind;
use super::scope::{Targets, same};
use super::{
    Consent, EwsTarget, Group, MigrationAction, MigrationInput, MigrationOptions, MigrationStep, OwnGroup,
    PolicyTarget, ScopeGroup,
};
use crate::application_access::{self, Membership};
use crate::cmdlets::{AccessPolicyIdentity, PolicyApp};
use crate::types::{AccessRight, ApplicationRole, GrantedScope};

/// Stands for every mailbox that no group of the migration holds.
pub const ANY_OTHER_MAILBOX: &str = "*";

/// Whom an app reaches with which permission: ids of mailboxes by the name of a permission, as far as consents limited by
/// policies and the migration's own roles go. Roles that others gave to the app stay as they are, and are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeMap<String, BTreeSet<String>>);

impl Reach {
    /// Whether nothing is reached that `other` does not reach with the same permission.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(permission, mailboxes)| {
            mailboxes.is_empty() || other.0.get(permission).is_some_and(|m| mailboxes.is_subset(m))
        })
    }

    /// Ids of the mailboxes that this permission reaches; [`ANY_OTHER_MAILBOX`] stands for all that are not known.
    pub fn of(&self, permission: &str) -> BTreeSet<String> {
        self.0.get(permission).cloned().unwrap_or_default()
    }

    /// The permissions that reach something.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, m)| !m.is_empty()).map(|(p, _)| p.as_str())
    }

    fn add(&mut self, permission: &str, mailboxes: impl IntoIterator<Item = String>) {
        self.0.entry(permission.to_owned()).or_default().extend(mailboxes);
    }
}

/// Whom the app reaches before a migration, and after each of its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Before the first step.
    pub before: Reach,
    /// After the first step, after the second, …
    pub after: Vec<Reach>,
}

impl Rehearsal {
    /// The index of the first step after which something is open that was closed before all of them.
    pub fn first_wider(&self) -> Option<usize> {
        self.after.iter().position(|reach| !reach.is_within(&self.before))
    }
}

/// Goes through the steps on paper. Pure; propagation is left out, which only delays what each step does.
pub fn rehearse(input: &MigrationInput, options: &MigrationOptions, steps: &[MigrationStep]) -> Rehearsal {
    let mut stage = Stage::of(input, options);
    let before = stage.reach();
    let after = steps
        .iter()
        .map(|step| {
            stage.take(&step.action);
            stage.reach()
        })
        .collect();
    Rehearsal { before, after }
}

struct Stage<'a> {
    input: &'a MigrationInput,
    options: &'a MigrationOptions,
    everybody: BTreeSet<String>,
    consents: BTreeSet<Consent>,
    policies: Vec<(AccessPolicyIdentity, Option<AccessRight>, BTreeSet<String>)>,
    own_members: BTreeSet<String>,
    scope: Option<Vec<ScopeGroup>>,
    roles: BTreeSet<ApplicationRole>,
}

impl<'a> Stage<'a> {
    fn of(input: &'a MigrationInput, options: &'a MigrationOptions) -> Self {
        let mut everybody: BTreeSet<String> = Targets::of(input).everybody().into_keys().collect();
        everybody.insert(input.canary.id.clone());
        everybody.insert(ANY_OTHER_MAILBOX.to_owned());
        let own_members = match &input.own_group {
            OwnGroup::There(Group { members: Some(members), .. }) => {
                members.iter().map(|m| m.id.clone()).collect()
            }
            _ => BTreeSet::new(),
        };
        everybody.extend(own_members.iter().cloned());
        let policies = input
            .policies
            .iter()
            .filter(|p| match p.policy.app {
                PolicyApp::App(app) => app == input.app,
                PolicyApp::Every => true,
            })
            .map(|p| {
                let holds = match &p.target {
                    Some(PolicyTarget::Mailbox(mailbox)) => BTreeSet::from([mailbox.id.clone()]),
                    Some(PolicyTarget::Group(tree)) => tree.flattened().into_keys().collect(),
                    None => BTreeSet::new(),
                };
                (p.policy.identity.clone(), p.policy.right, holds)
            })
            .collect();
        let name = options.scope_name().map(|n| n.to_string()).unwrap_or_default();
        let roles = input
            .assignments
            .iter()
            .filter(|a| a.enabled && matches!(&a.scope, GrantedScope::Custom(s) if same(s, &name)))
            .filter_map(|a| a.role)
            .collect();
        let scope = input.scope.as_ref().map(|scope| groups_of(input, scope.filter.as_ref()));
        Self {
            input,
            options,
            everybody,
            consents: input.consents.clone().unwrap_or_default(),
            policies,
            own_members,
            scope,
            roles,
        }
    }

    fn take(&mut self, action: &MigrationAction) {
        match action {
            MigrationAction::AddMember { member, .. } => {
                self.own_members.insert(member.id.clone());
            }
            MigrationAction::MakeScope { groups, .. } => self.scope = Some(groups.clone()),
            MigrationAction::AssignRole { role, .. } => {
                self.roles.insert(*role);
            }
            MigrationAction::RemoveAssignment { name } => {
                let options = self.options;
                self.roles.retain(|role| options.assignment_name(*role).ok().as_ref() != Some(name));
            }
            MigrationAction::RemoveConsent { consent, .. } => {
                self.consents.remove(consent);
            }
            MigrationAction::RemovePolicy { policy, .. } => self.policies.retain(|(id, ..)| id != policy),
            MigrationAction::MakeGroup { .. }
            | MigrationAction::MakeServicePrincipal { .. }
            | MigrationAction::AllowEws { .. }
            | MigrationAction::VerifyRole { .. }
            | MigrationAction::Prove { .. }
            | MigrationAction::RemoveScope { .. } => {}
        }
    }

    fn reach(&self) -> Reach {
        let mut reach = Reach::default();
        for consent in &self.consents {
            let open: Vec<String> = match consent.kind() {
                ConsentKind::Limited(_) | ConsentKind::Unmappable => {
                    self.everybody.iter().filter(|m| self.allowed(m)).cloned().collect()
                }
                ConsentKind::NeverLimited => self.everybody.iter().cloned().collect(),
                ConsentKind::Unrelated => continue,
            };
            let mut permissions: BTreeSet<&str> = match consent.kind() {
                ConsentKind::Limited(role) => role.permissions().iter().copied().collect(),
                _ => BTreeSet::from([consent.permission.as_str()]),
            };
            // Whoever has all of a mailbox over EWS has what Graph's roles give.
            if let (EwsTarget::Graph(roles), ConsentKind::Limited(ApplicationRole::EwsAccessAsApp)) =
                (&self.options.ews, consent.kind())
            {
                permissions.extend(roles.iter().flat_map(|r| r.permissions()).copied());
            }
            for permission in permissions {
                reach.add(permission, open.iter().cloned());
            }
        }
        let in_scope = self.in_scope();
        for permission in self.roles.iter().flat_map(|r| r.permissions()) {
            reach.add(permission, in_scope.iter().cloned());
        }
        reach
    }

    /// The five rules; what they leave unknown is closed here, which no plan rests on.
    fn allowed(&self, mailbox: &str) -> bool {
        let membership = |holds: &BTreeSet<String>| match holds.contains(mailbox) {
            true => Membership::Inside,
            false => Membership::Outside,
        };
        let known: Vec<_> =
            self.policies.iter().map(|(_, right, holds)| (*right, membership(holds))).collect();
        application_access::decide(&known).verdict == application_access::Verdict::Granted
    }

    /// Direct members only.
    fn in_scope(&self) -> BTreeSet<String> {
        let mut inside = BTreeSet::new();
        for group in self.scope.iter().flatten() {
            match group {
                ScopeGroup::Made(_) => inside.extend(self.own_members.iter().cloned()),
                ScopeGroup::Known { id, .. } => {
                    if matches!(&self.input.own_group, OwnGroup::There(own) if own.group.id == *id) {
                        inside.extend(self.own_members.iter().cloned());
                    }
                    for tree in trees(self.input) {
                        inside.extend(tree.direct_of(id).into_keys());
                    }
                }
            }
        }
        inside
    }
}

fn trees(input: &MigrationInput) -> impl Iterator<Item = &super::GroupTree> {
    let targets = input.policies.iter().filter_map(|p| p.target.as_ref()).chain(&input.named_targets);
    targets.filter_map(|target| match target {
        PolicyTarget::Group(tree) => Some(tree),
        PolicyTarget::Mailbox(_) => None,
    })
}

/// The groups that the filter of an existing scope names, as far as they were read.
fn groups_of(input: &MigrationInput, filter: Option<&crate::RecipientFilter>) -> Vec<ScopeGroup> {
    let named = filter.and_then(crate::RecipientFilter::groups).unwrap_or_default();
    let own = match &input.own_group {
        OwnGroup::There(own) => Some(&own.group),
        _ => None,
    };
    let known = trees(input).flat_map(super::GroupTree::groups).chain(own);
    let mut groups: BTreeMap<String, ScopeGroup> = BTreeMap::new();
    for group in known.filter(|g| named.contains(&g.distinguished_name.to_lowercase())) {
        let (id, distinguished_name) = (group.id.clone(), group.distinguished_name.clone());
        groups.insert(id.clone(), ScopeGroup::Known { id, distinguished_name });
    }
    groups.into_values().collect()
}
