//! `addKey` and `removeKey`: an app rolls its own certificates, proving possession of a valid one. The proof is really
//! verified. Pages: <https://learn.microsoft.com/graph/api/application-addkey>,
//! <https://learn.microsoft.com/graph/api/application-removekey>

use aws_lc_rs::signature::{self, RsaParameters, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Answer, Context,
    applications::{WRITE_ALL, WRITE_OWN, names},
    context_url,
    credentials::{invalid_key, new_key, render_key},
    error::GraphError,
    request::{GraphRequest, Key},
};
use crate::{
    entra::{jwt::Jwt, x509::Certificate},
    json::At,
    server::reply,
    state::{Application, Timed},
};

/// Whom a proof must be meant for: Microsoft Entra's own directory service.
const AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";
/// Longest life of a proof, in seconds.
const LONGEST: i64 = 600;

pub(crate) fn add_key(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let body = request.json()?;
    let (now, delay, key_id) = (context.now, context.state.propagation.certificate, context.new_id());
    let entry = body.at("keyCredential");
    let found = prove(context, request, body.at("proof"), now)?;
    if entry.at("type").as_str() != Some("AsymmetricX509Cert") || entry.at("usage").as_str() != Some("Verify")
    {
        return Err(invalid_key());
    }
    let der = entry.at("key").as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    let key = new_key(key_id, entry, der.ok_or_else(invalid_key)?)?;
    let (application, created) = (found.value.id, found.created);
    super::lifecycle::check_certificate(context, application, created, &key)?;
    let found = find_for_key(context, request.segment(1), now)?;
    if found.value.keys.iter().any(|k| k.is_configured() && k.value.certificate == key.certificate) {
        return Err(GraphError::bad_request("A key credential with the same value exists already."));
    }
    let mut shown = render_key(&key, false);
    found.value.keys.push(Timed::new(key, now, delay));
    if let Some(map) = shown.as_object_mut() {
        map.insert("@odata.context".to_owned(), context_url(request, "microsoft.graph.keyCredential"));
    }
    Ok(reply::json(StatusCode::OK, &shown))
}

pub(crate) fn remove_key(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let body = request.json()?;
    let id: Option<Uuid> = body.at("keyId").as_str().and_then(|v| v.parse().ok());
    let (now, delay) = (context.now, context.state.propagation.certificate);
    let found = prove(context, request, body.at("proof"), now)?;
    let key = found
        .value
        .keys
        .iter_mut()
        .find(|k| k.is_configured() && Some(k.value.key_id) == id)
        .ok_or_else(|| GraphError::bad_request("No key credential found with keyId."))?;
    key.delete(now, delay);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// The application, when the caller is that app or may write it, and the proof holds.
fn prove<'a>(
    context: &'a mut Context<'_>,
    request: &GraphRequest,
    proof: &Value,
    now: Timestamp,
) -> Result<&'a mut Timed<Application>, GraphError> {
    let caller = context.caller;
    let found = find_for_key(context, request.segment(1), now)?;
    let may_write = caller.has_role(WRITE_ALL)
        || (caller.has_role(WRITE_OWN) && found.value.owners.contains(&caller.object_id));
    if caller.app_id != found.value.app_id && !may_write {
        return Err(GraphError::denied());
    }
    if proof.as_str().is_some_and(|proof| holds(proof, &found.value, now)) {
        Ok(found)
    } else {
        Err(refused())
    }
}

fn find_for_key<'a>(
    context: &'a mut Context<'_>,
    segment: &str,
    now: Timestamp,
) -> Result<&'a mut Timed<Application>, GraphError> {
    let wanted = Key::read(segment);
    let mut known = context.state.directory.applications.iter_mut();
    known
        .find(|a| a.is_configured() && a.is_effective(now) && names(&wanted, &a.value))
        .ok_or_else(|| GraphError::not_found(segment))
}

/// Signed by a certificate of the app that is valid now, meant for the directory, by the app's object id, short-lived.
fn holds(proof: &str, application: &Application, now: Timestamp) -> bool {
    let Some(jwt) = Jwt::decode(proof) else { return false };
    let algorithm: &RsaParameters = match jwt.header.at("alg").as_str() {
        Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    let signed = application
        .keys
        .iter()
        .filter(|k| k.is_configured() && k.is_effective(now) && k.value.start <= now && now < k.value.end)
        .filter_map(|k| Certificate::parse(&k.value.certificate))
        .any(|certificate| {
            UnparsedPublicKey::new(algorithm, certificate.public_key)
                .verify(jwt.input.as_bytes(), &jwt.signature)
                .is_ok()
        });
    let issuer = application.id.to_string();
    let (Some(starts), Some(ends)) = (jwt.claims.at("nbf").as_i64(), jwt.claims.at("exp").as_i64()) else {
        return false;
    };
    signed
        && jwt.claims.at("aud") == AUDIENCE
        && jwt.claims.at("iss").as_str().is_some_and(|iss| iss.eq_ignore_ascii_case(&issuer))
        && ends - starts <= LONGEST
        && starts <= now.as_second() + 300
        && now.as_second() < ends + 300
}

fn refused() -> GraphError {
    GraphError::new(
        StatusCode::UNAUTHORIZED,
        "Authentication_MissingOrMalformed",
        "Access Token missing or malformed.",
    )
}
