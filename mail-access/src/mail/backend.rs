use std::fmt;
use std::future::Future;

use m365_core::{Body, Result};

use super::{Folder, MessageId, MessageSummary};

/// What a mail protocol can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailCapabilities {
    /// Messages can be sent.
    pub send: bool,
    /// Ids survive a move to another folder.
    pub immutable_ids: bool,
}

impl MailCapabilities {
    /// A protocol's abilities.
    pub const fn new(send: bool, immutable_ids: bool) -> Self {
        Self { send, immutable_ids }
    }
}

/// A mail protocol for one mailbox: few precise methods, comfort lives on [`Mailbox`](super::Mailbox).
///
/// Implementors write `async fn`s.
pub trait MailBackend: fmt::Debug + Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> MailCapabilities;

    /// The newest messages of a folder, newest first, at most `count`; never fewer while there are more.
    ///
    /// # Errors
    /// When the mailbox is closed, or the answer unreadable.
    fn list(&self, folder: Folder, count: usize) -> impl Future<Output = Result<Vec<MessageSummary>>> + Send;

    /// One message.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](m365_core::ErrorKind::NotFound) when it is gone.
    fn get(&self, id: &MessageId) -> impl Future<Output = Result<MessageSummary>> + Send;

    /// The message as RFC 5322 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](m365_core::ErrorKind::NotFound) when it is gone.
    fn mime(&self, id: &MessageId) -> impl Future<Output = Result<Body>> + Send;

    /// Sends a message once.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](m365_core::ErrorKind::Unsupported) when the protocol cannot.
    fn send_mime(&self, message: bytes::Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Opens the mailbox without reading content.
    ///
    /// # Errors
    /// When the mailbox is closed to this app.
    fn probe(&self) -> impl Future<Output = Result<()>> + Send;
}

pub(super) mod dynamic {
    use std::fmt;

    use m365_core::{Body, Result};

    use super::{Folder, MailCapabilities, MessageId, MessageSummary};

    #[async_trait::async_trait]
    pub(in crate::mail) trait MailBackend: fmt::Debug + Send + Sync {
        fn capabilities(&self) -> MailCapabilities;
        async fn list(&self, folder: Folder, count: usize) -> Result<Vec<MessageSummary>>;
        async fn get(&self, id: &MessageId) -> Result<MessageSummary>;
        async fn mime(&self, id: &MessageId) -> Result<Body>;
        async fn send_mime(&self, message: bytes::Bytes) -> Result<()>;
        async fn probe(&self) -> Result<()>;
    }

    #[async_trait::async_trait]
    impl<T: super::MailBackend> MailBackend for T {
        fn capabilities(&self) -> MailCapabilities {
            super::MailBackend::capabilities(self)
        }
        async fn list(&self, folder: Folder, count: usize) -> Result<Vec<MessageSummary>> {
            super::MailBackend::list(self, folder, count).await
        }
        async fn get(&self, id: &MessageId) -> Result<MessageSummary> {
            super::MailBackend::get(self, id).await
        }
        async fn mime(&self, id: &MessageId) -> Result<Body> {
            super::MailBackend::mime(self, id).await
        }
        async fn send_mime(&self, message: bytes::Bytes) -> Result<()> {
            super::MailBackend::send_mime(self, message).await
        }
        async fn probe(&self) -> Result<()> {
            super::MailBackend::probe(self).await
        }
    }
}
