//! A simulated tenant and an onboarding that works in it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::time::Duration;

use graph_auth::ClientSecretCredential;
use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{ClientId, Clock, Cloud, Credential, HostPort, SharedClock, TenantId, Transport};
use mail_access::mail::imap::{ImapServer, TlsRoots};
use mail_access::{AccessProfile, MemoryVault, Onboarding, Vault};
use tenant_sim::{Propagation, Scenario, SimClock, Tenant};

/// Waiting on it moves the tenant's time.
#[derive(Clone, Debug)]
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

pub struct World {
    pub tenant: Tenant,
    pub vault: Vault,
    pub clock: SharedClock,
}

impl World {
    pub async fn realistic() -> Self {
        Self::start(Propagation::realistic()).await
    }

    pub async fn instant() -> Self {
        Self::start(Propagation::instant()).await
    }

    pub async fn start(propagation: Propagation) -> Self {
        let tenant = Tenant::builder()
            .scenario(Scenario::contoso())
            .propagation(propagation)
            .start()
            .await
            .expect("tenant");
        let clock = SharedClock::new(TenantClock(tenant.clock().clone()));
        Self { tenant, vault: Vault::new(MemoryVault::new()), clock }
    }

    pub fn cloud(&self) -> Cloud {
        let base: url::Url =
            format!("{}/", self.tenant.http_url().trim_end_matches('/')).parse().expect("url");
        Cloud::public().with_base_urls(base.clone(), base.clone(), base)
    }

    pub fn transport(&self) -> Transport {
        Transport::new(ReqwestTransport::new().expect("transport"))
    }

    pub fn tenant_id(&self) -> TenantId {
        TenantId::from_bytes(*self.tenant.tenant_id().as_bytes())
    }

    pub fn onboarding(&self) -> Onboarding {
        let setup = self.tenant.setup_identity();
        let client = ClientId::from_bytes(*setup.client_id.as_bytes());
        let credential =
            ClientSecretCredential::new(self.cloud(), self.tenant_id().into(), client, setup.secret.into())
                .expect("credential")
                .with_transport(self.transport())
                .with_clock(self.clock.clone());
        let imap = ImapServer::new(HostPort::new("localhost", self.tenant.imap_addr().port()))
            .with_roots(TlsRoots::only(self.tenant.ca_pem()).expect("roots"));
        Onboarding::builder(
            self.cloud(),
            self.transport(),
            self.tenant_id(),
            client,
            Credential::new(credential),
            self.vault.clone(),
        )
        .clock(self.clock.clone())
        .imap(imap)
        .build()
    }
}

pub fn profile(name: &str) -> AccessProfile {
    let path = format!("{}/../examples/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("profile");
    AccessProfile::from_toml(&format!("{name}.toml"), &text).expect("valid profile")
}

pub const PROFILES: [&str; 4] =
    ["imap-fetch", "contact-center-mail", "contact-center-mail-access-policy", "calendar-and-mail-sender"];
