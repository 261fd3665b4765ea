use std::sync::{Arc, Mutex};
use std::time::Duration;

use ews_client::calendar::EwsCalendar;
use ews_client::{
    Answer, ConnectingSid, EwsClient, EwsClientBuilder, EwsCredential, EwsEndpoint, EwsOperation, Result,
    Target,
};
use jiff::{SignedDuration, Timestamp};
use m365_core::transport::ReqwestTransport;
use m365_core::{
    AccessToken, Clock, Cloud, Credential, MailboxAddress, SharedClock, TokenCredential, TokenRequest,
    Transport,
};
use tenant_sim::state::{Event, Folder, FolderGrantee, FolderPermission, Timed};
use tenant_sim::{
    Propagation, Scenario, ScenarioAccount, ScenarioApp, ScenarioGroup, ScenarioGroupKind, ScenarioMailbox,
    SimClock, Tenant,
};
use uuid::Uuid;

pub(crate) const ALICE: &str = "alice@contoso.example";
pub(crate) const BOB: &str = "bob@contoso.example";
pub(crate) const OLGA: &str = "olga@contoso.example";
pub(crate) const PETE: &str = "pete@contoso.example";
pub(crate) const RITA: &str = "rita@contoso.example";
pub(crate) const SVEN: &str = "sven@contoso.example";
const SECRET: &str = "not-a-real-secret";
pub(crate) const AGENT: &str = "acme-connector/2.4";

/// Contoso with an app that may act in every mailbox, two rooms, and four mailboxes on premises, each open to the service
/// account in another way.
pub(crate) struct World {
    pub(crate) tenant: Tenant,
}

/// The tenant's clock: waiting on it moves the tenant's time on.
#[derive(Clone, Debug)]
struct TenantClock(SimClock);

impl Clock for TenantClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(SignedDuration::try_from(duration).unwrap());
        tokio::task::yield_now().await;
    }
}

/// The app's tokens, from the tenant.
#[derive(Debug)]
struct Tokens {
    url: String,
    client: Uuid,
    transport: Transport,
    token: Mutex<Option<AccessToken>>,
}

impl TokenCredential for Tokens {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        if request.rejected.is_none()
            && let Some(token) = &*self.token.lock().unwrap()
        {
            return Ok(token.clone());
        }
        let body = format!(
            "grant_type=client_credentials&client_id={}&client_secret={SECRET}&scope=https%3A%2F%2Foutlook.office365.com%2F.default",
            self.client
        );
        let sent = http::Request::post(&self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into())
            .unwrap();
        let answer = self.transport.send(sent).await.unwrap().into_body();
        let text = answer.collect(1 << 16).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let token = AccessToken::new(json["access_token"].as_str().unwrap(), Timestamp::MAX)?;
        *self.token.lock().unwrap() = Some(token.clone());
        Ok(token)
    }
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::contoso();
    let like = |name: &str, display_name: &str, mailbox| {
        let mut user = Scenario::contoso().users.into_iter().find(|u| u.name == "dave").unwrap();
        (user.name, user.display_name, user.mailbox) = (name.to_owned(), display_name.to_owned(), mailbox);
        user
    };
    for (name, display_name, kind) in [
        ("room-alps", "Alps", ScenarioMailbox::Room),
        ("room-andes", "Andes", ScenarioMailbox::Room),
        ("pete", "Pete Park", ScenarioMailbox::Remote),
        ("rita", "Rita Ross", ScenarioMailbox::Remote),
        ("sven", "Sven Storm", ScenarioMailbox::Remote),
        ("svc-ladder", "Ladder service", ScenarioMailbox::Remote),
    ] {
        scenario.users.push(like(name, display_name, kind));
    }
    let group = |name: &str, kind, members: &[&str]| ScenarioGroup {
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind,
        members: members.iter().map(|m| (*m).to_owned()).collect(),
    };
    scenario.groups.push(group("rooms-north", ScenarioGroupKind::Distribution, &["room-alps", "room-andes"]));
    scenario.groups.push(group("impersonated", ScenarioGroupKind::MailEnabledSecurity, &["olga"]));
    scenario.on_premises.accounts.push(ScenarioAccount {
        name: "svc-ladder".to_owned(),
        password: "Ladder-Passw0rd".to_owned(),
        impersonates: Some("impersonated".to_owned()),
        locked: false,
    });
    scenario.apps.push(ScenarioApp {
        display_name: "Acme presence".to_owned(),
        unique_name: Some("acme-presence".to_owned()),
        made_in_portal: false,
        graph_roles: Vec::new(),
        exchange_roles: vec!["full_access_as_app".to_owned()],
        secret: Some(SECRET.to_owned()),
        directory_roles: Vec::new(),
        role_groups: Vec::new(),
    });
    scenario
}

