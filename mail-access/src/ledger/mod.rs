//! When which step was taken. Changes in the cloud are enforced minutes to hours later; whoever looks in between must know
//! how old they are, also after a restart.

mod directory;
mod memory;
mod windows;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use m365_core::{Result, TenantId};
use serde::{Deserialize, Serialize};

use crate::plan::Window;

pub use directory::DirectoryLedger;
pub use memory::MemoryLedger;
pub(crate) use windows::{Pending, Windows};

/// One step that was, or is about to be, taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LedgerEntry {
    /// Name of the profile.
    pub profile: String,
    /// Unique name of the app that it concerns; none when it concerns every app of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The step's id in the plan.
    pub step: String,
    /// When it was taken; when it began, as long as that is all that is known.
    pub at: Timestamp,
    /// When it is enforced, counted from then.
    pub window: Window,
    /// False: written before the step, and all there is when it was interrupted; it may or may not have been taken.
    pub taken: bool,
}

/// Keeps what was done when. Implement it over your own store, beside the vault; implementors write `async fn`s.
pub trait ChangeLedger: fmt::Debug + Send + Sync + 'static {
    /// Adds an entry. It must be durable when this returns; entries are never changed.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> impl Future<Output = Result<()>> + Send;

    /// Every entry of a profile in a tenant, in the order in which they were recorded.
    ///
    /// # Errors
    /// When the store cannot be read; that never counts as "nothing was done".
    fn entries(
        &self,
        tenant: TenantId,
        profile: &str,
    ) -> impl Future<Output = Result<Vec<LedgerEntry>>> + Send;
}

/// A cheap handle to any [`ChangeLedger`].
#[derive(Clone)]
pub struct Ledger(Arc<dyn dynamic::ChangeLedger>);

impl Ledger {
    /// A handle to this ledger.
    pub fn new(ledger: impl ChangeLedger) -> Self {
        Self(Arc::new(ledger))
    }

    /// See [`ChangeLedger::record`].
    ///
    /// # Errors
    /// Those of the ledger behind it.
    pub async fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> Result<()> {
        self.0.record(tenant, entry).await
    }

    /// See [`ChangeLedger::entries`].
    ///
    /// # Errors
    /// Those of the ledger behind it.
    pub async fn entries(&self, tenant: TenantId, profile: &str) -> Result<Vec<LedgerEntry>> {
        self.0.entries(tenant, profile).await
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

mod dynamic {
    use std::fmt;

    use m365_core::{Result, TenantId};

    use super::LedgerEntry;

    #[async_trait::async_trait]
    pub(super) trait ChangeLedger: fmt::Debug + Send + Sync {
        async fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> Result<()>;
        async fn entries(&self, tenant: TenantId, profile: &str) -> Result<Vec<LedgerEntry>>;
    }

    #[async_trait::async_trait]
    impl<T: super::ChangeLedger> ChangeLedger for T {
        async fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> Result<()> {
            super::ChangeLedger::record(self, tenant, entry).await
        }
        async fn entries(&self, tenant: TenantId, profile: &str) -> Result<Vec<LedgerEntry>> {
            super::ChangeLedger::entries(self, tenant, profile).await
        }
    }
}
