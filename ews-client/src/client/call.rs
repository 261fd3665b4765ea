//! One request's way: limits → credential → headers → transport → verdict → (again).

use std::borrow::Cow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use m365_core::{
    AccessToken, Acted, Body, Error, ErrorKind, Idempotency, Result, RetryPolicy, Service, TokenRequest,
    TransportError, TransportErrorKind, claims_challenge, later, until,
};
use tracing::{Instrument as _, debug, debug_span};

use super::{BackEndCookie, CallOptions, EwsClient, OpenAnswer, explain, known};
use crate::auth::Scheme;
use crate::http_verdict::{BEGINNING, HttpVerdict, begins_with_envelope};
use crate::operation::{Refusal, read_exchange};
use crate::soap::Details;
use crate::xml::Limits;
use crate::{
    Answer, Capabilities, CodeClass, EwsOperation, RequestContext, ResponseClass, ResponseCode, Target,
    write_request,
};

/// Refused impersonation is repeated this often: it happens in passing.
const DENIED_IN_PASSING: u32 = 2;

/// Least pause after too many connections, whatever the server suggests.
const CROWDED: Duration = Duration::from_secs(1);

/// Longest pause that is kept for everybody who calls with the same key.
const LONGEST_STALL: Duration = Duration::from_secs(3600);

/// How much of a refusal's body is read where a stream was asked for.
const REFUSAL: usize = 1 << 20;

/// What is kept from one attempt of a call to the next.
pub(super) struct Call<'a> {
    client: &'a EwsClient,
    target: Cow<'a, Target>,
    asked_for: &'a Target,
    options: &'a CallOptions,
    retry: Cow<'a, RetryPolicy>,
    started: Timestamp,
    tries: u32,
    token: Option<TokenRequest>,
    refused: bool,
    denied: u32,
    followed: bool,
    rerouted: bool,
    /// A hanging connection, whose limits are apart from those of calls.
    stream: bool,
}

enum Failure {
    /// Nothing was sent, and nothing will be.
    Stop(Error),
    Refused(Box<Refusal>, HeaderMap, Option<AccessToken>),
}

impl Failure {
    fn of(error: Error) -> Self {
        Self::Refused(Box::new(error.into()), HeaderMap::new(), None)
    }
}

enum Reply<T> {
    Whole(Answer<T>),
    Open(OpenAnswer),
}

