use crate::mail::MailboxRef;
use bytes::Bytes;
use jiff::Timestamp;
use m365_core::odata::{self, Page};
use m365_core::{Cloud, Idempotency, Meta, Operation, Resource, Result, Service};
use serde::Deserialize;

use super::IMMUTABLE_IDS;
use crate::mail::{Folder, MessageId, MessageSummary, Person};

pub(super) const FIELDS: &str = "id,subject,from,receivedDateTime,isRead,internetMessageId";

/// `GET /users/{address}/mailFolders/{folder}/messages`, newest first. Needs `Mail.ReadBasic.All`, `Mail.Read` or wider.
///
/// <https://learn.microsoft.com/graph/api/mailfolder-list-messages>
#[derive(Clone, Debug)]
pub struct ListMessages {
    mailbox: MailboxRef,
    folder: Folder,
    page_size: usize,
}

impl ListMessages {
    /// The messages of a folder in pages of 50.
    pub fn new(mailbox: MailboxRef, folder: Folder) -> Self {
        Self { mailbox, folder, page_size: 50 }
    }

    /// Another page size, 1 to 1000.
    #[must_use]
    pub fn with_page_size(mut self, size: usize) -> Self {
        self.page_size = size.clamp(1, 1000);
        self
    }
}

impl Operation for ListMessages {
    type Output = Page<MessageSummary>;

    fn meta(&self) -> Meta<'_> {
        Meta::new("list messages", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
            .with_mailbox(self.mailbox.address().as_str())
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        let folder = match self.folder {
            Folder::Inbox => "inbox",
            Folder::SentItems => "sentitems",
        };
        let mut request = odata::get(
            cloud,
            &format!(
                "/v1.0/users/{}/mailFolders/{folder}/messages?$select={FIELDS}&$orderby=receivedDateTime%20desc&$top={}",
                self.mailbox.segment(),
                self.page_size
            ),
        )?;
        request.headers_mut().insert("prefer", IMMUTABLE_IDS);
        Ok(request)
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<Page<MessageSummary>> {
        odata::json::<Page<WireMessage>>(&response)?.try_map(|message| Ok(message.into_summary()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireMessage {
    id: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    from: Option<WireRecipient>,
    #[serde(default)]
    received_date_time: Option<Timestamp>,
    #[serde(default)]
    is_read: Option<bool>,
    #[serde(default)]
    internet_message_id: Option<String>,
}

impl WireMessage {
    pub(super) fn into_summary(self) -> MessageSummary {
        MessageSummary {
            id: MessageId::new(self.id),
            subject: self.subject.unwrap_or_default(),
            from: self.from.and_then(WireRecipient::into_person),
            received: self.received_date_time.unwrap_or(Timestamp::UNIX_EPOCH),
            is_read: self.is_read.unwrap_or(false),
            internet_message_id: self.internet_message_id,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireRecipient {
    #[serde(default)]
    email_address: Option<WireAddress>,
}

impl WireRecipient {
    pub(crate) fn into_person(self) -> Option<Person> {
        self.email_address.map(Into::into)
    }
}

#[derive(Deserialize)]
struct WireAddress {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    address: Option<String>,
}

impl From<WireAddress> for Person {
    fn from(wire: WireAddress) -> Self {
        Self { name: wire.name.unwrap_or_default(), address: wire.address.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_exact() {
        let operation =
            ListMessages::new("o'brien@contoso.example".parse().unwrap(), Folder::Inbox).with_page_size(5);
        let request = operation.request(&Cloud::public()).unwrap();
        assert_eq!(
            request.uri(),
            "https://graph.microsoft.com/v1.0/users/o%27brien%40contoso.example/mailFolders/inbox/messages?$select=id,subject,from,receivedDateTime,isRead,internetMessageId&$orderby=receivedDateTime%20desc&$top=5"
        );
        assert_eq!(request.headers()["prefer"], "IdType=\"ImmutableId\"");
    }

    #[test]
    fn a_message_without_sender_or_subject_is_read() {
        let operation = ListMessages::new("a@contoso.example".parse().unwrap(), Folder::Inbox);
        let body = r#"{"value":[{"id":"AAk=","receivedDateTime":"2026-11-21T08:00:00Z","from":null,"subject":null}]}"#;
        let page = operation.read(http::Response::new(Bytes::from(body))).unwrap();
        assert_eq!(page.value[0].subject, "");
        assert!(page.value[0].from.is_none());
    }
}
