use super::*;
use base64::Engine as _;
use proptest::prelude::*;

const TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

fn secret() -> SecretString {
    "~Ab.c+d=e&f%g h".into()
}

fn tenant() -> TenantName {
    TenantName::parse(TENANT).unwrap()
}

fn now() -> jiff::Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn answer(status: u16, content_type: &str, body: &str) -> Result<AccessToken> {
    let response = Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap();
    read(&response, now(), tenant().id(), secret().expose_secret())
}

fn build(secret: &SecretString, claims: Option<&str>) -> Request<Bytes> {
    let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap();
    let agent = HeaderValue::from_static("acme/1");
    let proof = Proof::Secret(Arc::new(secret.clone()));
    request(&Cloud::public(), &tenant(), client, &proof, &Resource::Graph, claims, &agent).unwrap()
}

#[test]
fn the_request_is_the_published_form() {
    let request = build(&"Q8~x.y".into(), None);
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), &format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")[..]);
    assert_eq!(
        request.body(),
        "client_id=6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default\
         &client_secret=Q8%7Ex.y&grant_type=client_credentials"
    );
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(header("accept"), "application/json");
    assert_eq!(header("user-agent"), "acme/1");
    assert_eq!(header("x-ms-lib-capability"), "retry-after, h429");
    assert!(uuid::Uuid::parse_str(&header("client-request-id")).is_ok());
}

#[test]
fn an_assertion_takes_the_place_of_the_secret() {
    let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap();
    let proof = Proof::Assertion("e30.e30.c2ln".into());
    let agent = HeaderValue::from_static("acme/1");
    let request =
        request(&Cloud::china(), &tenant(), client, &proof, &Resource::Exchange, None, &agent).unwrap();
    assert_eq!(
        request.body(),
        "client_id=6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d&scope=https%3A%2F%2Foutlook.office365.cn%2F.default\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion=e30.e30.c2ln&grant_type=client_credentials"
    );
}

