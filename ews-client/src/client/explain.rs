//! Words for refusals that only the sender can explain: it knows what it sent.

use http::{HeaderMap, HeaderValue};
use m365_core::{Acted, Error, ErrorKind};

use crate::http_verdict::HttpVerdict;
use crate::operation::Refusal;
use crate::{AuthScheme, EwsCredential};

/// The refusal with what we sent in its words.
pub(super) fn refusal(
    mut refusal: Refusal,
    credential: &EwsCredential,
    user_agent: &HeaderValue,
    headers: &HeaderMap,
) -> Refusal {
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
            "EWS is refused by policy ({reason}): the app id must be in EwsAllowedAppIDs, and the User-Agent \"{}\" must \
             pass EwsAllowList and EwsBlockList; Microsoft Graph is the way that stays",
            user_agent.to_str().unwrap_or("?")
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
