//! Secrets: their texts are seen once, and their lists flap between replicas.

use std::sync::{Mutex, PoisonError};

use m365_core::{Acted, ApplicationObjectId, KeyId, Result, later};

use super::{Apply, StepOutcome, not_ready};
use crate::convergence::{Call, Verdict, classify, is_not_served};
use crate::directory::{AddPassword, Application, GetApplication, NewPassword, RemovePassword};
use crate::registration::SecretPolicy;
use crate::registration::state::{absent, holds, orphans};

impl Apply<'_> {
    pub(super) async fn remove_secret(&mut self, key_id: KeyId) -> Result<StepOutcome> {
        let id = self.application()?.id;
        let pipeline = self.pipeline;
        let read = async || {
            let read = absent(pipeline.run(&GetApplication::by_object_id(id)).await)?;
            Ok(read.filter(|a| !holds(a, key_id)))
        };
        let (remove, what) = (RemovePassword { id, key_id }, "the secret to be gone");
        let (outcome, refusal) = match self.remove_until_gone(&remove, what, read).await {
            Ok((outcome, _)) => (outcome, None),
            // "No such credential" has no code of its own.
            Err(error) if is_not_served(&error) => (StepOutcome::AlreadyThere, Some(error)),
            Err(error) => return Err(error),
        };
        // What is there decides, and the lists of secrets flap more than others do.
        match self.confirm_secrets(id, |a| !holds(a, key_id)).await? {
            Some(read) => self.state.application = Some(read),
            None => {
                return Err(
                    refusal.unwrap_or_else(|| not_ready("the secret was removed and can still be read"))
                );
            }
        }
        Ok(outcome)
    }

    pub(super) async fn add_secret(
        &mut self,
        policy: &SecretPolicy,
        held: Option<KeyId>,
    ) -> Result<StepOutcome> {
        let id = self.application()?.id;
        self.remove_orphans(id, policy, held).await?;
        let end = later(self.convergence.clock().now(), policy.lifetime);
        let operation = AddPassword { id, display_name: policy.display_name.clone(), end: Some(end) };
        let mut patience = self.convergence.patience("the new secret");
        let made = loop {
            let error = match self.pipeline.run(&operation).await {
                Ok(made) => break made,
                Err(error) => error,
            };
            let again = classify(Call::AddSecret, &error, self.is_new()) == Verdict::Wait
                && patience.wait(error.message(), error.retry_after()).await;
            if !again {
                return Err(error);
            }
            if error.acted() == Acted::Unknown {
                // It may have been added, with its text lost on the way: then it serves nobody.
                self.remove_orphans(id, policy, held).await?;
            }
        };
        let NewPassword { key_id, secret, end: told } = made;
        // From here on nothing may fail: the text exists only here.
        match self.confirm_secrets(id, |a| holds(a, key_id)).await {
            Ok(Some(read)) => self.state.application = Some(read),
            Ok(None) | Err(_) => tracing::debug!(%key_id, "the new secret is not readable everywhere yet"),
        }
        Ok(StepOutcome::Secret { key_id, secret, end: told.unwrap_or(end) })
    }

    async fn remove_orphans(
        &mut self,
        id: ApplicationObjectId,
        policy: &SecretPolicy,
        held: Option<KeyId>,
    ) -> Result<()> {
        let first = self.reread().await?;
        let ours = |a: &Application| -> Vec<KeyId> {
            orphans(a, &policy.display_name, held).map(|secret| secret.key_id).collect()
        };
        // Replicas show old lists for a while, also of an old application: its lists change when a secret is added. So the
        // same list must be read several times.
        let mut seen = ours(&first);
        let last = Mutex::new(seen.clone());
        let same = |a: &Application| {
            let now = ours(a);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_same = *last == now;
            *last = now;
            is_same
        };
        if let Some(read) = self.confirm_secrets(id, same).await? {
            seen = ours(&read);
        }
        for key_id in seen {
            self.remove_secret(key_id).await?;
        }
        Ok(())
    }
}
