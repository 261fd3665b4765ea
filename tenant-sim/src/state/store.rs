//! What lies in the mailboxes, and what happened to it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::Folder;
use super::event::{Attachment, Event, split_occurrence_id};

/// Mailboxes that changed are told of to this many slow listeners' backlogs.
const BACKLOG: usize = 4096;

/// Messages and events by the object id of the mailbox's user.
#[derive(Clone, Debug, Default)]
pub struct MailStore {
    /// Inbox messages, oldest first.
    pub inbox: BTreeMap<Uuid, Vec<Message>>,
    /// Sent messages, oldest first.
    pub sent: BTreeMap<Uuid, Vec<Message>>,
    /// Drafts, oldest first.
    pub drafts: BTreeMap<Uuid, Vec<Message>>,
    /// Deleted messages, oldest first.
    pub trash: BTreeMap<Uuid, Vec<Message>>,
    /// Calendar events by their id: singles and masters of series, of every calendar of the mailbox.
    pub events: BTreeMap<Uuid, BTreeMap<String, Event>>,
    /// Further calendars of a mailbox.
    pub calendars: BTreeMap<Uuid, Vec<OwnCalendar>>,
    /// What happened in each mailbox, oldest first.
    changes: BTreeMap<Uuid, Vec<Change>>,
    /// Which mailbox an item lies in.
    owners: HashMap<String, Uuid>,
    /// Items that one find gives at most; Exchange's own default of 1000 when none.
    pub find_limit: Option<usize>,
    /// How many ids were given.
    given: u64,
    signal: Signal,
}

/// A calendar that somebody made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCalendar {
    /// Its name.
    pub name: String,
    /// Tells it from one of the same name that was there before.
    pub number: u32,
}

/// Something that happened to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From 1, one more with each change in the mailbox.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Where the item lies, or lay.
    pub folder: Folder,
    /// Immutable REST id of the item; of a series that of the master.
    pub item: String,
    /// The item's change key after it.
    pub change_key: String,
    /// What happened.
    pub kind: ChangeKind,
    /// True for an event of a calendar.
    pub calendar: bool,
}

impl Change {
    fn of_message(folder: Folder, item: String, change_key: String, kind: ChangeKind, at: Timestamp) -> Self {
        // The log numbers it.
        Self { number: 0, at, folder, item, change_key, kind, calendar: false }
    }

    fn of_event(folder: Folder, item: String, change_key: String, kind: ChangeKind, at: Timestamp) -> Self {
        Self { calendar: true, ..Self::of_message(folder, item, change_key, kind, at) }
    }
}

/// What happened to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new: made by somebody, or for a message, arrived.
    Created,
    /// It is another one now.
    Modified,
    /// It is gone.
    Deleted,
    /// It lies in another folder and has another id.
    Moved {
        /// Where it lay.
        from: Folder,
        /// The id that it had.
        old: String,
    },
}

/// Wakes those who wait for changes; all clones of a state share it.
#[derive(Clone, Debug)]
struct Signal(broadcast::Sender<Uuid>);

impl Default for Signal {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Immutable REST id; empty: given when it is stored.
    pub id: String,
    /// IMAP UID, unique in the folder; 0: given when it is stored.
    pub uid: u32,
    /// How often it was changed.
    pub change: u32,
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
    /// What the message says of a meeting.
    pub meeting: Option<MeetingMessage>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// What a message says of a meeting.
#[derive(Clone, Debug, PartialEq)]
pub struct MeetingMessage {
    /// Invitation, answer, or cancellation.
    pub kind: MeetingKind,
    /// Immutable REST id of the event in the same mailbox.
    pub event: Option<String>,
}

/// What kind of message about a meeting it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeetingKind {
    /// An invitation.
    Request,
    /// An answer.
    Response(super::Response),
    /// A cancellation.
    Cancellation,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            id: String::new(),
            uid: 0,
            change: 0,
            internet_message_id: String::new(),
            subject: String::new(),
            from: (String::new(), String::new()),
            to: Vec::new(),
            received: Timestamp::UNIX_EPOCH,
            body: String::new(),
            read: false,
            mime: Vec::new(),
            meeting: None,
            attachments: Vec::new(),
        }
    }
}

