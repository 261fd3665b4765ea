//! The Exchange organisation: what the cmdlets read and write and what enforcement looks at.

use jiff::Timestamp;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::Timed;
use super::permissions::{
    AuthenticationPolicy, FolderPermission, MailboxSwitches, OrganizationSwitches, SendAs,
};

/// Recipients, permissions, policies, roles and switches.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Organisation GUID: first half of an access policy's identity.
    pub organization_id: Uuid,
    /// A fresh tenant needs Enable-OrganizationCustomization before scopes and assignments can be made.
    pub dehydrated: bool,
    /// Mailboxes.
    pub mailboxes: Vec<Timed<MailboxRecipient>>,
    /// Where mailboxes were found: asked before the whole list is looked through.
    pub index: MailboxIndex,
    /// Version of the organisation's own servers.
    pub build: ExchangeBuild,
    /// Distribution groups, mail-enabled security groups, Microsoft 365 groups.
    pub groups: Vec<Timed<GroupRecipient>>,
    /// Pointers to Entra service principals.
    pub service_principals: Vec<Timed<ExchangeServicePrincipal>>,
    /// Mailbox permissions (FullAccess and kin).
    pub mailbox_permissions: Vec<Timed<MailboxPermission>>,
    /// Legacy application access policies.
    pub access_policies: Vec<Timed<AccessPolicy>>,
    /// Management scopes.
    pub scopes: Vec<Timed<ManagementScope>>,
    /// RBAC-for-Applications assignments.
    pub role_assignments: Vec<Timed<ManagementRoleAssignment>>,
    /// Admin role groups.
    pub role_groups: Vec<RoleGroup>,
    /// Custom management roles; the built-in ones follow from the cmdlets.
    pub management_roles: Vec<ManagementRole>,
    /// Dynamic distribution lists.
    pub dynamic_groups: Vec<DynamicGroup>,
    /// Administrative units, as far as role scopes refer to them.
    pub administrative_units: Vec<Timed<AdministrativeUnit>>,
    /// Entries on folders.
    pub folder_permissions: Vec<Timed<FolderPermission>>,
    /// Language of the folders' names per mailbox (user's object id): `de`, `pl`, `fr`, `da`; English without an entry.
    pub folder_languages: BTreeMap<Uuid, String>,
    /// Names of folders for mail that somebody made, per mailbox.
    pub own_folders: BTreeMap<Uuid, Vec<String>>,
    /// Answers while away, by the object id of the mailbox's user.
    pub out_of_office: BTreeMap<Uuid, OutOfOffice>,
    /// Who sends as whom.
    pub send_as: Vec<Timed<SendAs>>,
    /// Switches of the organisation: the configured ones last; none: all untouched.
    pub organization_switches: Vec<Timed<OrganizationSwitches>>,
    /// Switches of mailboxes that somebody has touched.
    pub mailbox_switches: Vec<Timed<MailboxSwitches>>,
    /// Authentication policies.
    pub authentication_policies: Vec<AuthenticationPolicy>,
    /// Name of a user's own authentication policy, by object id.
    pub user_authentication_policies: BTreeMap<Uuid, String>,
    /// Per app (service principal object id): the authorisation cache of RBAC for Applications.
    pub rbac_cache: BTreeMap<Uuid, RbacCache>,
    /// Lists in the middle of being paged, by the id in their links.
    pub cursors: BTreeMap<Uuid, Cursor>,
    /// True when a page is only continued where the list began: the cookie of its first page must come back.
    pub paging_affinity: bool,
    /// The bucket of cmdlets; none is told of when absent.
    pub rate_limit: Option<RateLimit>,
}

/// What a mailbox answers while its user is away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutOfOffice {
    /// True while it answers.
    pub enabled: bool,
    /// From when to when, if not always.
    pub scheduled: Option<(Timestamp, Timestamp)>,
    /// To people of the organisation.
    pub internal_reply: String,
    /// To others; empty: no answer.
    pub external_reply: String,
}

