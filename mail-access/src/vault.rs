//! Where the secrets of product apps are kept between runs. The set-up writes each secret once, right after it was made.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use m365_core::{ClientId, Error, ErrorKind, KeyId, Result};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// A secret as it is kept.
#[derive(Clone, Debug)]
pub struct HeldSecret {
    /// The app's client id.
    pub client_id: ClientId,
    /// The id of the credential; never the secret.
    pub key_id: KeyId,
    /// The secret.
    pub secret: SecretString,
    /// When it expires.
    pub expires: Timestamp,
}

/// Keeps secrets by the app's unique name. Implement it over your own store; implementors write `async fn`s.
pub trait SecretVault: fmt::Debug + Send + Sync + 'static {
    /// The secret of an app, when there is one.
    ///
    /// # Errors
    /// When the store cannot be read; that never counts as "there is none".
    fn load(&self, app: &str) -> impl Future<Output = Result<Option<HeldSecret>>> + Send;

    /// Keeps a secret and replaces the one before. It must be durable when this returns.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn store(&self, app: &str, secret: &HeldSecret) -> impl Future<Output = Result<()>> + Send;
}

/// A cheap handle to any [`SecretVault`].
#[derive(Clone)]
pub struct Vault(Arc<dyn dynamic::SecretVault>);

impl Vault {
    /// A handle to this vault.
    pub fn new(vault: impl SecretVault) -> Self {
        Self(Arc::new(vault))
    }

    /// See [`SecretVault::load`].
    ///
    /// # Errors
    /// Those of the vault behind it.
    pub async fn load(&self, app: &str) -> Result<Option<HeldSecret>> {
        self.0.load(app).await
    }

    /// See [`SecretVault::store`].
    ///
    /// # Errors
    /// Those of the vault behind it.
    pub async fn store(&self, app: &str, secret: &HeldSecret) -> Result<()> {
        self.0.store(app, secret).await
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Keeps secrets for the life of the process.
#[derive(Clone, Default)]
pub struct MemoryVault(Arc<Mutex<HashMap<String, HeldSecret>>>);

impl MemoryVault {
    /// An empty vault.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryVault")
    }
}

impl SecretVault for MemoryVault {
    async fn load(&self, app: &str) -> Result<Option<HeldSecret>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(app).cloned())
    }

    async fn store(&self, app: &str, secret: &HeldSecret) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(app.to_owned(), secret.clone());
        Ok(())
    }
}

/// Keeps each secret in a file of its own that only its owner may read (0600 on Unix), replaced atomically.
///
/// Good enough for a set-up run by hand; a product keeps its secrets where its operators keep all others.
#[derive(Clone, Debug)]
pub struct DirectoryVault {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct FileForm {
    client_id: ClientId,
    key_id: KeyId,
    secret: String,
    expires: Timestamp,
}

impl DirectoryVault {
    /// A vault in this directory, which is made (0700) when it is absent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it cannot be made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&directory)
            .map_err(|e| Error::invalid("the vault's directory cannot be made").with_source(e))?;
        Ok(Self { directory })
    }

    fn path(&self, app: &str) -> Result<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if app.is_empty() || app.starts_with('.') || !app.chars().all(plain) {
            return Err(Error::invalid("the app's name cannot name a file"));
        }
        Ok(self.directory.join(format!("{app}.secret.json")))
    }
}

impl SecretVault for DirectoryVault {
    async fn load(&self, app: &str) -> Result<Option<HeldSecret>> {
        let broken = |e: &dyn fmt::Display| {
            Error::new(ErrorKind::Unavailable, format!("the vault's file of {app} cannot be read: {e}"))
                .with_transient(false)
        };
        let text = match std::fs::read_to_string(self.path(app)?) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(broken(&e)),
        };
        // The parser's text may quote the file: only its place is told.
        let form: FileForm =
            serde_json::from_str(&text).map_err(|e| broken(&format_args!("line {}", e.line())))?;
        Ok(Some(HeldSecret {
            client_id: form.client_id,
            key_id: form.key_id,
            secret: form.secret.into(),
            expires: form.expires,
        }))
    }

    async fn store(&self, app: &str, secret: &HeldSecret) -> Result<()> {
        let path = self.path(app)?;
        let form = FileForm {
            client_id: secret.client_id,
            key_id: secret.key_id,
            secret: secret.secret.expose_secret().to_owned(),
            expires: secret.expires,
        };
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::Unavailable, format!("the vault's file of {app} cannot be written: {e}"))
                .with_transient(false)
        };
        let text = serde_json::to_vec(&form)
            .map_err(|e| Error::invalid("the secret cannot be written").with_source(e))?;
        let text = zeroize::Zeroizing::new(text);
        let fresh = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
        let mut options = std::fs::OpenOptions::new();
        // Never through a link that lies there already.
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&fresh).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.and_then(|()| std::fs::rename(&fresh, &path)).map_err(|e| {
            // Best effort: the half-written file is of no use to anybody.
            drop(std::fs::remove_file(&fresh));
            failed(e)
        })
    }
}

mod dynamic {
    use std::fmt;

    use m365_core::Result;

    use super::HeldSecret;

    #[async_trait::async_trait]
    pub(super) trait SecretVault: fmt::Debug + Send + Sync {
        async fn load(&self, app: &str) -> Result<Option<HeldSecret>>;
        async fn store(&self, app: &str, secret: &HeldSecret) -> Result<()>;
    }

    #[async_trait::async_trait]
    impl<T: super::SecretVault> SecretVault for T {
        async fn load(&self, app: &str) -> Result<Option<HeldSecret>> {
            super::SecretVault::load(self, app).await
        }
        async fn store(&self, app: &str, secret: &HeldSecret) -> Result<()> {
            super::SecretVault::store(self, app, secret).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> HeldSecret {
        HeldSecret {
            client_id: ClientId::MICROSOFT_GRAPH,
            key_id: KeyId::from_bytes([7; 16]),
            secret: "Zx1~Q.8h".to_owned().into(),
            expires: Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn files_are_private_and_replaced_atomically() {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::new(DirectoryVault::open(directory.path().join("vault")).unwrap());
        assert!(vault.load("acme").await.unwrap().is_none());
        vault.store("acme", &secret()).await.unwrap();
        vault.store("acme", &secret()).await.unwrap();
        let held = vault.load("acme").await.unwrap().unwrap();
        assert_eq!(held.secret.expose_secret(), "Zx1~Q.8h");
        let files: Vec<_> =
            std::fs::read_dir(directory.path().join("vault")).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "nothing is left behind: {files:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn an_unreadable_file_is_not_an_absent_secret_and_is_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let vault = DirectoryVault::open(directory.path()).unwrap();
        std::fs::write(directory.path().join("acme.secret.json"), "{\"secret\": \"Zx1~Q.8h\"").unwrap();
        let error = SecretVault::load(&vault, "acme").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Zx1"), "{error:?}");
    }

    #[tokio::test]
    async fn a_name_cannot_leave_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let vault = DirectoryVault::open(directory.path()).unwrap();
        for bad in ["../x", "/etc/passwd", "", ".hidden", "a/b"] {
            assert!(SecretVault::store(&vault, bad, &secret()).await.is_err(), "{bad}");
        }
    }

    #[test]
    fn no_secret_in_debug() {
        assert!(!format!("{:?} {:?}", secret(), MemoryVault::new()).contains("Zx1"));
    }
}
