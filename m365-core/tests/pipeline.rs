//! The pipeline against scripted servers: what is repeated, what is not, and where the token goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use m365_core::odata::{self, Page};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    AccessToken, Acted, Body, Cloud, Credential, Error, ErrorKind, HttpTransport, Idempotency, Meta,
    Operation, Pipeline, Resource, Result, RetryPolicy, Service, SharedClock, TokenCredential, TokenRequest,
    Transport, TransportError, TransportErrorKind,
};

const TOKEN: &str = "the-very-secret-token";

#[derive(Clone, Debug, Default)]
struct Tokens {
    asked: Arc<Mutex<Vec<TokenRequest>>>,
    minted: Arc<AtomicU32>,
}

impl TokenCredential for Tokens {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        self.asked.lock().unwrap().push(request.clone());
        let number = match request.rejected {
            Some(_) => self.minted.fetch_add(1, Ordering::Relaxed) + 1,
            None => 0,
        };
        AccessToken::new(&format!("{TOKEN}-{number}"), jiff::Timestamp::MAX)
    }
}

struct Call {
    idempotency: Idempotency,
}

impl Operation for Call {
    type Output = Page<u32>;

    fn meta(&self) -> Meta<'_> {
        Meta::new("list numbers", Resource::Graph, Service::Outlook, self.idempotency)
            .with_mailbox("a@contoso.example")
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        odata::get(cloud, "/v1.0/numbers")
    }

    fn read(&self, response: http::Response<Bytes>) -> Result<Page<u32>> {
        odata::json(&response)
    }
}

const READ: Call = Call { idempotency: Idempotency::Idempotent };
const WRITE: Call = Call { idempotency: Idempotency::NotIdempotent };
const OK: &str = r#"{"value":[1]}"#;

struct Bench {
    pipeline: Pipeline,
    script: ScriptedTransport,
    clock: ManualClock,
    tokens: Tokens,
}

fn bench(steps: Vec<Reply>) -> Bench {
    let script =
        steps.into_iter().fold(ScriptedTransport::new(), |s, reply| s.on("GET", "/v1.0/numbers", reply));
    with_script(script)
}

fn with_script(script: ScriptedTransport) -> Bench {
    let clock = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    let tokens = Tokens::default();
    let pipeline =
        Pipeline::builder(Cloud::public(), Transport::new(script.clone()), Credential::new(tokens.clone()))
            .app("app")
            .clock(SharedClock::new(clock.clone()))
            .retry(RetryPolicy::default().with_max_attempts(4))
            .build();
    Bench { pipeline, script, clock, tokens }
}

#[tokio::test]
async fn retry_after_is_a_floor_and_concerns_one_mailbox() {
    let b = bench(vec![
        Reply::json(429, r#"{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit."}}"#)
            .header("retry-after", "2.128"),
        Reply::json(200, OK),
    ]);
    assert_eq!(b.pipeline.run(&READ).await.unwrap().value, [1]);
    assert!(b.clock.slept() >= Duration::from_millis(2128), "{:?}", b.clock.slept());
    b.script.assert_finished();
}

#[tokio::test]
async fn a_long_wait_that_nobody_sits_out_is_a_floor_for_all_callers() {
    let slow = || {
        Reply::json(429, r#"{"error":{"code":"ApplicationThrottled","message":"m"}}"#)
            .header("retry-after", "300")
    };
    for call in [&READ, &WRITE] {
        let b = bench(vec![slow(), Reply::json(200, OK)]);
        let error = b.pipeline.run(call).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_after()),
            (ErrorKind::Throttled, Some(Duration::from_secs(300)))
        );
        b.clock.advance(Duration::from_secs(100));
        // The next caller is told at once, and nothing is sent.
        let error = b.pipeline.run(&READ).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.acted(), error.retry_after(), error.attempts()),
            (ErrorKind::Throttled, Acted::No, Some(Duration::from_secs(200)), 1)
        );
        assert_eq!((b.script.requests().len(), error.mailbox()), (1, Some("a@contoso.example")));
        // Who comes when the rest is short enough, waits for it.
        b.clock.advance(Duration::from_secs(150));
        b.pipeline.run(&READ).await.unwrap();
        assert_eq!(b.clock.slept(), Duration::from_secs(50));
    }
}

#[tokio::test]
async fn a_timeout_told_by_the_server_is_repeated_for_reads_only() {
    for (call, repeated) in [(&READ, true), (&WRITE, false)] {
        let b = bench(vec![Reply::json(408, "{}"), Reply::json(200, OK)]);
        assert_eq!(b.pipeline.run(call).await.is_ok(), repeated);
    }
}

