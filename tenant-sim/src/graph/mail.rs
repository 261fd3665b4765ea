//! Messages. Pages: <https://learn.microsoft.com/graph/api/resources/message>,
//! <https://learn.microsoft.com/graph/outlook-immutable-id>

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, calendar, directory, error::GraphError, odata, preferences, request::GraphRequest, send,
};
use crate::{
    access::{Refusal, View, check_graph_mailbox, switches::agent_passes},
    server::reply::{self, Reply},
    state::Message,
};

/// Any of these opens messages.
const READ: [&str; 2] = ["Mail.Read", "Mail.ReadWrite"];
/// These open them without bodies.
const READ_BASIC: [&str; 4] = ["Mail.ReadBasic.All", "Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"];

/// Folders of this tenant's mailboxes: well-known name, display name.
const FOLDERS: [(&str, &str); 2] = [("inbox", "Inbox"), ("sentitems", "Sent Items")];

/// Everything below `/users/{identity}/`.
pub(crate) fn route(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    let (Some(_), Some(rest)) = (names.get(1), names.get(2..)) else {
        return Err(GraphError::no_segment(&request.path));
    };
    let answer = match (&request.method, rest) {
        (&Method::GET, ["messages"]) => list(context, request, None),
        (&Method::GET, ["mailfolders"]) => {
            let user = open(context, request, &READ_BASIC)?;
            let items = FOLDERS.iter().map(|f| folder(context, user, f)).collect();
            odata::page(request, "mailFolders", items, odata::OUTLOOK, true)
        }
        (&Method::GET, ["mailfolders", name]) => {
            let user = open(context, request, &READ_BASIC)?;
            let found = find_folder(name)?;
            Ok(odata::object(request, "mailFolders", folder(context, user, found), true))
        }
        (&Method::GET, ["mailfolders", name, "messages"]) => {
            list(context, request, Some(find_folder(name)?.0))
        }
        (&Method::GET, ["messages", _]) => get(context, request, request.segment(3)),
        (&Method::GET, ["mailfolders", _, "messages", _]) => get(context, request, request.segment(5)),
        (&Method::GET, ["messages", _, "$value"]) => mime(context, request),
        (&Method::GET, ["mailfolders", _, "messages", _, "$value"]) => Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "ErrorInvalidRequest",
            "The OData request is not supported.",
        )),
        (&Method::PATCH, ["messages", _]) => update(context, request),
        (&Method::POST, ["sendmail"]) => send::run(context, request),
        (&Method::GET, ["calendarview"] | ["calendar", "calendarview"]) => calendar::view(context, request),
        (&Method::GET, ["events", _]) => calendar::get(context, request),
        _ => Err(GraphError::no_segment(&request.path)),
    };
    let immutable = wants_immutable(request);
    answer.map(|mut reply| {
        if immutable {
            reply::set(&mut reply, "preference-applied", "IdType=\"ImmutableId\"");
        }
        reply
    })
}

/// Resolves the mailbox of the path and lets the access rules decide, in Exchange's own words.
pub(crate) fn open(
    context: &mut Context<'_>,
    request: &GraphRequest,
    needed: &[&str],
) -> Result<Uuid, GraphError> {
    let identity = request.segment(1);
    let user = directory::find_user(context.state, identity).map(|u| u.id).ok_or_else(|| {
        if identity.parse::<Uuid>().is_ok() {
            GraphError::new(StatusCode::NOT_FOUND, "ResourceNotFound", "Resource could not be discovered.")
        } else {
            let text = format!("The requested user '{identity}' is invalid.");
            GraphError::new(StatusCode::NOT_FOUND, "ErrorInvalidUser", &text)
        }
    })?;
    check_graph_mailbox(context.state, context.caller, user, needed, context.now).map_err(|refusal| match refusal {
        Refusal::NoPermission => GraphError::new(
            StatusCode::FORBIDDEN,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ),
        Refusal::BlockedByPolicy => GraphError::new(
            StatusCode::FORBIDDEN,
            "ErrorAccessDenied",
            "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
        ),
        Refusal::NoMailbox => GraphError::new(
            StatusCode::NOT_FOUND,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ),
    })?;
    let agent = request.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !agent_passes(context.state, Some(user), agent, View::At(context.now)) {
        // The text that clients met before access policies marked theirs with [RAOP].
        return Err(GraphError::new(
            StatusCode::FORBIDDEN,
            "ErrorAccessDenied",
            "Access to OData is disabled.",
        ));
    }
    Ok(user)
}

