//! Words for refusals that only the sender can explain: it knows what it sent.

use http::{HeaderMap, HeaderValue};
use jiff::civil::Date;
use m365_core::{Acted, Error, ErrorKind};

use crate::going_away::{self, Phase};
use crate::http_verdict::HttpVerdict;
use crate::operation::Refusal;
use crate::{AuthScheme, EwsCredential};

/// What the sender knows, and the answer does not.
pub(super) struct Sent<'a> {
    pub(super) credential: &'a EwsCredential,
    pub(super) user_agent: &'a HeaderValue,
    /// The day, when it was sent to Exchange Online.
    pub(super) online_on: Option<Date>,
}

/// The refusal with what we sent in its words.
pub(super) fn refusal(mut refusal: Refusal, sent: &Sent<'_>, headers: &HeaderMap) -> Refusal {
    let credential = sent.credential;
    let message = match &refusal.verdict {
        Some(HttpVerdict::Unauthorized { schemes }) if !credential.is_taken(schemes) => format!(
            "the server does not take {}: it offers {}",
            credential.scheme().as_str(),
            schemes.iter().map(AuthScheme::as_str).collect::<Vec<_>>().join(", ")
        ),
        Some(HttpVerdict::Unauthorized { .. })
            if matches!(credential.scheme(), AuthScheme::Ntlm | AuthScheme::Negotiate) =>
        {
            format!(
                "{} is refused after the whole handshake: the name or the password is wrong, or a proxy that ends TLS \
                 breaks Extended Protection",
                credential.scheme().as_str()
            )
        }
        Some(HttpVerdict::EwsBlocked { reason }) => format!(
            "EWS is refused by policy ({reason}): EwsEnabled must be true for organisation and mailbox, the app id must \
             be in EwsAllowedAppIDs, and the User-Agent \"{}\" must pass EwsAllowList and EwsBlockList{}",
            sent.user_agent.to_str().unwrap_or("?"),
            sent.online_on.map(end_of_ews).unwrap_or_default(),
        ),
        Some(HttpVerdict::Forbidden) => {
            refusal.error = refusal.error.with_diagnosis("EWS-403-OTHER");
            return refusal;
        }
        _ => return refusal,
    };
    let old = refusal.error;
    let mut error =
        Error::new(old.kind(), message).with_acted(Acted::No).with_transient(false).with_headers(headers);
    if let Some(status) = old.status() {
        error = error.with_status(status);
    }
    if let Some(id) = old.request_id() {
        error = error.with_request_id(id);
    }
    debug_assert!(matches!(old.kind(), ErrorKind::Authentication | ErrorKind::PermissionDenied));
    refusal.error = error;
    refusal
}

fn end_of_ews(today: Date) -> String {
    let when = match going_away::phase_on(today) {
        Phase::Open { .. } | Phase::SwitchingOff { .. } => "ends",
        Phase::Ended => "has ended",
    };
    format!(
        "; in Exchange Online EWS {when} for everybody on {}: Microsoft Graph is the way",
        going_away::ENDED
    )
}
