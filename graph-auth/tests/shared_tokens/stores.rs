//! A store in memory that can be told to misbehave, and a token service that counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use graph_auth::{
    ClientSecretCredential, Error, ErrorKind, RecordName, Result, SharedTokens, StoreKey, TokenObserver,
    TokenScope, TokenStore,
};
use http::{Request, Response};
use m365_core::testing::ManualClock;
use m365_core::{Body, ClientId, Cloud, HttpTransport, SharedClock, TenantName, Transport, TransportError};
use tokio::time::Instant;

pub(crate) const TENANT: &str = "contoso.example";
pub(crate) const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";

/// How the store treats those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Down,
    Hangs,
    /// A little too slow for the half second.
    Slow,
    Corrupt,
    Truncated,
    Empty,
    /// Another name's record.
    Swapped,
    /// The first record it ever got of that name.
    Replayed,
    Huge,
    /// Gives no lease to anybody.
    Leased,
    /// Gives the lease to everybody.
    Generous,
    /// Takes records and has none.
    Forgetful,
    /// Has the record a moment too late for the first look.
    Late,
    /// Loads, and hangs when saving.
    HangsOnSave,
}

pub(crate) const HOSTILE: [Mood; 13] = [
    Mood::Down,
    Mood::Hangs,
    Mood::Slow,
    Mood::Corrupt,
    Mood::Truncated,
    Mood::Empty,
    Mood::Swapped,
    Mood::Replayed,
    Mood::Huge,
    Mood::Leased,
    Mood::Generous,
    Mood::Forgetful,
    Mood::HangsOnSave,
];

#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mood: Mutex<Mood>,
    records: Mutex<HashMap<RecordName, Vec<Bytes>>>,
    leases: Mutex<HashMap<RecordName, (String, Instant)>>,
    calls: AtomicU32,
}

impl Memory {
    pub(crate) fn new(mood: Mood) -> Self {
        Self(Arc::new(Inner {
            mood: Mutex::new(mood),
            records: Mutex::default(),
            leases: Mutex::default(),
            calls: AtomicU32::new(0),
        }))
    }

