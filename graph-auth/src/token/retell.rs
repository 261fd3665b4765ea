use std::sync::Arc;

use m365_core::{Error, ErrorKind};

/// The same failure told to another caller, in these words; the original is its source.
pub(super) fn retell(error: &Arc<Error>, message: &str) -> Error {
    retell_as(error, error.kind(), message)
}

fn retell_as(error: &Arc<Error>, kind: ErrorKind, message: &str) -> Error {
    let mut copy = Error::new(kind, message)
        .with_authority(error.authority())
        .with_transient(error.is_transient())
        .with_acted(error.acted())
        .with_attempts(error.attempts())
        .with_aadsts(error.aadsts().to_vec())
        .with_retry_after(error.retry_after())
        .with_diagnosis(error.diagnosis().id())
        .with_source(error.clone());
    if let Some(status) = error.status() {
        copy = copy.with_status(status);
    }
    if let Some(code) = error.service_code() {
        copy = copy.with_code(code);
    }
    if let Some(id) = error.request_id() {
        copy = copy.with_request_id(id);
    }
    match error.operation() {
        Some(operation) => copy.with_operation(operation.to_owned()),
        None => copy,
    }
}

/// The same failure under another kind and in other words; it does not pass by itself.
#[cfg(feature = "user")]
pub(super) fn retold_as(error: Error, kind: ErrorKind, message: &str) -> Error {
    retell_as(&Arc::new(error), kind, message).with_transient(false).with_retry_after(None)
}
