//! The listeners: http, https, IMAP over TLS, and SMTP with STARTTLS.

use std::{net::SocketAddr, sync::Arc};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{Peer, Shared};
use crate::ews::{Site, door};
use crate::{StartError, imap, smtp};

/// A certificate for loopback from a CA of its own; both live as long as the tenant.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    http: Arc<ServerConfig>,
    /// For NTLM, which wants a connection of its own.
    http_one: Arc<ServerConfig>,
    /// Channel binding `tls-server-end-point` of the certificate.
    end_point: Vec<u8>,
    /// For the protocols that are spoken in lines.
    lines: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn generate() -> Result<Self, StartError> {
        let tls = |error: rcgen::Error| StartError::Tls(error.to_string());
        let ca_key = KeyPair::generate().map_err(tls)?;
        let mut ca = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "Simulated tenant CA");
        ca.distinguished_name = name;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.use_authority_key_identifier_extension = true;
        let ca_certificate = ca.self_signed(&ca_key).map_err(tls)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().map_err(tls)?;
        let mut leaf =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).map_err(tls)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "localhost");
        leaf.distinguished_name = name;
        // OpenSSL 3 in strict mode wants the key identifier of the issuer in the leaf.
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &issuer).map_err(tls)?;

        let config = |alpn: &[&[u8]]| -> Result<Arc<ServerConfig>, StartError> {
            let tls = |error: rustls::Error| StartError::Tls(error.to_string());
            let private =
                PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| StartError::Tls(e.to_owned()))?;
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(tls)?
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], private)
                .map_err(tls)?;
            config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
            Ok(Arc::new(config))
        };
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
        Ok(Self {
            ca_pem: ca_certificate.pem(),
            http: config(&[b"h2", b"http/1.1"])?,
            http_one: config(&[b"http/1.1"])?,
            lines: config(&[])?,
            end_point: [b"tls-server-end-point:", digest.as_ref()].concat(),
        })
    }
}

/// A listener that ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn http(port: u16, shared: &Arc<Shared>) -> Result<Listening, StartError> {
    let shared = Arc::clone(shared);
    accept(port, move |stream| {
        let shared = Arc::clone(&shared);
        async move { connection(stream, Peer::cloud("http"), shared).await }
    })
    .await
}

/// The door of the organisation's own Exchange server, without and with TLS. HTTP/1.1 alone.
pub(crate) async fn on_premises(port: u16, shared: &Arc<Shared>) -> Result<Listening, StartError> {
    let shared = Arc::clone(shared);
    accept(port, move |stream| {
        let shared = Arc::clone(&shared);
        let peer = Peer { scheme: "http", site: Site::OnPremises, connection: door::Connection::default() };
        async move { connection(stream, peer, shared).await }
    })
    .await
}

pub(crate) async fn on_premises_tls(
    port: u16,
    identity: &Identity,
    shared: &Arc<Shared>,
) -> Result<Listening, StartError> {
    let (shared, acceptor) = (Arc::clone(shared), TlsAcceptor::from(Arc::clone(&identity.http_one)));
    let end_point = identity.end_point.clone();
    accept(port, move |stream| {
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        let connected = door::Connection::over_tls(&end_point);
        let peer = Peer { scheme: "https", site: Site::OnPremises, connection: connected };
        async move {
            match acceptor.accept(stream).await {
                Ok(stream) => connection(stream, peer, shared).await,
                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
            }
        }
    })
    .await
}

pub(crate) async fn https(
    port: u16,
    identity: &Identity,
    shared: &Arc<Shared>,
) -> Result<Listening, StartError> {
    let (shared, acceptor) = (Arc::clone(shared), TlsAcceptor::from(Arc::clone(&identity.http)));
    accept(port, move |stream| {
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        async move {
            match acceptor.accept(stream).await {
                Ok(stream) => connection(stream, Peer::cloud("https"), shared).await,
                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
            }
        }
    })
    .await
}

pub(crate) async fn imaps(
    port: u16,
    identity: &Identity,
    shared: &Arc<Shared>,
) -> Result<Listening, StartError> {
    let (shared, acceptor) = (Arc::clone(shared), TlsAcceptor::from(Arc::clone(&identity.lines)));
    accept(port, move |stream| {
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        async move {
            match acceptor.accept(stream).await {
                Ok(stream) => imap::serve(stream, shared).await,
                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
            }
        }
    })
    .await
}

pub(crate) async fn smtp(
    port: u16,
    identity: &Identity,
    shared: &Arc<Shared>,
) -> Result<Listening, StartError> {
    let (shared, acceptor) = (Arc::clone(shared), TlsAcceptor::from(Arc::clone(&identity.lines)));
    accept(port, move |stream| smtp::serve(stream, acceptor.clone(), Arc::clone(&shared))).await
}

async fn accept<F, Fut>(port: u16, serve: F) -> Result<Listening, StartError>
where
    F: Fn(tokio::net::TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(StartError::Listen)?;
    let addr = listener.local_addr().map_err(StartError::Listen)?;
    let task = tokio::spawn(async move {
        // Dropped with this task: the connections end together with their listener.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    if stream.set_nodelay(true).is_ok() {
                        connections.spawn(serve(stream));
                    }
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    });
    Ok(Listening { addr, task })
}

async fn connection<S>(stream: S, peer: Peer, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut end = shared.connections_end();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (shared, peer) = (Arc::clone(&shared), peer.clone());
        // An error of the service makes hyper end the connection (h2: the stream) without an answer.
        async move { shared.serve(&peer, request).await }
    });
    let builder = Builder::new(TokioExecutor::new());
    tokio::select! {
        served = builder.serve_connection(TokioIo::new(stream), service) => {
            if let Err(error) = served {
                tracing::debug!(%error, "connection ended");
            }
        }
        _ = end.changed() => tracing::debug!("connection cut"),
    }
}
