//! A plan in the hands of the customer's administrators: one script for each person who must run a part, a runbook, and what
//! their receipts say.

mod outcome;
mod part;
mod runbook;

use exchange_admin::ScriptReceipt;
use m365_core::{Error, ErrorKind, Result, TenantId};
use serde::Serialize;

use crate::plan::{Action, Plan};

pub use outcome::{HandoverState, StepOutcome};
pub use part::{HandoverPart, HandoverShell};

/// A plan split by who must run what. The parts are to be run in their order; a part may need what one before it made.
///
/// ```
/// # fn show(plan: &mail_access::Plan) -> m365_core::Result<()> {
/// let handover = plan.handover()?;
/// for part in &handover.parts {
///     println!("{}: {} in {}", part.file_name, part.role, part.shell);
///     std::fs::write(&part.file_name, part.to_file()).ok();
/// }
/// println!("{}", handover.runbook());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Handover {
    /// Name of the profile.
    pub profile: String,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The scripts.
    pub parts: Vec<HandoverPart>,
    /// Steps that no script takes, because a secret comes of them: ids and sentences. The product takes them itself, straight
    /// into its vault.
    pub by_product: Vec<(String, String)>,
    /// Of each app: its name, and the lines that set what the lines of its undo name.
    #[serde(skip)]
    preludes: Vec<(String, String)>,
    #[serde(skip)]
    plan: Plan,
}

impl Plan {
    /// The plan split by the role that must run each part.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when a value holds a character that has no place in a script that people review.
    pub fn handover(&self) -> Result<Handover> {
        let parts = part::split(self)?;
        let by_product = self
            .steps
            .iter()
            .filter(|step| part::makes_a_secret(step))
            .map(|step| (step.id.clone(), step.description.sentence.clone()))
            .collect();
        let preludes = runbook::preludes(self)?;
        Ok(Handover {
            profile: self.profile.name.clone(),
            tenant_id: self.tenant_id,
            parts,
            by_product,
            preludes,
            plan: self.clone(),
        })
    }
}

impl Handover {
    /// Who runs what, in which order, how long to wait, how to take it back: plain text for people.
    pub fn runbook(&self) -> String {
        runbook::write(self)
    }

    /// Reads what the script of a part printed, and says which part it was, counted from 0.
    ///
    /// # Errors
    /// Those of [`ScriptReceipt::read`]; [`ErrorKind::Conflict`] when no part of this plan prints such steps.
    pub fn read_receipt(&self, bytes: &[u8]) -> Result<(usize, ScriptReceipt)> {
        let receipt = ScriptReceipt::read(bytes)?;
        let found = self.parts.iter().position(|part| part.printed(&receipt));
        match found {
            Some(index) => Ok((index, receipt)),
            None => Err(Error::new(ErrorKind::Conflict, "the receipt is of no part of this plan")
                .with_transient(false)),
        }
    }

    /// What became of each step of the plan, by the receipts so far, the latest last. Waiting is not a step here.
    pub fn outcome(&self, receipts: &[ScriptReceipt]) -> Vec<StepOutcome> {
        self.plan
            .steps
            .iter()
            .filter(|step| !matches!(step.action, Action::AwaitPolicy))
            .map(|step| {
                let sentence = &step.description.sentence;
                let part = self.parts.iter().find(|part| part.steps.contains(&step.id));
                let said = part.and_then(|part| {
                    receipts
                        .iter()
                        .rev()
                        .filter(|receipt| part.printed(receipt))
                        .find_map(|receipt| receipt.steps.iter().find(|s| s.title == *sentence))
                });
                match said {
                    Some(said) => StepOutcome::of(&step.id, sentence, &[said], true),
                    None => StepOutcome::open(&step.id, sentence),
                }
            })
            .collect()
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }
}
