//! Secrets and certificates of a registration. Pages: <https://learn.microsoft.com/graph/api/application-addpassword>,
//! <https://learn.microsoft.com/graph/api/resources/keycredential>

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, applications::find_for_write, context_url, error::GraphError, request::GraphRequest,
};
use crate::{
    entra::x509::Certificate,
    json::At,
    server::reply,
    state::{Application, KeyCredential, PasswordCredential, Timed},
};

/// Default life of a secret.
const SECRET_LIFE: SignedDuration = SignedDuration::from_hours(24 * 730);
/// Credential writes to one application this close together collide.
const COLLISION: SignedDuration = SignedDuration::from_secs(2);

pub(crate) fn add_password(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let body = if request.body.is_empty() { json!({}) } else { request.json()? };
    let wish = body.at("passwordCredential");
    let date = |name: &str| match wish.at(name).as_str() {
        Some(text) => text.parse::<Timestamp>().map(Some).map_err(|_| GraphError::invalid_property(name)),
        None => Ok(None),
    };
    let start = date("startDateTime")?.unwrap_or(context.now);
    let end = date("endDateTime")?.unwrap_or(start + SECRET_LIFE);
    if end <= start {
        return Err(GraphError::bad_request("Property passwordCredential.endDateTime has an invalid value."));
    }
    let (application, created) = {
        let found =
            super::applications::find(context, request.segment(1), super::applications::View::Replicated)?;
        (found.value.id, found.created)
    };
    super::lifecycle::check_secret(context, application, created, end.duration_since(context.now))?;
    let secret = secret_text(context.rng);
    let credential = PasswordCredential {
        key_id: context.new_id(),
        display_name: wish.at("displayName").as_str().map(str::to_owned),
        secret,
        start,
        end,
    };
    let (now, delays) = (context.now, context.state.propagation.clone());
    let found = find_for_write(context, request.segment(1))?;
    collide(&found.value, now, delays.secret)?;
    let mut shown = render_password(&credential);
    if let Some(map) = shown.as_object_mut() {
        map.insert("secretText".to_owned(), json!(credential.secret));
        map.insert("@odata.context".to_owned(), context_url(request, "microsoft.graph.passwordCredential"));
    }
    found.value.passwords.push(Timed::new(credential, now, delays.secret));
    Ok(reply::json(StatusCode::OK, &shown))
}