impl World {
    pub(crate) async fn new() -> Self {
        let tenant =
            Tenant::builder().scenario(scenario()).propagation(Propagation::instant()).start().await.unwrap();
        let world = Self { tenant };
        let service = world.id("svc-ladder@contoso.example");
        world.permit(PETE, FolderGrantee::Recipient(service), &["FolderVisible", "ReadItems"]);
        world.permit(SVEN, FolderGrantee::Default, &[]);
        world
    }

    pub(crate) fn clock(&self) -> SharedClock {
        SharedClock::new(TenantClock(self.tenant.clock().clone()))
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::new(ReqwestTransport::with_only_roots(self.tenant.ca_pem()).unwrap())
    }

    /// Object id of a mailbox's user.
    pub(crate) fn id(&self, address: &str) -> Uuid {
        let now = self.tenant.now();
        self.tenant.with_state(|state| state.mailbox(address, now).unwrap().object_id)
    }

    /// Puts an event into somebody's calendar.
    pub(crate) fn event(&self, address: &str, event: Event) -> String {
        let (id, now) = (self.id(address), self.tenant.now());
        self.tenant.with_state(|state| state.store.put_event(id, event, now))
    }

    fn permit(&self, owner: &str, grantee: FolderGrantee, rights: &[&str]) {
        let entry = FolderPermission {
            mailbox: self.id(owner),
            folder: Folder::Calendar,
            grantee,
            rights: rights.iter().map(|r| (*r).to_owned()).collect(),
            delegate: false,
            private_items: false,
        };
        self.tenant.with_state(|state| state.exchange.folder_permissions.push(Timed::always(entry)));
    }

    /// Of the app, in Exchange Online.
    pub(crate) fn online(&self) -> EwsClient {
        self.online_with(|builder| builder)
    }

    pub(crate) fn online_with(&self, set: impl FnOnce(EwsClientBuilder) -> EwsClientBuilder) -> EwsClient {
        let client = self.tenant.with_state(|state| {
            let all = &state.directory.applications;
            all.iter().find(|a| a.value.display_name == "Acme presence").unwrap().value.app_id
        });
        let tokens = Tokens {
            url: format!("{}/{}/oauth2/v2.0/token", self.tenant.https_url(), self.tenant.tenant_id()),
            client,
            transport: self.transport(),
            token: Mutex::default(),
        };
        let base: url::Url = format!("{}/", self.tenant.https_url()).parse().unwrap();
        let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
        let endpoint = EwsEndpoint::online(&cloud);
        set(self.builder(endpoint, EwsCredential::bearer(Credential::new(tokens)))).build().unwrap()
    }

    /// Of an account, on premises.
    pub(crate) fn own(&self, credential: EwsCredential) -> EwsClient {
        let endpoint =
            EwsEndpoint::on_premises(self.tenant.on_premises_https_url().parse().unwrap()).unwrap();
        self.builder(endpoint, credential).build().unwrap()
    }

    fn builder(&self, endpoint: EwsEndpoint, credential: EwsCredential) -> EwsClientBuilder {
        EwsClient::builder(endpoint, credential)
            .only_roots(self.tenant.ca_pem())
            .clock(self.clock())
            .user_agent(AGENT)
    }

    /// Of the service that acts for everybody on premises, by Basic.
    pub(crate) fn service(&self) -> EwsClient {
        self.own(EwsCredential::basic(r"CONTOSO\svc-calendar", "Svc-Passw0rd".into()))
    }

    pub(crate) fn calendar(&self, address: &str) -> EwsCalendar {
        EwsCalendar::new(self.online(), acting_as(address))
    }
}

pub(crate) fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

pub(crate) fn acting_as(text: &str) -> Target {
    Target::Impersonate(ConnectingSid::PrimarySmtpAddress(address(text)))
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What one request about one thing brought.
pub(crate) async fn one<O>(client: &EwsClient, target: &Target, operation: &O) -> O::Item
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    let answer = client.call(operation, target).await.unwrap_or_else(|e| panic!("{}: {e:?}", O::NAME));
    only(answer)
}

pub(crate) fn only<T>(answer: Answer<T>) -> T {
    assert_eq!(answer.results.len(), 1);
    answer.results.into_iter().next().unwrap().into_result().unwrap()
}

/// What is done and brings nothing.
pub(crate) async fn done<O>(client: &EwsClient, target: &Target, operation: &O)
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    let answer = client.call(operation, target).await.unwrap_or_else(|e| panic!("{}: {e:?}", O::NAME));
    assert!(answer.results.iter().all(ews_client::ItemResult::is_done), "{}", O::NAME);
}

/// What was asked for, as the tenant saw it.
pub(crate) fn asked(world: &World) -> Vec<Arc<str>> {
    let journal = world.tenant.journal();
    journal.iter().filter_map(|entry| entry.cmdlet.as_deref().map(Into::into)).collect()
}
