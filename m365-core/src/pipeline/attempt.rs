use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use tracing::{Instrument as _, debug, debug_span};

use super::{Idempotency, Meta, Operation, Pipeline, Service, name, redirect};
use crate::clock::{later, until};
use crate::transport::TransportErrorKind;
use crate::{AccessToken, Acted, Body, Error, ErrorKind, Permit, Result, TokenRequest, claims_challenge};

/// A classified success.
pub(super) enum Answer {
    Whole(http::Response<Bytes>),
    Open(http::Response<Body>, Permit),
}

impl Pipeline {
    pub(super) async fn attempts<O: Operation>(&self, operation: &O, stream: bool) -> Result<Answer> {
        let meta = operation.meta();
        let span = debug_span!("m365", operation = meta.name);
        async {
            let started = self.0.clock.now();
            let mut token = TokenRequest::new(meta.resource.clone());
            let mut tries = 0;
            loop {
                tries += 1;
                let patience = self.0.retry.left(until(started, self.0.clock.now()));
                let error = match self.attempt(operation, &meta, &mut token, stream, patience).await {
                    Ok(answer) => {
                        self.0.budget.earn();
                        return Ok(answer);
                    }
                    Err(Failure::NewToken) => continue,
                    Err(Failure::NoPermit(error)) => {
                        debug!(attempts = tries - 1, "no permit in time");
                        return Err(name(error.with_attempts((tries - 1).max(1)), &meta));
                    }
                    Err(Failure::Final(error)) => error,
                };
                let repeatable = meta.idempotency == Idempotency::Idempotent || error.acted() == Acted::No;
                let elapsed = until(started, self.0.clock.now());
                let wait = (error.is_transient() && repeatable)
                    .then(|| self.0.retry.next_wait(tries, elapsed, error.retry_after()))
                    .flatten()
                    .filter(|_| self.0.budget.spend());
                let Some(wait) = wait else {
                    debug!(attempts = tries, kind = ?error.kind(), diagnosis = error.diagnosis().id(), "given up");
                    return Err(name(error.with_attempts(tries), &meta));
                };
                if error.kind() == ErrorKind::Throttled && error.retry_after().is_none() {
                    self.hold_back(meta.mailbox, meta.service, wait);
                }
                debug!(attempt = tries, wait_ms = wait.as_millis(), kind = ?error.kind(), "trying again");
                self.0.clock.sleep(wait).await;
            }
        }
        .instrument(span)
        .await
    }

    /// A server that named a time, named it for everybody who calls with this key: also when this caller gives up.
    pub(super) fn hold_back(&self, mailbox: Option<&str>, service: Service, floor: Duration) {
        let until = later(self.0.clock.now(), floor);
        self.0.throttle.stall(&self.0.app, mailbox, service, &self.0.clock, until);
    }

    async fn attempt<O: Operation>(
        &self,
        operation: &O,
        meta: &Meta<'_>,
        token: &mut TokenRequest,
        stream: bool,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let request = operation.request(&self.0.cloud)?;
        let path: Box<str> = request.uri().path().into();
        redirect::check_host(&self.0.cloud, &meta.resource, request.uri())?;
        let throttle = &self.0.throttle;
        let permit = throttle.permit(&self.0.app, meta.mailbox, meta.service, &self.0.clock, patience).await;
        let permit = permit.map_err(Failure::NoPermit)?;
        let bearer = self.0.credential.get_token(token).await?;
        let answered = self.answer(operation, request, meta, &bearer, stream);
        let response = match tokio::time::timeout(self.0.attempt_timeout, answered).await {
            Ok(answered) => match answered? {
                Answered::Whole(response) => response,
                Answered::Open(response) => return Ok(Answer::Open(response, permit)),
            },
            Err(_) => {
                let limit = self.0.attempt_timeout.as_secs();
                return Err(
                    Error::new(ErrorKind::Timeout, format!("no whole answer within {limit} s")).into()
                );
            }
        };
        debug!(status = response.status().as_u16(), bytes = response.body().len(), "answered");
        match operation.classify(&response, self.0.clock.now()) {
            Ok(()) if stream => Err(Failure::Final(
                Error::unreadable("a success was expected").with_status(response.status()),
            )),
            Ok(()) => Ok(Answer::Whole(response)),
            Err(error) => {
                if let Some(floor) = error.retry_after() {
                    self.hold_back(meta.mailbox, meta.service, floor);
                }
                Err(reconsider(error.with_path(&path), &response, token, bearer))
            }
        }
    }

