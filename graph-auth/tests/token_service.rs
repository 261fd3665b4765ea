//! The credential against a token endpoint over HTTP, and against scripts on a clock moved by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use graph_auth::{
    ClientSecretCredential, Convergence, ErrorKind, TokenClaims, TokenExpectation, TokenObserver, TokenScope,
    prove_roles, prove_token,
};
use m365_core::testing::{ManualClock, Reply, ScriptedTransport};
use m365_core::{
    ClientId, Cloud, Credential, Resource, RetryPolicy, SharedClock, TenantName, TokenCredential as _,
    TokenRequest, Transport, TransportErrorKind,
};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const SECRET: &str = "Q8~very.hidden+value=";
const TOKEN_PATH: &str = "/0f0e0d0c-0b0a-4908-8706-050403020100/oauth2/v2.0/token";

fn credential(cloud: Cloud) -> ClientSecretCredential {
    ClientSecretCredential::new(
        cloud,
        TenantName::parse(TENANT).unwrap(),
        ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap(),
        SECRET.into(),
    )
    .unwrap()
}

fn at(server: &MockServer) -> Cloud {
    let base: url::Url = server.uri().parse().unwrap();
    Cloud::public().with_base_urls(base.clone(), base.clone(), base)
}

fn manual() -> (ManualClock, SharedClock) {
    let manual = ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap());
    (manual.clone(), SharedClock::new(manual))
}

fn jwt(serial: u32, roles: &[&str]) -> String {
    let payload = serde_json::json!({
        "aud": "https://graph.microsoft.com", "tid": TENANT, "appid": "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d",
        "oid": "11111111-2222-4333-8444-555555555555", "idtyp": "app", "roles": roles, "jti": serial,
    });
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", encode("{}"), encode(&payload.to_string()))
}

fn granted(token: &str) -> Reply {
    Reply::json(200, &serde_json::json!({"access_token": token, "expires_in": 3600}).to_string())
}

const BAD_SECRET: &str = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: t-1 Correlation ID: c-1","error_codes":[7000215],"trace_id":"t-1"}"#;

#[tokio::test]
async fn one_form_goes_over_the_wire_and_serves_fifty_callers() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(TOKEN_PATH))
        .and(body_string_contains("client_secret=Q8%7Every.hidden%2Bvalue%3D&grant_type=client_credentials"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_millis(50)).set_body_string(
            format!(r#"{{"access_token":"{}","expires_in":"3599"}}"#, jwt(1, &["Mail.Read"])),
        ))
        .expect(1)
        .mount(&server)
        .await;
    let credential = Credential::new(credential(at(&server)));
    let request = TokenRequest::new(Resource::Graph);
    let tokens = futures_util::future::join_all((0..50).map(|_| credential.get_token(&request))).await;
    for token in tokens {
        assert_eq!(TokenClaims::read(&token.unwrap()).unwrap().roles, ["Mail.Read"]);
    }
    let sent = &server.received_requests().await.unwrap()[0];
    assert!(sent.url.query().is_none(), "nothing goes into the URL");
    assert!(!format!("{:?}", sent.headers).contains("Q8"));
}

#[tokio::test]
async fn trap_5_retry_after_is_a_floor_and_the_deadline_holds() {
    let (manual, clock) = manual();
    let slow = || Reply::json(429, r#"{"error":"temporarily_unavailable"}"#).header("retry-after", "2");
    let script =
        ScriptedTransport::new().on("POST", TOKEN_PATH, slow()).on("POST", TOKEN_PATH, granted("abc"));
    let patient =
        credential(Cloud::public()).with_transport(Transport::new(script.clone())).with_clock(clock.clone());
    patient.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    assert!(manual.slept() >= Duration::from_secs(2) && manual.slept() < Duration::from_secs(3));
    script.assert_finished();

    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, slow()).on("POST", TOKEN_PATH, slow()).on(
        "POST",
        TOKEN_PATH,
        granted("abc"),
    );
    let hurried = credential(Cloud::public())
        .with_transport(Transport::new(script.clone()))
        .with_clock(clock.clone())
        .with_deadline(Duration::from_secs(3));
    let error = hurried.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 2));
    // Within the time that the server named, no caller sends anything.
    let error = hurried.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert!(error.retry_after().unwrap() <= Duration::from_secs(2));
    assert_eq!(script.requests().len(), 2);
}