/// Positions of mailboxes by what they were asked for. They are only hints, each is looked at again, so that the list may be
/// changed in any way; copies of a state share them.
#[derive(Clone, Debug, Default)]
pub struct MailboxIndex(std::sync::Arc<std::sync::Mutex<std::collections::HashMap<String, usize>>>);

impl MailboxIndex {
    /// The first mailbox that fits, where it was last time or by looking at all.
    pub(crate) fn find<'a>(
        &self,
        key: &str,
        mailboxes: &'a [Timed<MailboxRecipient>],
        fits: impl Fn(&Timed<MailboxRecipient>) -> bool,
    ) -> Option<&'a Timed<MailboxRecipient>> {
        let key = key.to_ascii_lowercase();
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = known.get(&key).and_then(|n| mailboxes.get(*n)).filter(|m| fits(m)) {
            return Some(found);
        }
        if known.len() < mailboxes.len() {
            // All of them, so that ten thousand first look-ups are not as many walks.
            for (at, mailbox) in mailboxes.iter().enumerate() {
                known.entry(mailbox.value.primary_smtp_address.to_ascii_lowercase()).or_insert(at);
                known.entry(mailbox.value.object_id.to_string()).or_insert(at);
            }
            if let Some(found) = known.get(&key).and_then(|n| mailboxes.get(*n)).filter(|m| fits(m)) {
                return Some(found);
            }
        }
        let at = mailboxes.iter().position(fits)?;
        known.insert(key, at);
        mailboxes.get(at)
    }
}

/// Version of Exchange Server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ExchangeBuild {
    /// Exchange Server 2010.
    #[serde(rename = "2010")]
    Exchange2010,
    /// Exchange Server 2013.
    #[serde(rename = "2013")]
    Exchange2013,
    /// Exchange Server 2016.
    #[serde(rename = "2016")]
    Exchange2016,
    /// Exchange Server 2019 or Subscription Edition.
    #[default]
    #[serde(rename = "2019")]
    Exchange2019,
}

/// A list in the middle of being paged.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// When it was read.
    pub taken_at: Timestamp,
    /// Its rows as JSON texts.
    pub rows: std::sync::Arc<[Box<str>]>,
}

/// How many cmdlets the organisation may run until when.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Cmdlets of a full bucket.
    pub limit: u32,
    /// Cmdlets left in it.
    pub remaining: u32,
    /// When it is full again.
    pub full_at: Timestamp,
    /// How long a bucket lasts.
    pub window: jiff::SignedDuration,
}

/// When an app's RBAC picture was taken, and when the app last called.
#[derive(Clone, Copy, Debug)]
pub struct RbacCache {
    /// The picture's time: assignments, scopes and members are evaluated as of this instant.
    pub taken_at: Timestamp,
    /// The app's last inbound call.
    pub last_call: Timestamp,
}

/// A mailbox.
#[derive(Clone, Debug)]
pub struct MailboxRecipient {
    /// Entra object id of its user (`ExternalDirectoryObjectId`).
    pub object_id: Uuid,
    /// `ExchangeGuid`.
    pub exchange_guid: Uuid,
    /// Name (`Name`, also the last part of `Identity`).
    pub name: String,
    /// Alias.
    pub alias: String,
    /// Display name; two people may share one.
    pub display_name: String,
    /// User principal name.
    pub upn: String,
    /// Primary SMTP address.
    pub primary_smtp_address: String,
    /// Further addresses, without the primary one.
    pub aliases: Vec<String>,
    /// User, shared, room …
    pub kind: MailboxKind,
    /// `Set-CASMailbox -ImapEnabled`.
    pub imap_enabled: bool,
    /// True for mailboxes that live on premises: no REST, no IMAP here.
    pub remote: bool,
}

impl MailboxRecipient {
    /// True when `identity` names this mailbox: address, UPN, alias, name, object id or Exchange GUID.
    pub fn answers_to(&self, identity: &str) -> bool {
        same(&self.primary_smtp_address, identity)
            || same(&self.upn, identity)
            || same(&self.alias, identity)
            || same(&self.name, identity)
            || self.aliases.iter().any(|a| same(a, identity))
            // Most identities are addresses, and big tenants compare many.
            || (identity.len() >= 32
                && Uuid::parse_str(identity).is_ok_and(|id| id == self.object_id || id == self.exchange_guid))
    }

