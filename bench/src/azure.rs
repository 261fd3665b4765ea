use std::sync::Arc;

use azure_core::Bytes;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};

/// What the peer is asked for.
pub const AZURE_SCOPE: &str = "https://graph.microsoft.com/.default";

#[derive(Debug)]
struct Canned;

#[async_trait::async_trait]
impl HttpClient for Canned {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = Bytes::from_static(crate::ours::ANSWER.as_bytes());
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), body))
    }
}

/// azure_identity's credential of a client secret, with a token in its cache.
///
/// # Panics
/// When it does not take the canned answer.
pub fn azure_credential() -> Arc<ClientSecretCredential> {
    let options = ClientSecretCredentialOptions {
        client_options: ClientOptions {
            transport: Some(Transport::new(Arc::new(Canned))),
            ..ClientOptions::default()
        },
    };
    let credential = ClientSecretCredential::new(
        "8c1f3a52-7d4e-4b60-9a1b-2c3d4e5f6071",
        "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".to_owned(),
        Secret::new("Q8~secret"),
        Some(options),
    )
    .expect("a credential");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(credential.get_token(&[AZURE_SCOPE], None)).expect("a token");
    credential
}