#[tokio::test]
async fn trap_5_unavailable_for_ever_ends_in_bounded_time_with_the_attempts() {
    let (manual, clock) = manual();
    let mut script = ScriptedTransport::new();
    for _ in 0..4 {
        script = script.on("POST", TOKEN_PATH, Reply::new(503, "busy"));
    }
    let credential =
        credential(Cloud::public()).with_transport(Transport::new(script.clone())).with_clock(clock);
    let error = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts(), error.operation()),
        (ErrorKind::Unavailable, 4, Some("get token"))
    );
    assert!(manual.slept() < Duration::from_secs(60));
    script.assert_finished();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_left_at_the_deadline() {
    #[derive(Debug)]
    struct Hanging;
    impl m365_core::HttpTransport for Hanging {
        async fn send(
            &self,
            _request: http::Request<bytes::Bytes>,
        ) -> Result<http::Response<m365_core::Body>, m365_core::TransportError> {
            std::future::pending().await
        }
    }
    let credential = credential(Cloud::public())
        .with_transport(Transport::new(Hanging))
        .with_deadline(Duration::from_secs(7));
    let started = tokio::time::Instant::now();
    let error = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn a_refused_secret_is_not_tried_again() {
    let (manual, clock) = manual();
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(401, BAD_SECRET));
    let credential =
        credential(Cloud::public()).with_transport(Transport::new(script.clone())).with_clock(clock);
    let error = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 1));
    assert_eq!((error.service_code(), error.aadsts()), (Some("invalid_client"), &[7_000_215][..]));
    assert_eq!(error.request_id(), Some("t-1"));
    assert_eq!(manual.slept(), Duration::ZERO);
}

#[tokio::test]
async fn a_lost_connection_is_tried_again() {
    let (_, clock) = manual();
    let script = ScriptedTransport::new()
        .on("POST", TOKEN_PATH, Reply::failure(TransportErrorKind::Interrupted))
        .on("POST", TOKEN_PATH, Reply::failure(TransportErrorKind::Timeout))
        .on("POST", TOKEN_PATH, granted("abc"));
    let credential = credential(Cloud::public())
        .with_transport(Transport::new(script.clone()))
        .with_clock(clock)
        .with_retry(RetryPolicy::default().with_max_attempts(3));
    credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    script.assert_finished();
}

#[tokio::test]
async fn trap_8_a_domain_that_moves_to_another_tenant_gives_no_token() {
    let of = |tenant: &str| {
        let payload = serde_json::json!({"tid": tenant, "exp": 1_795_251_600});
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        granted(&format!("{}.{}.c2ln", encode("{}"), encode(&payload.to_string())))
    };
    let path = "/fabrikam.example/oauth2/v2.0/token";
    let (ours, theirs) = ("8c1f3a52-7d4e-4b60-9a1b-2c3d4e5f6071", "00000000-0000-4000-8000-000000000009");
    let mut script = ScriptedTransport::new();
    for tenant in [ours, ours, theirs, ours] {
        script = script.on("POST", path, of(tenant));
    }
    let (_, clock) = manual();
    let credential = credential(Cloud::public()).with_transport(Transport::new(script)).with_clock(clock);
    let request = TokenRequest::new(Resource::Graph)
        .with_tenant(TenantName::parse("fabrikam.example").unwrap())
        .with_fresh();
    for expected in [true, true, false, true] {
        let answer = credential.get_token(&request).await;
        assert_eq!(answer.is_ok(), expected);
        if let Err(error) = answer {
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert!(error.to_string().contains(ours) && error.to_string().contains(theirs), "{error}");
        }
    }
}

