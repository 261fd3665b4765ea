//! The Exchange Admin API: `InvokeCommand` and `$batch` under `/adminapi/`, and the cmdlets behind them.
//! <https://learn.microsoft.com/exchange/reference/admin-api-get-started>

mod access_policy;
mod authentication_policy;
mod authorization;
mod cas_mailbox;
mod cmdlet;
mod domains;
mod endpoints;
mod envelope;
mod folder_permission;
mod group;
mod mailbox;
mod mailbox_permission;
mod management_role;
mod management_scope;
mod organization;
mod paging;
mod rate;
mod recipient;
mod recipient_permission;
mod role_assignment;
mod role_group;
mod service_principal;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_permissions;
#[cfg(test)]
mod tests_roles;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::cmdlet::{Cmdlet, Params, Run};
use self::envelope::Failure;
pub(crate) use self::folder_permission::{folder_id, shown_name};
use crate::Caller;
use crate::access::{is_exchange_audience, rbac};
use crate::state::State;

/// Tells a batch which of its items an injected fault refuses: never sent by a client, taken off when it is.
pub(crate) const FAILING_ITEMS: &str = "x-sim-failing-items";

/// Has the items at these positions refused with this status.
pub(crate) fn fail_items(headers: &mut http::HeaderMap, status: u16, positions: &[usize]) {
    let positions: Vec<String> = positions.iter().map(usize::to_string).collect();
    if let Ok(value) = http::HeaderValue::try_from(format!("{status};{}", positions.join(","))) {
        headers.insert(FAILING_ITEMS, value);
    }
}

/// The status with which an injected fault refuses the item at this position.
fn failing(request: &Request<Bytes>, position: usize) -> Option<StatusCode> {
    let (status, positions) = header(request, FAILING_ITEMS)?.split_once(';')?;
    let hit = positions.split(',').any(|p| p.parse() == Ok(position));
    hit.then(|| StatusCode::from_bytes(status.as_bytes()).ok()).flatten()
}

/// Requests in one `$batch`.
const BATCH_LIMIT: usize = 10;

/// Answers a request under `/adminapi/`; one line per cmdlet goes to the journal.
pub(crate) fn handle(
    state: &mut State,
    caller: Option<&Caller>,
    request: &Request<Bytes>,
    now: Timestamp,
    journal: &mut Vec<String>,
) -> Response<Bytes> {
    rbac::drop_orphans(state, now);
    let path = request.uri().path().trim_matches('/').to_ascii_lowercase();
    let segments: Vec<&str> = path.split('/').collect();
    let [_, version, tenant, operation] = segments.as_slice() else {
        return envelope::plain(StatusCode::NOT_FOUND, "NotFound", "No such resource.");
    };
    let Some(caller) = caller.filter(|c| is_exchange_audience(&c.audience) && c.tenant_id == state.tenant_id)
    else {
        return envelope::unauthorized("invalid_token");
    };
    let documented = *version == "v2.0" && endpoints::exists(operation);
    if documented && !caller.has_role("Exchange.ManageAsAppV2") {
        return envelope::plain(
            StatusCode::FORBIDDEN,
            "Forbidden",
            "The caller lacks Exchange.ManageAsAppV2.",
        );
    }
    if !documented && !caller.has_role("Exchange.ManageAsApp") {
        return envelope::unauthorized("insufficient_scope");
    }
    if Uuid::parse_str(tenant).ok() != Some(state.tenant_id) {
        return envelope::plain(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "The tenant in the address is not the tenant of the token.",
        );
    }
    let cmdlets = if *operation == "$batch" { batch_size(request.body()) } else { 1 };
    if let Some(mut refusal) = rate::take(state, now, cmdlets) {
        rate::tell(state, &mut refusal);
        return refusal;
    }
    let mut reply = route(state, caller, request, (version, operation), (now, journal));
    rate::tell(state, &mut reply);
    reply
}

fn batch_size(body: &[u8]) -> u32 {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = body.get("requests").and_then(Value::as_array).map_or(1, Vec::len);
    u32::try_from(items).unwrap_or(u32::MAX)
}

