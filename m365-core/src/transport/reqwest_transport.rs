use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::{Body, HttpTransport, TransportError, TransportErrorKind};
use crate::{Error, ErrorKind};

/// The shipped transport: one `reqwest` client, one connection pool, rustls, no redirects.
///
/// ```
/// use m365_core::transport::{ReqwestTransport, Transport};
/// let transport = Transport::new(ReqwestTransport::new()?);
/// # Ok::<(), m365_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl ReqwestTransport {
    /// A transport with the platform's trust store, 10 s to connect and 120 s without a byte before it gives up.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        Self::build(reqwest::Client::builder())
    }

    /// As [`new`](Self::new), past any proxy that the environment names: for addresses that only this machine can reach,
    /// such as its identity endpoint.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn without_proxy() -> Result<Self, Error> {
        Self::build(reqwest::Client::builder().no_proxy())
    }

    /// A transport that trusts these PEM certificates only, for a simulated tenant or a private proxy.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the text holds no certificate.
    pub fn with_only_roots(pem: &str) -> Result<Self, Error> {
        let roots = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| {
            Error::new(ErrorKind::InvalidInput, "the PEM text holds no readable certificate").with_source(e)
        })?;
        Self::build(reqwest::Client::builder().tls_certs_only(roots))
    }

    /// A transport around a client of your own. Switch its redirects off: a client that follows them would carry the
    /// token along.
    pub fn from_client(client: reqwest::Client) -> Self {
        Self { client }
    }

    fn build(builder: reqwest::ClientBuilder) -> Result<Self, Error> {
        builder
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(120))
            .pool_idle_timeout(Duration::from_secs(90))
            .referer(false)
            .retry(reqwest::retry::never())
            .build()
            .map(|client| Self { client })
            .map_err(|e| {
                Error::new(ErrorKind::Unsupported, "the HTTP client could not be set up").with_source(e)
            })
    }
}

impl HttpTransport for ReqwestTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(refused)?;
        let response: http::Response<reqwest::Body> =
            self.client.execute(request).await.map_err(refused)?.into();
        let (head, body) = response.into_parts();
        let stream = http_body_stream(body);
        Ok(http::Response::from_parts(head, Body::from_stream(stream)))
    }
}

fn http_body_stream(
    body: reqwest::Body,
) -> impl futures_core::Stream<Item = Result<Bytes, TransportError>> + Send + 'static {
    http_body_util::BodyDataStream::new(body).map_err(|e| {
        let kind =
            if e.is_decode() { TransportErrorKind::Undecodable } else { TransportErrorKind::Interrupted };
        TransportError::new(kind, "the response broke off").with_source(e.without_url())
    })
}

fn refused(error: reqwest::Error) -> TransportError {
    let (kind, text) = if error.is_builder() {
        (TransportErrorKind::NotSent, "the request could not be built")
    } else if error.is_connect() {
        (TransportErrorKind::NotSent, "no connection to the server")
    } else if error.is_timeout() {
        (TransportErrorKind::Timeout, "the server did not answer in time")
    } else {
        (TransportErrorKind::Interrupted, "the connection broke before the answer")
    };
    TransportError::new(kind, text).with_source(error.without_url())
}
