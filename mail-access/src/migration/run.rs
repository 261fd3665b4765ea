use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use exchange_admin::cmdlets::{
    ApplicationAccessPolicy, ListApplicationAccessPolicies, NewManagementRoleAssignment, PolicyApp,
};
use exchange_admin::migration::{Consent, MigrationAction, MigrationPlan, MigrationStep, abandon, plan};
use exchange_admin::{ApplicationRole, Cmdlet};
use jiff::Timestamp;
use m365_core::{Acted, Error, ErrorKind, MailboxAddress, Result, ServicePrincipalObjectId, later, until};

use super::probe::{LiveProbe, Probed};
use super::{Migration, MigrationProgress, consents, steps};
use crate::ledger::LedgerEntry;
use crate::onboarding::Onboarding;
use crate::plan::Window;
use crate::progress::{Progress, Wait, wait_until};
use crate::receipt::StepStatus;

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigratedStep {
    /// Its id in the plan.
    pub id: String,
    /// What it does.
    pub sentence: String,
    /// What became of it.
    pub status: StepStatus,
    /// When.
    pub at: Timestamp,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// The steps, in order.
    pub steps: Vec<MigratedStep>,
    /// What could not be tried, and other things to know.
    pub notes: Vec<String>,
}

/// A run that stopped. What was done stays done, opens nothing, and is gone on from by the next run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MigrationStopped {
    /// What was done before.
    pub done: Migrated,
    /// Id of the step that stopped it; none when it did not come to any.
    pub step: Option<String>,
    /// Why.
    pub error: Arc<Error>,
}

impl fmt::Display for MigrationStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "step {step}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

impl StdError for MigrationStopped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// The same kind of failure, under the step's name.
impl From<MigrationStopped> for Error {
    fn from(stopped: MigrationStopped) -> Self {
        let mut error = Self::new(stopped.error.kind(), stopped.to_string())
            .with_acted(stopped.error.acted())
            .with_transient(stopped.error.is_transient())
            .with_retry_after(stopped.error.retry_after());
        if let Some(code) = stopped.error.service_code() {
            error = error.with_code(code);
        }
        error
    }
}

/// Gaps between tries after a consent was taken back, before it is given again.
const GAPS: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(30 * 60),
];

impl Onboarding {
    /// Reads, plans and takes the steps. Running it again after an interruption anywhere ends in the same state; when all is
    /// done it finds nothing to do.
    ///
    /// # Errors
    /// [`MigrationStopped`] with [`ErrorKind::Conflict`] when there is no plan, and otherwise as
    /// [`Onboarding::apply_migration`].
    pub async fn migrate<P: LiveProbe>(
        &self,
        migration: &Migration,
        probe: &P,
        progress: &dyn MigrationProgress,
    ) -> Result<Migrated, MigrationStopped> {
        let planned = match self.plan_migration(migration).await {
            Ok(planned) => planned.map_err(Error::from),
            Err(error) => Err(error),
        };
        match planned {
            Ok(plan) => self.apply_migration(migration, &plan, probe, progress).await,
            Err(error) => Err(stopped(Migrated::default(), None, error)),
        }
    }

    /// Takes the steps of a plan in order, and stops at the first that fails. Each is noted in the
    /// [`Ledger`](crate::Ledger), so that windows survive a restart.
    ///
    /// # Errors
    /// [`MigrationStopped`]: [`ErrorKind::NotReady`] when a role is not in scope yet, and when a wait is longer than the
    /// migration's patience; [`ErrorKind::Conflict`] when the canary is open, when the tenant was changed so that the plan
    /// does not hold any more, when a role does not carry the app after its consent went (the consent was given again, if the
    /// policies that limited it stand), and when a consent is back before the policies go;
    /// [`ErrorKind::Unsupported`] when nothing could be tried on the canary, without which no policy is removed.
    pub async fn apply_migration<P: LiveProbe>(
        &self,
        migration: &Migration,
        plan: &MigrationPlan,
        probe: &P,
        progress: &dyn MigrationProgress,
    ) -> Result<Migrated, MigrationStopped> {
        let mut done = Migrated { steps: Vec::new(), notes: plan.notes.clone() };
        let mut run = Run {
            onboarding: self,
            migration,
            probe,
            progress,
            verified: BTreeSet::new(),
            roles: BTreeSet::new(),
            refused: false,
            proven: false,
            notes: Vec::new(),
        };
        for step in &plan.steps {
            progress.step_started(step);
            let result = run.take(plan, step).await;
            done.notes.append(&mut run.notes);
            match result {
                Ok(status) => {
                    let at = self.inner.clock.now();
                    let (id, sentence) = (step.id.clone(), step.sentence.clone());
                    done.steps.push(MigratedStep { id, sentence, status, at });
                    progress.step_finished(step, status);
                }
                Err(error) => return Err(stopped(done, Some(step.id.clone()), error)),
            }
        }
        Ok(done)
    }

