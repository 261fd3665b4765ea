//! The protocol's operations as pure functions: one file each.

pub(super) mod authorize_url;
pub(super) mod device_poll;
pub(super) mod device_start;
pub(super) mod redeem_code;
pub(super) mod refresh;

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use m365_core::{AccessToken, Cloud, Error, Resource, Result, TenantId};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::token::wire::{self, Zeroed};

/// An endpoint of the cloud's own login host; nothing of this module goes anywhere else.
fn endpoint(cloud: &Cloud, tenant: &str, operation: &str) -> Url {
    let mut url = cloud.login().clone();
    url.set_path(&format!("/{tenant}/oauth2/v2.0/{operation}"));
    url
}

/// The scope of a request: what is wanted on one resource, and a refresh token.
pub(super) fn scope(cloud: &Cloud, resource: &Resource, names: &[String]) -> String {
    if names.is_empty() {
        return format!("{} offline_access", cloud.scope(resource));
    }
    let audience = cloud.audience(resource).trim_end_matches('/');
    let mut text = String::new();
    for name in names {
        if !name.contains("://") {
            text.push_str(audience);
            text.push('/');
        }
        text.push_str(name);
        text.push(' ');
    }
    text + "offline_access"
}

/// What the token endpoint gave.
pub(super) struct Granted {
    pub(super) token: AccessToken,
    /// Comes whenever `offline_access` was granted; it takes the place of the one that was sent.
    pub(super) refresh: Option<SecretString>,
}

/// What the token endpoint refused.
pub(super) struct Refusal {
    pub(super) error: Error,
    pub(super) suberror: Option<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, suberror: None }
    }
}

/// Reads an answer of the token endpoint. `hidden` is what was sent and must not come back in an error.
pub(super) fn read(
    response: &Response<Bytes>,
    now: Timestamp,
    tenant: Option<TenantId>,
    hidden: &str,
) -> Result<Granted, Refusal> {
    if !response.status().is_success() && wire::echoes(&String::from_utf8_lossy(response.body()), hidden) {
        return Err(wire::foreign("the token service", response, now, hidden).into());
    }
    match wire::read(response, now, tenant, hidden) {
        Ok(token) => {
            let extra: Extra = serde_json::from_slice(response.body()).unwrap_or_default();
            let refresh = extra.refresh_token.filter(|t| !t.is_empty()).map(|t| SecretString::from(&*t));
            Ok(Granted { token, refresh })
        }
        Err(error) => {
            let extra: Extra = serde_json::from_slice(response.body()).unwrap_or_default();
            Err(Refusal { error, suberror: extra.suberror.filter(|s| !s.is_empty()) })
        }
    }
}

#[derive(Default, Deserialize)]
struct Extra {
    refresh_token: Option<Zeroed>,
    suberror: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use m365_core::ErrorKind;

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn short_names_become_names_of_the_clouds_own_resource() {
        let names =
            ["Application.ReadWrite.All".to_owned(), "https://graph.microsoft.us/User.Read".to_owned()];
        assert_eq!(
            scope(&Cloud::us_gov_l4(), &Resource::Graph, &names),
            "https://graph.microsoft.us/Application.ReadWrite.All https://graph.microsoft.us/User.Read offline_access"
        );
        assert_eq!(
            scope(&Cloud::public(), &Resource::Exchange, &[]),
            "https://outlook.office365.com/.default offline_access"
        );
    }

    #[test]
    fn a_refusal_keeps_its_suberror_and_never_repeats_what_was_sent() {
        let body =
            r#"{"error":"invalid_grant","suberror":"bad_token","error_description":"AADSTS70000: no"}"#;
        let refusal = read(&answer(400, body), now(), None, "0.AXrefresh").err().unwrap();
        assert_eq!(
            (refusal.suberror.as_deref(), refusal.error.service_code()),
            (Some("bad_token"), Some("invalid_grant"))
        );
        let body = r#"{"error":"invalid_grant","error_description":"the token 0.AXrefresh is dead"}"#;
        let refusal = read(&answer(400, body), now(), None, "0.AXrefresh").err().unwrap();
        assert!(!format!("{:?}", refusal.error).contains("AXrefresh"));
        assert_eq!(refusal.error.kind(), ErrorKind::InvalidResponse);
    }
}
