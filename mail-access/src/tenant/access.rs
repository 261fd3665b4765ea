use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::GrantedScope;
use exchange_admin::MailboxRight;
use exchange_admin::cmdlets::{MailboxPermission, ManagementScope, PolicyApp, Recipient};

use super::{AppState, TenantPicture, key_of};
use crate::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, EntraGrant, EntraGrants, EntraPrincipal,
    ExchangePointer, Grantee, GroupPicture, MailboxPicture, MailboxSwitches, PermissionPicture,
    PolicyPicture, RecipientId,
};
use crate::names;

impl TenantPicture {
    /// What was read, in the form in which access is computed for one app.
    pub fn access_picture(&self, app: &str) -> AccessPicture {
        let state = self.apps.get(app);
        AccessPicture {
            app: state.map(app_picture).unwrap_or_default(),
            mailboxes: self.mailbox_pictures(state),
            groups: self.group_pictures(),
            policies: Some(self.policies.iter().map(policy_picture).collect()),
            assignments: state.map(|s| self.assignment_pictures(s)),
            ..AccessPicture::default()
        }
    }

    fn mailbox_pictures(&self, app: Option<&AppState>) -> BTreeMap<RecipientId, MailboxPicture> {
        self.mailboxes
            .iter()
            .filter_map(|(address, state)| {
                let recipient = state.recipient.as_ref()?;
                let picture = MailboxPicture {
                    address: address.to_string(),
                    in_cloud: Some(names::is_cloud_mailbox(recipient)),
                    full_access: state.permissions.as_deref().map(|entries| full_access(app, entries)),
                    switches: state.switches.as_ref().map(MailboxSwitches::from),
                    ..MailboxPicture::default()
                };
                Some((RecipientId::new(key_of(recipient)?), picture))
            })
            .collect()
    }

    fn group_pictures(&self) -> BTreeMap<RecipientId, GroupPicture> {
        let named = self.groups.iter().filter_map(|(address, state)| {
            let group = state.group.as_ref()?;
            let picture = GroupPicture {
                address: address.to_string(),
                distinguished_name: group.distinguished_name.clone(),
                is_security_principal: group.is_security_group(),
                members: Some(member_ids(&state.members)),
            };
            Some((RecipientId::new(names::group_key(state)?), picture))
        });
        let further = self.further_groups.iter().map(|(key, (info, members))| {
            let picture = GroupPicture {
                address: info.address.clone(),
                distinguished_name: info.distinguished_name.clone(),
                is_security_principal: info.is_security_principal,
                members: members.as_deref().map(member_ids),
            };
            (RecipientId::new(key), picture)
        });
        named.chain(further).collect()
    }

    fn assignment_pictures(&self, state: &AppState) -> Vec<AssignmentPicture> {
        state
            .assignments
            .iter()
            .filter(|a| a.enabled)
            .map(|a| {
                let scope = match &a.scope {
                    GrantedScope::Organization => AssignmentScope::Organization,
                    GrantedScope::Custom(name) => match state.scopes.get(name) {
                        Some(Some(scope)) => self.evaluate(scope),
                        _ => AssignmentScope::Opaque(format!(
                            "management scope {name}, which could not be found"
                        )),
                    },
                    GrantedScope::Group(name) => AssignmentScope::Opaque(format!("group {name}")),
                    GrantedScope::AdministrativeUnit(name) => {
                        AssignmentScope::AdministrativeUnit(name.clone())
                    }
                    other => AssignmentScope::Opaque(format!("{other:?}")),
                };
                let exclusive = match &a.scope {
                    GrantedScope::Custom(name) => {
                        state.scopes.get(name).is_some_and(|s| s.as_ref().is_some_and(|s| s.exclusive))
                    }
                    _ => false,
                };
                AssignmentPicture { name: a.name.clone(), role: a.role, scope, exclusive }
            })
            .collect()
    }

    /// A management scope as a set of groups; exclusive scopes do not restrict apps.
    fn evaluate(&self, scope: &ManagementScope) -> AssignmentScope {
        let opaque = || AssignmentScope::Opaque(format!("management scope {}", scope.name));
        let Some(filter) = &scope.filter else { return opaque() };
        let Some(names) = filter.groups() else { return AssignmentScope::Filter(filter.clone()) };
        let mut groups = BTreeSet::new();
        for dn in names {
            match self.group_by_dn(&dn) {
                Some(key) => groups.insert(key),
                None => return opaque(),
            };
        }
        AssignmentScope::MembersOf(groups)
    }

    fn group_by_dn(&self, dn: &str) -> Option<RecipientId> {
        let named = self.groups.values().find_map(|state| {
            let group = state.group.as_ref()?;
            group.distinguished_name.eq_ignore_ascii_case(dn).then(|| names::group_key(state)).flatten()
        });
        let further = || {
            self.further_groups.iter().find_map(|(key, (info, _))| {
                info.distinguished_name.eq_ignore_ascii_case(dn).then(|| key.clone())
            })
        };
        named.or_else(further).map(RecipientId::new)
    }
}

/// The entries with FullAccess, the app's own told from others'.
fn full_access(app: Option<&AppState>, entries: &[MailboxPermission]) -> Vec<PermissionPicture> {
    let names = app.and_then(|s| s.pointer.as_ref()).map(|p| (p.names(), p.object_id));
    entries
        .iter()
        .filter(|entry| entry.rights.contains(&MailboxRight::FullAccess))
        .map(|entry| PermissionPicture {
            grantee: match &names {
                Some((names, id)) if names.contain(&entry.user) => Grantee::App(*id),
                _ => Grantee::Other,
            },
            deny: entry.deny,
        })
        .collect()
}

pub(super) fn app_picture(state: &AppState) -> AppPicture {
    AppPicture {
        client_id: state.registration.client_id(),
        display_name: state.registration.application().map(|a| a.display_name.clone()).unwrap_or_default(),
        principal: match state.registration.service_principal_id() {
            Some(object_id) => {
                EntraPrincipal::Present { object_id, enabled: state.registration.is_enabled() }
            }
            None => EntraPrincipal::Absent,
        },
        consents: EntraGrants::Read(
            state
                .registration
                .consented()
                .into_iter()
                .map(|p| EntraGrant { resource: p.api.client_id(), permission: p.name })
                .collect(),
        ),
        pointer: match &state.pointer {
            Some(pointer) => ExchangePointer::To(pointer.object_id),
            None => ExchangePointer::Absent,
        },
        user_agent: None,
    }
}

fn policy_picture(state: &super::PolicyState) -> PolicyPicture {
    PolicyPicture {
        identity: state.policy.identity.to_string(),
        app: match state.policy.app {
            PolicyApp::Every => None,
            PolicyApp::App(client) => Some(client),
        },
        right: state.policy.right,
        // A scope that could not be found stays in the picture under a name that nothing there bears: unknown.
        scope: RecipientId::new(state.scope.as_deref().unwrap_or(state.policy.identity.as_str())),
    }
}

fn member_ids(members: &[Recipient]) -> BTreeSet<RecipientId> {
    members.iter().filter_map(key_of).map(RecipientId::new).collect()
}
