//! Certificates: one list for all of them, replaced as a whole.

use m365_core::{KeyId, Result};

use super::{Apply, StepOutcome, not_ready};
use crate::directory::{Application, NewCertificate};
use crate::registration::certificates::Certificates;

impl Apply<'_> {
    pub(super) async fn add_certificate(&mut self, new: &NewCertificate) -> Result<StepOutcome> {
        let (key_id, is_added) = self.certificates()?.add(new).await?;
        self.reread_keys(|a| a.key_credentials.iter().any(|key| key.key_id == key_id)).await?;
        Ok(outcome(is_added))
    }

    pub(super) async fn remove_certificate(&mut self, key_id: KeyId) -> Result<StepOutcome> {
        let is_removed = self.certificates()?.remove(key_id).await?;
        self.reread_keys(|a| a.key_credentials.iter().all(|key| key.key_id != key_id)).await?;
        Ok(outcome(is_removed))
    }

    /// One reading may come from a replica that is behind, and what it shows decides what an inventory knows.
    async fn reread_keys(&mut self, good: impl Fn(&Application) -> bool + Send + Sync) -> Result<()> {
        match self.confirm_application(self.application()?.id, good).await? {
            Some(read) => self.state.application = Some(read),
            None => return Err(not_ready("the list of certificates was changed and reads as before")),
        }
        Ok(())
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
