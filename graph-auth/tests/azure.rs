//! azure_core's credentials in both directions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential as AzureTokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::StatusCode;
use azure_core::time::OffsetDateTime;
use futures_util::future::join_all;
use graph_auth::{AzureCredential, ErrorKind, FromAzureCredential};
use m365_core::testing::ManualClock;
use m365_core::{Cloud, Credential, Resource, SharedClock, TenantName, TokenCredential, TokenRequest};

/// What azure_identity does: a new token each time, for the scope that is asked for, or an error with a cause.
#[derive(Debug, Default)]
struct Theirs {
    asked: AtomicU32,
    fails: Option<u16>,
    hangs: bool,
}

const END: i64 = 1_795_251_600;

#[async_trait::async_trait]
impl AzureTokenCredential for Theirs {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(status) = self.fails {
            let http = AzureErrorKind::HttpResponse {
                status: StatusCode::from(status),
                error_code: None,
                raw_response: None,
            };
            let cause_text = "AADSTS7000215: Invalid client secret provided.";
            let cause = azure_core::Error::with_message(http, cause_text);
            return Err(azure_core::Error::with_error(
                AzureErrorKind::Credential,
                cause,
                format!("ClientSecretCredential authentication failed. {cause_text}"),
            ));
        }
        let end = OffsetDateTime::from_unix_timestamp(END).unwrap();
        Ok(AccessToken::new(format!("{}-{asked}", scopes.join("+")), end))
    }
}

fn from(theirs: Theirs) -> (Arc<Theirs>, FromAzureCredential) {
    let theirs = Arc::new(theirs);
    let clock = SharedClock::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap()));
    (theirs.clone(), FromAzureCredential::new(Cloud::public(), theirs).with_clock(clock))
}

#[tokio::test]
async fn their_credential_gets_our_cache() {
    let (theirs, ours) = from(Theirs::default());
    let request = TokenRequest::new(Resource::Exchange);
    for token in join_all((0..50).map(|_| ours.get_token(&request))).await {
        let token = token.unwrap();
        assert_eq!(token.expose_secret(), "https://outlook.office365.com/.default-0");
        assert_eq!(token.expires_on().as_second(), END);
    }
    assert!(ours.cached_token(&request).is_some());
    assert_eq!(theirs.asked.load(Ordering::Relaxed), 1);
    ours.invalidate(&Resource::Exchange);
    assert!(ours.cached_token(&request).is_none());
}

#[tokio::test]
async fn what_azure_core_cannot_say_is_refused_and_not_ignored() {
    let (theirs, ours) = from(Theirs::default());
    let request = TokenRequest::new(Resource::Graph);
    let token = ours.get_token(&request).await.unwrap();
    for cannot in [
        request.clone().with_tenant(TenantName::parse("fabrikam.example").unwrap()),
        request.clone().with_claims(r#"{"access_token":{}}"#).with_rejected(token.clone()),
        request.clone().with_fresh(),
    ] {
        assert_eq!(ours.get_token(&cannot).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(ours.cached_token(&cannot).is_none());
    }
    assert_eq!(theirs.asked.load(Ordering::Relaxed), 1);
    // A token that was refused is asked anew, and a credential that gives another one is believed.
    let other = ours.get_token(&request.with_rejected(token.clone())).await.unwrap();
    assert!(other != token);
}

#[tokio::test]
async fn their_refusal_is_typed_and_final() {
    for (status, kind, transient) in [
        (401, ErrorKind::Authentication, false),
        (429, ErrorKind::Throttled, true),
        (503, ErrorKind::Unavailable, true),
    ] {
        let (theirs, ours) = from(Theirs { fails: Some(status), ..Theirs::default() });
        let error = ours.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (kind, transient));
        assert_eq!(error.status().map(|s| s.as_u16()), Some(status));
        assert!(error.to_string().contains("ClientSecretCredential authentication failed"), "{error}");
        assert_eq!(error.diagnosis().id(), "AUTH-SECRET-ID");
        // Theirs has tried for more than a minute already.
        assert_eq!(theirs.asked.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_hangs_is_left_at_our_deadline() {
    let (_, ours) = from(Theirs { hangs: true, ..Theirs::default() });
    let ours = ours.with_deadline(Duration::from_secs(3));
    let before = tokio::time::Instant::now();
    let error = ours.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap_err();
    assert_eq!((error.kind(), before.elapsed().as_secs()), (ErrorKind::Timeout, 3));
}

#[derive(Debug)]
struct Ours;

impl TokenCredential for Ours {
    async fn get_token(&self, request: &TokenRequest) -> graph_auth::Result<m365_core::AccessToken> {
        match &request.resource {
            Resource::Other(uri) if &**uri == "https://refused.example" => {
                Err(graph_auth::Error::new(ErrorKind::Authentication, "refused"))
            }
            resource => {
                let text = match resource {
                    Resource::Other(uri) => uri.to_string(),
                    known => format!("{known:?}"),
                };
                m365_core::AccessToken::new(&text, jiff::Timestamp::from_second(END).unwrap())
            }
        }
    }
}

#[tokio::test]
async fn our_credential_serves_their_crates() {
    let theirs = AzureCredential::new(Cloud::us_gov_l4(), Credential::new(Ours));
    for (scope, expected) in [
        ("https://graph.microsoft.us/.default", "Graph"),
        ("https://outlook.office365.us/.default", "Exchange"),
        // Another cloud's Graph is not ours.
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
        ("https://vault.azure.net/.default", "https://vault.azure.net"),
        // Two slashes where the resource itself ends with one.
        ("https://management.azure.com//.default", "https://management.azure.com/"),
    ] {
        let token = theirs.get_token(&[scope], None).await.unwrap();
        assert_eq!(token.token.secret(), expected);
        assert_eq!(token.expires_on.unix_timestamp(), END);
    }
    for bad in [&["User.Read"][..], &["/.default"], &[], &["https://a/.default", "https://b/.default"]] {
        assert!(matches!(theirs.get_token(bad, None).await.unwrap_err().kind(), AzureErrorKind::Credential));
    }
    let error = theirs.get_token(&["https://refused.example/.default"], None).await.unwrap_err();
    assert!(matches!(error.kind(), AzureErrorKind::Credential));
}
