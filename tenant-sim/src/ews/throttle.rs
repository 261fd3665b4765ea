//! Throttling: storms that a test lets loose, and the limit of calls at the same time.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange>

use uuid::Uuid;

use super::server::EwsServer;
use super::soap::Fault;

/// How a throttled call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EwsThrottle {
    /// A fault `ErrorServerBusy` with HTTP 500, with how long to wait in milliseconds where that is told.
    Busy(Option<u32>),
    /// The same code in a response message with HTTP 200.
    BusyMessage(Option<u32>),
    /// A fault `ErrorInternalServerError` that holds the waiting time.
    InternalError(u32),
    /// A fault `ErrorExceededConnectionCount` whose text suggests `0 ms`.
    Connections,
    /// HTTP 503 with a page, and the connection ends.
    Unavailable,
}

/// Throttles the next calls, of one mailbox or of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    pub(super) mailbox: Option<Uuid>,
    pub(super) answer: EwsThrottle,
    /// Calls that it strikes yet.
    pub(super) left: u32,
}

const BUSY: &str = "The server cannot service this request right now. Try again later.";

impl EwsThrottle {
    /// The fault or message; none for what is no SOAP at all.
    pub(super) fn fault(self) -> Option<Fault> {
        let wait = |fault: Fault, ms: Option<u32>| match ms {
            Some(ms) => fault.with_value("BackOffMilliseconds", ms.to_string()),
            None => fault,
        };
        match self {
            Self::Busy(ms) | Self::BusyMessage(ms) => Some(wait(Fault::new("ErrorServerBusy", BUSY), ms)),
            Self::InternalError(ms) => Some(wait(
                Fault::new(
                    "ErrorInternalServerError",
                    "An internal server error occurred. The operation failed.",
                ),
                Some(ms),
            )),
            Self::Connections => Some(concurrency("MaxConcurrency", 27)),
            Self::Unavailable => None,
        }
    }
}

/// The fault for too many calls, or streams, at the same time.
pub(super) fn concurrency(part: &str, limit: u32) -> Fault {
    Fault::new(
        "ErrorExceededConnectionCount",
        "You have exceeded the available concurrent connections for your account.  Try again once your other requests have completed.",
    )
    .with_value("Policy", part)
    .with_value("MaxConcurrencyLimit", limit.to_string())
    .with_value(
        "ErrorMessage",
        format!(
            "This operation exceeds the throttling budget for policy part '{part}', policy value '{limit}',  Budget type: 'Ews'.  Suggested backoff time 0 ms."
        ),
    )
}

impl EwsServer {
    /// Throttles the next `calls` calls.
    pub(crate) fn throttle(&self, mailbox: Option<Uuid>, answer: EwsThrottle, calls: u32) {
        if calls > 0 {
            self.core().storms.push(Storm { mailbox, answer, left: calls });
        }
    }

    /// Ends every storm.
    pub(crate) fn calm(&self) {
        self.core().storms.clear();
    }

    /// The storm that strikes this call.
    pub(super) fn strike(&self, mailbox: Uuid) -> Option<EwsThrottle> {
        let storms = &mut self.core().storms;
        let storm = storms.iter_mut().find(|s| s.mailbox.is_none_or(|m| m == mailbox))?;
        storm.left = storm.left.saturating_sub(1);
        let answer = storm.answer;
        storms.retain(|s| s.left > 0);
        Some(answer)
    }

    /// A call in flight, unless the account has too many to this mailbox already.
    pub(crate) fn take_off(&self, account: &str, mailbox: Uuid) -> Option<EwsFlight> {
        let core = &mut *self.core();
        let key = (account.to_owned(), mailbox);
        let count = core.flights.entry(key.clone()).or_default();
        if *count >= core.limits.concurrency {
            return None;
        }
        *count += 1;
        Some(EwsFlight { server: self.clone(), key })
    }
}

/// A call in flight.
#[derive(Debug)]
pub(crate) struct EwsFlight {
    server: EwsServer,
    key: (String, Uuid),
}

impl Drop for EwsFlight {
    fn drop(&mut self) {
        let flights = &mut self.server.core().flights;
        if let Some(count) = flights.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                flights.remove(&self.key);
            }
        }
    }
}
