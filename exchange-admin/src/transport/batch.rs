//! `$batch`: ten cmdlets in one request.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use m365_core::{
    Acted, Cloud, Error, ErrorKind, Idempotency, Meta, Operation, Resource, Result, Service, TenantId,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::admin_api::{anchor, common_headers, invoke_url};
use super::answer;
use super::failure::error_of;
use super::pace::Pace;
use super::routes::Route;
use super::{AdminApi, Answer};
use crate::command::Command;

/// Cmdlets in one batch.
pub(super) const SIZE: usize = 10;

const NAME: &str = "invoke a batch of cmdlets";

pub(super) struct PostBatch<'a> {
    pub(super) commands: &'a [Command],
    pub(super) tenant: TenantId,
    pub(super) connection: Uuid,
    pub(super) pace: &'a Pace,
}

/// What the answer says of one item.
#[derive(Debug)]
pub(super) enum Item {
    /// It answered.
    Answered(Response<Bytes>),
    /// Nothing is said of it, and nothing unclaimed failed: it succeeded without output, as far as writes go.
    Silent,
    /// Nothing is said of it, and something failed that names no item.
    Unknown(StatusCode),
}

impl Operation for PostBatch<'_> {
    type Output = Vec<Item>;

    fn meta(&self) -> Meta<'_> {
        let repeatable = self.commands.iter().all(reads);
        let idempotency = if repeatable { Idempotency::Idempotent } else { Idempotency::NotIdempotent };
        Meta::new(NAME, Resource::Exchange, Service::ExchangeAdmin, idempotency)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let mut requests = Vec::with_capacity(self.commands.len());
        for (at, command) in self.commands.iter().enumerate() {
            let body: Value = serde_json::from_slice(&command.to_invoke_body()?)
                .map_err(|e| Error::invalid("the command cannot be written as JSON").with_source(e))?;
            requests.push(json!({
                "id": (at + 1).to_string(),
                "method": "POST",
                "url": invoke_url(cloud, self.tenant, command)?.as_str(),
                "headers": {
                    "Content-Type": "application/json; charset=utf-8",
                    "X-AnchorMailbox": anchor(command.anchor(), self.tenant),
                    "X-CmdletName": command.name().as_str(),
                    "Accept-Language": "en-US",
                    "Prefer": "odata.maxpagesize=1000",
                },
                "body": body,
            }));
        }
        let url = m365_core::odata::join(cloud.outlook(), &format!("/adminapi/beta/{}/$batch", self.tenant))?;
        let body = serde_json::to_vec(&json!({ "requests": requests }))
            .map_err(|e| Error::invalid("the batch cannot be written as JSON").with_source(e))?;
        let mut request = Request::post(url.as_str())
            .body(Bytes::from(body))
            .map_err(|e| Error::invalid("the request cannot be built").with_source(e))?;
        let headers = request.headers_mut();
        common_headers(headers, self.connection)?;
        headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json; charset=utf-8") });
        headers.insert(
            const { HeaderName::from_static("prefer") },
            const { HeaderValue::from_static("odata.maxpagesize=1000;odata.continue-on-error") },
        );
        let organization = anchor(&crate::command::Anchor::Organization, self.tenant);
        if let Ok(organization) = HeaderValue::try_from(organization) {
            headers.insert(const { HeaderName::from_static("x-anchormailbox") }, organization);
        }
        Ok(request)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Vec<Item>> {
        let answer: Value = m365_core::odata::json(&response)?;
        let Some(Value::Array(responses)) = answer.get("responses") else {
            return Err(Error::unreadable("the batch's answer has no list of responses"));
        };
        let mut found: BTreeMap<usize, Response<Bytes>> = BTreeMap::new();
        let mut unclaimed: Option<StatusCode> = None;
        for response in responses {
            let status = response
                .get("status")
                .and_then(|s| s.as_u64().or_else(|| s.as_str()?.parse().ok()))
                .and_then(|s| StatusCode::from_u16(u16::try_from(s).ok()?).ok())
                .ok_or_else(|| Error::unreadable("an item of the batch has no status"))?;
            // By id only: items come in any order, and an error's target is empty.
            let at = response
                .get("id")
                .and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()))
                .and_then(|id| usize::try_from(id).ok()?.checked_sub(1))
                .filter(|at| *at < self.commands.len() && !found.contains_key(at));
            match at {
                Some(at) => {
                    found.insert(at, item(status, response));
                }
                None => unclaimed = Some(status),
            }
        }
        Ok((0..self.commands.len())
            .map(|at| match (found.remove(&at), unclaimed) {
                (Some(response), _) => Item::Answered(response),
                (None, Some(status)) => Item::Unknown(status),
                (None, None) => Item::Silent,
            })
            .collect())
    }

    fn classify(&self, response: &Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        self.pace.learn(response.headers(), now);
        error_of(response, NAME, now).map_or(Ok(()), Err)
    }

    fn body_limit(&self) -> usize {
        64 * 1024 * 1024
    }
}

