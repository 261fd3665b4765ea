//! Assertions of foreign issuers, trusted by a federated credential.
//!
//! Pages: <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>,
//! <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>

use std::sync::Arc;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{self, KeyPair as _, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Refused, jwt::Jwt};
use crate::{
    StartError, Tenant,
    json::At,
    state::{Application, FederatedCredential, IssuerKey, State},
};

/// An issuer outside the tenant: a build service, a cluster. Its tokens are really signed, and the tenant knows its key as
/// if it had fetched it; whether they are trusted is a matter of the registrations' federated credentials.
#[derive(Clone)]
pub struct ForeignIssuer {
    issuer: String,
    key: Arc<KeyPair>,
}

impl std::fmt::Debug for ForeignIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignIssuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl ForeignIssuer {
    /// A token about this subject for this audience, valid for ten minutes from `now`.
    ///
    /// # Errors
    /// [`StartError::Tls`] if the signature cannot be computed.
    pub fn token(&self, subject: &str, audience: &str, now: Timestamp) -> Result<String, StartError> {
        let issued = now.as_second();
        let claims = json!({"iss": self.issuer, "sub": subject, "aud": audience, "iat": issued, "nbf": issued,
            "exp": issued + 600, "jti": uuid::Uuid::new_v4()});
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let input =
            format!("{}.{}", part(&json!({"typ": "JWT", "alg": "RS256", "kid": "foreign"})), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .map_err(|_| StartError::Tls("no signature could be computed".to_owned()))?;
        Ok(format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Tenant {
    /// Makes a foreign issuer under this address and lets Entra know its key.
    ///
    /// # Errors
    /// [`StartError::Tls`] when no key can be made.
    pub fn foreign_issuer(&self, issuer: &str) -> Result<ForeignIssuer, StartError> {
        let failed = |_| StartError::Tls("no RSA key could be generated".to_owned());
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let public_key = key.public_key().as_ref().to_vec();
        // Checked once here, so that a broken key does not look like a refused token.
        let _parses: aws_lc_rs::encoding::PublicKeyX509Der<'_> = key.public_key().as_der().map_err(failed)?;
        self.with_state(|state| {
            state.directory.lifecycle.issuers.push(IssuerKey { issuer: issuer.to_owned(), public_key });
        });
        Ok(ForeignIssuer { issuer: issuer.to_owned(), key: Arc::new(key) })
    }

    /// Makes an application of several tenants, registered here, known to another tenant: from then on an administrator
    /// there can consent to it. False when this tenant has no such application.
    pub fn publish_to(&self, other: &Self, client_id: uuid::Uuid) -> bool {
        let found = self.with_state(|state| {
            let record = state
                .directory
                .applications
                .iter()
                .find(|a| a.is_configured() && a.value.app_id == client_id)?;
            let uris = state.directory.lifecycle.redirect_uris_of(record.value.id).to_vec();
            Some((state.tenant_id, record.value.clone(), uris))
        });
        let Some((home, application, uris)) =
            found.filter(|(_, a, _)| a.sign_in_audience == "AzureADMultipleOrgs")
        else {
            return false;
        };
        other.with_state(|state| {
            let lifecycle = &mut state.directory.lifecycle;
            lifecycle.guests.retain(|(_, a)| a.app_id != client_id);
            lifecycle.redirect_uris.retain(|(id, _)| *id != application.id);
            lifecycle.redirect_uris.push((application.id, uris));
            lifecycle.guests.push((home, application));
        });
        true
    }
}

/// True for an assertion that names a foreign issuer: the app's own are issued by its client id.
pub(super) fn is_foreign(jwt: &Jwt<'_>) -> bool {
    jwt.claims.at("iss").as_str().is_some_and(|iss| iss.starts_with("https://") || iss.starts_with("http://"))
}

/// Checks the assertion against the federated credentials of the application.
pub(super) fn verify(
    state: &State,
    application: &Application,
    jwt: &Jwt<'_>,
    now: Timestamp,
) -> Result<(), Refused> {
    let text = |claim: &str| jwt.claims.at(claim).as_str().unwrap_or_default();
    let (issuer, subject) = (text("iss"), text("sub"));
    let audiences: Vec<&str> = match jwt.claims.at("aud") {
        Value::String(one) => vec![one],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let refused = |number: u32, what: &str, value: &str| {
        Refused::new(
            401,
            "invalid_client",
            number,
            &format!(
                "No matching federated identity record found for presented assertion {what} '{value}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
            ),
        )
    };
    let trusted: Vec<&FederatedCredential> = state
        .directory
        .lifecycle
        .federated_of(application.id)
        .filter(|c| c.is_effective(now))
        .map(|c| &c.value)
        .collect();
    if trusted.is_empty() {
        return Err(refused(70021, "issuer", issuer));
    }
    let of_issuer: Vec<_> = trusted.into_iter().filter(|c| c.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(refused(700_211, "issuer", issuer));
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|c| c.subject == subject).collect();
    if of_subject.is_empty() {
        return Err(refused(700_213, "subject", subject));
    }
    if !of_subject.iter().any(|c| c.audiences.iter().any(|a| audiences.contains(&a.as_str()))) {
        return Err(refused(700_212, "audience", audiences.first().copied().unwrap_or_default()));
    }
    let signed = state.directory.lifecycle.issuers.iter().filter(|key| key.issuer == issuer).any(|key| {
        UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &key.public_key)
            .verify(jwt.input.as_bytes(), &jwt.signature)
            .is_ok()
    });
    if !signed || jwt.header.at("alg") != "RS256" {
        return Err(Refused::new(401, "invalid_client", 50_013, "Assertion failed signature validation."));
    }
    let second = |claim: &str| jwt.claims.at(claim).as_i64();
    let at = now.as_second();
    if second("exp").is_none_or(|exp| exp + 300 <= at) || second("nbf").is_some_and(|nbf| nbf > at + 300) {
        return Err(Refused::new(
            401,
            "invalid_client",
            700_024,
            "Client assertion is not within its valid time range.",
        ));
    }
    Ok(())
}
