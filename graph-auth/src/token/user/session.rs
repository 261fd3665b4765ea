//! What a sign-in leaves behind: one refresh token, redeemed by one caller at a time, for any resource.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use m365_core::{
    AccessToken, Acted, ClientId, Cloud, Error, ErrorKind, Resource, Result, TenantId, TenantName, Transport,
    until,
};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::debug;

use super::ops::{self, Granted, refresh};
use super::sign_in::{SignIn, SignInRequired, SignInTenant};
use crate::token::engine::{Call, Issuer, Parts};
use crate::token::retell::retold_as;
use crate::token::wire;

/// Longest time that one answer may take while a person signs in.
const ANSWER: Duration = Duration::from_secs(30);

/// A public client and the person who signed in to it.
pub(super) struct UserSession {
    pub(super) cloud: Cloud,
    tenant: SignInTenant,
    pub(super) client: ClientId,
    scopes: Vec<(Resource, Vec<String>)>,
    state: Mutex<State>,
    /// Held while the refresh token is out: it may come back as another one, and a used one ends the session.
    flight: tokio::sync::Mutex<()>,
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
}

impl UserSession {
    pub(super) fn new(cloud: Cloud, tenant: SignInTenant, client: ClientId) -> Self {
        Self {
            cloud,
            tenant,
            client,
            scopes: Vec::new(),
            state: Mutex::default(),
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
        let State { touched, generation, .. } = std::mem::take(&mut *state);
        state.generation = generation + 1;
        touched
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    async fn issue(&self, call: Call<'_>) -> Result<AccessToken> {
        let Call { key, transport, clock, user_agent, .. } = call;
        let _flight = self.flight.lock().await;
        let (refresh_token, generation, signed_in) = {
            let mut state = self.lock();
            if !state.touched.contains(key.resource) {
                state.touched.push(key.resource.clone());
            }
            let own = key.tenant == Issuer::tenant(self) && key.claims.is_none();
            let first = state.first.take_if(|(resource, _)| own && resource == key.resource);
            if let Some((_, token)) = first.filter(|(_, token)| token.expires_on() > clock.now()) {
                return Ok(token);
            }
            let tenant = state.who.as_ref().and_then(|who| who.tenant);
            (state.refresh.clone(), state.generation, tenant)
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
        let response = answer(transport, request).await?;
        let read = ops::read(&response, clock.now(), expected, sent);
        let mut state = self.lock();
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
    tokio::time::timeout(ANSWER, answer(parts.transport, request)).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Timeout,
            format!("the token service did not answer within {} s", ANSWER.as_secs()),
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