/// Sends an operation whose answer streams.
pub(super) async fn open<O>(
    client: &EwsClient,
    operation: &O,
    target: &Target,
    options: &CallOptions,
) -> Result<OpenAnswer>
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    let span = debug_span!("ews", operation = O::NAME);
    let mut call = Call { stream: true, ..Call::new(client, target, options) };
    match call.repeat(operation).instrument(span).await? {
        Reply::Open(answer) => Ok(answer),
        Reply::Whole(_) => Err(Error::unreadable("a whole answer where a stream was asked for")),
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(client: &'a EwsClient, target: &'a Target, options: &'a CallOptions) -> Self {
        let retry = match options.deadline {
            Some(deadline) => Cow::Owned(client.0.retry.clone().with_deadline(deadline)),
            None => Cow::Borrowed(&client.0.retry),
        };
        let token = match &client.0.credential.0 {
            Scheme::Bearer { resource, .. } => {
                let resource = resource.clone().unwrap_or_else(|| client.0.endpoint.resource());
                Some(TokenRequest::new(resource))
            }
            _ => None,
        };
        let started = client.0.clock.now();
        Self {
            client,
            target: client.0.known.primary(target, started).map_or(Cow::Borrowed(target), Cow::Owned),
            asked_for: target,
            options,
            retry,
            started,
            tries: 0,
            token,
            refused: false,
            denied: 0,
            followed: false,
            rerouted: false,
            stream: false,
        }
    }

    /// One whole answer, its results as they came.
    pub(super) async fn exchange<O>(&mut self, operation: &O) -> Result<Answer<O::Item>>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        match self.repeat(operation).await? {
            Reply::Whole(answer) => Ok(answer),
            Reply::Open(_) => Err(Error::unreadable("a streamed answer where a whole one was asked for")),
        }
    }

    async fn repeat<O>(&mut self, operation: &O) -> Result<Reply<O::Item>>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        loop {
            self.tries += 1;
            let capabilities = self.client.capabilities();
            let (refusal, headers, token, answer) = match self.attempt(operation, capabilities).await {
                Ok(Reply::Whole(answer)) => match refused_as_a_whole(&answer) {
                    // Each element says the same, and it concerns the request: then it is a refusal like a fault.
                    Some(refusal) => (refusal, HeaderMap::new(), None, Some(answer)),
                    None => {
                        self.client.0.budget.earn();
                        self.client.0.gate.succeeded();
                        return Ok(Reply::Whole(answer));
                    }
                },
                Ok(reply) => return Ok(reply),
                Err(Failure::Stop(error)) => {
                    self.tries -= 1;
                    return Err(self.name::<O>(error));
                }
                Err(Failure::Refused(refusal, headers, token)) => (*refusal, headers, token, None),
            };
            // Half of it may be done in the time that all of it did not have.
            let halved_instead = ran_out_of_time(&refusal.error) && self.may_halve(operation);
            if !halved_instead
                && self.again(&refusal, &headers, token, capabilities, operation.idempotency()).await
            {
                continue;
            }
            if let Some(answer) = answer {
                return Ok(Reply::Whole(answer));
            }
            debug!(attempts = self.tries, kind = ?refusal.error.kind(), diagnosis = refusal.error.diagnosis().id(), "given up");
            return Err(self.name::<O>(refusal.error));
        }
    }

    fn name<O: EwsOperation>(&self, error: Error) -> Error {
        error.with_operation(O::NAME).with_mailbox(self.asked_for.label()).with_attempts(self.tries.max(1))
    }

    /// Second part of the throttle's key.
    fn mailbox(&self) -> Option<&str> {
        match &*self.target {
            Target::SelfMailbox => None,
            other => Some(other.label()),
        }
    }

    /// Whether a read that ran out of the server's time is worth another try in halves.
    pub(super) fn may_halve<O: EwsOperation>(&self, operation: &O) -> bool {
        !self.stream
            && operation.asked() > 1
            && operation.idempotency() == Idempotency::Idempotent
            && !self.retry.left(self.elapsed()).is_zero()
            && operation.only(&[0]).is_some()
    }

    fn elapsed(&self) -> Duration {
        until(self.started, self.client.0.clock.now())
    }

    async fn attempt<O>(&self, operation: &O, capabilities: Capabilities) -> Result<Reply<O::Item>, Failure>
    where
        O: EwsOperation + Sync,
        O::Item: Send,
    {
        let inner = &*self.client.0;
        let mut context = RequestContext::new(&self.target, capabilities);
        if let Some(zone) = &self.options.time_zone {
            context = context.with_time_zone(zone);
        }
        let body = write_request(operation, &context).map_err(Failure::Stop)?;
        let patience = self.retry.left(self.elapsed());
        // A stream hangs for half an hour; servers count it apart from calls.
        let permits = if self.stream {
            None
        } else {
            let throttle = &inner.throttle;
            let permit =
                throttle.permit(&inner.account, self.mailbox(), Service::Ews, &inner.clock, patience);
            let permit = permit.await.map_err(Failure::Stop)?;
            let pass = inner.gate.pass(self.retry.left(self.elapsed())).await.ok_or_else(|| {
                Failure::Stop(
                    Error::new(ErrorKind::Throttled, "not sent: the server takes fewer requests at a time")
                        .with_acted(Acted::No),
                )
            })?;
            Some((permit, pass))
        };
        let limit = match self.options.deadline {
            Some(_) => inner.attempt_timeout.min(self.retry.left(self.elapsed())),
            None => inner.attempt_timeout,
        };
        let mut sent = false;
        let answered = tokio::time::timeout(limit, self.answer(body, &mut sent)).await;
        drop(permits);
        let (token, head, body) = match answered {
            Ok(Ok(Answered { token, head, body })) => (token, head, body),
            Ok(Err(error)) => return Err(Failure::of(error)),
            Err(_) => {
                let error = Error::new(ErrorKind::Timeout, format!("no whole answer within {limit:.1?}"));
                return Err(Failure::of(error.with_acted(if sent { Acted::Unknown } else { Acted::No })));
            }
        };
        let body = match body {
            Either::Whole(body) => body,
            Either::Open(body) => {
                let request_id = head.headers.get("request-id").and_then(|id| Some(id.to_str().ok()?.into()));
                let back_end = BackEndCookie::of(&head.headers);
                return Ok(Reply::Open(OpenAnswer { back_end, request_id, body }));
            }
        };
        debug!(status = head.status.as_u16(), bytes = body.len(), "answered");
        match read_exchange(operation, head.status, &head.headers, &body) {
            Ok(answer) => {
                self.client.learn(answer.server.as_ref());
                Ok(Reply::Whole(answer))
            }
            Err(refusal) => {
                let today = || inner.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
                let sent = explain::Sent {
                    credential: &inner.credential,
                    user_agent: &inner.user_agent,
                    online_on: inner.endpoint.is_online().then(today),
                };
                let refusal = explain::refusal(refusal, &sent, &head.headers);
                Err(Failure::Refused(Box::new(refusal), head.headers, token))
            }
        }
    }

    async fn answer(&self, body: Vec<u8>, sent: &mut bool) -> Result<Answered> {
        let inner = &*self.client.0;
        let mut request = http::Request::new(Bytes::from(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = inner
            .endpoint
            .url()
            .as_str()
            .parse()
            .map_err(|_| Error::invalid("the address of EWS cannot stand in a request"))?;
        self.headers(request.headers_mut());
        let token = match (&inner.credential.0, &self.token) {
            (Scheme::Bearer { credential, .. }, Some(wanted)) => {
                let token = credential.get_token(wanted).await?;
                request.headers_mut().insert(AUTHORIZATION, token.header().clone());
                Some(token)
            }
            (Scheme::Basic { header }, _) => {
                request.headers_mut().insert(AUTHORIZATION, header.clone());
                None
            }
            _ => None,
        };
        *sent = true;
        let response = inner.wire.send(request).await?;
        let (head, mut body) = response.into_parts();
        if self.stream && head.status.is_success() {
            let flows = says_xml(&head.headers) || {
                let looked = looked_at(body).await.map_err(|e| Error::from(e).with_status(head.status))?;
                body = looked.1;
                looked.0
            };
            if flows {
                return Ok(Answered { token, head, body: Either::Open(body) });
            }
        }
        let limit = if self.stream { REFUSAL } else { Limits::default().total };
        let body = match body.collect(limit).await {
            Ok(body) => body,
            // Exchange declares gzip over a body of NUL bytes on some refusals: then there is no body.
            Err(e) if !head.status.is_success() && e.kind() != TransportErrorKind::TooLarge => Bytes::new(),
            Err(e) => return Err(Error::from(e).with_status(head.status)),
        };
        Ok(Answered { token, head, body: Either::Whole(body) })
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("text/xml; charset=utf-8") });
        headers.insert(ACCEPT, const { HeaderValue::from_static("text/xml") });
        if self.stream {
            // What packs a stream holds envelopes back until a block of it is full.
            headers.insert(ACCEPT_ENCODING, const { HeaderValue::from_static("identity") });
        }
        headers.insert(USER_AGENT, self.client.0.user_agent.clone());
        headers.insert("client-request-id", request_id());
        headers.insert("return-client-request-id", const { HeaderValue::from_static("true") });
        let affinity = self.options.affinity.as_ref();
        let anchor = affinity.map(|a| a.anchor.as_str()).or_else(|| self.target.anchor());
        // An address with letters outside of ASCII goes as the bytes that it is in UTF-8.
        if let Some(anchor) = anchor.and_then(|anchor| HeaderValue::from_bytes(anchor.as_bytes()).ok()) {
            headers.insert("x-anchormailbox", anchor);
        }
        if let Some(affinity) = affinity {
            headers.insert("x-preferserveraffinity", const { HeaderValue::from_static("true") });
            let cookie = affinity.cookie.as_ref().filter(|_| !self.rerouted);
            if let Some(cookie) = cookie.and_then(BackEndCookie::header) {
                headers.insert(COOKIE, cookie);
            }
        }
    }

    /// Whether to try again, after whatever has to pass before.
    async fn again(
        &mut self,
        refusal: &Refusal,
        headers: &HeaderMap,
        token: Option<AccessToken>,
        capabilities: Capabilities,
        idempotency: Idempotency,
    ) -> bool {
        let error = &refusal.error;
        match &refusal.verdict {
            Some(HttpVerdict::Unauthorized { schemes }) => return self.after_401(schemes, headers, token),
            Some(HttpVerdict::VersionRefused) => return self.lower(capabilities),
            _ => {}
        }
        let code = error.service_code().map(ResponseCode::new);
        let class = code.as_ref().map_or(CodeClass::Unknown, ResponseCode::class);
        let wants_lower =
            refusal.fault.as_ref().map_or(class == CodeClass::Version, |f| f.wants_lower_version());
        if wants_lower {
            return self.lower(capabilities);
        }
        let mut floor = error.retry_after();
        let mut passing = error.is_transient();
        match class {
            CodeClass::OtherAddress => return self.follow(refusal),
            CodeClass::FewerInFlight => {
                let xml = refusal.fault.as_ref().map(|fault| &fault.details.xml);
                let known = xml.and_then(|xml| xml.get("MaxConcurrencyLimit")?.trim_ascii().parse().ok());
                if !self.stream {
                    self.client.0.gate.shrink(known);
                }
                floor = Some(floor.unwrap_or_default().max(CROWDED));
                passing = true;
            }
            CodeClass::Reroute => self.rerouted = true,
            CodeClass::Permission if code == Some(ResponseCode::ERROR_IMPERSONATE_USER_DENIED) => {
                self.denied += 1;
                passing = self.denied <= DENIED_IN_PASSING;
            }
            _ => {}
        }
        if let Some(floor) = floor {
            self.hold_back(floor);
        }
        let repeatable = idempotency == Idempotency::Idempotent || error.acted() == Acted::No;
        passing && repeatable && self.wait(floor, error.kind() == ErrorKind::Throttled).await
    }

    /// Steps down, unless there is no older version.
    fn lower(&self, capabilities: Capabilities) -> bool {
        let lower = self.client.0.version.lower(capabilities.schema());
        debug!(version = lower.map(crate::SchemaVersion::as_str), "the server speaks an older version");
        lower.is_some()
    }

    /// Some elements of a batch are done: the bounds hold for each step of it.
    pub(super) fn progressed(&mut self) {
        self.tries = 1;
    }

    /// What is sent next is another part of the batch, with attempts of its own.
    pub(super) fn begun_anew(&mut self) {
        (self.tries, self.denied, self.refused) = (0, 0, false);
    }

    /// The pause that elements of an answer ask for.
    pub(super) async fn pause(&mut self, floor: Option<Duration>, crowded: bool) -> bool {
        let floor = if crowded {
            self.client.0.gate.shrink(None);
            Some(floor.unwrap_or_default().max(CROWDED))
        } else {
            floor
        };
        if let Some(floor) = floor {
            self.hold_back(floor);
        }
        self.wait(floor, false).await
    }

    /// Waits before the next attempt; `false` when there is none within the bounds.
    async fn wait(&mut self, floor: Option<Duration>, throttled: bool) -> bool {
        let wait = self.retry.next_wait(self.tries, self.elapsed(), floor);
        let Some(wait) = wait.filter(|_| self.client.0.budget.spend()) else { return false };
        if throttled && floor.is_none() {
            self.hold_back(wait);
        }
        debug!(attempt = self.tries, wait_ms = wait.as_millis(), "trying again");
        self.client.0.clock.sleep(wait).await;
        true
    }

    /// A server that named a time, named it for everybody who calls for this mailbox: also when this caller gives up.
    fn hold_back(&self, floor: Duration) {
        if self.stream {
            return;
        }
        let inner = &*self.client.0;
        let end = later(inner.clock.now(), floor.min(LONGEST_STALL));
        inner.throttle.stall(&inner.account, self.mailbox(), Service::Ews, &inner.clock, end);
    }

    /// A 401 is worth one new token or one new connection, unless the server does not take our scheme at all.
    fn after_401(
        &mut self,
        schemes: &[crate::AuthScheme],
        headers: &HeaderMap,
        token: Option<AccessToken>,
    ) -> bool {
        if !self.client.0.credential.is_taken(schemes) {
            return false;
        }
        if let (Some(wanted), Some(used)) = (&mut self.token, token) {
            if let Some(claims) = claims_challenge::read(headers) {
                if wanted.claims.is_some() {
                    return false;
                }
                wanted.claims = Some(claims.into());
                wanted.rejected = Some(used);
                return true;
            }
            wanted.rejected.get_or_insert(used);
        }
        !std::mem::replace(&mut self.refused, true)
    }

    /// The address is an alias, and the server told the right one: once per call, so that a circle of aliases ends.
    fn follow(&mut self, refusal: &Refusal) -> bool {
        if self.followed {
            self.client.0.known.forget(self.asked_for);
            return false;
        }
        let xml = refusal.fault.as_ref().map(|fault| &fault.details.xml);
        let Some((target, primary)) = xml.and_then(|xml| known::corrected(&self.target, xml)) else {
            return false;
        };
        debug!("the address is an alias; taking the primary one");
        self.followed = true;
        self.client.0.known.remember(self.asked_for, primary, self.client.0.clock.now());
        self.target = Cow::Owned(target);
        true
    }
}

