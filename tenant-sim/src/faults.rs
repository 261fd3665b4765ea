//! Faults that a test injects: on the n-th request that matches, the tenant misbehaves as the real service does.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    entra, ews,
    server::reply::{self, Reply},
};

/// What happens to a matching request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub(crate) enum Effect {
    /// A JSON error in the shape of the service that was called.
    Error { status: u16, code: String, message: String, details: Option<Value>, retry_after: Option<String> },
    /// Entra's error shape with this AADSTS number.
    Aadsts { status: u16, error: String, number: u32, text: String, retry_after: Option<String> },
    /// A gateway's HTML page.
    Html { status: u16 },
    /// 403 whose body is NUL bytes declared as gzip.
    NulBody { diagnostics: Option<String> },
    /// A SOAP fault of EWS.
    EwsFault { code: String, message: String, back_off_milliseconds: Option<u32> },
    /// 403 of EWS with this reason in its header.
    EwsPolicy(&'static str),
    /// A status and nothing else.
    Bare { status: u16 },
    /// The connection ends before anything was done.
    DropBefore,
    /// Everything is done, then the connection ends without an answer.
    DropAfter,
    /// A read answers with what was there before the last write.
    StaleRead,
    /// The answer comes later, in real time.
    Delay(Duration),
    /// Items of a `$batch` of the Admin API, by position, are refused with this status and not run.
    BatchItems { status: u16, positions: Vec<usize> },
    /// The organisation needs Enable-OrganizationCustomization.
    Dehydrate,
    /// The server's line, without tag, to an IMAP command.
    ImapLine(String),
    /// The server's line to an SMTP command.
    SmtpLine(String),
}

impl Effect {
    /// The canned answer, for the effects that are one.
    pub(crate) fn render(&self, request: &Request<Bytes>, now: Timestamp) -> Option<Reply> {
        let status =
            |status: &u16| StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (mut reply, retry_after) = match self {
            Self::Error { status: s, code, message, details, retry_after } => {
                let path = request.uri().path();
                let body = if path.ends_with("/oauth2/v2.0/token") {
                    json!({"error": "temporarily_unavailable", "error_description": message})
                } else {
                    let mut error = json!({"code": code, "message": message, "innerError": {
                        "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                        "request-id": "5f1d3c2e-0b7a-4c8e-9a51-6d2f4b8e7c10",
                    }});
                    if let (Some(details), Some(object)) = (details, error.as_object_mut()) {
                        object.insert("details".to_owned(), details.clone());
                    }
                    json!({ "error": error })
                };
                (reply::json(status(s), &body), retry_after)
            }
            Self::EwsFault { code, message, back_off_milliseconds } => {
                (ews::fault(code, message, *back_off_milliseconds), &None)
            }
            Self::EwsPolicy(reason) => (ews::closed(reason), &None),
            Self::Bare { status: s } => (reply::empty(status(s)), &None),
            Self::Aadsts { status: s, error, number, text, retry_after } => {
                (entra::error_reply(status(s), error, *number, text, now, &Default::default()), retry_after)
            }
            Self::Html { status: s } => {
                let page =
                    "<!DOCTYPE html><html><head><title>Bad Gateway</title></head><body>gateway</body></html>";
                (reply::bytes(status(s), "text/html", page), &None)
            }
            Self::NulBody { diagnostics } => {
                let mut reply = reply::bytes(StatusCode::FORBIDDEN, "application/json", vec![0_u8; 64]);
                reply::set(&mut reply, "content-encoding", "gzip");
                if let Some(text) = diagnostics {
                    reply::set(&mut reply, "x-ms-diagnostics", text);
                }
                (reply, &None)
            }
            _ => return None,
        };
        if let Some(value) = retry_after {
            reply::set(&mut reply, "retry-after", value);
        }
        Some(reply)
    }
}

/// One fault: what happens, to which requests, from which match on and how often.
///
/// ```
/// use tenant_sim::Fault;
/// // The second addPassword is carried out, but its answer is lost.
/// let lost = Fault::drop_after().on_method("POST").on_path("/addPassword").skip(1);
/// // Every New-ServicePrincipal fails twice with 503.
/// let busy = Fault::status(503).with_retry_after("2").on_cmdlet("New-ServicePrincipal").times(2);
/// # let _ = (lost, busy);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    label: String,
    effect: Effect,
    method: Option<String>,
    path: Option<String>,
    cmdlet: Option<String>,
    /// Protocol and step, for lines of servers that speak lines.
    step: Option<(Lines, String)>,
    skip: u32,
    times: u32,
}

/// The id is not in the catalogue of failures, or names one that the simulated tenant cannot produce by a fault.
#[derive(Debug, thiserror::Error)]
#[error("no fault is known by the id {id:?}")]
pub struct UnknownFault {
    /// The id asked for.
    pub id: String,
}

