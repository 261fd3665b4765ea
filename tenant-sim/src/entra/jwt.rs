//! Access tokens: signing and checking.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{self, KeyPair as _, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::delegated;
use crate::{Caller, StartError, json::At};

/// The key that Entra signs access tokens with.
pub(crate) struct SigningKey {
    pair: KeyPair,
    public: Vec<u8>,
    pub(crate) kid: String,
}

/// Why a bearer token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    Missing,
    Malformed,
    BadSignature,
    Expired,
    NotYetValid,
    WrongIssuer,
    WrongAudience,
}

/// Generating RSA takes long; one key per process is enough, the tenants differ by their issuer.
static SHARED: OnceLock<Arc<SigningKey>> = OnceLock::new();

impl SigningKey {
    pub(crate) fn shared() -> Result<Arc<Self>, StartError> {
        if let Some(key) = SHARED.get() {
            return Ok(Arc::clone(key));
        }
        let failed = |_| StartError::Tls("no RSA key could be generated".to_owned());
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let public = pair.public_key().as_der().map_err(failed)?.as_ref().to_vec();
        let kid = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &public));
        Ok(Arc::clone(SHARED.get_or_init(|| Arc::new(Self { pair, public, kid }))))
    }

    /// Entra's `discovery/v2.0/keys`.
    pub(crate) fn jwks(&self) -> Value {
        let key = self.pair.public_key();
        let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": number(key.modulus().big_endian_without_leading_zero()),
            "e": number(key.exponent().big_endian_without_leading_zero()),
        }]})
    }

    /// A signed token; `None` only if the signature cannot be computed.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({"typ": "JWT", "alg": "RS256", "x5t": self.kid, "kid": self.kid});
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .ok()?;
        Some(format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Who the token speaks for. The audience is the caller's to check: each service accepts another one.
    pub(crate) fn validate(&self, token: &str, tenant: Uuid, now: Timestamp) -> Result<Caller, TokenFault> {
        let jwt = Jwt::decode(token).ok_or(TokenFault::Malformed)?;
        if jwt.header.at("alg") != "RS256" {
            return Err(TokenFault::BadSignature);
        }
        UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &self.public)
            .verify(jwt.input.as_bytes(), &jwt.signature)
            .map_err(|_| TokenFault::BadSignature)?;
        let claims = jwt.claims;
        if *claims.at("iss") != issuer(tenant) {
            return Err(TokenFault::WrongIssuer);
        }
        let second = |name: &str| claims.at(name).as_i64().ok_or(TokenFault::Malformed);
        if second("exp")? <= now.as_second() {
            return Err(TokenFault::Expired);
        }
        if second("nbf")? > now.as_second() + 300 {
            return Err(TokenFault::NotYetValid);
        }
        let text = |name: &str| claims.at(name).as_str().ok_or(TokenFault::Malformed);
        let id = |name: &str| text(name)?.parse().map_err(|_| TokenFault::Malformed);
        let list = |name: &str| -> Vec<String> {
            let items = claims.at(name).as_array();
            items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        // A person's token carries `scp` where an app's carries `roles`.
        let scopes = claims.at("scp").as_str();
        let user_roles = scopes.map(|_| {
            let ids: Vec<Uuid> = list("wids").iter().filter_map(|id| id.parse().ok()).collect();
            delegated::role_names(&ids)
        });
        let roles = match (scopes, &user_roles) {
            (Some(scopes), Some(held)) => {
                delegated::effective(&scopes.split_whitespace().collect::<Vec<_>>(), held)
            }
            _ => list("roles"),
        };
        Ok(Caller {
            app_id: id("appid")?,
            object_id: id("oid")?,
            tenant_id: id("tid")?,
            audience: text("aud")?.to_owned(),
            roles,
            user_roles,
            issued_at: Timestamp::from_second(second("iat")?).map_err(|_| TokenFault::Malformed)?,
            answers_challenges: list("xms_cc").iter().any(|capability| capability == "cp1"),
        })
    }
}

/// `iss` of this tenant's access tokens.
pub(crate) fn issuer(tenant: Uuid) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// A compact JWT taken apart, not yet verified.
pub(crate) struct Jwt<'a> {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) input: &'a str,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    pub(crate) fn decode(token: &'a str) -> Option<Self> {
        let (input, signature) = token.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let part = |text: &str| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            input,
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}
