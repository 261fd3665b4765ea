//! The transport seam: one request in, one response with a streamed, size-limited body out.

#[cfg(feature = "reqwest")]
mod reqwest_transport;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt as _;

use crate::{Acted, Error, ErrorKind};

#[cfg(feature = "reqwest")]
pub use reqwest_transport::ReqwestTransport;

/// Sends HTTP requests. No retry, no redirect following, no authentication: those live above, in the pipeline.
///
/// Implementors write an `async fn`; users hold a [`Transport`].
///
/// # What an error means for a retry
/// [`TransportErrorKind::NotSent`] lets the pipeline repeat any call; every other kind lets it repeat idempotent calls
/// only, because the server may have acted.
pub trait HttpTransport: fmt::Debug + Send + Sync + 'static {
    /// Sends one request and returns as soon as the response's head is there.
    ///
    /// # Errors
    /// [`TransportError`], without the URL in its text.
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> impl Future<Output = Result<http::Response<Body>, TransportError>> + Send;
}

/// A cheap handle to any [`HttpTransport`].
#[derive(Clone)]
pub struct Transport(Arc<dyn dynamic::HttpTransport>);

impl Transport {
    /// A handle to this transport.
    pub fn new(transport: impl HttpTransport) -> Self {
        Self(Arc::new(transport))
    }

    /// See [`HttpTransport::send`].
    ///
    /// # Errors
    /// Those of the transport behind it.
    pub async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        self.0.send(request).await
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A response body as a stream of chunks.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>);

impl Body {
    /// A body made of a stream.
    pub fn from_stream(stream: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// A body that is already there.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::from_stream(futures_util::stream::once(async move { Ok(bytes) }))
    }

    /// The same body, broken off with [`TransportErrorKind::TooLarge`] before it has given more than `max` bytes.
    ///
    /// ```
    /// use futures_util::TryStreamExt as _;
    /// use m365_core::{Body, TransportErrorKind};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let error = Body::from_bytes("123456789").limited(8).try_next().await.unwrap_err();
    /// assert_eq!(error.kind(), TransportErrorKind::TooLarge);
    /// # });
    /// ```
    #[must_use]
    pub fn limited(self, max: usize) -> Self {
        Self::from_stream(futures_util::stream::try_unfold(
            (self, 0usize),
            move |(mut body, seen)| async move {
                let Some(chunk) = body.0.next().await.transpose()? else { return Ok(None) };
                let seen = seen.saturating_add(chunk.len());
                if seen > max { Err(too_large(max)) } else { Ok(Some((chunk, (body, seen)))) }
            },
        ))
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// [`TransportErrorKind::TooLarge`] past `limit` bytes (memory stays below it), or what the connection gives.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        let mut total = 0usize;
        while let Some(chunk) = self.0.next().await {
            let chunk = chunk?;
            total = total.saturating_add(chunk.len());
            if total > limit {
                return Err(too_large(limit));
            }
            match (&first, rest.is_empty()) {
                (None, true) => first = Some(chunk),
                (Some(head), true) => {
                    rest.extend_from_slice(head);
                    rest.extend_from_slice(&chunk);
                }
                _ => rest.extend_from_slice(&chunk),
            }
        }
        Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
    }
}

fn too_large(limit: usize) -> TransportError {
    TransportError::new(TransportErrorKind::TooLarge, format!("the response is larger than {limit} bytes"))
}

impl Stream for Body {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// How a transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The request did not reach the server: DNS, connect, TLS, or the request could not be built.
    NotSent,
    /// No answer in time; the server may have acted.
    Timeout,
    /// The connection broke after the request was sent; the server may have acted.
    Interrupted,
    /// The body could not be decoded.
    Undecodable,
    /// The body is larger than allowed.
    TooLarge,
}

/// A transport failure. Its text holds no URL and no header.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    kind: TransportErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TransportError {
    /// A failure of this kind.
    pub fn new(kind: TransportErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: crate::redact::line(message.as_ref()), source: None }
    }

    /// The error underneath; it must not hold a URL either.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How it failed.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        let (kind, acted) = match error.kind {
            TransportErrorKind::NotSent => (ErrorKind::Network, Acted::No),
            TransportErrorKind::Timeout => (ErrorKind::Timeout, Acted::Unknown),
            TransportErrorKind::Interrupted => (ErrorKind::Network, Acted::Unknown),
            TransportErrorKind::Undecodable => (ErrorKind::InvalidResponse, Acted::Unknown),
            TransportErrorKind::TooLarge => (ErrorKind::Limit, Acted::Unknown),
        };
        let transient = matches!(kind, ErrorKind::Network | ErrorKind::Timeout);
        Self::new(kind, &error.message).with_acted(acted).with_transient(transient).with_source(error)
    }
}

mod dynamic {
    use std::fmt;

    use bytes::Bytes;

    use super::{Body, TransportError};

    #[async_trait::async_trait]
    pub(super) trait HttpTransport: fmt::Debug + Send + Sync {
        async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError>;
    }

    #[async_trait::async_trait]
    impl<T: super::HttpTransport> HttpTransport for T {
        async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
            super::HttpTransport::send(self, request).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_larger_than_its_limit_is_cut_off_while_streaming() {
        let endless = futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[0; 1024])));
        let error = Body::from_stream(endless).collect(10_000).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn a_limited_stream_ends_before_its_limit_is_passed() {
        let endless = futures_util::stream::repeat_with(|| Ok(Bytes::from_static(&[0; 1024])));
        let chunks: Vec<_> =
            futures_util::StreamExt::collect(Body::from_stream(endless).limited(10_000)).await;
        let (last, flowed) = chunks.split_last().unwrap();
        assert_eq!(flowed.iter().map(|c| c.as_ref().unwrap().len()).sum::<usize>(), 9 * 1024);
        assert_eq!(last.as_ref().unwrap_err().kind(), TransportErrorKind::TooLarge);
        assert_eq!(Body::from_bytes("12345678").limited(8).collect(10).await.unwrap(), "12345678");
    }

    #[tokio::test]
    async fn chunks_are_joined_in_order() {
        let parts = futures_util::stream::iter(["a", "", "bc", "d"].map(|p| Ok(Bytes::from(p))));
        assert_eq!(Body::from_stream(parts).collect(10).await.unwrap(), "abcd");
    }
}
