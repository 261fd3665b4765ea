//! Files that only their owner may touch. All of it blocks.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::token::store::LARGEST_RECORD;

const RECORD: &str = "token";
const LOCK: &str = "lock";
const FRESH: &str = "new";
/// Name of the file that shows as whom this process writes.
const PROBE: &str = "probe";
/// After so long nobody is still writing a file, and nobody misses a lock file.
const LEFT_BEHIND: Duration = Duration::from_secs(60 * 60);
/// Directory entries looked at in one sweep.
const MOST_SWEPT: usize = 4096;

/// A directory that was found private, and stays under suspicion.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    owner: u32,
}

impl Disk {
    pub(super) fn open(directory: PathBuf) -> Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&directory) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        let found = std::fs::symlink_metadata(&directory)?;
        if !found.is_dir() {
            return Err(refused("it is a symbolic link or no directory"));
        }
        is_private(&found)?;
        let disk = Self { owner: owner(&found), directory };
        // What this process creates belongs to it, which tells whose the directory should be.
        let probe = disk.fresh_path(PROBE);
        let made = create_new(&probe).and_then(|file| file.metadata());
        drop(std::fs::remove_file(&probe));
        if owner(&made?) != disk.owner {
            return Err(refused("it belongs to another user than this process runs as"));
        }
        Ok(disk)
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open_private(OpenOptions::new().read(true), &self.path(name, RECORD))? else {
            return Ok(None);
        };
        let limit = LARGEST_RECORD as u64;
        if file.metadata()?.len() > limit {
            return Err(Error::new(ErrorKind::InvalidData, "it is larger than any of ours"));
        }
        let mut bytes = Vec::new();
        // It may grow while it is read.
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Whole or not at all, also when the machine stops meanwhile; marked with the time after which it may go.
    pub(super) fn replace(&self, name: &str, bytes: &[u8], expires: SystemTime) -> Result<()> {
        self.is_still_private()?;
        let fresh = self.fresh_path(name);
        let written = create_new(&fresh).and_then(|mut file| {
            file.write_all(bytes)?;
            file.set_modified(expires)?;
            // Otherwise the new name could survive a crash and the content not. That the name itself is lost is no harm.
            file.sync_all()
        });
        // A rename replaces a link and does not follow it.
        let placed = written.and_then(|()| std::fs::rename(&fresh, self.path(name, RECORD)));
        if placed.is_err() {
            drop(std::fs::remove_file(&fresh));
        }
        placed
    }

    /// The locked file, or none when somebody else has locked it.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<File>> {
        self.is_still_private()?;
        let path = self.path(name, LOCK);
        match create_new(&path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        let Some(file) = self.open_private(OpenOptions::new().write(true), &path)? else {
            // Swept away in between.
            return Ok(None);
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        // A lock on a file that was swept away in between keeps nobody out.
        match std::fs::symlink_metadata(&path) {
            Ok(found) if is_same(&found, &file.metadata()?) => Ok(Some(file)),
            _ => Ok(None),
        }
    }

    /// Removes records that have expired and what crashes left behind; gives their number.
    pub(super) fn sweep(&self, now: SystemTime) -> usize {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return 0 };
        let removable = entries.flatten().take(MOST_SWEPT).filter(|entry| self.is_stale(&entry.path(), now));
        removable.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count()
    }

    fn is_stale(&self, path: &Path, now: SystemTime) -> bool {
        let Some((stem, kind)) = path.file_name().and_then(|name| name.to_str()?.rsplit_once('.')) else {
            return false;
        };
        if !is_ours(stem, kind) {
            return false;
        }
        let Ok(found) = std::fs::symlink_metadata(path) else { return false };
        let Ok(age) = found.modified().map(|at| now.duration_since(at).unwrap_or_default()) else {
            return false;
        };
        match kind {
            RECORD => !age.is_zero(),
            FRESH => age > LEFT_BEHIND,
            // Only one that nobody holds: it is removed under the lock.
            LOCK => {
                age > LEFT_BEHIND
                    && matches!(
                        self.open_private(OpenOptions::new().write(true), path),
                        Ok(Some(file)) if file.try_lock().is_ok()
                    )
            }
            _ => false,
        }
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.directory.join(format!("{name}.{kind}"))
    }

    fn fresh_path(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.{}", uuid::Uuid::new_v4().simple()), FRESH)
    }

    fn is_still_private(&self) -> Result<()> {
        let found = std::fs::symlink_metadata(&self.directory)?;
        if !found.is_dir() || owner(&found) != self.owner {
            return Err(refused("the directory was replaced"));
        }
        is_private(&found)
    }

    /// Opens a file of ours that is there; none when there is none.
    fn open_private(&self, options: &mut OpenOptions, path: &Path) -> Result<Option<File>> {
        self.is_still_private()?;
        let seen = match std::fs::symlink_metadata(path) {
            Ok(seen) => seen,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        if !seen.is_file() {
            return Err(refused("it is a symbolic link or no plain file"));
        }
        // Should it have become a link or a pipe since: neither followed nor waited for.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = match options.open(path) {
            Ok(file) => file,
            // Replaced in between by another process, which is not a fault.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let opened = file.metadata()?;
        if !opened.is_file() || owner(&opened) != self.owner {
            return Err(refused("it is no plain file of this user"));
        }
        is_private(&opened)?;
        Ok(Some(file))
    }
}

/// The directory may hold other files, of whatever extension.
fn is_ours(stem: &str, kind: &str) -> bool {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_record = |name: &str| is_hex(name, 64);
    match kind {
        FRESH => stem
            .split_once('.')
            .is_some_and(|(name, draft)| (is_record(name) || name == PROBE) && is_hex(draft, 32)),
        _ => is_record(stem),
    }
}

fn create_new(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

#[cfg(unix)]
fn owner(found: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(found)
}

#[cfg(not(unix))]
fn owner(_: &Metadata) -> u32 {
    0
}

#[cfg(unix)]
fn is_private(found: &Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match found.permissions().mode() & 0o077 {
        0 => Ok(()),
        rights => Err(refused(&format!(
            "others than its owner have rights on it (mode bits {rights:03o}): take them away with chmod go-rwx"
        ))),
    }
}

#[cfg(not(unix))]
fn is_private(_: &Metadata) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// A lock file that is open cannot be removed there.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