impl Fault {
    fn new(label: impl Into<String>, effect: Effect) -> Self {
        let label = label.into();
        Self { label, effect, method: None, path: None, cmdlet: None, step: None, skip: 0, times: 1 }
    }

    /// An error status with a JSON body in the shape of the service; 429, 500, 503, 504, 507, 509 have their own codes.
    pub fn status(status: u16) -> Self {
        let (code, message) = match status {
            429 => ("TooManyRequests", "Too many requests."),
            500 => ("InternalServerError", "An internal error occurred."),
            503 => ("ServiceUnavailable", "The service is temporarily unavailable."),
            504 => ("GatewayTimeout", "The upstream did not answer in time."),
            507 => ("InsufficientStorage", "The quota is used up."),
            509 => ("BandwidthLimitExceeded", "The bandwidth limit is exceeded."),
            _ => ("generalException", "The request failed."),
        };
        Self::error(status, code, message)
    }

    /// An error answer with this code and message.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let effect = Effect::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            details: None,
            retry_after: None,
        };
        Self::new(format!("status {status} {code}"), effect)
    }

    /// A gateway's HTML page with this status, usually 502.
    pub fn html(status: u16) -> Self {
        Self::new(format!("html {status}"), Effect::Html { status })
    }

    /// The connection ends before the request is acted upon.
    pub fn drop_before() -> Self {
        Self::new("drop before", Effect::DropBefore)
    }

    /// The request is carried out, then the connection ends without an answer.
    pub fn drop_after() -> Self {
        Self::new("drop after", Effect::DropAfter)
    }

    /// 403 with a body of NUL bytes declared as gzip, as Exchange answers a cmdlet outside the caller's roles; with
    /// `x-ms-diagnostics` it means a refusal, without a role that is still on its way.
    pub fn nul_403(diagnostics: bool) -> Self {
        let text = diagnostics.then(|| {
            "2000003;reason=\"The caller has no role for this cmdlet.\";error_category=\"invalid_resource\"".to_owned()
        });
        Self::new("NUL-byte 403", Effect::NulBody { diagnostics: text })
    }

    /// Of a `$batch` of the Exchange Admin API the items at these positions, from 0, are refused with this status and not
    /// run; the others are.
    pub fn batch_items(status: u16, positions: &[usize]) -> Self {
        let effect = Effect::BatchItems { status, positions: positions.to_vec() };
        Self::new(format!("batch items {status}"), effect).on_path("/$batch")
    }

    /// 409 `Directory_ConcurrencyViolation`.
    pub fn concurrency_violation() -> Self {
        Self::error(
            409,
            "Directory_ConcurrencyViolation",
            "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
        )
    }

    /// A read (GET, `Get-` or `Test-` cmdlet) answers with what was there before the last write. The write must come
    /// after the injection.
    pub fn stale_read() -> Self {
        Self::new("stale read", Effect::StaleRead)
    }

    /// The answer takes this much longer, in real time.
    pub fn delay(by: Duration) -> Self {
        Self::new("delay", Effect::Delay(by))
    }

    /// The next IMAP command of this step (`AUTHENTICATE`, `SELECT`, `FETCH`) is answered with this line.
    pub fn imap(step: &str, line: &str) -> Self {
        let mut fault = Self::new(format!("imap {step}"), Effect::ImapLine(line.to_owned()));
        fault.step = Some((Lines::Imap, step.to_owned()));
        fault
    }

    /// The next SMTP command of this step (`EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`) is answered with this line; at `DATA`
    /// after the message was taken in. A line that begins with `421` ends the session.
    pub fn smtp(step: &str, line: &str) -> Self {
        let mut fault = Self::new(format!("smtp {step}"), Effect::SmtpLine(line.to_owned()));
        fault.step = Some((Lines::Smtp, step.to_owned()));
        fault
    }

    /// A SOAP fault of EWS (HTTP 500) with this code; `ErrorServerBusy` with how long to wait, in milliseconds.
    pub fn ews(code: &str, message: &str, back_off: Option<u32>) -> Self {
        let effect = Effect::EwsFault {
            code: code.to_owned(),
            message: message.to_owned(),
            back_off_milliseconds: back_off,
        };
        Self::new(format!("ews {code}"), effect).on_path("/ews/")
    }

    /// A fault by its id in the project's catalogue of failures, already aimed at the requests where it occurs.
    ///
    /// # Errors
    /// [`UnknownFault`] for an id that no fault stands for.
    pub fn by_id(id: &str) -> Result<Self, UnknownFault> {
        let fault = match id {
            "THR-GRAPH-MBX" => Self::error(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
            )
            .with_retry_after("1")
            .on_path("/users/"),
            "THR-GRAPH-RATE" => {
                Self::error(429, "TooManyRequests", "Too many requests.").with_retry_after("2.128").on_path("/v1.0/")
            }
            "MBX-INFO-STALE" => {
                Self::error(503, "MailboxInfoStale", "Mailbox info is stale.").on_path("/users/")
            }
            "MBX-MOVING" => {
                Self::error(503, "ErrorMailboxMoveInProgress", "Mailbox move in progress.").on_path("/users/")
            }
            "MBX-QUOTA" => Self::error(507, "ErrorQuotaExceeded", "The mailbox is full.").on_path("/users/"),
            "SEND-BLOCKED" => Self::error(
                403,
                "ErrorMessageSubmissionBlocked",
                "Cannot send mail. This mailbox is blocked from sending.",
            )
            .on_path("/sendMail"),
            "GRAPH-RAOP" => Self::error(
                403,
                "ErrorAccessDenied",
                "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
            )
            .on_path("/users/"),
            "AUTH-STS-TRANSIENT" => token_fault(
                503,
                "temporarily_unavailable",
                90033,
                "A transient error has occurred. Please try again.",
            )
            .with_retry_after("1"),
            "AUTH-SECRET-ID" => token_fault(401, "invalid_client", 7_000_215, "Invalid client secret provided."),
            "AUTH-SECRET-EXPIRED" => {
                token_fault(401, "invalid_client", 7_000_222, "The provided client secret keys are expired.")
            }
            "AUTH-APP-DISABLED" => {
                token_fault(400, "unauthorized_client", 7_000_112, "The application is disabled.")
            }
            "AUTH-NO-SP" => token_fault(
                401,
                "invalid_client",
                7_000_229,
                "The client application is missing service principal in the tenant.",
            ),
            "AUTH-CA-BLOCK" => {
                token_fault(400, "invalid_grant", 53003, "Access has been blocked by Conditional Access policies.")
            }
            "AUTH-CLOCK-SKEW" => {
                token_fault(401, "invalid_client", 700_024, "Client assertion is not within its valid time range.")
            }
            "PROV-SP-REPLICATION" => {
                let mut fault = Self::error(
                    400,
                    "Request_BadRequest",
                    "The appId of the service principal does not reference a valid application object.",
                );
                if let Effect::Error { details, .. } = &mut fault.effect {
                    *details = Some(json!([{"code": "NoBackingApplicationObject", "target": "appId",
                        "message": "The appId of the service principal does not reference a valid application object."}]));
                }
                fault.on_method("POST").on_path("/servicePrincipals")
            }
            "PROV-OBJ-REPLICATION" => Self::error(
                404,
                "Request_ResourceNotFound",
                "Resource does not exist or one of its queried reference-property objects are not present.",
            )
            .on_path("/v1.0/"),
            "PROV-NO-PRIVILEGE" => Self::error(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            )
            .on_path("/v1.0/"),
            "PROV-SECRET-FORBIDDEN" => Self::error(
                400,
                "CredentialTypeNotAllowedAsPerAppPolicy",
                "Credential type not allowed as per assigned policy.",
            )
            .on_path("/addPassword"),
            "PROV-SECRET-LIFETIME" => Self::error(
                400,
                "CredentialInvalidLifetimeAsPerAppPolicy",
                "Credential lifetime exceeds the max value allowed as per assigned policy.",
            )
            .on_path("/addPassword"),
            "PROV-EXO-APPONLY-ROLE" => Self::error(
                403,
                "Forbidden",
                "The role assigned to application isn't supported in this scenario. Please check online documentation.",
            )
            .on_path("/adminapi/"),
            "PROV-EXO-CMDLET-UNKNOWN" => Self::nul_403(true).on_path("/adminapi/"),
            "PROV-DEHYDRATED" => Self::new("dehydrate", Effect::Dehydrate).on_path("/adminapi/"),
            "THR-IMAP" => {
                Self::imap("SELECT", "BAD Request is throttled. Suggested Backoff Time: 5000 milliseconds")
            }
            "THR-EWS-BUSY" => Self::ews(
                "ErrorServerBusy",
                "The server cannot service this request right now. Try again later.",
                Some(5000),
            ),
            "THR-EWS-CONCURRENCY" => Self::ews(
                "ErrorExceededConnectionCount",
                "You have exceeded the available concurrent connections for your account.",
                Some(0),
            ),
            "EWS-DISABLED" => Self::new("", Effect::EwsPolicy("EWS is disabled for this user or tenant")).on_path("/ews/"),
            "EWS-BLOCKED-POLICY" => {
                Self::new("", Effect::EwsPolicy("EWS is blocked by policy for this user or tenant")).on_path("/ews/")
            }
            "EWS-403-OTHER" => Self::new("", Effect::Bare { status: 403 }).on_path("/ews/"),
            "IMAP-NOT-CONNECTED" => Self::imap("SELECT", "BAD User is authenticated but not connected."),
            "SMTP-AUTH-OFF" => Self::smtp(
                "AUTH",
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
            ),
            "SMTP-AUTH-535" => Self::smtp("AUTH", "535 5.7.3 Authentication unsuccessful"),
            "IMAP-AUTH-FAILED" => Self::imap("AUTHENTICATE", "NO AUTHENTICATE failed."),
            _ => return Err(UnknownFault { id: id.to_owned() }),
        };
        Ok(Self { label: id.to_owned(), ..fault })
    }

    /// Sends `Retry-After` with this value: whole seconds, a fraction, or an HTTP date.
    #[must_use]
    pub fn with_retry_after(mut self, value: &str) -> Self {
        if let Effect::Error { retry_after, .. } | Effect::Aadsts { retry_after, .. } = &mut self.effect {
            *retry_after = Some(value.to_owned());
        }
        self
    }

    /// Only requests with this method.
    #[must_use]
    pub fn on_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose decoded path contains this text, without regard to case.
    #[must_use]
    pub fn on_path(mut self, part: &str) -> Self {
        self.path = Some(part.to_ascii_lowercase());
        self
    }

    /// Only this cmdlet of the Exchange Admin API.
    #[must_use]
    pub fn on_cmdlet(mut self, name: &str) -> Self {
        self.cmdlet = Some(name.to_owned());
        self
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn skip(mut self, matches: u32) -> Self {
        self.skip = matches;
        self
    }

    /// Strikes this many times; once unless said otherwise.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, probe: &Probe<'_>) -> bool {
        match *probe {
            Probe::Line { protocol, step } => {
                self.step.as_ref().is_some_and(|(p, s)| *p == protocol && s.eq_ignore_ascii_case(step))
            }
            Probe::Http { method, path, cmdlet } => {
                self.step.is_none()
                    && self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
                    && self.path.as_deref().is_none_or(|p| path.to_ascii_lowercase().contains(p))
                    && self
                        .cmdlet
                        .as_deref()
                        .is_none_or(|c| cmdlet.is_some_and(|cmdlet| c.eq_ignore_ascii_case(cmdlet)))
            }
        }
    }
}

