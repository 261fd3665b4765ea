//! Tokens: the wire, the cache, the credentials.

#[cfg(feature = "azure")]
mod azure;
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
mod shelf;
#[cfg(feature = "token-store")]
mod store;
#[cfg(feature = "user")]
mod user;
mod vars;
mod wire;

#[cfg(feature = "azure")]
pub use azure::{AzureCredential, FromAzureCredential};
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
#[cfg(feature = "file-store")]
pub use store::FileTokenStore;
#[cfg(feature = "redis-store")]
pub use store::RedisTokenStore;
#[cfg(feature = "token-store")]
pub use store::{RecordName, SharedTokens, StoreKey, TokenStore};
#[cfg(feature = "user")]
pub use user::{
    AuthorizationCodeCredential, DeviceCodeCredential, DevicePrompt, LoopbackHost, SignIn, SignInRequired,
    SignInTenant,
};
