//! Autodiscover: where the mailboxes of a domain speak EWS.
//!
//! [`Autodiscover`] asks, one place after another, and never lets credentials out of the hosts that it was told of. What
//! it writes and reads are pure functions, one module for each form: [`pox`], [`soap`], [`json`].
//!
//! Exchange Online needs none of it, the address is fixed: [`Discovered::online`].
//!
//! ```no_run
//! # async fn example(transport: m365_core::Transport, credential: ews_client::EwsCredential) -> m365_core::Result<()> {
//! use ews_client::autodiscover::Autodiscover;
//! use m365_core::MailboxAddress;
//!
//! let found = Autodiscover::new(transport)
//!     .with_credential(credential)
//!     // Where the domain's own hosts send us, when that is elsewhere.
//!     .with_allowed_host("mail.hoster.example")?
//!     .discover(&MailboxAddress::parse("anna@contoso.example")?)
//!     .await?;
//! println!("{} by {}", found.ews_url, found.source);
//! # Ok(())
//! # }
//! ```
//!
//! Sources: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>,
//! <https://learn.microsoft.com/exchange/architecture/client-access/autodiscover>.

mod dns;
mod host;
pub mod json;
pub mod pox;
pub mod soap;
mod walk;

use std::fmt;

use http::StatusCode;
use m365_core::{Cloud, Error, ErrorKind, MailboxAddress};
use url::Url;

#[cfg(feature = "reqwest")]
pub use dns::SystemResolver;
pub use dns::{DnsResolver, Resolver, SrvRecord};
pub use walk::Autodiscover;

use crate::EwsEndpoint;
use crate::xml::{Element, Ns, XmlError};

/// What Autodiscover answers: settings, or whom to ask instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// The settings.
    Settings(Box<Settings>),
    /// Begin again with this address of the same person.
    OtherAddress(MailboxAddress),
    /// Ask there. Whether credentials may go there is another question.
    OtherUrl(Url),
}

/// The settings that EWS is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The address for callers outside the organisation's network.
    pub external_ews_url: Option<Url>,
    /// The address for callers inside.
    pub internal_ews_url: Option<Url>,
    /// The address for partners in a federation.
    pub partner_ews_url: Option<Url>,
    /// Which mailboxes may share a streaming connection: those with the same text and the same address.
    pub grouping_information: Option<Box<str>>,
    /// The schemas that the server says it speaks, such as `Exchange2013_SP1`.
    pub schemas: Vec<Box<str>>,
}

impl Settings {
    /// These, unless an address that cannot be taken left none for callers outside. One that is for callers inside only,
    /// often plain http, costs the others nothing.
    fn unless(self, bad: Option<XmlError>) -> Result<Self, XmlError> {
        match bad {
            Some(bad) if self.external_ews_url.is_none() => Err(bad),
            _ => Ok(self),
        }
    }
}

/// Where a mailbox speaks EWS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The address to post to: the external one, or the internal one when there is no other.
    pub ews_url: EwsEndpoint,
    /// Which mailboxes may share a streaming connection. Not told by every form of Autodiscover.
    pub grouping_information: Option<Box<str>>,
    /// The schemas that the server says it speaks. Not told by every form.
    pub schemas: Vec<Box<str>>,
    /// The mailbox's address, another one than asked about when the server redirected to it.
    pub mailbox: MailboxAddress,
    /// Who said so.
    pub source: DiscoverySource,
}

impl Discovered {
    /// Exchange Online in this cloud: nobody is asked, the address is fixed. Apps with scoped roles cannot use
    /// Autodiscover there at all.
    ///
    /// ```
    /// use ews_client::autodiscover::{Discovered, DiscoverySource};
    /// use m365_core::{Cloud, MailboxAddress};
    /// let anna = MailboxAddress::parse("anna@contoso.example")?;
    /// let found = Discovered::online(&Cloud::public(), anna);
    /// assert_eq!(found.ews_url.to_string(), "https://outlook.office365.com/EWS/Exchange.asmx");
    /// assert_eq!(found.source, DiscoverySource::Fixed);
    /// # Ok::<(), m365_core::Error>(())
    /// ```
    ///
    /// Source: <https://learn.microsoft.com/exchange/permissions-exo/application-rbac>.
    pub fn online(cloud: &Cloud, mailbox: MailboxAddress) -> Self {
        Self {
            ews_url: EwsEndpoint::online(cloud),
            grouping_information: None,
            schemas: Vec::new(),
            mailbox,
            source: DiscoverySource::Fixed,
        }
    }
}

/// Who told the address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoverySource {
    /// Nobody: the address of a Microsoft cloud is fixed.
    Fixed,
    /// An answer.
    Answered {
        /// In which form.
        form: Form,
        /// Whom was asked.
        url: Url,
    },
}

impl fmt::Display for DiscoverySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str("the cloud"),
            Self::Answered { form, url } => write!(f, "{form} of {}", url.host_str().unwrap_or("a host")),
        }
    }
}

/// A form of Autodiscover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// Plain old XML, with credentials. All versions of Exchange have it.
    Pox,
    /// SOAP, with credentials. From Exchange 2010 on.
    Soap,
    /// v2: JSON, without credentials. It does not tell the grouping information.
    Json,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pox => "POX",
            Self::Soap => "SOAP",
            Self::Json => "v2",
        })
    }
}

/// The name of an element of Autodiscover; empty for any other, which no name equals.
fn local<'a>(element: &Element<'a>) -> &'a str {
    if element.ns == Ns::Autodiscover { element.local } else { "" }
}

/// An address of EWS: https only.
fn read_ews_url(text: &str) -> Option<Url> {
    Url::parse(text.trim_ascii()).ok().filter(|url| url.scheme() == "https" && url.has_host())
}

/// A place to be sent to. Whether one goes there is decided later, so http is told apart there.
fn read_redirect_url(text: &str) -> Option<Url> {
    Url::parse(text.trim_ascii()).ok().filter(Url::has_host)
}

/// What a status means that came without an answer in it.
fn of_status(status: StatusCode) -> Error {
    let (kind, text) = match status.as_u16() {
        401 => (ErrorKind::Authentication, "Autodiscover refuses the credential"),
        403 => (ErrorKind::PermissionDenied, "Autodiscover refuses"),
        404 | 405 | 410 => (ErrorKind::NotFound, "there is no Autodiscover here"),
        429 => (ErrorKind::Throttled, "Autodiscover asks to slow down"),
        300..=399 => (ErrorKind::InvalidResponse, "Autodiscover redirects without saying where to"),
        500..=599 => (ErrorKind::Unavailable, "Autodiscover failed"),
        _ => (ErrorKind::InvalidResponse, "Autodiscover answers with another status than 200"),
    };
    Error::new(kind, text).with_status(status)
}
