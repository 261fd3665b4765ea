//! Away from application access policies, with the app at work all the time.
//!
//! The plan is [`exchange_admin::migration`]'s; here it is read for, run, resumed and given up. Consents go one by one, each
//! after its role was seen in scope and its window has passed; after each, the app's own fresh token must open a mailbox
//! inside and be refused outside, or the consent is given back while the policies still stand. Policies go last, after every
//! token from before is dead.

mod consents;
mod probe;
mod run;
mod steps;

use std::time::Duration;

use exchange_admin::RecipientIdentity;
use exchange_admin::migration::{
    Blocked, MigrationInput, MigrationOptions, MigrationPlan, MigrationStep, plan,
};
use jiff::Timestamp;
use m365_core::{ClientId, MailboxAddress, Result};

use crate::onboarding::Onboarding;
use crate::progress::Wait;
use crate::receipt::StepStatus;

pub use probe::{AppProbe, LiveProbe, Probed};
pub use run::{Migrated, MigratedStep, MigrationStopped};

/// What to migrate, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The app.
    pub app: ClientId,
    /// A mailbox that must stay closed to it.
    pub canary: MailboxAddress,
    /// Mailboxes and groups to narrow to when no policy says which.
    pub named: Vec<RecipientIdentity>,
    /// How.
    pub options: MigrationOptions,
    /// How long a token that was issued before a consent was taken back may live. 28 hours unless said otherwise, for apps
    /// that announce continuous access evaluation; 90 minutes for others. The policies stay that long, which costs nothing.
    pub old_tokens: Duration,
    /// The longest that one wait may last; a longer one stops the run with [`ErrorKind::NotReady`](m365_core::ErrorKind),
    /// to be run again later. With a ledger that survives, nothing is waited for twice.
    pub patience: Duration,
}

impl Migration {
    /// The migration of this app, with the careful choices.
    pub fn new(app: ClientId, canary: MailboxAddress, options: MigrationOptions) -> Self {
        Self {
            app,
            canary,
            named: Vec::new(),
            options,
            old_tokens: Duration::from_secs(28 * 60 * 60),
            patience: Duration::MAX,
        }
    }

    /// Mailboxes and groups to narrow to when no policy says which.
    #[must_use]
    pub fn with_named(mut self, named: Vec<RecipientIdentity>) -> Self {
        self.named = named;
        self
    }

    /// Another life of tokens.
    #[must_use]
    pub fn with_old_tokens(mut self, life: Duration) -> Self {
        self.old_tokens = life;
        self
    }

    /// Another longest wait.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Under which the ledger keeps it.
    pub(crate) fn ledger_name(&self) -> String {
        format!("migration {}", self.app)
    }
}

/// Told what happens; every method does nothing unless you say otherwise. `()` is silent.
pub trait MigrationProgress: Send + Sync {
    /// A step begins.
    fn step_started(&self, _step: &MigrationStep) {}

    /// A step is over.
    fn step_finished(&self, _step: &MigrationStep, _status: StepStatus) {}

    /// Time passes; called several times per wait.
    fn waiting(&self, _wait: &Wait<'_>, _now: Timestamp) {}
}

impl MigrationProgress for () {}

impl Onboarding {
    /// Reads what a migration needs to know, in Exchange and in the directory. Writes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](m365_core::ErrorKind::NotFound) when the app has no enterprise application in this tenant, or a
    /// mailbox does not exist; otherwise what the tenant says. What cannot be read is never taken for absent.
    pub async fn read_migration(&self, migration: &Migration) -> Result<MigrationInput> {
        let app = consents::read(&self.inner.graph, migration.app).await?;
        self.inner
            .exchange
            .read_migration(
                (migration.app, app.object, &app.display_name),
                Some(app.consents()),
                &migration.canary,
                &migration.named,
                &migration.options,
            )
            .await
    }

    /// Reads and plans. Writes nothing. The inner result is the plan, or every reason why there is none.
    ///
    /// ```
    /// # use mail_access::migration::Migration;
    /// # async fn run(onboarding: mail_access::Onboarding, migration: Migration) -> m365_core::Result<()> {
    /// match onboarding.plan_migration(&migration).await? {
    ///     Ok(plan) => plan.steps.iter().for_each(|step| println!("{step}")),
    ///     Err(blocked) => blocked.blockers.iter().for_each(|blocker| println!("not yet: {blocker}")),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Onboarding::read_migration`].
    pub async fn plan_migration(
        &self,
        migration: &Migration,
    ) -> Result<std::result::Result<MigrationPlan, Blocked>> {
        Ok(plan(&self.read_migration(migration).await?, &migration.options))
    }
}
