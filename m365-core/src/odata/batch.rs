use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error_of, send_json};
use crate::{Cloud, Error, Idempotency, Meta, Operation, Resource, Result, Service};

/// Items that Graph accepts in one `$batch`.
pub const BATCH_SIZE: usize = 20;

/// One call of a batch.
#[derive(Clone, Debug)]
pub struct BatchItem {
    request: Request<Bytes>,
    after_previous_of: Option<String>,
}

impl BatchItem {
    /// An item made of a request below Graph's versioned base.
    pub fn new(request: Request<Bytes>) -> Self {
        Self { request, after_previous_of: None }
    }

    /// Runs after the batch's previous item with the same key. Items to one mailbox want this: Graph would otherwise run
    /// them at once against a limit of four.
    #[must_use]
    pub fn chained(mut self, key: impl Into<String>) -> Self {
        self.after_previous_of = Some(key.into());
        self
    }
}

/// What became of one item.
#[derive(Debug)]
pub struct BatchReply(Result<Response<Bytes>>);

impl BatchReply {
    /// The item's own answer; statuses of 400 and above are failures already.
    ///
    /// # Errors
    /// The item's failure, or [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when the batch did not answer it.
    pub fn into_result(self) -> Result<Response<Bytes>> {
        self.0
    }
}

/// `POST /v1.0/$batch`: up to twenty calls in one request, answered in the order asked, correlated by id only.
///
/// <https://learn.microsoft.com/graph/json-batching>
#[derive(Clone, Debug)]
pub struct PostBatch {
    items: Vec<BatchItem>,
}

impl PostBatch {
    /// A batch.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is empty or holds more than [`BATCH_SIZE`] items.
    pub fn new(items: Vec<BatchItem>) -> Result<Self> {
        if items.is_empty() || items.len() > BATCH_SIZE {
            return Err(Error::invalid(format!(
                "a batch holds 1 to {BATCH_SIZE} items, not {}",
                items.len()
            )));
        }
        Ok(Self { items })
    }
}

#[derive(Serialize)]
struct WireBatch<'a> {
    requests: Vec<WireItem<'a>>,
}

#[derive(Serialize)]
struct WireItem<'a> {
    id: String,
    method: &'a str,
    url: String,
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "dependsOn")]
    depends_on: Vec<String>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    headers: HashMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireReplies {
    responses: Vec<WireReply>,
}

#[derive(Deserialize)]
struct WireReply {
    id: String,
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

impl Operation for PostBatch {
    type Output = Vec<BatchReply>;

    fn meta(&self) -> Meta<'_> {
        let safe = self.items.iter().all(|i| i.request.method() == Method::GET);
        let idempotency = if safe { Idempotency::Idempotent } else { Idempotency::NotIdempotent };
        Meta::new("send batch", Resource::Graph, Service::Directory, idempotency)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let mut previous: HashMap<&str, usize> = HashMap::new();
        let mut requests = Vec::with_capacity(self.items.len());
        for (index, item) in self.items.iter().enumerate() {
            let path = item.request.uri().path_and_query().map_or("", |p| p.as_str());
            let url = path
                .strip_prefix("/v1.0")
                .ok_or_else(|| Error::invalid("a batch item must be a call below /v1.0"))?
                .to_owned();
            let depends_on = item
                .after_previous_of
                .as_deref()
                .and_then(|key| previous.insert(key, index))
                .map(|before| vec![before.to_string()])
                .unwrap_or_default();
            let body = match item.request.body() {
                bytes if bytes.is_empty() => None,
                bytes => Some(
                    serde_json::from_slice(bytes)
                        .map_err(|e| Error::invalid("a batch item's body must be JSON").with_source(e))?,
                ),
            };
            let headers = item
                .request
                .headers()
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
                .collect();
            requests.push(WireItem {
                id: index.to_string(),
                method: item.request.method().as_str(),
                url,
                depends_on,
                headers,
                body,
            });
        }
        send_json(cloud, Method::POST, "/v1.0/$batch", &WireBatch { requests })
    }

    fn read(&self, response: Response<Bytes>) -> Result<Vec<BatchReply>> {
        let replies: WireReplies = super::json(&response)?;
        let mut by_id: HashMap<String, WireReply> =
            replies.responses.into_iter().map(|r| (r.id.clone(), r)).collect();
        let now = jiff::Timestamp::now();
        Ok((0..self.items.len())
            .map(|index| {
                BatchReply(match by_id.remove(&index.to_string()) {
                    Some(reply) => open(reply, now),
                    None => Err(Error::unreadable("the batch came back without an answer to this item")),
                })
            })
            .collect())
    }
}

fn open(reply: WireReply, now: jiff::Timestamp) -> Result<Response<Bytes>> {
    let status = StatusCode::from_u16(reply.status)
        .map_err(|_| Error::unreadable("a batch item has an impossible status"))?;
    let headers: HeaderMap = reply
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        })
        .collect();
    let body = reply.body.map(|b| Bytes::copy_from_slice(b.get().as_bytes())).unwrap_or_default();
    if status.as_u16() >= 400 {
        return Err(error_of(status, &headers, &body, now));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::get;

    fn batch() -> PostBatch {
        let cloud = Cloud::public();
        let item = |path: &str| BatchItem::new(get(&cloud, path).unwrap());
        PostBatch::new(vec![
            item("/v1.0/users/a").chained("a"),
            item("/v1.0/users/b"),
            item("/v1.0/users/a/messages").chained("a"),
        ])
        .unwrap()
    }

    #[test]
    fn items_of_one_mailbox_form_a_chain() {
        let request = batch().request(&Cloud::public()).unwrap();
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["requests"][2]["dependsOn"], serde_json::json!(["0"]));
        assert!(body["requests"][1].get("dependsOn").is_none());
        assert_eq!(body["requests"][1]["url"], "/users/b");
    }

    #[test]
    fn replies_in_any_order_and_missing_ones_are_told_apart() {
        let answer = r#"{"responses":[
            {"id":"2","status":429,"headers":{"Retry-After":"5"},"body":{"error":{"code":"ApplicationThrottled","message":"m"}}},
            {"id":"0","status":200,"body":{"id":"x"}}]}"#;
        let mut replies = batch().read(Response::new(Bytes::from(answer))).unwrap().into_iter();
        assert_eq!(replies.next().unwrap().into_result().unwrap().body(), r#"{"id":"x"}"#);
        assert_eq!(
            replies.next().unwrap().into_result().unwrap_err().kind(),
            crate::ErrorKind::InvalidResponse
        );
        let throttled = replies.next().unwrap().into_result().unwrap_err();
        assert_eq!(throttled.retry_after(), Some(std::time::Duration::from_secs(5)));
    }

    #[test]
    fn more_than_twenty_items_are_refused() {
        let item = BatchItem::new(get(&Cloud::public(), "/v1.0/users").unwrap());
        assert!(PostBatch::new(vec![item; 21]).is_err());
        assert!(PostBatch::new(vec![]).is_err());
    }
}