#[tokio::test]
async fn a_redirect_without_a_place_is_no_success_of_a_call_that_ignores_the_body() {
    struct Ignores;
    impl Operation for Ignores {
        type Output = ();
        fn meta(&self) -> Meta<'_> {
            WRITE.meta()
        }
        fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
            READ.request(cloud)
        }
        fn read(&self, _: http::Response<Bytes>) -> Result<()> {
            Ok(())
        }
    }
    for status in [300, 302, 303, 304] {
        let b = bench(vec![Reply::new(status, "")]);
        assert_eq!(
            b.pipeline.run(&Ignores).await.unwrap_err().kind(),
            ErrorKind::InvalidResponse,
            "{status}"
        );
    }
}

/// Answers each call with a body that gives one byte a minute, and never ends.
#[derive(Clone, Debug, Default)]
struct Dribble(Arc<AtomicU32>);

impl HttpTransport for Dribble {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Some((Ok(Bytes::from_static(b" ")), ()))
        });
        Ok(http::Response::new(Body::from_stream(drops)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_dribbles_ends_unless_it_is_streamed() {
    let dribble = Dribble::default();
    let builder = Pipeline::builder(
        Cloud::public(),
        Transport::new(dribble.clone()),
        Credential::new(Tokens::default()),
    );
    let pipeline = builder
        .attempt_timeout(Duration::from_secs(200))
        .retry(RetryPolicy::default().with_max_attempts(2))
        .clock(SharedClock::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH)))
        .build();
    let started = tokio::time::Instant::now();
    let error = pipeline.run(&READ).await.unwrap_err();
    assert_eq!((error.kind(), error.acted(), error.attempts()), (ErrorKind::Timeout, Acted::Unknown, 2));
    assert_eq!((started.elapsed().as_secs(), dribble.0.load(Ordering::Relaxed)), (400, 2));
    assert_eq!(pipeline.run(&WRITE).await.unwrap_err().attempts(), 1, "a write may have been acted upon");

    let mut body = pipeline.open(&READ).await.unwrap().into_body();
    for _ in 0..10 {
        assert!(body.try_next().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_write_is_repeated_only_when_the_server_surely_did_not_act() {
    for (first, repeated) in [
        (Reply::json(429, "{}"), true),
        (Reply::failure(TransportErrorKind::NotSent), true),
        (Reply::failure(TransportErrorKind::Interrupted), false),
        (Reply::failure(TransportErrorKind::Timeout), false),
        (Reply::json(503, "{}"), false),
    ] {
        let b = bench(vec![first.clone(), Reply::json(200, OK)]);
        assert_eq!(b.pipeline.run(&WRITE).await.is_ok(), repeated, "{first:?}");
        let b = bench(vec![first.clone(), Reply::json(200, OK)]);
        assert!(b.pipeline.run(&READ).await.is_ok(), "a read is repeated after {first:?}");
    }
}

#[tokio::test]
async fn giving_up_says_how_often_it_was_tried() {
    let b = bench(vec![Reply::new(503, "<html>busy</html>"); 4]);
    let error = b.pipeline.run(&READ).await.unwrap_err();
    assert_eq!((error.attempts(), error.kind()), (4, ErrorKind::Unavailable));
    assert_eq!((error.operation(), error.mailbox()), (Some("list numbers"), Some("a@contoso.example")));
    b.script.assert_finished();
}

#[tokio::test]
async fn a_final_refusal_is_not_repeated() {
    let b = bench(vec![Reply::json(
        403,
        r#"{"error":{"code":"ErrorAccessDenied","message":"Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.","innerError":{"request-id":"r-7"}}}"#,
    )]);
    let error = b.pipeline.run(&READ).await.unwrap_err();
    assert_eq!(
        (error.attempts(), error.diagnosis().id(), error.request_id()),
        (1, "GRAPH-RAOP", Some("r-7"))
    );
}

#[tokio::test]
async fn a_claims_challenge_gets_one_new_token_and_one_retry() {
    use base64::Engine as _;
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"cp1"}}}"#;
    let header = format!(
        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{}\"",
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(claims)
    );
    let challenge = || Reply::json(401, "{}").header("www-authenticate", &header);
    let b = bench(vec![challenge(), Reply::json(200, OK)]);
    b.pipeline.run(&READ).await.unwrap();
    let asked = b.tokens.asked.lock().unwrap().clone();
    assert_eq!(asked[1].claims.as_deref(), Some(claims));
    assert!(asked[1].rejected.is_some(), "the cache is bypassed");

    let b = bench(vec![challenge(), challenge(), Reply::json(200, OK)]);
    assert_eq!(b.pipeline.run(&READ).await.unwrap_err().kind(), ErrorKind::ClaimsChallenge);
}

