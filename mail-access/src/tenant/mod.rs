//! The part of a tenant that a profile speaks of, as it was read. Reading writes nothing; what could not be read is an
//! error, never an absence.

mod access;
mod digest;
mod read;

use std::collections::BTreeMap;

use exchange_admin::cmdlets::{
    ApplicationAccessPolicy, CasMailbox, DistributionGroup, EwsAllowedApps, MailboxPermission,
    ManagementRoleAssignment, ManagementScope, Recipient, ServicePrincipal,
};
use graph_auth::RegistrationState;
use m365_core::{ClientId, KeyId, MailboxAddress, ServicePrincipalObjectId, TenantId, UserObjectId};

use crate::mail::MailboxRef;

pub use digest::{AppDigest, Digest, GroupDigest};
pub(crate) use read::read;

/// What was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantPicture {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The vault's installation: secrets that carry it in their names are ours.
    pub installation: String,
    /// Its verified domains.
    pub domains: Vec<String>,
    /// True for a tenant in which no scope or assignment can be made yet.
    pub dehydrated: bool,
    /// Apps by unique name.
    pub apps: BTreeMap<String, AppState>,
    /// The mailboxes that the profile names, canaries included.
    pub mailboxes: BTreeMap<MailboxAddress, MailboxState>,
    /// The groups that the profile names.
    pub groups: BTreeMap<MailboxAddress, GroupState>,
    /// What decides about EWS for apps; none when no app of the profile uses it.
    pub ews: Option<EwsState>,
    /// Application access policies of every app.
    pub policies: Vec<PolicyState>,
    /// Groups that decide something and that the profile does not name, by object id in lower case, with their direct
    /// members; `None` when those could not be read.
    pub(crate) further_groups: BTreeMap<String, (DistributionGroupInfo, Option<Vec<Recipient>>)>,
}

/// The organisation's switch for EWS, and the apps that pass while it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EwsState {
    /// The switch; none when it was never set: then EWS is open, and the list counts for nothing.
    pub enabled: Option<bool>,
    /// The list.
    pub allowed: EwsAllowedApps,
}

/// What is known of a group that only a policy or a scope names.
#[derive(Clone, Debug)]
pub(crate) struct DistributionGroupInfo {
    pub(crate) address: String,
    pub(crate) distinguished_name: String,
    pub(crate) is_security_principal: bool,
}

/// An app.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AppState {
    /// Its registration, in Entra.
    pub registration: RegistrationState,
    /// The credential that the vault holds for it.
    pub held: Option<HeldKey>,
    /// Exchange's service principal of it.
    pub pointer: Option<ServicePrincipal>,
    /// Its application roles in Exchange.
    pub assignments: Vec<ManagementRoleAssignment>,
    /// The management scopes that the profile and those assignments name; `None` when absent.
    pub scopes: BTreeMap<String, Option<ManagementScope>>,
}

/// What the vault says of a credential, without the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// The app it was made for.
    pub client_id: ClientId,
    /// Its id.
    pub key_id: KeyId,
    /// When it expires.
    pub expires: jiff::Timestamp,
}

/// A mailbox.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MailboxState {
    /// The recipient; `None` when there is none.
    pub recipient: Option<Recipient>,
    /// Its permissions; `None` when the profile does not need them.
    pub permissions: Option<Vec<MailboxPermission>>,
    /// Its protocol switches; `None` when the profile does not need them.
    pub switches: Option<CasMailbox>,
}

/// A group.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GroupState {
    /// The group; `None` when there is none.
    pub group: Option<DistributionGroup>,
    /// What bears the address when no such group does: a Microsoft 365 group, a mailbox, a contact.
    pub other: Option<Recipient>,
    /// Its direct members.
    pub members: Vec<Recipient>,
}

/// An access policy and the recipient it names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyState {
    /// The policy.
    pub policy: ApplicationAccessPolicy,
    /// The object id of its scope, in lower case; `None` when the recipient is gone or was not needed.
    pub scope: Option<String>,
}

impl TenantPicture {
    /// Whether an address lies in one of the tenant's domains.
    pub fn owns(&self, address: &MailboxAddress) -> bool {
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(address.domain()))
    }

    /// A mailbox by address and, as far as it was read, by object id.
    pub fn mailbox_ref(&self, address: &MailboxAddress) -> MailboxRef {
        let recipient = self.mailboxes.get(address).and_then(|m| m.recipient.as_ref());
        let id = recipient.and_then(key_of).and_then(|id| UserObjectId::parse(&id).ok());
        let mailbox = MailboxRef::new(address.clone());
        match id {
            Some(id) => mailbox.with_object_id(id),
            None => mailbox,
        }
    }

    /// The object id by which Exchange names the app, when it is known.
    pub(crate) fn service_principal(&self, app: &str) -> Option<ServicePrincipalObjectId> {
        self.apps.get(app).and_then(|a| a.registration.service_principal_id())
    }
}

/// `object id` of a recipient in the form in which it is compared.
pub(crate) fn key_of(recipient: &Recipient) -> Option<String> {
    recipient.object_id.map(|id| id.to_string().to_lowercase())
}
