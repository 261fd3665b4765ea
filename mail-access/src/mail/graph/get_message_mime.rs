use crate::mail::MailboxRef;
use bytes::Bytes;
use m365_core::{Cloud, Idempotency, Meta, Operation, Resource, Result, Service, odata};

use super::{IMMUTABLE_IDS, MessageId};

/// `GET /users/{address}/messages/{id}/$value`: the message as RFC 5322 bytes. Needs `Mail.Read` or wider.
///
/// Meant for [`Pipeline::open`](m365_core::Pipeline::open), which streams; run whole, it is limited like any answer.
///
/// <https://learn.microsoft.com/graph/outlook-get-mime-message>
#[derive(Clone, Debug)]
pub struct GetMessageMime {
    mailbox: MailboxRef,
    id: MessageId,
}

impl GetMessageMime {
    /// One message's bytes.
    pub fn new(mailbox: MailboxRef, id: MessageId) -> Self {
        Self { mailbox, id }
    }
}

impl Operation for GetMessageMime {
    type Output = Bytes;

    fn meta(&self) -> Meta<'_> {
        Meta::new("get message as MIME", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
            .with_mailbox(self.mailbox.address().as_str())
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        let mut request = odata::get(
            cloud,
            &format!(
                "/v1.0/users/{}/messages/{}/$value",
                self.mailbox.segment(),
                odata::segment(self.id.as_str())
            ),
        )?;
        request.headers_mut().insert("prefer", IMMUTABLE_IDS);
        Ok(request)
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<Bytes> {
        Ok(response.into_body())
    }
}
