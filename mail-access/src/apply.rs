//! Applying a plan: step by step, each found done or made, resumable after any of them.

use std::collections::BTreeMap;
use std::time::Duration;

use graph_auth::{RegistrationState, RegistrationStep, StepOutcome, apply_step};
use jiff::Timestamp;
use m365_core::{Acted, Error, ErrorKind, Result, later};

use crate::names;
use crate::onboarding::Onboarding;
use crate::plan::{Action, AppIds, Plan, Step, StepResult, Window};
use crate::profile::AppProfile;
use crate::progress::{Progress, wait_until};
use crate::receipt::StepReceipt;
use crate::vault::HeldSecret;

/// What was done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// When the first step began.
    pub started: Timestamp,
    /// The steps with their results.
    pub steps: Vec<StepReceipt>,
    /// Per app: when its changes may be looked at, and when a refusal stops being "not yet".
    pub(crate) windows: BTreeMap<String, Pending>,
}

/// When an app's changes are enforced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// Before this a probe would only keep old caches alive.
    pub(crate) quiet_until: Timestamp,
    /// After this a refusal is a failure.
    pub(crate) latest: Timestamp,
}

impl Applied {
    /// Whether anything was changed.
    pub fn changed(&self) -> bool {
        self.steps.iter().any(|s| s.result == "applied")
    }

    fn extend(&mut self, apps: &[&str], window: Window, at: Timestamp) {
        let (quiet, latest) = (later(at, window.likely), later(at, window.latest));
        for app in apps {
            let pending =
                self.windows.entry((*app).to_owned()).or_insert(Pending { quiet_until: quiet, latest });
            pending.quiet_until = pending.quiet_until.max(quiet);
            pending.latest = pending.latest.max(latest);
        }
    }
}

impl Onboarding {
    /// Takes the steps of a plan in order, and stops at the first that fails. Applying again, or planning again after an
    /// interruption anywhere, ends in the same state: each step looks before it writes, and an answer that was lost is
    /// decided by reading.
    ///
    /// # Errors
    /// The failure of the step that stopped it, with the step's id as operation. What was done before stays done.
    pub async fn apply(&self, plan: &Plan, progress: &dyn Progress) -> Result<Applied> {
        let clock = &self.inner.clock;
        let mut applied = Applied { started: clock.now(), steps: Vec::new(), windows: BTreeMap::new() };
        if plan.is_empty() {
            return Ok(applied);
        }
        let mut states = self.states(plan).await?;
        for (index, step) in plan.steps.iter().enumerate() {
            progress.step_started(index, plan.steps.len(), step);
            let result = self.step(plan, step, &mut states, &applied, progress).await;
            let at = clock.now();
            let told = match result {
                Ok(true) => StepResult::Applied,
                Ok(false) => StepResult::AlreadyThere,
                Err(error) if error.kind() == ErrorKind::NotReady => {
                    StepResult::Pending(later(at, step.description.window.latest))
                }
                Err(error) => {
                    let error = error.with_operation(format!("step {}", step.id));
                    let copy = Error::new(error.kind(), error.message()).with_acted(error.acted());
                    let told = if error.acted() == Acted::Unknown {
                        StepResult::Unknown(copy)
                    } else {
                        StepResult::Failed(copy)
                    };
                    progress.step_finished(index, plan.steps.len(), step, &told);
                    return Err(error);
                }
            };
            progress.step_finished(index, plan.steps.len(), step, &told);
            let word = match told {
                StepResult::AlreadyThere => "already-there",
                StepResult::Pending(_) => "pending",
                _ => "applied",
            };
            if word == "applied" && !matches!(step.action, Action::AwaitPolicy) {
                let apps: Vec<&str> = match &step.app {
                    Some(app) => vec![app],
                    None => plan.profile.apps.iter().map(|a| a.unique_name.as_str()).collect(),
                };
                applied.extend(&apps, step.description.window, at);
            }
            applied.steps.push(StepReceipt {
                id: step.id.clone(),
                result: word,
                at,
                description: step.description.clone(),
            });
            if word == "pending" {
                return Err(Error::new(
                    ErrorKind::NotReady,
                    "the step was taken and is not complete yet: run the plan again later",
                )
                .with_operation(format!("step {}", step.id)));
            }
        }
        Ok(applied)
    }

    /// The registrations as they are now: the plan may be older than somebody's change.
    async fn states(&self, plan: &Plan) -> Result<BTreeMap<String, RegistrationState>> {
        let mut states = BTreeMap::new();
        for app in &plan.profile.apps {
            let desired = names::registration(app, None)?;
            let state = RegistrationState::read(&self.inner.graph, &desired).await?;
            states.insert(app.unique_name.clone(), state);
        }
        Ok(states)
    }

    async fn step(
        &self,
        plan: &Plan,
        step: &Step,
        states: &mut BTreeMap<String, RegistrationState>,
        applied: &Applied,
        progress: &dyn Progress,
    ) -> Result<bool> {
        match &step.action {
            Action::Exchange(change) => {
                let ids = step.app.as_ref().and_then(|app| states.get(app)).map(ids_of).unwrap_or_default();
                change.apply(&self.inner.exchange, &ids).await
            }
            Action::AwaitPolicy => {
                let since = applied
                    .steps
                    .iter()
                    .find(|s| s.result == "applied" && Some(s.id.as_str()) == policy_of(step).as_deref())
                    .map_or(self.inner.clock.now(), |s| s.at);
                // How long an older policy has been there cannot be read, so it is waited for as if it were new.
                let until = later(since, step.description.window.latest);
                wait_until(&self.inner.clock, progress, "the access policy to be enforced everywhere", until)
                    .await;
                Ok(true)
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

    async fn registration(
        &self,
        app: &AppProfile,
        change: &RegistrationStep,
        state: &mut RegistrationState,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let _ = progress;
        if let RegistrationStep::AddSecret { held: planned, .. } = change
            && let Some(kept) = self.inner.vault.load(&app.unique_name).await?
            && Some(kept.key_id) != *planned
            && state.application().is_some_and(|a| works(a, kept.key_id, self.inner.clock.now()))
        {
            // The plan is older than the secret: another one would take it from those who use it.
            return Ok(false);
        }
        if matches!(change, RegistrationStep::GrantAppRole { .. }) {
            self.confirm_policy(app, state).await?;
        }
        match apply_step(&self.inner.graph, change, state, &self.inner.convergence).await? {
            StepOutcome::Applied => Ok(true),
            StepOutcome::AlreadyThere => Ok(false),
            StepOutcome::Secret { key_id, secret, end } => {
                let client_id = state
                    .client_id()
                    .ok_or_else(|| Error::unreadable("a secret was made for an app without client id"))?;
                let held = HeldSecret { client_id, key_id, secret, expires: end };
                // Before anything else: this text is never shown again.
                self.inner.vault.store(&app.unique_name, &held).await?;
                Ok(true)
            }
            _ => Ok(true),
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
