//! Plans: every step from the tenant as it is to the tenant as the profile wants it, made without writing anything.

mod exchange;
mod impersonation;
mod make;
mod step;

use m365_core::TenantId;
use serde::Serialize;

use crate::profile::AccessProfile;
use crate::tenant::Digest;

pub use make::plan;
pub use step::{Description, Rights, Step, StepResult, Window};

pub(crate) use exchange::ExchangeChange;
pub(crate) use step::{Action, AppIds};

/// What has to be done, in the order in which nothing is ever wider than before or after.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The profile it fulfils.
    #[serde(skip)]
    pub profile: AccessProfile,
    /// Name of the profile.
    #[serde(rename = "profile")]
    pub(crate) profile_name: String,
    /// The tenant it was made for.
    pub tenant_id: TenantId,
    /// The steps; empty when the tenant is as the profile wants it.
    pub steps: Vec<Step>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// The least rights that the set-up identity needs for these steps.
    pub rights: Rights,
    /// The part of the tenant that the profile speaks of, as it was read.
    #[serde(skip)]
    pub before: Digest,
}

impl Plan {
    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
