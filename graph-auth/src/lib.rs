#![doc = include_str!("../README.md")]

mod convergence;
pub mod directory;
mod permissions;
mod proof;
mod registration;
mod token;

pub use convergence::{Call, Convergence, Verdict, Waiting, classify};
pub use m365_core::{Error, ErrorKind, Result};
pub use permissions::{Api, Permission};
pub use proof::{RolesProof, TokenExpectation, prove_roles, prove_token};
pub use registration::{
    AppRegistration, Declared, DirectoryRole, Inverse, RegistrationState, RegistrationStep, RestCall,
    SecretPolicy, StepOutcome, Window, apply_step, plan, powershell_prelude,
};
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
#[cfg(feature = "certificate")]
pub use token::{ClientCertificate, ClientCertificateCredential, Signer, SigningAlgorithm, SigningInput};
