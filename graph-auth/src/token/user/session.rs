//! What a sign-in leaves behind: one refresh token, redeemed by one caller at a time, for any resource.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use m365_core::{
    AccessToken, Acted, ClientId, Cloud, Error, ErrorKind, Resource, Result, TenantId, TenantName, Transport,
    later, until,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;
use tracing::{Instrument as _, debug};

use super::ops::{self, Granted, Refusal, refresh};
use super::sign_in::{SignIn, SignInRequired, SignInTenant};
use crate::token::engine::{Call, Issuer, Parts};
use crate::token::retell::retold_as;
use crate::token::wire;

/// Longest time that one answer may take while a person signs in.
const ANSWER: Duration = Duration::from_secs(30);
/// Longest time that a refresh token is waited for once it is out. Nobody else may use the session meanwhile.
const REDEMPTION: Duration = Duration::from_secs(90);
/// What must be left of a token's life when somebody else than who asked for it comes to fetch it.
const LEFT: Duration = Duration::from_secs(300);

/// A public client and the person who signed in to it.
pub(super) struct UserSession {
    pub(super) cloud: Cloud,
    tenant: SignInTenant,
    pub(super) client: ClientId,
    scopes: Vec<(Resource, Vec<String>)>,
    state: Arc<Mutex<State>>,
    /// Held while the refresh token is out: it may come back as another one, and a used one ends the session. What is
    /// found in it was left behind by somebody who gave up.
    flight: tokio::sync::Mutex<Option<Redemption>>,
}

#[derive(Default)]
struct State {
    refresh: Option<Arc<SecretString>>,
    who: Option<SignIn>,
    /// The token that the sign-in brought, until the cache fetches it.
    first: Option<(Resource, AccessToken)>,
    /// Resources that tokens or failures may be cached for.
    touched: Vec<Resource>,
    /// Sign-ins and sign-outs so far.
    generation: u64,
    /// How often tokens were declared stale.
    invalidations: u64,
}

/// A refresh token on its way. It arrives whether somebody waits for it or not, so that whoever gives up does not take
/// along the one that comes back; it ends with the session.
struct Redemption {
    task: JoinSet<Result<AccessToken>>,
    tenant: Option<TenantName>,
    resource: Resource,
    claims: Option<String>,
    generation: u64,
    invalidations: u64,
}

