#![doc = include_str!("../README.md")]

mod endpoint;
pub mod free_busy;
pub mod recurrence;
mod when;
pub mod xs;
pub mod zone;

pub use endpoint::EwsEndpoint;
pub use m365_core::{Error, ErrorKind, Result};
pub use when::{EventTime, When};
