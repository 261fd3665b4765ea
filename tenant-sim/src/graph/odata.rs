//! `$select`, `$top`, paging and single objects.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{context_url, error::GraphError, filter, request::GraphRequest};
use crate::server::reply::{self, Reply};

/// Page sizes of a collection.
#[derive(Clone, Copy)]
pub(crate) struct Paging {
    pub(crate) default: usize,
    /// Larger wishes are refused for the directory, and capped for Outlook.
    pub(crate) max: usize,
    pub(crate) refuse_above_max: bool,
}

pub(crate) const DIRECTORY: Paging = Paging { default: 100, max: 999, refuse_above_max: true };
pub(crate) const OUTLOOK: Paging = Paging { default: 10, max: 1000, refuse_above_max: false };

/// Properties that `$select` keeps; `id` and annotations always come from Outlook, only the chosen ones from the
/// directory.
pub(crate) fn select(request: &GraphRequest, item: Value, keep_id: bool) -> Value {
    let Some(wanted) = request.option("select") else { return item };
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
    if wanted.contains(&"*") {
        return item;
    }
    match item {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(k, _)| {
                (keep_id && (k == "id" || k.starts_with('@')))
                    || wanted.iter().any(|w| w.eq_ignore_ascii_case(k))
            });
            Value::Object(kept.collect())
        }
        other => other,
    }
}

/// One object with its context.
pub(crate) fn object(request: &GraphRequest, what: &str, item: Value, keep_id: bool) -> Reply {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), context_url(request, &format!("{what}/$entity")));
    if let Value::Object(map) = select(request, item, keep_id) {
        body.extend(map);
    }
    reply::json(StatusCode::OK, &Value::Object(body))
}

/// Filters, cuts the page and links to the next one.
pub(crate) fn page(
    request: &GraphRequest,
    what: &str,
    items: Vec<Value>,
    paging: Paging,
    keep_id: bool,
) -> Result<Reply, GraphError> {
    let items = match request.option("filter") {
        Some(text) => {
            let filter = filter::parse(text)
                .ok_or_else(|| GraphError::bad_request(&format!("Invalid filter clause: {text}")))?;
            items.into_iter().filter(|i| filter.holds(i)).collect()
        }
        None => items,
    };
    let top = match request.option("top").map(str::parse::<usize>) {
        None => paging.default,
        Some(Ok(n)) if n > 0 && (n <= paging.max || !paging.refuse_above_max) => n.min(paging.max),
        Some(_) => {
            return Err(GraphError::bad_request(&format!(
                "Invalid page size specified. Must be between 1 and {} inclusive.",
                paging.max
            )));
        }
    };
    let skip = match request.option("skiptoken") {
        None => 0,
        Some(token) => BASE64_URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|b| String::from_utf8(b).ok()?.strip_prefix("skip:")?.parse().ok())
            .ok_or_else(|| GraphError::bad_request("Skip token is not valid."))?,
    };
    let more = items.len() > skip + top;
    let value: Vec<Value> =
        items.into_iter().skip(skip).take(top).map(|i| select(request, i, keep_id)).collect();
    let mut body = json!({"@odata.context": context_url(request, what)});
    if let Some(map) = body.as_object_mut() {
        if more {
            let token = BASE64_URL_SAFE_NO_PAD.encode(format!("skip:{}", skip + top));
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(request.query_without("skiptoken")).append_pair("$skiptoken", &token);
            let link = format!("{}/v1.0/{}?{}", request.origin, request.path, query.finish());
            map.insert("@odata.nextLink".to_owned(), json!(link));
        }
        map.insert("value".to_owned(), Value::Array(value));
    }
    Ok(reply::json(StatusCode::OK, &body))
}