impl UserSession {
    pub(super) fn new(cloud: Cloud, tenant: SignInTenant, client: ClientId) -> Self {
        Self {
            cloud,
            tenant,
            client,
            scopes: Vec::new(),
            state: Arc::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    /// The same client asking for these scopes; nobody is signed in.
    pub(super) fn with_scopes<S: AsRef<str>>(
        &self,
        resource: &Resource,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let names: Vec<String> = scopes.into_iter().map(|s| s.as_ref().to_owned()).collect();
        if names.is_empty() || names.iter().any(|n| n.is_empty() || n.chars().any(char::is_whitespace)) {
            return Err(Error::invalid("scopes are a list of names without blanks, at least one"));
        }
        let mut all: Vec<_> = self.scopes.iter().filter(|(known, _)| known != resource).cloned().collect();
        all.push((resource.clone(), names));
        Ok(Self { scopes: all, ..Self::new(self.cloud.clone(), self.tenant.clone(), self.client) })
    }

    pub(super) fn scope(&self, resource: &Resource) -> String {
        let names =
            self.scopes.iter().find(|(known, _)| known == resource).map(|(_, names)| names.as_slice());
        ops::scope(&self.cloud, resource, names.unwrap_or_default())
    }

    /// The tenant's part of the addresses of a sign-in.
    pub(super) fn place(&self) -> &str {
        match &self.tenant {
            SignInTenant::Tenant(tenant) => tenant.as_str(),
            SignInTenant::Organizations => "organizations",
        }
    }

    /// The tenant that the sign-in must end in, when it is known beforehand.
    pub(super) fn expected(&self) -> Option<TenantId> {
        match &self.tenant {
            SignInTenant::Tenant(tenant) => tenant.id(),
            SignInTenant::Organizations => None,
        }
    }

    pub(super) fn signed_in(&self) -> Option<SignIn> {
        self.lock().who.clone()
    }

    /// Begins a session; gives who signed in, and the resources whose cached tokens are the former person's.
    pub(super) fn begin(&self, resource: &Resource, granted: Granted) -> (SignIn, Vec<Resource>) {
        let who = SignIn::of(&granted.token);
        let mut state = self.lock();
        state.generation += 1;
        state.refresh = granted.refresh.map(Arc::new);
        state.who = Some(who.clone());
        state.first = Some((resource.clone(), granted.token));
        (who, std::mem::take(&mut state.touched))
    }

    /// Ends it; gives the resources that tokens may be cached for.
    pub(super) fn sign_out(&self) -> Vec<Resource> {
        let mut state = self.lock();
        let State { touched, generation, invalidations, .. } = std::mem::take(&mut *state);
        (state.generation, state.invalidations) = (generation + 1, invalidations);
        touched
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The end of a redemption that somebody left behind; a token when it does for this call.
    async fn left_behind(
        &self,
        flight: &mut Option<Redemption>,
        call: &Call<'_>,
    ) -> Result<Option<AccessToken>> {
        let Some(left) = flight else { return Ok(None) };
        if left.generation != self.lock().generation {
            // A former person's.
            *flight = None;
            return Ok(None);
        }
        let landed = left.land().await;
        let state = self.lock();
        let serves = !call.fresh
            && left.is_for(call)
            && (left.generation, left.invalidations) == (state.generation, state.invalidations);
        *flight = None;
        match landed {
            Ok(token) if serves && token.expires_on() > later(call.clock.now(), LEFT) => Ok(Some(token)),
            Err(error) if state.refresh.is_none() && SignInRequired::is_behind(&error) => Err(error),
            _ => Ok(None),
        }
    }

    /// Where a token of `asked` is refreshed, and which tenant it must be of.
    fn target(&self, asked: Option<&TenantName>, signed_in: Option<TenantId>) -> (String, Option<TenantId>) {
        let own = match &self.tenant {
            SignInTenant::Tenant(own) => Some(own),
            SignInTenant::Organizations => None,
        };
        match asked {
            Some(tenant) if Some(tenant) != own => (tenant.to_string(), tenant.id()),
            Some(tenant) => (tenant.to_string(), tenant.id().or(signed_in)),
            None => (signed_in.map_or_else(|| "organizations".to_owned(), |id| id.to_string()), signed_in),
        }
    }
}

impl Issuer for UserSession {
    fn authority(&self) -> &str {
        self.cloud.login().as_str()
    }

    fn tenant(&self) -> Option<&TenantName> {
        match &self.tenant {
            SignInTenant::Tenant(tenant) => Some(tenant),
            SignInTenant::Organizations => None,
        }
    }

    fn client(&self) -> Option<ClientId> {
        Some(self.client)
    }

    fn invalidated(&self) {
        self.lock().invalidations += 1;
    }

    async fn issue(&self, call: Call<'_>) -> Result<AccessToken> {
        let Call { key, transport, clock, user_agent, .. } = call;
        let mut flight = self.flight.lock().await;
        let left = self.left_behind(&mut flight, &call).await?;
        let (refresh_token, generation, invalidations, signed_in) = {
            let mut state = self.lock();
            if !state.touched.contains(key.resource) {
                state.touched.push(key.resource.clone());
            }
            if let Some(token) = left {
                return Ok(token);
            }
            let own = key.tenant == Issuer::tenant(self) && key.claims.is_none();
            let first = state.first.take_if(|(resource, _)| own && resource == key.resource);
            if let Some((_, token)) = first.filter(|(_, token)| token.expires_on() > clock.now()) {
                return Ok(token);
            }
            let tenant = state.who.as_ref().and_then(|who| who.tenant);
            (state.refresh.clone(), state.generation, state.invalidations, tenant)
        };
        let Some(refresh_token) = refresh_token else {
            return Err(Error::new(ErrorKind::Authentication, "nobody is signed in: sign in first")
                .with_acted(Acted::No)
                .with_source(SignInRequired));
        };
        let (place, expected) = self.target(key.tenant, signed_in);
        let sent = refresh_token.expose_secret();
        let scope = self.scope(key.resource);
        let request =
            refresh::request(&self.cloud, &place, self.client, sent, &scope, key.claims, user_agent)?;
        let (state, transport, clock) = (self.state.clone(), transport.clone(), clock.clone());
        let redeem = async move {
            let response = in_time(REDEMPTION, answer(&transport, request)).await?;
            let read = ops::read(&response, clock.now(), expected, refresh_token.expose_secret());
            settle(&mut lock(&state), generation, read)
        };
        let mut task = JoinSet::new();
        task.spawn(redeem.in_current_span());
        let redemption = flight.insert(Redemption {
            task,
            tenant: key.tenant.cloned(),
            resource: key.resource.clone(),
            claims: key.claims.map(str::to_owned),
            generation,
            invalidations,
        });
        let landed = redemption.land().await;
        *flight = None;
        landed
    }
}

impl Redemption {
    /// Once. May be given up, and waited for again.
    async fn land(&mut self) -> Result<AccessToken> {
        let landed = self.task.join_next().await;
        // Its runtime is gone, or the transport panicked.
        landed.and_then(|joined| joined.ok()).unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Unavailable, "the refresh was broken off").with_transient(true))
        })
    }

    fn is_for(&self, call: &Call<'_>) -> bool {
        let key = &call.key;
        self.tenant.as_ref() == key.tenant
            && self.resource == *key.resource
            && self.claims.as_deref() == key.claims
    }
}

