use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use m365_core::{ClientId, Error, ErrorKind, KeyId, Result, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{HeldSecret, SecretVault};
use crate::files;

/// Keeps each secret in a file of its own, one sub-directory per tenant. On Unix only their owner may read them (0600 in
/// 0700), and what others may read, or what a symbolic link stands for, is refused. Files are replaced atomically.
///
/// Good enough for a set-up run by hand; a product keeps its secrets where its operators keep all others.
#[derive(Clone, Debug)]
pub struct DirectoryVault {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct FileForm<'a> {
    client_id: ClientId,
    key_id: KeyId,
    #[serde(borrow)]
    secret: Cow<'a, str>,
    expires: Timestamp,
}

impl DirectoryVault {
    /// A vault in this directory, which is made (0700) when it is absent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it cannot be made, when others have rights on it, or when it is a link.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        files::make_directory(&directory)
            .map_err(|e| Error::invalid(format!("the vault's directory cannot be used: {e}")))?;
        Ok(Self { directory })
    }

    fn path(&self, tenant: TenantId, app: &str) -> Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if app.is_empty() || app.starts_with('.') || !app.chars().all(plain) {
            return Err(Error::invalid("the app's name cannot name a file"));
        }
        Ok(self.directory.join(tenant.to_string()).join(format!("{app}.secret.json")))
    }
}

fn failed(what: &str, e: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: {e}")).with_transient(false)
}

impl SecretVault for DirectoryVault {
    async fn installation(&self) -> Result<String> {
        let path = self.directory.join("installation");
        files::blocking(move || {
            let read = || -> io::Result<Option<String>> {
                let Some(bytes) = files::read(&path)? else { return Ok(None) };
                Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
            };
            let made = || -> io::Result<String> {
                if let Some(id) = read()? {
                    return Ok(id);
                }
                let id = uuid::Uuid::new_v4().simple().to_string();
                match files::create_once(&path, id.as_bytes())? {
                    true => Ok(id),
                    // Another process made one at the same time: the first counts.
                    false => read()?.ok_or_else(|| io::Error::other("it comes and goes")),
                }
            };
            made().map_err(|e| failed("the vault's installation id cannot be had", &e))
        })
        .await
    }

    async fn load(&self, tenant: TenantId, app: &str) -> Result<Option<HeldSecret>> {
        let (path, what) = (self.path(tenant, app)?, format!("the vault's file of {app} cannot be read"));
        files::blocking(move || {
            let directory = path.parent().map_or(Ok(false), files::check_directory);
            if !directory.map_err(|e| failed(&what, &e))? {
                return Ok(None);
            }
            let Some(bytes) = files::read(&path).map_err(|e| failed(&what, &e))? else { return Ok(None) };
            // The parser's text may quote the file: only its place is told.
            let form: FileForm<'_> = serde_json::from_slice(&bytes)
                .map_err(|e| failed(&what, &format_args!("line {}", e.line())))?;
            let secret = SecretString::from(&*form.secret);
            if let Cow::Owned(mut copy) = form.secret {
                copy.zeroize();
            }
            Ok(Some(HeldSecret {
                client_id: form.client_id,
                key_id: form.key_id,
                secret,
                expires: form.expires,
            }))
        })
        .await
    }

