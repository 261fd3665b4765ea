#![doc = include_str!("../README.md")]

pub mod directory;
mod permissions;
mod token;

pub use m365_core::{Error, ErrorKind, Result};
pub use permissions::{Api, Permission};
pub use token::{ClientSecretCredential, TokenClaims, TokenObserver, TokenScope};