/// What the answer to a refresh makes of the session.
fn settle(state: &mut State, generation: u64, read: Result<Granted, Refusal>) -> Result<AccessToken> {
    if state.generation != generation {
        return Err(
            Error::new(ErrorKind::Conflict, "somebody signed in or out meanwhile").with_transient(true)
        );
    }
    let refusal = match read {
        Ok(Granted { token, refresh }) => {
            if let Some(new) = refresh {
                state.refresh = Some(Arc::new(new));
            }
            return Ok(token);
        }
        Err(refusal) => refusal,
    };
    let meaning = refresh::meaning(&refusal);
    debug!(?meaning, "the refresh was refused");
    Err(match meaning {
        refresh::Meaning::Other => refusal.error,
        refresh::Meaning::Interaction => {
            again(refusal.error, "this needs the person once more: sign in again")
        }
        refresh::Meaning::Ended => {
            state.refresh = None;
            state.who = None;
            again(refusal.error, "the session has ended: sign in again")
        }
    })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn again(error: Error, what: &str) -> Error {
    let message = format!("{what} ({})", error.message());
    // Waiting mends nothing, so nobody tries again by itself.
    retold_as(error.with_source(SignInRequired), ErrorKind::Authentication, &message)
}

/// One answer, whole.
async fn answer(transport: &Transport, request: Request<Bytes>) -> Result<Response<Bytes>> {
    let response = transport.send(request).await.map_err(Error::from)?;
    let (head, body) = response.into_parts();
    let body = body.collect(wire::BODY_LIMIT).await.map_err(|e| Error::from(e).with_status(head.status))?;
    Ok(Response::from_parts(head, body))
}

/// One answer while a person signs in. Real time on purpose: a server that hangs does so on the machine's clock.
pub(super) async fn converse(parts: Parts<'_>, request: Request<Bytes>) -> Result<Response<Bytes>> {
    in_time(ANSWER, answer(parts.transport, request)).await
}

async fn in_time<T>(limit: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Timeout,
            format!("the token service did not answer within {} s", limit.as_secs()),
        ))
    })
}

/// Asks until there is an answer, as often as the retry policy allows and as long as repeating is safe.
pub(super) async fn ask<T>(
    parts: Parts<'_>,
    repeatable: bool,
    make: impl Fn() -> Result<Request<Bytes>> + Send + Sync,
    read: impl Fn(&Response<Bytes>) -> Result<T> + Send + Sync,
) -> Result<T>
where
    T: Send,
{
    let started = parts.clock.now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match converse(parts, make()?).await.and_then(|response| read(&response)) {
            Ok(value) => return Ok(value),
            Err(error) => error.with_attempts(attempt),
        };
        let safe = error.is_transient() && (repeatable || error.acted() == Acted::No);
        let elapsed = until(started, parts.clock.now());
        let wait = safe.then(|| parts.retry.next_wait(attempt, elapsed, error.retry_after())).flatten();
        let Some(wait) = wait else { return Err(error) };
        parts.clock.sleep(wait).await;
    }
}
