//! Removals, each read back: a 404 alone does not prove that something is gone.

use m365_core::{ApplicationObjectId, Pipeline, Result};

use super::{Apply, Settled, StepOutcome, not_ready};
use crate::Api;
use crate::convergence::{Call, Convergence};
use crate::directory::{
    ApplicationSettings, DeleteApplication, DeleteServicePrincipal, GetApplication, GetServicePrincipal,
    ListAppRoleAssignments, ListDeletedApplications, PurgeApplication, RevokeAppRole,
};
use crate::registration::state::{MOST_ROWS, absent};
use crate::registration::{OffboardingStep, RegistrationState};

/// Applies one removal and keeps `state` up to date. May be called again after any failure; what is gone already is
/// [`StepOutcome::AlreadyThere`], and only Graph's own word counts for that.
///
/// # Errors
/// [`ErrorKind::NotReady`](crate::ErrorKind::NotReady) when something can still be read at the deadline of
/// `convergence`; otherwise what Graph says.
pub async fn offboard_step(
    pipeline: &Pipeline,
    step: &OffboardingStep,
    state: &mut RegistrationState,
    convergence: &Convergence,
) -> Result<StepOutcome> {
    let _lock = convergence.lock(&state.unique_name).await;
    let mut apply = Apply { pipeline, state, convergence };
    match step {
        OffboardingStep::RevokeConsent { assignment, .. } => apply.revoke_assignment(assignment).await,
        OffboardingStep::RemoveFederatedCredential { name } => apply.remove_federated(name).await,
        OffboardingStep::RemoveSecret { key_id } => apply.remove_secret(*key_id).await,
        OffboardingStep::RemoveCertificate { key_id } => apply.remove_certificate(*key_id).await,
        OffboardingStep::Undeclare { roles } => apply.undeclare(roles).await,
        OffboardingStep::RemoveRedirectUris { uris } => apply.remove_redirect_uris(uris).await,
        OffboardingStep::RemoveOwner { of, owner } => apply.remove_owner(*of, *owner).await,
        OffboardingStep::DeleteServicePrincipal { id } => apply.delete_principal(*id).await,
        OffboardingStep::DeleteApplication { id } => apply.delete_application(*id).await,
        OffboardingStep::PurgeApplication { id } => apply.purge(*id).await,
    }
}

impl Apply<'_> {
    async fn revoke_assignment(&mut self, assignment: &str) -> Result<StepOutcome> {
        let principal = self.principal()?;
        let pipeline = self.pipeline;
        let remove = RevokeAppRole { principal, assignment: assignment.to_owned() };
        let read = async || {
            let list = absent(pipeline.list(&ListAppRoleAssignments { principal }, MOST_ROWS).await)?;
            Ok(list.filter(|list| !list.iter().any(|a| a.id == assignment)))
        };
        let (outcome, left) = self.remove_until_gone(&remove, "the consent to be gone", read).await?;
        self.state.assignments = left;
        Ok(outcome)
    }

    async fn undeclare(&mut self, roles: &[(Api, m365_core::AppRoleId)]) -> Result<StepOutcome> {
        self.change_access(|access| {
            for (api, role) in roles {
                for entry in access.iter_mut().filter(|e| e.resource_app_id == api.client_id()) {
                    entry.resource_access.retain(|a| !a.is_role(*role));
                }
            }
            super::drop_empty(access);
        })
        .await
    }

    async fn remove_redirect_uris(&mut self, uris: &[String]) -> Result<StepOutcome> {
        let application = self.reread().await?;
        let mut web = application.web.clone().unwrap_or_default();
        web.other.remove("redirectUriSettings");
        let before = web.redirect_uris.len();
        web.redirect_uris.retain(|uri| !uris.contains(uri));
        if web.redirect_uris.len() == before {
            return Ok(StepOutcome::AlreadyThere);
        }
        let settings = ApplicationSettings { web: Some(web), ..ApplicationSettings::default() };
        let update = crate::directory::UpdateApplication { id: application.id, settings };
        self.converge(Call::Change, &update, self.is_new()).await?;
        let gone = |a: &crate::directory::Application| {
            !a.web.as_ref().is_some_and(|w| w.redirect_uris.iter().any(|uri| uris.contains(uri)))
        };
        match self.confirm_application(application.id, gone).await? {
            Some(read) => self.state.application = Some(read),
            None => return Err(not_ready("the addresses were removed and can still be read")),
        }
        Ok(StepOutcome::Applied)
    }

    async fn delete_principal(&mut self, id: m365_core::ServicePrincipalObjectId) -> Result<StepOutcome> {
        let Some(client_id) = self.state.client_id() else { return Ok(StepOutcome::AlreadyThere) };
        let pipeline = self.pipeline;
        let read = async || {
            let found = absent(pipeline.run(&GetServicePrincipal { client_id }).await)?;
            Ok(found.is_none_or(|principal| principal.id != id).then_some(()))
        };
        let what = "the enterprise application to be gone";
        let (outcome, ()) = self.remove_until_gone(&DeleteServicePrincipal { id }, what, read).await?;
        self.state.service_principal = None;
        (self.state.assignments, self.state.grants) = (Vec::new(), Vec::new());
        Ok(outcome)
    }

    async fn delete_application(&mut self, id: ApplicationObjectId) -> Result<StepOutcome> {
        let pipeline = self.pipeline;
        let read = async || {
            Ok(absent(pipeline.run(&GetApplication::by_object_id(id)).await)?.is_none().then_some(()))
        };
        let what = "the application to be gone";
        let (outcome, ()) = self.remove_until_gone(&DeleteApplication { id }, what, read).await?;
        if let Some(application) = self.state.application.take() {
            self.state.home_elsewhere = Some(application.client_id);
        }
        Ok(outcome)
    }

    /// The bin learns of a deletion later than the directory does, so that it is not in there has to be read several times.
    async fn purge(&mut self, id: ApplicationObjectId) -> Result<StepOutcome> {
        const LOOKS: u32 = 3;
        let pipeline = self.pipeline;
        let mut patience = self.convergence.patience("the recycle bin");
        let (mut outcome, mut absences) = (StepOutcome::AlreadyThere, 0);
        while absences < LOOKS {
            if let Settled::Answer(()) = self.converge(Call::Remove, &PurgeApplication { id }, false).await? {
                outcome = StepOutcome::Applied;
            }
            let bin = pipeline.list(&ListDeletedApplications, MOST_ROWS).await?;
            absences = if bin.iter().any(|a| a.id == id) { 0 } else { absences + 1 };
            let settled = absences > 0 && matches!(outcome, StepOutcome::Applied);
            if settled || absences == LOOKS {
                break;
            }
            if !patience.wait("the recycle bin has not settled yet", None).await {
                return Err(not_ready("it was purged and can still be read"));
            }
        }
        self.state.deleted = Some(Vec::new());
        Ok(outcome)
    }
}
