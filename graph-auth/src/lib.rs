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
#[cfg(feature = "file-store")]
pub use token::FileTokenStore;
#[cfg(feature = "redis-store")]
pub use token::RedisTokenStore;
pub use token::{
    AssertionProvider, AssertionRequest, ChainAnswers, ChainedCredential, ClientAssertionCredential,
    ClientSecretCredential, EnvironmentCredential, GitHubActionsCredential, LinkAnswer,
    ManagedIdentityCredential, ManagedIdentityId, RotatingCredential, TokenClaims, TokenObserver, TokenScope,
    WorkloadIdentityCredential,
};
#[cfg(feature = "azure")]
pub use token::{AzureCredential, FromAzureCredential};
#[cfg(feature = "user")]
pub use token::{
    AuthorizationCodeCredential, DeviceCodeCredential, DevicePrompt, LoopbackHost, SignIn, SignInRequired,
    SignInTenant,
};
#[cfg(feature = "certificate")]
pub use token::{ClientCertificate, ClientCertificateCredential, Signer, SigningAlgorithm, SigningInput};
#[cfg(feature = "token-store")]
pub use token::{RecordName, SharedTokens, StoreKey, TokenStore};
