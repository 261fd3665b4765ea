use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::{AccessRight, GrantedScope};
use m365_core::{ApplicationObjectId, ClientId, KeyId, MailboxAddress, ServicePrincipalObjectId};
use serde::Serialize;

use super::{AppState, TenantPicture, key_of};
use crate::access::{Outcome, RecipientId};
use crate::profile::AppProfile;

/// The part of a tenant that a profile speaks of, small enough for a receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Digest {
    /// Apps by unique name.
    pub apps: BTreeMap<String, AppDigest>,
    /// Groups by address; `None` when absent.
    pub groups: BTreeMap<String, Option<GroupDigest>>,
    /// Mailboxes by address with their kind; `None` when absent.
    pub mailboxes: BTreeMap<String, Option<String>>,
}

/// An app, as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AppDigest {
    /// Object id of the registration.
    pub application_object_id: Option<ApplicationObjectId>,
    /// Client id.
    pub client_id: Option<ClientId>,
    /// Object id of the enterprise application.
    pub service_principal_object_id: Option<ServicePrincipalObjectId>,
    /// Object id in Exchange's own service principal.
    pub exchange_service_principal: Option<ServicePrincipalObjectId>,
    /// Consented application permissions.
    pub consented: BTreeSet<String>,
    /// Ids of its secrets.
    pub secrets: BTreeSet<KeyId>,
    /// Application roles with their scopes.
    pub roles: BTreeSet<String>,
    /// Access policies that name it.
    pub access_policies: BTreeSet<String>,
    /// Mailboxes on which it has FullAccess.
    pub full_access: BTreeSet<String>,
}

/// A group, as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GroupDigest {
    /// Its kind.
    pub kind: String,
    /// Addresses (or names) of its direct members.
    pub members: BTreeSet<String>,
}

impl TenantPicture {
    /// The picture, small enough for a receipt.
    pub fn digest(&self) -> Digest {
        Digest {
            apps: self
                .apps
                .iter()
                .map(|(name, state)| (name.clone(), self.app_digest(name, state)))
                .collect(),
            groups: self
                .groups
                .iter()
                .map(|(address, state)| {
                    let digest = state.group.as_ref().map(|group| GroupDigest {
                        kind: group.kind.to_string(),
                        members: state.members.iter().map(shown).collect(),
                    });
                    (address.to_string(), digest)
                })
                .collect(),
            mailboxes: self
                .mailboxes
                .iter()
                .map(|(address, state)| {
                    (address.to_string(), state.recipient.as_ref().map(|r| r.kind.to_string()))
                })
                .collect(),
        }
    }

    fn app_digest(&self, name: &str, state: &AppState) -> AppDigest {
        let picture = self.access_picture(name);
        let client = state.registration.client_id();
        AppDigest {
            application_object_id: state.registration.application_id(),
            client_id: client,
            service_principal_object_id: state.registration.service_principal_id(),
            exchange_service_principal: state.pointer.as_ref().map(|p| p.object_id),
            consented: state.registration.consented().into_iter().map(|p| format!("{} ({})", p.name, p.api)).collect(),
            secrets: state
                .registration
                .application()
                .map(|a| a.password_credentials.iter().map(|p| p.key_id).collect())
                .unwrap_or_default(),
            roles: state.assignments.iter().map(|a| format!("{} for {}", a.role_name, scope_words(&a.scope))).collect(),
            access_policies: self
                .policies
                .iter()
                .filter(|p| matches!(p.policy.app, exchange_admin::cmdlets::PolicyApp::App(c) if Some(c) == client))
                .map(|p| format!("{} {}", p.policy.right.map_or("unknown right", AccessRight::as_str), p.policy.scope_name))
                .collect(),
            full_access: self
                .mailboxes
                .iter()
                .filter(|(_, mailbox)| {
                    let key = mailbox.recipient.as_ref().and_then(key_of);
                    let read = key.and_then(|key| picture.mailboxes.get(&RecipientId::new(key)));
                    let entries = read.and_then(|m| m.full_access.as_ref()).into_iter().flatten();
                    entries.into_iter().any(|p| !p.deny && matches!(p.grantee, crate::access::Grantee::App(_)))
                })
                .map(|(address, _)| address.to_string())
                .collect(),
        }
    }

    /// Whether a mailbox is in a group of the profile, directly or through a group inside it.
    pub(crate) fn is_member(&self, group: &MailboxAddress, mailbox: &MailboxAddress) -> bool {
        let key = self.mailboxes.get(mailbox).and_then(|m| m.recipient.as_ref()).and_then(key_of);
        let group = self.groups.get(group).and_then(crate::names::group_key);
        let (Some(key), Some(group)) = (key, group) else { return false };
        self.access_picture("").holds(&RecipientId::new(group), &RecipientId::new(key)) == Outcome::Allowed
    }

    /// Members of an app's scope group that its profile does not name.
    pub(crate) fn strangers(&self, app: &AppProfile) -> Vec<String> {
        let Some(group) = app.scope.group.as_ref().and_then(|g| self.groups.get(&g.address)) else {
            return Vec::new();
        };
        let wanted: BTreeSet<String> = app
            .scope
            .mailboxes
            .iter()
            .filter_map(|m| self.mailboxes.get(m)?.recipient.as_ref().and_then(key_of))
            .collect();
        group
            .members
            .iter()
            .filter(|m| key_of(m).is_none_or(|key| !wanted.contains(&key)))
            .map(shown)
            .collect()
    }
}

fn shown(recipient: &exchange_admin::cmdlets::Recipient) -> String {
    recipient.primary_smtp_address.as_ref().map_or_else(|| recipient.name.clone(), ToString::to_string)
}

fn scope_words(scope: &GrantedScope) -> String {
    match scope {
        GrantedScope::Custom(name) => format!("management scope {name}"),
        GrantedScope::Group(name) => format!("group {name}"),
        GrantedScope::AdministrativeUnit(name) => format!("administrative unit {name}"),
        GrantedScope::Organization => "the whole organisation".to_owned(),
        GrantedScope::Unknown(name) => format!("an unknown kind of scope, {name}"),
        _ => "an unknown kind of scope".to_owned(),
    }
}
