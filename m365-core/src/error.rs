use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::diagnosis::{self, Authority, Diagnosis, Evidence};
use crate::redact;

/// Shorthand for results of this family.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is. Behaviour may branch on it; it never depends on a server's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input, profile or configuration is wrong; nothing was sent.
    InvalidInput,
    /// No token could be obtained, or the resource refused the token itself.
    Authentication,
    /// The resource wants a token with further claims (continuous access evaluation).
    ClaimsChallenge,
    /// The identity is known and lacks the right.
    PermissionDenied,
    /// The service refused the request as malformed or not applicable.
    Rejected,
    /// The object does not exist (a read that *failed* is never this).
    NotFound,
    /// The object exists already.
    AlreadyExists,
    /// A precondition or a concurrent change.
    Conflict,
    /// Written, but not yet readable or enforced: replication or propagation is still under way.
    NotReady,
    /// Told to slow down.
    Throttled,
    /// The service is down for the moment.
    Unavailable,
    /// The connection failed.
    Network,
    /// A deadline passed.
    Timeout,
    /// A sync cursor died; a full read is due.
    Gone,
    /// The answer is not what the protocol promises.
    InvalidResponse,
    /// A list would have been short; it was withheld instead.
    Truncated,
    /// A published limit would be exceeded.
    Limit,
    /// This server, tenant or build cannot do it.
    Unsupported,
}

/// Whether the server may have acted on the request. Decides if a call that is not idempotent may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// Surely not: it never left, or was refused before execution (throttled, unauthenticated).
    No,
    /// It may have: the answer was lost, or the failure came from inside.
    Unknown,
}

/// The one error of this crate family. Every crate re-exports it, so that `?` works across them and each failure
/// answers the same questions wherever it came from.
///
/// Its `Display` is one line without secrets, bodies or the source's text; walk [`source`](StdError::source) for that.
///
/// ```
/// use m365_core::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::PermissionDenied, "Access is denied. Check credentials and try again.")
///     .with_operation("list messages")
///     .with_status(http::StatusCode::FORBIDDEN)
///     .with_code("ErrorAccessDenied");
/// assert_eq!(error.diagnosis().id(), "GRAPH-ACCESS-DENIED");
/// assert!(!error.is_transient());
/// ```
pub struct Error(Box<Inner>);

#[derive(Default)]
struct Context {
    operation: Option<Cow<'static, str>>,
    mailbox: Option<Box<str>>,
    code: Option<Box<str>>,
    inner_codes: Vec<Box<str>>,
    request_id: Option<Box<str>>,
    path: Option<Box<str>>,
}

