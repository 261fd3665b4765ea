//! SMTP submission as Exchange Online speaks it: STARTTLS first, XOAUTH2 only, a sender who must be the mailbox.
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>

mod session;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio_rustls::TlsAcceptor;

use self::session::{Ended, Session};
use crate::Caller;
use crate::state::State;

/// What the session needs from the tenant around it.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Who a bearer token speaks for; `None` when it is not valid now.
    fn caller(&self, bearer: &str) -> Option<Caller>;
    /// Runs with the tenant's state and time.
    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R;
    /// Delivers to mailboxes of this tenant and keeps a copy with the sender.
    fn deliver(&self, message: Submitted);
    /// A server line to send instead of doing `EHLO`, `AUTH`, `MAIL`, `RCPT` or `DATA`; one that begins with `421` ends
    /// the session.
    fn fault(&self, step: &str) -> Option<String>;
    /// Notes what happened.
    fn journal(&self, line: String);
}

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submitted {
    /// Object id of the mailbox's user that signed in.
    pub(crate) mailbox: uuid::Uuid,
    /// The sender's address.
    pub(crate) from: String,
    /// The recipients' addresses.
    pub(crate) to: Vec<String>,
    /// The message with CRLF line ends.
    pub(crate) mime: Vec<u8>,
}

/// Speaks to one client until it leaves or the connection breaks; in the clear until the client asks for TLS.
pub(crate) async fn serve<S>(stream: S, tls: TlsAcceptor, backend: Arc<impl Backend>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let served = speak(stream, tls, backend).await;
    if let Err(error) = served {
        tracing::debug!(%error, "an SMTP connection broke");
    }
}

async fn speak<S>(stream: S, tls: TlsAcceptor, backend: Arc<impl Backend>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut clear = Session::new(BufReader::new(stream), Arc::clone(&backend), false);
    clear.greet().await?;
    match clear.run().await? {
        Ended::Quit => clear.into_stream().shutdown().await,
        Ended::StartTls => {
            // What came before the handshake was never protected: bytes after STARTTLS are thrown away.
            let stream = clear.into_stream().into_inner();
            let secured = tls.accept(stream).await?;
            let mut session = Session::new(BufReader::new(secured), backend, true);
            session.run().await?;
            session.into_stream().shutdown().await
        }
    }
}
