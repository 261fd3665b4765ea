//! A resumable stream of what changes in a set of mailboxes.
//!
//! A [`Watch`] keeps streaming connections to Exchange, up to 200 mailboxes on each, and compares a folder
//! (`SyncFolderItems`) whenever a notification says that something happened in it, after each connection that was opened,
//! and when events were missed: so a change is found whether anybody told of it or not. Where streaming does not get
//! through it pulls; where subscribing is refused it compares now and then; and it tries the better way again after a
//! while. It spawns no task: everything happens while the stream is polled, and ends when it is dropped.
//!
//! # At least once
//! What was told up to is a [`WatchToken`]: it moves on only as the consumer [acknowledges](Watch::ack) events. Save it
//! after the work is done; a crash in between repeats events and loses none. With many mailboxes save the
//! [token of each event](WatchEvent::token) in a table of your own instead.
//!
//! ```
//! use ews_client::watch::{Change, Watch, WatchToken, WatchedMailbox};
//! use m365_core::MailboxAddress;
//!
//! # async fn example(client: ews_client::EwsClient, saved: &str) -> ews_client::Result<()> {
//! let anna = WatchedMailbox::new(MailboxAddress::parse("anna@contoso.example")?);
//! let mut watch = Watch::builder(client, [anna]).resume(saved.parse::<WatchToken>()?).build()?;
//! loop {
//!     let event = watch.next().await;
//!     match &event.change {
//!         Change::Level(level) => println!("{}: {level:?}", event.mailbox),
//!         _ => println!("{}: read the calendar again", event.mailbox),
//!     }
//!     watch.ack(&event);
//!     if let Some(token) = event.token() {
//!         println!("save {token}");
//!     }
//! }
//! # }
//! ```
//!
//! Sources: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/notification-subscriptions-mailbox-events-and-ews-in-exchange>,
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-maintain-affinity-between-group-of-subscriptions-and-mailbox-server>,
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/mailbox-synchronization-and-ews-in-exchange>.

mod config;
mod driver;
mod event;
mod machine;
mod token;
mod wire;

use std::sync::Arc;

use m365_core::{Error, MailboxAddress, Result};

pub use config::{Initial, WatchConfig};
pub use driver::Watch;
pub use event::{Change, Level, Resync, WatchEvent};
pub use token::{MailboxToken, WatchToken};

use crate::{DistinguishedFolder, EwsClient, FolderRef};

/// A folder to watch: the calendar of a mailbox, if nothing else is said. It is reached by impersonation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedMailbox {
    address: MailboxAddress,
    grouping: Option<Arc<str>>,
    folder: FolderRef,
}

impl WatchedMailbox {
    /// The calendar of this mailbox, which is named by its primary SMTP address.
    pub fn new(address: MailboxAddress) -> Self {
        Self { address, grouping: None, folder: DistinguishedFolder::Calendar.into() }
    }

    /// What Autodiscover says as `GroupingInformation`: mailboxes of one value may share a connection. Without it all
    /// mailboxes of a server without it may.
    #[must_use]
    pub fn with_grouping_information(mut self, value: impl Into<Arc<str>>) -> Self {
        self.grouping = Some(value.into());
        self
    }

    /// Another folder.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<FolderRef>) -> Self {
        self.folder = folder.into();
        self
    }
}

/// Settings of a [`Watch`].
#[derive(Debug)]
pub struct WatchBuilder {
    servers: Vec<(EwsClient, Vec<WatchedMailbox>)>,
    config: WatchConfig,
    token: WatchToken,
}

impl Watch {
    /// A watch of these mailboxes, which are all served by this client's endpoint.
    pub fn builder(client: EwsClient, mailboxes: impl IntoIterator<Item = WatchedMailbox>) -> WatchBuilder {
        let builder =
            WatchBuilder { servers: Vec::new(), config: WatchConfig::default(), token: WatchToken::new() };
        builder.and(client, mailboxes)
    }
}

impl WatchBuilder {
    /// Mailboxes of another server, or of another account, with limits and pauses of its own.
    #[must_use]
    pub fn and(mut self, client: EwsClient, mailboxes: impl IntoIterator<Item = WatchedMailbox>) -> Self {
        self.servers.push((client, mailboxes.into_iter().collect()));
        self
    }

    /// Other settings than the usual ones.
    #[must_use]
    pub fn config(mut self, config: WatchConfig) -> Self {
        self.config = config;
        self
    }

    /// Begins where this token ends. Mailboxes that it does not know begin as [`WatchConfig::with_initial`] says; those
    /// that are watched no more are left out of it.
    #[must_use]
    pub fn resume(mut self, token: WatchToken) -> Self {
        self.token = token;
        self
    }

    /// The watch. Nothing is sent before it is polled.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when a folder is there twice, or when the token knows a
    /// watched mailbox by other folders only: its state must not be used for this one.
    pub fn build(self) -> Result<Watch> {
        let mut entries = Vec::new();
        let mut clients = Vec::new();
        for ((client, mailboxes), lane) in self.servers.into_iter().zip(0_u32..) {
            clients.push(client);
            entries.extend(mailboxes.into_iter().map(|mailbox| machine::Entry {
                lane,
                grouping: mailbox.grouping,
                address: mailbox.address,
                folder: mailbox.folder,
            }));
        }
        check(&entries, &self.token)?;
        Ok(Watch::start(self.config, clients, entries, &self.token))
    }
}

fn check(entries: &[machine::Entry], token: &WatchToken) -> Result<()> {
    let mut watched: std::collections::BTreeMap<&MailboxAddress, Vec<&FolderRef>> = Default::default();
    for entry in entries {
        let folders = watched.entry(&entry.address).or_default();
        if folders.contains(&&entry.folder) {
            return Err(
                Error::invalid("the folder is to be watched twice").with_mailbox(entry.address.as_str())
            );
        }
        folders.push(&entry.folder);
    }
    for known in token.iter() {
        if watched.get(known.mailbox()).is_some_and(|folders| !folders.contains(&known.folder())) {
            return Err(
                Error::invalid("the token is of another folder").with_mailbox(known.mailbox().as_str())
            );
        }
    }
    Ok(())
}

/// How a watch fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchStatus {
    /// Folders watched.
    pub mailboxes: usize,
    /// Of them, not yet settled.
    pub starting: usize,
    /// Of them, by streaming.
    pub streaming: usize,
    /// Of them, by pulling.
    pub pull: usize,
    /// Of them, by comparing.
    pub poll: usize,
    /// Of them, not at all for the moment.
    pub lost: usize,
    /// Of them, being compared or waiting for it.
    pub comparing: usize,
    /// Streaming connections that are up.
    pub connections: usize,
    /// Events that wait to be taken.
    pub undelivered: usize,
}
