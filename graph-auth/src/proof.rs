use std::collections::BTreeSet;

use m365_core::{AccessToken, Credential, Error, ErrorKind, Resource, Result, TokenRequest};

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

/// Proves by a **fresh** token, never by a cached one, that an app has all `wanted` application permissions of a resource
/// and none of the `unwanted` ones.
///
/// Consent takes seconds to minutes to reach tokens, so tokens are asked for until it shows or the deadline of
/// `convergence` passes. A refused credential is waited for within its
/// [credential grace](Convergence::with_credential_grace), since a new secret is not known everywhere at once. After
/// success the credential's cached tokens of the resource are dropped: they may be older than the consent.
///
/// # Errors
/// [`ErrorKind::NotReady`] naming the wanted roles still missing at the deadline; [`ErrorKind::Conflict`] naming the
/// unwanted roles still held; otherwise why no token could be had, or [`ErrorKind::InvalidResponse`] when it is no JSON
/// Web Token.
pub async fn prove_roles(
    credential: &Credential,
    resource: &Resource,
    wanted: &[String],
    unwanted: &[String],
    convergence: &Convergence,
) -> Result<RolesProof> {
    let request = TokenRequest::new(resource.clone()).with_fresh();
    let mut patience = convergence.patience("a token with the consented roles");
    loop {
        let (error, floor) = match credential.get_token(&request).await {
            Ok(token) => match judge(&token, wanted, unwanted) {
                Ok(proof) => {
                    credential.invalidate(resource);
                    return Ok(proof);
                }
                Err(error) if error.kind() == ErrorKind::InvalidResponse => return Err(error),
                Err(error) => (error, None),
            },
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

fn judge(token: &AccessToken, wanted: &[String], unwanted: &[String]) -> Result<RolesProof> {
    let claims = TokenClaims::read(token)?;
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
