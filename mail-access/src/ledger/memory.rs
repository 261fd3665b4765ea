use std::sync::{Arc, Mutex, PoisonError};

use m365_core::{Result, TenantId};

use super::{ChangeLedger, LedgerEntry};

/// Remembers for the life of the process. Clones share one memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger(Arc<Mutex<Vec<(TenantId, LedgerEntry)>>>);

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }
}

impl ChangeLedger for MemoryLedger {
    async fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((tenant, entry.clone()));
        Ok(())
    }

    async fn entries(&self, tenant: TenantId, profile: &str) -> Result<Vec<LedgerEntry>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = all.iter().filter(|(of, entry)| *of == tenant && entry.profile == profile);
        Ok(ours.map(|(_, entry)| entry.clone()).collect())
    }
}
