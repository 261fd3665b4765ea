//! The record of an onboarding: what there was, what was done, what is proven. No secret in it.

use jiff::Timestamp;
use m365_core::{ApplicationObjectId, ClientId, KeyId, Result, ServicePrincipalObjectId, TenantId};
use serde::Serialize;

use crate::apply::Applied;
use crate::onboarding::Onboarding;
use crate::plan::{Description, Plan, StepResult};
use crate::tenant::Digest;
use crate::verify::Proof;

/// Version of the receipt's form.
pub const RECEIPT_SCHEMA: u32 = 1;

/// What an onboarding leaves behind for the customer's files.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// [`RECEIPT_SCHEMA`].
    pub schema: u32,
    /// Name of the profile.
    pub profile: String,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Client id of the set-up identity that did it.
    pub set_up_by: ClientId,
    /// When the set-up began.
    pub started: Timestamp,
    /// When the receipt was written.
    pub finished: Timestamp,
    /// Whether every check is as wanted.
    pub proven: bool,
    /// The apps.
    pub apps: Vec<AppReceipt>,
    /// What was done, in order.
    pub steps: Vec<StepReceipt>,
    /// The part of the tenant that the profile speaks of, before.
    pub before: Digest,
    /// The same, after.
    pub after: Digest,
    /// Every check.
    pub proof: Proof,
}

/// The ids of an app.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AppReceipt {
    /// Unique name in the directory.
    pub unique_name: String,
    /// Object id of the registration.
    pub application_object_id: Option<ApplicationObjectId>,
    /// Client id.
    pub client_id: Option<ClientId>,
    /// Object id of the enterprise application.
    pub service_principal_object_id: Option<ServicePrincipalObjectId>,
    /// Id of the credential in use; never the secret.
    pub key_id: Option<KeyId>,
    /// When that credential expires: rotate it before.
    pub credential_expires: Option<Timestamp>,
}

/// What became of a step.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StepReceipt {
    /// Its id in the plan.
    pub id: String,
    /// What became of it.
    pub result: StepStatus,
    /// When.
    pub at: Timestamp,
    /// Why it is not done, when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its description, the inverse included.
    #[serde(flatten)]
    pub description: Description,
}

/// A [`StepResult`] as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StepStatus {
    /// It was done.
    Applied,
    /// It was done already.
    AlreadyThere,
    /// It was only a wait, and that is over; nothing was changed.
    Waited,
    /// It was done and is not complete yet.
    Pending,
    /// It failed.
    Failed,
    /// It failed in a way that does not tell whether the server acted.
    Unknown,
}

impl From<&StepResult> for StepStatus {
    fn from(result: &StepResult) -> Self {
        match result {
            StepResult::Applied => Self::Applied,
            StepResult::AlreadyThere => Self::AlreadyThere,
            StepResult::Waited => Self::Waited,
            StepResult::Pending(_) => Self::Pending,
            StepResult::Failed(_) => Self::Failed,
            StepResult::Unknown(_) => Self::Unknown,
        }
    }
}

impl Onboarding {
    /// The receipt of what was applied and proven; reads the tenant once more for the picture after.
    ///
    /// # Errors
    /// When the tenant cannot be read.
    pub async fn receipt(&self, plan: &Plan, applied: &Applied, proof: &Proof) -> Result<Receipt> {
        let picture = self.read(&plan.profile).await?;
        let apps = plan.profile.apps.iter().map(|app| {
            let state = picture.apps.get(&app.unique_name);
            let registration = state.map(|s| &s.registration);
            let held = state.and_then(|s| s.held);
            AppReceipt {
                unique_name: app.unique_name.clone(),
                application_object_id: registration.and_then(|r| r.application_id()),
                client_id: registration.and_then(|r| r.client_id()),
                service_principal_object_id: registration.and_then(|r| r.service_principal_id()),
                key_id: held.map(|h| h.key_id),
                credential_expires: held.map(|h| h.expires),
            }
        });
        Ok(Receipt {
            schema: RECEIPT_SCHEMA,
            profile: plan.profile.name.clone(),
            tenant_id: plan.tenant_id,
            set_up_by: self.inner.setup_app,
            started: applied.started,
            finished: self.inner.clock.now(),
            proven: proof.is_proven(),
            apps: apps.collect(),
            steps: applied.steps.clone(),
            before: plan.before.clone(),
            after: picture.digest(),
            proof: proof.clone(),
        })
    }
}

impl Receipt {
    /// The receipt as JSON, indented for people.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when it cannot be written, which no receipt of
    /// this crate causes.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|e| m365_core::Error::invalid("the receipt cannot be written as JSON").with_source(e))
    }
}