/// The change key of an item that was changed so many times.
pub fn change_key(id: &str, change: u32, read: bool) -> String {
    use base64::Engine as _;
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{id}{change}{read}").as_bytes());
    let bytes: Vec<u8> =
        [9, 0, 0, 0, 0x16, 0, 0, 0].into_iter().chain(digest.as_ref().iter().copied().take(22)).collect();
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

impl Message {
    /// Its change key.
    pub fn change_key(&self) -> String {
        change_key(&self.id, self.change, self.read)
    }
}

impl Event {
    /// Its change key; occurrences have their own.
    pub fn change_key(&self) -> String {
        change_key(&self.id, self.change, false)
    }
}

impl MailStore {
    /// An id that no item has had.
    pub fn fresh_id(&mut self) -> String {
        self.given += 1;
        crate::graph::item_id(&mut fastrand::Rng::with_seed(self.given.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Items that one find gives at most.
    pub fn find_count_limit(&self) -> usize {
        self.find_limit.unwrap_or(1000)
    }

    /// What happened in a mailbox after this number, oldest first; all of it after 0.
    pub fn changes_since(&self, mailbox: Uuid, number: u64) -> &[Change] {
        let all = self.changes.get(&mailbox).map_or(&[][..], Vec::as_slice);
        usize::try_from(number).ok().and_then(|n| all.get(n..)).unwrap_or_default()
    }

    /// The number of a mailbox's last change; 0 before the first.
    pub fn last_change(&self, mailbox: Uuid) -> u64 {
        self.changes.get(&mailbox).and_then(|all| all.last()).map_or(0, |c| c.number)
    }

    /// Mailboxes as they change. Who falls behind is told so by the channel and looks at each.
    pub fn changed_mailboxes(&self) -> broadcast::Receiver<Uuid> {
        self.signal.0.subscribe()
    }

    /// The mailbox that an item lies in, by its immutable REST id or that of an occurrence.
    pub fn owner(&self, item: &str) -> Option<Uuid> {
        let item = split_occurrence_id(item).map_or_else(|| item.to_owned(), |(master, _)| master);
        self.owners.get(&item).copied()
    }

    /// Messages of a folder, oldest first.
    pub fn messages(&self, mailbox: Uuid, folder: &Folder) -> &[Message] {
        let map = match folder {
            Folder::Inbox => &self.inbox,
            Folder::Sent => &self.sent,
            Folder::Drafts => &self.drafts,
            Folder::Deleted => &self.trash,
            _ => return &[],
        };
        map.get(&mailbox).map_or(&[], Vec::as_slice)
    }

    fn messages_mut(&mut self, mailbox: Uuid, folder: &Folder) -> Option<&mut Vec<Message>> {
        let map = match folder {
            Folder::Inbox => &mut self.inbox,
            Folder::Sent => &mut self.sent,
            Folder::Drafts => &mut self.drafts,
            Folder::Deleted => &mut self.trash,
            _ => return None,
        };
        Some(map.entry(mailbox).or_default())
    }

    /// The folder and the message of this id.
    pub fn message(&self, mailbox: Uuid, id: &str) -> Option<(Folder, &Message)> {
        [Folder::Inbox, Folder::Sent, Folder::Drafts, Folder::Deleted].into_iter().find_map(|folder| {
            let found = self.messages(mailbox, &folder).iter().find(|m| m.id == id)?;
            Some((folder, found))
        })
    }

    /// The event of this id.
    pub fn event(&self, mailbox: Uuid, id: &str) -> Option<&Event> {
        self.events.get(&mailbox)?.get(id)
    }

    /// Events of a folder, by their ids.
    pub fn events_of(&self, mailbox: Uuid, folder: &Folder) -> impl Iterator<Item = &Event> {
        let folder = folder.clone();
        self.events.get(&mailbox).into_iter().flat_map(BTreeMap::values).filter(move |e| e.folder == folder)
    }

    /// Puts a message into a folder and gives it what it lacks of id and UID; the answer is its id. A folder that holds no
    /// mail takes none.
    pub fn add_message(
        &mut self,
        mailbox: Uuid,
        folder: &Folder,
        mut message: Message,
        now: Timestamp,
    ) -> String {
        if message.id.is_empty() {
            message.id = self.fresh_id();
        }
        let Some(messages) = self.messages_mut(mailbox, folder) else { return message.id };
        if message.uid == 0 {
            message.uid = messages.iter().map(|m| m.uid).max().unwrap_or_default().saturating_add(1);
        }
        let (id, key) = (message.id.clone(), message.change_key());
        messages.push(message);
        self.owners.insert(id.clone(), mailbox);
        self.log(mailbox, Change::of_message(folder.clone(), id.clone(), key, ChangeKind::Created, now));
        id
    }

    /// Changes a message; false when there is none.
    pub fn change_message(
        &mut self,
        mailbox: Uuid,
        id: &str,
        now: Timestamp,
        change: impl FnOnce(&mut Message),
    ) -> bool {
        let Some((folder, _)) = self.message(mailbox, id) else { return false };
        let Some(message) =
            self.messages_mut(mailbox, &folder).and_then(|all| all.iter_mut().find(|m| m.id == id))
        else {
            return false;
        };
        change(message);
        message.change += 1;
        let key = message.change_key();
        self.log(mailbox, Change::of_message(folder, id.to_owned(), key, ChangeKind::Modified, now));
        true
    }

    /// Takes a message away, or with a folder moves it there under a new id, which is the answer's second part.
    pub fn remove_message(
        &mut self,
        mailbox: Uuid,
        id: &str,
        to: Option<&Folder>,
        now: Timestamp,
    ) -> Option<(Message, Option<String>)> {
        let (folder, _) = self.message(mailbox, id)?;
        let all = self.messages_mut(mailbox, &folder)?;
        let at = all.iter().position(|m| m.id == id)?;
        let message = all.remove(at);
        self.owners.remove(id);
        let Some(to) = to.filter(|to| **to != folder) else {
            let key = message.change_key();
            self.log(mailbox, Change::of_message(folder, id.to_owned(), key, ChangeKind::Deleted, now));
            return Some((message, None));
        };
        let mut moved = Message { id: self.fresh_id(), uid: 0, ..message.clone() };
        let new = moved.id.clone();
        let key = moved.change_key();
        if let Some(messages) = self.messages_mut(mailbox, to) {
            moved.uid = messages.iter().map(|m| m.uid).max().unwrap_or_default().saturating_add(1);
            messages.push(moved);
        }
        self.owners.insert(new.clone(), mailbox);
        let kind = ChangeKind::Moved { from: folder, old: id.to_owned() };
        self.log(mailbox, Change::of_message(to.clone(), new.clone(), key, kind, now));
        Some((message, Some(new)))
    }

    /// Stores an event, a new one when none has its id, and gives it what it lacks of id and UID; the answer is its id.
    pub fn put_event(&mut self, mailbox: Uuid, mut event: Event, now: Timestamp) -> String {
        if event.id.is_empty() {
            event.id = self.fresh_id();
        }
        if event.uid.is_empty() {
            self.given += 1;
            event.uid = format!("040000008200E00074C5B7101A82E00800000000{:032X}", self.given);
        }
        let events = self.events.entry(mailbox).or_default();
        let kind = match events.get(&event.id) {
            Some(before) => {
                event.change = before.change + 1;
                ChangeKind::Modified
            }
            None => ChangeKind::Created,
        };
        event.modified = now;
        let (id, key, folder) = (event.id.clone(), event.change_key(), event.folder.clone());
        events.insert(id.clone(), event);
        self.owners.insert(id.clone(), mailbox);
        self.log(mailbox, Change::of_event(folder, id.clone(), key, kind, now));
        id
    }

    /// Takes an event away, or moves it to the deleted items under a new id.
    pub fn remove_event(&mut self, mailbox: Uuid, id: &str, keep: bool, now: Timestamp) -> Option<Event> {
        let event = self.events.get_mut(&mailbox)?.remove(id)?;
        self.owners.remove(id);
        let folder = event.folder.clone();
        if keep && folder != Folder::Deleted {
            let moved = Event { id: self.fresh_id(), folder: Folder::Deleted, ..event.clone() };
            let (new, key) = (moved.id.clone(), moved.change_key());
            self.events.entry(mailbox).or_default().insert(new.clone(), moved);
            self.owners.insert(new.clone(), mailbox);
            let kind = ChangeKind::Moved { from: folder, old: id.to_owned() };
            self.log(mailbox, Change::of_event(Folder::Deleted, new, key, kind, now));
        } else {
            self.log(
                mailbox,
                Change::of_event(folder, id.to_owned(), event.change_key(), ChangeKind::Deleted, now),
            );
        }
        Some(event)
    }

    /// Makes a further calendar.
    pub fn add_calendar(&mut self, mailbox: Uuid, name: impl Into<String>) -> Folder {
        let name = name.into();
        self.given += 1;
        let number = u32::try_from(self.given).unwrap_or(u32::MAX);
        self.calendars.entry(mailbox).or_default().push(OwnCalendar { name: name.clone(), number });
        Folder::OwnCalendar(name)
    }

    /// Takes a further calendar away with all that lies in it.
    pub fn remove_calendar(&mut self, mailbox: Uuid, name: &str) {
        if let Some(all) = self.calendars.get_mut(&mailbox) {
            all.retain(|c| c.name != name);
        }
        if let Some(events) = self.events.get_mut(&mailbox) {
            events.retain(|_, e| !matches!(&e.folder, Folder::OwnCalendar(n) if n == name));
        }
    }

    fn log(&mut self, mailbox: Uuid, change: Change) {
        let changes = self.changes.entry(mailbox).or_default();
        let number = changes.last().map_or(0, |c| c.number) + 1;
        changes.push(Change { number, ..change });
        // Nobody listens: nobody is to be told.
        drop(self.signal.0.send(mailbox));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Uuid = Uuid::from_u128(7);

    #[test]
    fn every_change_is_in_the_log_and_wakes_listeners() {
        let mut store = MailStore::default();
        let mut listener = store.changed_mailboxes();
        let now = Timestamp::UNIX_EPOCH;
        let id = store.put_event(ANNA, Event::new("One", now, now), now);
        store.put_event(ANNA, store.event(ANNA, &id).unwrap().clone(), now);
        let mail = store.add_message(ANNA, &Folder::Inbox, Message::default(), now);
        assert!(store.change_message(ANNA, &mail, now, |m| m.read = true));
        assert!(store.remove_message(ANNA, &mail, Some(&Folder::Deleted), now).is_some());
        assert_eq!(store.owner(&id), Some(ANNA));
        assert!(store.remove_event(ANNA, &id, false, now).is_some());
        let kinds: Vec<_> = store.changes_since(ANNA, 0).iter().map(|c| (c.number, c.kind.clone())).collect();
        let moved = ChangeKind::Moved { from: Folder::Inbox, old: mail };
        assert_eq!(
            kinds,
            [
                (1, ChangeKind::Created),
                (2, ChangeKind::Modified),
                (3, ChangeKind::Created),
                (4, ChangeKind::Modified),
                (5, moved),
                (6, ChangeKind::Deleted)
            ]
        );
        assert_eq!((store.changes_since(ANNA, 5).len(), store.last_change(ANNA)), (1, 6));
        assert_eq!(store.owner(&id), None);
        assert_eq!(listener.try_recv(), Ok(ANNA));
        let keys: Vec<_> = store.changes_since(ANNA, 0).iter().take(2).map(|c| &c.change_key).collect();
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn a_calendar_made_anew_is_another_one() {
        let mut store = MailStore::default();
        store.add_calendar(ANNA, "Team");
        let before = store.calendars[&ANNA].clone();
        store.remove_calendar(ANNA, "Team");
        store.add_calendar(ANNA, "Team");
        assert_ne!(before, store.calendars[&ANNA]);
    }
}
