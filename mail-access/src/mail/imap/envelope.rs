use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroizing;

/// A connection that puts the token in on the way out. The IMAP library writes each of its commands into the log at
/// trace level, the answer to `AUTHENTICATE` included: so it is given a stand-in, and only this stream knows what goes in
/// its place.
#[derive(Debug)]
pub(super) struct Envelope<S> {
    stream: S,
    sealed: Option<Sealed>,
}

struct Sealed {
    stand_in: String,
    content: Zeroizing<String>,
    written: usize,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed")
    }
}

impl<S> Envelope<S> {
    /// A connection that sends base64 of `content` once, where base64 of `stand_in` is written in one piece.
    pub(super) fn new(stream: S, stand_in: &[u8], content: &[u8]) -> Self {
        let sealed = Sealed {
            stand_in: STANDARD.encode(stand_in),
            content: Zeroizing::new(STANDARD.encode(content)),
            written: 0,
        };
        Self { stream, sealed: Some(sealed) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Envelope<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(sealed) = this.sealed.as_mut().filter(|s| s.stand_in.as_bytes() == bytes) else {
            return Pin::new(&mut this.stream).poll_write(cx, bytes);
        };
        while let Some(rest) = sealed.content.as_bytes().get(sealed.written..).filter(|r| !r.is_empty()) {
            match ready!(Pin::new(&mut this.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => sealed.written += written,
            }
        }
        this.sealed = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Envelope<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_content_goes_out_once_in_place_of_the_stand_in() {
        // A pipe of three bytes: every write is cut into many.
        let (near, mut far) = tokio::io::duplex(3);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all
        });
        let mut envelope = Envelope::new(near, b"stand-in", b"the token");
        assert!(!format!("{envelope:?}").contains("token"));
        let stand_in = STANDARD.encode(b"stand-in");
        for piece in ["A1 AUTHENTICATE XOAUTH2\r\n", &stand_in, "\r\n", &stand_in] {
            envelope.write_all(piece.as_bytes()).await.unwrap();
        }
        envelope.shutdown().await.unwrap();
        drop(envelope);
        let sent = String::from_utf8(reader.await.unwrap()).unwrap();
        let token = STANDARD.encode(b"the token");
        assert_eq!(sent, format!("A1 AUTHENTICATE XOAUTH2\r\n{token}\r\n{stand_in}"));
    }
}
