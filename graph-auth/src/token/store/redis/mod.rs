//! A [`TokenStore`](super::TokenStore) in Redis, for the processes of many machines.

mod address;
mod bounded;
mod connection;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use m365_core::{Error, Result};
use redis::{Cmd, Value};
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{LARGEST_RECORD, RecordName, TokenStore};
use address::{Address, Way};
use connection::{Connection, done, unexpected};

/// A connection that lay idle for longer is not used again: tokens are asked for about once an hour, and a firewall in
/// between may have forgotten it without telling anybody, which would look like a server that hangs.
const IDLE: Duration = Duration::from_secs(30);

/// Whoever holds a lease may end it, and nobody else: compared and deleted in one step.
///
/// <https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/>
const RELEASE: &str =
    "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0";

/// Shared tokens in a Redis server, or in what speaks its protocol (Valkey, Azure Cache for Redis): for instances on many
/// machines.
///
/// One connection, made at the first use and again after each failure; TLS by rustls. Records are `SET … PX`, leases
/// `SET … NX PX`. Whatever the server announces or sends, no answer beyond 64 KiB is taken. A single server is spoken to,
/// no cluster that redirects and no sentinel; in front of those, or with a pool of your own, implement [`TokenStore`].
///
/// A user with the commands `GETRANGE`, `SET`, `EVAL` with `GET` and `DEL`, `SELECT` if there is a database, and the keys
/// of the prefix is enough. Records need no persistence: what is lost is asked for again.
///
/// ```
/// use graph_auth::{RedisTokenStore, SharedTokens, StoreKey};
///
/// let url = "rediss://app:password@cache.example:6380/0".into(); // out of a vault
/// let store = RedisTokenStore::new(&url)?.with_prefix("acme:tokens:");
/// assert!(!format!("{store:?}").contains("password"));
/// let shared = SharedTokens::new(store, StoreKey::generate()?);
/// # drop(shared);
/// # Ok::<(), graph_auth::Error>(())
/// ```
pub struct RedisTokenStore {
    address: Address,
    tls: Arc<ClientConfig>,
    prefix: String,
    /// And when it was used last.
    connection: Mutex<Option<(Connection, Instant)>>,
}

impl RedisTokenStore {
    /// The server of this URL: `redis://[[user]:password@]host[:port][/database]`, the same with `rediss://` over TLS, or
    /// `unix:///path[?db=…&user=…&pass=…]`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is no such URL. No part of it is repeated.
    pub fn new(url: &SecretString) -> Result<Self> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Ok(Self {
            address: Address::parse(url)?,
            tls: config(roots)?,
            prefix: "m365-tokens:".to_owned(),
            connection: Mutex::new(None),
        })
    }

    /// Another beginning of every key than `m365-tokens:`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// These certificate authorities, in PEM, in place of those of the public web.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the text holds no certificate, or one that can be
    /// no root.
    pub fn with_roots(mut self, pem: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate =
                certificate.map_err(|e| Error::invalid("the PEM text cannot be read").with_source(e))?;
            roots
                .add(certificate)
                .map_err(|e| Error::invalid("a certificate cannot serve as a root").with_source(e))?;
        }
        if roots.is_empty() {
            return Err(Error::invalid("the PEM text holds no certificate"));
        }
        self.tls = config(roots)?;
        Ok(self)
    }

    fn key(&self, kind: &str, name: &RecordName) -> String {
        format!("{}{kind}:{name}", self.prefix)
    }

    async fn ask(&self, command: &Cmd) -> Result<Value> {
        let mut place = self.connection.lock().await;
        // Out of its place while it is in use: a caller who gives up leaves no half-read answer for the next one.
        if let Some((mut connection, used)) = place.take()
            && used.elapsed() < IDLE
            && let Ok(answer) = connection.ask(command).await
        {
            *place = Some((connection, Instant::now()));
            return Ok(answer);
        }
        // There was none, or an old one, or one that the server had closed. Every command of ours may be sent twice.
        let mut connection = Connection::open(&self.address, &self.tls).await?;
        let answer = connection.ask(command).await?;
        *place = Some((connection, Instant::now()));
        Ok(answer)
    }
}

impl TokenStore for RedisTokenStore {
    async fn load(&self, name: &RecordName) -> Result<Option<Bytes>> {
        let mut command = redis::cmd("GETRANGE");
        // One byte more than a record may have shows one that is too large, without taking it.
        command.arg(self.key("record", name)).arg(0).arg(LARGEST_RECORD);
        match self.ask(&command).await? {
            // GETRANGE does not tell an empty record from none; none of ours is empty.
            Value::Nil => Ok(None),
            Value::BulkString(bytes) if bytes.is_empty() => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes.into())),
            other => Err(unexpected(&other)),
        }
    }

    async fn save(&self, name: &RecordName, record: Bytes, life: Duration) -> Result<()> {
        let mut command = redis::cmd("SET");
        command.arg(self.key("record", name)).arg(&*record).arg("PX").arg(milliseconds(life));
        done(&self.ask(&command).await?)
    }

    async fn lease(&self, name: &RecordName, holder: &str, life: Duration) -> Result<bool> {
        let mut command = redis::cmd("SET");
        command.arg(self.key("lease", name)).arg(holder).arg("NX").arg("PX").arg(milliseconds(life));
        // Sent twice after a broken connection, the second finds the first: the lease then runs out.
        match self.ask(&command).await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            other => Err(unexpected(&other)),
        }
    }

    async fn release(&self, name: &RecordName, holder: &str) -> Result<()> {
        let mut command = redis::cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(self.key("lease", name)).arg(holder);
        match self.ask(&command).await? {
            Value::Int(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

impl fmt::Debug for RedisTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisTokenStore");
        match &self.address.way {
            Way::Tcp { host, port, tls } => shown.field("host", host).field("port", port).field("tls", tls),
            #[cfg(unix)]
            Way::Socket(path) => shown.field("socket", path),
        };
        shown.field("database", &self.address.database).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::invalid("TLS cannot be set up").with_source(e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// As PX takes it: at least one.
fn milliseconds(life: Duration) -> String {
    life.as_millis().max(1).to_string()
}

#[cfg(test)]
mod tests;