    async fn store(&self, tenant: TenantId, app: &str, secret: &HeldSecret) -> Result<()> {
        let (path, what) = (self.path(tenant, app)?, format!("the vault's file of {app} cannot be written"));
        let secret = secret.clone();
        files::blocking(move || {
            let text = secret.secret.expose_secret();
            let form = FileForm {
                client_id: secret.client_id,
                key_id: secret.key_id,
                secret: Cow::Borrowed(text),
                expires: secret.expires,
            };
            // Large enough from the start, even if every character is escaped: a buffer that grows leaves copies behind.
            let mut bytes = Zeroizing::new(Vec::with_capacity(512 + text.len() * 6));
            serde_json::to_writer(&mut *bytes, &form)
                .map_err(|e| Error::invalid("the secret cannot be written").with_source(e))?;
            path.parent()
                .map_or(Ok(()), files::make_directory)
                .and_then(|()| files::replace(&path, &bytes))
                .map_err(|e| failed(&what, &e))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::path::Path;

    use super::super::Vault;
    use super::*;

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);
    const OTHER: TenantId = TenantId::from_bytes([2; 16]);

    fn secret(text: &str) -> HeldSecret {
        HeldSecret {
            client_id: ClientId::MICROSOFT_GRAPH,
            key_id: KeyId::from_bytes([7; 16]),
            secret: text.to_owned().into(),
            expires: Timestamp::UNIX_EPOCH,
        }
    }

    #[cfg(unix)]
    fn mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(unix)]
    fn mode_of(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn files_are_private_and_replaced_atomically() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("vault");
        let vault = Vault::new(DirectoryVault::open(&root).unwrap());
        assert!(vault.load(TENANT, "acme").await.unwrap().is_none());
        vault.store(TENANT, "acme", &secret("old")).await.unwrap();
        vault.store(TENANT, "acme", &secret("Zx1~\"Q\\.8h")).await.unwrap();
        let held = vault.load(TENANT, "acme").await.unwrap().unwrap();
        assert_eq!(held.secret.expose_secret(), "Zx1~\"Q\\.8h");
        let tenant = root.join(TENANT.to_string());
        let files: Vec<_> = std::fs::read_dir(&tenant).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "nothing is left behind: {files:?}");
        #[cfg(unix)]
        assert_eq!((mode_of(&root), mode_of(&tenant), mode_of(&files[0])), (0o700, 0o700, 0o600));
    }

    #[tokio::test]
    async fn the_same_app_in_two_tenants_has_two_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let vault = DirectoryVault::open(directory.path().join("vault")).unwrap();
        vault.store(TENANT, "acme", &secret("one")).await.unwrap();
        assert!(vault.load(OTHER, "acme").await.unwrap().is_none());
        vault.store(OTHER, "acme", &secret("two")).await.unwrap();
        let first = vault.load(TENANT, "acme").await.unwrap().unwrap();
        assert_eq!(first.secret.expose_secret(), "one");
    }

    #[tokio::test]
    async fn the_installation_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("vault");
        let vaults: Vec<_> = (0..8).map(|_| DirectoryVault::open(&root).unwrap()).collect();
        let ids = futures_util::future::join_all(vaults.iter().map(SecretVault::installation)).await;
        let ids: std::collections::BTreeSet<String> = ids.into_iter().map(Result::unwrap).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1, "nothing is left behind");
        #[cfg(unix)]
        assert_eq!(mode_of(&root.join("installation")), 0o600);
    }

    #[tokio::test]
    async fn an_unreadable_file_is_not_an_absent_secret_and_is_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let vault = DirectoryVault::open(directory.path().join("vault")).unwrap();
        vault.store(TENANT, "acme", &secret("x")).await.unwrap();
        let path = vault.path(TENANT, "acme").unwrap();
        std::fs::write(path, "{\"secret\": \"Zx1~Q.8h\"").unwrap();
        let error = SecretVault::load(&vault, TENANT, "acme").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Zx1"), "{error:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_others_may_read_and_what_is_a_link_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("vault");
        let vault = DirectoryVault::open(&root).unwrap();
        vault.store(TENANT, "acme", &secret("x")).await.unwrap();
        let (path, tenant) = (vault.path(TENANT, "acme").unwrap(), root.join(TENANT.to_string()));

        mode(&path, 0o640);
        let error = vault.load(TENANT, "acme").await.unwrap_err();
        assert!(error.to_string().contains("chmod go-rwx"), "{error}");
        mode(&path, 0o600);
        mode(&tenant, 0o750);
        assert!(vault.load(TENANT, "acme").await.is_err());
        assert!(vault.store(TENANT, "acme", &secret("y")).await.is_err());
        mode(&tenant, 0o700);
        assert!(vault.load(TENANT, "acme").await.unwrap().is_some());

        std::os::unix::fs::symlink(&path, tenant.join("linked.secret.json")).unwrap();
        assert!(vault.load(TENANT, "linked").await.is_err());
        std::os::unix::fs::symlink(&tenant, root.join(OTHER.to_string())).unwrap();
        assert!(vault.load(OTHER, "acme").await.is_err());
        mode(&root, 0o755);
        assert!(DirectoryVault::open(&root).is_err());
    }

    #[tokio::test]
    async fn a_name_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let vault = DirectoryVault::open(directory.path().join("vault")).unwrap();
        for bad in ["../x", "/etc/passwd", "", ".hidden", "a/b"] {
            assert!(SecretVault::store(&vault, TENANT, bad, &secret("x")).await.is_err(), "{bad}");
        }
    }
}
