//! Where the secrets of product apps are kept between runs. The set-up writes each secret once, right after it was made.

mod directory;
mod memory;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use m365_core::{ClientId, Error, KeyId, Result, TenantId};
use secrecy::SecretString;

pub use directory::DirectoryVault;
pub use memory::MemoryVault;

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

/// Keeps secrets by tenant and the app's unique name. Implement it over your own store; implementors write `async fn`s.
pub trait SecretVault: fmt::Debug + Send + Sync + 'static {
    /// Who keeps secrets here: random, made once, and the same for as long as the vault lives. The secrets of an
    /// installation carry it in their names, and only those are ever taken away: what another machine made, or a vault
    /// that was lost, stays. 1 to 64 letters, digits and hyphens.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn installation(&self) -> impl Future<Output = Result<String>> + Send;

    /// The secret of an app in a tenant, when there is one.
    ///
    /// # Errors
    /// When the store cannot be read; that never counts as "there is none".
    fn load(&self, tenant: TenantId, app: &str) -> impl Future<Output = Result<Option<HeldSecret>>> + Send;

    /// Keeps a secret and replaces the one before. It must be durable when this returns.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn store(
        &self,
        tenant: TenantId,
        app: &str,
        secret: &HeldSecret,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A cheap handle to any [`SecretVault`].
#[derive(Clone)]
pub struct Vault(Arc<dyn dynamic::SecretVault>);

impl Vault {
    /// A handle to this vault.
    pub fn new(vault: impl SecretVault) -> Self {
        Self(Arc::new(vault))
    }

    /// See [`SecretVault::installation`].
    ///
    /// # Errors
    /// Those of the vault behind it; [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when its answer
    /// could not tell our secrets from those of others.
    pub async fn installation(&self) -> Result<String> {
        let id = self.0.installation().await?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        match (1..=64).contains(&id.len()) && id.chars().all(plain) {
            true => Ok(id),
            false => {
                Err(Error::invalid("the vault's installation id must be 1 to 64 letters, digits and hyphens"))
            }
        }
    }

    /// See [`SecretVault::load`].
    ///
    /// # Errors
    /// Those of the vault behind it.
    pub async fn load(&self, tenant: TenantId, app: &str) -> Result<Option<HeldSecret>> {
        self.0.load(tenant, app).await
    }

    /// See [`SecretVault::store`].
    ///
    /// # Errors
    /// Those of the vault behind it.
    pub async fn store(&self, tenant: TenantId, app: &str, secret: &HeldSecret) -> Result<()> {
        self.0.store(tenant, app, secret).await
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

mod dynamic {
    use std::fmt;

    use m365_core::{Result, TenantId};

    use super::HeldSecret;

    #[async_trait::async_trait]
    pub(super) trait SecretVault: fmt::Debug + Send + Sync {
        async fn installation(&self) -> Result<String>;
        async fn load(&self, tenant: TenantId, app: &str) -> Result<Option<HeldSecret>>;
        async fn store(&self, tenant: TenantId, app: &str, secret: &HeldSecret) -> Result<()>;
    }

    #[async_trait::async_trait]
    impl<T: super::SecretVault> SecretVault for T {
        async fn installation(&self) -> Result<String> {
            super::SecretVault::installation(self).await
        }
        async fn load(&self, tenant: TenantId, app: &str) -> Result<Option<HeldSecret>> {
            super::SecretVault::load(self, tenant, app).await
        }
        async fn store(&self, tenant: TenantId, app: &str, secret: &HeldSecret) -> Result<()> {
            super::SecretVault::store(self, tenant, app, secret).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Named(&'static str);

    impl SecretVault for Named {
        async fn installation(&self) -> Result<String> {
            Ok(self.0.to_owned())
        }
        async fn load(&self, _: TenantId, _: &str) -> Result<Option<HeldSecret>> {
            Ok(None)
        }
        async fn store(&self, _: TenantId, _: &str, _: &HeldSecret) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_installation_without_a_name_of_its_own_is_refused() {
        let long = "x".repeat(65);
        for bad in ["", " ", "a b", long.leak()] {
            assert!(Vault::new(Named(bad)).installation().await.is_err(), "{bad:?}");
        }
        assert_eq!(Vault::new(Named("site-7")).installation().await.unwrap(), "site-7");
    }
}
