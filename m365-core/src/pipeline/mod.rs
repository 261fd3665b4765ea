//! One request's way: operation → permit → token → transport → classify → (retry) → parse.

mod attempt;
mod batch;
mod operation;
mod pages;
mod redirect;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::retry::RetryBudget;
use crate::{Body, Cloud, Credential, Error, Permit, Result, RetryPolicy, SharedClock, Throttle, Transport};

pub use operation::{Idempotency, Meta, Operation, Service};

/// Sends [`Operation`]s for one app: token, limits, retries and errors are its business. Cloning it copies a pointer.
///
/// ```
/// use m365_core::{Cloud, Pipeline, RetryPolicy};
/// # fn pipeline(credential: m365_core::Credential, transport: m365_core::Transport) -> Pipeline {
/// Pipeline::builder(Cloud::public(), transport, credential)
///     .app("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")
///     .user_agent("acme-connector/2.4")
///     .retry(RetryPolicy::default().with_max_attempts(4))
///     .build()
/// # }
/// ```
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    transport: Transport,
    credential: Credential,
    app: Arc<str>,
    clock: SharedClock,
    throttle: Throttle,
    retry: RetryPolicy,
    budget: RetryBudget,
    user_agent: HeaderValue,
    attempt_timeout: Duration,
}

impl Pipeline {
    /// A pipeline of this credential in this cloud.
    pub fn builder(cloud: Cloud, transport: Transport, credential: Credential) -> PipelineBuilder {
        PipelineBuilder {
            cloud,
            transport,
            credential,
            app: Arc::from(""),
            clock: SharedClock::system(),
            throttle: Throttle::new(),
            retry: RetryPolicy::default(),
            user_agent: None,
            attempt_timeout: Duration::from_secs(300),
        }
    }

    /// Its cloud.
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// Its clock.
    pub fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// Its credential.
    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }

    /// Its transport.
    pub fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// Runs an operation to its end.
    ///
    /// # Errors
    /// What the operation's `request` and `read` give; otherwise what the service said, classified. Transient failures
    /// were retried within the policy before, [`Error::attempts`] says how often.
    pub async fn run<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        let meta = operation.meta();
        let response = match self.attempts(operation, false).await? {
            attempt::Answer::Whole(response) => response,
            attempt::Answer::Open(..) => {
                return Err(Error::unreadable("a streamed answer where a whole one was asked for"));
            }
        };
        operation.read(response).map_err(|e| name(e, &meta))
    }

    /// Runs an operation and hands out the answer's body as a stream; its permit is held until the stream is dropped.
    /// The operation's `read` is not called, and its `body_limit` holds for refusals only: the stream of a success is
    /// not limited in size or time. Where an endless body would hurt, read it through [`Body::limited`].
    ///
    /// # Errors
    /// As [`Pipeline::run`]; once the body flows, the stream itself reports what breaks it.
    pub async fn open<O: Operation>(&self, operation: &O) -> Result<OpenResponse> {
        match self.attempts(operation, true).await? {
            attempt::Answer::Open(response, permit) => {
                let (head, body) = response.into_parts();
                Ok(OpenResponse { head, body, _permit: permit })
            }
            attempt::Answer::Whole(_) => {
                Err(Error::unreadable("a whole answer where a stream was asked for"))
            }
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("cloud", &self.0.cloud.name())
            .field("app", &self.0.app)
            .finish_non_exhaustive()
    }
}

/// A response whose body is still flowing.
#[derive(Debug)]
pub struct OpenResponse {
    /// Status and headers.
    pub head: http::response::Parts,
    /// The body.
    pub body: Body,
    _permit: Permit,
}

impl OpenResponse {
    /// The body alone, as a stream that holds the permit until it is dropped.
    pub fn into_body(self) -> Body {
        use futures_util::StreamExt as _;
        let Self { body, _permit, .. } = self;
        Body::from_stream(body.inspect(move |_| {
            let _held = &_permit;
        }))
    }
}

/// Settings of a [`Pipeline`].
#[derive(Debug)]
pub struct PipelineBuilder {
    cloud: Cloud,
    transport: Transport,
    credential: Credential,
    app: Arc<str>,
    clock: SharedClock,
    throttle: Throttle,
    retry: RetryPolicy,
    user_agent: Option<HeaderValue>,
    attempt_timeout: Duration,
}

impl PipelineBuilder {
    /// The app's client id, the first part of the throttle's key.
    #[must_use]
    pub fn app(mut self, app: impl Into<Arc<str>>) -> Self {
        self.app = app.into();
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// A throttle shared with other pipelines of the same process.
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    /// Another retry policy.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// One stable name of your product: Exchange's allow lists match on it. A text that cannot stand in a header is
    /// replaced by this crate's own name.
    #[must_use]
    pub fn user_agent(mut self, user_agent: &str) -> Self {
        self.user_agent = HeaderValue::try_from(user_agent).ok();
        self
    }

    /// Longest time from sending a request to the last byte of its answer, 5 minutes by default: a body that dribbles
    /// must end. Of an [opened](Pipeline::open) answer only the head must be there by then. It runs on tokio's timer.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// The pipeline.
    pub fn build(self) -> Pipeline {
        Pipeline(Arc::new(Inner {
            cloud: self.cloud,
            transport: self.transport,
            credential: self.credential,
            app: self.app,
            clock: self.clock,
            throttle: self.throttle,
            retry: self.retry,
            budget: RetryBudget::new(),
            attempt_timeout: self.attempt_timeout,
            user_agent: self.user_agent.unwrap_or(
                const { HeaderValue::from_static(concat!("m365-core/", env!("CARGO_PKG_VERSION"))) },
            ),
        }))
    }
}

fn name(error: Error, meta: &Meta<'_>) -> Error {
    let error = error.with_operation(meta.name);
    match meta.mailbox {
        Some(mailbox) => error.with_mailbox(mailbox),
        None => error,
    }
}
