use std::collections::BTreeSet;

use m365_core::{AccessToken, ClientId, Cloud, Credential, Error, ErrorKind, Resource, Result, TokenRequest};

use crate::TokenClaims;
use crate::convergence::{Call, Convergence, Verdict, classify};

/// What a fresh token proves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RolesProof {
    /// Its claims: tenant, app, service principal, roles, expiry.
    pub claims: TokenClaims,
    /// Roles that are neither wanted nor unwanted: somebody else consented to them.
    pub extra: Vec<String>,
}

/// For which API, and to which app, a token must have been issued.
#[derive(Clone, Debug)]
pub struct TokenExpectation {
    resource: Resource,
    audiences: Vec<String>,
    client: ClientId,
}

impl TokenExpectation {
    /// A token for this resource of this cloud (`aud`: its address, or the app id under which Microsoft 365 knows it in
    /// every tenant), issued to this app (`appid`).
    pub fn new(cloud: &Cloud, resource: &Resource, client: ClientId) -> Self {
        let id = match resource {
            Resource::Graph => Some("00000003-0000-0000-c000-000000000000"),
            Resource::Exchange => Some("00000002-0000-0ff1-ce00-000000000000"),
            _ => None,
        };
        let audiences = std::iter::once(cloud.audience(resource)).chain(id).map(str::to_owned).collect();
        Self { resource: resource.clone(), audiences, client }
    }

    /// Accepts one more audience, for an API that tokens name in several ways.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    fn check(&self, claims: &TokenClaims) -> Result<()> {
        let missing = |claim: &str| Error::unreadable(format!("the token does not say its {claim}"));
        if claims.audience.is_empty() {
            return Err(missing("audience (aud)"));
        }
        let client = claims.client.ok_or_else(|| missing("app (appid)"))?;
        let bare = |audience: &str| audience.trim_end_matches('/').to_ascii_lowercase();
        let audience = bare(&claims.audience);
        if !self.audiences.iter().any(|wanted| bare(wanted) == audience) {
            return Err(other(
                "audience",
                self.audiences.first().map_or("", String::as_str),
                &claims.audience,
            ));
        }
        if client != self.client {
            return Err(other("app", &self.client.to_string(), &client.to_string()));
        }
        Ok(())
    }
}

fn other(what: &str, wanted: &str, got: &str) -> Error {
    Error::new(ErrorKind::Authentication, format!("wanted a token of {what} {wanted} and got one of {got}"))
}

/// Proves by a **fresh** token, never by a cached one, that an app has all `wanted` application permissions of a resource
/// and none of the `unwanted` ones, and that the token is for the API and of the app expected: the roles of another
/// app's token, or of another API's, prove nothing.
///
/// Consent takes seconds to minutes to reach tokens, so tokens are asked for until it shows or the deadline of
/// `convergence` passes. A refused credential is waited for within its
/// [credential grace](Convergence::with_credential_grace), since a new secret is not known everywhere at once. After
/// success the credential's cached tokens of the resource are dropped: they may be older than the consent.
///
/// # Errors
/// [`ErrorKind::NotReady`] naming the wanted roles still missing at the deadline; [`ErrorKind::Conflict`] naming the
/// unwanted roles still held; at once [`ErrorKind::Authentication`] for a token of another audience or app, and
/// [`ErrorKind::InvalidResponse`] when it is no JSON Web Token or does not say which it is of; otherwise why no token
/// could be had.
pub async fn prove_token(
    credential: &Credential,
    expectation: &TokenExpectation,
    wanted: &[String],
    unwanted: &[String],
    convergence: &Convergence,
) -> Result<RolesProof> {
    let check = |claims: &TokenClaims| expectation.check(claims);
    prove(credential, &expectation.resource, check, wanted, unwanted, convergence).await
}

/// Proves the roles of a fresh token as [`prove_token`] does, taking its audience and app on trust.
///
/// # Errors
/// As [`prove_token`], except those about audience and app.
pub async fn prove_roles(
    credential: &Credential,
    resource: &Resource,
    wanted: &[String],
    unwanted: &[String],
    convergence: &Convergence,
) -> Result<RolesProof> {
    prove(credential, resource, |_| Ok(()), wanted, unwanted, convergence).await
}

/// Proves by a fresh token that an app holds none of these application permissions any more, after its consent was
/// withdrawn. The credential's cached tokens of the resource are dropped first, so that this process stops using the old
/// roles at once; tokens that others hold keep them until they expire.
///
/// # Errors
/// [`ErrorKind::Conflict`] naming the roles still held at the deadline; otherwise why no token could be had.
pub async fn prove_revoked(
    credential: &Credential,
    resource: &Resource,
    revoked: &[String],
    convergence: &Convergence,
) -> Result<RolesProof> {
    credential.invalidate(resource);
    prove(credential, resource, |_| Ok(()), &[], revoked, convergence).await
}

async fn prove(
    credential: &Credential,
    resource: &Resource,
    check: impl Fn(&TokenClaims) -> Result<()> + Send,
    wanted: &[String],
    unwanted: &[String],
    convergence: &Convergence,
) -> Result<RolesProof> {
    let request = TokenRequest::new(resource.clone()).with_fresh();
    let mut patience = convergence.patience("a token with the consented roles");
    loop {
        let (error, floor) = match credential.get_token(&request).await {
            Ok(token) => {
                let claims = read(&token, &check).map_err(|e| e.with_operation("prove roles"))?;
                match judge(claims, wanted, unwanted) {
                    Ok(proof) => {
                        credential.invalidate(resource);
                        return Ok(proof);
                    }
                    Err(error) => (error, None),
                }
            }
            Err(error) => {
                let may_be_new = patience.elapsed() < convergence.credential_grace();
                if classify(Call::Token, &error, may_be_new) != Verdict::Wait {
                    return Err(error);
                }
                let floor = error.retry_after();
                (error, floor)
            }
        };
        if !patience.wait(error.message(), floor).await {
            return Err(error.with_attempts(patience.tries()));
        }
    }
}

/// What no waiting cures: a token that is not the one asked for.
fn read(token: &AccessToken, check: impl Fn(&TokenClaims) -> Result<()>) -> Result<TokenClaims> {
    let claims = TokenClaims::read(token)?;
    check(&claims)?;
    Ok(claims)
}

fn judge(claims: TokenClaims, wanted: &[String], unwanted: &[String]) -> Result<RolesProof> {
    let has = |role: &&String| claims.roles.contains(role);
    let missing: Vec<&str> = wanted.iter().filter(|r| !has(r)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(Error::new(
            ErrorKind::NotReady,
            format!("the token does not hold {} yet", missing.join(", ")),
        )
        .with_operation("prove roles"));
    }
    let surplus: Vec<&str> = unwanted.iter().filter(has).map(String::as_str).collect();
    if !surplus.is_empty() {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("the token still holds {}, which must not be consented", surplus.join(", ")),
        )
        .with_operation("prove roles"));
    }
    let known: BTreeSet<&String> = wanted.iter().collect();
    let extra = claims.roles.iter().filter(|r| !known.contains(r)).cloned().collect();
    Ok(RolesProof { claims, extra })
}
