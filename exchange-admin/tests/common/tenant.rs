//! The simulated tenant, and clients of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several test programs, each of which uses a part"
)]

use std::time::Duration;

use exchange_admin::{ClientId, ExchangeAdmin, TenantId};
use graph_auth::ClientSecretCredential;
use jiff::SignedDuration;
use m365_core::transport::{ReqwestTransport, Transport};
use m365_core::{Clock, Cloud, Credential, Pipeline, RetryPolicy, SharedClock};
use tenant_sim::state::{MailboxRecipient, Timed};
use tenant_sim::{Propagation, Scenario, SimClock, Tenant};
use uuid::Uuid;

#[derive(Debug)]
pub struct TenantClock(pub SimClock);

impl Clock for TenantClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(SignedDuration::try_from(duration).unwrap());
        tokio::task::yield_now().await;
    }
}

pub async fn start(scenario: Scenario) -> Tenant {
    Tenant::builder().scenario(scenario).propagation(Propagation::instant()).start().await.unwrap()
}

/// What another process needs to sign in.
pub fn connection(tenant: &Tenant) -> [String; 4] {
    let setup = tenant.setup_identity();
    [tenant.http_url(), tenant.tenant_id().to_string(), setup.client_id.to_string(), setup.secret]
}

pub fn pipeline([url, tenant, client, secret]: &[String; 4], clock: SharedClock) -> (Pipeline, TenantId) {
    let base: url::Url = format!("{}/", url.trim_end_matches('/')).parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let tenant = TenantId::parse(tenant).unwrap();
    let client = ClientId::parse(client).unwrap();
    let transport = Transport::new(ReqwestTransport::new().unwrap());
    let credential = ClientSecretCredential::new(cloud.clone(), tenant.into(), client, secret.clone().into())
        .unwrap()
        .with_transport(transport.clone())
        .with_clock(clock.clone());
    let pipeline = Pipeline::builder(cloud, transport, Credential::new(credential))
        .app(client.to_string())
        .clock(clock)
        .retry(RetryPolicy::default().with_max_attempts(3))
        .build();
    (pipeline, tenant)
}

pub fn clock_of(tenant: &Tenant) -> SharedClock {
    SharedClock::new(TenantClock(tenant.clock().clone()))
}

pub fn routed(tenant: &Tenant) -> ExchangeAdmin {
    routed_as(tenant, &connection(tenant))
}

pub fn routed_as(tenant: &Tenant, connection: &[String; 4]) -> ExchangeAdmin {
    let (pipeline, id) = pipeline(connection, clock_of(tenant));
    ExchangeAdmin::routed(pipeline, id)
}

/// An app of the scenario, with its secret.
pub fn app_connection(tenant: &Tenant, display_name: &str, secret: &str) -> [String; 4] {
    let client = tenant.with_state(|state| {
        let mut apps = state.directory.applications.iter();
        apps.find(|a| a.value.display_name == display_name).unwrap().value.app_id
    });
    [tenant.http_url(), tenant.tenant_id().to_string(), client.to_string(), secret.to_owned()]
}

/// Adds mailboxes `box0@…`, `box1@…` like one that is there.
pub fn add_mailboxes(tenant: &Tenant, count: usize) -> Vec<String> {
    tenant.with_state(|state| {
        let domain = state.domains.last().unwrap().clone();
        let template = state.exchange.mailboxes.first().unwrap().value.clone();
        (0..count)
            .map(|n| {
                let address = format!("box{n}@{domain}");
                state.exchange.mailboxes.push(Timed::always(MailboxRecipient {
                    object_id: Uuid::from_u128(0xb0b0_0000_0000 + n as u128),
                    exchange_guid: Uuid::from_u128(0xe0e0_0000_0000 + n as u128),
                    name: format!("box{n}"),
                    alias: format!("box{n}"),
                    display_name: format!("Box {n}"),
                    upn: address.clone(),
                    primary_smtp_address: address.clone(),
                    aliases: Vec::new(),
                    ..template.clone()
                }));
                address
            })
            .collect()
    })
}
