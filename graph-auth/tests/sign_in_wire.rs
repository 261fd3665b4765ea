//! The administrator's sign-in against scripts on a clock moved by hand, and against a token endpoint over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use graph_auth::{
    AuthorizationCodeCredential, DeviceCodeCredential, ErrorKind, LoopbackHost, SignIn, SignInRequired,
    SignInTenant,
};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    ClientId, Cloud, Credential, Resource, RetryPolicy, SharedClock, TenantId, TenantName,
    TokenCredential as _, TokenRequest, Transport, TransportErrorKind,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const OTHER: &str = "99999999-0b0a-4908-8706-050403020100";
const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
const DEVICE_PATH: &str = "/0f0e0d0c-0b0a-4908-8706-050403020100/oauth2/v2.0/devicecode";
const TOKEN_PATH: &str = "/0f0e0d0c-0b0a-4908-8706-050403020100/oauth2/v2.0/token";
const STARTED: &str = r#"{"user_code":"BCDF2345","device_code":"HAQAB-hidden-device","verification_uri":"https://login.example/device","expires_in":900,"interval":5,"message":"go there"}"#;

fn tenant() -> TenantName {
    TenantName::parse(TENANT).unwrap()
}

fn client() -> ClientId {
    ClientId::parse(CLIENT).unwrap()
}

fn manual() -> (ManualClock, SharedClock) {
    let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    (manual.clone(), SharedClock::new(manual))
}

fn jwt(serial: u32, tid: &str) -> String {
    let payload = serde_json::json!({
        "aud": "https://graph.microsoft.com", "tid": tid, "appid": CLIENT, "upn": "ada@contoso.example",
        "oid": "11111111-2222-4333-8444-555555555555", "scp": "User.Read Application.ReadWrite.All", "jti": serial,
    });
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", encode("{}"), encode(&payload.to_string()))
}

fn granted(serial: u32, refresh: &str) -> Reply {
    granted_in(TENANT, serial, refresh)
}

fn granted_in(tid: &str, serial: u32, refresh: &str) -> Reply {
    let body = serde_json::json!({
        "access_token": jwt(serial, tid), "expires_in": 3600, "refresh_token": refresh,
    });
    Reply::json(200, &body.to_string())
}

fn refused(error: &str) -> Reply {
    let body = serde_json::json!({"error": error, "error_description": "AADSTS70016: no\r\nTrace ID: t-1"});
    Reply::json(400, &body.to_string())
}

fn device(script: &ScriptedTransport, clock: &SharedClock) -> DeviceCodeCredential {
    DeviceCodeCredential::new(Cloud::public(), tenant(), client())
        .with_transport(Transport::new(script.clone()))
        .with_clock(clock.clone())
        .with_retry(RetryPolicy::default().with_max_attempts(2))
}

/// Signs in by a script that begins with the three calls of a device flow.
async fn signed_in(
    rest: impl FnOnce(ScriptedTransport) -> ScriptedTransport,
) -> (DeviceCodeCredential, ScriptedTransport, ManualClock) {
    let script = ScriptedTransport::new().on("POST", DEVICE_PATH, Reply::json(200, STARTED)).on(
        "POST",
        TOKEN_PATH,
        granted(1, "0.first-refresh"),
    );
    let script = rest(script);
    let (manual, clock) = manual();
    let credential = device(&script, &clock);
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    (credential, script, manual)
}

fn form(request: &http::Request<bytes::Bytes>) -> BTreeMap<String, String> {
    form_urlencoded::parse(request.body()).into_owned().collect()
}

