use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::retry::retry_after;
use crate::{Acted, Error, ErrorKind, Result};

#[derive(Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    details: Option<Vec<Detail>>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: Option<Inner>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Inner {
    code: Option<String>,
    #[serde(rename = "request-id")]
    request_id: Option<String>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: Option<Box<Inner>>,
}

/// Reads Graph's error envelope off any status but 2xx. A redirect that nobody could follow, or a 304, is no success:
/// a call that ignores the body would otherwise report as done what was never taken.
///
/// Bodies may be HTML, empty or cut: status and headers then speak alone.
///
/// # Errors
/// The failure, with kind, code, request id, and the wait asked for.
pub fn classify(response: &Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
    if response.status().is_success() {
        return Ok(());
    }
    Err(error_of(response.status(), response.headers(), response.body(), now))
}

/// The failure that an answer of this status tells of; also for the items of a `$batch`.
pub fn error_of(status: StatusCode, headers: &http::HeaderMap, body: &[u8], now: jiff::Timestamp) -> Error {
    let envelope = serde_json::from_slice::<Envelope>(body).map(|e| e.error).unwrap_or_default();
    let (inner_codes, inner_request_id) = walk(envelope.inner.as_ref());
    let detail = envelope.details.iter().flatten().find_map(|d| d.code.clone());
    let message =
        match (&envelope.message, envelope.details.iter().flatten().find_map(|d| d.message.as_deref())) {
            (Some(message), Some(detail)) if !message.contains(detail) => format!("{message} {detail}"),
            (Some(message), _) if !message.is_empty() => message.clone(),
            _ if status.as_u16() < 400 => {
                format!("the server answered {} where a result was due", status.as_u16())
            }
            _ => status.canonical_reason().unwrap_or("the service refused").to_owned(),
        };
    let code = envelope.code.filter(|c| !c.is_empty()).or_else(|| inner_codes.last().cloned());
    let request_id =
        headers.get("request-id").and_then(|v| v.to_str().ok().map(str::to_owned)).or(inner_request_id);

    let (kind, acted) = kind_of(status);
    let mut error = Error::new(kind, with_detail(message, detail.as_deref()))
        .with_status(status)
        .with_acted(acted)
        .with_headers(headers)
        .with_retry_after(
            retry_after(headers, now)
                .or_else(|| (status == StatusCode::LOCKED).then(|| Duration::from_secs(1))),
        );
    if let Some(code) = code {
        error = error.with_code(code).with_inner_codes(inner_codes);
    }
    if let Some(id) = request_id {
        error = error.with_request_id(id);
    }
    error
}

/// The detail's code is part of the evidence (`NoBackingApplicationObject`): keep it visible.
fn with_detail(message: String, detail: Option<&str>) -> String {
    match detail {
        Some(code) if !message.contains(code) => format!("{message} ({code})"),
        _ => message,
    }
}

/// The inner codes, outermost first, and the first request id.
fn walk(inner: Option<&Inner>) -> (Vec<String>, Option<String>) {
    let (mut codes, mut id, mut at) = (Vec::new(), None, inner);
    for _ in 0..8 {
        let Some(inner) = at else { break };
        codes.extend(inner.code.clone().filter(|c| !c.is_empty()));
        id = id.or_else(|| inner.request_id.clone());
        at = inner.inner.as_deref();
    }
    (codes, id)
}

fn kind_of(status: StatusCode) -> (ErrorKind, Acted) {
    match status.as_u16() {
        100..=399 => (ErrorKind::InvalidResponse, Acted::Unknown),
        401 => (ErrorKind::Authentication, Acted::No),
        403 => (ErrorKind::PermissionDenied, Acted::No),
        404 => (ErrorKind::NotFound, Acted::No),
        409 | 412 => (ErrorKind::Conflict, Acted::No),
        410 => (ErrorKind::Gone, Acted::No),
        423 | 424 => (ErrorKind::Unavailable, Acted::No),
        429 | 509 => (ErrorKind::Throttled, Acted::No),
        413 | 507 => (ErrorKind::Limit, Acted::No),
        408 => (ErrorKind::Timeout, Acted::Unknown),
        501 => (ErrorKind::Unsupported, Acted::No),
        500..=599 => (ErrorKind::Unavailable, Acted::Unknown),
        _ => (ErrorKind::Rejected, Acted::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn read(status: u16, body: &str) -> Error {
        error_of(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn html_502_empty_504_and_cut_bodies_keep_their_status() {
        for (status, body) in [
            (502, "<html>Bad Gateway</html>"),
            (504, ""),
            (503, "{\"error\":{\"code\":\"Serv"),
            (500, "null"),
        ] {
            let error = read(status, body);
            assert_eq!(error.status().unwrap().as_u16(), status);
            assert!(error.is_transient());
            assert!(!error.to_string().contains("html"), "{error}");
        }
    }

    #[test]
    fn only_2xx_is_a_success() {
        let verdict = |status: u16| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            classify(&response, jiff::Timestamp::UNIX_EPOCH)
        };
        for status in [200, 201, 202, 204] {
            assert!(verdict(status).is_ok(), "{status}");
        }
        for status in [300, 302, 303, 304, 307] {
            let error = verdict(status).unwrap_err();
            assert_eq!(
                (error.kind(), error.acted(), error.is_transient()),
                (ErrorKind::InvalidResponse, Acted::Unknown, false)
            );
            assert!(error.message().contains(&status.to_string()), "{error}");
        }
    }

    #[test]
    fn nested_inner_errors_give_the_deepest_code_and_the_request_id() {
        let error = read(
            429,
            r#"{"error":{"code":"","message":"slow","innererror":{"code":"outer","request-id":"r-1","innererror":{"code":"ApplicationThrottled"}}}}"#,
        );
        assert_eq!(error.service_code(), Some("ApplicationThrottled"));
        assert_eq!(error.request_id(), Some("r-1"));
        assert_eq!((error.kind(), error.acted()), (ErrorKind::Throttled, Acted::No));
    }

    #[test]
    fn an_unknown_outer_code_lets_the_inner_ones_explain() {
        let nested = |outer: &str| {
            read(
                404,
                &format!(
                    r#"{{"error":{{"code":"{outer}","message":"m","innerError":{{"code":"alsoUnknown","innerError":{{"code":"MailboxNotEnabledForRESTAPI"}}}}}}}}"#
                ),
            )
        };
        let known = read(404, r#"{"error":{"code":"MailboxNotEnabledForRESTAPI","message":"m"}}"#);
        let error = nested("NotFound");
        assert_eq!(error.service_code(), Some("NotFound"), "the code stays the outer one");
        assert_eq!(error.diagnosis(), known.diagnosis());
        // A code that the catalogue knows is not overruled.
        let item = nested("ErrorItemNotFound");
        assert_ne!(item.diagnosis(), known.diagnosis());
    }

    #[test]
    fn details_are_part_of_the_evidence() {
        let error = read(
            400,
            r#"{"error":{"code":"Request_BadRequest","message":"The appId 'x' of the service principal does not reference a valid application object.","details":[{"code":"NoBackingApplicationObject","message":"…"}]}}"#,
        );
        assert_eq!(error.diagnosis().id(), "PROV-SP-REPLICATION");
    }
}
