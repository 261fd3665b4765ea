use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::Uri;
use url::{Position, Url};

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
    origins: Arc<RwLock<Vec<Url>>>,
}

/// A product talks to the three hosts of a cloud, and to a few regional ones.
const MOST_ORIGINS: usize = 16;

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
        Self { client, origins: Arc::default() }
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
            .map(Self::from_client)
            .map_err(|e| {
                Error::new(ErrorKind::Unsupported, "the HTTP client could not be set up").with_source(e)
            })
    }
}

impl ReqwestTransport {
    /// The URL that reqwest wants. Scheme and host are most of the work of parsing one, and they are always the same few.
    fn url(&self, uri: &Uri) -> Result<Url, TransportError> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(TransportError::new(
                TransportErrorKind::NotSent,
                "the request's URL is not absolute",
            ));
        };
        let is_of = |origin: &Url| {
            let rest = origin[..Position::BeforePath].strip_prefix(scheme);
            rest.and_then(|rest| rest.strip_prefix("://")) == Some(authority.as_str())
        };
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        let known = origins.iter().find(|origin| is_of(origin)).cloned();
        drop(origins);
        if let Some(mut url) = known {
            url.set_path(uri.path());
            url.set_query(uri.query());
            return Ok(url);
        }
        let url = Url::parse(&uri.to_string()).map_err(|e| {
            TransportError::new(TransportErrorKind::NotSent, "the request's URL is none").with_source(e)
        })?;
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        if origins.len() < MOST_ORIGINS && is_of(&url) && !origins.iter().any(is_of) {
            let mut origin = url.clone();
            origin.set_path("/");
            origin.set_query(None);
            origins.push(origin);
        }
        Ok(url)
    }
}

impl HttpTransport for ReqwestTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        let (head, body) = request.into_parts();
        let mut request = reqwest::Request::new(head.method, self.url(&head.uri)?);
        *request.headers_mut() = head.headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_origin_remembered_gives_the_same_url(
            paths in proptest::collection::vec("(/[a-zA-Z0-9%2eE.$()'@ü|;:,=+-]{0,6}){0,4}(\\?[a-z0-9%$='(){}|&/?]{0,12})?", 1..6),
            host in proptest::sample::select(vec![
                "https://graph.microsoft.com", "http://127.0.0.1:8080", "https://graph.microsoft.com:443",
                "HTTPS://Graph.Microsoft.COM", "https://[::1]:9", "https://user@graph.microsoft.com",
            ]),
        ) {
            let transport = ReqwestTransport::from_client(reqwest::Client::new());
            for path in paths {
                let Ok(uri) = format!("{host}{path}").parse::<Uri>() else { continue };
                for _ in 0..2 {
                    proptest::prop_assert_eq!(transport.url(&uri).ok(), Url::parse(&uri.to_string()).ok());
                }
            }
        }
    }

    #[test]
    fn relative_addresses_are_not_sent() {
        let transport = ReqwestTransport::from_client(reqwest::Client::new());
        let error = transport.url(&Uri::from_static("/v1.0/users")).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::NotSent);
    }
}
