#![doc = include_str!("../README.md")]

mod endpoint;

pub use endpoint::EwsEndpoint;
pub use m365_core::{Error, ErrorKind, Result};
