//! Trades an authorization code for tokens:
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#redeem-a-code-for-an-access-token>

use bytes::Bytes;
use http::{HeaderValue, Request};
use m365_core::{ClientId, Cloud, Result};

use super::endpoint;
use crate::token::wire;

/// What is traded in; once.
pub(in crate::token::user) struct Code<'a> {
    pub(in crate::token::user) code: &'a str,
    pub(in crate::token::user) redirect: &'a str,
    pub(in crate::token::user) verifier: &'a str,
    pub(in crate::token::user) scope: &'a str,
}

pub(in crate::token::user) fn request(
    cloud: &Cloud,
    tenant: &str,
    client: ClientId,
    code: &Code<'_>,
    user_agent: &HeaderValue,
) -> Result<Request<Bytes>> {
    let client = client.to_string();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("scope", code.scope),
        ("code", code.code),
        ("redirect_uri", code.redirect),
        ("code_verifier", code.verifier),
    ];
    wire::post(&endpoint(cloud, tenant, "token"), &fields, user_agent)
}