    /// `RecipientTypeDetails`; a mailbox on premises is a mail user here.
    pub fn recipient_type_details(&self) -> &'static str {
        match self.kind {
            _ if self.remote => "MailUser",
            MailboxKind::User => "UserMailbox",
            MailboxKind::Shared => "SharedMailbox",
            MailboxKind::Room => "RoomMailbox",
            MailboxKind::Equipment => "EquipmentMailbox",
        }
    }

    /// `EmailAddresses`: the primary address with its upper-case prefix, then the others.
    pub fn proxy_addresses(&self) -> Vec<String> {
        std::iter::once(format!("SMTP:{}", self.primary_smtp_address))
            .chain(self.aliases.iter().map(|a| format!("smtp:{a}")))
            .collect()
    }

    /// `DistinguishedName` in the organisation with this initial domain.
    pub fn distinguished_name(&self, initial_domain: &str) -> String {
        distinguished_name(&self.name, initial_domain)
    }
}

/// Equal but for letter case, told at the first difference: big tenants compare many.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| a.eq_ignore_ascii_case(&b))
}

/// Where Exchange Online keeps a hosted organisation's recipients.
fn distinguished_name(name: &str, initial_domain: &str) -> String {
    let name = name.replace('\\', "\\\\").replace(',', "\\,");
    format!(
        "CN={name},OU={initial_domain},OU=Microsoft Exchange Hosted Organizations,DC=EURPR01A001,DC=PROD,DC=OUTLOOK,DC=COM"
    )
}

/// `RecipientTypeDetails` of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxKind {
    /// `UserMailbox`
    User,
    /// `SharedMailbox`
    Shared,
    /// `RoomMailbox`
    Room,
    /// `EquipmentMailbox`
    Equipment,
}

/// A group that Exchange knows.
#[derive(Clone, Debug)]
pub struct GroupRecipient {
    /// Entra object id.
    pub object_id: Uuid,
    /// Exchange GUID of the group.
    pub guid: Uuid,
    /// SID, second half of an access policy's identity.
    pub sid: String,
    /// Name.
    pub name: String,
    /// Alias.
    pub alias: String,
    /// Display name.
    pub display_name: String,
    /// Address.
    pub primary_smtp_address: String,
    /// Kind; only mail-enabled security groups are security principals.
    pub kind: GroupKind,
    /// `MemberJoinRestriction`.
    pub member_join_restriction: String,
    /// Direct members by object id (mailboxes' users, or other groups); each has its own clock.
    pub members: Vec<Timed<Uuid>>,
}

impl GroupRecipient {
    /// True when `identity` names this group: address, alias, name, object id or Exchange GUID.
    pub fn answers_to(&self, identity: &str) -> bool {
        self.primary_smtp_address.eq_ignore_ascii_case(identity)
            || self.alias.eq_ignore_ascii_case(identity)
            || self.name.eq_ignore_ascii_case(identity)
            || Uuid::parse_str(identity).is_ok_and(|id| id == self.object_id || id == self.guid)
    }

    /// `DistinguishedName` in the organisation with this initial domain, as `MemberOfGroup` filters want it.
    pub fn distinguished_name(&self, initial_domain: &str) -> String {
        distinguished_name(&self.name, initial_domain)
    }
}

/// What kind of group it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// `MailUniversalSecurityGroup`: a security principal.
    MailEnabledSecurity,
    /// `MailUniversalDistributionGroup`: not a security principal.
    Distribution,
    /// `GroupMailbox` (Microsoft 365 group): not a security principal for policies.
    Microsoft365,
}

/// Exchange's pointer to an Entra service principal.
#[derive(Clone, Debug)]
pub struct ExchangeServicePrincipal {
    /// Client id.
    pub app_id: Uuid,
    /// Object id of the *enterprise application* when it was created right.
    pub object_id: Uuid,
    /// Display name.
    pub display_name: String,
    /// Exchange-side identity.
    pub identity: Uuid,
    /// SID.
    pub sid: String,
}