#[tokio::test]
async fn trap_12_pending_slow_down_and_failures_only_make_the_polls_rarer() {
    let (manual, clock) = manual();
    let script = ScriptedTransport::new()
        .on("POST", DEVICE_PATH, Reply::failure(TransportErrorKind::NotSent))
        .on("POST", DEVICE_PATH, Reply::json(200, STARTED))
        .on("POST", TOKEN_PATH, refused("authorization_pending"))
        .on("POST", TOKEN_PATH, refused("slow_down"))
        .on("POST", TOKEN_PATH, Reply::failure(TransportErrorKind::Interrupted))
        .on("POST", TOKEN_PATH, Reply::json(429, "{}").header("retry-after", "55"))
        .on("POST", TOKEN_PATH, Reply::new(503, "busy"))
        .on("POST", TOKEN_PATH, refused("authorization_pending"))
        .on("POST", TOKEN_PATH, granted(1, "0.first-refresh"));
    let credential = device(&script, &clock);
    let mut shown = None;
    let who = credential
        .sign_in(&Resource::Graph, |prompt| {
            shown = Some((prompt.clone(), manual.slept()));
        })
        .await
        .unwrap();
    script.assert_finished();
    let (prompt, before) = shown.unwrap();
    assert_eq!((prompt.user_code.as_str(), prompt.message.as_str()), ("BCDF2345", "go there"));
    let answered = "2026-11-21T08:00:00Z".parse::<jiff::Timestamp>().unwrap() + before;
    assert_eq!(prompt.expires_on, answered + Duration::from_secs(900));
    // 5; pending: 5; slow_down: 10; broken: 20; 429: the 55 s asked for; 503: 60 at most; pending: 10.
    assert_eq!(manual.slept() - before, Duration::from_secs(5 + 5 + 10 + 20 + 55 + 60 + 10));
    assert_eq!(who.username.as_deref(), Some("ada@contoso.example"));
    assert_eq!(who.tenant, Some(TenantId::parse(TENANT).unwrap()));
    assert_eq!(who.scopes, ["User.Read", "Application.ReadWrite.All"]);

    let requests = script.requests();
    assert_eq!(form(&requests[1])["scope"], "https://graph.microsoft.com/.default offline_access");
    let poll = form(&requests[2]);
    assert_eq!(poll["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!(poll["device_code"], "HAQAB-hidden-device");
    // The token of the sign-in is in the cache.
    let credential = Credential::new(credential);
    credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
}

#[tokio::test]
async fn trap_12_declined_expired_and_forgotten_codes_are_typed() {
    for (error, kind) in [
        ("authorization_declined", ErrorKind::Authentication),
        ("access_denied", ErrorKind::Authentication),
        ("expired_token", ErrorKind::Timeout),
        ("bad_verification_code", ErrorKind::Timeout),
    ] {
        let script = ScriptedTransport::new()
            .on("POST", DEVICE_PATH, Reply::json(200, STARTED))
            .on("POST", TOKEN_PATH, refused("authorization_pending"))
            .on("POST", TOKEN_PATH, refused(error));
        let (_, clock) = manual();
        let seen = device(&script, &clock).sign_in(&Resource::Graph, |_| {}).await.unwrap_err();
        assert_eq!((seen.kind(), seen.service_code(), seen.attempts()), (kind, Some(error), 2));
        assert_eq!(seen.operation(), Some("sign in"));
        assert!(!seen.is_transient() && !format!("{seen:?}").contains("hidden-device"), "{seen:?}");
    }
}

#[tokio::test]
async fn trap_12_nobody_polls_past_the_promised_life() {
    let short = STARTED.replace("900", "12");
    let script = ScriptedTransport::new()
        .on("POST", DEVICE_PATH, Reply::json(200, &short))
        .on("POST", TOKEN_PATH, refused("authorization_pending"))
        .on("POST", TOKEN_PATH, refused("authorization_pending"));
    let (manual, clock) = manual();
    let error = device(&script, &clock).sign_in(&Resource::Graph, |_| {}).await.unwrap_err();
    script.assert_finished();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Timeout, Some("expired_token")));
    assert_eq!(manual.slept(), Duration::from_secs(10));
}

