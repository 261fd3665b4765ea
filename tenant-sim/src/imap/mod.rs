//! The IMAP server.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::{Caller, state::State};

/// What a session needs of the tenant.
#[allow(dead_code, reason = "the session server calls every method")]
pub(crate) trait Backend: Send + Sync + 'static {
    fn caller(&self, bearer: &str) -> Option<Caller>;
    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R;
    fn fault(&self, step: &str) -> Option<String>;
    fn journal(&self, line: String);
}

/// Serves one connection.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(
    mut stream: S,
    _backend: Arc<impl Backend>,
) {
    if stream.write_all(b"* BYE not served\r\n").await.is_err() {
        tracing::debug!("the client left first");
    }
}
