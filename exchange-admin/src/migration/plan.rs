use std::collections::{BTreeMap, BTreeSet};

use m365_core::MailboxAddress;

use super::draft::Draft;
use super::input::ConsentKind;
use super::scope::{ScopePlan, Targets, same};
use super::{
    Blocked, Blocker, Consent, EwsTarget, MigrationAction, MigrationInput, MigrationOptions, MigrationStep,
    OwnGroup, Unmappable, rehearse,
};
use crate::RecipientFilter;
use crate::cmdlets::{AccessPolicyIdentity, ManagementRoleAssignment, PolicyApp};
use crate::types::{AccessRight, ApplicationRole, GrantedScope};

/// What has to be done, in the order in which nothing is ever wider than before.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MigrationPlan {
    /// The steps; empty when there is nothing (left) to do.
    pub steps: Vec<MigrationStep>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl MigrationPlan {
    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Plans the way from application access policies to RBAC for Applications for one app. Pure: the same input gives the same
/// plan, and a plan made after all steps were taken is empty.
///
/// The order is: own group and members (when needed), one scope over the union of all restrictions, Exchange's service
/// principal, a role for each consent that policies limit, a look at each role, the consents away one by one, a proof with a
/// fresh token, and the policies last. Before the plan is given out it is [rehearsed](super::rehearse).
///
/// # Errors
/// [`Blocked`] with every reason why it cannot be done as it stands.
pub fn plan(input: &MigrationInput, options: &MigrationOptions) -> Result<MigrationPlan, Blocked> {
    let mut draft = Draft::new(input, options);
    draft.make();
    draft.finish(true)
}

/// `Mail` for all that reads mail: a wide `Mail.ReadWrite` lets in where a narrow `Mail.Read` would not.
fn area(permission: &str) -> &str {
    permission.split_once(".Read").map_or(permission, |(area, _)| area)
}

impl Draft<'_> {
    /// Turns actions into steps, rehearses them unless nothing is there to compare with, and gives the plan out unless
    /// something speaks against it.
    pub(super) fn finish(self, rehearsed: bool) -> Result<MigrationPlan, Blocked> {
        let Self { input, options, mut blockers, notes, actions, .. } = self;
        let mut steps = Vec::new();
        for action in actions {
            match action.into_step() {
                Ok(step) => steps.push(step),
                Err(error) => blockers.push(Blocker::invalid(&error)),
            }
        }
        if rehearsed
            && blockers.is_empty()
            && let Some(step) = rehearse(input, options, &steps).first_wider()
        {
            let step = steps.get(step).map(|s| s.id.clone()).unwrap_or_default();
            blockers.push(Blocker::WouldWiden { step });
        }
        if blockers.is_empty() {
            Ok(MigrationPlan { steps, notes })
        } else {
            Err(Blocked { blockers, notes })
        }
    }

    pub(super) fn make(&mut self) {
        let Some(consents) = &self.input.consents else {
            self.blockers.push(Blocker::ConsentsUnread);
            return;
        };
        let policies = self.policies();
        let (mapped, kept) = self.classify(consents);
        if mapped.is_empty() {
            self.without_consents(&policies, &kept);
            return;
        }
        self.check_app();
        if policies.is_empty() && self.input.named_targets.is_empty() && self.blockers.is_empty() {
            self.blockers.push(Blocker::NoPolicy);
        }
        let roles: BTreeSet<ApplicationRole> = mapped.values().flatten().copied().collect();
        let Some(scope) = self.scope() else { return };
        self.roles(&roles, &scope);
        let object = self.input.object;
        for (consent, replaced_by) in mapped {
            self.actions.push(MigrationAction::RemoveConsent { object, consent, replaced_by });
        }
        self.end(&policies, kept.is_empty(), &scope.inside);
    }

    /// The app's own policies; whatever is none that restricts blocks.
    fn policies(&mut self) -> Vec<AccessPolicyIdentity> {
        let mut mine = Vec::new();
        for read in &self.input.policies {
            let policy = &read.policy;
            let name = || policy.identity.to_string();
            match policy.app {
                PolicyApp::Every => {
                    self.blockers.push(Blocker::EveryApp { policy: name() });
                    continue;
                }
                PolicyApp::App(app) if app != self.input.app => continue,
                PolicyApp::App(_) => {}
            }
            match policy.right {
                Some(AccessRight::Restrict) => {}
                Some(AccessRight::Deny) => self.blockers.push(Blocker::DenyAccess { policy: name() }),
                None => self.blockers.push(Blocker::UnreadableRight { policy: name() }),
            }
            if policy.is_valid == Some(false) || read.target.is_none() {
                self.blockers.push(Blocker::UnreadScope { policy: name() });
            }
            mine.push(policy.identity.clone());
        }
        mine
    }

    /// Consents to be replaced, with their roles; and those that keep the policies.
    fn classify(
        &mut self,
        consents: &BTreeSet<Consent>,
    ) -> (BTreeMap<Consent, BTreeSet<ApplicationRole>>, Vec<Consent>) {
        let (mut mapped, mut kept, mut staying) = (BTreeMap::new(), Vec::new(), Vec::new());
        for consent in consents {
            match consent.kind() {
                ConsentKind::Limited(role) if self.only_ews && role != ApplicationRole::EwsAccessAsApp => {
                    staying.push(consent.clone());
                }
                ConsentKind::Limited(role) => {
                    mapped.insert(consent.clone(), self.roles_for(role));
                }
                ConsentKind::Unmappable => kept.push(consent.clone()),
                ConsentKind::NeverLimited => self.notes.push(format!(
                    "{consent} is consented for every mailbox, and policies never limited it: it stays as it is."
                )),
                ConsentKind::Unrelated => {}
            }
        }
        if !kept.is_empty() && !self.input.policies.is_empty() {
            match self.options.unmappable {
                Unmappable::Refuse => self.blockers.push(Blocker::Unmappable { consents: kept.clone() }),
                Unmappable::KeepPolicies => self.notes.push(format!(
                    "The policies stay for {}, which no role grants.",
                    kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                )),
            }
        }
        kept.extend(staying);
        (mapped, kept)
    }

    fn roles_for(&self, role: ApplicationRole) -> BTreeSet<ApplicationRole> {
        match (&self.options.ews, role) {
            (EwsTarget::Graph(roles), ApplicationRole::EwsAccessAsApp) => roles.clone(),
            _ => BTreeSet::from([role]),
        }
    }

    /// The consents are gone: what is left is the end of a migration that was interrupted, or nothing.
    fn without_consents(&mut self, policies: &[AccessPolicyIdentity], kept: &[Consent]) {
        if policies.is_empty() || !kept.is_empty() {
            return;
        }
        let ours = self.ours();
        if ours.is_empty() {
            self.blockers.push(Blocker::NothingConsented);
            return;
        }
        self.check_app();
        let targets = Targets::of(self.input);
        let holds =
            self.input.scope.as_ref().and_then(|s| s.filter.as_ref()).and_then(RecipientFilter::groups);
        let own = match &self.input.own_group {
            OwnGroup::There(group) => Some(group),
            _ => None,
        };
        let in_scope = |dn: &str| holds.as_ref().is_some_and(|h| h.contains(&dn.to_lowercase()));
        let copied = own.is_some_and(|g| in_scope(&g.group.distinguished_name));
        let complete = copied
            || targets.trees.values().all(|t| t.root().is_some_and(|r| in_scope(&r.distinguished_name)));
        if !complete {
            self.blockers.push(Blocker::ScopeDiffers {
                scope: self.input.scope.as_ref().map(|s| s.name.clone()).unwrap_or_default(),
                found: "not all that the policies hold".to_owned(),
            });
        }
        let inside = self.inside(&targets, copied);
        self.end(policies, true, &inside);
    }

    /// Our assignments in our scope.
    fn ours(&self) -> Vec<&ManagementRoleAssignment> {
        let Some(scope) = &self.input.scope else { return Vec::new() };
        let in_scope = |a: &&ManagementRoleAssignment| {
            a.enabled && matches!(&a.scope, GrantedScope::Custom(name) if same(name, &scope.name))
        };
        self.input.assignments.iter().filter(in_scope).collect()
    }

    /// What must hold of app, tenant and canary.
    pub(super) fn check_app(&mut self) {
        let input = self.input;
        if let Some(pointer) = input.pointer.as_ref().filter(|p| p.object_id != input.object) {
            self.blockers.push(Blocker::WrongPointer { found: pointer.object_id.to_string() });
        }
        if input.dehydrated == Some(true) {
            self.blockers.push(Blocker::Dehydrated);
        }
        if !input.canary.is_cloud_mailbox() || input.canary.address.is_none() {
            let canary = format!("{} ({})", input.canary.label(), input.canary.kind);
            self.blockers.push(Blocker::CanaryUnusable { canary });
        }
    }

    /// Pointer, assignments, and a look at each role.
    pub(super) fn roles(&mut self, roles: &BTreeSet<ApplicationRole>, scope: &ScopePlan) {
        let (input, options) = (self.input, self.options);
        let granted: BTreeSet<&str> = roles.iter().flat_map(|r| r.permissions()).map(|p| area(p)).collect();
        for assignment in input.assignments.iter().filter(|a| a.enabled) {
            let concerns =
                assignment.role.is_none_or(|r| r.permissions().iter().any(|p| granted.contains(area(p))));
            let wide = matches!(assignment.scope, GrantedScope::Organization | GrantedScope::Unknown(_));
            if concerns && wide {
                self.blockers.push(Blocker::WideAssignment { assignment: assignment.name.clone() });
            }
        }
        if input.pointer.is_none() {
            self.actions.push(MigrationAction::MakeServicePrincipal {
                app: input.app,
                object: input.object,
                display_name: input.display_name.clone(),
            });
        }
        let Ok(scope_name) = options.scope_name() else { return };
        for role in roles {
            let name = match options.assignment_name(*role) {
                Ok(name) => name,
                Err(error) => {
                    self.blockers.push(Blocker::invalid(&error));
                    continue;
                }
            };
            let fits = |a: &&ManagementRoleAssignment| {
                a.enabled
                    && a.role == Some(*role)
                    && matches!(&a.scope, GrantedScope::Custom(s) if same(s, scope_name.as_str()))
            };
            let named = input.assignments.iter().find(|a| same(&a.name, name.as_str()));
            if let Some(other) = named.filter(|a| !fits(a)) {
                self.blockers.push(Blocker::AssignmentDiffers { assignment: other.name.clone() });
            }
            if !input.assignments.iter().any(|a| fits(&a)) {
                let (object, scope, role) = (input.object, scope_name.clone(), *role);
                self.actions.push(MigrationAction::AssignRole { name, object, role, scope });
            }
        }
        let Some(canary) = input.canary.address.clone() else { return };
        for role in roles {
            self.actions.push(MigrationAction::VerifyRole {
                object: input.object,
                role: *role,
                inside: scope.inside.clone(),
                canary: canary.clone(),
            });
        }
    }

    /// The proof, and then the policies.
    fn end(&mut self, policies: &[AccessPolicyIdentity], all_moved: bool, inside: &[MailboxAddress]) {
        let Some(canary) = self.input.canary.address.clone() else { return };
        self.actions.push(MigrationAction::Prove { inside: inside.to_vec(), canary });
        if all_moved {
            let name = |of: &AccessPolicyIdentity| {
                let read = self.input.policies.iter().find(|p| p.policy.identity == *of);
                read.map(|p| p.policy.scope_name.clone()).unwrap_or_default()
            };
            let removals = policies.iter().map(|policy| {
                let scope_name = name(policy);
                MigrationAction::RemovePolicy { policy: policy.clone(), scope_name }
            });
            self.actions.extend(removals);
        }
    }
}
