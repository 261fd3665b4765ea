use std::fmt;

use m365_core::{GroupObjectId, MailboxAddress, ServicePrincipalObjectId, UserObjectId};
use uuid::Uuid;

use crate::command::{Anchor, Value};
use crate::row::Row;
use crate::types::{DistinguishedName, ObjectName};

/// How a mailbox, a group or another recipient is named.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientIdentity {
    /// By one of its addresses.
    Address(MailboxAddress),
    /// By the object id of its user.
    User(UserObjectId),
    /// By the object id of a group.
    Group(GroupObjectId),
    /// By `ExchangeGuid` (mailboxes) or `Guid`.
    ExchangeGuid(Uuid),
    /// By name: fit only for objects that we named ourselves.
    Name(ObjectName),
    /// By distinguished name, as policies and scopes show it.
    DistinguishedName(DistinguishedName),
}

impl RecipientIdentity {
    pub(crate) fn anchor(&self) -> Anchor {
        match self {
            Self::Address(address) => Anchor::Address(address.clone()),
            Self::ExchangeGuid(id) => Anchor::ExchangeGuid(*id),
            Self::User(_) | Self::Group(_) | Self::Name(_) | Self::DistinguishedName(_) => {
                Anchor::Organization
            }
        }
    }
}

impl fmt::Display for RecipientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Group(id) => id.fmt(f),
            Self::ExchangeGuid(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::DistinguishedName(name) => name.fmt(f),
        }
    }
}

impl From<&RecipientIdentity> for Value {
    fn from(identity: &RecipientIdentity) -> Self {
        Self::Text(identity.to_string())
    }
}

impl From<MailboxAddress> for RecipientIdentity {
    fn from(address: MailboxAddress) -> Self {
        Self::Address(address)
    }
}

impl From<UserObjectId> for RecipientIdentity {
    fn from(id: UserObjectId) -> Self {
        Self::User(id)
    }
}

impl From<GroupObjectId> for RecipientIdentity {
    fn from(id: GroupObjectId) -> Self {
        Self::Group(id)
    }
}

impl From<ObjectName> for RecipientIdentity {
    fn from(name: ObjectName) -> Self {
        Self::Name(name)
    }
}

impl From<DistinguishedName> for RecipientIdentity {
    fn from(name: DistinguishedName) -> Self {
        Self::DistinguishedName(name)
    }
}

/// Who gets a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grantee {
    /// An app, by the object id of its *enterprise application*.
    App(ServicePrincipalObjectId),
    /// A user or a mail-enabled security group.
    Recipient(RecipientIdentity),
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(id) => id.fmt(f),
            Self::Recipient(identity) => identity.fmt(f),
        }
    }
}

impl From<&Grantee> for Value {
    fn from(grantee: &Grantee) -> Self {
        Self::Text(grantee.to_string())
    }
}

impl From<ServicePrincipalObjectId> for Grantee {
    fn from(id: ServicePrincipalObjectId) -> Self {
        Self::App(id)
    }
}

impl From<RecipientIdentity> for Grantee {
    fn from(identity: RecipientIdentity) -> Self {
        Self::Recipient(identity)
    }
}

/// All names under which Exchange may echo one object. It answers with a display name where it was asked with an id, so
/// what it says is matched against the whole set, without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// A set of names; empty ones are left out.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut set = Self::default();
        set.extend(names);
        set
    }

    /// Adds names.
    pub fn extend<S: Into<String>>(&mut self, names: impl IntoIterator<Item = S>) {
        self.0.extend(names.into_iter().map(|n| n.into().to_lowercase()).filter(|n| !n.trim().is_empty()));
    }

    /// Whether the text is one of the names, also with a domain or a path before it (`DOMAIN\name`, `tenant/ou/name`).
    pub fn contain(&self, echoed: &str) -> bool {
        let echoed = echoed.trim().to_lowercase();
        let tail = echoed.rsplit(['\\', '/']).next().unwrap_or_default();
        self.0.iter().any(|name| *name == echoed || *name == tail)
    }

    /// The names that a recipient's row holds.
    pub(crate) fn of_recipient(row: &Row) -> Self {
        const PROPERTIES: [&str; 13] = [
            "PrimarySmtpAddress",
            "WindowsLiveID",
            "UserPrincipalName",
            "Alias",
            "Name",
            "DisplayName",
            "Identity",
            "Id",
            "Guid",
            "ExchangeGuid",
            "ExternalDirectoryObjectId",
            "DistinguishedName",
            "Sid",
        ];
        let mut names = Self::new(PROPERTIES.iter().filter_map(|p| row.text(p)));
        names.extend(addresses(row));
        names
    }
}

/// Proxy addresses without their `smtp:`.
pub(crate) fn addresses(row: &Row) -> Vec<String> {
    row.list("EmailAddresses")
        .iter()
        .filter_map(|a| {
            let (kind, address) = a.split_once(':')?;
            kind.eq_ignore_ascii_case("smtp").then(|| address.to_owned())
        })
        .collect()
}
