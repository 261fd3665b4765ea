//! Graph's error envelope.

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::server::reply::{self, Reply};

/// A refusal; rendered with date and request ids.
#[derive(Debug)]
pub(crate) struct GraphError {
    pub(crate) status: StatusCode,
    code: String,
    message: String,
    details: Option<Value>,
    retry_after: Option<u32>,
}

impl GraphError {
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned(), details: None, retry_after: None }
    }

    pub(crate) fn with_detail(mut self, code: &str, target: &str) -> Self {
        self.details = Some(json!([{"code": code, "target": target, "message": self.message}]));
        self
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    pub(crate) fn invalid_property(name: &str) -> Self {
        Self::bad_request(&format!("Invalid property '{name}'."))
    }

    pub(crate) fn denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(crate) fn not_found(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            &format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub(crate) fn conflict(what: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            &format!("Another object with the same value for property {what} already exists."),
        )
        .with_detail("ConflictingObjects", what)
    }

    pub(crate) fn concurrency() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "Directory_ConcurrencyViolation",
            "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
        )
    }

    pub(crate) fn no_segment(path: &str) -> Self {
        let segment = path.rsplit('/').next().unwrap_or_default();
        Self::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            &format!("Resource not found for the segment '{segment}'."),
        )
    }

    pub(crate) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed.",
        )
    }

    pub(crate) fn throttled() -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "ApplicationThrottled",
            "Application is over its MailboxConcurrency limit.",
        );
        error.retry_after = Some(1);
        error
    }

    pub(crate) fn render(&self, now: Timestamp, headers: &HeaderMap) -> Reply {
        let request_id = uuid::Uuid::new_v4().to_string();
        let client_id = headers
            .get("client-request-id")
            .and_then(|v| v.to_str().ok())
            .map_or_else(|| request_id.clone(), str::to_owned);
        let mut error = json!({
            "code": self.code, "message": self.message,
            "innerError": {
                "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": request_id, "client-request-id": client_id,
            },
        });
        if let (Some(details), Some(object)) = (&self.details, error.as_object_mut()) {
            object.insert("details".to_owned(), details.clone());
        }
        let mut reply = reply::json(self.status, &json!({ "error": error }));
        if let Some(seconds) = self.retry_after {
            reply::set(&mut reply, "retry-after", &seconds.to_string());
        }
        reply
    }
}
