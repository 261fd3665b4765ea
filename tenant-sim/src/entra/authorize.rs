//! The authorization endpoint, for a browser in which somebody is signed in already:
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::SignedDuration;

use super::{
    Refused,
    delegated::Asked,
    known_tenant,
    sign_ins::{self, Code},
    user_token::{Fields, public_client},
};
use crate::server::{
    Line, Shared, lock,
    reply::{self, Reply},
};

const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Redirects back with a code, or with an error; a request that names no address of the app's stays here.
pub(crate) fn authorize(
    shared: &Shared,
    tenant: &str,
    request: &Request<Bytes>,
    line: &mut Line,
) -> Result<Reply, Refused> {
    let now = shared.clock.now();
    let fields = Fields::of(request.uri().query().unwrap_or_default().as_bytes(), false, &[])?;
    let state = lock(&shared.state);
    known_tenant(&state, tenant)?;
    let mut sign_ins = lock(&shared.sign_ins);
    let (client, registered) = public_client(&state, &sign_ins, fields.need("client_id")?, now)?;
    line.app_id = Some(client);
    let redirect = fields.need("redirect_uri")?;
    if !registered.iter().any(|r| same_address(r, redirect)) {
        return Err(Refused::new(
            400,
            "invalid_request",
            50011,
            &format!(
                "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the application '{client}'."
            ),
        ));
    }
    let back = |pairs: &[(&str, &str)]| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        if let Some(state) = fields.get("state") {
            query.append_pair("state", state);
        }
        let separator = if redirect.contains('?') { '&' } else { '?' };
        let mut answer = reply::empty(StatusCode::FOUND);
        reply::set(&mut answer, "location", &format!("{redirect}{separator}{}", query.finish()));
        answer
    };
    let refuse = |error, text: &str| Ok(back(&[("error", error), ("error_description", text)]));
    if fields.get("response_type") != Some("code") {
        return refuse("unsupported_response_type", "AADSTS700051: The response type is not enabled here.");
    }
    let challenge = fields.get("code_challenge").map(str::to_owned);
    if challenge.is_some() && fields.get("code_challenge_method") != Some("S256") {
        return refuse(
            "invalid_request",
            "AADSTS501491: Only the code challenge method S256 is served here.",
        );
    }
    if challenge.is_none() && shared.strict {
        return refuse(
            "invalid_request",
            "AADSTS9002325: Proof Key for Code Exchange is required. (strict mode)",
        );
    }
    let scope = fields.get("scope").unwrap_or_default().to_owned();
    if Asked::read(&scope).is_err() {
        return refuse("invalid_scope", "AADSTS70011: The provided value for scope is not valid.");
    }
    let Some(name) = sign_ins.browser.clone() else {
        let page = "<!doctype html><title>Sign in</title><p>Nobody is signed in to this browser.</p>";
        return Ok(reply::bytes(StatusCode::OK, "text/html; charset=utf-8", page));
    };
    let hinted = fields.get("login_hint").is_none_or(|hint| hint.eq_ignore_ascii_case(&name));
    let Some(user) = sign_ins::person(&state, &name).filter(|u| hinted && u.account_enabled) else {
        return refuse("access_denied", "AADSTS50105: Another account is signed in to this browser.");
    };
    let code = sign_ins::secret("1.", &mut lock(&shared.rng));
    let expires = now.checked_add(LIFE).unwrap_or(now);
    let grant = Code {
        client,
        user: user.id,
        redirect: redirect.to_owned(),
        challenge,
        scope,
        expires,
        redeemed: None,
    };
    sign_ins.codes.insert(code.clone(), grant);
    Ok(back(&[("code", &code), ("session_state", "0d1c2b3a-0000-4000-8000-000000000001")]))
}

/// The same address; on the loopback host the port does not count.
fn same_address(registered: &str, asked: &str) -> bool {
    let without_port = |address: &str| -> Option<(String, String)> {
        let rest = address.strip_prefix("http://")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        ["localhost", "127.0.0.1"]
            .contains(&host)
            .then(|| (host.to_owned(), if path == "/" { String::new() } else { path.to_owned() }))
    };
    registered == asked || without_port(registered).is_some_and(|r| without_port(asked) == Some(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_loopback_address_does_not_count_and_nothing_else_is_forgiven() {
        assert!(same_address("http://localhost", "http://localhost:53123"));
        assert!(same_address("http://localhost/", "http://localhost:1"));
        assert!(same_address("http://127.0.0.1/callback", "http://127.0.0.1:9/callback"));
        for (registered, asked) in [
            ("http://localhost", "http://127.0.0.1:9"),
            ("http://localhost", "http://localhost:9/other"),
            ("http://localhost", "http://localhost.attacker.example:9"),
            ("https://app.example/back", "https://app.example:444/back"),
            ("http://localhost", "https://localhost:9"),
        ] {
            assert!(!same_address(registered, asked), "{registered} {asked}");
        }
    }
}
