//! An Exchange server for the stories: a simulated one, or by environment the organisation's own.

use ews_client::{EwsClient, EwsCredential, EwsEndpoint, Target};
use jiff::Timestamp;
use m365_core::{Error, MailboxAddress, Result, SharedClock};
use tenant_sim::state::{Folder, FolderGrantee, FolderPermission, Timed};
use tenant_sim::{Propagation, Scenario, ScenarioMailbox, Tenant};

use crate::clock_of;

/// A server, an account that signs in there, and whose calendars it is to read.
#[derive(Debug)]
pub struct ExchangeServer {
    /// Signed in as the account.
    pub client: EwsClient,
    /// In whose name free and busy times are asked for: the account's own.
    pub asker: Target,
    /// Whose calendars.
    pub mailboxes: Vec<MailboxAddress>,
    /// Its time, simulated or not.
    pub clock: SharedClock,
    /// Lives as long as its client.
    tenant: Option<Tenant>,
}

impl ExchangeServer {
    /// The server at `EWS_URL` (`https://mail.contoso.example`) with the account `EWS_USER` (`CONTOSO\svc-calendar`) and its
    /// `EWS_PASSWORD`, for the comma-separated `EWS_MAILBOXES`; without `EWS_URL` a simulated one.
    ///
    /// # Errors
    /// A variable that is missing or makes no sense.
    pub async fn from_env() -> Result<Self> {
        match std::env::var("EWS_URL") {
            Ok(url) => Self::real(&url),
            Err(_) => Self::simulated().await,
        }
    }

    fn real(url: &str) -> Result<Self> {
        let url = url.parse().map_err(|e| Error::invalid("EWS_URL is no address").with_source(e))?;
        let credential = EwsCredential::basic(&variable("EWS_USER")?, variable("EWS_PASSWORD")?.into());
        let mailboxes = variable("EWS_MAILBOXES")?;
        Ok(Self {
            client: EwsClient::builder(EwsEndpoint::on_premises(url)?, credential).build()?,
            asker: Target::SelfMailbox,
            mailboxes: mailboxes.split(',').map(|m| m.trim().parse()).collect::<Result<_>>()?,
            clock: SharedClock::system(),
            tenant: None,
        })
    }

    /// The organisation's own server, with four mailboxes that are open to the account in four ways: by its management role, by a
    /// right on the folder, as everybody's, and not at all.
    async fn simulated() -> Result<Self> {
        let mut scenario = Scenario::contoso();
        let events =
            scenario.users.iter().find(|u| u.name == "bob").map(|u| u.events.clone()).unwrap_or_default();
        for user in &mut scenario.users {
            if ["alice", "carol", "dave", "ceo", "svc-calendar"].contains(&user.name.as_str()) {
                user.mailbox = ScenarioMailbox::Remote;
            }
            if user.name == "dave" {
                user.events.clone_from(&events);
            }
        }
        for account in &mut scenario.on_premises.accounts {
            account.impersonates =
                Some("presence-users".to_owned()).filter(|_| account.name == "svc-calendar");
        }
        let password = scenario.on_premises.accounts.iter().find(|a| a.name == "svc-calendar");
        let password = password.map(|a| a.password.clone()).unwrap_or_default();
        let tenant = Tenant::builder()
            .scenario(scenario)
            .propagation(Propagation::instant())
            .start()
            .await
            .map_err(|e| Error::invalid("the simulated server does not start").with_source(e))?;
        let service = "svc-calendar@contoso.example";
        permit(&tenant, "carol@contoso.example", Some(service), &["FolderVisible", "ReadItems"]);
        permit(&tenant, "ceo@contoso.example", None, &[]);

        let url = tenant.on_premises_https_url().parse();
        let url =
            url.map_err(|e| Error::invalid("the simulated server has no readable address").with_source(e))?;
        let clock = clock_of(&tenant);
        let credential = EwsCredential::basic(r"CONTOSO\svc-calendar", password.into());
        let client = EwsClient::builder(EwsEndpoint::on_premises(url)?, credential)
            .only_roots(tenant.ca_pem())
            .clock(clock.clone())
            .build()?;
        let mailboxes =
            ["alice", "carol", "dave", "ceo"].map(|name| format!("{name}@contoso.example").parse());
        Ok(Self {
            client,
            asker: Target::SelfMailbox,
            mailboxes: mailboxes.into_iter().collect::<Result<_>>()?,
            clock,
            tenant: Some(tenant),
        })
    }

    /// Whether all of it is simulated.
    pub fn is_simulated(&self) -> bool {
        self.tenant.is_some()
    }

    /// The day that it is there, in UTC.
    pub fn today(&self) -> (Timestamp, Timestamp) {
        let now = self.clock.now();
        let start = now.to_zoned(jiff::tz::TimeZone::UTC).start_of_day().map_or(now, |day| day.timestamp());
        (start, start + jiff::SignedDuration::from_hours(24))
    }
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|e| Error::invalid(format!("{name} is missing")).with_source(e))
}

/// An entry on the calendar of `owner`, for somebody or for everybody.
fn permit(tenant: &Tenant, owner: &str, grantee: Option<&str>, rights: &[&str]) {
    let now = tenant.clock().now();
    tenant.with_state(|state| {
        let id = |address: &str| state.mailbox(address, now).map(|mailbox| mailbox.object_id);
        let grantee = match grantee {
            Some(address) => id(address).map(FolderGrantee::Recipient),
            None => Some(FolderGrantee::Default),
        };
        let Some((mailbox, grantee)) = id(owner).zip(grantee) else { return };
        state.exchange.folder_permissions.push(Timed::always(FolderPermission {
            mailbox,
            folder: Folder::Calendar,
            grantee,
            rights: rights.iter().map(|right| (*right).to_owned()).collect(),
            delegate: false,
            private_items: false,
        }));
    });
}
