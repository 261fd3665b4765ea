//! What the tenant knows: its directory (Entra), its Exchange organisation, and what lies in the mailboxes.
//!
//! Everything that replicates or propagates is wrapped in [`Timed`]: the administrators' view (`configured`) changes
//! at once, the enforced view (`effective_at`) follows on the tenant's clock.

mod directory;
mod event;
mod exchange;
mod lifecycle;
mod permissions;
mod premises;
mod propagation;
mod series;
mod store;
mod timed;

pub use directory::{
    AppRole, AppRoleAssignment, Application, Directory, DirectoryGroup, KeyCredential, OAuth2PermissionGrant,
    PasswordCredential, RequiredResource, ResourceAccess, ServicePrincipal, User,
};
pub use event::{
    Attachment, Attendee, AttendeeRole, Event, ExtendedName, Instance, Response, Sensitivity, occurrence_id,
    split_occurrence_id, zone_rules,
};
pub use exchange::{
    AccessPolicy, AdministrativeUnit, Cursor, DynamicGroup, Exchange, ExchangeBuild,
    ExchangeServicePrincipal, GroupKind, GroupRecipient, MailboxIndex, MailboxKind, MailboxPermission,
    MailboxRecipient, ManagementRole, ManagementRoleAssignment, ManagementRoleEntry, ManagementScope,
    OutOfOffice, PolicyRight, RateLimit, RbacCache, ResourceScope, RoleGroup,
};
pub use lifecycle::{AdminDecision, FederatedCredential, IssuerKey, Lifecycle};
pub use permissions::{
    AgentLists, AuthenticationPolicy, Folder, FolderGrantee, FolderPermission, MailboxSwitches,
    OrganizationSwitches, SendAs,
};
pub use premises::{Account, AuthScheme, ExtendedProtection, Premises};
pub use propagation::Propagation;
pub use series::{DayKind, Pattern, Range, Recurrence, Slot};
pub use store::{
    Change, ChangeKind, MailStore, MeetingKind, MeetingMessage, Message, OwnCalendar, change_key,
};
pub use timed::Timed;

use jiff::Timestamp;
use uuid::Uuid;

/// The whole tenant. One lock around it, held for the time of one request's evaluation.
#[derive(Clone, Debug)]
pub struct State {
    /// The tenant id: what `tid` says and what the Admin API wants in its path.
    pub tenant_id: Uuid,
    /// Display name of the organisation.
    pub name: String,
    /// Verified domains; the first is the initial one (`*.onmicrosoft.com` in the real world).
    pub domains: Vec<String>,
    /// Entra: applications, service principals, users, groups, grants.
    pub directory: Directory,
    /// Exchange: recipients, permissions, policies, roles, switches.
    pub exchange: Exchange,
    /// Messages and events.
    pub store: MailStore,
    /// What Autodiscover says besides the truth.
    pub autodiscover: crate::Autodiscover,
    /// Accounts and doors on premises.
    pub premises: Premises,
    /// What the Exchange server keeps in memory; copies of the state share it.
    pub(crate) ews: crate::ews::EwsServer,
    /// How long each kind of change takes to be enforced.
    pub propagation: Propagation,
}

impl State {
    /// True when `address` lies in one of the tenant's domains, compared without case.
    pub fn owns_address(&self, address: &str) -> bool {
        address
            .rsplit_once('@')
            .is_some_and(|(_, domain)| self.domains.iter().any(|d| d.eq_ignore_ascii_case(domain)))
    }

    /// The initial domain: Exchange's distinguished names carry it.
    pub fn initial_domain(&self) -> &str {
        self.domains.first().map_or("", String::as_str)
    }

    /// The mailbox with this address, UPN, alias, or object id as it is enforced at `at`, if there is one.
    pub fn mailbox(&self, identity: &str, at: Timestamp) -> Option<&MailboxRecipient> {
        let found = self
            .exchange
            .index
            .find(identity, &self.exchange.mailboxes, |m| m.is_effective(at) && m.value.answers_to(identity));
        found.map(|m| &m.value)
    }

    /// The mailbox of the user with this object id as it is enforced at `at`.
    pub fn mailbox_of(&self, user: Uuid, at: Timestamp) -> Option<&MailboxRecipient> {
        let found = self.exchange.index.find(&user.to_string(), &self.exchange.mailboxes, |m| {
            m.is_effective(at) && m.value.object_id == user
        });
        found.map(|m| &m.value)
    }
}
