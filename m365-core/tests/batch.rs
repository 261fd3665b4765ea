//! `$batch` through the pipeline: permits, chains, waits, and what is sent again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use m365_core::odata::{self, BatchItem};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    AccessToken, Cloud, Credential, ErrorKind, Pipeline, Result, RetryPolicy, Service, SharedClock, Throttle,
    TokenCredential, TokenRequest, Transport,
};
use serde_json::{Value, json};

const A: &str = "a@contoso.example";
const B: &str = "b@contoso.example";

#[derive(Debug)]
struct Fixed;

impl TokenCredential for Fixed {
    async fn get_token(&self, _: &TokenRequest) -> Result<AccessToken> {
        AccessToken::new("t0ken-of-the-test", jiff::Timestamp::MAX)
    }
}

struct Bench {
    pipeline: Pipeline,
    script: ScriptedTransport,
    clock: ManualClock,
    throttle: Throttle,
    app: Arc<str>,
}

impl Bench {
    fn shared_clock(&self) -> SharedClock {
        SharedClock::new(self.clock.clone())
    }

    /// Ids, or for a chain what each depends on, of the batches sent.
    fn sent(&self) -> Vec<Vec<(String, Option<String>)>> {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let batch = |body: Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let items = body["requests"].as_array().unwrap().clone();
            items.iter().map(|i| (text(&i["url"]).unwrap(), text(&i["dependsOn"][0]))).collect()
        };
        self.script.requests().into_iter().map(|r| batch(r.into_body())).collect()
    }
}

fn bench(replies: Vec<Reply>) -> Bench {
    let script =
        replies.into_iter().fold(ScriptedTransport::new(), |s, reply| s.on("POST", "/v1.0/$batch", reply));
    let clock = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    let (throttle, app) = (Throttle::new(), Arc::from("app"));
    let pipeline = Pipeline::builder(Cloud::public(), Transport::new(script.clone()), Credential::new(Fixed))
        .app(Arc::clone(&app))
        .throttle(throttle.clone())
        .clock(SharedClock::new(clock.clone()))
        .retry(RetryPolicy::default().with_max_attempts(4))
        .build();
    Bench { pipeline, script, clock, throttle, app }
}

fn read(path: &str, mailbox: &str) -> BatchItem {
    BatchItem::new(odata::get(&Cloud::public(), &format!("/v1.0/{path}")).unwrap()).for_mailbox(mailbox)
}

fn write(path: &str, mailbox: &str) -> BatchItem {
    let path = format!("/v1.0/{path}");
    let body = json!({"isRead": true});
    let request = odata::send_json(&Cloud::public(), http::Method::PATCH, &path, &body).unwrap();
    BatchItem::new(request).for_mailbox(mailbox)
}

fn replies(items: &Value) -> Reply {
    Reply::json(200, &json!({"responses": items}).to_string())
}

fn wait(id: &str, seconds: &str) -> Value {
    json!({"id": id, "status": 429, "headers": {"Retry-After": seconds},
        "body": {"error": {"code": "ApplicationThrottled", "message": "m"}}})
}

fn kinds(results: Vec<odata::BatchReply>) -> Vec<Option<ErrorKind>> {
    results.into_iter().map(|r| r.into_result().err().map(|e| e.kind())).collect()
}