    /// Goes back from a migration that was begun, as long as no consent is gone: takes the roles that it gave and its scope.
    ///
    /// # Errors
    /// [`MigrationStopped`] with [`ErrorKind::Conflict`] when that would close mailboxes to the app, and what the tenant says.
    pub async fn abandon_migration(
        &self,
        migration: &Migration,
        progress: &dyn MigrationProgress,
    ) -> Result<Migrated, MigrationStopped> {
        let mut done = Migrated::default();
        let planned = match self.read_migration(migration).await {
            Ok(input) => abandon(&input, &migration.options).map_err(Error::from),
            Err(error) => Err(error),
        };
        let plan = planned.map_err(|error| stopped(Migrated::default(), None, error))?;
        for step in &plan.steps {
            progress.step_started(step);
            match steps::make(&self.inner.exchange, &step.action).await {
                Ok(status) => {
                    let status = status.unwrap_or(StepStatus::AlreadyThere);
                    let (id, sentence) = (step.id.clone(), step.sentence.clone());
                    done.steps.push(MigratedStep { id, sentence, status, at: self.inner.clock.now() });
                    progress.step_finished(step, status);
                }
                Err(error) => return Err(stopped(done, Some(step.id.clone()), error)),
            }
        }
        Ok(done)
    }
}

fn stopped(done: Migrated, step: Option<String>, error: Error) -> MigrationStopped {
    MigrationStopped { done, step, error: Arc::new(error) }
}

/// One run: what it has seen with its own eyes counts, and nothing from before.
struct Run<'a, P> {
    onboarding: &'a Onboarding,
    migration: &'a Migration,
    probe: &'a P,
    progress: &'a dyn MigrationProgress,
    /// Roles seen in scope, after their windows.
    verified: BTreeSet<ApplicationRole>,
    /// Roles to try mailboxes with.
    roles: BTreeSet<ApplicationRole>,
    /// The canary was surely refused with at least one of them.
    refused: bool,
    /// Everything was as it must be before the policies go.
    proven: bool,
    notes: Vec<String>,
}