/// True when the request asks for ids that survive a move.
pub(crate) fn wants_immutable(request: &GraphRequest) -> bool {
    preferences(&request.headers).iter().any(|p| p == "idtype=immutableid")
}

/// The id in the form that the request asked for: the store holds the immutable one.
pub(crate) fn shown_id(id: &str, immutable: bool) -> String {
    match id.strip_prefix("AAkA") {
        Some(rest) if !immutable => format!("AAMk{rest}"),
        _ => id.to_owned(),
    }
}

/// Either form names the item.
pub(crate) fn same_id(stored: &str, wanted: &str) -> bool {
    stored == wanted || shown_id(stored, false) == wanted
}

fn find_folder(name: &str) -> Result<&'static (&'static str, &'static str), GraphError> {
    FOLDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        GraphError::new(
            StatusCode::NOT_FOUND,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    })
}

fn messages(context: &Context<'_>, user: Uuid, folder: Option<&str>) -> Vec<(&'static str, Message)> {
    let store = &context.state.store;
    let mut all = Vec::new();
    for (name, map) in [("inbox", &store.inbox), ("sentitems", &store.sent)] {
        if folder.is_none_or(|f| f == name) {
            all.extend(map.get(&user).into_iter().flatten().map(|m| (name, m.clone())));
        }
    }
    all.sort_by(|(_, a), (_, b)| (b.received, &b.id).cmp(&(a.received, &a.id)));
    all
}

fn list(context: &mut Context<'_>, request: &GraphRequest, folder: Option<&str>) -> Answer {
    let user = open(context, request, &READ_BASIC)?;
    let mut all = messages(context, user, folder);
    if let Some(order) = request.option("orderby") {
        let property = order.split_whitespace().next().unwrap_or_default();
        if let Some(filter) = request.option("filter")
            && !filter.to_ascii_lowercase().contains(&property.to_ascii_lowercase())
        {
            return Err(GraphError::new(
                StatusCode::BAD_REQUEST,
                "InefficientFilter",
                "The restriction or sort order is too complex for this operation.",
            ));
        }
        if !property.eq_ignore_ascii_case("receivedDateTime") {
            return Err(GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", "Unsupported sort property."));
        }
        if !order.to_ascii_lowercase().trim_end().ends_with("desc") {
            all.reverse();
        }
    }
    let basic = !READ.iter().any(|r| context.caller.has_role(r)) && only_basic(context);
    let items = all.iter().map(|(folder, m)| render(m, folder, request, basic)).collect();
    odata::page(request, "messages", items, odata::OUTLOOK, true)
}

/// A token that carries nothing but the basic permission sees no bodies; roles of Exchange are not in the token.
fn only_basic(context: &Context<'_>) -> bool {
    context.caller.roles.iter().any(|r| r.starts_with("Mail.ReadBasic"))
}

fn find(context: &Context<'_>, user: Uuid, id: &str) -> Result<(&'static str, Message), GraphError> {
    messages(context, user, None).into_iter().find(|(_, m)| same_id(&m.id, id)).ok_or_else(|| {
        if id.starts_with("AAMk") || id.starts_with("AAkA") {
            GraphError::new(
                StatusCode::NOT_FOUND,
                "ErrorItemNotFound",
                "The specified object was not found in the store.",
            )
        } else {
            GraphError::new(StatusCode::BAD_REQUEST, "ErrorInvalidIdMalformed", "Id is malformed.")
        }
    })
}

fn get(context: &mut Context<'_>, request: &GraphRequest, id: &str) -> Answer {
    let user = open(context, request, &READ_BASIC)?;
    let (folder, message) = find(context, user, id)?;
    let basic = !READ.iter().any(|r| context.caller.has_role(r)) && only_basic(context);
    Ok(odata::object(request, "messages", render(&message, folder, request, basic), true))
}

fn mime(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let user = open(context, request, &READ)?;
    let (_, message) = find(context, user, request.segment(3))?;
    Ok(reply::bytes(StatusCode::OK, "text/plain", message.mime))
}

fn update(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let user = open(context, request, &["Mail.ReadWrite"])?;
    let body = request.json()?;
    let (folder, found) = find(context, user, request.segment(3))?;
    let mut read = found.read;
    for (name, value) in body.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("isRead", Value::Bool(flag)) => read = *flag,
            _ => {
                return Err(GraphError::new(
                    StatusCode::BAD_REQUEST,
                    "ErrorInvalidPropertySet",
                    &format!("Set action is invalid for property '{name}'."),
                ));
            }
        }
    }
    let store = &mut context.state.store;
    store.change_message(user, &found.id, context.now, |m| m.read = read);
    let message = store.message(user, &found.id).map_or(found.clone(), |(_, m)| m.clone());
    Ok(odata::object(request, "messages", render(&message, folder, request, false), true))
}

