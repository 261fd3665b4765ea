//! Applying a plan: step by step, each found done or made, resumable after any of them.

mod error;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use graph_auth::{RegistrationState, RegistrationStep, StepOutcome, apply_step};
use jiff::Timestamp;
use m365_core::{Acted, Error, ErrorKind, Result, later};

use crate::ledger::{LedgerEntry, Windows};
use crate::names;
use crate::onboarding::Onboarding;
use crate::plan::{Action, AppIds, ExchangeChange, Plan, Step, StepResult};
use crate::profile::AppProfile;
use crate::progress::{Progress, ReplicationWaits, wait_until};
use crate::receipt::{StepReceipt, StepStatus};
use crate::vault::HeldSecret;

pub use error::ApplyError;

/// What was done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// When the first step began.
    pub started: Timestamp,
    /// The steps with their results.
    pub steps: Vec<StepReceipt>,
    pub(crate) windows: Windows,
}

impl Applied {
    /// Whether anything was changed, or may have been.
    pub fn changed(&self) -> bool {
        self.steps
            .iter()
            .any(|s| matches!(s.result, StepStatus::Applied | StepStatus::Pending | StepStatus::Unknown))
    }
}

/// Where and why a run stops.
struct Stop {
    step: Option<String>,
    error: Arc<Error>,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self { step: None, error: Arc::new(error) }
    }
}

impl Onboarding {
    /// Takes the steps of a plan in order, and stops at the first that fails. Applying again, or planning again after an
    /// interruption anywhere, ends in the same state: each step looks before it writes, and an answer that was lost is
    /// decided by reading. Each step is noted in the [`Ledger`](crate::Ledger) before and after it is taken.
    ///
    /// # Errors
    /// [`ApplyError`] with the step that stopped the run, why, and what was done before, which stays done. No step was
    /// tried when the plan was made for another tenant, or when the registrations cannot be read.
    pub async fn apply(&self, plan: &Plan, progress: &dyn Progress) -> Result<Applied, ApplyError> {
        let mut applied =
            Applied { started: self.inner.clock.now(), steps: Vec::new(), windows: Windows::default() };
        match self.run(plan, &mut applied, progress).await {
            Ok(()) => Ok(applied),
            Err(Stop { step, error }) => Err(ApplyError { applied, step, error }),
        }
    }

    async fn run(&self, plan: &Plan, applied: &mut Applied, progress: &dyn Progress) -> Result<(), Stop> {
        let clock = &self.inner.clock;
        if plan.tenant_id != self.inner.tenant_id {
            return Err(Stop::from(Error::invalid(format!(
                "the plan was made for the tenant {}, and this is {}: plan again here",
                plan.tenant_id, self.inner.tenant_id
            ))));
        }
        if plan.is_empty() {
            return Ok(());
        }
        let mut states = self.states(plan).await?;
        for (index, step) in plan.steps.iter().enumerate() {
            progress.step_started(index, plan.steps.len(), step);
            let result = match self.announce(plan, step).await {
                Ok(()) => self.step(plan, step, &mut states, progress).await,
                Err(error) => Err(error.with_acted(Acted::No)),
            };
            let at = clock.now();
            let (told, error) = match result {
                Ok(done) => (done, None),
                Err(error) => {
                    let error = Arc::new(error);
                    let told = match (error.kind(), error.acted()) {
                        (ErrorKind::NotReady, _) => {
                            StepResult::Pending(later(at, step.description.window.latest))
                        }
                        (_, Acted::Unknown) => StepResult::Unknown(Arc::clone(&error)),
                        (_, Acted::No) => StepResult::Failed(Arc::clone(&error)),
                    };
                    (told, Some(error))
                }
            };
            let status = StepStatus::from(&told);
            applied.steps.push(StepReceipt {
                id: step.id.clone(),
                result: status,
                at,
                error: error.as_ref().map(ToString::to_string),
                description: step.description.clone(),
            });
            let mut noted = Ok(());
            if matches!(status, StepStatus::Applied | StepStatus::Pending | StepStatus::Unknown) {
                let entry = entry(plan, step, at, true);
                applied.windows.extend(&plan.profile, entry.app.as_deref(), entry.window, at);
                noted = self.inner.ledger.record(plan.tenant_id, &entry).await;
            }
            progress.step_finished(index, plan.steps.len(), step, &told);
            if let Some(error) = error.or(noted.err().map(Arc::new)) {
                return Err(Stop { step: Some(step.id.clone()), error });
            }
        }
        Ok(())
    }

    /// Notes that a step is about to be taken: whoever is interrupted in the middle of it leaves a trace. A step that was
    /// taken a moment ago is not made younger by finding it there again.
    async fn announce(&self, plan: &Plan, step: &Step) -> Result<()> {
        if matches!(step.action, Action::AwaitPolicy) {
            return Ok(());
        }
        let now = self.inner.clock.now();
        let known = self.inner.ledger.entries(plan.tenant_id, &plan.profile.name).await?;
        if known.iter().any(|e| e.step == step.id && later(e.at, e.window.latest) > now) {
            return Ok(());
        }
        self.inner.ledger.record(plan.tenant_id, &entry(plan, step, now, false)).await
    }

