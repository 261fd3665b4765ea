//! `$batch`. Page: <https://learn.microsoft.com/graph/json-batching>

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, MAILBOX_CONCURRENCY, error::GraphError, mailbox_key, request::GraphRequest, single,
};
use crate::{
    json::At,
    server::reply::{self, Reply},
};

const MAX_ITEMS: usize = 20;

/// Runs every item. Items without `dependsOn` run side by side, so the fifth of them to one mailbox is throttled.
pub(crate) fn run(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let malformed = |text: &str| GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", text);
    let body = request.json()?;
    let items = body.at("requests").as_array().ok_or_else(|| malformed("Invalid batch payload format."))?;
    if items.len() > MAX_ITEMS {
        return Err(malformed("Number of batch request steps exceeds the maximum value of 20."));
    }
    let mut done: BTreeMap<String, u16> = BTreeMap::new();
    let mut side_by_side: BTreeMap<uuid::Uuid, u32> = BTreeMap::new();
    let mut responses = Vec::new();
    for item in items {
        let id = item.at("id").as_str().ok_or_else(|| malformed("Every batch request needs an id."))?;
        let key = id.to_ascii_lowercase();
        if done.contains_key(&key) {
            return Err(malformed(&format!("The request id '{id}' is not unique.")));
        }
        let depends: Vec<&str> =
            item.at("dependsOn").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let parsed = item_request(request, item)?;
        let mut failed = false;
        for other in &depends {
            let status = done.get(&other.to_ascii_lowercase()).ok_or_else(|| {
                malformed(&format!(
                    "The request id '{other}' named in dependsOn does not come before '{id}'."
                ))
            })?;
            failed |= *status >= 400;
        }
        let mailbox = parsed.mailbox().and_then(|m| mailbox_key(context.state, m));
        let crowded = match mailbox {
            Some(mailbox) if depends.is_empty() => {
                let count = side_by_side.entry(mailbox).or_default();
                *count += 1;
                *count > MAILBOX_CONCURRENCY
            }
            _ => false,
        };
        let reply = if failed {
            GraphError::new(
                StatusCode::FAILED_DEPENDENCY,
                "FailedDependency",
                "A request it depends on failed.",
            )
            .render(context.now, &parsed.headers)
        } else if crowded {
            GraphError::throttled().render(context.now, &parsed.headers)
        } else {
            single(context, &parsed)
        };
        done.insert(key, reply.status().as_u16());
        responses.push(item_response(id, &reply));
    }
    // Answers come in any order; a reversed one keeps clients from relying on it.
    responses.reverse();
    Ok(reply::json(StatusCode::OK, &json!({ "responses": responses })))
}

fn item_request(outer: &GraphRequest, item: &Value) -> Result<GraphRequest, GraphError> {
    let malformed = |text: &str| GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", text);
    let method = item
        .at("method")
        .as_str()
        .and_then(|m| Method::from_bytes(m.to_ascii_uppercase().as_bytes()).ok())
        .ok_or_else(|| malformed("Every batch request needs a method."))?;
    let url = item.at("url").as_str().ok_or_else(|| malformed("Every batch request needs a url."))?;
    if url.contains("://") || url.trim_start_matches('/').starts_with("$batch") {
        return Err(malformed("Batch requests need a relative url and cannot be nested."));
    }
    let (path, query) =
        url.trim_start_matches('/').split_once('?').unwrap_or((url.trim_start_matches('/'), ""));
    let mut headers = HeaderMap::new();
    if let Some(agent) = outer.headers.get(header::USER_AGENT) {
        headers.insert(header::USER_AGENT, agent.clone());
    }
    for (name, value) in item.at("headers").as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let value = value.as_str().and_then(|v| HeaderValue::from_str(v).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    let body = match item.at("body") {
        Value::Null => Bytes::new(),
        _ if !headers.contains_key("content-type") => {
            return Err(malformed("A batch request with a body needs a Content-Type header."));
        }
        Value::String(text) => Bytes::from(text.clone()),
        other => Bytes::from(other.to_string()),
    };
    Ok(GraphRequest::new(method, path, query, headers, body, outer.origin.clone()))
}

fn item_response(id: &str, reply: &Reply) -> Value {
    let mut response = Map::new();
    response.insert("id".to_owned(), json!(id));
    response.insert("status".to_owned(), json!(reply.status().as_u16()));
    let mut headers = Map::new();
    for (name, value) in reply.headers() {
        let name = match name.as_str() {
            "content-type" => "Content-Type",
            "retry-after" => "Retry-After",
            "preference-applied" => "Preference-Applied",
            other => other,
        };
        headers.insert(name.to_owned(), json!(value.to_str().unwrap_or_default()));
    }
    response.insert("headers".to_owned(), Value::Object(headers));
    if !reply.body().is_empty() {
        let body = serde_json::from_slice(reply.body())
            .unwrap_or_else(|_| Value::String(BASE64_STANDARD.encode(reply.body())));
        response.insert("body".to_owned(), body);
    }
    Value::Object(response)
}
