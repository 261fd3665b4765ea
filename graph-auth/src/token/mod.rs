//! Tokens: the wire, the cache, the credentials.

mod cache;
#[cfg(feature = "certificate")]
mod certificate;
mod claims;
mod client_secret;
mod combined;
mod engine;
mod entra;
mod federated;
mod managed_identity;
mod observer;
mod retell;
mod vars;
mod wire;

#[cfg(feature = "generate")]
pub use certificate::GeneratedCertificate;
#[cfg(feature = "certificate")]
pub use certificate::{
    ClientCertificate, ClientCertificateCredential, Signer, SigningAlgorithm, SigningInput,
};
pub use claims::TokenClaims;
pub use client_secret::ClientSecretCredential;
pub use combined::{ChainAnswers, ChainedCredential, EnvironmentCredential, LinkAnswer, RotatingCredential};
pub use federated::{
    AssertionProvider, AssertionRequest, ClientAssertionCredential, GitHubActionsCredential,
    WorkloadIdentityCredential,
};
pub use managed_identity::{ManagedIdentityCredential, ManagedIdentityId};
pub use observer::{TokenObserver, TokenScope};