/// Whether the command may be asked again at will. A write that could be repeated without harm is a write all the same.
fn reads(command: &Command) -> bool {
    let name = command.facts().name.as_str();
    command.facts().idempotency == Idempotency::Idempotent
        && (name.starts_with("Get-") || name.starts_with("Test-"))
}

fn item(status: StatusCode, item: &Value) -> Response<Bytes> {
    let body = match item.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(body) => Bytes::from(body.to_string()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let empty = Map::new();
    let mut headers = HeaderMap::new();
    for (name, value) in item.get("headers").and_then(Value::as_object).unwrap_or(&empty) {
        let value = value.as_str().map(HeaderValue::try_from);
        if let (Ok(name), Some(Ok(value))) = (HeaderName::try_from(name.as_str()), value) {
            headers.append(name, value);
        }
    }
    *response.headers_mut() = headers;
    response
}

impl AdminApi {
    /// Runs the commands in batches of ten, answers in the order of the commands.
    ///
    /// A read that failed transiently, that the answer leaves out, or whose list has further pages, is asked again on
    /// its own. A write is never repeated here: its error says whether it may have acted, and a read decides.
    pub(super) async fn batches(&self, commands: &[Command]) -> Vec<Result<Answer>> {
        let mut answers = Vec::with_capacity(commands.len());
        for ten in commands.chunks(SIZE) {
            self.pace.keep(self.pipeline.clock()).await;
            let call = PostBatch {
                commands: ten,
                tenant: self.tenant,
                connection: self.connection,
                pace: &self.pace,
            };
            match self.pipeline.run(&call).await {
                Ok(items) => {
                    for (command, item) in ten.iter().zip(items) {
                        answers.push(self.settle_item(command, item).await);
                    }
                }
                Err(error) => {
                    for command in ten {
                        answers.push(Err(of_whole_batch(&error, command)));
                    }
                }
            }
        }
        answers
    }

    async fn settle_item(&self, command: &Command, item: Item) -> Result<Answer> {
        let reads = reads(command);
        let name = command.name().as_str();
        let response = match item {
            Item::Answered(response) => response,
            // An empty list must not be concluded from silence.
            Item::Silent | Item::Unknown(_) if reads => {
                return self.invoke_over(Route::InvokeCommand, command).await;
            }
            Item::Silent => return Ok(Answer::default()),
            Item::Unknown(status) => {
                return Err(Error::new(
                    ErrorKind::InvalidResponse,
                    format!("an item of the batch failed with {status}, and the answer does not say which"),
                )
                .with_acted(Acted::Unknown)
                .with_operation(name));
            }
        };
        if let Some(error) = error_of(&response, name, self.pipeline.clock().now()) {
            if reads && error.is_transient() {
                return self.invoke_over(Route::InvokeCommand, command).await;
            }
            return Err(named(error, command));
        }
        let page = answer::read(&response).map_err(|e| named(e, command))?;
        if page.next_link.is_some() || super::admin_api::warns_of_cut(&page.warnings) {
            // Only reads have pages, so reading anew is safe.
            return self.invoke_over(Route::InvokeCommand, command).await;
        }
        Ok(Answer { rows: page.rows, warnings: page.warnings, route: Route::InvokeCommand })
    }
}

/// The failure of the whole batch, for one of its items.
fn of_whole_batch(error: &Error, command: &Command) -> Error {
    let mut copy = Error::new(error.kind(), error.message())
        .with_acted(error.acted())
        .with_transient(error.is_transient())
        .with_retry_after(error.retry_after())
        .with_attempts(error.attempts())
        .with_authority(error.authority());
    if let Some(status) = error.status() {
        copy = copy.with_status(status);
    }
    if let Some(code) = error.service_code() {
        copy = copy.with_code(code);
    }
    if let Some(id) = error.request_id() {
        copy = copy.with_request_id(id);
    }
    named(copy, command)
}

pub(super) fn named(error: Error, command: &Command) -> Error {
    let error = error.with_operation(command.name().as_str());
    match command.anchor() {
        crate::command::Anchor::Address(address) => error.with_mailbox(address.as_str()),
        _ => error,
    }
}
