//! `ExchangeImpersonation`: whose mailbox an app acts in.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/exchangeimpersonation>

use super::schema_violation;
use super::soap::{Element, Fault, SOAP, TYPES};

/// The one child of `ConnectingSID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Impersonated {
    PrincipalName(String),
    /// Nobody in this tenant has one.
    Sid(String),
    /// The primary address and no other.
    PrimarySmtpAddress(String),
    /// Any address.
    SmtpAddress(String),
}

impl Impersonated {
    /// As it stands in the request.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::PrincipalName(text)
            | Self::Sid(text)
            | Self::PrimarySmtpAddress(text)
            | Self::SmtpAddress(text) => text,
        }
    }
}

/// Whom the header names; none without the header.
pub(super) fn impersonated(envelope: &Element) -> Result<Option<Impersonated>, Fault> {
    let Some(header) = envelope.child(SOAP, "Header").and_then(|h| h.child(TYPES, "ExchangeImpersonation"))
    else {
        return Ok(None);
    };
    let named = header.child(TYPES, "ConnectingSID").map(|sid| sid.children.as_slice());
    let Some([one]) = named.filter(|all| all.iter().all(|c| c.namespace == TYPES)) else {
        return Err(schema_violation("ConnectingSID holds exactly one identifier."));
    };
    let text = one.text.clone();
    let impersonated = match one.name.as_str() {
        "PrincipalName" => Impersonated::PrincipalName(text),
        "SID" => Impersonated::Sid(text),
        "PrimarySmtpAddress" => Impersonated::PrimarySmtpAddress(text),
        "SmtpAddress" => Impersonated::SmtpAddress(text),
        other => return Err(schema_violation(format!("{other} is no identifier of ConnectingSID."))),
    };
    Ok(Some(impersonated))
}
