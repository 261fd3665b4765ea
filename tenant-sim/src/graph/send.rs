//! Sending. Page: <https://learn.microsoft.com/graph/api/user-sendmail>

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{StatusCode, header};
use serde_json::Value;
use uuid::Uuid;

use super::{Answer, Context, directory, error::GraphError, mail, mime, request::GraphRequest};
use crate::access::{View, switches::sends_as};
use crate::state::{Folder, Message};

/// Graph's limit of one request's body.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

struct Outgoing {
    /// Another sender than the mailbox itself.
    from: Option<String>,
    subject: String,
    to: Vec<String>,
    body: String,
    mime: Option<Vec<u8>>,
    save: bool,
    message_id: Option<String>,
}

/// Delivers to the inboxes of this tenant and files a copy under Sent Items.
pub(crate) fn run(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let user = mail::open(context, request, &["Mail.Send"])?;
    if request.body.len() > MAX_REQUEST {
        return Err(GraphError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "The request is larger than 4 MB.",
        ));
    }
    let sender = directory::find_user(context.state, &user.to_string())
        .ok_or_else(|| GraphError::not_found(request.segment(1)))?;
    let address = sender.mail.clone().unwrap_or_else(|| sender.upn.clone());
    let is_text = request
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.to_ascii_lowercase().starts_with("text/plain"));
    let outgoing = if is_text { from_mime(request)? } else { from_json(&request.json()?, &address)? };
    let (name, address) = match &outgoing.from {
        Some(from) => send_as(context, user, from)?,
        None => (sender.display_name, address),
    };
    if outgoing.to.is_empty() {
        return Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }

    let message_id = outgoing.message_id.clone().unwrap_or_else(|| {
        let domain = address.rsplit_once('@').map_or("localhost", |(_, d)| d);
        format!("<{}@{domain}>", context.new_id().simple())
    });
    let text = outgoing.mime.clone().unwrap_or_else(|| {
        mime::compose(&mime::Parts {
            from: (&name, &address),
            to: &outgoing.to,
            subject: &outgoing.subject,
            date: context.now,
            message_id: &message_id,
            body: &outgoing.body,
        })
    });
    let mut draft = Message {
        id: String::new(),
        uid: 0,
        internet_message_id: message_id,
        subject: outgoing.subject,
        from: (name, address),
        to: outgoing.to.clone(),
        received: context.now,
        body: outgoing.body,
        read: false,
        mime: text,
        ..Message::default()
    };
    let recipients: Vec<Uuid> = outgoing
        .to
        .iter()
        .filter_map(|to| context.state.mailbox(to, context.now).filter(|m| !m.remote).map(|m| m.object_id))
        .collect();
    for recipient in recipients {
        deliver(context, recipient, &draft, false);
    }
    if outgoing.save {
        draft.read = true;
        deliver(context, user, &draft, true);
    }
    Ok(mail::accepted())
}

fn deliver(context: &mut Context<'_>, user: Uuid, draft: &Message, sent: bool) {
    let id = item_id(context.rng);
    let folder = if sent { Folder::Sent } else { Folder::Inbox };
    context.state.store.add_message(user, &folder, Message { id, ..draft.clone() }, context.now);
}

/// An immutable REST id.
pub(crate) fn item_id(rng: &mut fastrand::Rng) -> String {
    use base64::prelude::BASE64_URL_SAFE;
    let mut bytes = [0_u8; 48];
    rng.fill(&mut bytes);
    format!("AAkA{}AAA=", BASE64_URL_SAFE.encode(bytes))
}

/// Name and address of the other sender, when the mailbox's user may send as it.
fn send_as(context: &Context<'_>, user: Uuid, from: &str) -> Result<(String, String), GraphError> {
    let view = View::At(context.now);
    context
        .state
        .mailbox(from, context.now)
        .filter(|m| sends_as(context.state, user, m.object_id, view))
        .map(|m| (m.display_name.clone(), m.primary_smtp_address.clone()))
        .ok_or_else(|| {
            GraphError::new(
                StatusCode::FORBIDDEN,
                "ErrorSendAsDenied",
                "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.",
            )
        })
}

fn from_json(body: &Value, address: &str) -> Result<Outgoing, GraphError> {
    let message = field(body, "message");
    let save = field(body, "saveToSentItems");
    let from = &field(field(field(message, "from"), "emailAddress"), "address");
    let from = from.as_str().filter(|f| !f.eq_ignore_ascii_case(address)).map(str::to_owned);
    let mut to = Vec::new();
    for kind in ["toRecipients", "ccRecipients", "bccRecipients"] {
        for recipient in field(message, kind).as_array().into_iter().flatten() {
            let found =
                field(field(recipient, "emailAddress"), "address").as_str().filter(|a| a.contains('@'));
            to.push(found.map(str::to_owned).ok_or_else(|| {
                GraphError::new(
                    StatusCode::BAD_REQUEST,
                    "ErrorInvalidRecipients",
                    "At least one recipient is not valid.",
                )
            })?);
        }
    }
    Ok(Outgoing {
        from,
        subject: field(message, "subject").as_str().unwrap_or_default().to_owned(),
        to,
        body: field(field(message, "body"), "content").as_str().unwrap_or_default().to_owned(),
        mime: None,
        save: !matches!(save, Value::Bool(false)) && save.as_str() != Some("false"),
        message_id: None,
    })
}

/// Action parameters come in camelCase and in PascalCase.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value
        .as_object()
        .and_then(|map| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)))
        .map_or(&Value::Null, |(_, v)| v)
}

/// Bare base64 of the message; its `From` is ignored, it is sent as the mailbox.
fn from_mime(request: &GraphRequest) -> Result<Outgoing, GraphError> {
    let compact: Vec<u8> = request.body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let message = BASE64_STANDARD.decode(compact).map_err(|_| {
        GraphError::new(
            StatusCode::BAD_REQUEST,
            "ErrorMimeContentInvalidBase64String",
            "Invalid base64 string for MIME content.",
        )
    })?;
    let to = ["to", "cc", "bcc"]
        .iter()
        .filter_map(|name| mime::header(&message, name))
        .flat_map(|value| mime::addresses(&value))
        .collect();
    Ok(Outgoing {
        from: None,
        subject: mime::header(&message, "subject").unwrap_or_default(),
        to,
        body: mime::body(&message),
        message_id: mime::header(&message, "message-id"),
        mime: Some(message),
        save: true,
    })
}
