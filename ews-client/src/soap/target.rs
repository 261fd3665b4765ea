use std::fmt;

use m365_core::{Error, MailboxAddress, Result};

use crate::FolderId;
use crate::xml::Writer;

/// Whose mailbox is meant, and by which way.
///
/// The impersonation header, `X-AnchorMailbox` and the mailbox inside a folder id all follow from this one value, so
/// that they cannot contradict each other.
///
/// ```
/// use ews_client::{ConnectingSid, Target};
/// use m365_core::MailboxAddress;
/// let anna = MailboxAddress::parse("anna@contoso.example")?;
/// // An app-only token must impersonate; a delegated one must not.
/// let target = Target::Impersonate(ConnectingSid::PrimarySmtpAddress(anna.clone()));
/// assert_eq!(target.anchor(), Some("anna@contoso.example"));
/// assert_eq!(Target::Delegate(anna).folder_owner(), Some("anna@contoso.example"));
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// Sources: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/impersonation-and-ews-in-exchange>,
/// <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/delegate-access-and-ews-in-exchange>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Act as this user: `t:ExchangeImpersonation`.
    Impersonate(ConnectingSid),
    /// Act as oneself upon this user's folders, by rights granted on them: the folder id names the owner.
    Delegate(MailboxAddress),
    /// The mailbox of the account that signs in.
    SelfMailbox,
}

impl Target {
    /// The value of `X-AnchorMailbox`: the mailbox that is touched. None for a mailbox known by its security identifier
    /// only, and for one's own.
    pub fn anchor(&self) -> Option<&str> {
        match self {
            Self::Impersonate(sid) => sid.address(),
            Self::Delegate(owner) => Some(owner.as_str()),
            Self::SelfMailbox => None,
        }
    }

    /// Who is impersonated.
    pub fn impersonated(&self) -> Option<&ConnectingSid> {
        match self {
            Self::Impersonate(sid) => Some(sid),
            Self::Delegate(_) | Self::SelfMailbox => None,
        }
    }

    /// The mailbox to name inside a distinguished folder id.
    pub fn folder_owner(&self) -> Option<&str> {
        match self {
            Self::Delegate(owner) => Some(owner.as_str()),
            Self::Impersonate(_) | Self::SelfMailbox => None,
        }
    }

    /// What to call the mailbox in an error.
    pub fn label(&self) -> &str {
        match self {
            Self::Impersonate(sid) => sid.as_str(),
            Self::Delegate(owner) => owner.as_str(),
            Self::SelfMailbox => "one's own",
        }
    }
}

/// How the user to be impersonated is named.
///
/// Prefer the primary SMTP address: a disabled account, such as a room's or a shared mailbox's, can be impersonated by
/// no other.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/connectingsid>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectingSid {
    /// The primary SMTP address.
    PrimarySmtpAddress(MailboxAddress),
    /// Any SMTP address of the mailbox.
    SmtpAddress(MailboxAddress),
    /// The user principal name.
    PrincipalName(MailboxAddress),
    /// The security identifier, `S-1-5-…`.
    Sid(Sid),
}

impl ConnectingSid {
    /// A security identifier.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) unless it reads `S-` and numbers with dashes.
    pub fn sid(text: &str) -> Result<Self> {
        let numbers = text.strip_prefix("S-").unwrap_or("");
        let well_formed = numbers.contains('-')
            && numbers.split('-').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if well_formed && text.len() <= 184 {
            Ok(Self::Sid(Sid(text.into())))
        } else {
            Err(Error::invalid("a security identifier reads S-1-5-… with numbers and dashes"))
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PrimarySmtpAddress(a) | Self::SmtpAddress(a) | Self::PrincipalName(a) => a.as_str(),
            Self::Sid(sid) => sid.0.as_ref(),
        }
    }

