//! A simulated tenant whose set-up identity is an administrator's app, and what the stories do in it.

use std::time::Duration;

use bytes::Bytes;
use graph_auth::{
    AppRegistration, AssertionRequest, ClientAssertionCredential, ClientSecretCredential, Convergence,
    RegistrationInventory, RegistrationState, StepOutcome, apply_step, plan,
};
use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{
    ClientId, Clock, Cloud, Credential, KeyId, Pipeline, SharedClock, TenantId, TenantName, Transport,
};
use secrecy::SecretString;
use serde_json::json;
use tenant_sim::{ForeignIssuer, Propagation, Scenario, ScenarioApp, SimClock, Tenant};

pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub(crate) const SUBJECT: &str = "repo:acme@11/connector@22:ref:refs/heads/main";
pub(crate) const EXCHANGE: &str = "api://AzureADTokenExchange";
pub(crate) const BACK: &str = "https://acme.example/consented";

/// Waiting on it moves the tenant's time.
#[derive(Clone, Debug)]
pub(crate) struct TenantClock(pub(crate) SimClock);

impl Clock for TenantClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(SignedDuration::try_from(duration).unwrap());
        tokio::task::yield_now().await;
    }
}

pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) clock: SharedClock,
    pub(crate) transport: Transport,
    pub(crate) pipeline: Pipeline,
}

impl World {
    pub(crate) async fn realistic() -> Self {
        Self::of(Propagation::realistic(), "contoso").await
    }

    /// The set-up identity may do what the stories need beyond the usual: an administrator's app.
    pub(crate) async fn of(propagation: Propagation, name: &str) -> Self {
        let mut scenario = Scenario::contoso();
        scenario.seed ^= name.len() as u64;
        let app: ScenarioApp = serde_json::from_value(json!({
            "display_name": "Administrator", "secret": "sim8Q~administrator",
            "graph_roles": ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Policy.Read.All",
                "DelegatedPermissionGrant.ReadWrite.All", "Directory.Read.All"],
        }))
        .unwrap();
        scenario.apps.push(app);
        let tenant = Tenant::builder().scenario(scenario).propagation(propagation).start().await.unwrap();
        let clock = SharedClock::new(TenantClock(tenant.clock().clone()));
        let transport = Transport::new(ReqwestTransport::new().unwrap());
        let client = tenant.with_state(|state| {
            let apps = &state.directory.applications;
            apps.iter().find(|a| a.value.display_name == "Administrator").unwrap().value.app_id
        });
        let cloud = cloud(&tenant);
        let credential = ClientSecretCredential::new(
            cloud.clone(),
            tenant_name(&tenant),
            ClientId::from_bytes(*client.as_bytes()),
            "sim8Q~administrator".into(),
        )
        .unwrap()
        .with_transport(transport.clone())
        .with_clock(clock.clone());
        let pipeline = Pipeline::builder(cloud, transport.clone(), Credential::new(credential))
            .clock(clock.clone())
            .build();
        Self { tenant, clock, transport, pipeline }
    }

    pub(crate) fn cloud(&self) -> Cloud {
        cloud(&self.tenant)
    }

    pub(crate) fn tenant_id(&self) -> TenantId {
        TenantId::from_bytes(*self.tenant.tenant_id().as_bytes())
    }

    pub(crate) async fn set_up(
        &self,
        registration: &AppRegistration,
        inventory: &mut RegistrationInventory,
    ) -> (RegistrationState, Option<(KeyId, SecretString)>) {
        let mut state = RegistrationState::read(&self.pipeline, registration).await.unwrap();
        let convergence = Convergence::new(self.clock.clone());
        let mut added = None;
        for step in plan(registration, &state).unwrap() {
            inventory.begin(&step);
            let outcome = apply_step(&self.pipeline, &step, &mut state, &convergence)
                .await
                .unwrap_or_else(|e| panic!("{step:?}: {e:?}"));
            inventory.record(&step, &outcome, &state);
            if let StepOutcome::Secret { key_id, secret, .. } = outcome {
                added = Some((key_id, secret));
            }
        }
        (state, added)
    }

    pub(crate) fn by_assertion(
        &self,
        client: ClientId,
        issuer: &ForeignIssuer,
        subject: &'static str,
    ) -> ClientAssertionCredential {
        let (issuer, clock) = (issuer.clone(), self.clock.clone());
        ClientAssertionCredential::new(
            self.cloud(),
            tenant_name(&self.tenant),
            client,
            move |_: AssertionRequest| {
                let token = issuer.token(subject, EXCHANGE, clock.now()).unwrap();
                async move { Ok(SecretString::from(token)) }
            },
        )
        .with_transport(self.transport.clone())
        .with_clock(self.clock.clone())
    }

    /// An administrator's browser: follows the address and gives where it is led back to.
    pub(crate) async fn browse(&self, url: &url::Url) -> (u16, String) {
        let request = http::Request::get(url.as_str()).body(Bytes::new()).unwrap();
        let response = self.transport.send(request).await.unwrap();
        let location = response.headers().get("location").map(|v| v.to_str().unwrap().to_owned());
        (response.status().as_u16(), location.unwrap_or_default())
    }
}

pub(crate) fn cloud(tenant: &Tenant) -> Cloud {
    let base: url::Url = format!("{}/", tenant.http_url()).parse().unwrap();
    Cloud::public().with_base_urls(base.clone(), base.clone(), base)
}

pub(crate) fn tenant_name(tenant: &Tenant) -> TenantName {
    TenantId::from_bytes(*tenant.tenant_id().as_bytes()).into()
}

pub(crate) fn bare() -> AppRegistration {
    AppRegistration::new("acme-mail", "Acme mail").unwrap()
}

pub(crate) fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}
