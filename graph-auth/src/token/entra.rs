//! Microsoft Entra's token endpoint as an [`Issuer`], for every way in which an app proves itself.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::header::{DATE, HeaderMap};
use jiff::Timestamp;
#[cfg(feature = "token-store")]
use m365_core::Resource;
use m365_core::{
    AccessToken, ClientId, Cloud, Error, ErrorKind, Result, TenantId, TenantName, Transport, later,
};
use tracing::debug;

use super::TokenClaims;
use super::engine::{Call, Issuer};
use super::wire::{self, Proof};

/// A clock that differs by less is not to blame: strict servers allow for a little, the `Date` header counts whole
/// seconds, and an answer takes time.
const EVIDENT: i64 = 30;

/// How an app proves itself.
pub(super) trait ClientAuth: Send + Sync + 'static {
    /// Whether the proof states the time, so that a wrong clock makes Entra refuse it.
    const DATED: bool = false;

    /// The beginning of the certificate's thumbprint, 0 without one.
    fn certificate(&self) -> u128 {
        0
    }

    /// A proof for one request.
    fn prove(&self, asking: Asking<'_>) -> impl Future<Output = Result<Proof>> + Send;
}

/// The request that a proof is for.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) tenant: &'a TenantName,
    pub(super) client: ClientId,
    pub(super) transport: &'a Transport,
    pub(super) user_agent: &'a HeaderValue,
    /// The time as Entra sees it, as far as known.
    pub(super) now: Timestamp,
}

/// One app in one tenant (or in several, by request) of one cloud.
pub(super) struct Entra<A> {
    pub(super) cloud: Cloud,
    pub(super) tenant: TenantName,
    pub(super) client: ClientId,
    pub(super) auth: A,
    /// By how many seconds Entra's clock is ahead of ours, once that mattered.
    skew: AtomicI64,
    /// The tenant behind each domain, as the first token told it: a domain can be moved to somebody else's tenant.
    behind: Mutex<HashMap<TenantName, TenantId>>,
}

/// Domains whose tenant is remembered.
const MOST_DOMAINS: usize = 10_000;

struct Refused {
    error: Error,
    /// The server's time minus ours, in seconds.
    skew: Option<i64>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, skew: None }
    }
}

impl<A: ClientAuth> Entra<A> {
    pub(super) fn new(cloud: Cloud, tenant: TenantName, client: ClientId, auth: A) -> Self {
        Self { cloud, tenant, client, auth, skew: AtomicI64::new(0), behind: Mutex::default() }
    }

    /// A tenant that was named by its GUID has been checked when the answer was read.
    fn check_domain(&self, domain: &TenantName, token: &AccessToken) -> Result<()> {
        let told = TokenClaims::read(token).ok().and_then(|claims| claims.tenant);
        let (None, Some(got)) = (domain.id(), told) else { return Ok(()) };
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        match behind.get(domain) {
            Some(first) if *first != got => Err(Error::new(
                ErrorKind::Authentication,
                format!(
                    "{domain} was tenant {first} and is now tenant {got}: name the tenant by its GUID, or start anew if it moved"
                ),
            )),
            Some(_) => Ok(()),
            None => {
                if behind.len() < MOST_DOMAINS {
                    behind.insert(domain.clone(), got);
                }
                Ok(())
            }
        }
    }

    async fn ask(&self, call: Call<'_>, skew: i64) -> Result<AccessToken, Refused> {
        let Call { key, transport, clock, user_agent, cp1, .. } = call;
        let tenant = key.tenant.unwrap_or(&self.tenant);
        let asking = Asking {
            cloud: &self.cloud,
            tenant,
            client: self.client,
            transport,
            user_agent,
            now: shifted(clock.now(), skew),
        };
        let proof = self.auth.prove(asking).await?;
        let claims = wire::claims(key.claims, cp1);
        let claims = claims.as_deref();
        let request =
            wire::request(&self.cloud, tenant, self.client, &proof, key.resource, claims, user_agent)?;
        let response = transport.send(request).await.map_err(Error::from)?;
        let (head, body) = response.into_parts();
        let body =
            body.collect(wire::BODY_LIMIT).await.map_err(|e| Error::from(e).with_status(head.status))?;
        let (now, skew) = (clock.now(), measured(&head.headers, clock.now()));
        let token = wire::read(&http::Response::from_parts(head, body), now, tenant.id(), proof.hidden())
            .map_err(|error| Refused { error, skew })?;
        self.check_domain(tenant, &token)?;
        Ok(token)
    }
}

impl<A: ClientAuth> Issuer for Entra<A> {
    fn authority(&self) -> &str {
        self.cloud.login().as_str()
    }

    fn tenant(&self) -> Option<&TenantName> {
        Some(&self.tenant)
    }

    fn client(&self) -> Option<ClientId> {
        Some(self.client)
    }

    fn certificate(&self) -> u128 {
        self.auth.certificate()
    }

    #[cfg(feature = "token-store")]
    fn shared_scope(&self, resource: &Resource, cp1: bool) -> Option<String> {
        let scope = self.cloud.scope(resource);
        // A process that cannot answer a challenge must not get a token that is taken back by one.
        Some(if cp1 { format!("{scope} cp1") } else { scope })
    }

    async fn issue(&self, call: Call<'_>) -> Result<AccessToken> {
        let assumed = self.skew.load(Ordering::Relaxed);
        let Refused { error, skew } = match self.ask(call, assumed).await {
            Ok(token) => return Ok(token),
            Err(refused) => refused,
        };
        // The evidence is the `Date` header, not a number in the refusal.
        let evident = skew.filter(|skew| {
            A::DATED && error.service_code() == Some("invalid_client") && (skew - assumed).abs() >= EVIDENT
        });
        let Some(skew) = evident else { return Err(error) };
        debug!(skew_s = skew, "the clock differs from the token service's; asking once with its time");
        let token = self.ask(call, skew).await.map_err(|refused| refused.error)?;
        self.skew.store(skew, Ordering::Relaxed);
        Ok(token)
    }
}

fn measured(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let date = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.timestamp().as_second() - now.as_second())
}

fn shifted(now: Timestamp, seconds: i64) -> Timestamp {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { now.checked_sub(by).unwrap_or(Timestamp::MIN) } else { later(now, by) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_header_measures_both_directions() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(measured(&headers, now), None);
        for (date, expected) in [
            ("Sat, 21 Nov 2026 08:07:30 GMT", Some(450)),
            ("Sat, 21 Nov 2026 07:59:00 GMT", Some(-60)),
            ("yesterday", None),
        ] {
            headers.insert(DATE, HeaderValue::from_static(date));
            assert_eq!(measured(&headers, now), expected, "{date}");
        }
        assert_eq!(shifted(now, -60).as_second(), now.as_second() - 60);
        assert_eq!(shifted(now, 450).as_second(), now.as_second() + 450);
        assert_eq!(shifted(now, i64::MAX), Timestamp::MAX);
        assert_eq!(shifted(now, i64::MIN), Timestamp::MIN);
    }
}
