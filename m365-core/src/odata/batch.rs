use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error_of, send_json};
use crate::{Cloud, Error, Idempotency, Meta, Operation, Resource, Result, Service};

/// Items that Graph accepts in one `$batch`.
pub const BATCH_SIZE: usize = 20;

/// One call of a batch. The calls of a batch are independent of each other: their order is not promised.
#[derive(Clone, Debug)]
pub struct BatchItem {
    request: Request<Bytes>,
    mailbox: Option<Box<str>>,
}

impl BatchItem {
    /// An item made of a request below Graph's v1.0 base; its body, if any, is JSON.
    pub fn new(request: Request<Bytes>) -> Self {
        Self { request, mailbox: None }
    }

    /// Touches this mailbox, whose limits then count for it. Without it, an item that touches a mailbox takes part in
    /// more than the four calls that Graph lets one app have in flight there.
    #[must_use]
    pub fn for_mailbox(mut self, address: impl AsRef<str>) -> Self {
        self.mailbox = Some(address.as_ref().to_lowercase().into());
        self
    }

    /// The mailbox, in lower case.
    pub(crate) fn mailbox(&self) -> Option<&str> {
        self.mailbox.as_deref()
    }

    /// Whether it only reads.
    pub(crate) fn is_read(&self) -> bool {
        self.request.method() == Method::GET
    }

    /// Whether it can stand in a batch.
    pub(crate) fn check(&self) -> Result<()> {
        wire(0, self, None).map(|_| ())
    }
}

/// What became of one item.
#[derive(Debug)]
pub struct BatchReply(pub(crate) Result<Response<Bytes>>);

impl BatchReply {
    /// The item's own answer; statuses other than 2xx are failures already.
    ///
    /// # Errors
    /// The item's failure, or [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when the batch did not answer it.
    pub fn into_result(self) -> Result<Response<Bytes>> {
        self.0
    }
}

/// `POST /v1.0/$batch`: one to [`BATCH_SIZE`] checked items in one request; answers come back in the order asked,
/// correlated by id only.
///
/// <https://learn.microsoft.com/graph/json-batching>
pub(crate) struct PostBatch<'a> {
    items: &'a [&'a BatchItem],
}

impl<'a> PostBatch<'a> {
    pub(crate) fn new(items: &'a [&'a BatchItem]) -> Self {
        Self { items }
    }

    /// Graph runs a batch either all at once or as one chain. Items that share a mailbox need the chain: side by side
    /// they would use up its slots.
    pub(crate) fn is_chain(&self) -> bool {
        let mut seen = HashSet::new();
        self.items.iter().filter_map(|item| item.mailbox()).any(|mailbox| !seen.insert(mailbox))
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
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", rename = "dependsOn")]
    depends_on: Option<[String; 1]>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    headers: HashMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
}

fn wire(index: usize, item: &BatchItem, before: Option<usize>) -> Result<WireItem<'_>> {
    let path = item.request.uri().path_and_query().map_or("", |p| p.as_str());
    let url = path
        .strip_prefix("/v1.0")
        .ok_or_else(|| Error::invalid("a batch item must be a call below /v1.0"))?;
    let body = match item.request.body() {
        bytes if bytes.is_empty() => None,
        bytes => Some(
            serde_json::from_slice(bytes)
                .map_err(|e| Error::invalid("a batch item's body must be JSON").with_source(e))?,
        ),
    };
    let headers = item.request.headers();
    Ok(WireItem {
        id: index.to_string(),
        method: item.request.method().as_str(),
        url,
        depends_on: before.map(|before| [before.to_string()]),
        headers: headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect(),
        body,
    })
}

#[derive(Deserialize)]
struct WireReplies {
    responses: Vec<WireReply>,
}

/// One item's answer as it stands in the batch's.
#[derive(Deserialize)]
pub(crate) struct WireReply {
    id: String,
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

impl Operation for PostBatch<'_> {
    type Output = Vec<Option<WireReply>>;