struct Answered {
    token: Option<AccessToken>,
    head: http::response::Parts,
    body: Either,
}

enum Either {
    Whole(Bytes),
    Open(Body),
}

fn says_xml(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        memchr::memmem::find(&value, b"xml").is_some() && memchr::memmem::find(&value, b"html").is_none()
    })
}

/// Whether a body that does not say that it is XML begins with an envelope; and the body, with what was looked at.
async fn looked_at(mut body: Body) -> Result<(bool, Body), TransportError> {
    let mut beginning = BytesMut::new();
    let is_envelope = loop {
        if begins_with_envelope(&beginning) {
            break true;
        }
        match body.try_next().await? {
            Some(chunk) if beginning.len() < BEGINNING => beginning.extend_from_slice(&chunk),
            Some(chunk) => {
                beginning.extend_from_slice(&chunk);
                break false;
            }
            None => break false,
        }
    };
    let first = stream::once(std::future::ready(Ok(beginning.freeze())));
    Ok((is_envelope, Body::from_stream(first.chain(body))))
}

/// When every element was refused for a reason that concerns the request, and not the element.
fn refused_as_a_whole<T>(answer: &Answer<T>) -> Option<Refusal> {
    let first = answer.results.first()?;
    let concerns_request =
        matches!(first.code.class(), CodeClass::Version | CodeClass::OtherAddress | CodeClass::FewerInFlight)
            || first.code == ResponseCode::ERROR_IMPERSONATE_USER_DENIED;
    let same = |r: &crate::ItemResult<T>| r.class == ResponseClass::Error && r.code == first.code;
    (concerns_request && answer.results.iter().all(same)).then(|| {
        let details: Details = first.details.as_deref().cloned().unwrap_or_default();
        Refusal {
            error: first.to_error(),
            verdict: None,
            fault: Some(Box::new(crate::Fault {
                code: Some(first.code.clone()),
                details,
                ..Default::default()
            })),
        }
    })
}

