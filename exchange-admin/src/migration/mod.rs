//! Away from application access policies, from `ApplicationImpersonation` and from EWS: the plans, as pure functions.
//!
//! A migration exchanges what limits an app while the app is at work. Three things make it dangerous, and the plan is built
//! around them: consents and roles *add up*, so the old consent has to go; a consent *without* its policy opens every mailbox,
//! so the policy goes last; and roles look at direct members only, so groups inside groups lose access unless somebody decides.
//!
//! ```
//! use exchange_admin::migration::{MigrationOptions, NestedGroups, plan};
//! # fn show(input: exchange_admin::migration::MigrationInput) {
//! match plan(&input, &MigrationOptions::new("Acme")) {
//!     Ok(plan) => {
//!         for step in &plan.steps {
//!             println!("{step} ({})", step.executor);
//!         }
//!     }
//!     Err(blocked) => {
//!         for blocker in &blocked.blockers {
//!             println!("not yet: {blocker}");
//!         }
//!     }
//! }
//! // The same with groups inside groups.
//! let options = MigrationOptions::new("Acme").with_nested(NestedGroups::Filter);
//! println!("{}", plan(&input, &options).is_ok());
//! # }
//! ```
//!
//! <https://learn.microsoft.com/exchange/permissions-exo/application-rbac#migrate-from-application-access-policies>

mod abandon;
mod blocker;
mod draft;
mod groups;
mod input;
mod plan;
mod read;
mod rehearse;
mod retire;
mod scope;
mod script;
mod step;

pub use abandon::abandon;
pub use blocker::{Blocked, Blocker};
pub use groups::{Group, GroupTree, Member, PolicyTarget};
pub use input::{
    Consent, EwsTarget, MigrationInput, MigrationOptions, NestedGroups, OwnGroup, ReadPolicy, Unmappable,
};
pub use plan::{MigrationPlan, plan};
pub use rehearse::{ANY_OTHER_MAILBOX, Reach, Rehearsal, rehearse};
pub use retire::{FormerImpersonation, ProductUse, retire_ews, retire_impersonation};
pub use script::MigrationScript;
pub use step::{Executor, MigrationAction, MigrationStep, ScopeGroup};
