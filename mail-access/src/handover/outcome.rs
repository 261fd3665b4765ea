use exchange_admin::{ReceiptStep, StepResult};
use serde::Serialize;

/// What became of a step that people ran by script, as the receipts say. They come from outside: a claim to be verified, not
/// a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepOutcome {
    /// The step's id in the plan.
    pub id: String,
    /// Its sentence.
    pub sentence: String,
    /// Where it stands.
    pub state: HandoverState,
    /// Writes that were made.
    pub applied: usize,
    /// What was in place before.
    pub already_there: usize,
    /// What a run without `-Apply` would write.
    pub would_apply: usize,
    /// What failed, by the script's own title.
    pub failed: Vec<String>,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HandoverState {
    /// No receipt covers it, or not all of it.
    Open,
    /// It was only shown; nothing was written.
    Shown,
    /// A part of it failed, and its script ended there.
    Failed,
    /// All of it was written or found.
    Done,
}

impl StepOutcome {
    pub(crate) fn open(id: &str, sentence: &str) -> Self {
        Self {
            id: id.to_owned(),
            sentence: sentence.to_owned(),
            state: HandoverState::Open,
            applied: 0,
            already_there: 0,
            would_apply: 0,
            failed: Vec::new(),
        }
    }

    /// By the results that a receipt has for it; `whole` when there are no more to come.
    pub(crate) fn of(id: &str, sentence: &str, results: &[&ReceiptStep], whole: bool) -> Self {
        let mut outcome = Self::open(id, sentence);
        for step in results {
            match step.result {
                StepResult::Applied => outcome.applied += 1,
                StepResult::AlreadyThere => outcome.already_there += 1,
                StepResult::WouldApply => outcome.would_apply += 1,
                // What this version does not know is not done.
                _ => outcome.failed.push(step.title.clone()),
            }
        }
        outcome.state = if !outcome.failed.is_empty() {
            HandoverState::Failed
        } else if outcome.would_apply > 0 {
            HandoverState::Shown
        } else if whole {
            HandoverState::Done
        } else {
            HandoverState::Open
        };
        outcome
    }
}
