//! Exchange Web Services as Exchange Online serves them to apps: who gets in, and the first operations.
//!
//! `POST /EWS/Exchange.asmx`. In the order of the real service: the token (401), the switches and lists (403 with
//! `X-EWS-Policy-Reason`), the impersonated mailbox (faults with HTTP 500), the operation. One file per operation.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-authenticate-an-ews-application-by-using-oauth>

mod calendar_read;
mod create_item;
mod delete_item;
mod find_folder;
mod find_item;
mod folder_xml;
mod get_attachment;
mod get_folder;
mod get_item;
mod get_user_availability;
mod header;
mod item_xml;
mod meetings;
mod operations;
mod paging;
mod place;
mod restriction;
mod send_item;
mod serialized_zone;
mod shape;
mod soap;
mod sync_folder_hierarchy;
mod sync_folder_items;
#[cfg(test)]
mod tests;
mod times;
mod update_item;
mod version;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header as http_header};
use jiff::Timestamp;
use uuid::Uuid;

use self::header::Impersonated;
use self::soap::{Fault, SOAP};
use crate::Caller;
use crate::access::ews::{self, EwsRefusal};
use crate::access::is_exchange_audience;
use crate::entra::jwt::TokenFault;
use crate::server::reply::{self, Reply};
use crate::server::{Line, not_served};
use crate::state::State;

const DISABLED: &str = "EWS is disabled for this user or tenant";
const BLOCKED: &str = "EWS is blocked by policy for this user or tenant";

