//! Mail over IMAP with XOAUTH2, as far as Exchange Online offers it. No type of the protocol library is public.
//!
//! Needs the application permission `IMAP.AccessAsApp`, a service principal in Exchange and `FullAccess` on the mailbox.
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>

mod command;
mod connect;
mod refusal;
mod sasl;
mod summary;
mod veil;

use std::fmt;
use std::sync::{Arc, PoisonError};

use m365_core::{
    AccessToken, Acted, Body, Credential, Error, ErrorKind, HostPort, MailboxAddress, Resource, Result,
    TokenRequest,
};
use tokio::sync::Mutex;

use super::{Folder, MailBackend, MailCapabilities, Mailbox, MessageId, MessageSummary};
use command::Inbox;
use connect::Session;
use refusal::is_not_connected;

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
    /// Set by a throttled answer: this mailbox's budget is spent, and asking again would only prolong that.
    quiet_until: std::sync::Mutex<Option<tokio::time::Instant>>,
}

struct Selected {
    session: Session,
    inbox: Inbox,
}

impl ImapMail {
    /// Mail of this mailbox. Nothing connects before the first call.
    pub fn new(server: ImapServer, credential: Credential, mailbox: MailboxAddress) -> Self {
        Self {
            server,
            credential,
            mailbox,
            session: Mutex::new(None),
            quiet_until: std::sync::Mutex::new(None),
        }
    }

    /// Logs in and opens the inbox. A refused login is tried once more with a new token, a session without mailbox is
    /// reconnected once; then it is reported.
    async fn open(&self, reconnected: &mut bool) -> Result<Selected> {
        let token = self.credential.get_token(&TokenRequest::new(Resource::Exchange)).await?;
        match self.connect(&token).await {
            Err(e) if is_not_connected(&e) && !*reconnected => {
                *reconnected = true;
                self.connect(&token).await
            }
            Err(e) if e.kind() == ErrorKind::PermissionDenied && !is_not_connected(&e) => {
                let again = TokenRequest::new(Resource::Exchange).with_rejected(token.clone());
                let fresh = self.credential.get_token(&again).await?;
                if fresh == token { Err(e) } else { self.connect(&fresh).await }
            }
            other => other,
        }
    }

    async fn connect(&self, token: &AccessToken) -> Result<Selected> {
        let mut session = connect::login(&self.server, &self.mailbox, token).await?;
        let inbox = command::examine(&mut session).await?;
        Ok(Selected { session, inbox })
    }

    async fn with_session<T>(&self, operation: &'static str, work: impl AsyncWork<T>) -> Result<T> {
        if let Some(left) = self.quiet_time() {
            let error = Error::new(ErrorKind::Throttled, "the mailbox's budget is spent; nothing was sent")
                .with_retry_after(Some(left))
                .with_acted(Acted::No)
                .with_diagnosis("THR-IMAP");
            return Err(self.named(error, operation));
        }
        let result = self.run(operation, work).await;
        if let Err(error) = &result
            && error.kind() == ErrorKind::Throttled
            && let Some(wait) = error.retry_after()
        {
            *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) =
                tokio::time::Instant::now().checked_add(wait);
        }
        result
    }

    fn quiet_time(&self) -> Option<std::time::Duration> {
        let until = (*self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        (!left.is_zero()).then_some(left)
    }

    async fn run<T>(&self, operation: &'static str, work: impl AsyncWork<T>) -> Result<T> {
        let mut slot = self.session.lock().await;
        let mut kept = match slot.take() {
            Some(mut kept) => match command::noop(&mut kept.session).await {
                Ok(()) => Some(kept),
                // A new login would only spend more of the mailbox's budget.
                Err(e) if e.kind() == ErrorKind::Throttled => {
                    *slot = Some(kept);
                    return Err(self.named(e, operation));
                }
                Err(_) => None,
            },
            None => None,
        };
        let mut reconnected = false;
        loop {
            let mut selected = match kept.take() {
                Some(kept) => kept,
                None => self.open(&mut reconnected).await.map_err(|e| self.named(e, operation))?,
            };
            match work.run(&mut selected).await {
                Err(e) if is_not_connected(&e) && !reconnected => reconnected = true,
                result => {
                    let usable = |e: &Error| {
                        matches!(
                            e.kind(),
                            ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::Throttled
                        )
                    };
                    if result.as_ref().err().is_none_or(usable) {
                        *slot = Some(selected);
                    }
                    return result.map_err(|e| self.named(e, operation));
                }
            }
        }
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
trait AsyncWork<T>: Send + Sync {
    fn run(&self, selected: &mut Selected) -> impl Future<Output = Result<T>> + Send;
}

struct Newest(u32);

impl AsyncWork<Vec<MessageSummary>> for Newest {
    async fn run(&self, selected: &mut Selected) -> Result<Vec<MessageSummary>> {
        selected.inbox = command::examine(&mut selected.session).await?;
        let exists = selected.inbox.exists;
        if exists == 0 || self.0 == 0 {
            return Ok(Vec::new());
        }
        let first = exists.saturating_sub(self.0 - 1).max(1);
        fetch(selected, &format!("FETCH {first}:{exists} {SUMMARY}")).await
    }
}

struct One(MessageId);

impl AsyncWork<MessageSummary> for One {
    async fn run(&self, selected: &mut Selected) -> Result<MessageSummary> {
        let uid = ImapMail::uid(&self.0, selected.inbox.uid_validity)?;
        let found = fetch(selected, &format!("UID FETCH {uid} {SUMMARY}")).await?;
        // A server may speak of other messages in between.
        found
            .into_iter()
            .find(|message| message.id == self.0)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "the message is gone"))
    }
}

struct Mime(MessageId);

impl AsyncWork<Vec<u8>> for Mime {
    async fn run(&self, selected: &mut Selected) -> Result<Vec<u8>> {
        let uid = ImapMail::uid(&self.0, selected.inbox.uid_validity)?;
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
    async fn run(&self, selected: &mut Selected) -> Result<()> {
        // NOOP is no proof: Exchange lets a session in that has no mailbox.
        selected.inbox = command::examine(&mut selected.session).await?;
        Ok(())
    }
}

async fn fetch(selected: &mut Selected, command: &str) -> Result<Vec<MessageSummary>> {
    let rows = command::fetch(&mut selected.session, command, "fetch messages").await?;
    let mut found: Vec<_> = rows
        .iter()
        .filter(|row| row.uid.is_some())
        .map(|row| Ok((row.uid, summary::read(row, selected.inbox.uid_validity)?)))
        .collect::<Result<_>>()?;
    found.sort_by(|(a_uid, a), (b_uid, b)| (b.received, b_uid).cmp(&(a.received, a_uid)));
    Ok(found.into_iter().map(|(_, summary)| summary).collect())
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
