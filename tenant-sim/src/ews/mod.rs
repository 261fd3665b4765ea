//! Exchange Web Services: who gets in, and what is answered, at the door of Exchange Online and at that of the
//! organisation's own servers. One file per operation.
//!
//! `POST /EWS/Exchange.asmx`. In the order of the real service: the credentials (401), the switches and lists (403 with
//! `X-EWS-Policy-Reason`), the impersonated mailbox (faults with HTTP 500), throttling, the operation.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-authenticate-an-ews-application-by-using-oauth>

mod affinity;
mod answers;
mod calendar_read;
mod create_item;
mod delete_item;
pub(crate) mod door;
mod feed;
mod find_folder;
mod find_item;
mod folder_xml;
mod folders;
mod get_attachment;
mod get_events;
mod get_folder;
mod get_item;
mod get_user_availability;
mod header;
mod item_xml;
mod meetings;
mod ntlm;
mod operations;
mod paging;
mod place;
mod quirks;
mod restriction;
mod send_item;
mod serialized_zone;
pub(crate) mod server;
mod settings;
mod shape;
mod small;
mod soap;
pub(crate) mod streaming;
mod subscribe;
mod sync_folder_hierarchy;
mod sync_folder_items;
#[cfg(test)]
mod tests;
mod throttle;
mod time_zones;
mod times;
mod update_item;
mod version;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header as http_header};
use jiff::Timestamp;
use uuid::Uuid;

use self::answers::{failure, message, response, throttled};
use self::header::Impersonated;
pub use self::quirks::EwsQuirk;
pub use self::server::EwsLimits;
pub(crate) use self::server::{EwsServer, Heartbeat};
use self::soap::{Element, Fault, MESSAGES, SOAP};
pub use self::throttle::EwsThrottle;
use self::throttle::concurrency;
use crate::Caller;
use crate::access::View;
use crate::access::ews::{self, EwsRefusal};
use crate::access::is_exchange_audience;
use crate::access::rbac;
use crate::entra::jwt::TokenFault;
use crate::server::reply::{self, Reply};
use crate::server::{Line, not_served};
use crate::state::{State, split_occurrence_id};

const DISABLED: &str = "EWS is disabled for this user or tenant";
const BLOCKED: &str = "EWS is blocked by policy for this user or tenant";

/// Whose servers a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// Exchange Online.
    Cloud,
    /// The organisation's own.
    OnPremises,
}

/// Who calls.
pub(crate) enum Who {
    /// An app with a valid token.
    App(Caller),
    /// An account with a password, by the object id of its user.
    Account(Uuid),
}

/// What an operation is evaluated with.
struct Context<'a> {
    state: &'a State,
    /// Object id of the impersonated mailbox's user, or of the account's own.
    mailbox: Uuid,
    site: Site,
    /// What the answer's header says of the server.
    server: &'static str,
    /// Whoever calls, in one word: subscriptions and streams are theirs.
    caller: String,
    headers: &'a HeaderMap,
    now: Timestamp,
}

/// Answers one request at the door of Exchange Online and notes in the journal's line what it asked for.
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
    let caller = match app(state, caller, now) {
        Ok(caller) => caller,
        Err((caller, refused)) => {
            line.app_id = caller;
            return *refused;
        }
    };
    line.app_id = Some(caller.app_id);
    respond(state, &Who::App(caller), Site::Cloud, request, now, line)
}

/// Answers one request at the door of the organisation's own servers.
pub(crate) fn handle_on_premises(
    state: &mut State,
    authenticated: door::Authenticated,
    token: impl FnOnce() -> Result<Caller, TokenFault>,
    request: &Request<Bytes>,
    now: Timestamp,
    line: &mut Line,
) -> Reply {
    let who = match authenticated {
        door::Authenticated::Account(user) => Who::Account(user),
        door::Authenticated::Bearer => match token() {
            Ok(caller) if caller.tenant_id == state.tenant_id && caller.has_role("full_access_as_app") => {
                line.app_id = Some(caller.app_id);
                Who::App(caller)
            }
            _ => return door::challenge(state),
        },
    };
    if !request.uri().path().eq_ignore_ascii_case("/ews/exchange.asmx") {
        return not_served(request.uri().path());
    }
    respond(state, &who, Site::OnPremises, request, now, line)
}

type Unwelcome = (Option<Uuid>, Box<Reply>);

/// The app that a token speaks for, when it may knock at Exchange Online at all.
fn app(state: &mut State, caller: Result<Caller, TokenFault>, now: Timestamp) -> Result<Caller, Unwelcome> {
    match caller {
        Ok(caller) if is_exchange_audience(&caller.audience) && caller.tenant_id == state.tenant_id => {
            if ews::may_knock(state, &caller, now) {
                Ok(caller)
            } else {
                Err((Some(caller.app_id), Box::new(no_scope())))
            }
        }
        Ok(_) => Err((None, Box::new(unauthorized(&TokenFault::WrongAudience)))),
        Err(fault) => Err((None, Box::new(unauthorized(&fault)))),
    }
}

