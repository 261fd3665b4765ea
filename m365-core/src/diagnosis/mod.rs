//! Why a call was refused, who must act, and how long it takes: a catalogue of diagnoses as data, and its matcher.
//!
//! A server's answer names a symptom; the person in front of it needs the cause. [`diagnose`] looks at the
//! wire [`Evidence`] and gives the one entry that explains it best. A diagnosis only *explains*: no retry, no
//! plan and no branch may hang on it, since Microsoft changes numbers and texts without notice. Behaviour
//! hangs on the OAuth `error`, the HTTP status and the exception type instead.
//!
//! Some causes show only when facts are compared (a role assignment that is right, say, and a call that is
//! refused all the same). Those entries have no matcher; code that did the comparison names them with [`by_id`].
//! When nothing matches, [`plain`] gives an honest entry per [`Authority`].
//!
//! ```
//! use m365_core::diagnosis::{Evidence, Owner, diagnose};
//!
//! let evidence = Evidence::new().with_status(401).with_code("invalid_client").with_aadsts(&[7000222]);
//! let diagnosis = diagnose(&evidence).expect("a known number");
//! assert_eq!(diagnosis.id(), "AUTH-SECRET-EXPIRED");
//! assert_eq!(diagnosis.owner(), Owner::CustomerAdmin);
//! ```

mod directory;
mod evidence;
mod ews;
mod exchange;
mod graph;
mod imap_smtp;
mod mailbox;
mod plain;
#[cfg(test)]
mod samples;
mod service;
mod sources;
#[cfg(test)]
mod tests;
mod token;
mod when;

pub use evidence::Evidence;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use when::When;

/// Every layer, in the order in which [`diagnose`] tries it; inside a layer, the order of the rows counts.
///
/// AADSTS numbers come first because nothing is more precise. `directory` stands before `graph` because a
/// refusal of `/users/{id}/appRoleAssignments` is about the right to provision, which the advice for reading
/// users would not cure. `service` is last because "too many requests" is the least precise of all matchers.
static LAYERS: &[&[Diagnosis]] = &[
    token::ROWS,
    directory::ROWS,
    exchange::ROWS,
    imap_smtp::ROWS,
    mailbox::ROWS,
    graph::ROWS,
    ews::ROWS,
    service::ROWS,
    &plain::ROWS,
];

/// The entry that explains the evidence, or `None` when the catalogue knows no better than the server's own
/// words (use [`plain`] then).
///
/// The first match in the order of [`catalogue`] wins, the more specific rows standing before the wider ones.
/// Pure, and without a panic for any input.
#[must_use]
pub fn diagnose(evidence: &Evidence<'_>) -> Option<&'static Diagnosis> {
    catalogue().find(|row| row.when.holds(evidence))
}

/// Whether some entry looks for this very code.
pub(crate) fn names_code(code: &str) -> bool {
    catalogue().any(|row| row.when.names_code(code))
}

/// Every entry, the plain ones included, in the order in which [`diagnose`] tries them.
pub fn catalogue() -> impl Iterator<Item = &'static Diagnosis> {
    LAYERS.iter().flat_map(|rows| rows.iter())
}

/// The entry with this id (exact case), or `None` when there is none.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Diagnosis> {
    catalogue().find(|row| row.id == id)
}

/// The entry to give when [`diagnose`] knows none: it says no more than who refused, and which ids support
/// will ask for.
#[must_use]
pub fn plain(authority: Authority) -> &'static Diagnosis {
    plain::row(authority)
}

