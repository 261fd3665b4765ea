use std::fmt;

use jiff::Timestamp;

/// The id of a message in one mailbox over one protocol. Compared byte for byte: Exchange's ids differ by case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Box<str>);

impl MessageId {
    /// An id as a backend gave it.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(id.as_ref().into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.0)
    }
}

/// A folder by its role; never by its localised name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Folder {
    /// The inbox.
    Inbox,
    /// Sent items. IMAP cannot find it: Exchange does not mark roles there.
    SentItems,
}

/// A name and an address as they stand in a message or an event. Not necessarily a mailbox of this tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Person {
    /// Display name; may be empty.
    pub name: String,
    /// Address; may be empty.
    pub address: String,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.is_empty(), self.address.is_empty()) {
            (true, _) => f.write_str(&self.address),
            (false, true) => f.write_str(&self.name),
            (false, false) => write!(f, "{} <{}>", self.name, self.address),
        }
    }
}

/// What a list of messages shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageSummary {
    /// Id for [`Mailbox::get`](super::Mailbox::get) and [`Mailbox::mime`](super::Mailbox::mime).
    pub id: MessageId,
    /// Subject; empty when there is none.
    pub subject: String,
    /// Sender, when the message names one.
    pub from: Option<Person>,
    /// When it arrived in this mailbox.
    pub received: Timestamp,
    /// Whether it was read.
    pub is_read: bool,
    /// `Message-ID` header with its angle brackets, when there is one.
    pub internet_message_id: Option<String>,
}
