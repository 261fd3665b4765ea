//! What lies in a tenant when it starts: a declarative description, built in or from a TOML file.

pub(crate) mod app_roles;
mod build;
mod contoso;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ews::EwsQuirk,
    state::{AuthScheme, ExtendedProtection, Premises},
};

/// The description of a tenant: directory, mailboxes, messages, events, groups and apps.
///
/// Ids are derived from `seed` and names, so two runs of one scenario have the same ids. Times are relative to
/// `start`, or to the clock's start when the tenant runs on another clock. Unknown keys in a TOML file are refused.
///
/// ```
/// let scenario = tenant_sim::Scenario::contoso();
/// let text = scenario.to_toml()?;
/// assert_eq!(tenant_sim::Scenario::from_toml(&text)?.users.len(), scenario.users.len());
/// # Ok::<(), tenant_sim::ScenarioError>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Display name of the organisation.
    pub name: String,
    /// Everything random is derived from it.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The tenant's time when it starts.
    #[serde(default = "default_start")]
    pub start: Timestamp,
    /// The tenant id; derived from the seed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// Verified domains; the first is the initial one.
    pub domains: Vec<String>,
    /// True for a fresh tenant that needs `Enable-OrganizationCustomization` first.
    #[serde(default)]
    pub dehydrated: bool,
    /// Users, shared mailboxes and rooms.
    #[serde(default)]
    pub users: Vec<ScenarioUser>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<ScenarioGroup>,
    /// Registrations that exist already. The set-up app is always there and not listed.
    #[serde(default)]
    pub apps: Vec<ScenarioApp>,
    /// The organisation's own Exchange servers: mailboxes of kind `remote` lie there.
    #[serde(default)]
    pub on_premises: ScenarioPremises,
    /// What its Exchange servers do besides the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ews_quirks: Vec<EwsQuirk>,
}

/// The organisation's own Exchange servers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScenarioPremises {
    /// NetBIOS name of the domain; `CONTOSO` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Ways to authenticate, in the order of the answers.
    pub schemes: Vec<AuthScheme>,
    /// Extended Protection of the web site.
    pub extended_protection: ExtendedProtection,
    /// Wrong passwords in a row that lock an account; 0: none do.
    pub lockout_after: u32,
    /// Who signs in with a password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<ScenarioAccount>,
}

impl Default for ScenarioPremises {
    fn default() -> Self {
        let Premises { schemes, extended_protection, lockout_after, .. } = Premises::default();
        Self { domain: None, schemes, extended_protection, lockout_after, accounts: Vec::new() }
    }
}

/// An account that signs in with a password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioAccount {
    /// Name of a user of this scenario, with or without a mailbox.
    pub name: String,
    /// Its simulated password.
    pub password: String,
    /// `everybody`, or a group of this scenario: whom ApplicationImpersonation lets it act as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonates: Option<String>,
    /// True while the domain refuses it.
    #[serde(default)]
    pub locked: bool,
}

impl std::fmt::Debug for ScenarioAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScenarioAccount")
            .field("name", &self.name)
            .field("impersonates", &self.impersonates)
            .field("locked", &self.locked)
            .finish_non_exhaustive()
    }
}

/// A user with or without a mailbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioUser {
    /// Part before the `@` of UPN and address; also alias.
    pub name: String,
    /// Display name.
    pub display_name: String,
    /// Domain of UPN and address; the last one of the scenario when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What kind of mailbox it has.
    #[serde(default)]
    pub mailbox: ScenarioMailbox,
    /// `Set-CASMailbox -ImapEnabled`.
    #[serde(default = "yes")]
    pub imap: bool,
    /// Further addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Messages of its inbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ScenarioMessage>,
    /// Events of its calendar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ScenarioEvent>,
}

/// Kind of a user's mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioMailbox {
    /// A person's mailbox.
    #[default]
    User,
    /// A shared mailbox; its user cannot sign in.
    Shared,
    /// A room.
    Room,
    /// A person's mailbox on an Exchange Server on premises.
    Remote,
    /// No mailbox.
    None,
}

