//! Callers who give up while a refresh token is on the wire, before a server that rotates it and ends a session whose
//! refresh token comes twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use graph_auth::{DeviceCodeCredential, ErrorKind, SignInRequired};
use http::{Request, Response};
use m365_core::testing::ManualClock;
use m365_core::{
    Body, ClientId, Cloud, HttpTransport, Resource, SharedClock, TenantName, TokenCredential as _,
    TokenRequest, Transport, TransportError,
};
use tokio::time::{Instant, sleep, timeout};

const TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";

/// Each refresh token serves once; the second use is the last of the session.
#[derive(Clone, Debug, Default)]
struct Rotating(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    issued: u32,
    redemptions: u32,
    revoked: bool,
    delay: Duration,
}

impl HttpTransport for Rotating {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let form: BTreeMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
        let (status, body, delay) = self.answer(&form);
        sleep(delay).await;
        let mut response = Response::new(Body::from_bytes(body.to_string()));
        *response.status_mut() = status.try_into().unwrap();
        Ok(response)
    }
}

impl Rotating {
    fn answer(&self, form: &BTreeMap<String, String>) -> (u16, serde_json::Value, Duration) {
        let mut book = self.0.lock().unwrap();
        let mut delay = Duration::ZERO;
        if let Some(sent) = form.get("refresh_token") {
            book.redemptions += 1;
            book.revoked |= *sent != format!("0.r{}", book.issued);
            delay = book.delay;
            if book.revoked {
                return (400, serde_json::json!({"error": "invalid_grant"}), delay);
            }
        } else if !form.contains_key("device_code") {
            let started = serde_json::json!({
                "user_code": "BCDF2345", "device_code": "HAQAB", "verification_uri": "https://login.example/device",
                "expires_in": 900, "interval": 5, "message": "go there",
            });
            return (200, started, delay);
        }
        book.issued += 1;
        book.revoked = false;
        let body = serde_json::json!({
            "access_token": format!("token-{}", book.issued), "expires_in": 3600,
            "refresh_token": format!("0.r{}", book.issued),
        });
        (200, body, delay)
    }

    fn slow(&self, seconds: u64) {
        self.0.lock().unwrap().delay = secs(seconds);
    }

