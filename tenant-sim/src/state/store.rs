//! What lies in the mailboxes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

/// Messages and events by the object id of the mailbox's user.
#[derive(Clone, Debug, Default)]
pub struct MailStore {
    /// Inbox messages, oldest first.
    pub inbox: BTreeMap<Uuid, Vec<Message>>,
    /// Sent messages, oldest first.
    pub sent: BTreeMap<Uuid, Vec<Message>>,
    /// Calendar events (single instances in this release of the simulator).
    pub events: BTreeMap<Uuid, Vec<Event>>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Immutable REST id.
    pub id: String,
    /// IMAP UID, unique in the folder.
    pub uid: u32,
    /// `Message-ID` header with its angle brackets.
    pub internet_message_id: String,
    /// Subject.
    pub subject: String,
    /// Sender: name and address.
    pub from: (String, String),
    /// Recipients' addresses.
    pub to: Vec<String>,
    /// When it arrived.
    pub received: Timestamp,
    /// Plain text body.
    pub body: String,
    /// Seen or not.
    pub read: bool,
    /// The whole message as RFC 5322 bytes with CRLF line ends.
    pub mime: Vec<u8>,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Immutable REST id.
    pub id: String,
    /// Subject.
    pub subject: String,
    /// Location.
    pub location: String,
    /// Text body.
    pub body: String,
    /// Start; for all-day events midnight UTC of the first day.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// True for all-day events.
    pub all_day: bool,
    /// Who may see details.
    pub sensitivity: Sensitivity,
    /// `free|tentative|busy|oof|workingElsewhere`.
    pub show_as: String,
    /// Organizer: name and address.
    pub organizer: (String, String),
    /// Attendees' addresses.
    pub attendees: Vec<String>,
    /// True for cancelled meetings.
    pub cancelled: bool,
}

/// Sensitivity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// `normal`
    Normal,
    /// `personal`
    Personal,
    /// `private`
    Private,
    /// `confidential`
    Confidential,
}
