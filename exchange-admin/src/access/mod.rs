//! Who reaches which mailbox, as one pure function with its evidence, and the proof made of it.
//!
//! (Consent in Entra, limited by access policies) ∪ roles of RBAC for Applications ∪ entries on the mailbox, and all of
//! that limited by the switches of organisation and mailbox. What was not read is not absent: it makes an answer
//! [`Outcome::Unknown`] wherever it could change it.
//!
//! It is the truth of the *configuration*. Exchange enforces a change minutes to hours later, so an answer here says what
//! will hold once everything has spread; only a call with the app's own token says what holds now.
//!
//! ```
//! use exchange_admin::access::{AccessPicture, AppPicture, EntraGrant, MailboxPicture, Outcome, Question, RecipientId};
//! let anna = RecipientId::new("0a52a9d1-54a1-4d3c-8f6e-5f4a1f0f6f11");
//! let mut picture = AccessPicture::of(AppPicture::present(
//!     "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".parse()?,
//!     "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b".parse()?,
//! ).with_consents([EntraGrant::graph("Mail.Read")]));
//! picture.mailboxes.insert(anna.clone(), MailboxPicture::in_cloud("anna@contoso.example"));
//! // Whether access policies limit the consent was not read.
//! assert_eq!(picture.effective_access(&anna, &Question::Graph(&["Mail.Read"])).outcome, Outcome::Unknown);
//! picture.policies = Some(Vec::new());
//! assert_eq!(picture.effective_access(&anna, &Question::Graph(&["Mail.Read"])).outcome, Outcome::Allowed);
//! # Ok::<(), exchange_admin::Error>(())
//! ```

mod advice;
mod chain;
mod evaluate;
mod membership;
mod permission;
mod picture;
mod proof;
mod protocols;
mod reader;
mod reverse;
mod scope_filter;

use std::fmt;

use m365_core::{Authority, ClientId};
use serde::{Serialize, Serializer};

pub use advice::{OrganizationWide, Suggestion, SuggestionKind, WideKind};
pub use picture::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, EntraGrant, EntraGrants, EntraPrincipal,
    ExchangePointer, ExchangeSays, Gap, Grantee, GroupPicture, MailboxPicture, MailboxSwitches,
    OrganizationEws, OrganizationPicture, Part, PermissionPicture, PolicyPicture, RecipientId,
};
pub use proof::{AccessProof, ProvenApp};
pub use reader::AccessQuery;
pub use reverse::{AppReach, AppsOf, Reached, WayIn};

/// A way into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// A call of Microsoft Graph; any one of these permissions suffices, and any that includes one of them:
    /// `Mail.ReadWrite` where `Mail.Read` is asked for.
    Graph(&'a [&'a str]),
    /// A session over IMAP.
    Imap,
    /// A session over POP.
    Pop,
    /// A call of Exchange Web Services that impersonates the mailbox.
    Ews,
    /// Sending as the mailbox over authenticated SMTP.
    Smtp,
}

impl Question<'_> {
    /// The way that the question is about.
    pub const fn way(&self) -> Way {
        match self {
            Self::Graph(_) => Way::Graph,
            Self::Imap => Way::Imap,
            Self::Pop => Way::Pop,
            Self::Ews => Way::Ews,
            Self::Smtp => Way::Smtp,
        }
    }

    /// The permissions that are asked for, and those that include them.
    pub(crate) fn sufficient(&self) -> Vec<EntraGrant> {
        let mut all = self.permissions();
        if let Self::Graph(needed) = self {
            all.extend(needed.iter().flat_map(|p| permission::broader_than(p)).map(EntraGrant::graph));
        }
        all
    }

    /// The permissions by which Entra or Exchange opens the way, each with the API it belongs to.
    pub fn permissions(&self) -> Vec<EntraGrant> {
        match self {
            Self::Graph(needed) => needed.iter().map(|p| EntraGrant::graph(*p)).collect(),
            Self::Imap => vec![EntraGrant::exchange("IMAP.AccessAsApp")],
            Self::Pop => vec![EntraGrant::exchange("POP.AccessAsApp")],
            Self::Ews => {
                vec![EntraGrant::exchange("full_access_as_app"), EntraGrant::exchange("EWS.AccessAsApp")]
            }
            Self::Smtp => vec![EntraGrant::exchange("SMTP.SendAsApp")],
        }
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(needed) => write!(f, "{} over Microsoft Graph", needed.join(" or ")),
            other => other.way().fmt(f),
        }
    }
}