    /// The registrations as they are now: the plan may be older than somebody's change.
    async fn states(&self, plan: &Plan) -> Result<BTreeMap<String, RegistrationState>> {
        let mut states = BTreeMap::new();
        for app in &plan.profile.apps {
            let desired = names::registration(app)?;
            let state = RegistrationState::read(&self.inner.graph, &desired).await?;
            self.refuse_setup_identity(&plan.profile, app, state.client_id())?;
            states.insert(app.unique_name.clone(), state);
        }
        Ok(states)
    }

    async fn step(
        &self,
        plan: &Plan,
        step: &Step,
        states: &mut BTreeMap<String, RegistrationState>,
        progress: &dyn Progress,
    ) -> Result<StepResult> {
        match &step.action {
            Action::Exchange(change) => {
                let ids = step.app.as_ref().and_then(|app| states.get(app)).map(ids_of).unwrap_or_default();
                Ok(match change.apply(&self.inner.exchange, &ids).await? {
                    true => StepResult::Applied,
                    false => StepResult::AlreadyThere,
                })
            }
            Action::AwaitPolicy => {
                let until = later(self.policy_made(plan, step).await?, step.description.window.latest);
                wait_until(&self.inner.clock, progress, "the access policy to be enforced everywhere", until)
                    .await;
                Ok(StepResult::Waited)
            }
            Action::Registration(change) => {
                let app = step.app.as_deref().unwrap_or_default();
                let (Some(state), Some(profile)) =
                    (states.get_mut(app), plan.profile.apps.iter().find(|a| a.unique_name == app))
                else {
                    return Err(Error::invalid("the step belongs to no app of the profile"));
                };
                self.registration(profile, change, state, progress).await
            }
        }
    }

    /// When the policy that a step waits for was made. How long an older one has been there cannot be read, so one that
    /// the ledger does not know is waited for as if it were new.
    async fn policy_made(&self, plan: &Plan, step: &Step) -> Result<Timestamp> {
        let policy = policy_of(step);
        let known = self.inner.ledger.entries(plan.tenant_id, &plan.profile.name).await?;
        let made = known.iter().filter(|e| e.taken && Some(e.step.as_str()) == policy.as_deref());
        Ok(made.map(|e| e.at).max().unwrap_or_else(|| self.inner.clock.now()))
    }

    async fn registration(
        &self,
        app: &AppProfile,
        change: &RegistrationStep,
        state: &mut RegistrationState,
        progress: &dyn Progress,
    ) -> Result<StepResult> {
        if let RegistrationStep::AddSecret { held: planned, .. } = change
            && let Some(kept) = self.inner.vault.load(self.inner.tenant_id, &app.unique_name).await?
            && Some(kept.key_id) != *planned
            && state.application().is_some_and(|a| works(a, kept.key_id, self.inner.clock.now()))
        {
            // The plan is older than the secret: another one would take it from those who use it.
            return Ok(StepResult::AlreadyThere);
        }
        if matches!(change, RegistrationStep::GrantAppRole { .. }) {
            self.confirm_policy(app, state).await?;
        }
        let waits = ReplicationWaits::new(&self.inner.convergence);
        let outcome = {
            let work = apply_step(&self.inner.graph, change, state, waits.convergence());
            waits.told_to(progress, work).await?
        };
        match outcome {
            StepOutcome::AlreadyThere => Ok(StepResult::AlreadyThere),
            StepOutcome::Secret { key_id, secret, end } => {
                let client_id = state
                    .client_id()
                    .ok_or_else(|| Error::unreadable("a secret was made for an app without client id"))?;
                let held = HeldSecret { client_id, key_id, secret, expires: end };
                // Before anything else: this text is never shown again.
                self.inner.vault.store(self.inner.tenant_id, &app.unique_name, &held).await?;
                Ok(StepResult::Applied)
            }
            _ => Ok(StepResult::Applied),
        }
    }
}

fn works(application: &graph_auth::directory::Application, key: m365_core::KeyId, now: Timestamp) -> bool {
    let mut secrets = application.password_credentials.iter();
    secrets.any(|s| s.key_id == key && s.end_date_time.is_none_or(|end| end > now))
}

fn policy_of(step: &Step) -> Option<String> {
    step.id.strip_suffix("await-policy").map(|app| format!("{app}policy"))
}

fn entry(plan: &Plan, step: &Step, at: Timestamp, taken: bool) -> LedgerEntry {
    // A group may carry the scopes of several apps, though its steps stand with the first.
    let serves_several = matches!(
        &step.action,
        Action::Exchange(ExchangeChange::NewSecurityGroup { .. } | ExchangeChange::AddGroupMember { .. })
    );
    LedgerEntry {
        profile: plan.profile.name.clone(),
        app: step.app.clone().filter(|_| !serves_several),
        step: step.id.clone(),
        at,
        window: step.description.window,
        taken,
    }
}

fn ids_of(state: &RegistrationState) -> AppIds {
    AppIds {
        application: state.application_id(),
        client: state.client_id(),
        service_principal: state.service_principal_id(),
    }
}

/// The gaps between probes once the quiet time is over.
pub(crate) const GAPS: [Duration; 4] = [
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(30 * 60),
];