#[tokio::test]
async fn trap_7_cp1_is_declared_on_wish_only() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(200).set_body_string(r#"{"access_token":"abc","expires_in":3600}"#),
        )
        .mount(&server)
        .await;
    let plain = credential(at(&server));
    let request = TokenRequest::new(Resource::Graph);
    plain.get_token(&request).await.unwrap();
    let capable = plain.clone().with_continuous_access_evaluation();
    // The token at hand was given to a client that answers no challenge.
    assert!(capable.cached_token(&request).is_none() && plain.cached_token(&request).is_some());
    capable.get_token(&request).await.unwrap();
    let sent = server.received_requests().await.unwrap();
    let claims = |at: usize| {
        let form: Vec<_> = form_urlencoded::parse(&sent[at].body).into_owned().collect();
        form.into_iter().find(|(name, _)| name == "claims").map(|(_, value)| value)
    };
    assert_eq!(claims(0), None);
    assert_eq!(claims(1).as_deref(), Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#));
}

#[tokio::test]
async fn trap_7_claims_go_past_the_cache_and_their_token_serves_later_calls() {
    let (_, clock) = manual();
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, granted("old")).on(
        "POST",
        TOKEN_PATH,
        granted("with-claims"),
    );
    let credential = Credential::new(
        credential(Cloud::public()).with_transport(Transport::new(script.clone())).with_clock(clock),
    );
    let plain = TokenRequest::new(Resource::Graph);
    let old = credential.get_token(&plain).await.unwrap();
    let challenged = plain.clone().with_claims(r#"{"access_token":{}}"#).with_rejected(old);
    for _ in 0..2 {
        assert_eq!(credential.get_token(&challenged).await.unwrap().expose_secret(), "with-claims");
    }
    assert_eq!(credential.get_token(&plain).await.unwrap().expose_secret(), "with-claims");
    let bodies: Vec<_> =
        script.requests().iter().map(|r| String::from_utf8(r.body().to_vec()).unwrap()).collect();
    assert!(!bodies[0].contains("claims=") && bodies[1].contains("&claims=%7B"), "no claims by default");
    script.assert_finished();
}

#[derive(Clone, Default)]
struct Heard(Arc<AtomicU32>, Arc<AtomicU32>);

