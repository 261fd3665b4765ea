//! Time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ews_client::{CallOptions, ErrorKind, EwsClient, EwsCredential, Target};
use m365_core::testing::ScriptedTransport;
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

/// Refuses the first request for too many connections, and counts how many are there at a time from then on.
#[derive(Clone, Debug, Default)]
struct Crowd(Arc<Mutex<(usize, usize, usize)>>);

impl HttpTransport for Crowd {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        let first = {
            let mut state = self.0.lock().unwrap();
            let (asked, now, most) = &mut *state;
            *asked += 1;
            *now += 1;
            *most = (*most).max(if *asked == 1 { 0 } else { *now });
            *asked == 1
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.0.lock().unwrap().1 -= 1;
        let reply = if first { fault("ErrorExceededConnectionCount") } else { ok() };
        ScriptedTransport::new().on("POST", PATH, reply).send(scripted()).await
    }
}

fn scripted() -> http::Request<Bytes> {
    let mut request = http::Request::new(Bytes::new());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = PATH.parse().unwrap();
    request
}

#[tokio::test(start_paused = true)]
async fn trap_03_too_many_connections_means_fewer_of_the_whole_account() {
    let crowd = Crowd::default();
    let client = EwsClient::builder(endpoint(), basic())
        .transport(Transport::new(crowd.clone()))
        .clock(SharedClock::new(TokioClock(tokio::time::Instant::now())))
        .build()
        .unwrap();
    client.call(&Ask::of(&["1"]), &anna()).await.unwrap();
    let calls = (0..6).map(|n| {
        let client = client.clone();
        async move {
            let target = Target::Delegate(address(&format!("user{n}@fabrikam.example")));
            client.call(&Ask::of(&["1"]), &target).await.map(drop)
        }
    });
    futures_util::future::try_join_all(calls).await.unwrap();
    let (asked, _, most) = *crowd.0.lock().unwrap();
    assert_eq!((asked, most), (8, 1));
}
