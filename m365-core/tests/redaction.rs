//! What the pipeline shows of itself, at the most talkative level. Alone in its process: the subscriber is global.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    AccessToken, Cloud, Credential, Idempotency, Meta, Operation, Pipeline, Resource, Result, Service,
    SharedClock, TokenCredential, TokenRequest, Transport, odata,
};

const TOKEN: &str = "the-very-secret-token";

#[derive(Debug)]
struct Fixed;

impl TokenCredential for Fixed {
    async fn get_token(&self, _: &TokenRequest) -> Result<AccessToken> {
        AccessToken::new(TOKEN, jiff::Timestamp::MAX)
    }
}

struct Call;

impl Operation for Call {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        Meta::new("list numbers", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        odata::get(cloud, "/v1.0/numbers")
    }

    fn read(&self, _: http::Response<Bytes>) -> Result<()> {
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_token_in_errors_debug_or_traces() {
    let sink = Sink::default();
    let writer = sink.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();

    let echo = format!(r#"{{"error":{{"code":"x","message":"bad Bearer eyJ{} sent"}}}}"#, "a".repeat(60));
    let script = ScriptedTransport::new().on("GET", "/v1.0/numbers", Reply::new(503, "")).on(
        "GET",
        "/v1.0/numbers",
        Reply::json(400, &echo),
    );
    let pipeline = Pipeline::builder(Cloud::public(), Transport::new(script), Credential::new(Fixed))
        .clock(SharedClock::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH)))
        .build();
    let error = pipeline.run(&Call).await.unwrap_err();
    let shown = format!("{error} {error:?} {pipeline:?} {:?}", error.diagnosis());
    let traced = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("trying again"), "the trace was recorded: {traced}");
    for text in [&shown, &traced] {
        assert!(!text.contains(TOKEN) && !text.contains("eyJaaa"), "{text}");
    }
}
