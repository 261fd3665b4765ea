#![doc = include_str!("../README.md")]

pub mod claims_challenge;
mod clock;
mod cloud;
mod credential;
pub mod diagnosis;
mod error;
mod ids;
pub mod odata;
mod pipeline;
pub mod redact;
pub mod retry;
#[cfg(feature = "testing")]
pub mod testing;
mod throttle;
pub mod transport;

pub use clock::{Clock, SharedClock, SystemClock, later, until};
pub use cloud::{Cloud, HostPort, Resource};
pub use credential::{AccessToken, Credential, TokenCredential, TokenRequest};
pub use diagnosis::{Authority, Diagnosis, Owner};
pub use error::{Acted, Error, ErrorKind, Result};
pub use ids::{
    AppRoleId, ApplicationObjectId, ClientId, GroupObjectId, KeyId, MailboxAddress, ServicePrincipalObjectId,
    TenantId, TenantName, UserObjectId,
};
pub use pipeline::{Idempotency, Meta, OpenResponse, Operation, Pipeline, PipelineBuilder, Service};
pub use retry::RetryPolicy;
pub use throttle::{Limits, Permit, Throttle};
pub use transport::{Body, HttpTransport, Transport, TransportError, TransportErrorKind};
