//! Reading failures. The Admin API hides them in five shapes: an OData envelope whose message says nothing and whose
//! details say `id|type|text`, the same with the type in an inner error, a whole envelope as a string inside another
//! one's message, an `error` inside 200, and a 403 made of NUL bytes.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use m365_core::{Acted, Authority, Error, ErrorKind};
use serde_json::Value;

/// Envelopes opened inside one another.
const DEPTH: usize = 6;

/// What a failure says of itself.
#[derive(Debug, Default, PartialEq)]
struct Said {
    exception: Option<String>,
    text: Option<String>,
    code: Option<String>,
}

/// The failure that this response is, if it is one.
pub(super) fn error_of(response: &Response<Bytes>, name: &str, now: jiff::Timestamp) -> Option<Error> {
    let status = response.status();
    let document: Option<Value> = serde_json::from_slice(response.body().trim_ascii()).ok();
    let envelope = document.as_ref().and_then(envelope_of);
    if status.is_success() && envelope.is_none() {
        return None;
    }
    let said = envelope.map(|e| read_envelope(e, DEPTH)).unwrap_or_default();
    let headers = response.headers();
    let (kind, transient) = classify(status, &said);
    let message = match &said.text {
        Some(text) => text.clone(),
        None if status == StatusCode::FORBIDDEN => blank_refusal(headers, name),
        None => status.canonical_reason().unwrap_or("the service refused").to_owned(),
    };
    let acted = match kind {
        ErrorKind::Throttled | ErrorKind::Authentication | ErrorKind::PermissionDenied => Acted::No,
        _ => Acted::Unknown,
    };
    let mut error = Error::new(kind, message)
        .with_status(status)
        .with_acted(acted)
        .with_transient(transient)
        .with_retry_after(m365_core::retry::retry_after(headers, now))
        .with_headers(headers);
    if let Some(code) = said.exception.or(said.code).or_else(|| diagnostics(headers).map(|d| d.code)) {
        error = error.with_code(code);
    }
    if let Some(id) = header(headers, "request-id") {
        error = error.with_request_id(id);
    }
    if matches!(
        kind,
        ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Conflict
    ) {
        error = error.with_authority(Authority::ExchangeScoping);
    }
    Some(error)
}

fn envelope_of(document: &Value) -> Option<&Value> {
    ["error", "@odata.error", "odata.error"]
        .iter()
        .find_map(|key| document.get(*key))
        .filter(|e| e.is_object() || e.is_string())
}

fn read_envelope(envelope: &Value, depth: usize) -> Said {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).filter(|t| !t.trim().is_empty()).map(str::to_owned)
    };
    let code = text(envelope, "code");
    let details = envelope.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let detail = details
        .iter()
        .filter_map(|d| text(d, "message"))
        .map(|message| read_message(&message, depth))
        .reduce(|best, next| if best.exception.is_none() && next.exception.is_some() { next } else { best })
        .unwrap_or_default();
    let inner = envelope.get("innererror").or_else(|| envelope.get("innerError"));
    let internal = inner.and_then(|i| i.get("internalexception"));
    let internal_said =
        internal.and_then(|i| text(i, "message")).map(|m| read_message(&m, depth)).unwrap_or_default();
    let message = match envelope {
        Value::String(message) => Some(message.clone()),
        object => text(object, "message"),
    };
    let message_said = message.as_deref().map(|m| read_message(m, depth)).unwrap_or_default();

    // The innermost specific type wins; a generic one is kept only when there is nothing better.
    let types = [
        detail.exception,
        internal_said.exception,
        internal.and_then(|i| text(i, "type")),
        message_said.exception,
        inner.and_then(|i| text(i, "type")),
    ];
    let exception =
        types.iter().flatten().find(|t| !is_generic(t)).or_else(|| types.iter().flatten().next()).cloned();
    let texts = [detail.text, internal_said.text, message_said.text, message];
    let text = texts.iter().flatten().find(|t| !says_nothing(t)).or_else(|| texts.iter().flatten().next());
    Said { exception, text: text.cloned(), code }
}

/// `ErrorId|ExceptionType|text`, or a whole document in a string, or just a text.
fn read_message(message: &str, depth: usize) -> Said {
    if let Some(inner) = document_in(message)
        && depth > 0
    {
        let nested = read_document(&inner, depth - 1);
        if nested != Said::default() {
            return nested;
        }
    }
    let mut parts = message.splitn(3, '|');
    if let (Some(_), Some(exception), Some(text)) = (parts.next(), parts.next(), parts.next()) {
        let exception = exception.trim();
        if !exception.is_empty() && exception.chars().all(|c| c.is_ascii_alphanumeric() || "._+`".contains(c))
        {
            let mut said = read_message(text, depth.saturating_sub(1));
            if said.exception.as_deref().is_none_or(is_generic) {
                said.exception = Some(exception.to_owned());
            }
            return said;
        }
    }
    Said { text: Some(message.trim().to_owned()).filter(|t| !t.is_empty()), ..Said::default() }
}

fn read_document(document: &Value, depth: usize) -> Said {
    if let Some(envelope) = envelope_of(document) {
        return read_envelope(envelope, depth);
    }
    if document.get("code").is_some() || document.get("details").is_some() {
        return read_envelope(document, depth);
    }
    // The proxy's own report of what the other server said.
    let class = document.get("ClassName").and_then(Value::as_str);
    match document.get("Message").and_then(Value::as_str) {
        Some(message) => {
            let mut said = read_message(message, depth);
            said.exception = said.exception.or_else(|| class.map(str::to_owned));
            said
        }
        None => Said { exception: class.map(str::to_owned), ..Said::default() },
    }
}