fn token_fault(status: u16, error: &str, number: u32, text: &str) -> Fault {
    let effect =
        Effect::Aadsts { status, error: error.to_owned(), number, text: text.to_owned(), retry_after: None };
    Fault::new(format!("AADSTS{number}"), effect).on_path("/oauth2/v2.0/token")
}

/// The request that a fault is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Probe<'a> {
    Http { method: &'a str, path: &'a str, cmdlet: Option<&'a str> },
    Line { protocol: Lines, step: &'a str },
}

/// The protocols that are spoken in lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Imap,
    Smtp,
}

/// The faults that wait for their request. Of several that match one request, the first injected strikes alone.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        if fault.times > 0 {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        }
    }

    /// Forgets every fault that still waits.
    pub fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many faults still wait: zero proves that all of them struck.
    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(crate) fn waits_for_stale_read(&self) -> bool {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|f| f.effect == Effect::StaleRead)
    }

    /// The effect for this request: its label and what to do.
    pub(crate) fn take(&self, probe: Probe<'_>) -> Option<(String, Effect)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck = None;
        for fault in waiting.iter_mut().filter(|f| f.matches(&probe)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if struck.is_none() {
                fault.times -= 1;
                struck = Some((fault.label.clone(), fault.effect.clone()));
            }
        }
        waiting.retain(|f| f.times > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Probe<'_> {
        Probe::Http { method: "GET", path, cmdlet: None }
    }

    #[test]
    fn the_nth_match_is_struck_and_no_other() {
        let faults = Faults::default();
        faults.inject(Fault::status(503).on_path("/ADDPassword").skip(1).times(2));
        let hits: Vec<bool> = (0..5).map(|_| faults.take(get("/v1.0/x/addPassword")).is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.waiting(), 0);
        assert!(faults.take(get("/elsewhere")).is_none());
    }

    #[test]
    fn an_http_fault_never_strikes_imap_and_the_reverse() {
        let faults = Faults::default();
        faults.inject(Fault::status(500));
        faults.inject(Fault::by_id("THR-IMAP").expect("known"));
        assert!(faults.take(Probe::Line { protocol: Lines::Imap, step: "FETCH" }).is_none());
        assert!(matches!(
            faults.take(Probe::Line { protocol: Lines::Imap, step: "SELECT" }),
            Some((_, Effect::ImapLine(_)))
        ));
        assert!(matches!(faults.take(get("/")), Some((_, Effect::Error { .. }))));
    }

    #[test]
    fn an_unknown_id_is_told() {
        assert_eq!(Fault::by_id("NO-SUCH").expect_err("unknown").id, "NO-SUCH");
    }
}
