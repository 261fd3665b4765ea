//! A tenant of invented values, a fixed token, a clock moved by hand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared by several test programs, each of which uses a part"
)]

use exchange_admin::{
    AdminApi, ClientId, ExchangeAdmin, MailboxAddress, RecipientIdentity, ServicePrincipalObjectId, TenantId,
};
use m365_core::testing::{ManualClock, ScriptedTransport};
use m365_core::transport::{ReqwestTransport, Transport};
use m365_core::{
    AccessToken, Cloud, Credential, Pipeline, Result, RetryPolicy, SharedClock, TokenCredential, TokenRequest,
};
use url::Url;

pub const TENANT: &str = "3f2b8c1e-7a64-4a0e-9d35-51c0a7e2b9d4";
pub const APP: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
pub const OBJECT: &str = "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b";
pub const OTHER_OBJECT: &str = "11111111-2222-4333-8444-555555555555";
pub const INVOKE: &str = "/adminapi/beta/3f2b8c1e-7a64-4a0e-9d35-51c0a7e2b9d4/InvokeCommand";
pub const NOT_FOUND: &str = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException";

pub fn tenant() -> TenantId {
    TenantId::parse(TENANT).unwrap()
}

pub fn app() -> ClientId {
    ClientId::parse(APP).unwrap()
}

pub fn object() -> ServicePrincipalObjectId {
    ServicePrincipalObjectId::parse(OBJECT).unwrap()
}

pub fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

pub fn mailbox(text: &str) -> RecipientIdentity {
    address(text).into()
}

#[derive(Debug)]
struct Fixed(AccessToken);

impl TokenCredential for Fixed {
    async fn get_token(&self, _request: &TokenRequest) -> Result<AccessToken> {
        Ok(self.0.clone())
    }
}

pub fn pipeline(transport: Transport, outlook: Option<&str>, clock: &ManualClock) -> Pipeline {
    let mut cloud = Cloud::public();
    if let Some(base) = outlook {
        let base = Url::parse(base).unwrap();
        cloud = cloud.with_base_urls(base.clone(), base.clone(), base);
    }
    let token = AccessToken::new("t0ken-of-the-test", jiff::Timestamp::MAX).unwrap();
    Pipeline::builder(cloud, transport, Credential::new(Fixed(token)))
        .app(APP)
        .user_agent("acme-connector/2.4")
        .clock(SharedClock::new(clock.clone()))
        .retry(RetryPolicy::default().with_max_attempts(3))
        .build()
}

pub fn clock() -> ManualClock {
    ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap())
}

/// Over a real HTTP client.
pub fn over_http(base: &str) -> (ExchangeAdmin, AdminApi) {
    let pipeline = pipeline(Transport::new(ReqwestTransport::new().unwrap()), Some(base), &clock());
    (ExchangeAdmin::new(pipeline.clone(), tenant()), AdminApi::new(pipeline, tenant()))
}

/// Over a script of answers.
pub fn over_script(script: &ScriptedTransport, clock: &ManualClock) -> ExchangeAdmin {
    ExchangeAdmin::new(pipeline(Transport::new(script.clone()), None, clock), tenant())
}

pub fn failure(exception: &str, text: &str) -> String {
    serde_json::json!({"error": {
        "code": "BadRequest", "message": "Invalid Operation",
        "details": [{"code": "Client", "target": "", "message": format!("Ex9A1B2C|{exception}|{text}")}],
    }})
    .to_string()
}

pub fn rows(rows: &serde_json::Value) -> String {
    serde_json::json!({"@adminapi.warnings": [], "value": rows}).to_string()
}
