//! The Exchange Admin API.

use bytes::Bytes;
use jiff::Timestamp;

use crate::{Caller, state::State};

/// Answers everything under `/adminapi/`.
pub(crate) fn handle(
    _state: &mut State,
    caller: Option<&Caller>,
    _request: &http::Request<Bytes>,
    _now: Timestamp,
    _journal: &mut Vec<String>,
) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() =
        if caller.is_some() { http::StatusCode::NOT_FOUND } else { http::StatusCode::UNAUTHORIZED };
    response
}
