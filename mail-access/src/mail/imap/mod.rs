//! Mail over IMAP with XOAUTH2, as far as Exchange Online offers it. No type of the protocol library is public.
//!
//! Needs the application permission `IMAP.AccessAsApp`, a service principal in Exchange and `FullAccess` on the mailbox.
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>

mod command;
mod connect;
mod envelope;
mod refusal;
mod sasl;
mod summary;

use std::fmt;
use std::sync::Arc;

use m365_core::{
    AccessToken, Body, Credential, Error, ErrorKind, HostPort, MailboxAddress, Resource, Result, TokenRequest,
};
use tokio::sync::Mutex;

use super::{Folder, MailBackend, MailCapabilities, Mailbox, MessageId, MessageSummary};
use connect::Session;
use refusal::{classify, is_not_connected};

pub use connect::TlsRoots;
pub use sasl::xoauth2;

/// What a list asks for: identity, flags, arrival and the few headers that a summary shows. Nothing marks as read.
const SUMMARY: &str = "(UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT FROM MESSAGE-ID)])";

/// How to reach an IMAP server.
#[derive(Clone, Debug)]
pub struct ImapServer {
    /// Host and port of IMAP over implicit TLS; `Cloud::imap`.
    pub address: HostPort,
    /// Whom to trust.
    pub roots: TlsRoots,
}

impl ImapServer {
    /// A server with a certificate of the public web.
    pub fn new(address: HostPort) -> Self {
        Self { address, roots: TlsRoots::public_web() }
    }

    /// Trusts other roots.
    #[must_use]
    pub fn with_roots(mut self, roots: TlsRoots) -> Self {
        self.roots = roots;
        self
    }
}

/// Mail of one mailbox over IMAP. One connection is kept; calls take turns on it.
pub struct ImapMail {
    server: ImapServer,
    credential: Credential,
    mailbox: MailboxAddress,
    session: Mutex<Option<Selected>>,
}

struct Selected {
    session: Session,
    uid_validity: u32,
    exists: u32,
}

impl ImapMail {
    /// Mail of this mailbox. Nothing connects before the first call.
    pub fn new(server: ImapServer, credential: Credential, mailbox: MailboxAddress) -> Self {
        Self { server, credential, mailbox, session: Mutex::new(None) }
    }

    /// Logs in and opens the inbox. A refused login is tried once more with a new token, a session without mailbox is
    /// reconnected once; then it is reported.
    async fn open(&self) -> Result<Selected> {
        let token = self.credential.get_token(&TokenRequest::new(Resource::Exchange)).await?;
        match self.connect(&token).await {
            Err(e) if e.kind() == ErrorKind::PermissionDenied && !is_not_connected(&e) => {
                let again = TokenRequest::new(Resource::Exchange).with_rejected(token.clone());
                let fresh = self.credential.get_token(&again).await?;
                if fresh == token { Err(e) } else { self.connect(&fresh).await }
            }
            Err(e) if is_not_connected(&e) => self.connect(&token).await,
            other => other,
        }
    }

    async fn connect(&self, token: &AccessToken) -> Result<Selected> {
        let mut session = connect::login(&self.server, &self.mailbox, token).await?;
        // Read-only: listing must not touch \Recent or \Seen.
        let inbox = session.examine("INBOX").await.map_err(|e| classify(e, "open inbox"))?;
        let uid_validity =
            inbox.uid_validity.ok_or_else(|| Error::unreadable("the inbox has no UIDVALIDITY"))?;
        Ok(Selected { session, uid_validity, exists: inbox.exists })
    }

    async fn with_session<T>(&self, operation: &'static str, work: impl AsyncWork<T>) -> Result<T> {
        let mut slot = self.session.lock().await;
        let kept = match slot.take() {
            Some(mut kept) => kept.session.noop().await.is_ok().then_some(kept),
            None => None,
        };
        let mut selected = match kept {
            Some(kept) => kept,
            None => self.open().await.map_err(|e| self.named(e, operation))?,
        };
        let result = work.run(&mut selected).await;
        if result.as_ref().err().is_none_or(|e| e.kind() == ErrorKind::NotFound) {
            *slot = Some(selected);
        }
        result.map_err(|e| self.named(e, operation))
    }

    fn named(&self, error: Error, operation: &'static str) -> Error {
        error.with_operation(operation).with_mailbox(self.mailbox.as_str())
    }

    /// A message id is the folder's UIDVALIDITY and the UID: a rebuilt mailbox must not answer with another message.
    fn uid(id: &MessageId, uid_validity: u32) -> Result<u32> {
        let gone = || {
            Error::new(
                ErrorKind::NotFound,
                "the message is gone: the mailbox was rebuilt since its id was read",
            )
        };
        let (validity, uid) = id
            .as_str()
            .split_once(':')
            .and_then(|(v, u)| Some((v.parse::<u32>().ok()?, u.parse::<u32>().ok()?)))
            .ok_or_else(|| Error::invalid("this is not the id of an IMAP message"))?;
        if validity == uid_validity { Ok(uid) } else { Err(gone()) }
    }
}