fn respond(
    state: &mut State,
    who: &Who,
    site: Site,
    request: &Request<Bytes>,
    now: Timestamp,
    line: &mut Line,
) -> Reply {
    if request.method() != Method::POST {
        return reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let served = serve(state, who, site, request, now, line);
    let quirks = state.ews.quirks();
    match served {
        Ok((reply, operation)) => quirks::rewrite(&quirks, Some(&operation), reply),
        Err(Refused::Fault(fault)) => quirks::rewrite(&quirks, None, fault.render()),
        Err(Refused::Policy(reason)) => closed(reason),
        Err(Refused::Answer(reply)) => *reply,
    }
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
    /// Something that is no SOAP.
    Answer(Box<Reply>),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn serve(
    state: &mut State,
    who: &Who,
    site: Site,
    request: &Request<Bytes>,
    now: Timestamp,
    line: &mut Line,
) -> Result<(Reply, Element), Refused> {
    if let (Who::App(caller), Site::Cloud) = (who, site) {
        ews::check_organization(state, caller.app_id, now).map_err(|refusal| refused(refusal, None))?;
    }
    let envelope = soap::parse(request.body()).map_err(|malformed| schema_violation(malformed.0))?;
    if envelope.namespace != SOAP || envelope.name != "Envelope" {
        return Err(schema_violation("The root element is not a SOAP 1.1 envelope.").into());
    }
    let operation = envelope
        .child(SOAP, "Body")
        .and_then(|body| body.children.first())
        .ok_or_else(|| schema_violation("The SOAP body holds no operation."))?;
    line.cmdlet = named(operation);

    let impersonated = header::impersonated(&envelope)?;
    line.mailbox = impersonated.as_ref().map(|i| i.shown().to_owned());
    let agent =
        request.headers().get(http_header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (mailbox, caller) = match who {
        Who::App(caller) => {
            (app_acts_in(state, caller, site, impersonated.as_ref(), agent, now)?, caller.app_id.to_string())
        }
        Who::Account(user) => {
            (account_acts_in(state, *user, impersonated.as_ref(), operation, now)?, user.to_string())
        }
    };
    let server = server_header(state, site);
    throttled(state, mailbox, server, operation)?;
    let flight = state.ews.take_off(&caller, mailbox).map(Arc::new);
    let flight = flight.ok_or_else(|| concurrency("MaxConcurrency", state.ews.limits().concurrency))?;
    let headers = request.headers();
    let answered = |mut reply: Reply| {
        // Until it is sent, the call is in flight.
        reply.extensions_mut().insert(flight);
        (reply, operation.clone())
    };
    let on_premises = site == Site::OnPremises;
    let mut answer = operations::run(state, mailbox, on_premises, now, &envelope, operation);
    if state.ews.has(EwsQuirk::GarbageSyncStateAccepted)
        && matches!(&answer, Some(Ok(reply)) if holds(reply, b"ErrorInvalidSyncStateData"))
    {
        let mut anew = operation.clone();
        anew.children.retain(|c| c.name != "SyncState");
        answer = operations::run(state, mailbox, on_premises, now, &envelope, &anew);
    }
    if let Some(answer) = answer {
        return Ok(answered(answer?));
    }
    let context = Context { state, mailbox, site, server, caller, headers, now };
    // Whoever asks for events hears of everything so far.
    context.state.ews.catch_up(context.state, mailbox);
    let body = match operation.name.as_str() {
        "Subscribe" => return Ok(answered(subscribe::subscribe(&context, operation)?)),
        "GetStreamingEvents" => return Ok(answered(streaming::open(&context, operation)?)),
        "Unsubscribe" => subscribe::unsubscribe(&context, operation)?,
        "GetEvents" => get_events::run(&context, operation)?,
        "ResolveNames" => small::resolve_names(&context, operation)?,
        "ExpandDL" => small::expand_dl(&context, operation)?,
        "GetRoomLists" => small::get_room_lists(&context),
        "GetRooms" => small::get_rooms(&context, operation)?,
        "GetServerTimeZones" => time_zones::run(&context, operation)?,
        "ConvertId" => settings::convert_id(&context, operation)?,
        "GetUserOofSettingsRequest" => settings::get_user_oof_settings(&context, operation)?,
        "GetDelegate" => settings::get_delegate(&context, operation)?,
        _ => return Err(settings::unknown(operation).into()),
    };
    Ok(answered(soap::answer_of(server, &body)))
}

/// What the answers of this site say of their server.
fn server_header(state: &State, site: Site) -> &'static str {
    match site {
        Site::Cloud => soap::SERVER_VERSION,
        Site::OnPremises => state.exchange.build.header(),
    }
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

fn holds(reply: &Reply, bytes: &[u8]) -> bool {
    reply.body().windows(bytes.len()).any(|w| w == bytes)
}

/// Reads XML of Autodiscover within the same bounds; none for what is not well-formed.
pub(crate) fn read_xml(body: &[u8]) -> Option<Element> {
    soap::parse(body).ok()
}

/// For the id of an occurrence that of its series.
fn series_of(id: &str) -> Option<String> {
    let stored = place::store_id(id).ok()?;
    split_occurrence_id(&stored).map(|(master, _)| place::wire_id(&master))
}

/// The operation's name for the journal, when it is one of EWS.
fn named(operation: &Element) -> Option<String> {
    let stored = operations::named(operation);
    stored
        .or_else(|| {
            let name = operation.name.strip_suffix("Request").unwrap_or(&operation.name);
            (operation.namespace == MESSAGES).then_some(name)
        })
        .map(str::to_owned)
}

/// The mailbox that an app acts in: always by impersonation.
fn app_acts_in(
    state: &mut State,
    caller: &Caller,
    site: Site,
    impersonated: Option<&Impersonated>,
    agent: &str,
    now: Timestamp,
) -> Result<Uuid, Refused> {
    let agents = |state: &State, mailbox| {
        if site == Site::OnPremises {
            return Ok(());
        }
        ews::check_agent(state, mailbox, agent, now).map_err(|refusal| refused(refusal, None))
    };
    let Some(impersonated) = impersonated else {
        agents(state, None)?;
        return Err(Fault::new(
            "ErrorInvalidExchangeImpersonationHeaderData",
            "ExchangeImpersonation SOAP header must be present for this type of OAuth token.",
        )
        .into());
    };
    let mailbox = find(state, impersonated, site, now)?;
    agents(state, Some(mailbox))?;
    if site == Site::Cloud {
        ews::check_mailbox(state, caller, mailbox, now)
            .map_err(|refusal| refused(refusal, Some(impersonated.shown())))?;
    }
    Ok(mailbox)
}

/// The mailbox that an account acts in: its own, or by its management role somebody else's.
fn account_acts_in(
    state: &State,
    user: Uuid,
    impersonated: Option<&Impersonated>,
    operation: &Element,
    now: Timestamp,
) -> Result<Uuid, Refused> {
    let Some(impersonated) = impersonated else {
        let own = state.exchange.mailboxes.iter().any(|m| m.is_effective(now) && m.value.object_id == user);
        if own || names_a_mailbox(operation) {
            return Ok(user);
        }
        return Err(Fault::new(
            "ErrorMissingEmailAddress",
            "When making a request as an account that does not have a mailbox, you must specify the mailbox primary SMTP address for any distinguished folder Ids.",
        )
        .into());
    };
    let mailbox = find(state, impersonated, Site::OnPremises, now)?;
    let role = state.premises.accounts.iter().find(|a| a.user == user).and_then(|a| a.impersonates.as_ref());
    let target = state.mailbox_of(mailbox, now);
    let allowed =
        target.zip(role).is_some_and(|(target, scope)| rbac::in_scope(state, scope, target, View::At(now)));
    if allowed { Ok(mailbox) } else { Err(refused(EwsRefusal::NoRight, Some(impersonated.shown()))) }
}

/// True when the operation says whose mailbox it means, or needs none.
fn names_a_mailbox(operation: &Element) -> bool {
    fn names(e: &Element) -> bool {
        ["EmailAddress", "Address", "FolderId", "ItemId"].contains(&e.name.as_str())
            || e.children.iter().any(names)
    }
    matches!(
        operation.name.as_str(),
        "ResolveNames"
            | "GetServerTimeZones"
            | "ConvertId"
            | "GetRoomLists"
            | "GetEvents"
            | "GetStreamingEvents"
            | "Unsubscribe"
    ) || names(operation)
}

/// The mailbox that the header means.
fn find(state: &State, impersonated: &Impersonated, site: Site, now: Timestamp) -> Result<Uuid, Fault> {
    let missing = || {
        Fault::new("ErrorNonExistentMailbox", "No mailbox with such guid.")
            .with_value("SmtpAddress", impersonated.shown())
    };
    let named = match impersonated {
        Impersonated::Sid(_) => None,
        Impersonated::PrincipalName(name) => state
            .exchange
            .mailboxes
            .iter()
            .filter(|m| m.is_effective(now))
            .map(|m| &m.value)
            .find(|m| m.upn.eq_ignore_ascii_case(name)),
        Impersonated::PrimarySmtpAddress(address) | Impersonated::SmtpAddress(address) => {
            state.exchange.mailboxes.iter().filter(|m| m.is_effective(now)).map(|m| &m.value).find(|m| {
                m.primary_smtp_address.eq_ignore_ascii_case(address)
                    || m.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(address))
            })
        }
    };
    let mailbox = named.filter(|m| m.remote == (site == Site::OnPremises)).ok_or_else(missing)?;
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
