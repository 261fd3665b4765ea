//! Client assertions (private_key_jwt), really verified.
//!
//! Page: <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use aws_lc_rs::{
    digest,
    signature::{self, RsaParameters, UnparsedPublicKey},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Refused, jwt::Jwt, x509::Certificate};
use crate::{
    json::At,
    state::{Application, KeyCredential},
};

/// What an assertion is checked against.
pub(crate) struct Expected<'a> {
    pub(crate) application: &'a Application,
    /// Token endpoints that `aud` may name.
    pub(crate) audiences: Vec<String>,
    pub(crate) now: Timestamp,
    pub(crate) strict: bool,
}

/// Checks the assertion and returns its `jti`, when it has one.
pub(crate) fn verify(assertion: &str, expected: &Expected<'_>) -> Result<Option<String>, Refused> {
    let jwt = Jwt::decode(assertion)
        .ok_or_else(|| Refused::new(400, "invalid_request", 50027, "JWT token is invalid or malformed."))?;
    let algorithm: &RsaParameters = match jwt.header.at("alg").as_str() {
        Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(unknown_key("The signature algorithm is not supported.")),
    };
    let key = find_key(&jwt.header, expected)?;
    let certificate =
        Certificate::parse(&key.certificate).ok_or_else(|| unknown_key("The key was not found."))?;
    if certificate.not_after <= expected.now || key.end <= expected.now {
        return Err(unknown_key("The key used is expired."));
    }
    UnparsedPublicKey::new(algorithm, certificate.public_key)
        .verify(jwt.input.as_bytes(), &jwt.signature)
        .map_err(|_| unknown_key("The signature does not belong to the key."))?;

    let client = expected.application.app_id.to_string();
    for claim in ["iss", "sub"] {
        if !jwt.claims.at(claim).as_str().is_some_and(|v| v.eq_ignore_ascii_case(&client)) {
            return Err(Refused::new(
                401,
                "invalid_client",
                700_021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            ));
        }
    }
    let audience = jwt.claims.at("aud").as_str().unwrap_or_default();
    if !expected.audiences.iter().any(|a| a == audience) {
        return Err(Refused::new(
            401,
            "invalid_client",
            700_023,
            "Client assertion audience claim does not match Realm issuer.",
        ));
    }
    let (now, out_of_range) = (expected.now.as_second(), || {
        Refused::new(401, "invalid_client", 700_024, "Client assertion is not within its valid time range.")
    });
    let expires = seconds(jwt.claims.at("exp"), expected.strict).ok_or_else(out_of_range)?;
    let starts = seconds(jwt.claims.at("nbf"), expected.strict).unwrap_or(now);
    // Entra allows five minutes of clock difference.
    if expires + 300 <= now || starts > now + 300 || (expected.strict && jwt.claims.at("nbf").is_string()) {
        return Err(out_of_range());
    }
    Ok(jwt.claims.at("jti").as_str().map(str::to_owned))
}

fn find_key<'a>(header: &Value, expected: &Expected<'a>) -> Result<&'a KeyCredential, Refused> {
    let wanted = if let Some(text) = header.at("x5t#S256").as_str() {
        (&digest::SHA256, text)
    } else if let Some(text) = header.at("x5t").as_str() {
        (&digest::SHA1_FOR_LEGACY_USE_ONLY, text)
    } else {
        return Err(unknown_key("The assertion names no certificate."));
    };
    let padded = wanted.1.ends_with('=') || wanted.1.contains(['+', '/']);
    let decoded = if padded && expected.strict {
        None
    } else {
        let trimmed = wanted.1.trim_end_matches('=');
        BASE64_URL_SAFE_NO_PAD.decode(trimmed).or_else(|_| BASE64_STANDARD.decode(wanted.1)).ok()
    };
    let keys = expected.application.keys.iter().filter(|k| k.is_configured() && k.is_effective(expected.now));
    decoded
        .and_then(|thumbprint| {
            keys.map(|k| &k.value)
                .find(|k| digest::digest(wanted.0, &k.certificate).as_ref() == thumbprint.as_slice())
        })
        .ok_or_else(|| unknown_key("The key was not found."))
}

/// Shipping clients send floats and strings too; the strict mode takes integers only.
fn seconds(value: &Value, strict: bool) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    if strict {
        return None;
    }
    match value {
        Value::String(text) => text.parse().ok(),
        _ => value.as_f64().filter(|f| f.abs() < 1e15).map(|f| f as i64),
    }
}

fn unknown_key(reason: &str) -> Refused {
    Refused::new(
        401,
        "invalid_client",
        700_027,
        &format!(
            "The certificate used to sign the client assertion is not registered on the application. [Reason - {reason}]"
        ),
    )
}