    pub(crate) fn turn(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    pub(crate) fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn leases(&self) -> usize {
        self.0.leases.lock().unwrap().len()
    }

    /// Every record ever saved, with its name.
    pub(crate) fn dump(&self) -> Vec<(String, Bytes)> {
        let records = self.0.records.lock().unwrap();
        let each = |(name, all): (&RecordName, &Vec<Bytes>)| {
            all.iter().map(|record| (name.to_string(), record.clone())).collect::<Vec<_>>()
        };
        records.iter().flat_map(each).collect()
    }

    /// Somebody who took the lease and died.
    pub(crate) fn lease_all_for_the_dead(&self, names: &[RecordName]) {
        let until = Instant::now() + Duration::from_secs(5);
        for name in names {
            self.0.leases.lock().unwrap().insert(name.clone(), ("the dead".to_owned(), until));
        }
    }

    pub(crate) fn names(&self) -> Vec<RecordName> {
        self.0.records.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn forget(&self) {
        self.0.records.lock().unwrap().clear();
    }

    async fn call(&self) -> Result<Mood> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let mood = *self.0.mood.lock().unwrap();
        match mood {
            Mood::Down => return Err(Error::new(ErrorKind::Unavailable, "down")),
            Mood::Hangs => std::future::pending().await,
            Mood::Slow => tokio::time::sleep(Duration::from_millis(600)).await,
            // As a network would.
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        Ok(mood)
    }
}

impl TokenStore for Memory {
    async fn load(&self, name: &RecordName) -> Result<Option<Bytes>> {
        let mood = self.call().await?;
        let records = self.0.records.lock().unwrap();
        let newest = records.get(name).and_then(|all| all.last().cloned());
        Ok(match mood {
            Mood::Corrupt => newest.map(|record| {
                let mut bytes = record.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                bytes.into()
            }),
            Mood::Truncated => newest.map(|record| record.slice(..record.len() / 2)),
            Mood::Empty => Some(Bytes::new()),
            Mood::Swapped => {
                records.iter().find(|(other, _)| *other != name).and_then(|(_, all)| all.last().cloned())
            }
            Mood::Replayed => records.get(name).and_then(|all| all.first().cloned()),
            Mood::Huge => Some(vec![1; 20_000_000].into()),
            Mood::Forgetful => None,
            Mood::Late => {
                *self.0.mood.lock().unwrap() = Mood::Good;
                None
            }
            _ => newest,
        })
    }

    async fn save(&self, name: &RecordName, record: Bytes, _life: Duration) -> Result<()> {
        if self.call().await? == Mood::HangsOnSave {
            std::future::pending::<()>().await;
        }
        self.0.records.lock().unwrap().entry(name.clone()).or_default().push(record);
        Ok(())
    }

    async fn lease(&self, name: &RecordName, holder: &str, life: Duration) -> Result<bool> {
        let mood = self.call().await?;
        let mut leases = self.0.leases.lock().unwrap();
        let free = leases.get(name).is_none_or(|(_, until)| *until <= Instant::now());
        let given = mood == Mood::Generous || (mood != Mood::Leased && free);
        if given {
            leases.insert(name.clone(), (holder.to_owned(), Instant::now() + life));
        }
        Ok(given)
    }

    async fn release(&self, name: &RecordName, holder: &str) -> Result<()> {
        self.call().await?;
        self.0.leases.lock().unwrap().retain(|leased, (by, _)| leased != name || by != holder);
        Ok(())
    }
}

/// Gives numbered tokens that say for whom they are: `<number>.<tenant>.<resource>`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service(Arc<ServiceState>);

#[derive(Debug, Default)]
struct ServiceState {
    requests: AtomicU32,
    delay: Mutex<Duration>,
    refuses: Mutex<bool>,
}

impl Service {
    pub(crate) fn requests(&self) -> u32 {
        self.0.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn delay(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        *self.0.refuses.lock().unwrap() = refuses;
    }
}

impl HttpTransport for Service {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let delay = *self.0.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        let (status, body) = if *self.0.refuses.lock().unwrap() {
            (400, r#"{"error":"invalid_client"}"#.to_owned())
        } else {
            let form = String::from_utf8(request.body().to_vec()).unwrap();
            let scope = form.split("scope=").nth(1).unwrap().split('&').next().unwrap();
            let host = scope.split("%2F%2F").nth(1).unwrap().split("%2F").next().unwrap();
            let tenant = request.uri().path().split('/').nth(1).unwrap();
            (200, format!(r#"{{"access_token":"{number}.{tenant}.{host}","expires_in":3600}}"#))
        };
        let mut response = Response::new(Body::from_bytes(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(pub(crate) Arc<Counts>);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) minted: AtomicU32,
    pub(crate) shared: AtomicU32,
    pub(crate) store_failed: AtomicU32,
    pub(crate) failed: AtomicU32,
}

impl TokenObserver for Heard {
    fn minted(&self, _: &TokenScope<'_>, _: Duration, _: bool) {
        self.0.minted.fetch_add(1, Ordering::Relaxed);
    }
    fn shared(&self, _: &TokenScope<'_>) {
        self.0.shared.fetch_add(1, Ordering::Relaxed);
    }
    fn store_failed(&self, _: &TokenScope<'_>, error: &Error) {
        assert!(!error.to_string().contains(TENANT), "{error}");
        self.0.store_failed.fetch_add(1, Ordering::Relaxed);
    }
    fn failed(&self, _: &TokenScope<'_>, _: &Error, _: bool) {
        self.0.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Heard {
    /// Minted, shared, failures of the store.
    pub(crate) fn counts(&self) -> (u32, u32, u32) {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (of(&self.0.minted), of(&self.0.shared), of(&self.0.store_failed))
    }
}

/// What the instances of one test have in common.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) store: Memory,
    pub(crate) key: StoreKey,
    pub(crate) manual: ManualClock,
    pub(crate) heard: Heard,
}

impl World {
    pub(crate) fn new(mood: Mood) -> Self {
        Self {
            service: Service::default(),
            store: Memory::new(mood),
            key: StoreKey::generate().unwrap(),
            manual: ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap()),
            heard: Heard::default(),
        }
    }

    /// One process as far as tokens are concerned: nothing but the store and the service in common with the others.
    pub(crate) fn instance(&self) -> ClientSecretCredential {
        self.instance_of(Cloud::public(), TENANT, CLIENT).with_store(self.shared())
    }

    pub(crate) fn shared(&self) -> SharedTokens {
        SharedTokens::new(self.store.clone(), self.key.clone())
    }

    pub(crate) fn instance_of(&self, cloud: Cloud, tenant: &str, client: &str) -> ClientSecretCredential {
        let (tenant, client) = (TenantName::parse(tenant).unwrap(), ClientId::parse(client).unwrap());
        ClientSecretCredential::new(cloud, tenant, client, "Q8~secret".into())
            .unwrap()
            .with_transport(Transport::new(self.service.clone()))
            .with_clock(SharedClock::new(self.manual.clone()))
            .with_observer(self.heard.clone())
    }
}
