//! The Exchange servers from outside: what goes wrong with them, and what they do besides the schema.

use std::time::Duration;

use jiff::SignedDuration;
use uuid::Uuid;

use super::Tenant;
use crate::ews::{EwsLimits, EwsQuirk, EwsServer, EwsThrottle, Heartbeat};
use crate::server::lock;
use crate::state::{AuthScheme, ExtendedProtection};

/// Turns the switches of a running tenant's Exchange servers; from [`Tenant::ews`].
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use tenant_sim::{EwsQuirk, EwsThrottle, Scenario, Tenant};
///
/// let tenant = Tenant::start(Scenario::contoso()).await?;
/// tenant.ews().set_quirk(EwsQuirk::FaultWithHttp200, true);
/// tenant.ews().throttle(Some("olga@contoso.example"), EwsThrottle::Busy(Some(5000)), 2);
/// tenant.ews().restart();
/// # Ok::<(), tenant_sim::StartError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EwsControl<'a> {
    tenant: &'a Tenant,
}

impl Tenant {
    /// The switches of the tenant's Exchange servers.
    pub fn ews(&self) -> EwsControl<'_> {
        EwsControl { tenant: self }
    }
}

impl EwsControl<'_> {
    fn server(&self) -> EwsServer {
        lock(&self.tenant.shared.state).ews.clone()
    }

    /// The mailbox with this address; some that nobody has when there is none.
    fn mailbox(&self, address: Option<&str>) -> Option<Uuid> {
        let address = address?;
        let now = self.tenant.now();
        Some(lock(&self.tenant.shared.state).mailbox(address, now).map_or(Uuid::nil(), |m| m.object_id))
    }

    /// Turns a quirk on or off.
    pub fn set_quirk(&self, quirk: EwsQuirk, on: bool) {
        self.server().set_quirk(quirk, on);
    }

    /// The limits of throttling and subscriptions.
    pub fn limits(&self) -> EwsLimits {
        self.server().limits()
    }

    /// Changes them.
    pub fn set_limits(&self, change: impl FnOnce(&mut EwsLimits)) {
        let server = self.server();
        let mut limits = server.limits();
        change(&mut limits);
        server.set_limits(limits);
    }

    /// How often an idle stream says that it lives, on the tenant's clock; 45 seconds unless said otherwise.
    pub fn set_heartbeat(&self, every: SignedDuration) {
        self.server().set_heartbeat(Heartbeat::Tenant(every));
    }

    /// The same on the machine's clock, for clients that wait in real time while the tenant's clock stands still.
    pub fn set_real_heartbeat(&self, every: Duration) {
        self.server().set_heartbeat(Heartbeat::Real(every));
    }

    /// A restart: every connection ends, and every subscription is forgotten.
    pub fn restart(&self) {
        self.server().restart();
    }

    /// Ends every connection to the tenant's web servers.
    pub fn drop_connections(&self) {
        self.server().drop_connections();
    }

    /// Ends every stream of notifications in the middle; subscriptions live on.
    pub fn drop_streams(&self) {
        self.server().drop_streams();
    }

    /// Forgets the subscriptions to a mailbox, or all of them; the answer is how many.
    pub fn forget_subscriptions(&self, mailbox: Option<&str>) -> usize {
        self.server().forget(self.mailbox(mailbox))
    }

    /// Loses what waits for the subscriptions to a mailbox, or to all; they are told `ErrorMissedNotificationEvents`.
    pub fn miss_events(&self, mailbox: Option<&str>) -> usize {
        let server = self.server();
        let mailbox = self.mailbox(mailbox);
        let state = lock(&self.tenant.shared.state);
        server.catch_up_all(&state);
        drop(state);
        server.miss(mailbox)
    }

    /// Throttles the next calls, of one mailbox or of all.
    pub fn throttle(&self, mailbox: Option<&str>, answer: EwsThrottle, calls: u32) {
        self.server().throttle(self.mailbox(mailbox), answer, calls);
    }

    /// Ends all throttling.
    pub fn calm(&self) {
        self.server().calm();
    }

    /// Subscriptions that the servers know.
    pub fn subscriptions(&self) -> usize {
        self.server().counts().0
    }

    /// Streams that are open.
    pub fn streams(&self) -> usize {
        self.server().counts().1
    }

    /// Locks an account of the organisation's own domain, by UPN or `DOMAIN\name`, or unlocks it; false when there is none.
    pub fn lock_account(&self, login: &str, locked: bool) -> bool {
        let mut state = lock(&self.tenant.shared.state);
        let Some(account) = state.premises.account_mut(login) else { return false };
        account.locked = locked;
        account.failures = 0;
        true
    }

    /// What the organisation's own servers offer to authenticate with.
    pub fn set_schemes(&self, schemes: &[AuthScheme]) {
        lock(&self.tenant.shared.state).premises.schemes = schemes.to_vec();
    }

    /// Extended Protection of the organisation's own servers.
    pub fn set_extended_protection(&self, protection: ExtendedProtection) {
        lock(&self.tenant.shared.state).premises.extended_protection = protection;
    }
}