#[tokio::test]
async fn only_what_failed_is_sent_again_after_the_longest_wait() {
    let b = bench(vec![
        replies(&json!([wait("2", "3"), {"id": "1", "status": 200}, wait("0", "7")])),
        replies(
            &json!([{"id": "1", "status": 200, "body": {"n": 2}}, {"id": "0", "status": 200, "body": {"n": 0}}]),
        ),
    ]);
    let items = vec![read("x", A), read("y", B), read("z", "c@contoso.example")];
    let results = b.pipeline.batch(items).await.unwrap();
    let bodies: Vec<Bytes> = results.into_iter().map(|r| r.into_result().unwrap().into_body()).collect();
    assert_eq!((&bodies[0][..], &bodies[2][..]), (&br#"{"n":0}"#[..], &br#"{"n":2}"#[..]));
    assert!(b.clock.slept() >= Duration::from_secs(7) && b.clock.slept() < Duration::from_secs(9));
    assert_eq!(b.sent()[1], [("/x".to_owned(), None), ("/z".to_owned(), None)]);
    b.script.assert_finished();
}

#[tokio::test]
async fn a_write_that_may_have_acted_is_not_sent_again() {
    let b = bench(vec![
        replies(&json!([{"id": "0", "status": 503}, {"id": "1", "status": 503}, wait("2", "1")])),
        replies(&json!([{"id": "0", "status": 200}, {"id": "1", "status": 200}])),
    ]);
    let items = vec![write("x", A), read("y", B), write("z", "c@contoso.example")];
    assert_eq!(kinds(b.pipeline.batch(items).await.unwrap()), [Some(ErrorKind::Unavailable), None, None]);
    b.script.assert_finished();
}

#[tokio::test]
async fn a_chain_goes_on_behind_an_item_that_failed_for_good() {
    let b = bench(vec![
        replies(&json!([{"id": "0", "status": 200}, {"id": "1", "status": 404}, {"id": "2", "status": 424},
            {"id": "3", "status": 424}])),
        replies(&json!([{"id": "0", "status": 200}, {"id": "1", "status": 200}])),
    ]);
    let items = vec![read("w", A), read("x", A), write("y", A), read("z", B)];
    assert_eq!(kinds(b.pipeline.batch(items).await.unwrap()), [None, Some(ErrorKind::NotFound), None, None]);
    assert_eq!(b.clock.slept(), Duration::ZERO);
    let sent = b.sent();
    let depends: Vec<Option<&str>> = sent[0].iter().map(|(_, d)| d.as_deref()).collect();
    assert_eq!(
        depends,
        [None, Some("0"), Some("1"), Some("2")],
        "two items share a mailbox: one chain over all"
    );
    assert!(sent[1].iter().all(|(_, d)| d.is_none()), "what is left shares none");
}

#[tokio::test]
async fn an_item_told_to_wait_stalls_its_mailbox_alone() {
    let b = bench(vec![replies(&json!([wait("0", "300"), {"id": "1", "status": 200}]))]);
    let results = b.pipeline.batch(vec![read("x", A), read("y", B)]).await.unwrap();
    assert_eq!(kinds(results), [Some(ErrorKind::Throttled), None]);
    let (clock, soon) = (b.shared_clock(), Duration::from_secs(10));
    let permit = async |m| b.throttle.permit(&b.app, Some(m), Service::Outlook, &clock, soon).await;
    assert_eq!(permit(A).await.unwrap_err().retry_after(), Some(Duration::from_secs(300)));
    assert!(permit(B).await.is_ok());
    // Another batch is told at once about the one, and gets the other.
    let c = b.pipeline.batch(vec![read("x", A)]).await.unwrap();
    assert_eq!(kinds(c), [Some(ErrorKind::Throttled)]);
    b.script.assert_finished();
}

#[tokio::test(start_paused = true)]
async fn direct_calls_and_batches_together_never_exceed_four_in_flight() {
    let b = bench(vec![replies(&json!([{"id": "0", "status": 200}, {"id": "1", "status": 200}]))]);
    let clock = b.shared_clock();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(
            b.throttle.permit(&b.app, Some(A), Service::Outlook, &clock, Duration::ZERO).await.unwrap(),
        );
    }
    {
        let batch = b.pipeline.batch(vec![read("x", A), read("y", A)]);
        let mut batch = std::pin::pin!(batch);
        assert!(futures_util::poll!(&mut batch).is_pending());
        assert!(b.script.requests().is_empty(), "four are in flight to this mailbox");
        held.pop();
        assert_eq!(kinds(batch.await.unwrap()), [None, None]);
    }
    // The batch has given its permit back.
    held.push(b.throttle.permit(&b.app, Some(A), Service::Outlook, &clock, Duration::ZERO).await.unwrap());
    assert_eq!(held.len(), 4);
}

#[tokio::test]
async fn more_than_twenty_go_in_several_batches_and_a_lost_one_fails_its_items_only() {
    let all = |n: usize| (0..n).map(|i| json!({"id": i.to_string(), "status": 200})).collect();
    let b = bench(vec![replies(&all(20)), Reply::json(400, "{}"), replies(&all(3))]);
    let items = (0..43).map(|i| write(&format!("m{i}"), &format!("m{i}@contoso.example"))).collect();
    let kinds = kinds(b.pipeline.batch(items).await.unwrap());
    assert!(kinds[..20].iter().all(Option::is_none) && kinds[40..].iter().all(Option::is_none));
    assert!(kinds[20..40].iter().all(|k| *k == Some(ErrorKind::Rejected)));
}

#[tokio::test]
async fn nothing_is_sent_when_one_item_cannot_stand_in_a_batch() {
    let b = bench(vec![]);
    let beta = BatchItem::new(odata::get(&Cloud::public(), "/beta/users").unwrap());
    let mut items: Vec<BatchItem> = (0..30).map(|_| write("x", A)).collect();
    items.push(beta);
    assert_eq!(b.pipeline.batch(items).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(b.script.requests().is_empty());
    assert!(b.pipeline.batch(vec![]).await.unwrap().is_empty());
}

#[tokio::test]
async fn trap_the_outer_status_may_turn_424_when_an_item_was_throttled() {
    let answer = json!({"responses": [wait("0", "2")]}).to_string();
    let b = bench(vec![Reply::json(424, &answer), replies(&json!([{"id": "0", "status": 200}]))]);
    assert_eq!(kinds(b.pipeline.batch(vec![read("x", A)]).await.unwrap()), [None]);
    b.script.assert_finished();
}
