#![doc = include_str!("../README.md")]

mod apply;
pub mod calendar;
mod files;
mod guard;
pub mod handover;
mod ledger;
pub mod mail;
pub mod migration;
mod names;
mod on_premises;
mod onboarding;
mod permission;
pub mod plan;
mod profile;
mod progress;
pub mod proof;
mod receipt;
mod script;
pub mod tenant;
mod vault;
pub mod verify;

pub use exchange_admin::access;

pub use apply::{Applied, ApplyError};
pub use calendar::{Calendar, CalendarEvent};
pub use handover::{Handover, HandoverPart, HandoverShell, HandoverState, StepOutcome};
pub use ledger::{ChangeLedger, DirectoryLedger, Ledger, LedgerEntry, MemoryLedger};
pub use m365_core::{Error, ErrorKind, Result};
pub use mail::{Mailbox, MessageSummary};
pub use on_premises::{LiveProbe, OnPremisesPlan, OnPremisesStep};
pub use onboarding::{AppSession, Onboarding, OnboardingBuilder};
pub use plan::{Plan, Step, StepResult};
pub use profile::{
    AccessProfile, AppProfile, CredentialPolicy, GrantMode, ImpersonationReach, ImpersonationReplacement,
    OnPremisesAccess, OnPremisesProfile, Profile, Scope, ScopeGroup, SharedMailbox,
};
pub use progress::{Progress, Wait};
pub use receipt::{AppReceipt, RECEIPT_SCHEMA, Receipt, StepReceipt, StepStatus};
pub use tenant::TenantPicture;
pub use vault::{DirectoryVault, HeldSecret, MemoryVault, SecretVault, Vault};
pub use verify::{Proof, VerifyOptions};
