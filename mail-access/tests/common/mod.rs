//! A simulated tenant and an onboarding that works in it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::time::Duration;

use graph_auth::ClientSecretCredential;
use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{ClientId, Clock, Cloud, Credential, HostPort, SharedClock, TenantId, Transport};
use mail_access::mail::imap::{ImapServer, TlsRoots};
use mail_access::{AccessProfile, Ledger, MemoryLedger, MemoryVault, Onboarding, OnboardingBuilder, Vault};
use tenant_sim::state::State;
use tenant_sim::{JournalEntry, Propagation, Scenario, SimClock, Tenant};
use uuid::Uuid;

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

/// A tenant, and what outlives an onboarding: vault and ledger.
pub struct World {
    pub tenant: Tenant,
    pub vault: Vault,
    pub ledger: Ledger,
    pub clock: SharedClock,
    pub transport: Transport,
}

impl World {
    pub async fn realistic() -> Self {
        Self::start(Scenario::contoso(), Propagation::realistic()).await
    }

    pub async fn instant() -> Self {
        Self::start(Scenario::contoso(), Propagation::instant()).await
    }

    pub async fn start(scenario: Scenario, propagation: Propagation) -> Self {
        let tenant =
            Tenant::builder().scenario(scenario).propagation(propagation).start().await.expect("tenant");
        Self::of(tenant, Vault::new(MemoryVault::new()), Ledger::new(MemoryLedger::new()))
    }

    fn of(tenant: Tenant, vault: Vault, ledger: Ledger) -> Self {
        let clock = SharedClock::new(TenantClock(tenant.clock().clone()));
        let transport = Transport::new(ReqwestTransport::new().expect("transport"));
        Self { tenant, vault, ledger, clock, transport }
    }

    /// The same tenant going its own way, with the same vault and this ledger.
    pub async fn fork(&self, ledger: Ledger) -> Self {
        Self::of(self.tenant.fork().await.expect("tenant"), self.vault.clone(), ledger)
    }

    pub fn cloud(&self) -> Cloud {
        let base: url::Url =
            format!("{}/", self.tenant.http_url().trim_end_matches('/')).parse().expect("url");
        Cloud::public().with_base_urls(base.clone(), base.clone(), base)
    }

    pub fn transport(&self) -> Transport {
        self.transport.clone()
    }

    pub fn imap(&self) -> ImapServer {
        ImapServer::new(HostPort::new("localhost", self.tenant.imap_addr().port()))
            .with_roots(TlsRoots::only(self.tenant.ca_pem()).expect("roots"))
    }

    pub fn tenant_id(&self) -> TenantId {
        TenantId::from_bytes(*self.tenant.tenant_id().as_bytes())
    }

    /// Time passes, with nobody asking anything.
    pub fn wait(&self, by: Duration) {
        self.tenant.clock().advance(SignedDuration::try_from(by).unwrap());
    }

    /// The client id of an app that the scenario brings along.
    pub fn client_of(&self, display_name: &str) -> ClientId {
        let id = self.tenant.with_state(|state| {
            let mut apps = state.directory.applications.iter();
            apps.find(|a| a.value.display_name == display_name).expect("an app of this name").value.app_id
        });
        ClientId::from_bytes(*id.as_bytes())
    }

    /// A new onboarding, as after a restart.
    pub fn onboarding(&self) -> Onboarding {
        self.onboarding_of(self.vault.clone())
    }

    /// A new onboarding with another vault, as on another machine.
    pub fn onboarding_of(&self, vault: Vault) -> Onboarding {
        let setup = self.tenant.setup_identity();
        let client = ClientId::from_bytes(*setup.client_id.as_bytes());
        self.builder(self.tenant_id(), client, &setup.secret, vault).build()
    }

