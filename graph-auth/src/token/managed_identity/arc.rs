//! The key file by which an Azure Arc agent tells processes of its group from the rest of the machine.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use m365_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// Largest key file, in bytes.
const LARGEST: u64 = 4096;

/// Where the agent puts its keys.
pub(super) fn directory() -> PathBuf {
    if cfg!(windows) {
        let data = std::env::var_os("ProgramData").unwrap_or_else(|| "C:\\ProgramData".into());
        PathBuf::from(data).join("AzureConnectedMachineAgent").join("Tokens")
    } else {
        PathBuf::from("/var/opt/azcmagent/tokens")
    }
}

/// The file that the challenge names.
pub(super) fn challenged(headers: &HeaderMap) -> Result<PathBuf> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|value| {
            let (scheme, rest) = value.trim().split_once(' ')?;
            let (name, file) = rest.trim().split_once('=')?;
            (scheme.eq_ignore_ascii_case("basic") && name.trim().eq_ignore_ascii_case("realm"))
                .then(|| PathBuf::from(file.trim().trim_matches('"')))
        })
        .ok_or_else(|| {
            Error::new(ErrorKind::InvalidResponse, "the Arc agent refused the call without naming a key file")
        })
}

/// Reads it. Whatever answers at the agent's address could name any file of this machine and be sent its content, so only
/// a plain, small `*.key` file right in the agent's own directory is read.
pub(super) fn read(file: &Path, directory: &Path) -> Result<Zeroizing<String>> {
    let refused = |why: &str| {
        Error::new(ErrorKind::InvalidResponse, format!("the Arc agent named a key file that {why}"))
    };
    let climbs = file.components().any(|part| matches!(part, Component::ParentDir));
    if climbs || file.parent() != Some(directory) {
        return Err(refused("is outside its token directory"));
    }
    if file.extension().is_none_or(|extension| extension != "key") {
        return Err(refused("does not end in .key"));
    }
    let unreadable = |e: std::io::Error| {
        Error::new(
            ErrorKind::PermissionDenied,
            "the Arc agent's key file cannot be read: this process must be in the group himds (Windows: Hybrid agent \
             extension applications)",
        )
        .with_source(e)
    };
    let listed = fs::symlink_metadata(file).map_err(unreadable)?;
    if !listed.is_file() {
        return Err(refused("is a link or no file"));
    }
    let opened = File::open(file).map_err(unreadable)?;
    let found = opened.metadata().map_err(unreadable)?;
    if !same(&listed, &found) {
        return Err(refused("was replaced while it was read"));
    }
    if found.len() > LARGEST {
        return Err(refused("is larger than 4096 bytes"));
    }
    let mut key = Zeroizing::new(String::new());
    opened.take(LARGEST + 1).read_to_string(&mut key).map_err(unreadable)?;
    if key.len() as u64 > LARGEST {
        return Err(refused("is larger than 4096 bytes"));
    }
    Ok(Zeroizing::new(key.trim().to_owned()))
}

#[cfg(unix)]
fn same(listed: &fs::Metadata, found: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (listed.dev(), listed.ino()) == (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn same(_listed: &fs::Metadata, found: &fs::Metadata) -> bool {
    found.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_a_plain_small_key_file_right_in_the_directory_is_read() {
        let root = tempfile::tempdir().unwrap();
        let tokens = root.path().join("tokens");
        fs::create_dir_all(tokens.join("deeper")).unwrap();
        let write = |name: &str, content: &str| {
            let path = tokens.join(name);
            fs::write(&path, content).unwrap();
            path
        };
        assert_eq!(*read(&write("a.key", "k3y\n"), &tokens).unwrap(), "k3y");
        assert_eq!(read(&write("full.key", &"k".repeat(4096)), &tokens).unwrap().len(), 4096);
        let outside = root.path().join("b.key");
        fs::write(&outside, "x").unwrap();
        for (path, said) in [
            (write("large.key", &"k".repeat(4097)), "4096"),
            (write("a.txt", "x"), ".key"),
            (write("key", "x"), ".key"),
            (write("deeper/c.key", "x"), "outside"),
            (outside, "outside"),
            (tokens.join("../b.key"), "outside"),
            (PathBuf::from("a.key"), "outside"),
            (PathBuf::new(), "outside"),
        ] {
            let error = read(&path, &tokens).unwrap_err();
            assert!(error.message().contains(said), "{} {error}", path.display());
        }
        let missing = read(&tokens.join("none.key"), &tokens).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::PermissionDenied);
        fs::create_dir(tokens.join("dir.key")).unwrap();
        assert!(read(&tokens.join("dir.key"), &tokens).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.path().join("b.key"), tokens.join("link.key")).unwrap();
            let error = read(&tokens.join("link.key"), &tokens).unwrap_err();
            assert!(error.message().contains("link"), "{error}");
        }
    }

    #[test]
    fn the_challenge_names_the_file() {
        let mut headers = HeaderMap::new();
        assert!(challenged(&headers).is_err());
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        assert!(challenged(&headers).is_err());
        headers.append(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=/var/opt/azcmagent/tokens/1.key"),
        );
        assert_eq!(challenged(&headers).unwrap(), Path::new("/var/opt/azcmagent/tokens/1.key"));
    }
}
