use base64::Engine as _;
use ews_client::{ErrorKind, EwsClient, EwsCredential, EwsEndpoint};
use m365_core::testing::Reply;
use m365_core::{Cloud, Credential, Resource};

use crate::help::*;

fn unauthorized(schemes: &[&str]) -> Reply {
    schemes.iter().fold(Reply::new(401, ""), |reply, scheme| reply.header("www-authenticate", scheme))
}

fn basic() -> EwsCredential {
    EwsCredential::basic(r"FABRIKAM\svc-calendar", "pass:wörd".into())
}

#[tokio::test]
async fn a_401_is_worth_one_new_token() {
    let bench = Bench::new([unauthorized(&["Bearer"]), ok()]);
    bench.succeeds().await;
    assert_eq!(bench.header(1, "authorization").as_deref(), Some("Bearer token-2"));
    let bench = Bench::new([unauthorized(&["Bearer"]), unauthorized(&["Bearer"])]);
    let error = bench.fails().await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 2));
}

#[tokio::test]
async fn a_claims_challenge_is_answered_once() {
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
    let encoded = base64::engine::general_purpose::STANDARD.encode(claims);
    let challenge =
        || unauthorized(&[&format!(r#"Bearer realm="", error="insufficient_claims", claims="{encoded}""#)]);
    let bench = Bench::new([challenge(), ok()]);
    bench.succeeds().await;
    assert_eq!(bench.tokens.0.lock().unwrap()[1].claims.as_deref(), Some(claims));
    assert_eq!(Bench::new([challenge(), challenge()]).fails().await.attempts(), 2);
}

#[tokio::test]
async fn trap_02_a_scheme_that_is_not_ours_is_named_and_not_tried_again() {
    for schemes in
        [&["Negotiate", "NTLM", r#"Basic realm="mail, and more""#][..], &["Negotiate, NTLM, Basic realm=x"]]
    {
        let error = Bench::new([unauthorized(schemes)]).fails().await;
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 1));
        assert_eq!(error.message(), "the server does not take Bearer: it offers Negotiate, NTLM, Basic");
    }
}

#[tokio::test]
async fn what_a_401_says_of_the_token_is_diagnosed() {
    let audience = r#"2000003;reason="The hostname component of the audience claim value is invalid.""#;
    let refusal = || unauthorized(&["Bearer"]).header("x-ms-diagnostics", audience);
    assert_eq!(Bench::new([refusal(), refusal()]).fails().await.diagnosis().id(), "EWS-401-AUDIENCE");
}

#[tokio::test]
async fn a_password_goes_into_each_request_and_nowhere_else() {
    let bench = Bench::of(basic(), [ok()], |b| b);
    bench.succeeds().await;
    let sent = bench.header(0, "authorization").unwrap();
    let decoded =
        base64::engine::general_purpose::STANDARD.decode(sent.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(decoded).unwrap(), r"FABRIKAM\svc-calendar:pass:wörd");
    assert!(bench.script.requests()[0].headers()["authorization"].is_sensitive());
    for text in [format!("{:?}", basic()), format!("{:?}", bench.client)] {
        assert!(!text.contains("wörd") && !text.contains(&sent[6..]), "{text}");
    }
}

#[tokio::test]
async fn exchange_throttles_by_401_too_so_a_password_is_tried_once_more() {
    Bench::of(basic(), [unauthorized(&["Basic realm=\"x\""]), ok()], |b| b).succeeds().await;
    let twice = [unauthorized(&["Basic"]), unauthorized(&["Basic"])];
    assert_eq!(Bench::of(basic(), twice, |b| b).fails().await.attempts(), 2);
    let error = Bench::of(basic(), [unauthorized(&["Negotiate"])], |b| b).fails().await;
    assert!(error.message().contains("does not take Basic: it offers Negotiate"), "{error}");
}

#[tokio::test]
async fn a_locked_account_is_left_alone() {
    let locked =
        Reply::new(401, "The referenced account is currently locked out").header("www-authenticate", "Basic");
    let error = Bench::of(basic(), [locked], |b| b).fails().await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Authentication, 1));
}

fn built(endpoint: EwsEndpoint, credential: EwsCredential) -> ews_client::Result<EwsClient> {
    let transport = m365_core::Transport::new(m365_core::testing::ScriptedTransport::new());
    EwsClient::builder(endpoint, credential).transport(transport).build()
}

#[test]
fn a_password_is_refused_for_exchange_online_before_it_is_sent() {
    for cloud in [Cloud::public(), Cloud::china()] {
        let error = built(EwsEndpoint::online(&cloud), basic()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains("Exchange Online refuses Basic"), "{error}");
    }
    // By whichever way the address came.
    let found =
        EwsEndpoint::on_premises("https://outlook.office365.com/EWS/Exchange.asmx".parse().unwrap()).unwrap();
    assert!(found.is_online() && built(found, basic()).is_err());
}

#[test]
fn without_tls_only_a_password_travels_and_only_when_its_owner_says_so() {
    let plain = |url: &str| EwsEndpoint::on_premises_without_tls(url.parse().unwrap()).unwrap();
    let token = || EwsCredential::bearer(Credential::new(Tokens::default()));
    let away = || plain("http://mail.fabrikam.example:8080");
    assert_eq!(away().url().as_str(), "http://mail.fabrikam.example:8080/EWS/Exchange.asmx");
    assert_eq!(
        plain("http://mail.fabrikam.example").url().as_str(),
        "http://mail.fabrikam.example/EWS/Exchange.asmx"
    );
    assert!(EwsEndpoint::on_premises_without_tls("https://mail.fabrikam.example".parse().unwrap()).is_err());
    assert!(
        EwsEndpoint::on_premises_without_tls("http://a:b@mail.fabrikam.example".parse().unwrap()).is_err()
    );
    let forced = |credential| EwsClient::builder(away(), credential).send_password_without_tls().build();
    assert!(built(away(), basic()).is_err() && built(away(), token()).is_err());
    assert!(forced(basic()).is_ok() && forced(token()).is_err());
    for own in ["http://127.0.0.1:4711", "http://[::1]:4711", "http://localhost:4711"] {
        assert!(built(plain(own), basic()).is_ok() && built(plain(own), token()).is_ok(), "{own}");
    }
}

#[tokio::test]
async fn a_token_for_a_cloud_is_asked_for_as_such_wherever_the_cloud_is() {
    let base = |path: &str| format!("http://127.0.0.1:4711/{path}").parse().unwrap();
    let simulated = Cloud::public().with_base_urls(base("login"), base("graph"), base("outlook"));
    for (endpoint, resource) in [
        (EwsEndpoint::online(&Cloud::us_gov_l4()), Resource::Exchange),
        (EwsEndpoint::online(&simulated), Resource::Exchange),
        (endpoint(), Resource::Other("https://mail.fabrikam.example".into())),
    ] {
        let tokens = Tokens::default();
        let script = m365_core::testing::ScriptedTransport::new().on("POST", PATH, ok());
        let client = EwsClient::builder(endpoint, EwsCredential::bearer(Credential::new(tokens.clone())))
            .transport(m365_core::Transport::new(script))
            .build()
            .unwrap();
        client.call(&Ask::of(&["1"]), &anna()).await.unwrap();
        assert_eq!(tokens.0.lock().unwrap()[0].resource, resource);
    }
}
