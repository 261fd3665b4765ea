use crate::mail::MailboxRef;
use bytes::Bytes;
use m365_core::{Cloud, Idempotency, Meta, Operation, Resource, Result, Service, odata};

/// `GET /users/{address}/mailFolders/inbox?$select=id`: opens the mailbox and reads nothing of its content. Needs
/// `Mail.ReadBasic.All`, `Mail.Read` or wider.
///
/// <https://learn.microsoft.com/graph/api/mailfolder-get>
#[derive(Clone, Debug)]
pub struct GetInbox {
    mailbox: MailboxRef,
}

impl GetInbox {
    /// The inbox of this mailbox.
    pub fn new(mailbox: MailboxRef) -> Self {
        Self { mailbox }
    }
}

impl Operation for GetInbox {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        Meta::new("open inbox", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
            .with_mailbox(self.mailbox.address().as_str())
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        odata::get(cloud, &format!("/v1.0/users/{}/mailFolders/inbox?$select=id", self.mailbox.segment()))
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<()> {
        odata::json::<serde::de::IgnoredAny>(&response).map(|_| ())
    }
}
