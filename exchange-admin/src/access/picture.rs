use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use m365_core::{ClientId, ServicePrincipalObjectId};
use serde::Serialize;

use super::in_words;
use crate::RecipientFilter;
use crate::cmdlets::{AccessCheckResult, CasMailbox, EwsAgents, EwsAllowedApps, RoleAuthorization};
use crate::types::{AccessRight, ApplicationRole};

/// The object id of a recipient, as text in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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

/// Everything that decides whether one app reaches a mailbox, as the administrators see it. A part that was not read is
/// `None` (or `Unread`), which never counts as "there is none".
#[derive(Clone, Debug, Default)]
pub struct AccessPicture {
    /// The app.
    pub app: AppPicture,
    /// Mailboxes by object id.
    pub mailboxes: BTreeMap<RecipientId, MailboxPicture>,
    /// Groups by object id. A group inside another that is left out counts as somebody else's mailbox: put one that could
    /// not be read in, without members.
    pub groups: BTreeMap<RecipientId, GroupPicture>,
    /// Members of administrative units, by the unit's name or id in lower case, as an assignment shows it. Those left out
    /// are unread.
    pub units: BTreeMap<String, BTreeSet<RecipientId>>,
    /// Access policies of every app.
    pub policies: Option<Vec<PolicyPicture>>,
    /// Enabled RBAC assignments of this app.
    pub assignments: Option<Vec<AssignmentPicture>>,
    /// Switches of the organisation.
    pub organization: OrganizationPicture,
    /// What Exchange's own test cmdlets say, by mailbox.
    pub exchange_says: BTreeMap<RecipientId, ExchangeSays>,
    /// Who bears the addresses that were asked for, each in lower case; `None` where surely nobody does.
    pub addresses: BTreeMap<String, Option<RecipientId>>,
    /// What was tried to be read and could not be.
    pub gaps: Vec<Gap>,
}

impl AccessPicture {
    /// A picture of this app in which nothing of Exchange was read yet.
    pub fn of(app: AppPicture) -> Self {
        Self { app, ..Self::default() }
    }

    /// Why a part is missing, as a sentence's end; nothing when nobody tried to read it.
    pub(super) fn why(&self, part: &Part) -> String {
        self.gaps
            .iter()
            .find(|gap| gap.part == *part)
            .map_or_else(String::new, |gap| format!(": {}", gap.reason))
    }
}

/// A part that was tried to be read and could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The part.
    #[serde(serialize_with = "in_words")]
    pub part: Part,
    /// Why not.
    pub reason: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.reason)
    }
}

/// A part of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The enterprise application in Entra.
    EntraPrincipal,
    /// Consents in Entra.
    Consents,
    /// Exchange's own service principal.
    ServicePrincipal,
    /// Application access policies.
    Policies,
    /// Role assignments.
    Assignments,
    /// A management scope, by name.
    Scope(String),
    /// A group or its members, by name.
    Group(String),
    /// What bears an address.
    Recipient(String),
    /// Attributes of a mailbox that a scope's filter asks for, by address.
    Attributes(String),
    /// Permissions on a mailbox, by address.
    MailboxPermissions(String),
    /// Who sends as a mailbox, by address.
    SendAs(String),
    /// Protocol switches of a mailbox, by address.
    Switches(String),
    /// The organisation's configuration.
    Organization,
    /// The organisation's transport settings.
    Transport,
    /// `Test-ApplicationAccessPolicy`, by address.
    PolicyTest(String),
    /// `Test-ServicePrincipalAuthorization`, by address.
    RoleTest(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntraPrincipal => f.write_str("the enterprise application in Entra"),
            Self::Consents => f.write_str("consents in Entra"),
            Self::ServicePrincipal => f.write_str("Exchange's service principal of the app"),
            Self::Policies => f.write_str("application access policies"),
            Self::Assignments => f.write_str("role assignments"),
            Self::Scope(name) => write!(f, "the management scope {name}"),
            Self::Group(name) => write!(f, "the group {name}"),
            Self::Recipient(address) => write!(f, "the recipient {address}"),
            Self::Attributes(address) => write!(f, "attributes of {address}"),
            Self::MailboxPermissions(address) => write!(f, "permissions on {address}"),
            Self::SendAs(address) => write!(f, "who sends as {address}"),
            Self::Switches(address) => write!(f, "protocol switches of {address}"),
            Self::Organization => f.write_str("the organisation's configuration"),
            Self::Transport => f.write_str("the organisation's transport settings"),
            Self::PolicyTest(address) => write!(f, "Test-ApplicationAccessPolicy for {address}"),
            Self::RoleTest(address) => write!(f, "Test-ServicePrincipalAuthorization for {address}"),
        }
    }
}

/// What Entra and Exchange know of the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppPicture {
    /// Client id, when the app exists.
    pub client_id: Option<ClientId>,
    /// Name for people; decides nothing.
    pub display_name: String,
    /// The enterprise application in Entra.
    pub principal: EntraPrincipal,
    /// Consents in Entra.
    pub consents: EntraGrants,
    /// Exchange's own service principal.
    pub pointer: ExchangePointer,
    /// What the app calls itself in `User-Agent`, when that is known: lists of user agents look at it.
    pub user_agent: Option<String>,
}