impl TokenObserver for Heard {
    fn hit(&self, _: &TokenScope<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn minted(&self, scope: &TokenScope<'_>, _: Duration, _: bool) {
        assert_eq!(scope.tenant, TENANT);
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_observer_hears_of_hits_and_mints_by_tenant() {
    let (_, clock) = manual();
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, granted("abc"));
    let observer = Heard::default();
    let credential = Credential::new(
        credential(Cloud::public())
            .with_transport(Transport::new(script))
            .with_clock(clock)
            .with_observer(observer.clone()),
    );
    for _ in 0..3 {
        credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    }
    assert_eq!((observer.0.load(Ordering::Relaxed), observer.1.load(Ordering::Relaxed)), (2, 1));
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&n| n.to_owned()).collect()
}

#[tokio::test]
async fn app_trap_11_a_fresh_token_lacks_the_role_three_times_then_has_it() {
    let (_, clock) = manual();
    let mut script = ScriptedTransport::new().on("POST", TOKEN_PATH, granted(&jwt(0, &["Mail.Send"])));
    for serial in 1..=3 {
        script = script.on("POST", TOKEN_PATH, granted(&jwt(serial, &["Mail.Read"])));
    }
    script = script
        .on("POST", TOKEN_PATH, Reply::json(401, BAD_SECRET))
        .on("POST", TOKEN_PATH, granted(&jwt(4, &["Mail.Send", "User.Read.All"])))
        .on("POST", TOKEN_PATH, granted(&jwt(5, &["Mail.Send"])));
    let credential = Credential::new(
        credential(Cloud::public()).with_transport(Transport::new(script.clone())).with_clock(clock.clone()),
    );
    // A cached token that would prove it at once, and must not.
    credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    let heard = Arc::new(AtomicU32::new(0));
    let counter = heard.clone();
    let convergence = Convergence::new(clock).on_wait(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let proof = prove_roles(
        &credential,
        &Resource::Graph,
        &names(&["Mail.Send"]),
        &names(&["Mail.Read"]),
        &convergence,
    )
    .await
    .unwrap();
    assert_eq!(proof.claims.service_principal.unwrap().to_string(), "11111111-2222-4333-8444-555555555555");
    assert_eq!(proof.extra, ["User.Read.All"]);
    assert_eq!(heard.load(Ordering::Relaxed), 4);
    // The cache was dropped with success.
    credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    script.assert_finished();
}

#[tokio::test]
async fn missing_and_surplus_roles_are_named_at_the_deadline() {
    for (wanted, unwanted, kind, shown) in [
        (names(&["Mail.Send", "Mail.Read"]), names(&[]), ErrorKind::NotReady, "Mail.Send"),
        (names(&["Mail.Read"]), names(&["Calendars.Read"]), ErrorKind::Conflict, "Calendars.Read"),
    ] {
        let (manual, clock) = manual();
        let mut script = ScriptedTransport::new();
        for serial in 0..40 {
            script = script.on("POST", TOKEN_PATH, granted(&jwt(serial, &["Mail.Read", "Calendars.Read"])));
        }
        let credential = Credential::new(
            credential(Cloud::public()).with_transport(Transport::new(script)).with_clock(clock.clone()),
        );
        let convergence = Convergence::new(clock).with_deadline(Duration::from_secs(100));
        let error =
            prove_roles(&credential, &Resource::Graph, &wanted, &unwanted, &convergence).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(shown) && error.attempts() > 3, "{error}");
        assert!(manual.slept() <= Duration::from_secs(100));
    }
}

#[tokio::test]
async fn an_old_credential_that_is_refused_is_not_waited_for() {
    let (manual, clock) = manual();
    let script = ScriptedTransport::new().on("POST", TOKEN_PATH, Reply::json(401, BAD_SECRET));
    let credential = Credential::new(
        credential(Cloud::public()).with_transport(Transport::new(script)).with_clock(clock.clone()),
    );
    let convergence = Convergence::new(clock).with_credential_grace(Duration::ZERO);
    let error = prove_roles(&credential, &Resource::Graph, &[], &[], &convergence).await.unwrap_err();
    assert_eq!((error.kind(), manual.slept()), (ErrorKind::Authentication, Duration::ZERO));
}

#[tokio::test]
async fn a_token_of_another_audience_or_app_proves_nothing() {
    const US: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
    const THEM: &str = "99999999-0d55-4c0b-9a55-0f2f3a4b5c6d";
    const GRAPH: &str = "https://graph.microsoft.com";
    let token = |audience: Option<&str>, app: Option<&str>| {
        let claims = serde_json::json!({"aud": audience, "appid": app, "roles": ["Mail.Read"]});
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, value| !value.is_null());
        let payload = serde_json::to_string(&claims).unwrap();
        format!("e30.{}.c2ln", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload))
    };
    for (audience, app, kind) in [
        (Some(GRAPH), Some(US), None),
        (Some("https://graph.microsoft.com/"), Some(US), None),
        (Some("00000003-0000-0000-c000-000000000000"), Some(US), None),
        (Some("https://outlook.office365.com"), Some(US), Some(ErrorKind::Authentication)),
        (Some("https://graph.microsoft.us"), Some(US), Some(ErrorKind::Authentication)),
        (Some(GRAPH), Some(THEM), Some(ErrorKind::Authentication)),
        (None, Some(US), Some(ErrorKind::InvalidResponse)),
        (Some(GRAPH), None, Some(ErrorKind::InvalidResponse)),
    ] {
        let (manual, clock) = manual();
        let script = ScriptedTransport::new().on("POST", TOKEN_PATH, granted(&token(audience, app)));
        let credential = Credential::new(
            credential(Cloud::public()).with_transport(Transport::new(script)).with_clock(clock.clone()),
        );
        let expected = TokenExpectation::new(&Cloud::public(), &Resource::Graph, US.parse().unwrap());
        let convergence = Convergence::new(clock);
        let result = prove_token(&credential, &expected, &names(&["Mail.Read"]), &[], &convergence).await;
        assert_eq!(result.err().map(|e| e.kind()), kind, "{audience:?} {app:?}");
        assert_eq!(manual.slept(), Duration::ZERO, "no waiting cures it");
    }
}
