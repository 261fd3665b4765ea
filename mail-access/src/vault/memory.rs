use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use m365_core::{Result, TenantId};

use super::{HeldSecret, SecretVault};

/// Keeps secrets for the life of the process. Each is an installation of its own; clones share one.
///
/// What it held is lost with it, and the secrets that it made stay in the tenant until they expire.
#[derive(Clone)]
pub struct MemoryVault {
    installation: String,
    held: Arc<Mutex<HashMap<(TenantId, String), HeldSecret>>>,
}

impl MemoryVault {
    /// An empty vault.
    pub fn new() -> Self {
        Self { installation: uuid::Uuid::new_v4().simple().to_string(), held: Arc::default() }
    }
}

impl Default for MemoryVault {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVault").field("installation", &self.installation).finish_non_exhaustive()
    }
}

impl SecretVault for MemoryVault {
    async fn installation(&self) -> Result<String> {
        Ok(self.installation.clone())
    }

    async fn load(&self, tenant: TenantId, app: &str) -> Result<Option<HeldSecret>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(held.get(&(tenant, app.to_owned())).cloned())
    }

    async fn store(&self, tenant: TenantId, app: &str, secret: &HeldSecret) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert((tenant, app.to_owned()), secret.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use m365_core::{ClientId, KeyId};

    use super::*;

    #[tokio::test]
    async fn each_is_an_installation_of_its_own_and_shows_no_secret() {
        let vault = MemoryVault::new();
        let secret = HeldSecret {
            client_id: ClientId::MICROSOFT_GRAPH,
            key_id: KeyId::from_bytes([7; 16]),
            secret: "Zx1~Q.8h".to_owned().into(),
            expires: Timestamp::UNIX_EPOCH,
        };
        vault.store(TenantId::from_bytes([1; 16]), "acme", &secret).await.unwrap();
        assert!(vault.load(TenantId::from_bytes([2; 16]), "acme").await.unwrap().is_none());
        assert!(!format!("{secret:?} {vault:?}").contains("Zx1"));
        assert_eq!(vault.installation().await.unwrap(), vault.clone().installation().await.unwrap());
        assert_ne!(vault.installation().await.unwrap(), MemoryVault::new().installation().await.unwrap());
    }
}
