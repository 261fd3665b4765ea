use std::fmt;

use m365_core::{MailboxAddress, UserObjectId, odata};

/// How a mailbox is named to a service: by its primary address, and better still by the object id of its user as well.
///
/// Graph finds a mailbox by user principal name or object id. The primary address often is the user principal name, and
/// need not be; the object id survives renames. IMAP goes by the address.
///
/// ```
/// use mail_access::mail::MailboxRef;
/// let mailbox = MailboxRef::new("anna@contoso.example".parse()?)
///     .with_object_id("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".parse()?);
/// assert_eq!(mailbox.address().as_str(), "anna@contoso.example");
/// # Ok::<(), m365_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MailboxRef {
    address: MailboxAddress,
    object_id: Option<UserObjectId>,
}

impl MailboxRef {
    /// By address alone.
    pub const fn new(address: MailboxAddress) -> Self {
        Self { address, object_id: None }
    }

    /// And by the object id of its user.
    #[must_use]
    pub fn with_object_id(mut self, object_id: UserObjectId) -> Self {
        self.object_id = Some(object_id);
        self
    }

    /// Its address.
    pub fn address(&self) -> &MailboxAddress {
        &self.address
    }

    /// The object id of its user, when it is known.
    pub fn object_id(&self) -> Option<UserObjectId> {
        self.object_id
    }

    /// The segment after `/users/`.
    pub(crate) fn segment(&self) -> String {
        match self.object_id {
            Some(id) => id.to_string(),
            None => odata::segment(self.address.as_str()),
        }
    }
}

impl From<MailboxAddress> for MailboxRef {
    fn from(address: MailboxAddress) -> Self {
        Self::new(address)
    }
}

impl std::str::FromStr for MailboxRef {
    type Err = m365_core::Error;

    fn from_str(text: &str) -> m365_core::Result<Self> {
        MailboxAddress::parse(text).map(Self::new)
    }
}

impl fmt::Display for MailboxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for MailboxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxRef({})", self.address)
    }
}
