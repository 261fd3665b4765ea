use crate::mail::MailboxRef;
use bytes::Bytes;
use m365_core::{Cloud, Idempotency, Meta, Operation, Resource, Result, Service, odata};

use super::list_messages::{FIELDS, WireMessage};
use super::{IMMUTABLE_IDS, MessageId, MessageSummary};

/// `GET /users/{address}/messages/{id}`. Needs `Mail.ReadBasic.All`, `Mail.Read` or wider.
///
/// <https://learn.microsoft.com/graph/api/message-get>
#[derive(Clone, Debug)]
pub struct GetMessage {
    mailbox: MailboxRef,
    id: MessageId,
}

impl GetMessage {
    /// One message.
    pub fn new(mailbox: MailboxRef, id: MessageId) -> Self {
        Self { mailbox, id }
    }
}

impl Operation for GetMessage {
    type Output = MessageSummary;

    fn meta(&self) -> Meta<'_> {
        Meta::new("get message", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
            .with_mailbox(self.mailbox.address().as_str())
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        let mut request = odata::get(
            cloud,
            &format!(
                "/v1.0/users/{}/messages/{}?$select={FIELDS}",
                self.mailbox.segment(),
                odata::segment(self.id.as_str())
            ),
        )?;
        request.headers_mut().insert("prefer", IMMUTABLE_IDS);
        Ok(request)
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<MessageSummary> {
        odata::json::<WireMessage>(&response).map(WireMessage::into_summary)
    }
}
