use std::error::Error as StdError;
use std::fmt;

use m365_core::{Error, ErrorKind};

use super::Consent;

/// Why a migration is not planned. Each says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocker {
    /// A policy denies. As a scope it would become its own opposite.
    DenyAccess {
        /// Identity of the policy.
        policy: String,
    },
    /// A policy's right is a word that is not understood.
    UnreadableRight {
        /// Identity of the policy.
        policy: String,
    },
    /// A policy concerns every app (`*`): it limits this one too, and others that stay.
    EveryApp {
        /// Identity of the policy.
        policy: String,
    },
    /// What a policy's scope is, was not read or is not known to Exchange any more.
    UnreadScope {
        /// Identity of the policy.
        policy: String,
    },
    /// The app's consents were not read.
    ConsentsUnread,
    /// Permissions without a role.
    Unmappable {
        /// Which.
        consents: Vec<Consent>,
    },
    /// Nothing says which mailboxes the app is for: its consents hold for all of them.
    NoPolicy,
    /// There are policies, and nothing for them to limit or to move.
    NothingConsented,
    /// Members of groups inside a policy's group would lose access.
    Nested {
        /// The inner groups.
        groups: Vec<String>,
        /// The mailboxes.
        mailboxes: Vec<String>,
    },
    /// The members of a group are not known.
    UnreadGroup {
        /// The group.
        group: String,
    },
    /// A group of the scope has no distinguished name (yet).
    NoDistinguishedName {
        /// The group.
        group: String,
    },
    /// A group of the migration's own is needed, and no address was given for it.
    OwnGroupNeeded {
        /// What for.
        why: &'static str,
    },
    /// The migration's own group cannot be used.
    OwnGroupTaken {
        /// What is at its address.
        why: String,
    },
    /// The scope would hold no mailbox; nothing could be proven by it.
    EmptyScope,
    /// A scope of the name exists with another filter, or an exclusive one.
    ScopeDiffers {
        /// Its name.
        scope: String,
        /// What it holds.
        found: String,
    },
    /// An assignment of the name exists with another role or scope.
    AssignmentDiffers {
        /// Its name.
        assignment: String,
    },
    /// A role of the app is not limited, or not known to be: no scope can narrow it.
    WideAssignment {
        /// Its name.
        assignment: String,
    },
    /// Exchange's pointer names another object than the enterprise application.
    WrongPointer {
        /// The object that it names.
        found: String,
    },
    /// The tenant takes no scopes yet.
    Dehydrated,
    /// The mailbox that must stay closed is in the scope.
    CanaryInside {
        /// The mailbox.
        canary: String,
    },
    /// The mailbox that must stay closed is no mailbox of Exchange Online, and proves nothing.
    CanaryUnusable {
        /// What it is.
        canary: String,
    },
    /// The former impersonation held every mailbox; which ones the app needs must be said.
    WholeOrganisation,
    /// A name is too long, or a value cannot be written.
    Invalid {
        /// What is wrong.
        why: String,
    },
    /// The plan's own rehearsal found a moment at which a mailbox would be open that was closed. A defect: report it.
    WouldWiden {
        /// After which step.
        step: String,
    },
}

impl Blocker {
    pub(super) fn invalid(error: &Error) -> Self {
        Self::Invalid { why: error.message().to_owned() }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DenyAccess { policy } => write!(
                f,
                "the policy {policy} denies access: roles can only grant, and its group as a scope would open what it closes; replace it by a restriction to the mailboxes that are meant"
            ),
            Self::UnreadableRight { policy } => write!(
                f,
                "the policy {policy} has a right that is not understood, and is not taken for a restriction"
            ),
            Self::EveryApp { policy } => write!(
                f,
                "the policy {policy} concerns every app (*): it also limits this one, and removing it would free the others; replace it by a policy for each app"
            ),
            Self::UnreadScope { policy } => {
                write!(f, "what the policy {policy} is scoped to could not be read, or is gone")
            }
            Self::ConsentsUnread => f.write_str(
                "the app's consents were not read, and unread is not none: read them with Application.Read.All",
            ),
            Self::Unmappable { consents } => {
                let list: Vec<String> = consents.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "no role grants {}: take the consent away if it is not needed, or let the policies stay for it",
                    list.join(", ")
                )
            }
            Self::NoPolicy => f.write_str(
                "no policy limits the app, its consents hold for every mailbox: name the groups that it is for",
            ),
            Self::NothingConsented => f.write_str(
                "the app has policies and no consent that they limit: there is nothing to move, and the policies still guard against a later consent",
            ),
            Self::Nested { groups, mailboxes } => write!(
                f,
                "roles look at direct members only: {} would lose access, being members of {}; choose whether the scope names the inner groups or a copy of their members",
                some(mailboxes),
                some(groups)
            ),
            Self::UnreadGroup { group } => {
                write!(f, "the members of {group} are not known, so neither is whom the policy holds")
            }
            Self::NoDistinguishedName { group } => {
                write!(f, "{group} has no distinguished name yet, with which scopes are written: read again later")
            }
            Self::OwnGroupNeeded { why } => {
                write!(f, "a group of the migration's own is needed {why}: give an address for it")
            }
            Self::OwnGroupTaken { why } => write!(f, "the migration's own group cannot be used: {why}"),
            Self::EmptyScope => f.write_str("the scope would hold no mailbox, and could not be proven"),
            Self::ScopeDiffers { scope, found } => write!(
                f,
                "the management scope \"{scope}\" exists and holds something else ({found}): it is left as it is; choose another name"
            ),
            Self::AssignmentDiffers { assignment } => write!(
                f,
                "the role assignment \"{assignment}\" exists with another role or scope: it is left as it is; choose another name"
            ),
            Self::WideAssignment { assignment } => write!(
                f,
                "the role assignment \"{assignment}\" gives the app mailboxes beyond any scope, or an unknown scope: remove it first"
            ),
            Self::WrongPointer { found } => write!(
                f,
                "Exchange's service principal of the app names {found}, which is not its enterprise application: roles given to it would never work"
            ),
            Self::Dehydrated => f.write_str(
                "the tenant takes no scopes yet: run Enable-OrganizationCustomization and wait until it is done",
            ),
            Self::CanaryInside { canary } => {
                write!(f, "{canary}, which must stay closed, is among the mailboxes: choose another one")
            }
            Self::CanaryUnusable { canary } => {
                write!(f, "{canary} is no mailbox of Exchange Online, so its being closed proves nothing")
            }
            Self::WholeOrganisation => f.write_str(
                "the former impersonation held every mailbox: name the groups that the product needs",
            ),
            Self::Invalid { why } => f.write_str(why),
            Self::WouldWiden { step } => write!(
                f,
                "the plan would open a mailbox that was closed, after the step {step}: nothing is planned; please report this"
            ),
        }
    }
}

fn some(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A migration that is not planned, with every reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Why; never empty.
    pub blockers: Vec<Blocker>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.blockers.iter().map(ToString::to_string).collect();
        write!(f, "the migration is not planned: {}", all.join("; "))
    }
}

impl StdError for Blocked {}

impl From<Blocked> for Error {
    fn from(blocked: Blocked) -> Self {
        Self::new(ErrorKind::Conflict, blocked.to_string()).with_acted(m365_core::Acted::No)
    }
}