struct Inner {
    kind: ErrorKind,
    authority: Option<Authority>,
    message: Box<str>,
    context: Context,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    transient: Option<bool>,
    acted: Acted,
    attempts: u32,
    diagnosis: Option<&'static Diagnosis>,
    aadsts: Vec<u32>,
    headers: Option<http::HeaderMap>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The message is made one line and bounded.
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self(Box::new(Inner {
            kind,
            authority: None,
            message: redact::line(message.as_ref()).into(),
            context: Context::default(),
            status: None,
            retry_after: None,
            transient: None,
            acted: Acted::Unknown,
            attempts: 1,
            diagnosis: None,
            aadsts: Vec::new(),
            headers: None,
            source: None,
        }))
    }

    /// [`ErrorKind::InvalidInput`]: nothing was sent.
    pub fn invalid(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::InvalidInput, message).with_acted(Acted::No)
    }

    /// [`ErrorKind::InvalidResponse`].
    pub fn unreadable(message: impl AsRef<str>) -> Self {
        Self::new(ErrorKind::InvalidResponse, message)
    }

    /// Names the operation, unless a deeper layer did already.
    #[must_use]
    pub fn with_operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.0.context.operation.get_or_insert_with(|| operation.into());
        self
    }

    /// Names the mailbox concerned, unless a deeper layer did already.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: impl AsRef<str>) -> Self {
        self.0.context.mailbox.get_or_insert_with(|| mailbox.as_ref().into());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The service's own code (`ErrorAccessDenied`, `invalid_client`, an exception type).
    #[must_use]
    pub fn with_code(mut self, code: impl AsRef<str>) -> Self {
        self.0.context.code = Some(redact::line(code.as_ref()).into());
        self
    }

    /// Codes below the service's own one, outermost first. They are evidence for the diagnosis when the catalogue does
    /// not know the outer code; [`Error::service_code`] stays the outer one.
    #[must_use]
    pub fn with_inner_codes<S: AsRef<str>>(mut self, codes: impl IntoIterator<Item = S>) -> Self {
        self.0.context.inner_codes = codes.into_iter().map(|c| redact::line(c.as_ref()).into()).collect();
        self
    }

    /// The id that support asks for.
    #[must_use]
    pub fn with_request_id(mut self, id: impl AsRef<str>) -> Self {
        self.0.context.request_id = Some(redact::line(id.as_ref()).into());
        self
    }

    /// The request's path, which some diagnoses look at. It is not displayed.
    #[must_use]
    pub fn with_path(mut self, path: impl AsRef<str>) -> Self {
        self.0.context.path = Some(path.as_ref().into());
        self
    }

    /// The authority that refused, when the layer knows better than the diagnosis.
    #[must_use]
    pub fn with_authority(mut self, authority: Authority) -> Self {
        self.0.authority = Some(authority);
        self
    }

    /// How long the server asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Overrides whether the failure passes by itself.
    #[must_use]
    pub fn with_transient(mut self, transient: bool) -> Self {
        self.0.transient = Some(transient);
        self
    }

    /// Whether the server may have acted.
    #[must_use]
    pub fn with_acted(mut self, acted: Acted) -> Self {
        self.0.acted = acted;
        self
    }

    /// How often it was tried before this error was given up on.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// AADSTS numbers: evidence for the diagnosis, never for behaviour.
    #[must_use]
    pub fn with_aadsts(mut self, numbers: Vec<u32>) -> Self {
        self.0.aadsts = numbers;
        self
    }

    /// Response headers that diagnoses look at (`X-EWS-Policy-Reason`, `x-ms-diagnostics`). They are not displayed.
    #[must_use]
    pub fn with_headers(mut self, headers: &http::HeaderMap) -> Self {
        const KEPT: [&str; 4] =
            ["x-ms-diagnostics", "x-ews-policy-reason", "x-calculatedbetarget", "x-exceptiontype"];
        let kept: http::HeaderMap = KEPT
            .iter()
            .filter_map(|name| Some((http::HeaderName::from_static(name), headers.get(*name)?.clone())))
            .collect();
        if !kept.is_empty() {
            self.0.headers = Some(kept);
        }
        self
    }

    /// Fixes the diagnosis to a row of the catalogue that no wire evidence can prove.
    #[must_use]
    pub fn with_diagnosis(mut self, id: &str) -> Self {
        self.0.diagnosis = diagnosis::by_id(id);
        self
    }

    /// The error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it may pass by itself.
    pub fn is_transient(&self) -> bool {
        self.0.transient.unwrap_or(matches!(
            self.0.kind,
            ErrorKind::Throttled
                | ErrorKind::Unavailable
                | ErrorKind::Network
                | ErrorKind::Timeout
                | ErrorKind::NotReady
        ))
    }

    /// The least time to wait before trying again, when the server said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the server may have acted on the request.
    pub fn acted(&self) -> Acted {
        self.0.acted
    }

    /// How often it was tried. More than one: the pipeline gave up, a caller should not start over.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The service's own code.
    pub fn service_code(&self) -> Option<&str> {
        self.0.context.code.as_deref()
    }

    /// The HTTP status.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The id that support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.0.context.request_id.as_deref()
    }

    /// What was being done.
    pub fn operation(&self) -> Option<&str> {
        self.0.context.operation.as_deref()
    }

    /// The mailbox concerned.
    pub fn mailbox(&self) -> Option<&str> {
        self.0.context.mailbox.as_deref()
    }

    /// The message, one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// AADSTS numbers of a token answer.
    pub fn aadsts(&self) -> &[u32] {
        &self.0.aadsts
    }

    /// Which authority refused.
    pub fn authority(&self) -> Authority {
        self.0.authority.unwrap_or_else(|| self.diagnosis().authority())
    }

    /// What it means, what to do, and who must do it. Unknown codes give a plain row of the right authority.
    pub fn diagnosis(&self) -> &'static Diagnosis {
        if let Some(fixed) = self.0.diagnosis {
            return fixed;
        }
        let outer = self.service_code();
        // The deepest code says most; a code that no row names would only hide it.
        let known_code = outer
            .into_iter()
            .chain(self.0.context.inner_codes.iter().rev().map(AsRef::as_ref))
            .find(|code| diagnosis::names_code(code));
        let evidence = Evidence {
            aadsts: &self.0.aadsts,
            status: self.0.status.map(|s| s.as_u16()),
            code: known_code.or(outer),
            path: self.0.context.path.as_deref().unwrap_or(""),
            text: &self.0.message,
            headers: self.0.headers.as_ref(),
        };
        let known = if self.0.kind == ErrorKind::InvalidInput {
            None
        } else {
            diagnosis::diagnose(&evidence)
                .or_else(|| diagnosis::diagnose(&Evidence { code: outer, ..evidence }))
        };
        known.unwrap_or_else(|| diagnosis::plain(self.0.authority.unwrap_or(self.likely_authority())))
    }

    fn likely_authority(&self) -> Authority {
        match self.0.kind {
            ErrorKind::InvalidInput | ErrorKind::Limit | ErrorKind::Unsupported => Authority::Caller,
            ErrorKind::Authentication | ErrorKind::ClaimsChallenge => Authority::EntraToken,
            ErrorKind::PermissionDenied => Authority::EntraConsent,
            ErrorKind::Network | ErrorKind::Timeout => Authority::Network,
            ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Conflict => Authority::EntraDirectory,
            _ => Authority::Service,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.0.context;
        if let Some(operation) = &c.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)?;
        let mut separator = " [";
        let mut item = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            let result = write!(f, "{separator}{name}{value}");
            separator = ", ";
            result
        };
        if let Some(mailbox) = &c.mailbox {
            item(f, "mailbox ", mailbox)?;
        }
        if let Some(status) = self.0.status {
            item(f, "HTTP ", &status.as_u16())?;
        }
        if let Some(code) = &c.code {
            item(f, "", code)?;
        }
        if let Some(id) = &c.request_id {
            item(f, "request-id ", id)?;
        }
        if self.0.attempts > 1 {
            item(f, "attempts ", &self.0.attempts)?;
        }
        if separator == ", " { f.write_str("]") } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.to_string())
            .field("diagnosis", &self.diagnosis().id())
            .field("transient", &self.is_transient())
            .field("acted", &self.0.acted)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_and_does_not_repeat_its_source() {
        let error = Error::new(ErrorKind::Network, "connection\r\nreset")
            .with_source(std::io::Error::other("inner detail"))
            .with_operation("get token")
            .with_operation("outer")
            .with_attempts(3);
        assert_eq!(error.to_string(), "get token: connection reset [attempts 3]");
        assert!(error.source().is_some());
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn unknown_codes_degrade_to_a_plain_diagnosis() {
        let error = Error::new(ErrorKind::Authentication, "AADSTS99999999: something new")
            .with_aadsts(vec![99_999_999]);
        assert_eq!(error.diagnosis().authority(), Authority::EntraToken);
        assert_eq!(error.authority(), Authority::EntraToken);
    }

    #[test]
    fn a_number_feeds_the_diagnosis_only() {
        let error = Error::new(ErrorKind::Authentication, "x").with_aadsts(vec![7_000_222]);
        assert_eq!(error.diagnosis().id(), "AUTH-SECRET-EXPIRED");
        assert_eq!(error.kind(), ErrorKind::Authentication);
    }
}