fn folder(context: &Context<'_>, user: Uuid, (name, title): &(&str, &str)) -> Value {
    let items = messages(context, user, Some(name));
    json!({
        "id": folder_id(name),
        "displayName": title,
        "parentFolderId": folder_id("msgfolderroot"),
        "childFolderCount": 0,
        "unreadItemCount": items.iter().filter(|(_, m)| !m.read).count(),
        "totalItemCount": items.len(),
        "isHidden": false,
    })
}

fn folder_id(name: &str) -> String {
    format!("AAMkFolder-{name}=")
}

fn render(message: &Message, folder: &str, request: &GraphRequest, basic: bool) -> Value {
    let person = |name: &str, address: &str| json!({"emailAddress": {"name": name, "address": address}});
    let text = preferences(&request.headers).iter().any(|p| p == "outlook.body-content-type=text");
    let (from_name, from) = (&message.from.0, &message.from.1);
    let mut item = json!({
        "@odata.etag": format!("W/\"{}\"", message.change_key()),
        "id": shown_id(&message.id, wants_immutable(request)),
        "createdDateTime": message.received.to_string(),
        "changeKey": message.change_key(),
        "receivedDateTime": message.received.to_string(),
        "sentDateTime": message.received.to_string(),
        "hasAttachments": false,
        "internetMessageId": message.internet_message_id,
        "subject": message.subject,
        "importance": "normal",
        "parentFolderId": folder_id(folder),
        "conversationId": format!("AAQk{}", message.id.trim_start_matches("AAkA")),
        "isRead": message.read,
        "isDraft": false,
        "sender": person(from_name, from),
        "from": person(from_name, from),
        "toRecipients": message.to.iter().map(|a| person(a, a)).collect::<Vec<_>>(),
        "ccRecipients": [],
        "bccRecipients": [],
        "replyTo": [],
    });
    if !basic && let Some(map) = item.as_object_mut() {
        map.insert("bodyPreview".to_owned(), json!(message.body.chars().take(255).collect::<String>()));
        map.insert("body".to_owned(), body(&message.body, text));
    }
    item
}

/// A text body as text, or wrapped as the HTML that Outlook serves by default.
pub(crate) fn body(content: &str, text: bool) -> Value {
    if text {
        return json!({"contentType": "text", "content": content});
    }
    let escaped =
        content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>");
    json!({"contentType": "html", "content": format!("<html><body>{escaped}</body></html>")})
}

/// Accepted, nothing more: no body, no id.
pub(crate) fn accepted() -> Reply {
    reply::empty(StatusCode::ACCEPTED)
}