/// A mailbox permission entry.
#[derive(Clone, Debug)]
pub struct MailboxPermission {
    /// Object id of the mailbox's user.
    pub mailbox: Uuid,
    /// Object id of the grantee (user, group, or Exchange service principal).
    pub grantee: Uuid,
    /// Rights, e.g. `FullAccess`.
    pub rights: Vec<String>,
    /// Deny entries go before allow entries.
    pub deny: bool,
    /// `InheritanceType`.
    pub inheritance: String,
}

/// A legacy application access policy.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Client id; `None` is `*`.
    pub app_id: Option<Uuid>,
    /// Object id of the scope recipient: a mail-enabled security group, or one user mailbox.
    pub scope: Uuid,
    /// Restrict or deny.
    pub right: PolicyRight,
    /// Free text.
    pub description: String,
}

/// What a policy does with the mailboxes of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyRight {
    /// Only mailboxes in scope are open.
    Restrict,
    /// Mailboxes in scope are closed.
    Deny,
}

/// A management scope.
#[derive(Clone, Debug)]
pub struct ManagementScope {
    /// Name, unique.
    pub name: String,
    /// The OPATH text as Exchange shows it.
    pub recipient_filter: String,
    /// Exclusive scopes do not restrict apps.
    pub exclusive: bool,
}

/// A management role assignment to an app.
#[derive(Clone, Debug)]
pub struct ManagementRoleAssignment {
    /// Name, unique, at most 64 characters.
    pub name: String,
    /// Object id of the Exchange service principal.
    pub app: Uuid,
    /// Role, e.g. `Application Mail.Read`.
    pub role: String,
    /// Where it holds.
    pub scope: ResourceScope,
}

/// Where an app's role holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceScope {
    /// Everywhere: no scope parameter was given.
    Organization,
    /// `-CustomResourceScope`: name of a management scope.
    Custom(String),
    /// `-RecipientGroupScope`: object id of a group; direct members only.
    Group(Uuid),
    /// `-RecipientAdministrativeUnitScope`.
    AdministrativeUnit(String),
}

/// An administrative unit.
#[derive(Clone, Debug)]
pub struct AdministrativeUnit {
    /// Entra object id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Object ids of the users in it; each has its own clock.
    pub members: Vec<Timed<Uuid>>,
}

impl AdministrativeUnit {
    /// True when `identity` is its name or its object id.
    pub fn answers_to(&self, identity: &str) -> bool {
        self.name.eq_ignore_ascii_case(identity) || Uuid::parse_str(identity).is_ok_and(|id| id == self.id)
    }
}

/// An admin role group.
#[derive(Clone, Debug)]
pub struct RoleGroup {
    /// Name.
    pub name: String,
    /// Management roles, e.g. `Mail Recipients`.
    pub roles: Vec<String>,
    /// Object ids of members (service principals here).
    pub members: Vec<Uuid>,
    /// `-CustomRecipientWriteScope`: name of the management scope outside of which its members write to no recipient.
    pub write_scope: Option<String>,
}

/// A custom management role.
#[derive(Clone, Debug)]
pub struct ManagementRole {
    /// Name, unique.
    pub name: String,
    /// The role that it was made from.
    pub parent: String,
    /// What it permits.
    pub entries: Vec<ManagementRoleEntry>,
}

/// A cmdlet in a role.
#[derive(Clone, Debug)]
pub struct ManagementRoleEntry {
    /// The cmdlet.
    pub cmdlet: String,
    /// Its parameters that may be given.
    pub parameters: Vec<String>,
}

/// A distribution list whose members follow from a filter.
#[derive(Clone, Debug)]
pub struct DynamicGroup {
    /// Name.
    pub name: String,
    /// Address.
    pub primary_smtp_address: String,
    /// The OPATH filter.
    pub recipient_filter: String,
}
