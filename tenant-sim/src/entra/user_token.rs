//! The token endpoint for people: device codes, authorization codes and refresh tokens.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Refused,
    delegated::{self, Asked},
    known_tenant,
    sign_ins::{self, Answer, SignIns},
    token::find_application,
};
use crate::{
    server::{Line, Shared, lock, uuid},
    state::State,
};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Fields that the strict mode lets through.
const FIELDS: [&str; 9] = [
    "client_id",
    "grant_type",
    "scope",
    "device_code",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "claims",
];

/// Fields of a form or a query.
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(crate) fn of(encoded: &[u8], strict: bool, known: &[&str]) -> Result<Self, Refused> {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(encoded).into_owned().collect();
        if let Some(field) = fields.keys().find(|k| strict && !known.contains(&k.as_str())) {
            let text = format!("The request has the unknown field '{field}'. (strict mode)");
            return Err(Refused::new(400, "invalid_request", 900_144, &text));
        }
        Ok(Self(fields))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| {
            let text = format!("The request body must contain the following parameter: '{name}'.");
            Refused::new(400, "invalid_request", 900_144, &text)
        })
    }
}

/// Whether this request of the token endpoint is a person's.
pub(crate) fn is_for_people(request: &Request<Bytes>) -> bool {
    form_urlencoded::parse(request.body()).any(|(name, value)| {
        name == "grant_type" && matches!(&*value, DEVICE | "authorization_code" | "refresh_token")
    })
}

/// A public client and its redirect addresses.
pub(crate) fn public_client(
    state: &State,
    sign_ins: &SignIns,
    client: &str,
    now: Timestamp,
) -> Result<(Uuid, Vec<String>), Refused> {
    let id: Uuid = match client.parse() {
        Ok(id) if sign_ins.redirects(id).is_some() && !sign_ins.clients.contains_key(&id) => id,
        _ => find_application(state, client, now)?.app_id,
    };
    match sign_ins.redirects(id) {
        Some(redirects) => Ok((id, redirects)),
        None => Err(Refused::new(
            401,
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
    }
}

/// Checks the request and issues a person's tokens, or says why not.
pub(crate) fn issue(
    shared: &Shared,
    tenant: &str,
    request: &Request<Bytes>,
    line: &mut Line,
) -> Result<Value, Refused> {
    let now = shared.clock.now();
    let fields = Fields::of(request.body(), shared.strict, &FIELDS)?;
    let state = lock(&shared.state);
    known_tenant(&state, tenant)?;
    let mut sign_ins = lock(&shared.sign_ins);
    let (client, _) = public_client(&state, &sign_ins, fields.need("client_id")?, now)?;
    line.app_id = Some(client);
    let mut scope = fields.get("scope").unwrap_or_default().to_owned();
    let (family, user) = match fields.need("grant_type")? {
        DEVICE => {
            let (user, asked) = device(&mut sign_ins, fields.need("device_code")?, client, now)?;
            scope = asked;
            (sign_ins.begin(), user)
        }
        "authorization_code" => {
            let (user, asked, family) = code(&mut sign_ins, &fields, client, now)?;
            if scope.is_empty() {
                scope = asked;
            }
            (family, user)
        }
        _ => sign_ins.redeem(fields.need("refresh_token")?, client, now)?,
    };
    let person = state
        .directory
        .users
        .iter()
        .filter(|u| u.is_configured())
        .map(|u| &u.value)
        .find(|u| u.id == user && u.account_enabled)
        .ok_or_else(|| {
            Refused::new(400, "invalid_grant", 50057, "The user account is disabled.")
                .with_suberror("bad_token")
        })?;
    let asked = Asked::read(&scope)?;
    let roles = sign_ins::roles_of(&state, user);
    let granted = asked.grant(&roles)?.join(" ");

    let mut rng = lock(&shared.rng);
    let life = rng.i64(3600..=5100);
    let (tid, issued) = (state.tenant_id, now.as_second());
    let claims = json!({
        "aud": asked.audience, "iss": super::jwt::issuer(tid), "iat": issued, "nbf": issued, "exp": issued + life,
        "appid": client, "appidacr": "0", "idp": super::jwt::issuer(tid), "idtyp": "user", "oid": user, "sub": user,
        "tid": tid, "upn": person.upn, "unique_name": person.upn, "name": person.display_name, "scp": granted,
        "wids": delegated::role_ids(&roles), "uti": uuid(&mut rng).simple().to_string(), "ver": "1.0",
    });
    let token = shared.key.sign(&claims).ok_or_else(|| {
        Refused::new(
            503,
            "temporarily_unavailable",
            90033,
            "A transient error has occurred. Please try again.",
        )
    })?;
    let mut body = json!({
        "token_type": "Bearer", "scope": granted, "expires_in": life - 1, "ext_expires_in": life - 1,
        "access_token": token,
    });
    // Asked for once, it comes again with every refresh.
    if (asked.offline || fields.get("refresh_token").is_some())
        && let Some(object) = body.as_object_mut()
    {
        object.insert("refresh_token".to_owned(), sign_ins.issue(&mut rng, family, client, user, now).into());
    }
    Ok(body)
}

/// Who approved the device code, and for what.
fn device(
    sign_ins: &mut SignIns,
    text: &str,
    client: Uuid,
    now: Timestamp,
) -> Result<(Uuid, String), Refused> {
    let refuse = |error, number, text: &str| Err(Refused::new(400, error, number, text));
    let Some(found) = sign_ins.devices.get(text).filter(|d| d.client == client).cloned() else {
        return refuse("bad_verification_code", 70020, "The provided device code is not valid.");
    };
    if found.expires <= now {
        return refuse(
            "expired_token",
            70020,
            "The provided value for the input parameter 'device_code' has expired.",
        );
    }
    match found.answer {
        Answer::Nothing => refuse(
            "authorization_pending",
            70016,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        ),
        Answer::Declined => {
            sign_ins.devices.remove(text);
            refuse("authorization_declined", 70018, "The end user declined the authorization request.")
        }
        Answer::Approved(user) => {
            sign_ins.devices.remove(text);
            Ok((user, found.scope))
        }
    }
}

/// Who got the authorization code, for what, and the family that begins.
fn code(
    sign_ins: &mut SignIns,
    fields: &Fields,
    client: Uuid,
    now: Timestamp,
) -> Result<(Uuid, String, u64), Refused> {
    let refuse = |number, text: &str| Err(Refused::new(400, "invalid_grant", number, text));
    let text = fields.need("code")?;
    let Some(found) = sign_ins.codes.get(text).filter(|c| c.client == client).cloned() else {
        return refuse(9_002_313, "Invalid request. Request is malformed or invalid.");
    };
    if let Some(family) = found.redeemed {
        // Two parties hold it: what the first one got ends, too.
        sign_ins.end(family);
        return refuse(
            54005,
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code.",
        );
    }
    if found.expires <= now {
        return refuse(70008, "The provided authorization code is expired.");
    }
    if fields.get("redirect_uri") != Some(&found.redirect) {
        return refuse(
            500_112,
            "The reply address does not match the reply address of the authorization request.",
        );
    }
    let proven = match (&found.challenge, fields.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())) == *challenge
        }
        (None, None) => true,
        _ => false,
    };
    if !proven {
        return refuse(
            501_481,
            "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
        );
    }
    let family = sign_ins.begin();
    if let Some(code) = sign_ins.codes.get_mut(text) {
        code.redeemed = Some(family);
    }
    Ok((found.user, found.scope, family))
}
