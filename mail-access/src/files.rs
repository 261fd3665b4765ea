//! Files and directories that only their owner may read. Blocking: call them through [`blocking`].

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

/// No file of ours comes near this size, apart from ledgers.
const MOST_BYTES: u64 = 64 * 1024;

/// Runs blocking work beside the async runtime's own threads. Once begun it is finished even if nobody waits for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> m365_core::Result<T> + Send + 'static,
) -> m365_core::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(m365_core::Error::new(m365_core::ErrorKind::Unavailable, "work on files was cut short")
            .with_source(e))
    })
}

/// Makes a directory that only its owner may enter, or checks the one that is there.
pub(crate) fn make_directory(directory: &Path) -> Result<()> {
    if check_directory(directory)? {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    if let Some(parent) = directory.parent().filter(|p| !p.as_os_str().is_empty()) {
        sync_directory(parent)?;
    }
    check_directory(directory).map(|_| ())
}

/// Whether a directory is there. One that others may read, a link and a file are errors.
pub(crate) fn check_directory(directory: &Path) -> Result<bool> {
    match std::fs::symlink_metadata(directory) {
        Ok(found) if found.is_dir() => is_private(&found).map(|()| true),
        Ok(found) if found.is_symlink() => {
            Err(Error::new(ErrorKind::InvalidInput, "the directory is a symbolic link"))
        }
        Ok(_) => Err(Error::new(ErrorKind::InvalidInput, "it is not a directory")),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Reads a file; `None` when there is none. One that others may read and a link are errors.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(file) = open(OpenOptions::new().read(true), path)? else { return Ok(None) };
    let length = file.metadata()?.len();
    if length > MOST_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "it is larger than any file of this kind"));
    }
    // Large enough from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens a private file that is there; `None` when there is none.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> Result<Option<File>> {
    let seen = match std::fs::symlink_metadata(path) {
        Ok(seen) => seen,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if !seen.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a symbolic link or no plain file"));
    }
    let file = options.open(path)?;
    let opened = file.metadata()?;
    is_same(&seen, &opened)?;
    is_private(&opened)?;
    Ok(Some(file))
}

/// Puts a file in place of the one before, or there at first: whole or not at all, and durable when this returns.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    with_fresh(path, bytes, |fresh| std::fs::rename(fresh, path))
}

/// Puts a file where there is none; `false` when another was faster.
pub(crate) fn create_once(path: &Path, bytes: &[u8]) -> Result<bool> {
    // A link, not a rename: it never replaces, and nobody ever sees a file that is half written.
    let linked = with_fresh(path, bytes, |fresh| {
        std::fs::hard_link(fresh, path)?;
        std::fs::remove_file(fresh)
    });
    match linked {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// Options that make a file which only its owner may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A rename or a new name is durable only once its directory is.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

fn with_fresh(path: &Path, bytes: &[u8], place: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let fresh = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
    // Never through a link that lies there already.
    let written = private().create_new(true).open(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(e) = written.and_then(|()| place(&fresh)) {
        // Best effort: the half-written file is of no use to anybody.
        drop(std::fs::remove_file(&fresh));
        return Err(e);
    }
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(unix)]
fn is_private(found: &Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match found.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(Error::new(
            ErrorKind::PermissionDenied,
            "others than its owner have rights on it: take them away (chmod go-rwx), and renew what they may have seen",
        )),
    }
}

#[cfg(not(unix))]
fn is_private(_: &Metadata) -> Result<()> {
    Ok(())
}

/// What was looked at is what was opened: a link may have been put there in between.
#[cfg(unix)]
fn is_same(seen: &Metadata, opened: &Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    match (seen.dev(), seen.ino()) == (opened.dev(), opened.ino()) {
        true => Ok(()),
        false => Err(Error::other("it was replaced while it was opened")),
    }
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> Result<()> {
    Ok(())
}