impl AppPicture {
    /// An app whose enterprise application is known to exist and to be enabled: from the directory, or from a fresh token
    /// (claims `appid` and `oid`). Nothing else is read yet.
    pub fn present(client_id: ClientId, object_id: ServicePrincipalObjectId) -> Self {
        Self {
            client_id: Some(client_id),
            principal: EntraPrincipal::Present { object_id, enabled: true },
            ..Self::default()
        }
    }

    /// An app of which only the client id is known.
    pub fn of_client(client_id: ClientId) -> Self {
        Self { client_id: Some(client_id), ..Self::default() }
    }

    /// With the consents that were read in Entra.
    #[must_use]
    pub fn with_consents(mut self, consents: impl IntoIterator<Item = EntraGrant>) -> Self {
        self.consents = EntraGrants::Read(consents.into_iter().collect());
        self
    }

    /// With a name for people.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// With the name that the app gives itself in `User-Agent`.
    #[must_use]
    pub fn with_user_agent(mut self, agent: impl Into<String>) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// Object id of the enterprise application, as Entra says, else as Exchange's pointer says.
    pub fn object_id(&self) -> Option<ServicePrincipalObjectId> {
        match (&self.principal, &self.pointer) {
            (EntraPrincipal::Present { object_id, .. }, _) => Some(*object_id),
            (EntraPrincipal::Unread, ExchangePointer::To(object_id)) => Some(*object_id),
            _ => None,
        }
    }
}

/// The enterprise application in Entra.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntraPrincipal {
    /// Not read. Nothing is then sure to be open.
    #[default]
    Unread,
    /// There is none.
    Absent,
    /// It is there.
    Present {
        /// Its object id; claim `oid` of the app's tokens.
        object_id: ServicePrincipalObjectId,
        /// False refuses every sign-in.
        enabled: bool,
    },
}

/// Consents in Entra to application permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EntraGrants {
    /// Not read.
    #[default]
    Unread,
    /// All of them.
    Read(BTreeSet<EntraGrant>),
}

impl EntraGrants {
    /// Whether this permission is consented; `None` when consents were not read, or when one of the same API has no name
    /// and may be this one.
    pub fn contain(&self, grant: &EntraGrant) -> Option<bool> {
        match self {
            Self::Unread => None,
            Self::Read(set) if set.contains(grant) => Some(true),
            Self::Read(set) => {
                let unnamed = set.iter().any(|c| c.resource == grant.resource && c.is_unnamed());
                (!unnamed).then_some(false)
            }
        }
    }

    /// Those that were read.
    pub fn iter(&self) -> impl Iterator<Item = &EntraGrant> {
        match self {
            Self::Unread => None,
            Self::Read(set) => Some(set),
        }
        .into_iter()
        .flatten()
    }
}

/// An application permission of an API. The API matters: Office 365 Exchange Online still offers names of Microsoft Graph,
/// for an interface that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntraGrant {
    /// Client id of the API.
    pub resource: ClientId,
    /// The permission's name.
    pub permission: String,
}

impl EntraGrant {
    /// A permission of Microsoft Graph.
    pub fn graph(permission: impl Into<String>) -> Self {
        Self { resource: ClientId::MICROSOFT_GRAPH, permission: permission.into() }
    }

    /// A permission of Office 365 Exchange Online.
    pub fn exchange(permission: impl Into<String>) -> Self {
        Self { resource: ClientId::EXCHANGE_ONLINE, permission: permission.into() }
    }

    /// Whether the API does not name the permission (any more): the id of its role stands for it, and it may be any.
    pub fn is_unnamed(&self) -> bool {
        uuid::Uuid::parse_str(&self.permission).is_ok()
    }

    /// Whether it is about mailboxes at all, and not about the directory or the administration of Exchange.
    ///
    /// ```
    /// use exchange_admin::access::EntraGrant;
    /// assert!(EntraGrant::graph("Calendars.Read").concerns_mailboxes());
    /// assert!(!EntraGrant::graph("User.Read.All").concerns_mailboxes());
    /// ```
    pub fn concerns_mailboxes(&self) -> bool {
        const AREAS: [&str; 9] = [
            "Mail.",
            "Mail-Advanced.",
            "Calendars.",
            "Contacts.",
            "MailboxSettings.",
            "MailboxFolder.",
            "MailboxItem.",
            "MailboxConfigItem.",
            "MailTips.",
        ];
        match self.resource {
            ClientId::MICROSOFT_GRAPH => AREAS.iter().any(|area| self.permission.starts_with(area)),
            ClientId::EXCHANGE_ONLINE => matches!(
                self.permission.as_str(),
                "full_access_as_app" | "IMAP.AccessAsApp" | "POP.AccessAsApp" | "SMTP.SendAsApp"
            ),
            _ => false,
        }
    }
}

impl fmt::Display for EntraGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resource {
            ClientId::MICROSOFT_GRAPH => write!(f, "{} (Microsoft Graph)", self.permission),
            ClientId::EXCHANGE_ONLINE => write!(f, "{} (Office 365 Exchange Online)", self.permission),
            other => write!(f, "{} ({other})", self.permission),
        }
    }
}