    /// Exchange as the set-up identity sees it, without an onboarding.
    pub fn exchange(&self) -> exchange_admin::ExchangeAdmin {
        let setup = self.tenant.setup_identity();
        let client = ClientId::from_bytes(*setup.client_id.as_bytes());
        let credential =
            ClientSecretCredential::new(self.cloud(), self.tenant_id().into(), client, setup.secret.into())
                .expect("credential")
                .with_transport(self.transport())
                .with_clock(self.clock.clone());
        let pipeline =
            m365_core::Pipeline::builder(self.cloud(), self.transport(), Credential::new(credential))
                .clock(self.clock.clone())
                .build();
        exchange_admin::ExchangeAdmin::new(pipeline, self.tenant_id())
    }

    /// An onboarding that goes through another transport, on another clock, and knows no ledger.
    pub fn onboarding_with(&self, vault: Vault, transport: Transport, clock: SharedClock) -> Onboarding {
        let setup = self.tenant.setup_identity();
        let client = ClientId::from_bytes(*setup.client_id.as_bytes());
        let credential =
            ClientSecretCredential::new(self.cloud(), self.tenant_id().into(), client, setup.secret.into())
                .expect("credential")
                .with_transport(transport.clone())
                .with_clock(clock.clone());
        Onboarding::builder(
            self.cloud(),
            transport,
            self.tenant_id(),
            client,
            Credential::new(credential),
            vault,
        )
        .clock(clock)
        .imap(self.imap())
        .build()
    }

    /// An onboarding by another set-up identity, or for what it takes for another tenant.
    pub fn builder(
        &self,
        tenant: TenantId,
        client: ClientId,
        secret: &str,
        vault: Vault,
    ) -> OnboardingBuilder {
        let credential = ClientSecretCredential::new(
            self.cloud(),
            self.tenant_id().into(),
            client,
            secret.to_owned().into(),
        )
        .expect("credential")
        .with_transport(self.transport())
        .with_clock(self.clock.clone());
        Onboarding::builder(
            self.cloud(),
            self.transport(),
            tenant,
            client,
            Credential::new(credential),
            vault,
        )
        .clock(self.clock.clone())
        .ledger(self.ledger.clone())
        .imap(self.imap())
    }
}

pub fn profile(name: &str) -> AccessProfile {
    let path = format!("{}/../examples/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("profile");
    AccessProfile::from_toml(&format!("{name}.toml"), &text).expect("valid profile")
}

/// Names of the application permissions that a fresh token of this enterprise application would carry.
pub fn consented(state: &State, principal: Uuid) -> Vec<String> {
    let directory = &state.directory;
    let role = |resource: Uuid, id: Uuid| {
        let api = directory.service_principals.iter().find(|sp| sp.value.id == resource)?;
        api.value.app_roles.iter().find(|r| r.id == id).map(|r| r.value.clone())
    };
    directory
        .app_role_assignments
        .iter()
        .filter(|a| a.is_configured() && a.value.principal_id == principal)
        .filter_map(|a| role(a.value.resource_id, a.value.app_role_id))
        .collect()
}

/// Whether a request to be sent changes something.
pub fn will_write(request: &http::Request<bytes::Bytes>) -> bool {
    let cmdlet = request.headers().get("x-cmdletname").and_then(|v| v.to_str().ok()).unwrap_or_default();
    !(request.method() == http::Method::GET
        || request.uri().path().ends_with("/token")
        || cmdlet.starts_with("Get-")
        || cmdlet.starts_with("Test-"))
}

/// A request that changed something.
pub fn is_write(entry: &JournalEntry) -> bool {
    match (&entry.cmdlet, entry.path.contains("/v1.0/")) {
        (Some(cmdlet), _) => {
            ["New-", "Add-", "Remove-", "Set-", "Update-"].iter().any(|verb| cmdlet.starts_with(verb))
        }
        (None, true) => ["POST", "PATCH", "PUT", "DELETE"].contains(&entry.method.as_str()),
        _ => false,
    }
}

pub const PROFILES: [&str; 4] =
    ["imap-fetch", "contact-center-mail", "contact-center-mail-access-policy", "calendar-and-mail-sender"];