    /// The whole answer, or its head when a success is to be streamed.
    async fn answer<O: Operation>(
        &self,
        operation: &O,
        request: http::Request<Bytes>,
        meta: &Meta<'_>,
        bearer: &AccessToken,
        stream: bool,
    ) -> Result<Answered> {
        let response = self.send(operation, request, meta, bearer).await?;
        if stream && response.status().is_success() {
            return Ok(Answered::Open(response));
        }
        let (head, body) = response.into_parts();
        let body = match body.collect(operation.body_limit()).await {
            Ok(body) => body,
            // Exchange declares gzip over a body of NUL bytes on some refusals: then there is no body.
            Err(e) if !head.status.is_success() && e.kind() != TransportErrorKind::TooLarge => Bytes::new(),
            Err(e) => return Err(Error::from(e).with_status(head.status)),
        };
        Ok(Answered::Whole(http::Response::from_parts(head, body)))
    }

    async fn send<O: Operation>(
        &self,
        operation: &O,
        request: http::Request<Bytes>,
        meta: &Meta<'_>,
        bearer: &AccessToken,
    ) -> Result<http::Response<Body>> {
        let (method, mut here) = (request.method().clone(), request.uri().clone());
        let id = request_id();
        let mut request = self.signed(request, bearer, &id);
        let mut hops = 0;
        loop {
            let response = self.0.transport.send(request).await?;
            if meta.service == Service::Token {
                return Ok(response);
            }
            let there = redirect::target(&self.0.cloud, &meta.resource, (&method, &here), &response)?;
            let Some(there) = there else { return Ok(response) };
            hops += 1;
            if hops > 3 {
                return Err(
                    Error::unreadable("the server redirects in circles").with_status(response.status())
                );
            }
            // Written anew, because keeping a copy of each request would cost more than the rare redirect.
            request = self.signed(operation.request(&self.0.cloud)?, bearer, &id);
            *request.uri_mut() = there.clone();
            here = there;
        }
    }

    fn signed(
        &self,
        mut request: http::Request<Bytes>,
        bearer: &AccessToken,
        id: &HeaderValue,
    ) -> http::Request<Bytes> {
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer.header().clone());
        headers.insert(USER_AGENT, self.0.user_agent.clone());
        headers.insert("client-request-id", id.clone());
        request
    }
}

/// A name for one request, for the support of either side. It need not be hard to guess, so no system call is made.
fn request_id() -> HeaderValue {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(const { HeaderValue::from_static("") })
}

enum Answered {
    Whole(http::Response<Bytes>),
    Open(http::Response<Body>),
}

enum Failure {
    /// Nothing was sent: the throttle lets nobody through in time.
    NoPermit(Error),
    /// One more token, one more try, at once.
    NewToken,
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// A 401 is worth one new token: with the claims asked for, or past the one that was refused.
fn reconsider(
    error: Error,
    response: &http::Response<Bytes>,
    token: &mut TokenRequest,
    used: AccessToken,
) -> Failure {
    if response.status() != http::StatusCode::UNAUTHORIZED {
        return Failure::Final(error);
    }
    let first = token.rejected.is_none();
    match claims_challenge::read(response.headers()) {
        Some(claims) if token.claims.is_none() => {
            token.claims = Some(claims.into());
            token.rejected = Some(used);
            Failure::NewToken
        }
        Some(_) => Failure::Final(
            Error::new(ErrorKind::ClaimsChallenge, "the resource asked for claims a second time")
                .with_status(response.status()),
        ),
        None if first => {
            token.rejected = Some(used);
            Failure::NewToken
        }
        None => Failure::Final(error),
    }
}