/// Answers one request and notes in the journal's line what it asked for.
pub(crate) fn handle(
    state: &mut State,
    caller: Result<Caller, TokenFault>,
    request: &Request<Bytes>,
    now: Timestamp,
    line: &mut Line,
) -> Reply {
    if !request.uri().path().eq_ignore_ascii_case("/ews/exchange.asmx") {
        return not_served(request.uri().path());
    }
    let caller = match caller {
        Ok(caller) if is_exchange_audience(&caller.audience) && caller.tenant_id == state.tenant_id => caller,
        Ok(_) => return unauthorized(&TokenFault::WrongAudience),
        Err(fault) => return unauthorized(&fault),
    };
    line.app_id = Some(caller.app_id);
    if request.method() != Method::POST {
        return reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !ews::may_knock(state, &caller, now) {
        return no_scope();
    }
    let agent =
        request.headers().get(http_header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let answer = serve(state, &caller, agent, request.body(), now, line);
    answer.unwrap_or_else(|refused| match refused {
        Refused::Fault(fault) => fault.render(),
        Refused::Policy(reason) => closed(reason),
    })
}

/// True for a request that may change something.
pub(crate) fn writes(request: &Request<Bytes>) -> bool {
    const READS: [&[u8]; 4] = [b":Get", b":Find", b":Sync", b":Resolve"];
    let body = request.body();
    let after = body.windows(5).position(|w| w == b":Body").and_then(|at| body.get(at + 5..));
    let operation = after.and_then(|rest| rest.iter().position(|b| *b == b'<').and_then(|at| rest.get(at..)));
    let head = operation.map(|o| o.get(..40).unwrap_or(o)).unwrap_or_default();
    !READS.iter().any(|read| head.windows(read.len()).any(|w| w == *read))
}

/// 403 with the reason of a switch or list.
pub(crate) fn closed(reason: &str) -> Reply {
    let mut reply = reply::empty(StatusCode::FORBIDDEN);
    reply::set(&mut reply, "x-ews-policy-reason", reason);
    reply
}

/// A fault with this code, and how long to wait in milliseconds where it has that.
pub(crate) fn fault(code: &str, message: &str, back_off: Option<u32>) -> Reply {
    let fault = Fault::new(code, message);
    let fault = match back_off {
        Some(milliseconds) => fault.with_value("BackOffMilliseconds", milliseconds.to_string()),
        None => fault,
    };
    fault.render()
}

#[derive(Debug)]
enum Refused {
    Fault(Fault),
    Policy(&'static str),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn serve(
    state: &mut State,
    caller: &Caller,
    agent: &str,
    body: &[u8],
    now: Timestamp,
    line: &mut Line,
) -> Result<Reply, Refused> {
    ews::check_organization(state, caller.app_id, now).map_err(|refusal| refused(refusal, None))?;
    let envelope = soap::parse(body).map_err(|malformed| schema_violation(malformed.0))?;
    if envelope.namespace != SOAP || envelope.name != "Envelope" {
        return Err(schema_violation("The root element is not a SOAP 1.1 envelope.").into());
    }
    let operation = envelope
        .child(SOAP, "Body")
        .and_then(|body| body.children.first())
        .ok_or_else(|| schema_violation("The SOAP body holds no operation."))?;
    line.cmdlet = operations::named(operation).map(str::to_owned);

    let Some(impersonated) = header::impersonated(&envelope)? else {
        ews::check_agent(state, None, agent, now).map_err(|refusal| refused(refusal, None))?;
        return Err(Fault::new(
            "ErrorInvalidExchangeImpersonationHeaderData",
            "ExchangeImpersonation SOAP header must be present for this type of OAuth token.",
        )
        .into());
    };
    line.mailbox = Some(impersonated.shown().to_owned());
    let mailbox = find(state, &impersonated, now)?;
    ews::check_agent(state, Some(mailbox), agent, now).map_err(|refusal| refused(refusal, None))?;
    ews::check_mailbox(state, caller, mailbox, now)
        .map_err(|refusal| refused(refusal, Some(impersonated.shown())))?;

    match operations::run(state, mailbox, false, now, &envelope, operation) {
        Some(body) => Ok(body?),
        None => Err(Fault::new(
            "ErrorInvalidRequest",
            format!("The simulated tenant does not serve the operation {}.", operation.name),
        )
        .into()),
    }
}

/// The mailbox that the header means.
fn find(state: &State, impersonated: &Impersonated, now: Timestamp) -> Result<Uuid, Fault> {
    let missing = || {
        Fault::new("ErrorNonExistentMailbox", "No mailbox with such guid.")
            .with_value("SmtpAddress", impersonated.shown())
    };
    let named = match impersonated {
        Impersonated::Sid(_) => None,
        Impersonated::PrincipalName(name) => {
            state.mailbox(name, now).filter(|m| m.upn.eq_ignore_ascii_case(name))
        }
        Impersonated::PrimarySmtpAddress(address) | Impersonated::SmtpAddress(address) => {
            state.mailbox(address, now).filter(|m| {
                m.primary_smtp_address.eq_ignore_ascii_case(address)
                    || m.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(address))
            })
        }
    };
    let mailbox = named.filter(|m| !m.remote).ok_or_else(missing)?;
    if let Impersonated::PrimarySmtpAddress(address) = impersonated
        && !mailbox.primary_smtp_address.eq_ignore_ascii_case(address)
    {
        return Err(Fault::new(
            "ErrorNonPrimarySmtpAddress",
            "The primary SMTP address must be specified when referencing a mailbox.",
        )
        .with_value("Primary", mailbox.primary_smtp_address.clone()));
    }
    Ok(mailbox.object_id)
}

/// Which refusal an access policy gives is not published; `ErrorAccessDenied` is what the service says elsewhere to a
/// right that is taken away, `ErrorImpersonateUserDenied` to one that was never given.
fn refused(refusal: EwsRefusal, mailbox: Option<&str>) -> Refused {
    match refusal {
        EwsRefusal::Disabled => Refused::Policy(DISABLED),
        EwsRefusal::BlockedByPolicy => Refused::Policy(BLOCKED),
        EwsRefusal::NoRight => Refused::Fault(Fault::new(
            "ErrorImpersonateUserDenied",
            format!(
                "The account does not have permission to impersonate the requested user{}.",
                mailbox.map(|m| format!(" {m}")).unwrap_or_default()
            ),
        )),
        EwsRefusal::AccessPolicy => Refused::Fault(Fault::new(
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        )),
    }
}

fn schema_violation(text: impl Into<String>) -> Fault {
    Fault::new("ErrorSchemaValidation", "The request failed schema validation.").with_value("Violation", text)
}

/// 401; what is wrong with a token stands in `x-ms-diagnostics`.
fn unauthorized(fault: &TokenFault) -> Reply {
    let reason = match fault {
        TokenFault::Missing => None,
        TokenFault::WrongAudience => Some(
            "2000003;reason=\"The audience claim value is invalid 'aud'.\";error_category=\"invalid_resource\"",
        ),
        TokenFault::Expired => {
            Some("2000001;reason=\"The token has expired.\";error_category=\"expired_token\"")
        }
        TokenFault::NotYetValid => {
            Some("2000001;reason=\"The token is not valid yet.\";error_category=\"invalid_lifetime\"")
        }
        TokenFault::WrongIssuer => {
            Some("2000008;reason=\"The issuer of the token is unknown.\";error_category=\"invalid_issuer\"")
        }
        TokenFault::Malformed | TokenFault::BadSignature => {
            Some("2000000;reason=\"The token cannot be verified.\";error_category=\"invalid_token\"")
        }
    };
    denied(reason)
}

/// The token is good and opens no EWS: neither its roles nor Exchange's own say so.
fn no_scope() -> Reply {
    denied(Some(
        "2000008;reason=\"The token contains not enough scope to make this call.\";error_category=\"invalid_grant\"",
    ))
}

fn denied(reason: Option<&str>) -> Reply {
    let mut reply = reply::empty(StatusCode::UNAUTHORIZED);
    let error = if reason.is_some() { ", error=\"invalid_token\"" } else { "" };
    reply::set(
        &mut reply,
        "www-authenticate",
        &format!(
            "Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", token_types=\"app_asserted_user_v1 service_asserted_app_v1\", authorization_uri=\"https://login.windows.net/common/oauth2/authorize\"{error}"
        ),
    );
    if let Some(reason) = reason {
        reply::set(&mut reply, "x-ms-diagnostics", reason);
    }
    reply
}
