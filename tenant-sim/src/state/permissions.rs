//! Permissions below the mailbox, sending as somebody, protocol switches, and policies of sign-in.

use std::collections::BTreeSet;

use uuid::Uuid;

/// An entry of a folder's permission list. Default and Anonymous have one on every folder, kept here only once changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPermission {
    /// Object id of the mailbox's user.
    pub mailbox: Uuid,
    /// Which folder.
    pub folder: Folder,
    /// Whom it concerns.
    pub grantee: FolderGrantee,
    /// Single rights, or one of the two roles that calendars have besides; empty: none.
    pub rights: BTreeSet<String>,
    /// Whether they are a delegate.
    pub delegate: bool,
    /// Whether they, as a delegate, see private items.
    pub private_items: bool,
}

/// A folder of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Folder {
    /// The top of the visible folders.
    Root,
    /// The inbox.
    Inbox,
    /// The mailbox's own calendar.
    Calendar,
    /// The calendar of birthdays below it.
    Birthdays,
    /// A folder for mail that somebody made, at the top; by its name.
    Own(String),
    /// A further calendar that somebody made, below the mailbox's own; by its name.
    OwnCalendar(String),
    /// Sent mail.
    Sent,
    /// Drafts.
    Drafts,
    /// Deleted items.
    Deleted,
}

impl Folder {
    /// True for calendars.
    pub fn is_calendar(&self) -> bool {
        matches!(self, Self::Calendar | Self::Birthdays | Self::OwnCalendar(_))
    }
}

/// Whom a folder's entry concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FolderGrantee {
    /// Everybody in the organisation without an entry of their own.
    Default,
    /// Everybody else.
    Anonymous,
    /// A user or a mail-enabled security group, by object id.
    Recipient(Uuid),
}

/// Somebody may send as a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendAs {
    /// Object id of the mailbox's user or of the group.
    pub recipient: Uuid,
    /// Object id of the trustee: user, group or Exchange service principal.
    pub trustee: Uuid,
}

/// Lists of user agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentLists {
    /// `EnforceAllowList` (true), `EnforceBlockList` (false), or neither.
    pub allow_list_counts: Option<bool>,
    /// `EwsAllowList`
    pub allowed: Vec<String>,
    /// `EwsBlockList`
    pub blocked: Vec<String>,
}

/// EWS and SMTP switches of the organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationSwitches {
    /// `EwsEnabled`; `None` counts as on, with the list of apps out of force.
    pub ews_enabled: Option<bool>,
    /// `EwsAllowedAppIDs`
    pub ews_allowed_apps: BTreeSet<Uuid>,
    /// User agents.
    pub agents: AgentLists,
    /// `SmtpClientAuthenticationDisabled` of the transport configuration.
    pub smtp_disabled: bool,
}

/// Switches of one mailbox besides IMAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxSwitches {
    /// Object id of the mailbox's user.
    pub mailbox: Uuid,
    /// `PopEnabled`
    pub pop_enabled: bool,
    /// `EwsEnabled`; `None`: as the organisation says.
    pub ews_enabled: Option<bool>,
    /// `SmtpClientAuthenticationDisabled`; `None`: as the organisation says.
    pub smtp_disabled: Option<bool>,
    /// User agents.
    pub agents: AgentLists,
}

impl MailboxSwitches {
    /// Those of a mailbox that nobody has touched.
    pub fn untouched(mailbox: Uuid) -> Self {
        Self {
            mailbox,
            pop_enabled: true,
            ews_enabled: None,
            smtp_disabled: None,
            agents: AgentLists::default(),
        }
    }
}

/// An authentication policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationPolicy {
    /// Name, unique.
    pub name: String,
    /// The `AllowBasicAuth…` switches that are on.
    pub allowed: BTreeSet<String>,
}