impl<P: LiveProbe> Run<'_, P> {
    async fn take(&mut self, plan: &MigrationPlan, step: &MigrationStep) -> Result<StepStatus> {
        match &step.action {
            MigrationAction::VerifyRole { object, role, inside, canary } => {
                self.verify(*object, *role, inside, canary).await?;
                // Without a policy the consent opens everything until it goes.
                if plan.steps.iter().any(|s| matches!(s.action, MigrationAction::RemovePolicy { .. })) {
                    self.closed(*role, canary).await?;
                }
                self.verified.insert(*role);
                Ok(StepStatus::Waited)
            }
            MigrationAction::RemoveConsent { object, consent, replaced_by } => {
                let (inside, canary) = sample(plan);
                self.note(step, false).await?;
                self.consent(*object, consent, replaced_by, &inside, canary).await?;
                self.note(step, true).await?;
                Ok(StepStatus::Applied)
            }
            MigrationAction::Prove { inside, canary } => {
                self.prove(plan, inside, canary).await?;
                Ok(StepStatus::Waited)
            }
            action => {
                if matches!(action, MigrationAction::RemovePolicy { .. }) {
                    self.guard().await?;
                }
                self.note(step, false).await?;
                let status = steps::make(&self.onboarding.inner.exchange, action)
                    .await?
                    .ok_or_else(|| Error::invalid("this version does not know the step"))?;
                if status == StepStatus::Applied {
                    self.note(step, true).await?;
                }
                Ok(status)
            }
        }
    }

    /// Waits until roles are enforced everywhere, and looks. The app is at work, so its cache may live the whole window:
    /// there is no quiet time to count on.
    async fn verify(
        &mut self,
        object: ServicePrincipalObjectId,
        role: ApplicationRole,
        inside: &[MailboxAddress],
        canary: &MailboxAddress,
    ) -> Result<()> {
        let window = <NewManagementRoleAssignment as Cmdlet>::window();
        let until = self.known(is_of_roles).await?.map_or_else(
            // A role of an age that nobody noted counts as new.
            || later(self.now(), window.latest),
            |(_, until)| until,
        );
        self.wait("the roles to be enforced everywhere", until).await?;
        steps::look(&self.onboarding.inner.exchange, object, role, inside, canary).await?;
        // The consent opens these still; whoever cannot see that now would not see the role either.
        for mailbox in inside {
            if self.try_open(role, mailbox).await? == Some(false) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("{mailbox} is closed to the app before anything is taken away: the proof would prove nothing"),
                )
                .with_acted(Acted::No));
            }
        }
        Ok(())
    }

    /// Takes a consent back and sees whether its roles carry the app; otherwise gives it back, which opens no more than
    /// before as long as the policies stand.
    async fn consent(
        &mut self,
        object: ServicePrincipalObjectId,
        consent: &Consent,
        replaced_by: &BTreeSet<ApplicationRole>,
        inside: &[MailboxAddress],
        canary: Option<&MailboxAddress>,
    ) -> Result<()> {
        if !replaced_by.is_subset(&self.verified) {
            return Err(Error::invalid("a consent goes only after its roles were seen at work"));
        }
        let limits = self.still_planned().await?;
        let graph = &self.onboarding.inner.graph;
        let held = consents::read(graph, self.migration.app).await?.of(consent);
        for held in &held {
            consents::revoke(graph, object, held).await?;
        }
        let seen = self.carried(consent, replaced_by, inside, canary).await;
        let Err(error) = seen else { return Ok(()) };
        // Where a policy went meanwhile, the consent would open more than before.
        if !self.policies().await.is_ok_and(|now| limits.is_subset(&now)) {
            self.notes.push(format!(
                "The consent to {consent} was not given again: the policies that limited it do not (surely) stand any more."
            ));
            return Err(error);
        }
        for held in &held {
            consents::restore(graph, object, held).await?;
        }
        self.notes.push(format!("The consent to {consent} was given again, and the policies stand."));
        Err(error)
    }

    /// Hours may have passed since the plan was made, and other people work in the tenant: a policy that denies, another
    /// filter or a new member of a copied group would be stepped over. Gives the policies that concern the app.
    async fn still_planned(&self) -> Result<BTreeSet<String>> {
        let input = self.onboarding.read_migration(self.migration).await?;
        let left = plan(&input, &self.migration.options)?;
        if let Some(step) = left.steps.iter().find(|step| step.action.changes_roles()) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the tenant has changed since the plan was made, and this is missing now: {step} Plan anew"
                ),
            )
            .with_acted(Acted::No));
        }
        Ok(self.of_this_app(input.policies.iter().map(|read| &read.policy)))
    }

    async fn policies(&self) -> Result<BTreeSet<String>> {
        let all = self.onboarding.inner.exchange.run(&ListApplicationAccessPolicies::new()).await?.value;
        Ok(self.of_this_app(all.iter()))
    }

    fn of_this_app<'p>(&self, all: impl Iterator<Item = &'p ApplicationAccessPolicy>) -> BTreeSet<String> {
        let concerns = |policy: &&ApplicationAccessPolicy| match policy.app {
            PolicyApp::Every => true,
            PolicyApp::App(app) => app == self.migration.app,
        };
        all.filter(concerns).map(|policy| policy.identity.to_string()).collect()
    }

    async fn carried(
        &mut self,
        consent: &Consent,
        roles: &BTreeSet<ApplicationRole>,
        inside: &[MailboxAddress],
        canary: Option<&MailboxAddress>,
    ) -> Result<()> {
        self.probe.until_gone(consent).await?;
        for role in roles {
            for mailbox in inside {
                let mut gaps = GAPS.into_iter();
                while self.try_open(*role, mailbox).await? == Some(false) {
                    let Some(gap) = gaps.next() else {
                        return Err(Error::new(
                            ErrorKind::Conflict,
                            format!("without the consent to {consent}, {role} does not open {mailbox}"),
                        )
                        .with_acted(Acted::No)
                        .with_mailbox(mailbox.as_str()));
                    };
                    self.wait("the role to open the mailbox", later(self.now(), gap)).await?;
                }
            }
            if let Some(canary) = canary {
                self.closed(*role, canary).await?;
            }
        }
        Ok(())
    }

    /// The last look before the policies go.
    async fn prove(
        &mut self,
        plan: &MigrationPlan,
        inside: &[MailboxAddress],
        canary: &MailboxAddress,
    ) -> Result<()> {
        let removes = plan.steps.iter().any(|s| matches!(s.action, MigrationAction::RemovePolicy { .. }));
        if removes {
            let life = self.migration.old_tokens;
            let until = later(self.known(is_of_consents).await?.map_or(self.now(), |(at, _)| at), life);
            self.wait("tokens from before to be dead", until).await?;
            self.guard_consents().await?;
        }
        let input = self.onboarding.read_migration(self.migration).await?;
        self.refused = false;
        let scope = self.migration.options.scope_name()?;
        for assignment in &input.assignments {
            let ours = matches!(&assignment.scope, exchange_admin::GrantedScope::Custom(name)
                if name.to_lowercase() == scope.as_str().to_lowercase());
            self.roles.extend(assignment.role.filter(|_| ours && assignment.enabled));
        }
        for role in self.roles.clone() {
            steps::look(&self.onboarding.inner.exchange, input.object, role, inside, canary).await?;
            for mailbox in inside {
                if self.try_open(role, mailbox).await? == Some(false) {
                    return Err(Error::new(ErrorKind::Conflict, format!("{role} does not open {mailbox}"))
                        .with_mailbox(mailbox.as_str()));
                }
            }
            self.closed(role, canary).await?;
        }
        if removes && !self.refused {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{canary} could not be tried with any role: without seeing it refused no policy is removed"),
            )
            .with_acted(Acted::No));
        }
        self.proven = true;
        Ok(())
    }

    /// Right before a policy goes: hours may have passed, and other people work in the tenant.
    async fn guard(&self) -> Result<()> {
        if !self.proven {
            return Err(Error::invalid("a policy goes only after the proof"));
        }
        self.guard_consents().await
    }

    async fn guard_consents(&self) -> Result<()> {
        let graph = &self.onboarding.inner.graph;
        consents::none_of(graph, self.migration.app, Consent::may_be_limited_by_policies).await
    }

    /// Whether the mailbox opens; `None` when it was not tried.
    async fn try_open(&mut self, role: ApplicationRole, mailbox: &MailboxAddress) -> Result<Option<bool>> {
        match self.probe.probe(role, mailbox).await? {
            Probed::Open => Ok(Some(true)),
            Probed::Refused => Ok(Some(false)),
            Probed::NotTried(why) => {
                let note = format!("{role} was not tried live: {why}.");
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                Ok(None)
            }
        }
    }

    /// A canary that opens is never excused by time.
    async fn closed(&mut self, role: ApplicationRole, canary: &MailboxAddress) -> Result<()> {
        match self.try_open(role, canary).await? {
            Some(true) => Err(Error::new(
                ErrorKind::Conflict,
                format!("{canary} opens with {role}, and must not: nothing further is changed"),
            )
            .with_acted(Acted::No)
            .with_mailbox(canary.as_str())
            .with_diagnosis("SCOPE-UNION-TRAP")),
            Some(false) => {
                self.refused = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn now(&self) -> Timestamp {
        self.onboarding.inner.clock.now()
    }

    async fn wait(&self, reason: &str, at: Timestamp) -> Result<()> {
        let left = until(self.now(), at);
        if left > self.migration.patience {
            return Err(Error::new(
                ErrorKind::NotReady,
                format!("waiting for {reason}: run again after {at}"),
            )
            .with_acted(Acted::No)
            .with_retry_after(Some(left)));
        }
        wait_until(&self.onboarding.inner.clock, &Waits(self.progress), reason, at).await;
        Ok(())
    }

    /// The newest step of a kind that the ledger knows, and when the last of them is enforced.
    async fn known(&self, of: fn(&str) -> bool) -> Result<Option<(Timestamp, Timestamp)>> {
        let name = self.migration.ledger_name();
        let entries = self.onboarding.inner.ledger.entries(self.onboarding.inner.tenant_id, &name).await?;
        let mine = entries.iter().filter(|e| of(&e.step));
        Ok(mine.map(|e| (e.at, later(e.at, e.window.latest))).reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))))
    }

    async fn note(&self, step: &MigrationStep, taken: bool) -> Result<()> {
        let inner = &self.onboarding.inner;
        let entry = LedgerEntry {
            profile: self.migration.ledger_name(),
            app: None,
            step: step.id.clone(),
            at: inner.clock.now(),
            window: Window {
                earliest: step.window.earliest,
                likely: step.window.likely,
                latest: step.window.latest,
            },
            taken,
        };
        inner.ledger.record(inner.tenant_id, &entry).await
    }
}

/// Mailboxes to look at, from the steps that name them.
fn sample(plan: &MigrationPlan) -> (Vec<MailboxAddress>, Option<&MailboxAddress>) {
    plan.steps
        .iter()
        .find_map(|step| match &step.action {
            MigrationAction::VerifyRole { inside, canary, .. } => Some((inside.clone(), Some(canary))),
            _ => None,
        })
        .unwrap_or_default()
}

fn is_of_roles(step: &str) -> bool {
    ["group", "scope", "service-principal"].contains(&step)
        || step.starts_with("member/")
        || step.starts_with("role/")
}

fn is_of_consents(step: &str) -> bool {
    step.starts_with("consent/")
}

struct Waits<'a>(&'a dyn MigrationProgress);

impl Progress for Waits<'_> {
    fn waiting(&self, wait: &Wait<'_>, now: Timestamp) {
        self.0.waiting(wait, now);
    }
}