#[tokio::test]
async fn a_401_is_worth_one_new_token_also_for_writes() {
    let refused = || {
        Reply::json(
            401,
            r#"{"error":{"code":"InvalidAuthenticationToken","message":"Lifetime validation failed"}}"#,
        )
    };
    let b = bench(vec![refused(), Reply::json(200, OK)]);
    b.pipeline.run(&WRITE).await.unwrap();
    let sent: Vec<_> = b
        .script
        .requests()
        .iter()
        .map(|r| r.headers()["authorization"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(sent, [format!("Bearer {TOKEN}-0"), format!("Bearer {TOKEN}-1")]);

    let b = bench(vec![refused(), refused()]);
    assert_eq!(b.pipeline.run(&READ).await.unwrap_err().kind(), ErrorKind::Authentication);
    b.script.assert_finished();
}

#[tokio::test]
async fn a_redirect_is_followed_within_the_cloud_only() {
    let b = with_script(
        ScriptedTransport::new()
            .on("GET", "/v1.0/numbers", Reply::new(302, "").header("location", "/v1.0/elsewhere"))
            .on("GET", "/v1.0/elsewhere", Reply::json(200, OK)),
    );
    assert!(b.pipeline.run(&READ).await.is_ok());

    let b = bench(vec![Reply::new(302, "").header("location", "https://evil.example/v1.0/numbers")]);
    let error = b.pipeline.run(&READ).await.unwrap_err();
    assert!(error.message().contains("evil.example"), "{error}");
    assert_eq!(b.script.requests().len(), 1, "the token stays home");
}

#[tokio::test]
async fn next_links_are_followed_byte_for_byte_and_never_to_a_foreign_host() {
    let next = "https://graph.microsoft.com/v1.0/numbers?%24skiptoken=a%2Bb";
    let b = with_script(
        ScriptedTransport::new()
            .on(
                "GET",
                "/v1.0/numbers",
                Reply::json(200, &format!(r#"{{"value":[],"@odata.nextLink":"{next}"}}"#)),
            )
            .on("GET", "/v1.0/numbers?%24skiptoken=a%2Bb", Reply::json(200, r#"{"value":[2,3]}"#)),
    );
    assert_eq!(b.pipeline.list(&READ, 10).await.unwrap(), [2, 3]);

    let b = bench(vec![Reply::json(200, r#"{"value":[1],"@odata.nextLink":"https://evil.example/next"}"#)]);
    let mut rows = std::pin::pin!(b.pipeline.rows(&READ));
    assert_eq!(rows.try_next().await.unwrap(), Some(1));
    assert!(rows.try_next().await.is_err());
    assert_eq!(b.script.requests().len(), 1);
}

#[tokio::test]
async fn a_list_is_never_silently_short() {
    let endless = r#"{"value":[1],"@odata.nextLink":"https://graph.microsoft.com/v1.0/numbers?p=2"}"#;
    let b = with_script(ScriptedTransport::new().on("GET", "/v1.0/numbers", Reply::json(200, endless)).on(
        "GET",
        "/v1.0/numbers?p=2",
        Reply::json(200, endless),
    ));
    assert!(b.pipeline.list(&READ, 10).await.is_err(), "a page that is its own successor is an error");

    let b = bench(vec![Reply::json(200, r#"{"value":[1,2,3]}"#)]);
    assert_eq!(b.pipeline.list(&READ, 2).await.unwrap_err().kind(), ErrorKind::Truncated);
}

#[tokio::test]
async fn undecodable_bodies_of_refusals_are_no_body() {
    let error = Error::from(TransportError::new(TransportErrorKind::Undecodable, "x"));
    assert!(!error.is_transient());

    // The real thing: NUL bytes that claim to be gzip, over a real connection.
    let server = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(
            wiremock::ResponseTemplate::new(403)
                .insert_header("content-encoding", "gzip")
                .insert_header("x-ms-diagnostics", "2000003;reason=\"denied\";error_category=\"x\"")
                .set_body_bytes(vec![0u8; 64]),
        )
        .mount(&server)
        .await;
    let base: url::Url = server.uri().parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let transport = Transport::new(m365_core::transport::ReqwestTransport::new().unwrap());
    let pipeline = Pipeline::builder(cloud, transport, Credential::new(Tokens::default())).build();
    let error = pipeline.run(&READ).await.unwrap_err();
    assert_eq!((error.kind(), error.status().map(|s| s.as_u16())), (ErrorKind::PermissionDenied, Some(403)));
}

#[tokio::test]
async fn a_larger_answer_than_allowed_is_refused() {
    struct Small;
    impl Operation for Small {
        type Output = ();
        fn meta(&self) -> Meta<'_> {
            READ.meta()
        }
        fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
            READ.request(cloud)
        }
        fn read(&self, _: http::Response<Bytes>) -> Result<()> {
            Ok(())
        }
        fn body_limit(&self) -> usize {
            8
        }
    }
    let b = bench(vec![Reply::json(200, "123456789")]);
    assert_eq!(b.pipeline.run(&Small).await.unwrap_err().kind(), ErrorKind::Limit);
}
