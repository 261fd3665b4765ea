#![doc = include_str!("../README.md")]

mod token;

pub use m365_core::{Error, ErrorKind, Result};
pub use token::{ClientSecretCredential, TokenClaims, TokenObserver, TokenScope};
