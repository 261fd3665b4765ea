#![doc = include_str!("../README.md")]

mod certificate;
mod consent;
mod convergence;
pub mod directory;
mod expiry;
mod permissions;
mod proof;
mod registration;
mod rotation;
mod token;

pub use certificate::PublicCertificate;
pub use consent::{AdminConsent, ConsentAnswer, ConsentBegun};
pub use convergence::{Call, Convergence, Verdict, Waiting, classify};
pub use expiry::{
    ExpiringKind, ExpiryEvent, ExpiryStage, Ours, expiring, expiring_certificate, sweep_expiring,
};
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
pub use rotation::{
    KeptCredential, Rotation, RotationHost, RotationPhase, RotationProgress, rotate, rotate_to_the_end,
};
#[cfg(feature = "certificate")]
pub use rotation::{OwnCertificates, rotate_own};
#[cfg(feature = "file-store")]
pub use token::FileTokenStore;
#[cfg(feature = "generate")]
pub use token::GeneratedCertificate;
#[cfg(feature = "redis-store")]
pub use token::RedisTokenStore;
pub use token::{
    AssertionProvider, AssertionRequest, ChainAnswers, ChainedCredential, ClientAssertionCredential,
    ClientSecretCredential, EnvironmentCredential, GitHubActionsCredential, LinkAnswer,
    ManagedIdentityCredential, ManagedIdentityId, RotatingCredential, TokenClaims, TokenObserver, TokenScope,
    WorkloadIdentityCredential,
};
#[cfg(feature = "user")]
pub use token::{
    AuthorizationCodeCredential, DeviceCodeCredential, DevicePrompt, LoopbackHost, SignIn, SignInRequired,
    SignInTenant,
};
#[cfg(feature = "azure")]
pub use token::{AzureCredential, FromAzureCredential};
#[cfg(feature = "certificate")]
pub use token::{ClientCertificate, ClientCertificateCredential, Signer, SigningAlgorithm, SigningInput};
#[cfg(feature = "token-store")]
pub use token::{RecordName, SharedTokens, StoreKey, TokenStore};