impl fmt::Debug for ImapMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapMail")
            .field("mailbox", &self.mailbox)
            .field("server", &self.server.address)
            .finish_non_exhaustive()
    }
}

/// A piece of work on an open session; a closure cannot say that its future is `Send` for every borrow.
trait AsyncWork<T>: Send {
    fn run(self, selected: &mut Selected) -> impl Future<Output = Result<T>> + Send;
}

struct Newest(u32);

impl AsyncWork<Vec<MessageSummary>> for Newest {
    async fn run(self, selected: &mut Selected) -> Result<Vec<MessageSummary>> {
        let inbox = selected.session.examine("INBOX").await.map_err(|e| classify(e, "open inbox"))?;
        selected.exists = inbox.exists;
        if selected.exists == 0 || self.0 == 0 {
            return Ok(Vec::new());
        }
        let first = selected.exists.saturating_sub(self.0 - 1).max(1);
        fetch(selected, &format!("FETCH {first}:{} {SUMMARY}", selected.exists)).await
    }
}

struct One(MessageId);

impl AsyncWork<MessageSummary> for One {
    async fn run(self, selected: &mut Selected) -> Result<MessageSummary> {
        let uid = ImapMail::uid(&self.0, selected.uid_validity)?;
        let mut found = fetch(selected, &format!("UID FETCH {uid} {SUMMARY}")).await?;
        found.pop().ok_or_else(|| Error::new(ErrorKind::NotFound, "the message is gone"))
    }
}

struct Mime(MessageId);

impl AsyncWork<Vec<u8>> for Mime {
    async fn run(self, selected: &mut Selected) -> Result<Vec<u8>> {
        let uid = ImapMail::uid(&self.0, selected.uid_validity)?;
        let rows = command::fetch(
            &mut selected.session,
            &format!("UID FETCH {uid} (UID BODY.PEEK[])"),
            "fetch message",
        )
        .await?;
        rows.into_iter()
            .find(|row| row.uid == Some(uid))
            .and_then(|row| row.body)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "the message is gone"))
    }
}

struct Probe;

impl AsyncWork<()> for Probe {
    async fn run(self, selected: &mut Selected) -> Result<()> {
        // NOOP is no proof: Exchange lets a session in that has no mailbox.
        selected.session.examine("INBOX").await.map(|_| ()).map_err(|e| classify(e, "open inbox"))
    }
}

async fn fetch(selected: &mut Selected, command: &str) -> Result<Vec<MessageSummary>> {
    let rows = command::fetch(&mut selected.session, command, "fetch messages").await?;
    let mut found: Vec<_> = rows
        .iter()
        .filter(|row| row.uid.is_some())
        .map(|row| summary::read(row, selected.uid_validity))
        .collect::<Result<_>>()?;
    found.sort_by(|a, b| b.received.cmp(&a.received).then_with(|| b.id.cmp(&a.id)));
    Ok(found)
}

impl MailBackend for ImapMail {
    fn capabilities(&self) -> MailCapabilities {
        MailCapabilities::new(false, false)
    }

    async fn list(&self, folder: Folder, count: usize) -> Result<Vec<MessageSummary>> {
        if folder != Folder::Inbox {
            return Err(self.named(
                Error::new(
                    ErrorKind::Unsupported,
                    "Exchange marks no folder roles over IMAP: only the inbox can be found",
                ),
                "list messages",
            ));
        }
        self.with_session("list messages", Newest(u32::try_from(count).unwrap_or(u32::MAX))).await
    }

    async fn get(&self, id: &MessageId) -> Result<MessageSummary> {
        self.with_session("get message", One(id.clone())).await
    }

    async fn mime(&self, id: &MessageId) -> Result<Body> {
        self.with_session("get message as MIME", Mime(id.clone())).await.map(Body::from_bytes)
    }

    async fn send_mime(&self, _message: bytes::Bytes) -> Result<()> {
        Err(self
            .named(Error::new(ErrorKind::Unsupported, "IMAP cannot send: use Graph or SMTP"), "send message"))
    }

    async fn probe(&self) -> Result<()> {
        self.with_session("open inbox", Probe).await
    }
}

impl Mailbox {
    /// A mailbox over IMAP.
    pub fn imap(server: ImapServer, credential: Credential, address: MailboxAddress) -> Self {
        Self { address: address.clone(), backend: Arc::new(ImapMail::new(server, credential, address)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uidvalidity_change_makes_old_ids_gone() {
        let id = MessageId::new("7:42");
        assert_eq!(ImapMail::uid(&id, 7).unwrap(), 42);
        assert_eq!(ImapMail::uid(&id, 8).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(ImapMail::uid(&MessageId::new("AAMk="), 8).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
