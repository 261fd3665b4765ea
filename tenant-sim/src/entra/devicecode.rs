//! The device code endpoint: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Refused,
    delegated::Asked,
    known_tenant,
    sign_ins::{self, Answer, Device},
    user_token::{Fields, public_client},
};
use crate::server::{Line, Shared, lock};

const LIFE: i64 = 900;
/// Without vowels, so that no code is a word.
const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Starts a device flow.
pub(crate) fn start(
    shared: &Shared,
    tenant: &str,
    request: &Request<Bytes>,
    line: &mut Line,
) -> Result<Value, Refused> {
    let now = shared.clock.now();
    let fields = Fields::of(request.body(), shared.strict, &["client_id", "scope"])?;
    let state = lock(&shared.state);
    known_tenant(&state, tenant)?;
    let mut sign_ins = lock(&shared.sign_ins);
    let (client, _) = public_client(&state, &sign_ins, fields.need("client_id")?, now)?;
    line.app_id = Some(client);
    let scope = fields.need("scope")?.to_owned();
    Asked::read(&scope)?;
    let mut rng = lock(&shared.rng);
    let device_code = sign_ins::secret("HAQAB", &mut rng);
    let user_code: String =
        (0..9).filter_map(|_| LETTERS.get(rng.usize(..LETTERS.len()))).map(|b| char::from(*b)).collect();
    let expires = now.checked_add(SignedDuration::from_secs(LIFE)).unwrap_or(now);
    let device = Device { client, user_code: user_code.clone(), scope, expires, answer: Answer::Nothing };
    sign_ins.devices.insert(device_code.clone(), device);
    let page = "https://login.microsoft.com/device";
    Ok(json!({
        "user_code": user_code, "device_code": device_code, "verification_uri": page, "expires_in": LIFE, "interval": 5,
        "message": format!(
            "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
        ),
    }))
}
