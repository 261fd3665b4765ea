//! What the stories share: a simulated tenant, and the three values that point our crates at it.

use std::time::Duration;

use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{Clock, Cloud, HostPort, Result, SharedClock, Transport};
use mail_access::mail::imap::{ImapServer, TlsRoots};
use tenant_sim::{SimClock, Tenant};

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
        tokio::time::sleep(Duration::from_millis(1)).await;
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
