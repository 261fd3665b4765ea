//! Connections that are signed in, as NTLM and Negotiate have it: not the request is authenticated, but the socket. So the
//! whole handshake runs on one, and no transport that pools sockets as it likes can carry it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use m365_core::{Acted, Body, Error, ErrorKind, Result, TransportError, TransportErrorKind};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::debug;
use url::Url;

use super::tls;
use crate::EwsEndpoint;
use crate::auth::handshake::{Account, Handshake, LONGEST_TOKEN, Mechanism, channel_bindings};

/// Idle connections kept. Servers allow ten or twenty-seven requests at a time, most callers use a few.
const MOST_IDLE: usize = 8;

/// Idle for longer, a connection may be closed by the other side at the moment that a request leaves.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

const CONNECT: Duration = Duration::from_secs(10);

/// Legs of a handshake; NTLM has two, Kerberos one or two.
const MOST_LEGS: usize = 6;

/// How much of a refusal is read so that the connection can go on.
const REFUSAL: usize = 256 << 10;

type Request = http::Request<Full<Bytes>>;
type Sender = http1::SendRequest<Full<Bytes>>;

/// The connections of one identity to one endpoint. Another client has others, so no identity ever uses those of another.
pub(super) struct Bound {
    host: String,
    port: u16,
    path: String,
    tls: Option<TlsConnector>,
    mechanism: Mechanism,
    account: Account,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct Idle(Mutex<Vec<(Sender, Instant)>>);

impl Idle {
    fn take(&self) -> Option<Sender> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() < LONGEST_IDLE && !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, sender: Sender) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
    }
}

impl Bound {
    pub(super) fn new(
        endpoint: &EwsEndpoint,
        mechanism: Mechanism,
        account: Account,
        roots: Option<&str>,
    ) -> Result<Self> {
        let url = endpoint.url();
        let host = url.host_str().ok_or_else(|| Error::invalid("the address names no host"))?;
        let tls = if url.scheme() == "https" { Some(tls::connector(roots)?) } else { None };
        Ok(Self {
            host: host.to_owned(),
            port: url.port_or_known_default().unwrap_or(443),
            path: path(url),
            tls,
            mechanism,
            account,
            idle: Arc::default(),
        })
    }