/// The authority that refused, or whose rule was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authority {
    /// The token service of Microsoft Entra.
    EntraToken,
    /// The consent recorded in Microsoft Entra, which decides the roles inside a token.
    EntraConsent,
    /// The directory of Microsoft Entra: registrations, service principals, users and groups.
    EntraDirectory,
    /// Exchange's own rules for apps: role assignments, access policies, its service principals, mailbox permissions.
    ExchangeScoping,
    /// A switch that opens or closes a protocol (EWS, IMAP, POP, SMTP AUTH) for an organisation or a mailbox.
    ProtocolSwitch,
    /// The mailbox itself: absent, moving, full, blocked.
    Mailbox,
    /// The service: throttled, overloaded or faulty.
    Service,
    /// The way to the service: name resolution, proxy, TLS, timeouts.
    Network,
    /// The program that called: its input or its code.
    Caller,
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EntraToken => "Microsoft Entra (sign-in of the app)",
            Self::EntraConsent => "Microsoft Entra (consent)",
            Self::EntraDirectory => "Microsoft Entra (directory)",
            Self::ExchangeScoping => "Exchange (access of apps)",
            Self::ProtocolSwitch => "Exchange (protocol switch)",
            Self::Mailbox => "the mailbox",
            Self::Service => "the service",
            Self::Network => "the network",
            Self::Caller => "the calling program",
        })
    }
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// An administrator of the customer's tenant (or of its Exchange servers).
    CustomerAdmin,
    /// The vendor's people who run the product: hosts, clocks, credentials, addresses.
    VendorOperations,
    /// The vendor's developers: the request itself is wrong.
    VendorDeveloper,
    /// Not decidable from the evidence: the customer's administrator or the vendor.
    CustomerAdminOrVendor,
    /// Nobody: it heals by itself or this crate family handles it.
    Nobody,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CustomerAdmin => "for the customer's administrator",
            Self::VendorOperations => "for the vendor's operations",
            Self::VendorDeveloper => "for the vendor's developers",
            Self::CustomerAdminOrVendor => "for the customer's administrator or the vendor",
            Self::Nobody => "nobody needs to act",
        })
    }
}

/// Whether trying the same call again helps. Advice for a person; the retry policy does not read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryAdvice {
    /// This call will not succeed; make another one or give another input.
    Never,
    /// The same call will succeed once the remedy is applied (and [`Diagnosis::wait`] has passed).
    AfterRemedy,
    /// Nothing is wrong, or not yet: wait, then try.
    Wait,
    /// A program may repeat or repair it without asking anybody.
    Automatic,
}

impl fmt::Display for RetryAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "do not repeat",
            Self::AfterRemedy => "repeat after the remedy",
            Self::Wait => "wait, then repeat",
            Self::Automatic => "repeated automatically",
        })
    }
}

/// How long a change takes to show: a window, as documented by Microsoft or seen in the field, not a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Before this, a further refusal means nothing.
    pub earliest: Duration,
    /// After this, a further refusal means that something else is wrong.
    pub latest: Duration,
}

impl Wait {
    const fn seconds(earliest: u64, latest: u64) -> Self {
        Self { earliest: Duration::from_secs(earliest), latest: Duration::from_secs(latest) }
    }

    const fn minutes(earliest: u64, latest: u64) -> Self {
        Self::seconds(earliest * 60, latest * 60)
    }
}

/// One entry of the catalogue. Two entries are equal when their ids are.
pub struct Diagnosis {
    id: &'static str,
    authority: Authority,
    cause: &'static str,
    check: &'static str,
    remedy: &'static str,
    owner: Owner,
    retry: RetryAdvice,
    wait: Option<Wait>,
    source: &'static str,
    when: When,
}

impl Diagnosis {
    /// The stable id, such as `AUTH-SECRET-EXPIRED`: safe to log, to search for and to branch documentation on.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// Who refused.
    #[must_use]
    pub const fn authority(&self) -> Authority {
        self.authority
    }

    /// What is wrong, in one or two sentences.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        self.cause
    }

    /// How to make sure that it is this cause: what to read, with which cmdlet or call.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        self.check
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        self.remedy
    }

    /// Who must do it.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Whether trying again helps.
    #[must_use]
    pub const fn retry(&self) -> RetryAdvice {
        self.retry
    }

    /// How long the remedy (or the change under way) takes to show, counted from the moment of the change.
    ///
    /// `None` when there is nothing to wait for, or when the server's own answer states the time (`Retry-After`,
    /// `BackOffMilliseconds`, the number in the refusal).
    #[must_use]
    pub const fn wait(&self) -> Option<Wait> {
        self.wait
    }

    /// Where this is known from: a web address, or the kind of origin when there is no single page.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }
}

impl PartialEq for Diagnosis {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Diagnosis {}

impl Hash for Diagnosis {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnosis")
            .field("id", &self.id)
            .field("authority", &self.authority)
            .field("owner", &self.owner)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} Remedy: {} ({})", self.id, self.cause, self.remedy, self.owner)
    }
}
