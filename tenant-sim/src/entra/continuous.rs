//! Continuous access evaluation: long tokens for clients that answer a challenge, and the challenge.
//!
//! Pages: <https://learn.microsoft.com/entra/identity/conditional-access/concept-continuous-access-evaluation-workload>,
//! <https://learn.microsoft.com/entra/identity-platform/claims-challenge>

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

use crate::{
    Caller,
    json::At,
    state::{Application, State},
};

/// Lives of long tokens, in seconds: 24 to 28 hours.
pub(crate) const LIFE: RangeInclusive<i64> = 86_400..=100_800;

/// Whether the token is to be a long one: Graph only, apps of one tenant only, clients that declare `cp1` only.
pub(crate) fn applies(claims: Option<&str>, application: &Application, for_graph: bool) -> bool {
    let declared = claims.and_then(|text| serde_json::from_str::<Value>(text).ok()).is_some_and(|claims| {
        let values = claims.at("access_token").at("xms_cc").at("values").as_array();
        values.into_iter().flatten().any(|value| value == "cp1")
    });
    declared && for_graph && application.sign_in_audience == "AzureADMyOrg"
}

/// `WWW-Authenticate` of the challenge, when the caller's token was issued before its app's tokens were revoked. Tokens of
/// clients that answer no challenge live on to their end.
pub(crate) fn challenge(state: &State, caller: &Caller) -> Option<String> {
    let revoked = &state.directory.lifecycle.revoked_tokens;
    let (_, at) = revoked.iter().rev().find(|(app, _)| *app == caller.app_id)?;
    if !caller.answers_challenges || caller.issued_at.as_second() >= at.as_second() {
        return None;
    }
    let claims = json!({"access_token": {"nbf": {"essential": true, "value": at.as_second().to_string()}}});
    Some(format!(
        "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", error=\"insufficient_claims\", claims=\"{}\"",
        BASE64_STANDARD.encode(claims.to_string())
    ))
}
