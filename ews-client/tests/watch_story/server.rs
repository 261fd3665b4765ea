//! The simulated server, and what happens in its calendars.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ews_client::watch::WatchedMailbox;
use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
use jiff::SignedDuration;
use m365_core::MailboxAddress;
use tenant_sim::state::Event;
use tenant_sim::{Propagation, Scenario, ScenarioUser, Tenant};
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Created,
    Updated,
    Deleted,
}

/// What happened to which item of whom. An item is changed once: so no change hides another.
pub(crate) type Happened = (String, Kind, String);

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) tenant: Arc<Tenant>,
    mailboxes: usize,
    made: Arc<Mutex<HashSet<Happened>>>,
    /// Changes that are still to be made.
    ahead: Arc<Mutex<Vec<(usize, Kind)>>>,
    /// Ids of the two events that each mailbox begins with.
    first: Arc<Vec<[String; 2]>>,
}

/// An item's id as EWS has it; the store keeps those of Graph.
fn wire_id(id: &str) -> String {
    format!("AAMk{}", id.strip_prefix("AAkA").unwrap()).replace('-', "+").replace('_', "/")
}

impl Server {
    pub(crate) async fn start(mailboxes: usize) -> Self {
        let mut scenario = Scenario::contoso();
        let olga = scenario.users.iter().find(|user| user.name == "olga").unwrap();
        let person = ScenarioUser { messages: Vec::new(), events: Vec::new(), ..olga.clone() };
        scenario.users.extend(
            (0..mailboxes).map(|n| ScenarioUser { name: format!("person-{n:05}"), ..person.clone() }),
        );
        let tenant =
            Tenant::builder().scenario(scenario).propagation(Propagation::instant()).start().await.unwrap();
        tenant.ews().set_real_heartbeat(Duration::from_secs(1));
        let kinds = [Kind::Created, Kind::Updated, Kind::Deleted];
        let mut ahead: Vec<_> = (0..mailboxes).flat_map(|n| kinds.map(|kind| (n, kind))).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut ahead);
        let mut server = Self {
            tenant: Arc::new(tenant),
            mailboxes,
            made: Arc::default(),
            ahead: Arc::new(Mutex::new(ahead)),
            first: Arc::default(),
        };
        server.first = Arc::new((0..mailboxes).map(|n| [server.put(n, None), server.put(n, None)]).collect());
        server
    }

    pub(crate) fn address(&self, mailbox: usize) -> String {
        format!("person-{mailbox:05}@contoso.example")
    }

    fn put(&self, mailbox: usize, id: Option<&str>) -> String {
        let now = self.tenant.now();
        let address = self.address(mailbox);
        self.tenant.with_state(|state| {
            let owner = state.mailbox(&address, now).unwrap().object_id;
            let mut event = Event::new("Review", now, now + SignedDuration::from_mins(30));
            event.id = id.unwrap_or_default().to_owned();
            state.store.put_event(owner, event, now)
        })
    }

    pub(crate) fn change(&self, mailbox: usize, kind: Kind) {
        let [updated, deleted] = &self.first[mailbox];
        let id = match kind {
            Kind::Created => self.put(mailbox, None),
            Kind::Updated => self.put(mailbox, Some(updated)),
            Kind::Deleted => {
                let (address, now) = (self.address(mailbox), self.tenant.now());
                self.tenant.with_state(|state| {
                    let owner = state.mailbox(&address, now).unwrap().object_id;
                    state.store.remove_event(owner, deleted, false, now).unwrap();
                });
                deleted.clone()
            }
        };
        self.made.lock().unwrap().insert((self.address(mailbox), kind, wire_id(&id)));
    }

    /// The next of three changes in every mailbox, in an order of no order, over this time.
    pub(crate) fn change_some(&self, count: usize, within: Duration) -> JoinHandle<()> {
        let server = self.clone();
        let some: Vec<_> = {
            let mut ahead = self.ahead.lock().unwrap();
            let left = ahead.len().saturating_sub(count);
            ahead.split_off(left)
        };
        tokio::spawn(async move {
            for few in some.chunks(some.len().div_ceil(50)) {
                few.iter().for_each(|(mailbox, kind)| server.change(*mailbox, *kind));
                tokio::time::sleep(within / 50).await;
            }
        })
    }

    pub(crate) fn made(&self) -> HashSet<Happened> {
        self.made.lock().unwrap().clone()
    }

    /// Calls of this operation (all of them for "") that were answered so.
    pub(crate) fn calls(&self, operation: &str, answered: impl Fn(u16) -> bool) -> usize {
        let journal = self.tenant.journal();
        let of = |name: Option<&str>| operation.is_empty() || name == Some(operation);
        journal.iter().filter(|e| of(e.cmdlet.as_deref()) && e.status.is_some_and(&answered)).count()
    }

    /// A client of its own, as a process that begins anew has it.
    pub(crate) fn client(&self) -> EwsClient {
        let url = self.tenant.on_premises_url().parse().unwrap();
        let endpoint = EwsEndpoint::on_premises_without_tls(url).unwrap();
        let password = "Svc-Passw0rd".to_owned().into();
        EwsClient::builder(endpoint, EwsCredential::basic(r"CONTOSO\svc-calendar", password)).build().unwrap()
    }

    pub(crate) fn watched(&self) -> Vec<WatchedMailbox> {
        let watched = |n| WatchedMailbox::new(MailboxAddress::parse(&self.address(n)).unwrap());
        (0..self.mailboxes).map(watched).collect()
    }
}
