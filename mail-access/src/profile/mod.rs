//! Access profiles: what an app needs, declared once, in TOML or in code.

mod on_premises;
mod parse;
mod parse_on_premises;
mod validate;

use std::collections::BTreeMap;
use std::time::Duration;

use m365_core::{Error, MailboxAddress, Result};

pub use on_premises::{ImpersonationReach, OnPremisesAccess, OnPremisesProfile, Profile};

/// What a product needs in a customer's tenant: its registrations, the mailboxes they may reach, and how the reach is
/// limited.
///
/// ```
/// use mail_access::AccessProfile;
/// let profile = AccessProfile::from_toml("intake.toml", r#"
/// name = "imap-fetch"
/// summary = "A document management system fetches mail by IMAP."
///
/// [[app]]
/// unique_name = "acme-intake"
/// display_name = "Acme document intake"
/// permissions = ["IMAP.AccessAsApp"]
///
/// [app.scope]
/// grant = "mailbox-permission"
/// mailboxes = ["invoices@contoso.example"]
/// canary = "ceo@contoso.example"
/// "#)?;
/// assert_eq!(profile.apps[0].unique_name, "acme-intake");
/// # Ok::<(), m365_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessProfile {
    /// Short name; also the receipt's.
    pub name: String,
    /// One sentence for the reader of a plan.
    pub summary: String,
    /// Shared mailboxes to be created when they are absent.
    pub shared_mailboxes: Vec<SharedMailbox>,
    /// The registrations, in the order in which they are set up.
    pub apps: Vec<AppProfile>,
    /// What takes the place of impersonation, for a product whose guide still asks for it.
    pub replaces_impersonation: Option<ImpersonationReplacement>,
    source: SourceMap,
}

/// A shared mailbox that the profile brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMailbox {
    /// Its primary address.
    pub address: MailboxAddress,
    /// Its display name.
    pub display_name: String,
}

/// One registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProfile {
    /// The registration's alternate key: the same name means the same app, in every run.
    pub unique_name: String,
    /// Display name.
    pub display_name: String,
    /// Application permissions by name, e.g. `Mail.ReadWrite` or `IMAP.AccessAsApp`.
    pub permissions: Vec<String>,
    /// True for an app that other tenants consent to as well. Only single-tenant apps can be pinned to addresses by
    /// conditional access; only multi-tenant apps have a one-click consent.
    pub multi_tenant: bool,
    /// Whether the portal's default delegated `User.Read` is taken off. True unless said otherwise.
    pub remove_default_user_read: bool,
    /// Where its credential comes from.
    pub credential: CredentialPolicy,
    /// Which mailboxes it may reach.
    pub scope: Scope,
}

/// Where an app's credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPolicy {
    /// A secret made by the set-up, with this life.
    NewSecret {
        /// How long it is valid.
        lifetime: Duration,
    },
    /// A secret that exists already, in this environment variable. Profiles never hold secrets.
    FromEnvironment {
        /// Name of the variable.
        variable: String,
    },
}

impl CredentialPolicy {
    /// A new secret, valid for 180 days.
    pub const fn default_secret() -> Self {
        Self::NewSecret { lifetime: Duration::from_secs(180 * 24 * 3600) }
    }
}

/// What takes the place of ApplicationImpersonation, a role that Exchange Online has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImpersonationReplacement {
    /// The same EWS calls: the application role EWS.AccessAsApp with a scope, and a place on the organisation's list of apps
    /// allowed for EWS. It ends on 2027-04-01, with EWS in Exchange Online.
    EwsAllowList,
    /// Microsoft Graph: `Calendars.Read` with a scope. The product has to be able to.
    Graph,
}

impl ImpersonationReplacement {
    /// Its name in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EwsAllowList => "ews-allow-list",
            Self::Graph => "graph",
        }
    }

    /// The permission that it asks for.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::EwsAllowList => crate::permission::EWS,
            Self::Graph => "Calendars.Read",
        }
    }
}

