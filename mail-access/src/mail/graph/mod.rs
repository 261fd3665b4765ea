//! Mail over Microsoft Graph, one file per operation.

mod get_inbox;
mod get_message;
mod get_message_mime;
mod list_messages;
pub(crate) use list_messages::WireRecipient;
mod send_mail;

use crate::mail::MailboxRef;
use m365_core::{Body, Pipeline, Result};

use super::{Folder, MailBackend, MailCapabilities, MessageId, MessageSummary};

pub use get_inbox::GetInbox;
pub use get_message::GetMessage;
pub use get_message_mime::GetMessageMime;
pub use list_messages::ListMessages;
pub use send_mail::SendMime;

/// Mail of one mailbox over Microsoft Graph.
#[derive(Clone, Debug)]
pub struct GraphMail {
    pipeline: Pipeline,
    mailbox: MailboxRef,
}

impl GraphMail {
    /// Mail of this mailbox.
    pub fn new(pipeline: Pipeline, mailbox: MailboxRef) -> Self {
        Self { pipeline, mailbox }
    }
}

impl MailBackend for GraphMail {
    fn capabilities(&self) -> MailCapabilities {
        MailCapabilities::new(true, true)
    }

    async fn list(&self, folder: Folder, count: usize) -> Result<Vec<MessageSummary>> {
        use futures_util::TryStreamExt as _;
        if count == 0 {
            return Ok(Vec::new());
        }
        let operation = ListMessages::new(self.mailbox.clone(), folder).with_page_size(count.min(1000));
        let mut messages = Vec::with_capacity(count.min(1000));
        let mut rows = std::pin::pin!(self.pipeline.rows(&operation));
        while let Some(row) = rows.try_next().await? {
            messages.push(row);
            if messages.len() == count {
                break;
            }
        }
        Ok(messages)
    }

    async fn get(&self, id: &MessageId) -> Result<MessageSummary> {
        self.pipeline.run(&GetMessage::new(self.mailbox.clone(), id.clone())).await
    }

    async fn mime(&self, id: &MessageId) -> Result<Body> {
        let open = self.pipeline.open(&GetMessageMime::new(self.mailbox.clone(), id.clone())).await?;
        Ok(open.into_body())
    }

    async fn send_mime(&self, message: bytes::Bytes) -> Result<()> {
        self.pipeline.run(&SendMime::new(self.mailbox.clone(), message)?).await
    }

    async fn probe(&self) -> Result<()> {
        self.pipeline.run(&GetInbox::new(self.mailbox.clone())).await
    }
}

/// Ids that survive moves, asked for on every call.
pub(crate) const IMMUTABLE_IDS: http::HeaderValue = http::HeaderValue::from_static("IdType=\"ImmutableId\"");