/// A protocol that opens mailboxes to apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Microsoft Graph.
    Graph,
    /// IMAP.
    Imap,
    /// POP.
    Pop,
    /// Exchange Web Services.
    Ews,
    /// Authenticated SMTP.
    Smtp,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Graph, Self::Imap, Self::Pop, Self::Ews, Self::Smtp];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Graph => "Microsoft Graph",
            Self::Imap => "IMAP",
            Self::Pop => "POP",
            Self::Ews => "Exchange Web Services",
            Self::Smtp => "sending over SMTP",
        })
    }
}

/// What the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Open.
    Allowed,
    /// Closed.
    Denied,
    /// Not to be told: something that decides could not be read.
    Unknown,
}

impl Outcome {
    /// A union: one open way suffices, and an unknown one may be open.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allowed, _) | (_, Self::Allowed) => Self::Allowed,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::Denied,
        }
    }

    /// Both must be open: one closed gate suffices to close, and an unknown one may be closed.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::Allowed,
        }
    }

    pub(crate) const fn not(self) -> Self {
        match self {
            Self::Allowed => Self::Denied,
            Self::Denied => Self::Allowed,
            Self::Unknown => Self::Unknown,
        }
    }

    pub(crate) const fn of(open: bool) -> Self {
        if open { Self::Allowed } else { Self::Denied }
    }

    pub(crate) fn any(outcomes: impl Iterator<Item = Self>) -> Self {
        outcomes.fold(Self::Denied, Self::or)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "open",
            Self::Denied => "closed",
            Self::Unknown => "unknown",
        })
    }
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Who says it.
    #[serde(serialize_with = "in_words")]
    pub authority: Authority,
    /// What it amounts to.
    pub outcome: Outcome,
    /// What was found.
    pub text: String,
    /// The object that says so, as its administrators name it: a policy's identity, an assignment's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

pub(crate) fn in_words<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.object {
            Some(object) if !self.text.contains(object.as_str()) => write!(f, " ({object})"),
            _ => Ok(()),
        }
    }
}

/// What the configuration says about one way into one mailbox, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The result.
    pub outcome: Outcome,
    /// Every link, in the order in which the service looks.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.outcome)?;
        for (index, link) in self.evidence.iter().enumerate() {
            write!(f, "{} {link}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// Whether application access policies limit a consent of this API at all: mail, mailbox settings, calendars and contacts
/// of Microsoft Graph, and EWS.
///
/// <https://learn.microsoft.com/exchange/permissions-exo/application-access-policies#supported-permissions-and-additional-resources>
///
/// ```
/// use exchange_admin::{ClientId, access::is_limited_by_policies};
/// assert!(is_limited_by_policies(ClientId::MICROSOFT_GRAPH, "Mail.Read"));
/// assert!(!is_limited_by_policies(ClientId::MICROSOFT_GRAPH, "MailboxItem.Read.All"));
/// assert!(!is_limited_by_policies(ClientId::EXCHANGE_ONLINE, "IMAP.AccessAsApp"));
/// ```
pub fn is_limited_by_policies(resource: ClientId, permission: &str) -> bool {
    match resource {
        ClientId::MICROSOFT_GRAPH => ["Mail.", "MailboxSettings.", "Calendars.", "Contacts."]
            .iter()
            .any(|area| permission.starts_with(area)),
        ClientId::EXCHANGE_ONLINE => permission == "full_access_as_app",
        _ => false,
    }
}