/// Exchange's own service principal of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExchangePointer {
    /// Not read.
    #[default]
    Unread,
    /// There is none.
    Absent,
    /// It points to this object id. Right only when that is the *enterprise application's*.
    To(ServicePrincipalObjectId),
}

/// What matters of a mailbox.
#[derive(Clone, Debug, Default)]
pub struct MailboxPicture {
    /// Primary address.
    pub address: String,
    /// False for mailboxes on premises or without a licence; `None` for a kind of recipient without a name here.
    pub in_cloud: Option<bool>,
    /// Entries with FullAccess.
    pub full_access: Option<Vec<PermissionPicture>>,
    /// Entries with SendAs.
    pub send_as: Option<Vec<PermissionPicture>>,
    /// Protocol switches.
    pub switches: Option<MailboxSwitches>,
    /// Attributes that were read, by name in lower case; one that has no value is there with none. Those left out are
    /// unread.
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl MailboxPicture {
    /// A mailbox in Exchange Online of which nothing else is read yet.
    pub fn in_cloud(address: impl Into<String>) -> Self {
        Self { address: address.into(), in_cloud: Some(true), ..Self::default() }
    }
}

/// Protocol switches of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxSwitches {
    /// IMAP; `None`: not shown.
    pub imap: Option<bool>,
    /// POP; `None`: not shown.
    pub pop: Option<bool>,
    /// EWS; `None`: never set, which is as good as on.
    pub ews: Option<bool>,
    /// Authenticated SMTP, turned off; `None`: the organisation's switch decides.
    pub smtp_disabled: Option<bool>,
    /// Its own lists of user agents.
    pub agents: EwsAgents,
}

impl From<&CasMailbox> for MailboxSwitches {
    fn from(read: &CasMailbox) -> Self {
        Self {
            imap: read.imap_enabled,
            pop: read.pop_enabled,
            ews: read.ews_enabled,
            smtp_disabled: read.smtp_client_authentication_disabled,
            agents: read.ews_agents.clone(),
        }
    }
}

/// Switches of the organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationPicture {
    /// About EWS.
    pub ews: Option<OrganizationEws>,
    /// Authenticated SMTP, turned off for every mailbox that does not say otherwise.
    pub smtp_disabled: Option<bool>,
}

/// The organisation's switches about EWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationEws {
    /// The switch; `None`: never set, which is as good as on, and the list of apps then counts for nothing.
    pub enabled: Option<bool>,
    /// Apps that pass while the switch is on; an empty list lets nobody pass. `None`: not read, since Exchange shows it only
    /// when asked.
    pub allowed_apps: Option<EwsAllowedApps>,
    /// Lists of user agents.
    pub agents: EwsAgents,
}

/// What matters of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupPicture {
    /// Address, for the reader.
    pub address: String,
    /// What filters name it by; empty when it was not read.
    pub distinguished_name: String,
    /// Whether permissions and policies accept it: mail-enabled security groups only.
    pub is_security_principal: bool,
    /// Direct members; `None` when they could not be read.
    pub members: Option<BTreeSet<RecipientId>>,
}

/// A legacy application access policy.
#[derive(Clone, Debug)]
pub struct PolicyPicture {
    /// Its identity, for the reader.
    pub identity: String,
    /// The app; `None` means every app.
    pub app: Option<ClientId>,
    /// Restrict or deny; `None` for a word without a name here, which may be either.
    pub right: Option<AccessRight>,
    /// The mailbox or group it names.
    pub scope: RecipientId,
}

/// An RBAC-for-Applications assignment.
#[derive(Clone, Debug)]
pub struct AssignmentPicture {
    /// Its name.
    pub name: String,
    /// The role; `None` for one that this version does not know, which may grant anything.
    pub role: Option<ApplicationRole>,
    /// Where it holds.
    pub scope: AssignmentScope,
    /// Whether the scope is an exclusive one. That keeps other administrators out, and no app.
    pub exclusive: bool,
}

/// Where an assignment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignmentScope {
    /// Everywhere.
    Organization,
    /// For the direct members of these groups.
    MembersOf(BTreeSet<RecipientId>),
    /// For the members of an administrative unit, by the name or id that Exchange shows.
    AdministrativeUnit(String),
    /// For what a filter holds.
    Filter(RecipientFilter),
    /// By something that could not be evaluated.
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
    /// Shown under a name that may be the app's as well as another's.
    Unclear(String),
}

/// An entry on a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionPicture {
    /// Who holds it.
    pub grantee: Grantee,
    /// Deny entries go before allow entries.
    pub deny: bool,
}

/// What Exchange's own test cmdlets say of the app and one mailbox. They look past caches, so they run ahead of what is
/// enforced, and they know nothing of consents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeSays {
    /// `Test-ApplicationAccessPolicy`.
    pub policies: Option<AccessCheckResult>,
    /// `Test-ServicePrincipalAuthorization`.
    pub roles: Option<Vec<RoleAuthorization>>,
}
