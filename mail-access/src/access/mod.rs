//! Effective access as one pure function, with its evidence.
//!
//! (Entra consent, limited by access policies) ∪ RBAC roles ∪ mailbox permissions, then limited by protocol switches.
//! It is the oracle of [`verify`](crate::verify): what the configuration *says*, before anything is tried live.

mod evaluate;
mod picture;

use std::fmt;

use m365_core::Authority;

pub use picture::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, Grantee, GroupPicture, MailboxPicture,
    PermissionPicture, PolicyPicture, PolicyRight, RecipientId,
};

/// A way into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// A call of Microsoft Graph; any one of these permissions suffices.
    Graph(&'a [&'a str]),
    /// A session over IMAP.
    Imap,
}

/// What the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Open.
    Allowed,
    /// Closed.
    Denied,
    /// Not to be told: something that decides could not be read.
    Unknown,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who says it.
    pub authority: Authority,
    /// What it amounts to.
    pub outcome: Outcome,
    /// What was found.
    pub text: String,
}

/// What the configuration says about one way into one mailbox, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
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
            write!(f, "{} {}", if index == 0 { ":" } else { ";" }, link.text)?;
        }
        Ok(())
    }
}
