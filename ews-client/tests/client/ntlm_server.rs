//! A server that signs connections in by NTLM, or by NTLM within SPNEGO.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sspi::{
    AuthIdentity, BufferType, DataRepresentation, Ntlm, SecurityBuffer, SecurityStatus, ServerRequestFlags,
    Sspi, SspiImpl, Username,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::help::envelope;

pub(crate) const USER: &str = "svc-calendar";
pub(crate) const PASSWORD: &str = "not a real one";

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connection: usize,
    /// Length of its body.
    pub(crate) body: usize,
    /// Whether it carried a token.
    pub(crate) token: bool,
    pub(crate) status: u16,
}

#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) spnego: bool,
    pub(crate) tls: Option<TlsAcceptor>,
    /// What the channel must be bound to.
    pub(crate) bindings: Option<Vec<u8>>,
    /// Closes each of the first so many connections after the first leg.
    pub(crate) hang_up: usize,
    /// Forgets who is signed in after each request.
    pub(crate) forgetful: bool,
    /// Closes a connection after the answer to a request.
    pub(crate) short: bool,
    /// Proves itself with a token that is none.
    pub(crate) spoiled: bool,
    /// Waits until it is let go before it answers a request that carries a body.
    pub(crate) slow: Option<Arc<tokio::sync::Semaphore>>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (setup, seen) = (setup.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    match &setup.tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                speak(TokioIo::new(stream), connection, setup, seen).await;
                            }
                        }
                        None => speak(TokioIo::new(stream), connection, setup, seen).await,
                    }
                });
            }
        });
        server
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Connection and status of each request.
    pub(crate) fn story(&self) -> Vec<(usize, u16)> {
        self.seen().iter().map(|seen| (seen.connection, seen.status)).collect()
    }
}

async fn speak<T>(io: T, connection: usize, setup: Setup, seen: Arc<Mutex<Vec<Seen>>>)
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let acceptor = Arc::new(Mutex::new(Acceptor::new(&setup)));
    let service = service_fn(|request: http::Request<Incoming>| {
        let (acceptor, setup, seen) = (Arc::clone(&acceptor), setup.clone(), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let sent = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            if let (Some(slow), false) = (&setup.slow, body.is_empty()) {
                slow.acquire().await.unwrap().forget();
            }
            let mut response = acceptor.lock().unwrap().answer(sent.as_deref(), &setup);
            let status = response.status().as_u16();
            seen.lock().unwrap().push(Seen { connection, body: body.len(), token: sent.is_some(), status });
            if (connection < setup.hang_up && status == 401) || (setup.short && status == 200) {
                response.headers_mut().insert("connection", "close".parse().unwrap());
            }
            Ok::<_, Infallible>(response)
        }
    });
    // How a connection ends is the client's to judge.
    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.ok();
}

/// The server's side of the sign-in of one connection.
struct Acceptor {
    context: Context,
    signed_in: bool,
}

enum Context {
    Ntlm(Box<Ntlm>),
    Spnego(Box<sspi::Negotiate>),
}

fn identity() -> AuthIdentity {
    AuthIdentity {
        username: Username::new(USER, Some("FABRIKAM")).unwrap(),
        password: PASSWORD.to_owned().into(),
    }
}

impl Acceptor {
    fn new(setup: &Setup) -> Self {
        let context = if setup.spnego {
            let ntlm = sspi::ntlm::NtlmConfig::new("MAIL".to_owned());
            let config =
                sspi::NegotiateConfig::new(Box::new(ntlm), Some("ntlm".to_owned()), "MAIL".to_owned());
            Context::Spnego(Box::new(sspi::Negotiate::new_server(config, vec![identity()]).unwrap()))
        } else {
            Context::Ntlm(Box::new(Ntlm::new()))
        };
        Self { context, signed_in: false }
    }

    fn answer(&mut self, sent: Option<&str>, setup: &Setup) -> http::Response<Full<Bytes>> {
        let scheme = if setup.spnego { "Negotiate" } else { "NTLM" };
        let response = |status: u16, token: Option<Vec<u8>>, body: String| {
            let challenge = match token {
                Some(token) if !token.is_empty() => Some(format!("{scheme} {}", STANDARD.encode(token))),
                _ if status == 401 => Some(scheme.to_owned()),
                _ => None,
            };
            let mut response = http::Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            if let Some(challenge) = challenge {
                response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
            }
            response.headers_mut().insert("content-type", "text/xml".parse().unwrap());
            response
        };
        let mut last = None;
        if let Some(sent) = sent {
            let token = STANDARD.decode(sent.strip_prefix(scheme).unwrap().trim()).unwrap();
            match self.accept(token, setup) {
                Ok((true, token)) => {
                    (self.signed_in, last) = (true, Some(if setup.spoiled { vec![0xFF; 16] } else { token }));
                }
                Ok((false, token)) => return response(401, Some(token), "who is it".repeat(100)),
                Err(_) => return response(401, None, String::new()),
            }
        }
        if !self.signed_in {
            return response(401, None, String::new());
        }
        self.signed_in = !setup.forgetful;
        let body = envelope(
            "",
            r#"<m:GetItemResponse><m:ResponseMessages><m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>1</m:Items></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse>"#,
        );
        response(200, last, body)
    }

    fn accept(&mut self, token: Vec<u8>, setup: &Setup) -> sspi::Result<(bool, Vec<u8>)> {
        let mut input = vec![SecurityBuffer::new(token, BufferType::Token)];
        if let Some(hash) = &setup.bindings {
            input.push(SecurityBuffer::new(bindings(hash), BufferType::ChannelBindings));
        }
        let mut output = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let status = match &mut self.context {
            Context::Ntlm(ntlm) => {
                let mut handle = Some(identity().into());
                step(&mut **ntlm, &mut handle, &mut input, &mut output)?
            }
            Context::Spnego(negotiate) => {
                let mut handle = Some(sspi::CredentialsBuffers::AuthIdentity(identity().into()));
                step(&mut **negotiate, &mut handle, &mut input, &mut output)?
            }
        };
        let done = !matches!(status, SecurityStatus::ContinueNeeded);
        Ok((done, output.remove(0).buffer))
    }
}

fn step<S: SspiImpl + Sspi>(
    context: &mut S,
    handle: &mut S::CredentialsHandle,
    input: &mut [SecurityBuffer],
    output: &mut [SecurityBuffer],
) -> sspi::Result<SecurityStatus> {
    let builder = context
        .accept_security_context()
        .with_credentials_handle(handle)
        .with_context_requirements(ServerRequestFlags::empty())
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(input)
        .with_output(output);
    let result = context.accept_security_context_impl(builder)?.resolve_to_result()?;
    if matches!(result.status, SecurityStatus::CompleteNeeded | SecurityStatus::CompleteAndContinue) {
        context.complete_auth_token(output)?;
    }
    Ok(result.status)
}

fn bindings(hash: &[u8]) -> Vec<u8> {
    let data = [b"tls-server-end-point:".as_slice(), hash].concat();
    let mut bytes = vec![0; 24];
    bytes.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&32_u32.to_le_bytes());
    [bytes, data].concat()
}
