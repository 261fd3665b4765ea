//! One connection to Redis.

use std::sync::Arc;

use m365_core::{Error, ErrorKind, Result};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::{Address, Way};
use super::resp::{self, Reply};

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Logged in, and with no answer outstanding. A connection on which an exchange was not finished must be dropped: the
/// next answer on it would be the last question's.
pub(super) struct Connection(BufReader<Box<dyn Stream>>);

impl Connection {
    pub(super) async fn open(address: &Address, tls: &Arc<ClientConfig>) -> Result<Self> {
        let unreachable = |e| Error::new(ErrorKind::Network, "Redis cannot be reached").with_source(e);
        let stream: Box<dyn Stream> = match &address.way {
            Way::Tcp { host, port, tls: wrapped } => {
                let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                // Small questions are not to wait for each other.
                tcp.set_nodelay(true).map_err(unreachable)?;
                if *wrapped {
                    let name = ServerName::try_from(host.clone()).map_err(|e| {
                        Error::invalid("the Redis host is no name that a certificate can have").with_source(e)
                    })?;
                    let wrapped =
                        TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(unreachable)?;
                    Box::new(wrapped)
                } else {
                    Box::new(tcp)
                }
            }
            #[cfg(unix)]
            Way::Socket(path) => Box::new(tokio::net::UnixStream::connect(path).await.map_err(unreachable)?),
        };
        let mut connection = Self(BufReader::with_capacity(4096, stream));
        if let Some(password) = &address.login.password {
            let password = password.expose_secret().as_bytes();
            let answer = match &address.login.user {
                Some(user) => connection.ask(&[b"AUTH", user.as_bytes(), password]).await?,
                None => connection.ask(&[b"AUTH", password]).await?,
            };
            done(answer)?;
        }
        if address.database != 0 {
            done(connection.ask(&[b"SELECT", address.database.to_string().as_bytes()]).await?)?;
        }
        Ok(connection)
    }

    /// One question and its answer. Not to be used again after an error, nor when it was dropped halfway.
    pub(super) async fn ask(&mut self, parts: &[&[u8]]) -> Result<Reply> {
        let command = resp::command(parts);
        self.0.write_all(&command).await.map_err(resp::lost)?;
        self.0.flush().await.map_err(resp::lost)?;
        resp::reply(&mut self.0).await
    }
}

/// The answer to a command that has nothing to tell.
pub(super) fn done(answer: Reply) -> Result<()> {
    match answer {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// An answer that is not what was asked for: a refusal, or something the command cannot have.
pub(super) fn unexpected(answer: &Reply) -> Error {
    match answer {
        Reply::Refused(word) => {
            let kind = match word.as_str() {
                "NOAUTH" | "WRONGPASS" | "NOPERM" => ErrorKind::Authentication,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, format!("Redis refuses: {word}")).with_code(word)
        }
        _ => resp::nonsense("an answer that does not fit the command"),
    }
}