/// A name for one request, for the support of either side. It need not be hard to guess, so no system call is made.
fn request_id() -> HeaderValue {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(const { HeaderValue::from_static("") })
}

/// Whether the server did not get done in the time that it has for one request, and does not ask for a pause.
pub(super) fn ran_out_of_time(error: &Error) -> bool {
    error.service_code() == Some(ResponseCode::ERROR_TIMEOUT_EXPIRED.as_str())
        && error.retry_after().is_none()
}

/// Whether a smaller request may pass where this one did not.
pub(super) fn is_too_large(error: &Error, idempotency: Idempotency) -> bool {
    error.kind() == ErrorKind::Limit
        && match error.service_code() {
            Some(code) => code == ResponseCode::ERROR_REQUEST_STREAM_TOO_BIG.as_str(),
            // Ours before it was sent, a 413, or an answer larger than what is read.
            None => {
                error.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
                    || error.acted() == Acted::No
                    || idempotency == Idempotency::Idempotent
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flowing(chunks: &'static [&'static [u8]]) -> Body {
        let chunks = stream::iter(chunks).map(|chunk| Ok(Bytes::from_static(chunk)));
        Body::from_stream(chunks.chain(stream::pending()))
    }

    #[tokio::test]
    async fn the_first_bytes_of_an_endless_body_tell_what_it_is() {
        let (is_envelope, body) =
            looked_at(flowing(&[b"\xEF\xBB\xBF<s:Env", b"elope>", b"<x"])).await.unwrap();
        assert!(is_envelope);
        let chunks: Vec<_> = body.take(2).try_collect().await.unwrap();
        assert_eq!(chunks, [&b"\xEF\xBB\xBF<s:Envelope>"[..], b"<x"], "no byte is lost");
    }

    #[tokio::test]
    async fn a_page_is_no_stream_however_it_arrives() {
        for page in [&b"<html><body>Sign in</body></html>"[..], b"", b"later", &[b' '; 5000]] {
            let (is_envelope, body) = looked_at(Body::from_bytes(page)).await.unwrap();
            assert!(!is_envelope);
            assert_eq!(body.collect(10_000).await.unwrap(), page);
        }
    }
}
