#![doc = include_str!("../README.md")]

mod consent;
mod convergence;
pub mod directory;
mod permissions;
mod proof;
mod registration;
mod token;

pub use consent::{AdminConsent, ConsentAnswer, ConsentBegun};
pub use convergence::{Call, Convergence, Verdict, Waiting, classify};
pub use m365_core::{Error, ErrorKind, Result};
pub use permissions::{Api, Permission};
pub use proof::{RolesProof, TokenExpectation, prove_revoked, prove_roles, prove_token};
pub use registration::{
    Allowance, AppManagementPolicies, AppRegistration, Begun, Declared, Difference, DirectoryRole, Drift,
    Extent, FederatedCredential, Finding, Foreign, ForeignEntry, INVENTORY_SCHEMA, Inverse, Made,
    MadeConsent, Offboarding, OffboardingStep, Owned, PolicyRefusal, RegistrationInventory,
    RegistrationState, RegistrationStep, RestCall, SecretPolicy, StepOutcome, WantedCredential,
    WhereRestricted, Window, allowed, allowed_audience, apply_step, consent_would_revoke, drift,
    exchange_audience, foreign_entries, offboard_step, plan, plan_offboarding, powershell_prelude,
};
pub use token::{
    AssertionProvider, AssertionRequest, ChainAnswers, ChainedCredential, ClientAssertionCredential,
    ClientSecretCredential, EnvironmentCredential, GitHubActionsCredential, LinkAnswer,
    ManagedIdentityCredential, ManagedIdentityId, RotatingCredential, TokenClaims, TokenObserver, TokenScope,
    WorkloadIdentityCredential,
};
#[cfg(feature = "certificate")]
pub use token::{ClientCertificate, ClientCertificateCredential, Signer, SigningAlgorithm, SigningInput};
