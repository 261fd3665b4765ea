//! Tokens: the wire, the cache, the credentials.

mod cache;
mod claims;
mod client_secret;
mod engine;
mod entra;
mod observer;
mod retell;
mod wire;

pub use claims::TokenClaims;
pub use client_secret::ClientSecretCredential;
pub use observer::{TokenObserver, TokenScope};
