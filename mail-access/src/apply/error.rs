use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use m365_core::{Diagnosis, Error, ErrorKind};

use super::Applied;

/// A run that stopped before its plan was fulfilled. `?` turns it into an [`Error`] that names the step; what was done is
/// in here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApplyError {
    /// What was done before; the step that stopped the run is its last one.
    pub applied: Applied,
    /// Id of the step that stopped it; none when it did not come to any.
    pub step: Option<String>,
    /// Why, as the step reported it.
    pub error: Arc<Error>,
}

impl ApplyError {
    /// What kind of failure it is. [`ErrorKind::NotReady`]: the step was taken and is not complete yet; plan again later.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// Whether it may pass by itself.
    pub fn is_transient(&self) -> bool {
        self.error.is_transient()
    }

    /// What it means, what to do, and who must do it.
    pub fn diagnosis(&self) -> &'static Diagnosis {
        self.error.diagnosis()
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "step {step}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

impl StdError for ApplyError {
    /// What is under the step's error, whose own text is in this one's.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// The same answers, under the step's name. What was done is lost on the way.
impl From<ApplyError> for Error {
    fn from(stopped: ApplyError) -> Self {
        let inner = &*stopped.error;
        let operation = match (&stopped.step, inner.operation()) {
            (Some(step), Some(operation)) => Some(format!("step {step}: {operation}")),
            (Some(step), None) => Some(format!("step {step}")),
            (None, operation) => operation.map(ToOwned::to_owned),
        };
        let mut error = Self::new(inner.kind(), inner.message())
            .with_acted(inner.acted())
            .with_attempts(inner.attempts())
            .with_transient(inner.is_transient())
            .with_retry_after(inner.retry_after())
            .with_aadsts(inner.aadsts().to_vec())
            .with_authority(inner.authority())
            .with_diagnosis(inner.diagnosis().id());
        if let Some(operation) = operation {
            error = error.with_operation(operation);
        }
        if let Some(mailbox) = inner.mailbox() {
            error = error.with_mailbox(mailbox);
        }
        if let Some(status) = inner.status() {
            error = error.with_status(status);
        }
        if let Some(code) = inner.service_code() {
            error = error.with_code(code);
        }
        if let Some(id) = inner.request_id() {
            error = error.with_request_id(id);
        }
        match inner.source() {
            Some(_) => error.with_source(Beneath(stopped.error)),
            None => error,
        }
    }
}

/// What is under an error that is shared and so cannot give it away.
#[derive(Debug)]
struct Beneath(Arc<Error>);

impl fmt::Display for Beneath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source().map_or(Ok(()), |source| fmt::Display::fmt(source, f))
    }
}

impl StdError for Beneath {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use m365_core::{Acted, Result};

    use super::*;
    use crate::ledger::Windows;

    fn stopped(error: Error) -> ApplyError {
        let applied =
            Applied { started: Timestamp::UNIX_EPOCH, steps: Vec::new(), windows: Windows::default() };
        ApplyError { applied, step: Some("acme/scope".to_owned()), error: Arc::new(error) }
    }

    #[test]
    fn the_step_is_named_and_no_answer_is_lost() {
        let error = Error::new(ErrorKind::PermissionDenied, "Access is denied.")
            .with_operation("New-ManagementScope")
            .with_status(http::StatusCode::FORBIDDEN)
            .with_code("ErrorAccessDenied")
            .with_request_id("r-1")
            .with_acted(Acted::No)
            .with_source(std::io::Error::other("inner detail"));
        let (row, text) = (error.diagnosis().id(), error.to_string());
        let stopped = stopped(error);
        assert_eq!(stopped.to_string(), format!("step acme/scope: {text}"));
        let converted = (|| -> Result<()> { Err(stopped)? })().unwrap_err();
        assert_eq!(converted.to_string(), format!("step acme/scope: {text}"));
        assert_eq!((converted.diagnosis().id(), converted.acted()), (row, Acted::No));
        assert_eq!(converted.status().map(|s| s.as_u16()), Some(403));
        assert_eq!(converted.source().unwrap().to_string(), "inner detail");
    }

    #[test]
    fn a_plain_diagnosis_stays_with_its_authority() {
        let error = Error::new(ErrorKind::Network, "connection reset");
        let (row, authority) = (error.diagnosis().id(), error.authority());
        let converted = Error::from(stopped(error));
        assert_eq!((converted.diagnosis().id(), converted.authority()), (row, authority));
    }
}
