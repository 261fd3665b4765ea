use std::collections::{BTreeMap, BTreeSet};

use exchange_admin::ApplicationRole;
use graph_auth::Api;
use m365_core::{ClientId, ServicePrincipalObjectId};

/// The object id of a recipient, as text in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecipientId(String);

impl RecipientId {
    /// The id of a recipient.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().to_lowercase())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything that decides whether one app reaches a mailbox, as the administrators see it. A part that could not be
/// read is `None`, which never counts as "there is none".
#[derive(Clone, Debug, Default)]
pub struct AccessPicture {
    /// The app.
    pub app: AppPicture,
    /// Mailboxes by object id.
    pub mailboxes: BTreeMap<RecipientId, MailboxPicture>,
    /// Groups by object id.
    pub groups: BTreeMap<RecipientId, GroupPicture>,
    /// Access policies of every app.
    pub policies: Option<Vec<PolicyPicture>>,
    /// RBAC assignments of this app.
    pub assignments: Option<Vec<AssignmentPicture>>,
    /// FullAccess entries of the mailboxes whose switches were read.
    pub permissions: Option<Vec<PermissionPicture>>,
}

/// What Entra and Exchange know of the app.
#[derive(Clone, Debug, Default)]
pub struct AppPicture {
    /// Client id, when the app exists.
    pub client_id: Option<ClientId>,
    /// Object id of the enterprise application, when it exists.
    pub object_id: Option<ServicePrincipalObjectId>,
    /// False refuses every sign-in.
    pub enabled: bool,
    /// Consented application permissions.
    pub consented: BTreeSet<(Api, String)>,
    /// The object id that Exchange's own service principal points to, when there is one.
    pub exchange_pointer: Option<ServicePrincipalObjectId>,
}

/// What matters of a mailbox.
#[derive(Clone, Debug)]
pub struct MailboxPicture {
    /// Primary address.
    pub address: String,
    /// False for mailboxes on premises or without a licence.
    pub in_cloud: bool,
    /// Whether IMAP is switched on; `None` when the mailbox's switches and permissions were not read.
    pub imap_enabled: Option<bool>,
}

/// What matters of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupPicture {
    /// Address, for the reader.
    pub address: String,
    /// Whether permissions and policies accept it: mail-enabled security groups only.
    pub is_security_principal: bool,
    /// Direct members; `None` when they could not be read.
    pub members: Option<BTreeSet<RecipientId>>,
}

/// What an access policy does with the mailboxes of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyRight {
    /// Only these.
    Restrict,
    /// All but these.
    Deny,
}

/// A legacy application access policy.
#[derive(Clone, Debug)]
pub struct PolicyPicture {
    /// The app; `None` means every app.
    pub app: Option<ClientId>,
    /// Restrict or deny.
    pub right: PolicyRight,
    /// The mailbox or group it names.
    pub scope: RecipientId,
}

/// An RBAC-for-Applications assignment.
#[derive(Clone, Debug)]
pub struct AssignmentPicture {
    /// The role; `None` for one that this version does not know, which may grant anything.
    pub role: Option<ApplicationRole>,
    /// Where it holds.
    pub scope: AssignmentScope,
}

/// Where an assignment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignmentScope {
    /// Everywhere.
    Organization,
    /// For the direct members of these groups.
    MembersOf(BTreeSet<RecipientId>),
    /// By something that this function does not evaluate (attribute filters, administrative units).
    Opaque(String),
}

/// Who holds a mailbox permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// An enterprise application through its Exchange service principal.
    App(ServicePrincipalObjectId),
    /// A group.
    Group(RecipientId),
    /// Somebody else.
    Other,
}

/// A FullAccess entry.
#[derive(Clone, Debug)]
pub struct PermissionPicture {
    /// The mailbox.
    pub mailbox: RecipientId,
    /// Who holds it.
    pub grantee: Grantee,
    /// Deny entries go before allow entries.
    pub deny: bool,
}
