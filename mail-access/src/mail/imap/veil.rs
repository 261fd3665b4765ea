use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroizing;

/// What the protocol library is given to send instead of the SASL string.
pub(super) const STAND_IN: &[u8] = b"sasl";

/// The connection below the protocol library. The library hands every line that it sends to the `log` facade, the one
/// with the token too; so it is given a stand-in, and the true line takes its place here, once.
pub(super) struct Veiled<S> {
    inner: S,
    line: Option<Zeroizing<Vec<u8>>>,
    written: usize,
    stand_in: String,
}

impl<S> Veiled<S> {
    pub(super) fn new(inner: S, sasl: &[u8]) -> Self {
        let line = Zeroizing::new(STANDARD.encode(sasl).into_bytes());
        Self { inner, line: Some(line), written: 0, stand_in: STANDARD.encode(STAND_IN) }
    }
}

impl<S> fmt::Debug for Veiled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Veiled").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Veiled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Veiled<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(line) = this.line.as_ref().filter(|_| buf == this.stand_in.as_bytes()) else {
            return Pin::new(&mut this.inner).poll_write(cx, buf);
        };
        while let Some(rest) = line.get(this.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut this.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => this.written += count,
            }
        }
        this.line = None;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_true_line_takes_the_stand_ins_place_once_and_through_a_narrow_pipe() {
        let sasl = vec![b'x'; 6_000];
        let (near, mut far) = tokio::io::duplex(100);
        let mut veiled = Veiled::new(near, &sasl);
        assert!(!format!("{veiled:?}").contains("eHh4"));
        let sent = tokio::spawn(async move {
            for part in [&b"A1 AUTHENTICATE XOAUTH2"[..], b"\r\n", b"c2FzbA==", b"\r\n", b"c2FzbA=="] {
                veiled.write_all(part).await.unwrap();
            }
        });
        let mut seen = String::new();
        far.read_to_string(&mut seen).await.unwrap();
        sent.await.unwrap();
        assert_eq!(seen, format!("A1 AUTHENTICATE XOAUTH2\r\n{}\r\nc2FzbA==", STANDARD.encode(sasl)));
    }
}