pub(crate) fn remove_password(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let body = request.json()?;
    let id: Option<Uuid> = body.at("keyId").as_str().and_then(|v| v.parse().ok());
    let (now, delay) = (context.now, context.state.propagation.secret);
    let found = find_for_write(context, request.segment(1))?;
    collide(&found.value, now, delay)?;
    let credential = found
        .value
        .passwords
        .iter_mut()
        .find(|p| p.is_configured() && Some(p.value.key_id) == id)
        .ok_or_else(|| GraphError::bad_request("No password credential found with keyId."))?;
    credential.delete(now, delay);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `keyCredentials` of a PATCH replaces the list: entries that are not named again are gone.
pub(crate) fn replace_keys(
    context: &mut Context<'_>,
    application: &mut Application,
    value: &Value,
) -> Result<(), GraphError> {
    let (now, delay) = (context.now, context.state.propagation.certificate);
    let wanted = value.as_array().ok_or_else(|| GraphError::invalid_property("keyCredentials"))?;
    let mut known = context.state.directory.applications.iter();
    let created = known.find(|a| a.value.id == application.id).map_or(now, |a| a.created);
    let mut kept = Vec::new();
    let mut fresh = Vec::new();
    for entry in wanted {
        let der = match entry.at("key").as_str() {
            Some(text) => Some(BASE64_STANDARD.decode(text).map_err(|_| invalid_key())?),
            None => None,
        };
        let id: Option<Uuid> = entry.at("keyId").as_str().and_then(|v| v.parse().ok());
        let existing = application.keys.iter().find(|k| {
            k.is_configured() && (Some(k.value.key_id) == id || der.as_ref() == Some(&k.value.certificate))
        });
        if let Some(existing) = existing {
            let (old, new) = (&existing.value, entry);
            // What is sent back must be what was read.
            let differs = |name: &str, end: Timestamp| {
                let sent: Option<Timestamp> = new.at(name).as_str().and_then(|v| v.parse().ok());
                sent.is_some_and(|sent| sent != end)
            };
            if differs("startDateTime", old.start)
                || differs("endDateTime", old.end)
                || der.is_some_and(|der| der != old.certificate)
            {
                let text =
                    format!("Update to existing credential with KeyId '{}' is not allowed.", old.key_id);
                return Err(GraphError::bad_request(&text).with_detail("KeyNotUpdatable", "keyCredentials"));
            }
            if kept.contains(&old.key_id) {
                return Err(invalid_key());
            }
            kept.push(old.key_id);
            continue;
        }
        let der = der.ok_or_else(invalid_key)?;
        if entry.at("type").as_str() != Some("AsymmetricX509Cert")
            || entry.at("usage").as_str() != Some("Verify")
        {
            return Err(invalid_key());
        }
        let key = new_key(id.unwrap_or_else(|| context.new_id()), entry, der)?;
        super::lifecycle::check_certificate(context, application.id, created, &key)?;
        fresh.push(Timed::new(key, now, delay));
    }
    for key in application.keys.iter_mut().filter(|k| k.is_configured() && !kept.contains(&k.value.key_id)) {
        key.delete(now, delay);
    }
    application.keys.extend(fresh);
    Ok(())
}

/// A new entry; Graph cuts names after 90 characters.
pub(super) fn new_key(key_id: Uuid, entry: &Value, der: Vec<u8>) -> Result<KeyCredential, GraphError> {
    let (start, end) =
        Certificate::parse(&der).map(|c| (c.not_before, c.not_after)).ok_or_else(invalid_key)?;
    let name = entry.at("displayName").as_str();
    Ok(KeyCredential {
        key_id,
        display_name: name.map(|name| name.chars().take(90).collect()),
        certificate: der,
        start,
        end,
    })
}

pub(super) fn invalid_key() -> GraphError {
    GraphError::new(StatusCode::BAD_REQUEST, "KeyCredentialsInvalid", "Key credential is invalid.")
}

/// Two credential writes in a row meet in the directory; only a tenant with replication delays shows it.
fn collide(application: &Application, now: Timestamp, delay: SignedDuration) -> Result<(), GraphError> {
    let touched = application.passwords.iter().flat_map(|p| [Some(p.created), p.deleted]).flatten();
    let window = delay.min(COLLISION);
    let busy = touched.into_iter().any(|at| at <= now && now.duration_since(at) < window);
    if busy { Err(GraphError::concurrency()) } else { Ok(()) }
}

/// The list as one replica knows it: until a change has reached all of them, every other read shows the old list.
pub(crate) fn render_passwords(context: &Context<'_>, application: &Application) -> Value {
    let old_replica = context.reads % 2 == 1;
    let shown = application
        .passwords
        .iter()
        .filter(|p| if old_replica { p.is_effective(context.now) } else { p.is_configured() });
    Value::Array(shown.map(|p| render_password(&p.value)).collect())
}

fn render_password(credential: &PasswordCredential) -> Value {
    json!({
        "customKeyIdentifier": null,
        "displayName": credential.display_name,
        "endDateTime": credential.end.to_string(),
        "hint": credential.secret.chars().take(3).collect::<String>(),
        "keyId": credential.key_id,
        "secretText": null,
        "startDateTime": credential.start.to_string(),
    })
}

/// `key` comes only when one object is read and it is asked for by `$select`.
pub(crate) fn render_keys(context: &Context<'_>, application: &Application, request: &GraphRequest) -> Value {
    let single = request.names.len() == 2;
    let asked = single
        && request
            .option("select")
            .is_some_and(|s| s.split(',').any(|p| p.trim().eq_ignore_ascii_case("keyCredentials")));
    let old_replica = context.reads % 2 == 1;
    let shown = application
        .keys
        .iter()
        .filter(|k| if old_replica { k.is_effective(context.now) } else { k.is_configured() });
    Value::Array(shown.map(|k| render_key(&k.value, asked)).collect())
}

pub(super) fn render_key(k: &KeyCredential, with_bytes: bool) -> Value {
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &k.certificate);
    json!({
        "customKeyIdentifier": thumbprint.as_ref().iter().map(|b| format!("{b:02X}")).collect::<String>(),
        "displayName": k.display_name,
        "endDateTime": k.end.to_string(),
        "key": with_bytes.then(|| BASE64_STANDARD.encode(&k.certificate)),
        "keyId": k.key_id,
        "startDateTime": k.start.to_string(),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}

/// Forty characters of the kind that Entra hands out, the awkward ones (`~ . _ -`) included.
pub(crate) fn secret_text(rng: &mut fastrand::Rng) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~._-";
    let mut text = String::from("sim8Q~");
    while text.len() < 40 {
        if let Some(c) = ALPHABET.get(rng.usize(..ALPHABET.len())) {
            text.push(char::from(*c));
        }
    }
    text
}
