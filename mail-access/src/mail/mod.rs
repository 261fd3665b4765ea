//! Mailboxes: one handle over Microsoft Graph and IMAP.

mod backend;
pub mod graph;
#[cfg(feature = "imap")]
pub mod imap;
mod mailbox_ref;
mod message;

use std::fmt;

use m365_core::{Body, MailboxAddress, Pipeline, Result};

pub use backend::{MailBackend, MailCapabilities};
pub use mailbox_ref::MailboxRef;
pub use message::{Folder, MessageId, MessageSummary, Person};

use backend::dynamic;

/// One mailbox, whichever protocol serves it. Cloning it copies a pointer.
///
/// ```
/// # async fn read(pipeline: m365_core::Pipeline) -> m365_core::Result<()> {
/// use mail_access::Mailbox;
/// let mailbox = Mailbox::graph(pipeline, "invoices@contoso.example".parse()?);
/// for message in mailbox.newest(10).await? {
///     println!("{} {}", message.received, message.subject);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mailbox {
    address: MailboxAddress,
    backend: std::sync::Arc<dyn dynamic::MailBackend>,
}

impl Mailbox {
    /// A mailbox over any backend.
    pub fn new(address: MailboxAddress, backend: impl MailBackend) -> Self {
        Self { address, backend: std::sync::Arc::new(backend) }
    }

    /// A mailbox over Microsoft Graph.
    pub fn graph(pipeline: Pipeline, address: MailboxAddress) -> Self {
        Self::graph_of(pipeline, address.into())
    }

    /// A mailbox over Microsoft Graph, by object id when the reference knows it.
    pub fn graph_of(pipeline: Pipeline, mailbox: MailboxRef) -> Self {
        Self::new(mailbox.address().clone(), graph::GraphMail::new(pipeline, mailbox))
    }

    /// Its address.
    pub fn address(&self) -> &MailboxAddress {
        &self.address
    }

    /// What its protocol can do.
    pub fn capabilities(&self) -> MailCapabilities {
        self.backend.capabilities()
    }

    /// The newest messages of the inbox, newest first, at most `count`.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`](m365_core::ErrorKind::PermissionDenied) or
    /// [`ErrorKind::Authentication`](m365_core::ErrorKind::Authentication) when the mailbox is closed to this app; the
    /// diagnosis tells which authority refused.
    pub async fn newest(&self, count: usize) -> Result<Vec<MessageSummary>> {
        self.list(Folder::Inbox, count).await
    }

    /// The newest messages of a folder, newest first, at most `count`.
    ///
    /// # Errors
    /// As [`Mailbox::newest`].
    pub async fn list(&self, folder: Folder, count: usize) -> Result<Vec<MessageSummary>> {
        self.backend.list(folder, count).await
    }

    /// One message.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](m365_core::ErrorKind::NotFound) when it is gone or was moved.
    pub async fn get(&self, id: &MessageId) -> Result<MessageSummary> {
        self.backend.get(id).await
    }

    /// The message as RFC 5322 bytes, streamed.
    ///
    /// # Errors
    /// As [`Mailbox::get`]; the stream itself reports a broken connection.
    pub async fn mime(&self, id: &MessageId) -> Result<Body> {
        self.backend.mime(id).await
    }

    /// Sends a message given as RFC 5322 bytes, once: a lost answer is an error, never a second message.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](m365_core::ErrorKind::Unsupported) over IMAP;
    /// [`ErrorKind::PermissionDenied`](m365_core::ErrorKind::PermissionDenied) without `Mail.Send` for this mailbox.
    pub async fn send_mime(&self, message: bytes::Bytes) -> Result<()> {
        self.backend.send_mime(message).await
    }

    /// Opens the mailbox and reads nothing of its content: the live half of a proof.
    ///
    /// # Errors
    /// As [`Mailbox::newest`].
    pub async fn probe(&self) -> Result<()> {
        self.backend.probe().await
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("address", &self.address).field("backend", &self.backend).finish()
    }
}
