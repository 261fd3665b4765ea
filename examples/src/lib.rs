//! What the stories share: a simulated tenant, and the three values that point our crates at it.

mod exchange;
pub mod premises;

use std::time::Duration;

use exchange_admin::ExchangeAdmin;
use graph_auth::ClientSecretCredential;
use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{
    ClientId, Clock, Cloud, Credential, HostPort, Pipeline, Result, SharedClock, TenantId, Transport,
};
use mail_access::mail::imap::{ImapServer, TlsRoots};
use mail_access::{
    AccessProfile, AppProfile, CredentialPolicy, GrantMode, MemoryVault, Onboarding, Scope, ScopeGroup, Vault,
};
use tenant_sim::{SimClock, Tenant};

pub use exchange::ExchangeServer;

/// The tenant's clock as ours: waiting on it moves the tenant's time forward, so that two hours of propagation pass in
/// no time.
#[derive(Clone, Debug)]
pub struct TenantClock(pub SimClock);

impl Clock for TenantClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX));
        // Time flies, but let others see it do so.
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
}

/// The clock of this tenant.
pub fn clock_of(tenant: &Tenant) -> SharedClock {
    SharedClock::new(TenantClock(tenant.clock().clone()))
}

/// The worldwide cloud, with every host replaced by this tenant.
///
/// # Errors
/// When the tenant's addresses are no URLs.
pub fn cloud_of(tenant: &Tenant) -> Result<Cloud> {
    let base = url::Url::parse(&format!("{}/", tenant.https_url().trim_end_matches('/'))).map_err(|e| {
        m365_core::Error::invalid("the simulated tenant has no readable address").with_source(e)
    })?;
    Ok(Cloud::public()
        .with_base_urls(base.clone(), base.clone(), base)
        .with_imap(HostPort::new("localhost", tenant.imap_addr().port())))
}

/// A transport that trusts this tenant's own certificate authority and no other.
///
/// # Errors
/// When its certificate cannot be read.
pub fn transport_of(tenant: &Tenant) -> Result<Transport> {
    Ok(Transport::new(ReqwestTransport::with_only_roots(tenant.ca_pem())?))
}

/// This tenant's IMAP server.
///
/// # Errors
/// When its certificate cannot be read.
pub fn imap_of(tenant: &Tenant) -> Result<ImapServer> {
    Ok(ImapServer::new(HostPort::new("localhost", tenant.imap_addr().port()))
        .with_roots(TlsRoots::only(tenant.ca_pem())?))
}

/// An onboarding in this tenant, with the set-up identity that its scenario brings along. Tenant and secrets are gone
/// together when the process ends.
///
/// # Errors
/// When the tenant's addresses, certificate or credential cannot be used.
pub fn onboarding(tenant: &Tenant) -> Result<Onboarding> {
    let (cloud, transport, clock) = (cloud_of(tenant)?, transport_of(tenant)?, clock_of(tenant));
    let tenant_id = TenantId::from_bytes(*tenant.tenant_id().as_bytes());
    let identity = tenant.setup_identity();
    let client = ClientId::from_bytes(*identity.client_id.as_bytes());
    let setup = ClientSecretCredential::new(cloud.clone(), tenant_id.into(), client, identity.secret.into())?
        .with_transport(transport.clone())
        .with_clock(clock.clone());
    let vault = Vault::new(MemoryVault::new());
    Ok(Onboarding::builder(cloud, transport, tenant_id, client, Credential::new(setup), vault)
        .clock(clock)
        .imap(imap_of(tenant)?)
        .build())
}

/// Exchange's cmdlets in this tenant, run by the set-up identity that its scenario brings along.
///
/// # Errors
/// As [`onboarding`].
pub fn exchange_of(tenant: &Tenant) -> Result<ExchangeAdmin> {
    let (cloud, transport, clock) = (cloud_of(tenant)?, transport_of(tenant)?, clock_of(tenant));
    let tenant_id = TenantId::from_bytes(*tenant.tenant_id().as_bytes());
    let identity = tenant.setup_identity();
    let client = ClientId::from_bytes(*identity.client_id.as_bytes());
    let setup = ClientSecretCredential::new(cloud.clone(), tenant_id.into(), client, identity.secret.into())?
        .with_transport(transport.clone())
        .with_clock(clock.clone());
    let pipeline = Pipeline::builder(cloud, transport, Credential::new(setup))
        .app(client.to_string())
        .clock(clock)
        .user_agent("acme-setup/1.0")
        .build();
    Ok(ExchangeAdmin::new(pipeline, tenant_id))
}

/// Two apps that read one mailbox, over IMAP and over Graph, made in code.
///
/// # Errors
/// When the address is none.
pub fn reader_profile(unique_name: &str, mailbox: &str) -> Result<AccessProfile> {
    let imap = app(
        &format!("{unique_name}-imap"),
        &["IMAP.AccessAsApp"],
        GrantMode::MailboxPermission,
        &[mailbox],
        None,
    )?;
    let group = ScopeGroup {
        address: format!("{unique_name}@contoso.example").parse()?,
        display_name: "Mailboxes to read".to_owned(),
        create: true,
        allow_other_members: false,
    };
    let graph =
        app(&format!("{unique_name}-graph"), &["Mail.Read"], GrantMode::Rbac, &[mailbox], Some(group))?;
    AccessProfile::new(unique_name, "Two apps read one mailbox.", vec![imap, graph])
}

/// An app that reads calendars, made in code.
///
/// # Errors
/// When an address is none.
pub fn presence_profile(unique_name: &str, mailboxes: &[&str]) -> Result<AccessProfile> {
    let group = ScopeGroup {
        address: format!("{unique_name}-users@contoso.example").parse()?,
        display_name: "Presence users".to_owned(),
        create: true,
        allow_other_members: false,
    };
    let app = app(unique_name, &["Calendars.Read"], GrantMode::Rbac, mailboxes, Some(group))?;
    AccessProfile::new(unique_name, "A presence server reads calendars.", vec![app])
}

fn app(
    unique_name: &str,
    permissions: &[&str],
    grant: GrantMode,
    mailboxes: &[&str],
    group: Option<ScopeGroup>,
) -> Result<AppProfile> {
    Ok(AppProfile {
        unique_name: unique_name.to_owned(),
        display_name: unique_name.to_owned(),
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
        multi_tenant: false,
        remove_default_user_read: true,
        credential: CredentialPolicy::default_secret(),
        scope: Scope {
            grant,
            mailboxes: mailboxes.iter().map(|m| m.parse()).collect::<Result<_>>()?,
            group,
            canary: "ceo@contoso.example".parse()?,
        },
    })
}