/// A message of an inbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioMessage {
    /// Sender's address.
    pub from: String,
    /// Sender's name; the address when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// Subject.
    pub subject: String,
    /// Plain text body.
    #[serde(default)]
    pub body: String,
    /// Minutes before the start.
    pub minutes_ago: u32,
    /// Seen or not.
    #[serde(default)]
    pub read: bool,
}

/// An event of a calendar.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioEvent {
    /// Subject.
    pub subject: String,
    /// Days after the day of the start (UTC); negative for days before.
    #[serde(default)]
    pub day: i16,
    /// Time of day in UTC, `HH:MM`; ignored for all-day events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Length; all-day events last whole days.
    #[serde(default = "half_hour")]
    pub minutes: u32,
    /// From midnight to midnight.
    #[serde(default)]
    pub all_day: bool,
    /// `normal`, `personal`, `private` or `confidential`.
    #[serde(default = "normal")]
    pub sensitivity: String,
    /// `free`, `tentative`, `busy`, `oof` or `workingElsewhere`.
    #[serde(default = "busy")]
    pub show_as: String,
    /// Where.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// Text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attendees: Vec<String>,
    /// True for a cancelled meeting.
    #[serde(default)]
    pub cancelled: bool,
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioGroup {
    /// Part before the `@`; also name and alias.
    pub name: String,
    /// Display name.
    pub display_name: String,
    /// Kind.
    pub kind: ScenarioGroupKind,
    /// Names of users or groups of this scenario.
    #[serde(default)]
    pub members: Vec<String>,
}

/// Kind of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioGroupKind {
    /// A mail-enabled security group: the only kind that an access policy takes.
    MailEnabledSecurity,
    /// A distribution list.
    Distribution,
    /// A Microsoft 365 group.
    Microsoft365,
    /// A security group without an address; Exchange does not know it.
    Security,
}

/// A registration with its enterprise application.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioApp {
    /// Display name.
    pub display_name: String,
    /// Alternate key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_name: Option<String>,
    /// True when somebody made it in the portal: it then declares delegated `User.Read` and has consent for it.
    #[serde(default)]
    pub made_in_portal: bool,
    /// Consented application permissions of Microsoft Graph.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub graph_roles: Vec<String>,
    /// Consented application permissions of Office 365 Exchange Online.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchange_roles: Vec<String>,
    /// A simulated secret, valid for two years from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Directory roles of its enterprise application, e.g. `Exchange Administrator`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_roles: Vec<String>,
    /// Exchange role groups that it is a member of, e.g. `Organization Management`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_groups: Vec<String>,
}

/// A scenario that cannot be built, or a file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The TOML text has an error; the message names line and key.
    #[error("the scenario file has an error: {0}")]
    Toml(String),
    /// Something names what is not there, or a value is none of the known ones.
    #[error("the scenario has an error: {0}")]
    Invalid(String),
}

impl Scenario {
    /// Reads a TOML text.
    ///
    /// # Errors
    /// [`ScenarioError::Toml`] for malformed text, unknown keys and wrong types.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|e| ScenarioError::Toml(e.to_string()))
    }

    /// Writes it as TOML.
    ///
    /// # Errors
    /// [`ScenarioError::Toml`] when a value cannot be written.
    pub fn to_toml(&self) -> Result<String, ScenarioError> {
        toml::to_string(self).map_err(|e| ScenarioError::Toml(e.to_string()))
    }

    /// The built-in tenant of Contoso: eight people (two of them share a display name, one is the chief executive and
    /// serves as canary), one mailbox on premises, a shared mailbox for invoices, four kinds of groups, and an app
    /// made in the portal.
    pub fn contoso() -> Self {
        contoso::scenario()
    }
}

fn default_seed() -> u64 {
    20_261_121
}

fn default_start() -> Timestamp {
    // 2026-11-21T08:00:00Z
    Timestamp::from_second(1_795_248_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn yes() -> bool {
    true
}

fn half_hour() -> u32 {
    30
}

fn normal() -> String {
    "normal".to_owned()
}

fn busy() -> String {
    "busy".to_owned()
}
