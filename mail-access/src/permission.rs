//! What kind of reach an application permission has.

use graph_auth::Api;

/// What limits a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// Mailbox content over Graph: limited by RBAC scopes or access policies.
    Mailbox,
    /// IMAP, POP, SMTP: limited by mailbox permissions.
    Protocol,
    /// The directory: consent is the only limit.
    Directory,
    /// Every mailbox, beyond any limit that this product sets up.
    WholeOrganisation,
    /// Not known here, and so never consented to by the way.
    Unknown,
}

/// An application permission by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permission {
    name: String,
}

impl Permission {
    pub(crate) fn parse(name: &str) -> Self {
        Self { name: name.trim().to_owned() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What Entra calls it. Exchange has an application role for EWS under another name than the consent, which opens every
    /// mailbox.
    pub(crate) fn entra_name(&self) -> &str {
        if self.name == EWS { "full_access_as_app" } else { &self.name }
    }

    pub(crate) fn api(&self) -> Api {
        match self.reach() {
            Reach::Mailbox if self.name == EWS => Api::Exchange,
            Reach::Protocol | Reach::WholeOrganisation => Api::Exchange,
            Reach::Mailbox | Reach::Directory | Reach::Unknown => Api::Graph,
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        const MAILBOX: [&str; 9] = [
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
        match self.name.as_str() {
            "IMAP.AccessAsApp" | "POP.AccessAsApp" | "SMTP.SendAsApp" => Reach::Protocol,
            "full_access_as_app"
            | "Exchange.ManageAsApp"
            | "Exchange.ManageAsAppV2"
            | "Mailbox.Migration" => Reach::WholeOrganisation,
            EWS => Reach::Mailbox,
            name if MAILBOX.iter().any(|start| name.starts_with(start)) => Reach::Mailbox,
            name if DIRECTORY.contains(&name) => Reach::Directory,
            _ => Reach::Unknown,
        }
    }
}

/// Mailboxes over EWS: a scoped role of Exchange, besides which Exchange's list of apps lets in or not.
pub(crate) const EWS: &str = "EWS.AccessAsApp";

/// Reads of the directory, which no mailbox scope concerns.
const DIRECTORY: [&str; 11] = [
    "Directory.Read.All",
    "Domain.Read.All",
    "Group.Read.All",
    "GroupMember.Read.All",
    "Organization.Read.All",
    "OrgContact.Read.All",
    "Place.Read.All",
    "Presence.Read.All",
    "Presence.ReadWrite.All",
    "User.Read.All",
    "User.ReadBasic.All",
];