    fn meta(&self) -> Meta<'_> {
        let safe = self.items.iter().all(|i| i.is_read());
        let idempotency = if safe { Idempotency::Idempotent } else { Idempotency::NotIdempotent };
        Meta::new("send batch", Resource::Graph, Service::Directory, idempotency)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let chain = self.is_chain();
        let requests = self
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| wire(index, item, index.checked_sub(1).filter(|_| chain)))
            .collect::<Result<_>>()?;
        send_json(cloud, Method::POST, "/v1.0/$batch", &WireBatch { requests })
    }

    /// A batch of which items failed may say so in its own status; the answers are there all the same.
    fn classify(&self, response: &Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        if response.status() == StatusCode::FAILED_DEPENDENCY
            && serde_json::from_slice::<WireReplies>(response.body()).is_ok()
        {
            return Ok(());
        }
        super::classify(response, now)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        let replies: WireReplies = super::json(&response)?;
        let mut by_id: HashMap<String, WireReply> =
            replies.responses.into_iter().map(|r| (r.id.clone(), r)).collect();
        Ok((0..self.items.len()).map(|index| by_id.remove(&index.to_string())).collect())
    }
}

/// What an item's answer says.
pub(crate) fn open(reply: Option<WireReply>, now: jiff::Timestamp) -> Result<Response<Bytes>> {
    let reply =
        reply.ok_or_else(|| Error::unreadable("the batch came back without an answer to this item"))?;
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
    if !status.is_success() {
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

    fn item(path: &str, mailbox: Option<&str>) -> BatchItem {
        let item = BatchItem::new(get(&Cloud::public(), path).unwrap());
        mailbox.map_or(item.clone(), |mailbox| item.for_mailbox(mailbox))
    }

    fn requests(items: &[BatchItem]) -> serde_json::Value {
        let items: Vec<&BatchItem> = items.iter().collect();
        let request = PostBatch::new(&items).request(&Cloud::public()).unwrap();
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        body["requests"].clone()
    }

    #[test]
    fn a_shared_mailbox_makes_one_chain_of_all_items() {
        let wire = requests(&[
            item("/v1.0/users/a", Some("a@x.example")),
            item("/v1.0/users/b", None),
            item("/v1.0/users/a/messages", Some("A@x.example")),
        ]);
        assert_eq!(wire[1]["dependsOn"], serde_json::json!(["0"]));
        assert_eq!(wire[2]["dependsOn"], serde_json::json!(["1"]));
        assert_eq!(wire[1]["url"], "/users/b");
    }

    #[test]
    fn different_mailboxes_run_side_by_side() {
        let wire = requests(&[
            item("/v1.0/users/a", Some("a@x.example")),
            item("/v1.0/users/b", None),
            item("/v1.0/users/c", Some("c@x.example")),
            item("/v1.0/users/d", None),
        ]);
        assert!(wire.as_array().unwrap().iter().all(|i| i.get("dependsOn").is_none()));
    }

    #[test]
    fn replies_in_any_order_and_missing_ones_are_told_apart() {
        let answer = r#"{"responses":[
            {"id":"2","status":429,"headers":{"Retry-After":"Thu, 01 Jan 1970 00:00:05 GMT"},"body":{"error":{"code":"ApplicationThrottled","message":"m"}}},
            {"id":"3","status":302},
            {"id":"0","status":200,"body":{"id":"x"}}]}"#;
        let item = item("/v1.0/users/a", None);
        let items = [&item; 4];
        let replies = PostBatch::new(&items).read(Response::new(Bytes::from(answer))).unwrap();
        let mut results = replies.into_iter().map(|reply| open(reply, jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(results.next().unwrap().unwrap().body(), r#"{"id":"x"}"#);
        assert_eq!(results.next().unwrap().unwrap_err().kind(), crate::ErrorKind::InvalidResponse);
        let throttled = results.next().unwrap().unwrap_err();
        assert_eq!(throttled.retry_after(), Some(std::time::Duration::from_secs(5)));
        assert_eq!(results.next().unwrap().unwrap_err().kind(), crate::ErrorKind::InvalidResponse);
    }
}