/// How the reach of an app is limited to its mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantMode {
    /// RBAC for Applications: roles of Exchange with a scope, and no consent of the same permission in Entra.
    Rbac,
    /// The legacy application access policy: consent in Entra, limited by a policy.
    AccessPolicy,
    /// `FullAccess` for the service principal on each mailbox: the only way for IMAP and POP.
    MailboxPermission,
}

impl GrantMode {
    /// Its name in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rbac => "rbac",
            Self::AccessPolicy => "access-policy",
            Self::MailboxPermission => "mailbox-permission",
        }
    }
}

/// The mailboxes that an app may reach, and the proof that it reaches no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// How the limit is drawn.
    pub grant: GrantMode,
    /// The mailboxes.
    pub mailboxes: Vec<MailboxAddress>,
    /// The mail-enabled security group that carries the scope; none for [`GrantMode::MailboxPermission`].
    pub group: Option<ScopeGroup>,
    /// A mailbox outside the scope that must stay closed.
    pub canary: MailboxAddress,
}

/// A mail-enabled security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeGroup {
    /// Its address.
    pub address: MailboxAddress,
    /// Its display name, when it is created.
    pub display_name: String,
    /// Whether it may be created. A group that must exist and does not is an error.
    pub create: bool,
    /// Whether members that the profile does not name are accepted as part of the scope. Unless they are, a group that
    /// has some is an error, since the app would reach them too.
    pub allow_other_members: bool,
}

impl AccessProfile {
    /// A profile made in code.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) naming what contradicts itself.
    pub fn new(name: impl Into<String>, summary: impl Into<String>, apps: Vec<AppProfile>) -> Result<Self> {
        let profile = Self {
            name: name.into(),
            summary: summary.into(),
            shared_mailboxes: Vec::new(),
            apps,
            replaces_impersonation: None,
            source: SourceMap::default(),
        };
        profile.validate()?;
        Ok(profile)
    }

    /// With shared mailboxes to be created when they are absent.
    ///
    /// # Errors
    /// As [`AccessProfile::new`].
    pub fn with_shared_mailboxes(mut self, mailboxes: Vec<SharedMailbox>) -> Result<Self> {
        self.shared_mailboxes = mailboxes;
        self.validate()?;
        Ok(self)
    }

    /// In place of impersonation: the apps' permissions become those of the replacement.
    ///
    /// # Errors
    /// As [`AccessProfile::new`].
    pub fn replacing_impersonation(mut self, by: ImpersonationReplacement) -> Result<Self> {
        self.replaces_impersonation = Some(by);
        for app in &mut self.apps {
            app.permissions = vec![by.permission().to_owned()];
        }
        self.validate()?;
        Ok(self)
    }

    /// Reads a profile. `file` only names the source in errors.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) with file and line: unknown keys, wrong types,
    /// addresses that are none, contradictions.
    pub fn from_toml(file: &str, text: &str) -> Result<Self> {
        parse_on_premises::refuse_account(file, text)?;
        parse::from_toml(file, text)
    }

    /// `file:line` of a value of this profile, when it came from a file.
    pub fn place_of(&self, value: &str) -> Option<String> {
        self.source.place_of(value)
    }

    /// An error about a value of this profile, with its place.
    pub(crate) fn complain(&self, value: &str, message: impl std::fmt::Display) -> Error {
        match self.place_of(value) {
            Some(place) => Error::invalid(format!("{place}: {message}")),
            None => Error::invalid(message.to_string()),
        }
    }
}

impl Scope {
    /// Whether an address is one of the scope's mailboxes.
    pub fn holds(&self, address: &MailboxAddress) -> bool {
        self.mailboxes.contains(address)
    }
}

/// Where the values of a profile stand in its file.
#[derive(Clone, Debug, Default)]
struct SourceMap {
    file: String,
    lines: BTreeMap<String, usize>,
}

impl SourceMap {
    fn place_of(&self, value: &str) -> Option<String> {
        let line = self.lines.get(&value.to_lowercase())?;
        Some(format!("{}:{line}", self.file))
    }
}

// Two profiles with the same content are the same profile, wherever they stand.
impl PartialEq for SourceMap {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SourceMap {}
