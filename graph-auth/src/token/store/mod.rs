//! Tokens that several processes share: the seam to where they lie, and all that must not be left to who implements it.

#[cfg(feature = "file-store")]
mod file;
mod invalidations;
mod key;
#[cfg(feature = "redis-store")]
mod redis;
mod seal;
mod shared;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use m365_core::Result;

#[cfg(feature = "file-store")]
pub use file::FileTokenStore;
pub(super) use invalidations::Invalidations;
pub use key::StoreKey;
#[cfg(feature = "redis-store")]
pub use redis::RedisTokenStore;
pub(super) use seal::identity;
pub use shared::SharedTokens;
pub(super) use shared::Wanted;

/// Largest record that is written or read, in bytes. An app-only token has two to ten thousand.
const LARGEST_RECORD: usize = 64 * 1024;

/// Under which name a record lies: 64 hexadecimal digits, so it can stand in a file name or a key. It is a keyed hash and
/// says nothing about tenant or app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordName(String);

impl RecordName {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where records of shared tokens lie: Redis, a directory, a table. Wrap it in [`SharedTokens`].
///
/// Records are sealed before they come here: a store sees no token, no tenant and no app, and nothing that it gives back
/// is believed before it was opened. An error, a slow answer or nonsense costs the sharing only, so a store should not
/// retry and should return at once what it cannot do. Any call may be dropped before it is finished.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use graph_auth::{RecordName, Result, TokenStore};
///
/// /// For several credentials in one process.
/// #[derive(Debug, Default)]
/// struct Memory {
///     records: Mutex<HashMap<RecordName, Bytes>>,
///     leases: Mutex<HashMap<RecordName, String>>,
/// }
///
/// impl TokenStore for Memory {
///     async fn load(&self, name: &RecordName) -> Result<Option<Bytes>> {
///         Ok(self.records.lock().unwrap().get(name).cloned())
///     }
///
///     async fn save(&self, name: &RecordName, record: Bytes, _life: Duration) -> Result<()> {
///         self.records.lock().unwrap().insert(name.clone(), record);
///         Ok(())
///     }
///
///     async fn lease(&self, name: &RecordName, holder: &str, _life: Duration) -> Result<bool> {
///         let mut leases = self.leases.lock().unwrap();
///         Ok(leases.entry(name.clone()).or_insert_with(|| holder.to_owned()) == holder)
///     }
///
///     async fn release(&self, name: &RecordName, holder: &str) -> Result<()> {
///         self.leases.lock().unwrap().retain(|leased, by| leased != name || by != holder);
///         Ok(())
///     }
/// }
/// ```
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// The record of this name as it was saved last; none when there is none. A record of more than 64 KiB may be refused
    /// with an error: none of ours is larger.
    ///
    /// # Errors
    /// Any: the store is then left alone for a while.
    fn load(&self, name: &RecordName) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// Puts a record there in place of the one before, whole or not at all. After `life` it may be thrown away.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn save(
        &self,
        name: &RecordName,
        record: Bytes,
        life: Duration,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Gives the lease of this name to `holder`, a word that nobody else uses; false when another has it. It ends with
    /// [`release`](Self::release), with the end of the holder's process where the store sees that, and after `life` at
    /// the latest.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn lease(
        &self,
        name: &RecordName,
        holder: &str,
        life: Duration,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Ends the lease if this holder still has it; nobody else's is touched.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn release(&self, name: &RecordName, holder: &str) -> impl Future<Output = Result<()>> + Send;
}

trait DynStore: fmt::Debug + Send + Sync {
    fn load<'a>(&'a self, name: &'a RecordName) -> BoxFuture<'a, Result<Option<Bytes>>>;
    fn save<'a>(&'a self, name: &'a RecordName, record: Bytes, life: Duration) -> BoxFuture<'a, Result<()>>;
    fn lease<'a>(
        &'a self,
        name: &'a RecordName,
        holder: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool>>;
    fn release<'a>(&'a self, name: &'a RecordName, holder: &'a str) -> BoxFuture<'a, Result<()>>;
}

impl<T: TokenStore> DynStore for T {
    fn load<'a>(&'a self, name: &'a RecordName) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(TokenStore::load(self, name))
    }

    fn save<'a>(&'a self, name: &'a RecordName, record: Bytes, life: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(TokenStore::save(self, name, record, life))
    }

    fn lease<'a>(
        &'a self,
        name: &'a RecordName,
        holder: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(TokenStore::lease(self, name, holder, life))
    }

    fn release<'a>(&'a self, name: &'a RecordName, holder: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(TokenStore::release(self, name, holder))
    }
}