fn route(
    state: &mut State,
    caller: &Caller,
    request: &Request<Bytes>,
    (version, operation): (&str, &str),
    (now, journal): (Timestamp, &mut Vec<String>),
) -> Response<Bytes> {
    match (version, operation) {
        ("v1.0", "exomodulefile") if header(request, "commandname") == Some("*") => {
            invoke(state, caller, request, now, journal)
        }
        ("v2.0", endpoint) if endpoints::exists(endpoint) => {
            documented(state, caller, request, endpoint, (now, journal))
        }
        ("v1.0", "invokecommand") => envelope::plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "The requested resource does not support this method.",
        ),
        ("beta", "invokecommand" | "$batch") if request.method() != Method::POST => envelope::plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "The requested resource does not support this method.",
        ),
        ("beta", "invokecommand") => invoke(state, caller, request, now, journal),
        ("beta", "$batch") => batch(state, caller, request, now, journal),
        _ => envelope::plain(StatusCode::NOT_FOUND, "NotFound", "No such resource."),
    }
}

/// A cmdlet at its documented endpoint: only the cmdlets and parameters of its page, and never without an anchor.
fn documented(
    state: &mut State,
    caller: &Caller,
    request: &Request<Bytes>,
    endpoint: &str,
    (now, journal): (Timestamp, &mut Vec<String>),
) -> Response<Bytes> {
    let refuse = |text: &str| Failure::bad_request("", "", text).response(&[]);
    if header(request, "x-anchormailbox").is_none() {
        return refuse("The X-AnchorMailbox header is required.");
    }
    let input = match cmdlet_input(request.body()) {
        Ok(input) => input,
        Err(failure) => return failure.response(&[]),
    };
    let Some(parameters) = endpoints::parameters(endpoint, &input.name) else {
        return refuse("The endpoint does not support this cmdlet.");
    };
    if input.parameters.keys().any(|name| !parameters.iter().any(|p| p.eq_ignore_ascii_case(name))) {
        return refuse("The endpoint does not support a parameter of the request.");
    }
    invoke(state, caller, request, now, journal)
}

/// Runs a cmdlet for Graph, which shows the same objects; the first row, or the text of the refusal.
pub(crate) fn run_for_graph(
    state: &mut State,
    now: Timestamp,
    name: &str,
    parameters: &Map<String, Value>,
) -> Result<Value, String> {
    let cmdlet = Cmdlet::find(name).ok_or_else(|| name.to_owned())?;
    let params = Params::bind(cmdlet, parameters).map_err(|f| f.text().to_owned())?;
    let mut run = Run { state, now, warnings: vec![] };
    let rows = (cmdlet.run)(&mut run, &params).map_err(|f| f.text().to_owned())?;
    Ok(rows.into_iter().next().map(Value::from).unwrap_or_default())
}

/// One cmdlet: the ladder of rights, the parameters, the run, the page.
fn invoke(
    state: &mut State,
    caller: &Caller,
    request: &Request<Bytes>,
    now: Timestamp,
    journal: &mut Vec<String>,
) -> Response<Bytes> {
    let Some(rights) = authorization::Rights::of(state, caller) else {
        return envelope::plain(
            StatusCode::FORBIDDEN,
            "Forbidden",
            &format!(
                "The role assigned to application {} isn't supported in this scenario. Assign a supported directory role to it.",
                caller.app_id
            ),
        );
    };
    if header(request, "commandname") == Some("*") {
        let names: Vec<&str> = table::TABLE.iter().filter(|c| rights.allow(c)).map(|c| c.name).collect();
        return envelope::success(json!({ "exportedCmdlets": names }), &[], None);
    }
    let input = match cmdlet_input(request.body()) {
        Ok(input) => input,
        Err(failure) => return failure.response(&[]),
    };
    let Some(cmdlet) = Cmdlet::find(&input.name).filter(|c| rights.allow(c)) else {
        journal.push(format!("{} refused: not in the caller's roles", input.name));
        return envelope::hidden_cmdlet(&input.name);
    };
    let params = match Params::bind(cmdlet, &input.parameters) {
        Ok(params) => params,
        Err(failure) => {
            journal.push(format!("{} refused: parameters", cmdlet.name));
            return failure.response(&[]);
        }
    };
    if let Err(failure) = rights.check(state, cmdlet, &params) {
        journal.push(format!("{} refused: not in the caller's roles", cmdlet.name));
        return failure.response(&[]);
    }
    let page = match paging::Page::of(request, state, now) {
        Ok(page) => page,
        Err(failure) => return failure.response(&[]),
    };
    journal.push(params.journal_line(cmdlet.name));
    if let Some((rows, next)) = page.continued(request, now) {
        return envelope::success(Value::Array(rows), &[], next);
    }
    let mut run = Run { state, now, warnings: vec![] };
    match (cmdlet.run)(&mut run, &params) {
        Ok(mut rows) => {
            params.limit_result(&mut rows, &mut run.warnings);
            let query = request.uri().query();
            let rows = rows.into_iter().map(|row| envelope::select(row, query));
            let warnings = std::mem::take(&mut run.warnings);
            page.first(rows, request, state, now).answer(&warnings)
        }
        Err(failure) => failure.in_language(header(request, "accept-language")).response(&run.warnings),
    }
}