/// The first JSON object in a text.
fn document_in(text: &str) -> Option<Value> {
    text.match_indices('{').take(4).find_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<Value>();
        values.next()?.ok().filter(|v| v.as_object().is_some_and(|o| !o.is_empty()))
    })
}

fn says_nothing(text: &str) -> bool {
    let text = text.trim().trim_end_matches(['.', ':', ' ']);
    text.eq_ignore_ascii_case("Invalid Operation") || text.eq_ignore_ascii_case("Error executing cmdlet")
}

/// The last part of a type's name.
pub(crate) fn short_type(name: &str) -> &str {
    name.rsplit(['.', '+']).next().unwrap_or(name)
}

fn is_generic(exception: &str) -> bool {
    matches!(
        short_type(exception),
        "DirectInvokeCmdletExecutionException"
            | "ODataServiceException"
            | "CmdletProxyException"
            | "CmdletInvocationException"
            | "LocalizedException"
            | "Exception"
    )
}

/// By exception type; by text only where the service gives no type. The English language is asked for.
fn classify(status: StatusCode, said: &Said) -> (ErrorKind, bool) {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return (ErrorKind::Throttled, true);
    }
    if status == StatusCode::UNAUTHORIZED {
        return (ErrorKind::Authentication, false);
    }
    if let Some(known) = said.exception.as_deref().and_then(|e| by_type(short_type(e))) {
        return known;
    }
    if let Some(kind) = said.text.as_deref().and_then(by_text) {
        return (kind, false);
    }
    match status.as_u16() {
        // A redirect that nobody could follow: whatever answered, no cmdlet did.
        300..=399 => (ErrorKind::InvalidResponse, false),
        403 => (ErrorKind::PermissionDenied, false),
        404 if said.code.as_deref() == Some("NotFound") => (ErrorKind::NotFound, false),
        408 | 502 | 503 | 504 => (ErrorKind::Unavailable, true),
        // An exception without a name here is a cmdlet's own refusal: it will refuse again.
        500.. if said.exception.as_deref().is_none_or(is_generic) => (ErrorKind::Unavailable, true),
        _ => (ErrorKind::Rejected, false),
    }
}

fn by_type(exception: &str) -> Option<(ErrorKind, bool)> {
    Some(match exception {
        "CmdletProxyNotAvailableFailure"
        | "ServerBusyException"
        | "TransientException"
        | "BackendCommunicationException"
        | "ADServerSettingsChangedException" => (ErrorKind::Unavailable, true),
        e if e.contains("Transient") => (ErrorKind::Unavailable, true),
        "ManagementObjectNotFoundException"
        | "MemberNotFoundException"
        | "UserNotFoundInPermissionEntryException"
        | "InvalidExternalUserIdException" => (ErrorKind::NotFound, false),
        e if e.contains("AlreadyExist") || e == "ProxyAddressExistsException" => {
            (ErrorKind::AlreadyExists, false)
        }
        "ManagementObjectAmbiguousException" => (ErrorKind::Conflict, false),
        "CannotRemoveSpecialUserException" | "CannotChangePermissionsOnFolderException" => {
            (ErrorKind::Unsupported, false)
        }
        "ParameterTransformationException"
        | "ParameterBindingException"
        | "AmbiguousParameterSetException" => (ErrorKind::Rejected, false),
        "CommandNotFoundException" | "CmdletAccessDeniedException" | "UnauthorizedAccessException" => {
            (ErrorKind::PermissionDenied, false)
        }
        _ => return None,
    })
}

fn by_text(text: &str) -> Option<ErrorKind> {
    const TEXTS: [(&str, ErrorKind); 12] = [
        ("is already a member of the group", ErrorKind::AlreadyExists),
        ("isn't a member of the group", ErrorKind::NotFound),
        ("An existing permission entry was found", ErrorKind::AlreadyExists),
        ("There is no existing permission entry found", ErrorKind::NotFound),
        ("out of the current user's write scope", ErrorKind::PermissionDenied),
        ("The total size of App Access Policies exceeded", ErrorKind::Limit),
        ("is not present in the role definition of the current user", ErrorKind::PermissionDenied),
        ("need to run the command: Enable-OrganizationCustomization", ErrorKind::Unsupported),
        ("is not recognized as the name of a cmdlet", ErrorKind::PermissionDenied),
        ("User is not allowed to call", ErrorKind::PermissionDenied),
        ("isn't supported in this scenario", ErrorKind::PermissionDenied),
        ("is not allowed to perform", ErrorKind::PermissionDenied),
    ];
    TEXTS.iter().find_map(|(part, kind)| text.contains(part).then_some(*kind))
}

struct Diagnostics {
    code: String,
    reason: Option<String>,
}

/// `x-ms-diagnostics: 2000003;reason="…";error_category="invalid_resource"`.
fn diagnostics(headers: &HeaderMap) -> Option<Diagnostics> {
    let text = header(headers, "x-ms-diagnostics")?;
    let code = text.split(';').next()?.trim().to_owned();
    let reason =
        text.split_once("reason=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(r, _)| r.to_owned());
    (!code.is_empty()).then_some(Diagnostics { code, reason })
}

/// A 403 that says nothing in its body; two causes, told apart by a header.
fn blank_refusal(headers: &HeaderMap, name: &str) -> String {
    match diagnostics(headers) {
        Some(Diagnostics { reason: Some(reason), .. }) => {
            format!(
                "Exchange refused {name}: the caller's role does not hold it, or the cmdlet is unknown ({reason})"
            )
        }
        Some(_) => {
            format!("Exchange refused {name}: the caller's role does not hold it, or the cmdlet is unknown")
        }
        None => format!(
            "Exchange refused {name} without saying why: the caller's role or the cmdlet's name; most often a token \
             from before the role was assigned, or a role still propagating"
        ),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty())
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
