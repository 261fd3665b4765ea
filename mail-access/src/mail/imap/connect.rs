use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use m365_core::{AccessToken, Acted, Error, ErrorKind, MailboxAddress, Result};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::ImapServer;
use super::refusal::classify;
use super::sasl::{Xoauth2, xoauth2};
use super::veil::Veiled;

pub(super) type Session = async_imap::Session<Veiled<TlsStream<TcpStream>>>;

/// How long greeting and login may take together, and any later answer without content.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Which certificate authorities an IMAP connection trusts.
#[derive(Clone)]
pub struct TlsRoots(Arc<RootCertStore>);

impl TlsRoots {
    /// Those of the public web, as Mozilla keeps them.
    pub fn public_web() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }

    /// These PEM certificates only.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the text holds no certificate.
    pub fn only(pem: &str) -> Result<Self> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let unreadable = |_| Error::invalid("the PEM text holds an unreadable certificate");
            store
                .add(certificate.map_err(unreadable)?)
                .map_err(|_| Error::invalid("a certificate cannot serve as a root"))?;
        }
        if store.is_empty() {
            return Err(Error::invalid("the PEM text holds no certificate"));
        }
        Ok(Self(Arc::new(store)))
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsRoots({})", self.0.len())
    }
}

/// Connects, and logs in as the app for this mailbox.
pub(super) async fn login(
    server: &ImapServer,
    mailbox: &MailboxAddress,
    token: &AccessToken,
) -> Result<Session> {
    let late =
        |_| Error::new(ErrorKind::Timeout, "the IMAP server did not answer in time").with_transient(true);
    tokio::time::timeout(PATIENCE, dialogue(server, mailbox, token)).await.map_err(late)?
}

async fn dialogue(server: &ImapServer, mailbox: &MailboxAddress, token: &AccessToken) -> Result<Session> {
    let unreachable = |text: &str| Error::new(ErrorKind::Network, text).with_acted(Acted::No);
    let name = ServerName::try_from(server.address.host.clone())
        .map_err(|_| Error::invalid("the IMAP host is not a DNS name or address"))?;
    let tcp = TcpStream::connect((server.address.host.as_str(), server.address.port))
        .await
        .map_err(|e| unreachable("no connection to the IMAP server").with_source(e))?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::Unsupported, "TLS cannot be set up").with_source(e))?
        .with_root_certificates(Arc::clone(&server.roots.0))
        .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|e| {
        unreachable("the TLS handshake with the IMAP server failed").with_source(e).with_transient(false)
    })?;

    let mut client = async_imap::Client::new(Veiled::new(stream, &xoauth2(mailbox, token.expose_secret())));
    client
        .read_response()
        .await
        .map_err(|e| classify(e.into(), "greet"))?
        .ok_or_else(|| unreachable("the IMAP server closed the connection before its greeting"))?;
    client.authenticate("XOAUTH2", Xoauth2::default()).await.map_err(|(e, _)| classify(e, "log in"))
}
