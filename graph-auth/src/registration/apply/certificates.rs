//! Certificates: one list for all of them, replaced as a whole.

use m365_core::{KeyId, Result};

use super::{Apply, StepOutcome};
use crate::directory::NewCertificate;
use crate::registration::certificates::Certificates;

impl Apply<'_> {
    pub(super) async fn add_certificate(&mut self, new: &NewCertificate) -> Result<StepOutcome> {
        let (_, is_added) = self.certificates()?.add(new).await?;
        self.reread().await?;
        Ok(outcome(is_added))
    }

    pub(super) async fn remove_certificate(&mut self, key_id: KeyId) -> Result<StepOutcome> {
        let is_removed = self.certificates()?.remove(key_id).await?;
        self.reread().await?;
        Ok(outcome(is_removed))
    }

    fn certificates(&self) -> Result<Certificates<'_>> {
        Ok(Certificates {
            pipeline: self.pipeline,
            convergence: self.convergence,
            application: self.application()?.id,
            is_new: self.is_new(),
        })
    }
}

fn outcome(is_changed: bool) -> StepOutcome {
    if is_changed { StepOutcome::Applied } else { StepOutcome::AlreadyThere }
}