/// Up to ten requests in one. Successes without output are left out of the answer, as the service may do.
fn batch(
    state: &mut State,
    caller: &Caller,
    request: &Request<Bytes>,
    now: Timestamp,
    journal: &mut Vec<String>,
) -> Response<Bytes> {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let Some(items) = body.get("requests").and_then(Value::as_array).filter(|i| i.len() <= BATCH_LIMIT)
    else {
        return envelope::plain(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            &format!("A batch holds an array of at most {BATCH_LIMIT} requests."),
        );
    };
    let mut responses = vec![];
    for (position, item) in items.iter().enumerate() {
        let id = item.get("id").cloned().unwrap_or_default();
        let answer = match (failing(request, position), batch_request(item, request)) {
            (Some(status), _) => {
                envelope::plain(status, "ServiceUnavailable", "The item of the batch was not run.")
            }
            (None, Some(inner)) => handle_item(state, caller, &inner, now, journal),
            (None, None) => envelope::plain(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "A request of the batch cannot be read.",
            ),
        };
        let content: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let without_output = content.get("value").and_then(Value::as_array).is_some_and(Vec::is_empty)
            && content.get("@adminapi.warnings").and_then(Value::as_array).is_none_or(Vec::is_empty);
        if !(answer.status().is_success() && without_output) {
            responses.push(json!({ "id": id, "status": answer.status().as_u16(), "body": content }));
        }
    }
    envelope::json(StatusCode::OK, &json!({ "responses": responses }))
}

fn handle_item(
    state: &mut State,
    caller: &Caller,
    item: &Request<Bytes>,
    now: Timestamp,
    journal: &mut Vec<String>,
) -> Response<Bytes> {
    // A batch inside a batch would recurse as deep as the sender likes.
    if item.uri().path().to_ascii_lowercase().ends_with("$batch") {
        return envelope::plain(StatusCode::BAD_REQUEST, "BadRequest", "A batch cannot hold a batch.");
    }
    handle(state, Some(caller), item, now, journal)
}

/// The request of a batch item: its own headers over those of the batch.
fn batch_request(item: &Value, outer: &Request<Bytes>) -> Option<Request<Bytes>> {
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let url = text("url")?;
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.get(rest.find('/')?..)?.to_owned(),
        None => format!("/{}", url.trim_start_matches('/')),
    };
    let path = if path.to_ascii_lowercase().starts_with("/adminapi/") {
        path
    } else {
        let base = outer.uri().path().rsplit_once('/')?.0;
        format!("{base}{path}")
    };
    let mut inner = Request::builder()
        .method(text("method").unwrap_or("POST"))
        .uri(path)
        .body(Bytes::from(item.get("body")?.to_string()))
        .ok()?;
    *inner.headers_mut() = outer.headers().clone();
    for (name, value) in item.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = http::HeaderName::try_from(name.as_str()).ok()?;
        inner.headers_mut().insert(name, http::HeaderValue::try_from(value.as_str()?).ok()?);
    }
    Some(inner)
}

struct Input {
    name: String,
    parameters: Map<String, Value>,
}

/// `{"CmdletInput":{"CmdletName":…,"Parameters":{…}}}`; the parameters must be an object.
fn cmdlet_input(body: &[u8]) -> Result<Input, Failure> {
    let malformed = || Failure::bad_request("", "", "The request body is not a cmdlet invocation.");
    let body: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    let input = body.get("CmdletInput").and_then(Value::as_object).ok_or_else(malformed)?;
    let name = input.get("CmdletName").and_then(Value::as_str).ok_or_else(malformed)?.to_owned();
    let parameters = match input.get("Parameters") {
        None => Map::new(),
        Some(Value::Object(parameters)) => parameters.clone(),
        Some(_) => return Err(Failure::bad_request("", "", "Parameters must be an object.")),
    };
    Ok(Input { name, parameters })
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
