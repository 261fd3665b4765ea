use std::collections::BTreeSet;

use exchange_admin::GrantedScope;
use exchange_admin::cmdlets::{ManagementScope, PolicyApp, Recipient};
use exchange_admin::{AccessRight, MailboxRight};

use super::{AppState, TenantPicture, key_of};
use crate::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, Grantee, GroupPicture, MailboxPicture,
    PermissionPicture, PolicyPicture, PolicyRight, RecipientId,
};
use crate::names;

impl TenantPicture {
    /// What was read, in the form in which access is computed for one app.
    pub fn access_picture(&self, app: &str) -> AccessPicture {
        let state = self.apps.get(app);
        AccessPicture {
            app: state.map(app_picture).unwrap_or_default(),
            mailboxes: self.mailbox_pictures(),
            groups: self.group_pictures(),
            policies: Some(self.policies.iter().map(policy_picture).collect()),
            assignments: state.map(|s| self.assignment_pictures(s)),
            permissions: self.permission_pictures(state),
        }
    }

    fn mailbox_pictures(&self) -> std::collections::BTreeMap<RecipientId, MailboxPicture> {
        self.mailboxes
            .iter()
            .filter_map(|(address, state)| {
                let recipient = state.recipient.as_ref()?;
                let picture = MailboxPicture {
                    address: address.to_string(),
                    in_cloud: names::is_cloud_mailbox(recipient),
                    imap_enabled: state.imap_enabled,
                };
                Some((RecipientId::new(key_of(recipient)?), picture))
            })
            .collect()
    }

    fn group_pictures(&self) -> std::collections::BTreeMap<RecipientId, GroupPicture> {
        let named = self.groups.iter().filter_map(|(address, state)| {
            let group = state.group.as_ref()?;
            let picture = GroupPicture {
                address: address.to_string(),
                is_security_principal: group.is_security_group(),
                members: Some(member_ids(&state.members)),
            };
            Some((RecipientId::new(names::group_key(state)?), picture))
        });
        let further = self.further_groups.iter().map(|(key, (info, members))| {
            let picture = GroupPicture {
                address: info.address.clone(),
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
                        AssignmentScope::Opaque(format!("administrative unit {name}"))
                    }
                    other => AssignmentScope::Opaque(format!("{other:?}")),
                };
                AssignmentPicture { role: a.role, scope }
            })
            .collect()
    }

    /// A management scope as a set of groups; exclusive scopes do not restrict apps.
    fn evaluate(&self, scope: &ManagementScope) -> AssignmentScope {
        let opaque = || AssignmentScope::Opaque(format!("management scope {}", scope.name));
        let Some(names) = scope.filter.as_ref().and_then(|f| f.groups()) else { return opaque() };
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

    fn permission_pictures(&self, state: Option<&AppState>) -> Option<Vec<PermissionPicture>> {
        let names = state.and_then(|s| s.pointer.as_ref()).map(|p| (p.names(), p.object_id));
        let read: Vec<_> = self
            .mailboxes
            .values()
            .filter_map(|m| Some((m.recipient.as_ref().and_then(key_of)?, m.permissions.as_ref()?)))
            .collect();
        if read.is_empty() {
            return None;
        }
        Some(
            read.into_iter()
                .flat_map(|(mailbox, entries)| entries.iter().map(move |entry| (mailbox.clone(), entry)))
                .filter(|(_, entry)| entry.rights.contains(&MailboxRight::FullAccess))
                .map(|(mailbox, entry)| PermissionPicture {
                    mailbox: RecipientId::new(mailbox),
                    grantee: match &names {
                        Some((names, id)) if names.contain(&entry.user) => Grantee::App(*id),
                        _ => Grantee::Other,
                    },
                    deny: entry.deny,
                })
                .collect(),
        )
    }
}

fn app_picture(state: &AppState) -> AppPicture {
    AppPicture {
        client_id: state.registration.client_id(),
        object_id: state.registration.service_principal_id(),
        enabled: state.registration.is_enabled(),
        consented: state.registration.consented().into_iter().map(|p| (p.api, p.name)).collect(),
        exchange_pointer: state.pointer.as_ref().map(|p| p.object_id),
    }
}

fn policy_picture(state: &super::PolicyState) -> PolicyPicture {
    PolicyPicture {
        app: match state.policy.app {
            PolicyApp::Every => None,
            PolicyApp::App(client) => Some(client),
        },
        // A right that we do not know is treated as the one that must not be overlooked.
        right: match state.policy.right {
            Some(AccessRight::Restrict) => PolicyRight::Restrict,
            Some(AccessRight::Deny) | None => PolicyRight::Deny,
        },
        // A scope that could not be found stays in the picture under a name that nothing there bears: unknown.
        scope: RecipientId::new(state.scope.as_deref().unwrap_or(state.policy.identity.as_str())),
    }
}

fn member_ids(members: &[Recipient]) -> BTreeSet<RecipientId> {
    members.iter().filter_map(key_of).map(RecipientId::new).collect()
}