#[test]
fn claims_of_a_challenge_are_sent_once_encoded() {
    let request = build(&secret(), Some(r#"{"access_token":{}}"#));
    let fields: Vec<_> = form_urlencoded::parse(request.body()).into_owned().collect();
    assert_eq!(fields.last().unwrap(), &("claims".to_owned(), r#"{"access_token":{}}"#.to_owned()));
}

#[test]
fn trap_9_secrets_with_special_characters_survive_form_encoding() {
    let request = build(&secret(), None);
    let fields: Vec<_> = form_urlencoded::parse(request.body()).into_owned().collect();
    assert!(fields.contains(&("client_secret".to_owned(), "~Ab.c+d=e&f%g h".to_owned())), "{fields:?}");
}

#[test]
fn trap_1_error_bodies_of_every_shape_keep_kind_status_and_text() {
    let crlf = answer(
        401,
        "application/json",
        r#"{"error":"invalid_client","error_description":"AADSTS7000218: The request body must contain \"client_secret\".\r\nTrace ID: 1f\r\nCorrelation ID: 2e","error_codes":[7000218],"trace_id":"1f"}"#,
    )
    .unwrap_err();
    assert_eq!(crlf.kind(), ErrorKind::Authentication);
    assert_eq!(crlf.message(), "AADSTS7000218: The request body must contain \"client_secret\".");
    assert_eq!((crlf.service_code(), crlf.aadsts()), (Some("invalid_client"), &[7_000_218][..]));
    assert_eq!(crlf.request_id(), Some("1f"));
    assert!(!crlf.is_transient());

    let blanks = answer(
        400,
        "application/json",
        r#"{"error":"unauthorized_client","error_description":"AADSTS700016: Application not found. Trace ID: a Correlation ID: b","error_codes":["700016"]}"#,
    )
    .unwrap_err();
    assert_eq!(blanks.message(), "AADSTS700016: Application not found.");
    assert_eq!(blanks.aadsts(), [700_016]);

    for (status, content_type, body, kind, shown) in [
        (403, "text/html", "<html>Blocked by proxy</html>", ErrorKind::InvalidResponse, "Blocked by proxy"),
        (503, "text/plain", "busy", ErrorKind::Unavailable, "busy"),
        (502, "application/json", "", ErrorKind::Unavailable, "(empty)"),
        (401, "application/json", r#"{"error":"invalid_cl"#, ErrorKind::InvalidResponse, "invalid_cl"),
        (200, "text/html", "<p>Sign in to the hotel network</p>", ErrorKind::InvalidResponse, "hotel"),
    ] {
        let error = answer(status, content_type, body).unwrap_err();
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (kind, status), "{error}");
        assert!(error.message().contains(shown), "{error}");
        assert_eq!(error.is_transient(), kind == ErrorKind::Unavailable);
    }
}

#[test]
fn a_good_answer_with_an_odd_content_type_is_good() {
    let token = answer(200, "text/html", r#"{"access_token":"opaque","expires_in":60}"#).unwrap();
    assert_eq!(token.expose_secret(), "opaque");
}

#[test]
fn trap_2_expires_in_as_text_negative_missing() {
    let life = |body: &str| {
        answer(200, "application/json", body).map(|t| t.expires_on().as_second() - now().as_second())
    };
    assert_eq!(life(r#"{"access_token":"a","expires_in":"3599"}"#).unwrap(), 3599);
    assert_eq!(life(r#"{"access_token":"a","expires_in":3599,"ext_expires_in":"x"}"#).unwrap(), 3599);
    let on = now().as_second() + 90;
    assert_eq!(life(&format!(r#"{{"access_token":"a","expires_on":"{on}"}}"#)).unwrap(), 90);
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{on}}}"));
    assert_eq!(life(&format!(r#"{{"access_token":"e30.{payload}.s"}}"#)).unwrap(), 90);
    for bad in [
        r#"{"access_token":"a","expires_in":-5}"#,
        r#"{"access_token":"a"}"#,
        r#"{"access_token":"a","expires_in":[]}"#,
    ] {
        assert_eq!(life(bad).unwrap_err().kind(), ErrorKind::InvalidResponse);
    }
    assert!(life(r#"{"access_token":"a","expires_in":1e300}"#).is_err());
}

#[test]
fn refresh_in_is_taken_over() {
    let token =
        answer(200, "x/y", r#"{"access_token":"a","expires_in":86400,"refresh_in":"43200"}"#).unwrap();
    assert_eq!(token.refresh_on().unwrap().as_second() - now().as_second(), 43_200);
}

#[test]
fn trap_8_a_token_of_another_tenant_is_refused() {
    let token = |tid: &str| {
        let payload =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{{\"tid\":\"{tid}\"}}"));
        answer(200, "x/y", &format!(r#"{{"access_token":"e30.{payload}.s","expires_in":60}}"#))
    };
    assert!(token(TENANT).is_ok());
    let error = token("99999999-0b0a-4908-8706-050403020100").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("99999999"), "{error}");
}

#[test]
fn a_redirect_is_neither_a_token_nor_the_token_services_refusal() {
    for body in ["", r#"{"access_token":"a","expires_in":60}"#, r#"{"error":"invalid_client"}"#] {
        for status in [300, 302, 304] {
            let error = answer(status, "x/y", body).unwrap_err();
            assert_eq!(
                (error.kind(), error.is_transient()),
                (ErrorKind::InvalidResponse, false),
                "{status} {body}"
            );
        }
    }
}

#[test]
fn only_status_and_error_decide_whether_it_passes() {
    for (status, error, transient) in [
        (400, "temporarily_unavailable", true),
        (429, "invalid_client", true),
        (503, "whatever", true),
        (400, "invalid_request", false),
        (401, "invalid_client", false),
        (400, "something_new", false),
    ] {
        // 90033 means "transient" today; it must not matter.
        let body = format!(r#"{{"error":"{error}","error_codes":[90033]}}"#);
        assert_eq!(answer(status, "x/y", &body).unwrap_err().is_transient(), transient, "{status} {error}");
    }
}

#[test]
fn an_answer_that_echoes_the_secret_or_holds_a_token_is_withheld() {
    for body in ["<p>you sent ~Ab.c+d=e&f%g h", "<p>%7EAb.c%2Bd%3De%26f%25g+h", r#"{"access_token":"abc"#] {
        let error = answer(403, "text/html", body).unwrap_err();
        assert!(error.message().ends_with("(withheld)"), "{error}");
        let error = answer(200, "text/html", body).unwrap_err();
        assert!(error.message().ends_with("(withheld)"), "{error}");
    }
}

proptest! {
    #[test]
    fn no_answer_panics(status in 200u16..600, body in ".*") {
        let _read = answer(status, "application/json", &body);
    }

    #[test]
    fn every_secret_survives(text in "[ -~äß€]{1,64}") {
        let request = build(&text.clone().into(), None);
        let sent = form_urlencoded::parse(request.body()).find(|(name, _)| name == "client_secret").unwrap().1.into_owned();
        prop_assert_eq!(sent, text);
    }
}

#[test]
fn trap_7_the_capability_is_off_by_default_and_joins_a_challenge() {
    assert_eq!(claims(None, false), None);
    let challenge = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    assert_eq!(claims(Some(challenge), false).unwrap(), challenge);
    let alone: Value = serde_json::from_str(&claims(None, true).unwrap()).unwrap();
    assert_eq!(alone, json!({"access_token": {"xms_cc": {"values": ["cp1"]}}}));
    let both: Value = serde_json::from_str(&claims(Some(challenge), true).unwrap()).unwrap();
    assert_eq!(
        both,
        json!({"access_token": {"nbf": {"essential": true, "value": "1604106651"}, "xms_cc": {"values": ["cp1"]}}})
    );
    let other: Value = serde_json::from_str(&claims(Some(r#"{"id_token":{}}"#), true).unwrap()).unwrap();
    assert_eq!(other, json!({"id_token": {}, "access_token": {"xms_cc": {"values": ["cp1"]}}}));
    for odd in ["[]", "7", r#"{"access_token":null}"#] {
        assert_eq!(claims(Some(odd), true).unwrap(), odd);
    }
}

#[test]
fn trap_11_a_refusal_that_repeats_the_secret_is_told_without_it() {
    let hidden = "Q8~se cret+of=app";
    for body in [
        json!({"error": "invalid_client", "error_description": format!("AADSTS7000215: {hidden} is wrong")}),
        json!({"error": "invalid_client", "error_description": "got Q8%7Ese+cret%2Bof%3Dapp", "error_codes": [7_000_215]}),
        json!({"error": hidden, "trace_id": hidden}),
    ] {
        let response = Response::builder().status(401).body(Bytes::from(body.to_string())).unwrap();
        let error = refused(&response, jiff::Timestamp::UNIX_EPOCH, hidden);
        let all = format!("{error} {error:?}");
        assert!(!all.contains(hidden) && !all.contains("Q8%7E"), "{all}");
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Authentication, 401));
    }
    let response = Response::builder()
        .status(401)
        .body(Bytes::from_static(
            br#"{"error":"invalid_client","error_description":"AADSTS7000215: no. Trace ID: 1"}"#,
        ))
        .unwrap();
    assert_eq!(refused(&response, jiff::Timestamp::UNIX_EPOCH, hidden).message(), "AADSTS7000215: no.");
}
