//! A managed identity is asked past the proxy of the environment; Entra is asked through it.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use graph_auth::{ClientSecretCredential, ErrorKind, ManagedIdentityCredential};
use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential as _, TokenRequest};
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const ROLE: &str = "GRAPH_AUTH_TEST_BEHIND_A_PROXY";

/// The environment of a process is set when it starts: the test starts itself once more.
#[tokio::test]
async fn a_managed_identity_is_asked_past_the_proxy() {
    if std::env::var_os(ROLE).is_some() {
        return behind_a_proxy().await;
    }
    let mut itself = tokio::process::Command::new(std::env::current_exe().unwrap());
    // Nobody listens there.
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        itself.env(name, "http://127.0.0.1:9");
    }
    itself.env_remove("NO_PROXY").env_remove("no_proxy").env(ROLE, "1");
    let output = itself.arg("a_managed_identity_is_asked_past_the_proxy").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn behind_a_proxy() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(header("X-IDENTITY-HEADER", "proof"))
        .respond_with(
            ResponseTemplate::new(200).set_body_string(r#"{"access_token":"abc","expires_in":"3600"}"#),
        )
        .expect(1)
        .mount(&server)
        .await;
    let vars = |name: &str| match name {
        "IDENTITY_ENDPOINT" => Some(format!("{}/msi/token", server.uri())),
        "IDENTITY_HEADER" => Some("proof".to_owned()),
        _ => None,
    };
    let identity = ManagedIdentityCredential::from_vars(Cloud::public(), vars).unwrap();
    let token = identity.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    assert_eq!(token.expose_secret(), "abc");

    let base = url::Url::parse(&server.uri()).unwrap();
    let entra = ClientSecretCredential::new(
        Cloud::public().with_base_urls(base.clone(), base.clone(), base),
        TenantName::parse("contoso.example").unwrap(),
        ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap(),
        "Q8~secret".into(),
    )
    .unwrap()
    .with_retry(m365_core::RetryPolicy::default().with_max_attempts(1));
    let error = entra.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
}