    fn redemptions(&self) -> u32 {
        self.0.lock().unwrap().redemptions
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of(resource: Resource) -> TokenRequest {
    TokenRequest::new(resource)
}

async fn signed_in() -> (DeviceCodeCredential, Rotating, ManualClock) {
    let server = Rotating::default();
    let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    let credential = DeviceCodeCredential::new(
        Cloud::public(),
        TenantName::parse(TENANT).unwrap(),
        ClientId::parse(CLIENT).unwrap(),
    )
    .with_transport(Transport::new(server.clone()))
    .with_clock(SharedClock::new(manual.clone()));
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    server.slow(3);
    (credential, server, manual)
}

/// Somebody who asks, and gives up while the answer is on its way.
async fn give_up(credential: &DeviceCodeCredential, request: &TokenRequest) {
    assert!(timeout(secs(1), credential.get_token(request)).await.is_err(), "there was an answer");
}

#[tokio::test(start_paused = true)]
async fn trap_whoever_gives_up_does_not_take_the_rotated_refresh_token_along() {
    let (credential, server, _) = signed_in().await;
    let exchange = of(Resource::Exchange);
    give_up(&credential, &exchange).await;
    assert_eq!(credential.get_token(&exchange).await.unwrap().expose_secret(), "token-2");
    assert_eq!(server.redemptions(), 1);
    credential.get_token(&exchange.clone().with_fresh()).await.unwrap();
    assert_eq!(server.redemptions(), 2, "with the refresh token that came back");
    assert!(credential.signed_in().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_answer_arrives_although_nobody_comes_for_a_long_time() {
    let (credential, server, manual) = signed_in().await;
    let exchange = of(Resource::Exchange);
    give_up(&credential, &exchange).await;
    // Past every limit of the request's own.
    sleep(secs(1800)).await;
    manual.advance(secs(1800));
    let before = Instant::now();
    assert_eq!(credential.get_token(&exchange).await.unwrap().expose_secret(), "token-2");
    assert_eq!((server.redemptions(), before.elapsed()), (1, Duration::ZERO));

    give_up(&credential, &exchange.clone().with_fresh()).await;
    sleep(secs(3500)).await;
    manual.advance(secs(3500));
    assert_eq!(credential.get_token(&exchange).await.unwrap().expose_secret(), "token-4", "3 is nearly over");
    assert!(credential.signed_in().is_some());
}

#[tokio::test(start_paused = true)]
async fn trap_the_limit_of_a_refresh_ahead_of_time_does_not_lose_it_either() {
    let (credential, server, manual) = signed_in().await;
    let graph = of(Resource::Graph);
    server.slow(15);
    manual.advance(secs(3500));
    let before = Instant::now();
    let refresher = credential.get_token(&graph);
    let hit = async {
        sleep(secs(2)).await;
        let token = credential.get_token(&graph).await.unwrap();
        assert_eq!(before.elapsed(), secs(2), "no hit waits");
        token
    };
    let (old, hit) = tokio::join!(refresher, hit);
    assert_eq!((old.unwrap().expose_secret(), hit.expose_secret()), ("token-1", "token-1"));
    assert_eq!(before.elapsed(), secs(10));
    // While that failure is remembered nobody asks.
    assert_eq!(credential.get_token(&graph).await.unwrap().expose_secret(), "token-1");
    assert_eq!(before.elapsed(), secs(10));
    manual.advance(secs(5));
    assert_eq!(credential.get_token(&graph).await.unwrap().expose_secret(), "token-2");
    assert_eq!((server.redemptions(), before.elapsed()), (1, secs(15)));
    assert!(credential.signed_in().is_some());
}

#[tokio::test(start_paused = true)]
async fn another_resource_or_a_fresh_token_waits_for_the_refresh_token_and_asks_itself() {
    let (credential, server, _) = signed_in().await;
    let (graph, exchange) = (of(Resource::Graph), of(Resource::Exchange));
    give_up(&credential, &exchange).await;
    let other = of(Resource::Other("https://manage.office.com".into()));
    assert_eq!(credential.get_token(&other).await.unwrap().expose_secret(), "token-3");
    give_up(&credential, &exchange).await;
    assert_eq!(
        credential.get_token(&exchange.clone().with_fresh()).await.unwrap().expose_secret(),
        "token-5"
    );
    give_up(&credential, &graph.clone().with_fresh()).await;
    credential.invalidate(&Resource::Graph);
    assert_eq!(
        credential.get_token(&graph).await.unwrap().expose_secret(),
        "token-7",
        "6 was asked for before"
    );
    // Whoever waits for somebody else's may give up, too.
    give_up(&credential, &graph.clone().with_fresh()).await;
    give_up(&credential, &exchange.with_fresh()).await;
    credential.get_token(&graph.with_fresh()).await.unwrap();
    assert_eq!(server.redemptions(), 8);
    assert!(credential.signed_in().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_meanwhile_says_why_and_one_that_was_signed_out_does_not_come_back() {
    let (credential, server, _) = signed_in().await;
    let exchange = of(Resource::Exchange);
    server.0.lock().unwrap().issued += 1;
    give_up(&credential, &exchange).await;
    let error = credential.get_token(&of(Resource::Graph).with_fresh()).await.unwrap_err();
    assert!(SignInRequired::is_behind(&error) && error.service_code() == Some("invalid_grant"), "{error:?}");
    assert_eq!(server.redemptions(), 1);

    let (credential, server, _) = signed_in().await;
    give_up(&credential, &exchange).await;
    credential.sign_out();
    sleep(secs(10)).await;
    let error = credential.get_token(&exchange).await.unwrap_err();
    assert!(SignInRequired::is_behind(&error) && credential.signed_in().is_none(), "{error:?}");
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    credential.get_token(&exchange).await.unwrap();
    assert_eq!(server.redemptions(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_does_not_hold_the_session_for_ever() {
    let (credential, server, manual) = signed_in().await;
    let exchange = of(Resource::Exchange);
    server.slow(1_000_000);
    let before = Instant::now();
    let error = credential.get_token(&exchange).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed()), (ErrorKind::Timeout, secs(60)));
    server.slow(1);
    manual.advance(secs(60));
    // This server used the refresh token up, though: what it says now is the truth.
    let error = credential.get_token(&exchange).await.unwrap_err();
    assert!(SignInRequired::is_behind(&error), "{error:?}");
    assert_eq!(before.elapsed(), secs(91));
    assert_eq!(server.redemptions(), 2);
}
