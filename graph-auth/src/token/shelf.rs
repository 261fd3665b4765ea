//! Where a cache keeps its entries: each is found without allocating, and there are never too many.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use jiff::Timestamp;
use m365_core::{ClientId, Resource, TenantName};

use super::cache::Entry;
use super::observer::TokenScope;

/// Which token a caller means. Authority, client and certificate are the same for all tokens of one cache, which belongs to
/// one credential; a shared store needs them.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "token-store"), allow(dead_code, reason = "only a shared store asks for all of it"))]
pub(super) struct KeyRef<'a> {
    pub(super) authority: &'a str,
    /// None for a managed identity: its host knows.
    pub(super) tenant: Option<&'a TenantName>,
    /// The tenant is the credential's own.
    pub(super) own: bool,
    /// None for a managed identity that its host chooses.
    pub(super) client: Option<ClientId>,
    /// The beginning of the certificate's SHA-256 thumbprint, 0 without one: two certificates over one key are two
    /// credentials.
    pub(super) certificate: u128,
    pub(super) resource: &'a Resource,
    pub(super) claims: Option<&'a str>,
}

impl<'a> KeyRef<'a> {
    pub(super) fn scope(&self) -> TokenScope<'a> {
        TokenScope {
            tenant: self.tenant.map_or("", TenantName::as_str),
            client: self.client,
            resource: self.resource,
        }
    }
}

/// The entries of one cache.
pub(super) struct Shelves {
    graph: Api,
    exchange: Api,
    /// Other APIs, and answers to claims challenges.
    others: Shelf<Key>,
    /// Entries of one shelf before idle ones are forgotten.
    capacity: usize,
}

/// An API that most products ask for.
#[derive(Default)]
struct Api {
    /// In the credential's own tenant: found without a search.
    home: Arc<Entry>,
    tenants: Shelf<TenantName>,
}

impl Shelves {
    pub(super) fn new(capacity: usize) -> Self {
        Self { graph: Api::default(), exchange: Api::default(), others: Shelf::default(), capacity }
    }

    fn api(&self, resource: &Resource) -> Option<&Api> {
        match resource {
            Resource::Graph => Some(&self.graph),
            Resource::Exchange => Some(&self.exchange),
            _ => None,
        }
    }

    /// The entry of a resource in the own tenant, without claims.
    pub(super) fn home(&self, resource: &Resource) -> Option<&Arc<Entry>> {
        self.api(resource).map(|api| &api.home)
    }

    /// Does something with the entry, if there is one.
    pub(super) fn with<T>(&self, key: &KeyRef<'_>, act: impl FnOnce(&Arc<Entry>) -> T) -> Option<T> {
        match (self.api(key.resource), key.tenant) {
            (Some(api), _) if key.own && key.claims.is_none() => Some(act(&api.home)),
            (Some(api), Some(tenant)) if key.claims.is_none() => api.tenants.with(tenant, act),
            _ => self.others.with(&Place::of(key) as &dyn Parts, act),
        }
    }

    /// The entry, made when it is missing.
    pub(super) fn entry(&self, key: &KeyRef<'_>, now: Timestamp) -> Arc<Entry> {
        if let Some(entry) = self.with(key, Arc::clone) {
            return entry;
        }
        match (self.api(key.resource), key.tenant) {
            (Some(api), Some(tenant)) if key.claims.is_none() => {
                api.tenants.entry(tenant.clone(), self.capacity, now)
            }
            _ => self.others.entry(Key::of(key), self.capacity, now),
        }
    }

    /// Does something with every entry of a resource.
    pub(super) fn each(&self, resource: &Resource, act: impl Fn(&Entry)) {
        if let Some(api) = self.api(resource) {
            act(&api.home);
            api.tenants.each(|_, entry| act(entry));
        }
        self.others.each(|key, entry| {
            if key.resource == *resource {
                act(entry);
            }
        });
    }

    #[cfg(test)]
    pub(super) fn longest(&self) -> usize {
        let [graph, exchange] = [&self.graph, &self.exchange].map(|api| api.tenants.len());
        graph.max(exchange).max(self.others.len())
    }
}

/// Seeded at random, so that nobody who can name tenants can make the search slow.
struct Shelf<K>(RwLock<HashMap<K, Arc<Entry>, RandomState>>);

impl<K> Default for Shelf<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Hash + Eq + Clone> Shelf<K> {
    fn with<Q, T>(&self, key: &Q, act: impl FnOnce(&Arc<Entry>) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).map(act)
    }

    fn each(&self, mut act: impl FnMut(&K, &Entry)) {
        for (key, entry) in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            act(key, entry);
        }
    }

    fn entry(&self, key: K, capacity: usize, now: Timestamp) -> Arc<Entry> {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= capacity && !entries.contains_key(&key) {
            make_room(&mut entries, capacity, now);
        }
        entries.entry(key).or_default().clone()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Forgets what is used up, then what expires first; never an entry that somebody works with.
fn make_room<K: Hash + Eq + Clone>(
    entries: &mut HashMap<K, Arc<Entry>, RandomState>,
    capacity: usize,
    now: Timestamp,
) {
    entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.is_worth_keeping(now));
    if entries.len() < capacity {
        return;
    }
    let mut idle: Vec<(Option<Timestamp>, K)> = entries
        .iter()
        .filter(|(_, entry)| Arc::strong_count(entry) == 1)
        .map(|(key, entry)| (entry.usable_until(), key.clone()))
        .collect();
    idle.sort_by_key(|(until, _)| *until);
    for (_, key) in idle.into_iter().take(capacity / 8 + 1) {
        entries.remove(&key);
    }
}

/// What a token is kept under on the shelf of others.
#[derive(Clone)]
struct Key {
    tenant: Option<TenantName>,
    resource: Resource,
    claims: Option<Box<str>>,
}

impl Key {
    fn of(key: &KeyRef<'_>) -> Self {
        Self {
            tenant: key.tenant.cloned(),
            resource: key.resource.clone(),
            claims: key.claims.map(Into::into),
        }
    }
}

/// The same, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place<'a> {
    tenant: Option<&'a TenantName>,
    resource: &'a Resource,
    claims: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(key: &KeyRef<'a>) -> Self {
        Self { tenant: key.tenant, resource: key.resource, claims: key.claims }
    }
}

/// Lets the map be asked with borrowed parts.
trait Parts {
    fn place(&self) -> Place<'_>;
}

impl Parts for Key {
    fn place(&self) -> Place<'_> {
        Place { tenant: self.tenant.as_ref(), resource: &self.resource, claims: self.claims.as_deref() }
    }
}

impl Parts for Place<'_> {
    fn place(&self) -> Place<'_> {
        *self
    }
}

impl Hash for dyn Parts + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

impl PartialEq for dyn Parts + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn Parts + '_ {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Key {}

impl<'a> Borrow<dyn Parts + 'a> for Key {
    fn borrow(&self) -> &(dyn Parts + 'a) {
        self
    }
}
