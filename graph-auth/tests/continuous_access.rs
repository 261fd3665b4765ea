//! Continuous access evaluation against the simulated tenant: a revoked token is replaced in the middle of a call.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use graph_auth::ClientSecretCredential;
use graph_auth::directory::GetOrganization;
use m365_core::transport::ReqwestTransport;
use m365_core::{
    ClientId, Clock, Cloud, Credential, Pipeline, Resource, SharedClock, TenantName, TokenCredential as _,
    TokenRequest, Transport,
};
use tenant_sim::{Propagation, Tenant};

/// The tenant's own time, so that tokens age on it.
#[derive(Clone, Debug)]
struct TenantClock(tenant_sim::SimClock);

impl Clock for TenantClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(duration.try_into().unwrap());
    }
}

async fn tenant() -> (Tenant, ClientSecretCredential, impl Fn(ClientSecretCredential) -> Pipeline) {
    let tenant = Tenant::builder().propagation(Propagation::instant()).start().await.unwrap();
    let base = url::Url::parse(&tenant.http_url()).unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let setup = tenant.setup_identity();
    let clock = SharedClock::new(TenantClock(tenant.clock().clone()));
    let transport = Transport::new(ReqwestTransport::new().unwrap());
    let credential = ClientSecretCredential::new(
        cloud.clone(),
        TenantName::parse("contoso.example").unwrap(),
        ClientId::parse(&setup.client_id.to_string()).unwrap(),
        setup.secret.into(),
    )
    .unwrap()
    .with_clock(clock.clone());
    let pipeline = move |credential| {
        Pipeline::builder(cloud.clone(), transport.clone(), Credential::new(credential))
            .clock(clock.clone())
            .build()
    };
    (tenant, credential, pipeline)
}

fn tokens_asked(tenant: &Tenant) -> usize {
    tenant.journal().iter().filter(|entry| entry.path.ends_with("/oauth2/v2.0/token")).count()
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_and_the_call_goes_on() {
    let (tenant, credential, pipeline) = tenant().await;
    let credential = credential.with_continuous_access_evaluation();
    let graph = pipeline(credential.clone());
    graph.run(&GetOrganization).await.unwrap();
    let request = TokenRequest::new(Resource::Graph);
    let long = credential.get_token(&request).await.unwrap();
    let life = long.expires_on().duration_since(tenant.now());
    assert!(life.as_hours() >= 23, "{life}");
    assert_eq!(tokens_asked(&tenant), 1);

    tenant.clock().advance(jiff::SignedDuration::from_hours(1));
    tenant.revoke_tokens(tenant.setup_identity().client_id);
    graph.run(&GetOrganization).await.unwrap();
    assert_eq!(tokens_asked(&tenant), 2);
    // The new token serves the calls that follow, with no further challenge.
    graph.run(&GetOrganization).await.unwrap();
    assert_eq!(tokens_asked(&tenant), 2);
    assert!(credential.get_token(&request).await.unwrap() != long);
}

#[tokio::test]
async fn without_the_capability_a_revoked_token_lives_to_its_end() {
    let (tenant, credential, pipeline) = tenant().await;
    let graph = pipeline(credential.clone());
    graph.run(&GetOrganization).await.unwrap();
    tenant.clock().advance(jiff::SignedDuration::from_mins(1));
    tenant.revoke_tokens(tenant.setup_identity().client_id);
    graph.run(&GetOrganization).await.unwrap();
    assert_eq!(tokens_asked(&tenant), 1);
    let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await.unwrap();
    assert!(token.expires_on().duration_since(tenant.now()).as_hours() < 2);
}