    pub(super) async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>> {
        let (head, body) = request.into_parts();
        while let Some(mut sender) = self.idle.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            let again = self.request(&head.headers, body.clone())?;
            match sender.try_send_request(again).await {
                // The server forgot who we are: a handshake on a connection of its own.
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => break,
                Ok(response) => return Ok(self.handed_out(response, sender)),
                Err(mut error) => {
                    // Closed before anything left: the next one.
                    if error.take_message().is_none() {
                        return Err(broken(error.into_error()));
                    }
                }
            }
        }
        self.sign_in(&head.headers, body).await
    }

    /// The whole handshake on one new connection, the request with its last leg.
    async fn sign_in(&self, headers: &HeaderMap, body: Bytes) -> Result<http::Response<Body>> {
        let (mut sender, certificate) = self.connect().await?;
        let bindings = certificate.map(|hash| channel_bindings(&hash));
        let handshake = Handshake::new(&self.mechanism, &self.account, &self.host, bindings)?;
        let (mut handshake, mut token) = handshake.next(Vec::new()).await?;
        // A large request is not sent twice: the first leg of NTLM never is the last.
        let mut with_body = handshake.may_end_at_once();
        for _ in 0..MOST_LEGS {
            sender.ready().await.map_err(|e| closed(&e))?;
            let mut request = self.request(headers, if with_body { body.clone() } else { Bytes::new() })?;
            request.headers_mut().insert(AUTHORIZATION, self.authorization(&token)?);
            let sent_body = with_body;
            let response = match sender.send_request(request).await {
                Ok(response) => response,
                Err(error) if sent_body => return Err(broken(error)),
                Err(error) => return Err(closed(&error)),
            };
            let challenge = self.challenge(response.headers());
            let Some(challenge) = challenge.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
                return self.signed_in(response, sender, handshake, sent_body).await;
            };
            if handshake.is_done() {
                return Ok(self.handed_out(response, sender));
            }
            drain(response).await?;
            (handshake, token) = handshake.next(challenge).await?;
            with_body = true;
        }
        Err(Error::new(ErrorKind::Authentication, "the server goes on asking for tokens")
            .with_acted(Acted::No))
    }

    async fn signed_in(
        &self,
        response: http::Response<Incoming>,
        sender: Sender,
        handshake: Handshake,
        sent_body: bool,
    ) -> Result<http::Response<Body>> {
        let last = self.challenge(response.headers()).filter(|token| !token.is_empty());
        if response.status() == StatusCode::UNAUTHORIZED || (!sent_body && !handshake.is_done()) {
            // Refused, or answered by somebody who asked for nothing: the caller judges it.
            return Ok(self.handed_out_once(response, sender));
        }
        if let Some(token) = last.filter(|_| !handshake.is_done()) {
            // The server proves itself, too. When it cannot, it has read the request all the same.
            handshake.next(token).await.map_err(|error| error.with_acted(Acted::Unknown))?;
        }
        debug!("the connection is signed in");
        Ok(self.handed_out(response, sender))
    }

    fn request(&self, headers: &HeaderMap, body: Bytes) -> Result<Request> {
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() =
            self.path.parse().map_err(|_| Error::invalid("the address cannot stand in a request"))?;
        *request.headers_mut() = headers.clone();
        let usual = if self.tls.is_some() { 443 } else { 80 };
        let host =
            if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) };
        let host =
            HeaderValue::try_from(host).map_err(|_| Error::invalid("the host cannot stand in a header"))?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(CONTENT_LENGTH, length);
        Ok(request)
    }

    fn authorization(&self, token: &[u8]) -> Result<HeaderValue> {
        let mut value =
            HeaderValue::try_from(format!("{} {}", self.mechanism.name(), STANDARD.encode(token)))
                .map_err(|_| Error::invalid("the token cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The token that the server sends for our scheme: `None` when it names the scheme alone, or not at all.
    fn challenge(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| {
            let (scheme, token) = value.to_str().ok()?.trim_ascii().split_once(' ')?;
            if !scheme.eq_ignore_ascii_case(self.mechanism.name()) || token.len() > LONGEST_TOKEN {
                return None;
            }
            STANDARD.decode(token.trim_ascii()).ok()
        })
    }

    async fn connect(&self) -> Result<(Sender, Option<Vec<u8>>)> {
        tokio::time::timeout(CONNECT, self.connected()).await.unwrap_or_else(|_| {
            Err(TransportError::new(TransportErrorKind::NotSent, "no connection to the server in time")
                .into())
        })
    }

    async fn connected(&self) -> Result<(Sender, Option<Vec<u8>>)> {
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await.map_err(not_sent)?;
        stream.set_nodelay(true).map_err(not_sent)?;
        match &self.tls {
            None => Ok((spoken(TokioIo::new(stream)).await?, None)),
            Some(tls) => {
                let name = rustls::pki_types::ServerName::try_from(host.to_owned())
                    .map_err(|_| Error::invalid("the host is no name that a certificate can bear"))?;
                let stream = tls.connect(name, stream).await.map_err(not_sent)?;
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let hash = certificate.map(|certificate| tls::end_point(certificate));
                Ok((spoken(TokioIo::new(stream)).await?, hash))
            }
        }
    }

    /// The answer; its connection comes back once the body was read to its end.
    fn handed_out(&self, response: http::Response<Incoming>, sender: Sender) -> http::Response<Body> {
        if response.status() == StatusCode::UNAUTHORIZED {
            return self.handed_out_once(response, sender);
        }
        with_body(response, sender, Some(Arc::clone(&self.idle)))
    }

    /// The answer of a connection that nobody is signed in on.
    fn handed_out_once(&self, response: http::Response<Incoming>, sender: Sender) -> http::Response<Body> {
        with_body(response, sender, None)
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("mechanism", &self.mechanism.name()).finish_non_exhaustive()
    }
}

fn path(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

async fn spoken<T>(io: T) -> Result<Sender>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await.map_err(not_sent)?;
    // It ends when the sender and the body are gone.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "the connection ended");
        }
    });
    Ok(sender)
}

fn with_body(
    response: http::Response<Incoming>,
    sender: Sender,
    idle: Option<Arc<Idle>>,
) -> http::Response<Body> {
    let (head, body) = response.into_parts();
    let stream = http_body_util::BodyDataStream::new(body);
    let chunks =
        futures_util::stream::unfold((stream, sender, idle), |(mut stream, sender, idle)| async move {
            match stream.next().await {
                Some(chunk) => {
                    let chunk = chunk.map_err(|error| {
                        TransportError::new(TransportErrorKind::Interrupted, "the response broke off")
                            .with_source(error)
                    });
                    Some((chunk, (stream, sender, idle)))
                }
                None => {
                    if let Some(idle) = idle {
                        idle.put(sender);
                    }
                    None
                }
            }
        });
    http::Response::from_parts(head, Body::from_stream(chunks))
}

/// Reads a refusal to its end, so that the same connection carries the next leg.
async fn drain(response: http::Response<Incoming>) -> Result<()> {
    Limited::new(response.into_body(), REFUSAL).collect().await.map(drop).map_err(|_| {
        let text = "the server broke off in the middle of the sign-in";
        TransportError::new(TransportErrorKind::NotSent, text).into()
    })
}

fn not_sent(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    TransportError::new(TransportErrorKind::NotSent, "no connection to the server").with_source(error).into()
}

/// Nothing of the request itself had left.
fn closed(error: &hyper::Error) -> Error {
    let text = "the server closed the connection in the middle of the sign-in";
    debug!(%error, "{text}");
    TransportError::new(TransportErrorKind::NotSent, text).into()
}

fn broken(error: hyper::Error) -> Error {
    TransportError::new(TransportErrorKind::Interrupted, "the connection broke before the answer")
        .with_source(error)
        .into()
}