#[tokio::test]
async fn no_call_starts_a_sign_in_and_a_failure_before_one_is_not_remembered() {
    let script = ScriptedTransport::new();
    let (_, clock) = manual();
    let credential = device(&script, &clock);
    for resource in [Resource::Graph, Resource::Exchange] {
        let error = credential.get_token(&TokenRequest::new(resource)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(SignInRequired::is_behind(&error) && !error.is_transient());
    }
    assert!(script.requests().is_empty());
    let script = ScriptedTransport::new()
        .on("POST", DEVICE_PATH, Reply::json(200, STARTED))
        .on("POST", TOKEN_PATH, granted(1, "0.a"))
        .on("POST", TOKEN_PATH, granted(2, "0.b"));
    let credential = credential.with_transport(Transport::new(script));
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap();
}

#[tokio::test]
async fn one_refresh_token_serves_every_resource_and_is_replaced() {
    let (credential, script, _) = signed_in(|s| {
        s.on("POST", TOKEN_PATH, granted(2, "0.second-refresh"))
            .on("POST", TOKEN_PATH, granted(3, "0.third-refresh"))
            .on("POST", TOKEN_PATH, granted(4, ""))
            .on("POST", TOKEN_PATH, granted(5, "0.fourth-refresh"))
    })
    .await;
    let exchange = TokenRequest::new(Resource::Exchange);
    credential.get_token(&exchange).await.unwrap();
    credential.get_token(&exchange).await.unwrap();
    credential.get_token(&exchange.clone().with_fresh()).await.unwrap();
    credential
        .get_token(&TokenRequest::new(Resource::Graph).with_claims(r#"{"access_token":{}}"#))
        .await
        .unwrap();
    credential.get_token(&exchange.with_fresh()).await.unwrap();
    script.assert_finished();
    let sent: Vec<_> = script.requests()[2..].iter().map(form).collect();
    let tokens: Vec<&str> = sent.iter().map(|f| f["refresh_token"].as_str()).collect();
    // An answer without a new one leaves the old one in place.
    assert_eq!(tokens, ["0.first-refresh", "0.second-refresh", "0.third-refresh", "0.third-refresh"]);
    assert_eq!(sent[0]["scope"], "https://outlook.office365.com/.default offline_access");
    assert_eq!(sent[2]["claims"], r#"{"access_token":{}}"#);
    assert!(sent.iter().all(|f| f["client_id"] == CLIENT && f["grant_type"] == "refresh_token"));
}

#[tokio::test]
async fn a_dead_refresh_token_is_dropped_and_the_person_is_asked_for() {
    let bad = r#"{"error":"invalid_grant","suberror":"bad_token","error_description":"AADSTS50173: revoked. Trace ID: t-9","error_codes":[50173],"trace_id":"t-9"}"#;
    let (credential, script, manual) = signed_in(|s| {
        s.on("POST", TOKEN_PATH, Reply::json(400, bad))
            .on("POST", DEVICE_PATH, Reply::json(200, STARTED))
            .on("POST", TOKEN_PATH, granted(7, "0.new-refresh"))
            .on("POST", TOKEN_PATH, granted(8, "0.newer-refresh"))
    })
    .await;
    let exchange = TokenRequest::new(Resource::Exchange);
    let error = credential.get_token(&exchange).await.unwrap_err();
    assert!(SignInRequired::is_behind(&error), "{error:?}");
    assert_eq!((error.service_code(), error.request_id()), (Some("invalid_grant"), Some("t-9")));
    assert!(error.message().contains("sign in again") && !error.is_transient());
    assert_eq!(credential.signed_in(), None);
    // What is still valid serves on; what needs the person fails without a request.
    credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    manual.advance(Duration::from_secs(61));
    assert!(SignInRequired::is_behind(&credential.get_token(&exchange).await.unwrap_err()));
    assert_eq!(script.requests().len(), 3);
    // A later caller who shares the failure can tell, too.
    assert!(SignInRequired::is_behind(&credential.get_token(&exchange).await.unwrap_err()));

    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    credential.get_token(&exchange).await.unwrap();
    script.assert_finished();
}

#[tokio::test]
async fn a_resource_that_wants_the_person_leaves_the_others_alone() {
    let consent = r#"{"error":"invalid_grant","suberror":"consent_required","error_description":"AADSTS65001: no consent"}"#;
    let (credential, script, _) = signed_in(|s| {
        s.on("POST", TOKEN_PATH, Reply::json(400, consent)).on("POST", TOKEN_PATH, granted(2, "0.b"))
    })
    .await;
    let error = credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap_err();
    assert!(SignInRequired::is_behind(&error));
    assert!(credential.signed_in().is_some());
    credential.get_token(&TokenRequest::new(Resource::Graph).with_fresh()).await.unwrap();
    script.assert_finished();
}

#[tokio::test]
async fn signing_out_or_in_anew_forgets_the_former_persons_tokens() {
    let (credential, script, _) = signed_in(|s| {
        s.on("POST", TOKEN_PATH, granted(2, "0.b"))
            .on("POST", DEVICE_PATH, Reply::json(200, STARTED))
            .on("POST", TOKEN_PATH, granted(3, "0.c"))
            .on("POST", TOKEN_PATH, granted(4, "0.d"))
    })
    .await;
    let (graph, exchange) = (TokenRequest::new(Resource::Graph), TokenRequest::new(Resource::Exchange));
    let before = credential.get_token(&exchange).await.unwrap();
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    assert_ne!(credential.get_token(&exchange).await.unwrap(), before);
    credential.sign_out();
    for request in [&graph, &exchange] {
        assert!(SignInRequired::is_behind(&credential.get_token(request).await.unwrap_err()));
    }
    script.assert_finished();
}

#[tokio::test]
async fn organizations_is_pinned_to_the_tenant_of_the_sign_in() {
    let (device_path, token_path) =
        ("/organizations/oauth2/v2.0/devicecode", "/organizations/oauth2/v2.0/token");
    let script = ScriptedTransport::new()
        .on("POST", device_path, Reply::json(200, STARTED))
        .on("POST", token_path, granted(1, "0.a"))
        .on("POST", TOKEN_PATH, granted_in(OTHER, 2, "0.b"))
        .on("POST", &TOKEN_PATH.replace(TENANT, OTHER), granted_in(OTHER, 3, "0.b"));
    let (_, clock) = manual();
    let credential = DeviceCodeCredential::new(Cloud::public(), SignInTenant::Organizations, client())
        .with_transport(Transport::new(script.clone()))
        .with_clock(clock);
    let who = credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    assert_eq!(who.tenant.unwrap().to_string(), TENANT);
    // A token of another tenant is refused, unless the request names that one.
    let exchange = TokenRequest::new(Resource::Exchange);
    let error = credential.get_token(&exchange).await.unwrap_err();
    assert!(error.message().contains(OTHER), "{error}");
    credential.get_token(&exchange.with_tenant(TenantName::parse(OTHER).unwrap())).await.unwrap();
    script.assert_finished();
}

#[tokio::test]
async fn trap_8_a_sign_in_of_another_tenant_is_refused() {
    let script = ScriptedTransport::new().on("POST", DEVICE_PATH, Reply::json(200, STARTED)).on(
        "POST",
        TOKEN_PATH,
        granted_in(OTHER, 1, "0.a"),
    );
    let (_, clock) = manual();
    let credential = device(&script, &clock);
    let error = credential.sign_in(&Resource::Graph, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(credential.signed_in(), None);
}

#[tokio::test]
async fn trap_16_a_refresh_token_never_follows_a_redirect() {
    let elsewhere = MockServer::start().await;
    let server = MockServer::start().await;
    Mock::given(path(DEVICE_PATH))
        .respond_with(ResponseTemplate::new(200).set_body_string(STARTED))
        .mount(&server)
        .await;
    Mock::given(body_string_contains("device_code="))
        .respond_with(ResponseTemplate::new(200).set_body_string(
            serde_json::json!({"access_token": jwt(1, TENANT), "expires_in": 3600, "refresh_token": "0.hidden"})
                .to_string(),
        ))
        .mount(&server)
        .await;
    Mock::given(body_string_contains("refresh_token="))
        .respond_with(ResponseTemplate::new(307).insert_header("location", elsewhere.uri()))
        .mount(&server)
        .await;
    let base: Url = server.uri().parse().unwrap();
    let (_, clock) = manual();
    let credential = DeviceCodeCredential::new(
        Cloud::public().with_base_urls(base.clone(), base.clone(), base),
        tenant(),
        client(),
    )
    .with_clock(clock);
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    let error = credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 307);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    assert!(credential.signed_in().is_some(), "a gateway's page ends no session");
}

#[tokio::test]
async fn trap_11_no_token_shows_anywhere() {
    let echo = r#"{"error":"invalid_grant","error_description":"the token 0.first-refresh is dead"}"#;
    let (credential, _, _) = signed_in(|s| s.on("POST", TOKEN_PATH, Reply::json(400, echo))).await;
    let error = credential.get_token(&TokenRequest::new(Resource::Exchange)).await.unwrap_err();
    let shown = format!("{credential:?} {error:?} {error} {:?}", credential.signed_in());
    assert!(!shown.contains("first-refresh") && !shown.contains("eyJ"), "{shown}");
    assert!(shown.contains(CLIENT));
}

#[tokio::test]
async fn a_refresh_that_is_under_way_is_redeemed_once_and_hits_do_not_wait() {
    let server = MockServer::start().await;
    let refreshes = Arc::new(AtomicU32::new(0));
    Mock::given(path(DEVICE_PATH))
        .respond_with(ResponseTemplate::new(200).set_body_string(STARTED))
        .mount(&server)
        .await;
    let counter = refreshes.clone();
    Mock::given(method("POST"))
        .and(path(TOKEN_PATH))
        .respond_with(move |request: &wiremock::Request| {
            let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
            let n = match form.get("refresh_token") {
                // A server that rotates: each refresh token serves once, in order.
                Some(sent) => {
                    let n = counter.fetch_add(1, Ordering::SeqCst) + 1;
                    assert_eq!(sent, &format!("0.r{n}"));
                    n + 1
                }
                None => 1,
            };
            let body = serde_json::json!({
                "access_token": jwt(n, TENANT), "expires_in": 3600, "refresh_token": format!("0.r{n}"),
            });
            let delay = if n > 1 { 150 } else { 0 };
            ResponseTemplate::new(200)
                .set_body_string(body.to_string())
                .set_delay(Duration::from_millis(delay))
        })
        .mount(&server)
        .await;
    let base: Url = server.uri().parse().unwrap();
    let (_, clock) = manual();
    let credential = DeviceCodeCredential::new(
        Cloud::public().with_base_urls(base.clone(), base.clone(), base),
        tenant(),
        client(),
    )
    .with_clock(clock);
    credential.sign_in(&Resource::Graph, |_| {}).await.unwrap();
    let credential = Credential::new(credential);
    let others: Vec<TokenRequest> = (0..20)
        .map(|n| match n % 2 {
            0 => TokenRequest::new(Resource::Exchange),
            _ => TokenRequest::new(Resource::Other("https://manage.office.com".into())),
        })
        .collect();
    let all = futures_util::future::join_all(others.iter().map(|request| credential.get_token(request)));
    let hit = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let started = std::time::Instant::now();
        credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
        started.elapsed()
    };
    let (tokens, waited) = tokio::join!(all, hit);
    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(refreshes.load(Ordering::SeqCst), 2, "one for each resource, one after the other");
    assert!(waited < Duration::from_millis(100), "{waited:?}");
}

// The browser's part.

async fn raw(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(port: u16, target: &str) -> String {
    raw(port, &format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")).await
}

fn parameter(address: &Url, name: &str) -> String {
    address.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned()).unwrap()
}

fn port(address: &Url) -> u16 {
    parameter(address, "redirect_uri").parse::<Url>().unwrap().port().unwrap()
}

/// Signs in with a browser that does `browse` with the address.
async fn browse<F, Fut>(
    credential: AuthorizationCodeCredential,
    browse: F,
) -> (graph_auth::Result<SignIn>, AuthorizationCodeCredential)
where
    F: FnOnce(Url) -> Fut,
    Fut: Future<Output = ()>,
{
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sign_in = credential.sign_in(&Resource::Graph, |address| {
        sender.send(address.clone()).unwrap();
        Ok(())
    });
    let (result, ()) = tokio::join!(sign_in, async { browse(receiver.await.unwrap()).await });
    (result, credential)
}

fn code_flow(script: &ScriptedTransport) -> AuthorizationCodeCredential {
    AuthorizationCodeCredential::new(Cloud::public(), tenant(), client())
        .with_transport(Transport::new(script.clone()))
        .with_clock(manual().1)
        .with_retry(RetryPolicy::default().with_max_attempts(3))
}

#[tokio::test]
async fn the_browser_brings_the_code_and_strangers_bring_nothing() {
    let script = ScriptedTransport::new()
        .on("POST", TOKEN_PATH, Reply::failure(TransportErrorKind::NotSent))
        .on("POST", TOKEN_PATH, granted(1, "0.a"));
    let credential = code_flow(&script)
        .with_scopes(&Resource::Graph, ["Application.ReadWrite.All"])
        .unwrap()
        .with_login_hint("ada@contoso.example");
    let mut asked = None;
    let (result, credential) = browse(credential, async |address| {
        let (port, state) = (port(&address), parameter(&address, "state"));
        // Browsers connect ahead of need and ask for an icon; other pages and programs try their luck.
        let _idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert!(get(port, "/favicon.ico").await.starts_with("HTTP/1.1 404"));
        let injected = get(port, "/?code=stolen&state=%3Cscript%3Ealert(1)%3C/script%3E").await;
        assert!(injected.starts_with("HTTP/1.1 400") && !injected.contains("script>"), "{injected}");
        let rebound = format!("GET /?code=x&state={state} HTTP/1.1\r\nHost: attacker.example:{port}\r\n\r\n");
        assert!(raw(port, &rebound).await.starts_with("HTTP/1.1 421"));
        let huge = format!("GET /?{} HTTP/1.1\r\n", "x".repeat(17 * 1024));
        assert!(raw(port, &huge).await.starts_with("HTTP/1.1 431"));
        assert!(raw(port, "\0\u{1}\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        let page = get(port, &format!("/?code=the-code&state={state}&session_state=s")).await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("default-src 'none'"), "{page}");
        assert!(!page.contains("the-code") && !page.contains(&state));
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is closed");
        asked = Some(address);
    })
    .await;
    assert_eq!(result.unwrap().username.as_deref(), Some("ada@contoso.example"));
    script.assert_finished();
    let address = asked.unwrap();
    assert!(
        address
            .as_str()
            .starts_with(&format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize?"))
    );
    for (name, value) in [
        ("response_type", "code"),
        ("response_mode", "query"),
        ("code_challenge_method", "S256"),
        ("scope", "https://graph.microsoft.com/Application.ReadWrite.All offline_access"),
        ("login_hint", "ada@contoso.example"),
    ] {
        assert_eq!(parameter(&address, name), value);
    }
    let sent = form(&script.requests()[1]);
    assert_eq!((sent["grant_type"].as_str(), sent["code"].as_str()), ("authorization_code", "the-code"));
    assert_eq!(sent["redirect_uri"], parameter(&address, "redirect_uri"));
    let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sent["code_verifier"].as_bytes());
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(challenge);
    assert_eq!(challenge, parameter(&address, "code_challenge"));
    assert!(!address.as_str().contains(&sent["code_verifier"]));
    credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
}

#[tokio::test]
async fn the_person_or_entra_says_no() {
    let script = ScriptedTransport::new();
    let (result, _) = browse(code_flow(&script), async |address| {
        let state = parameter(&address, "state");
        let target = format!("/?error=access_denied&error_description=AADSTS65004%3A+declined&state={state}");
        let page = get(port(&address), &target).await;
        assert!(page.starts_with("HTTP/1.1 200") && !page.contains("AADSTS65004"));
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::Authentication, Some("access_denied")));
    assert!(error.message().contains("AADSTS65004: declined"), "{error}");
}

#[tokio::test]
async fn a_code_whose_answer_was_lost_is_not_sent_again() {
    let script =
        ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::failure(TransportErrorKind::Interrupted));
    let (result, credential) = browse(code_flow(&script), async |address| {
        let state = parameter(&address, "state");
        get(port(&address), &format!("/?code=c&state={state}")).await;
    })
    .await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Network);
    assert_eq!(script.requests().len(), 1);
    assert_eq!(credential.signed_in(), None);
}

#[tokio::test]
async fn waiting_for_the_browser_ends_and_so_does_a_browser_that_does_not_open() {
    let script = ScriptedTransport::new();
    let credential = code_flow(&script).with_patience(Duration::from_millis(50));
    let error = credential.sign_in(&Resource::Graph, |_| Ok(())).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Timeout, false));
    let failing = |_: &Url| Err(graph_auth::Error::new(ErrorKind::Unsupported, "no browser"));
    let error = credential.sign_in(&Resource::Graph, failing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn the_redirect_address_is_the_registered_one() {
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, granted(1, "0.a"));
    let credential = code_flow(&script).with_redirect(LoopbackHost::Ipv4, "/callback").unwrap();
    let (result, _) = browse(credential, async |address| {
        let (port, state) = (port(&address), parameter(&address, "state"));
        assert_eq!(parameter(&address, "redirect_uri"), format!("http://127.0.0.1:{port}/callback"));
        assert!(get(port, &format!("/?code=c&state={state}")).await.starts_with("HTTP/1.1 404"));
        get(port, &format!("/callback?code=c&state={state}")).await;
    })
    .await;
    result.unwrap();
    for bad in ["callback", "/a b", "/a?b", "/a\r\nb"] {
        assert!(
            code_flow(&ScriptedTransport::new()).with_redirect(LoopbackHost::Ipv4, bad).is_err(),
            "{bad:?}"
        );
    }
}
