//! Time.

use std::time::Duration;

use bytes::Bytes;
use ews_client::{CallOptions, ErrorKind, EwsClient, EwsCredential};
use m365_core::{
    Acted, Body, Clock, HttpTransport, RetryPolicy, SharedClock, Transport, TransportError, later,
};

use crate::help::*;

fn basic() -> EwsCredential {
    EwsCredential::basic("svc-calendar", "not a real one".into())
}

/// Never answers.
#[derive(Debug)]
struct Silence;

impl HttpTransport for Silence {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        std::future::pending().await
    }
}

/// Tokio's time, which tests can stop.
#[derive(Debug)]
struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> jiff::Timestamp {
        later(jiff::Timestamp::UNIX_EPOCH, self.0.elapsed())
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn silent() -> EwsClient {
    EwsClient::builder(endpoint(), basic())
        .transport(Transport::new(Silence))
        .clock(SharedClock::new(TokioClock(tokio::time::Instant::now())))
        .attempt_timeout(Duration::from_secs(60))
        .retry(RetryPolicy::default().with_max_attempts(2))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_attempts_time() {
    let began = tokio::time::Instant::now();
    let write = Ask { once: true, ..Ask::of(&["1"]) };
    let error = silent().call(&write, &anna()).await.unwrap_err();
    assert_eq!((error.kind(), error.acted(), error.attempts()), (ErrorKind::Timeout, Acted::Unknown, 1));
    assert_eq!(began.elapsed().as_secs(), 60);
    let opened = silent().open(&write, &anna(), &CallOptions::default()).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_an_attempt_too() {
    let began = tokio::time::Instant::now();
    let options = CallOptions::default().with_deadline(Duration::from_secs(7));
    let error = silent().call_with(&Ask::of(&["1"]), &anna(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!((7..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
