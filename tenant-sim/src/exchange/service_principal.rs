//! `*-ServicePrincipal`: Exchange's pointers to enterprise applications.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/new-serviceprincipal>

use jiff::SignedDuration;
use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::user_sid;
use crate::access::rbac;
use crate::state::{ExchangeServicePrincipal, State, Timed};

/// `Get-ServicePrincipal`. An identity that is null, or that names nothing, answers with every pointer there is.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let identity = params.optional("Identity")?;
    let mut found: Vec<&ExchangeServicePrincipal> =
        identity.iter().flat_map(|identity| named(run.state, identity)).collect();
    if found.is_empty() {
        found = configured(run.state).collect();
    }
    Ok(found.into_iter().map(row).collect())
}

/// `New-ServicePrincipal`. The object id must belong to the application, but *which* of its two object ids it is, nobody
/// checks: with the registration's id all goes well until somebody signs in.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let app_id = params.guid("AppId")?;
    let object_id = match (params.optional("ObjectId")?, params.optional("ServiceId")?) {
        (Some(_), None) => params.guid("ObjectId")?,
        (None, Some(_)) => params.guid("ServiceId")?,
        _ => return Err(Failure::parameter_set("ObjectId")),
    };
    let directory = &run.state.directory;
    let enterprise =
        directory.service_principals.iter().find(|sp| sp.is_effective(run.now) && sp.value.app_id == app_id);
    let Some(enterprise) = enterprise else {
        return Err(invalid_pointer(&format!(
            "The application '{app_id}' has no service principal in this tenant."
        )));
    };
    let registration = directory
        .applications
        .iter()
        .any(|a| a.is_configured() && a.value.id == object_id && a.value.app_id == app_id);
    if enterprise.value.id != object_id && !registration {
        return Err(invalid_pointer(&format!(
            "The object '{object_id}' does not belong to application '{app_id}'."
        )));
    }
    if configured(run.state).any(|p| p.app_id == app_id || p.object_id == object_id) {
        return Err(Failure::already_exists(&app_id.to_string()));
    }
    let display_name = params.free_text("DisplayName").unwrap_or_default();
    let pointer = ExchangeServicePrincipal {
        app_id,
        object_id,
        display_name,
        identity: Uuid::new_v4(),
        sid: user_sid(Uuid::new_v4()),
    };
    let output = row(&pointer);
    let delay = run.state.propagation.mailbox_permission;
    run.state.exchange.service_principals.push(Timed::new(pointer, run.now, delay));
    Ok(vec![output])
}

/// `Remove-ServicePrincipal`; its role assignments go with it.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let pointer = one_named(run.state, &params.text("Identity")?)?;
    rbac::about_to_change(run.state, run.now);
    let delay = run.state.propagation.mailbox_permission;
    let exchange = &mut run.state.exchange;
    for record in exchange.service_principals.iter_mut().filter(|p| p.value.identity == pointer.identity) {
        record.delete(run.now, delay);
    }
    for assignment in exchange.role_assignments.iter_mut().filter(|a| a.value.app == pointer.object_id) {
        assignment.delete(run.now, SignedDuration::ZERO);
    }
    Ok(vec![])
}

/// The pointers that administrators see.
pub(super) fn configured(state: &State) -> impl Iterator<Item = &ExchangeServicePrincipal> {
    state.exchange.service_principals.iter().filter(|p| p.is_configured()).map(|p| &p.value)
}

/// The pointers that answer to name, application id, object id, Exchange identity or SID.
pub(super) fn named<'a>(
    state: &'a State,
    identity: &'a str,
) -> impl Iterator<Item = &'a ExchangeServicePrincipal> {
    let id = Uuid::parse_str(identity).ok();
    configured(state).filter(move |p| {
        id.is_some_and(|id| id == p.app_id || id == p.object_id || id == p.identity)
            || p.sid.eq_ignore_ascii_case(identity)
            || (!p.display_name.is_empty() && p.display_name.eq_ignore_ascii_case(identity))
    })
}

/// The one pointer that answers to the identity.
pub(super) fn one_named(state: &State, identity: &str) -> Result<ExchangeServicePrincipal, Failure> {
    let mut found = named(state, identity);
    let first = found.next().ok_or_else(|| Failure::not_found(identity))?;
    if found.next().is_some() { Err(Failure::ambiguous(identity)) } else { Ok(first.clone()) }
}

fn invalid_pointer(text: &str) -> Failure {
    Failure::bad_request("Ex7E31C5", "Microsoft.Exchange.Configuration.Tasks.RecipientTaskException", text)
}

fn row(pointer: &ExchangeServicePrincipal) -> Row {
    Row::default()
        .text("AppId", pointer.app_id.to_string())
        .text("ObjectId", pointer.object_id.to_string())
        .text("DisplayName", &pointer.display_name)
        .text("Identity", pointer.identity.to_string())
        .text("Id", pointer.identity.to_string())
        .guid("Guid", pointer.identity)
        .text("Sid", &pointer.sid)
        .boolean("IsValid", true)
}