    fn address(&self) -> Option<&str> {
        if matches!(self, Self::Sid(_)) { None } else { Some(self.as_str()) }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw("<t:ExchangeImpersonation><t:ConnectingSID>");
        let name = match self {
            Self::PrimarySmtpAddress(_) => "t:PrimarySmtpAddress",
            Self::SmtpAddress(_) => "t:SmtpAddress",
            Self::PrincipalName(_) => "t:PrincipalName",
            Self::Sid(_) => "t:SID",
        };
        writer.leaf(name, self.as_str());
        writer.raw("</t:ConnectingSID></t:ExchangeImpersonation>");
    }
}

/// A security identifier that was checked; made by [`ConnectingSid::sid`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sid(Box<str>);

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A folder that every mailbox has, by the name that no language changes.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/distinguishedfolderid>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DistinguishedFolder {
    /// The calendar.
    Calendar,
    /// The inbox.
    Inbox,
    /// The folder of all folders that a person sees.
    MsgFolderRoot,
    /// Everything, hidden folders too.
    Root,
    /// Drafts.
    Drafts,
    /// Sent items.
    SentItems,
    /// Deleted items.
    DeletedItems,
    /// Contacts.
    Contacts,
    /// Tasks.
    Tasks,
}

impl DistinguishedFolder {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Inbox => "inbox",
            Self::MsgFolderRoot => "msgfolderroot",
            Self::Root => "root",
            Self::Drafts => "drafts",
            Self::SentItems => "sentitems",
            Self::DeletedItems => "deleteditems",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
        }
    }
}

/// A folder to look into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FolderRef {
    /// One that every mailbox has, in the mailbox of the request's [`Target`].
    Distinguished(DistinguishedFolder),
    /// One by its id, which is opaque, tells the cases of letters apart, and names its mailbox itself.
    Id(FolderId),
}

impl FolderRef {
    /// Writes it as it is meant for this target.
    pub fn write(&self, writer: &mut Writer, target: &Target) {
        match (self, target.folder_owner()) {
            (Self::Id(id), _) => writer.empty("t:FolderId", &[("Id", id.as_str())]),
            (Self::Distinguished(folder), None) => {
                writer.empty("t:DistinguishedFolderId", &[("Id", folder.as_str())]);
            }
            (Self::Distinguished(folder), Some(owner)) => {
                writer.open_with("t:DistinguishedFolderId", &[("Id", folder.as_str())]);
                writer.raw("<t:Mailbox>");
                writer.leaf("t:EmailAddress", owner);
                writer.raw("</t:Mailbox></t:DistinguishedFolderId>");
            }
        }
    }
}

impl From<DistinguishedFolder> for FolderRef {
    fn from(folder: DistinguishedFolder) -> Self {
        Self::Distinguished(folder)
    }
}

impl From<FolderId> for FolderRef {
    fn from(id: FolderId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_anchor_and_folder_mailbox_never_contradict_each_other() {
        let anna = MailboxAddress::parse("anna@contoso.example").unwrap();
        let sid = ConnectingSid::sid("S-1-5-21-1-2-3-1001").unwrap();
        for target in [
            Target::Impersonate(ConnectingSid::PrimarySmtpAddress(anna.clone())),
            Target::Impersonate(ConnectingSid::SmtpAddress(anna.clone())),
            Target::Impersonate(ConnectingSid::PrincipalName(anna.clone())),
            Target::Impersonate(sid),
            Target::Delegate(anna),
            Target::SelfMailbox,
        ] {
            assert!(
                target.impersonated().is_none() || target.folder_owner().is_none(),
                "either the header or the folder names the mailbox: {target:?}"
            );
            if let (Some(anchor), Some(owner)) = (target.anchor(), target.folder_owner()) {
                assert_eq!(anchor, owner);
            }
            if let (Some(anchor), Some(sid)) = (target.anchor(), target.impersonated()) {
                assert_eq!(anchor, sid.as_str());
            }
        }
    }

    #[test]
    fn a_security_identifier_is_checked() {
        for bad in ["", "S-", "S-1", "1-5", "S-1-5-", "S-1-x", "S-1-5<"] {
            assert!(ConnectingSid::sid(bad).is_err(), "{bad}");
        }
    }
}
