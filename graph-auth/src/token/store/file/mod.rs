//! A [`TokenStore`](super::TokenStore) in a directory, for the processes of one machine.

mod disk;

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use m365_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tracing::debug;

use super::{RecordName, TokenStore};
use disk::Disk;

/// Threads that a file system which hangs can take from the process.
const THREADS: usize = 4;
/// How often files nobody needs any more are looked for.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// Shared tokens in a directory of one machine: for several processes of one user.
///
/// The directory is made with mode 0700, its files with 0600. Records are replaced whole: written beside, then renamed. A
/// lease is a lock of the operating system on a file, so it ends with its holder's process. Files of tokens that have
/// expired, and what a crash left behind, are removed by and by.
///
/// On Unix a directory or file is refused that is a symbolic link, belongs to another user, or gives others any right;
/// the directories above it are the caller's to choose well. On Windows links are refused and rights are not looked at:
/// choose a directory below the user's profile. A file system in the network may not keep locks; use it for one machine.
///
/// ```
/// use graph_auth::{FileTokenStore, SharedTokens, StoreKey};
///
/// # let home = tempfile::tempdir()?;
/// # let home = home.path();
/// let store = FileTokenStore::open(home.join("tokens"))?;
/// let shared = SharedTokens::new(store, StoreKey::generate()?);
/// # drop(shared);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileTokenStore {
    disk: Arc<Disk>,
    threads: Arc<Semaphore>,
    leases: Mutex<HashMap<(RecordName, String), Leased>>,
    swept: Mutex<Instant>,
}

#[derive(Debug)]
struct Leased {
    /// Closing it unlocks it.
    _locked: File,
    until: Instant,
}

impl FileTokenStore {
    /// A store in this directory, which is made when it is not there; its parent must be. Looks at the disk: call it when
    /// the process starts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there is something else than a directory that belongs to this user and gives others
    /// no right, and when it cannot be made or written to.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        let shown = directory.display().to_string();
        let disk = Disk::open(directory).map_err(|e| {
            Error::new(ErrorKind::InvalidInput, format!("no tokens can be kept in {shown}: {e}"))
                .with_source(e)
        })?;
        disk.sweep(SystemTime::now());
        Ok(Self {
            disk: Arc::new(disk),
            threads: Arc::new(Semaphore::new(THREADS)),
            leases: Mutex::default(),
            swept: Mutex::new(Instant::now()),
        })
    }

    /// Runs blocking work beside the async runtime's own threads, and not on arbitrarily many of them.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let cut_short = || Error::new(ErrorKind::Unavailable, "work on token files was cut short");
        let permit = self.threads.clone().acquire_owned().await.map_err(|_| cut_short())?;
        let disk = self.disk.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&disk)
        });
        let done = done.await.map_err(|e| cut_short().with_source(e))?;
        done.map_err(|e| {
            Error::new(ErrorKind::Unavailable, format!("the token file: {e}"))
                .with_transient(true)
                .with_source(e)
        })
    }

    /// Leases that have run out are given up, whoever forgot them.
    fn expire(&self) {
        let now = Instant::now();
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, leased| leased.until > now);
    }

    fn is_sweep_due(&self) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = swept.elapsed() >= SWEEP;
        if due {
            *swept = Instant::now();
        }
        due
    }
}

impl TokenStore for FileTokenStore {
    async fn load(&self, name: &RecordName) -> Result<Option<Bytes>> {
        self.expire();
        let name = name.clone();
        Ok(self.blocking(move |disk| disk.read(name.as_str())).await?.map(Bytes::from))
    }

    async fn save(&self, name: &RecordName, record: Bytes, life: Duration) -> Result<()> {
        let (name, sweep) = (name.clone(), self.is_sweep_due());
        self.blocking(move |disk| {
            let now = SystemTime::now();
            let expires = now.checked_add(life).unwrap_or(now);
            disk.replace(name.as_str(), &record, expires)?;
            if sweep {
                let removed = disk.sweep(now);
                debug!(removed, "token files that nobody needs any more");
            }
            Ok(())
        })
        .await
    }

    async fn lease(&self, name: &RecordName, holder: &str, life: Duration) -> Result<bool> {
        self.expire();
        let asked = name.clone();
        // Counted from before: a lease never lasts longer than it was asked for. A caller who goes away while the thread
        // works drops the file with the thread's answer, and so the lock.
        let until = Instant::now() + life;
        let Some(locked) = self.blocking(move |disk| disk.try_lock(asked.as_str())).await? else {
            return Ok(false);
        };
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert((name.clone(), holder.to_owned()), Leased { _locked: locked, until });
        Ok(true)
    }

    async fn release(&self, name: &RecordName, holder: &str) -> Result<()> {
        let key = (name.clone(), holder.to_owned());
        self.leases.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
