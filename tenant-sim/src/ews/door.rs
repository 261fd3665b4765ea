//! The door of the organisation's own Exchange server: Basic, NTLM and, as a switch, tokens.
//!
//! NTLM authenticates the connection, not the request: the state lives as long as the TCP connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use uuid::Uuid;

use super::ntlm::{self, Claim, Handshake};
use crate::server::reply::{self, Reply};
use crate::state::{AuthScheme, ExtendedProtection, State};

/// One connection to the door, as far as authentication remembers it.
#[derive(Clone, Default)]
pub(crate) struct Connection(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    handshake: Option<Handshake>,
    /// Whom the connection speaks for, by the object id of the user.
    account: Option<Uuid>,
    /// What a channel binding of this connection holds; none without TLS.
    binding: Option<Vec<u8>>,
}

impl Connection {
    /// A connection over TLS, with the binding `tls-server-end-point` of its certificate.
    pub(crate) fn over_tls(binding: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Remembered { binding: Some(binding.to_vec()), ..Remembered::default() })))
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who a request is from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Authenticated {
    /// An account with a password, by the object id of its user.
    Account(Uuid),
    /// Whoever the token in the request speaks for.
    Bearer,
}

/// Looks at the request's credentials, or at what its connection has proved.
pub(crate) fn authenticate(
    state: &mut State,
    connection: &Connection,
    headers: &HeaderMap,
) -> Result<Authenticated, Box<Reply>> {
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let Some((scheme, value)) = given.map(|v| v.split_once(' ').unwrap_or((v, ""))) else {
        return connection
            .remembered()
            .account
            .map(Authenticated::Account)
            .ok_or_else(|| Box::new(challenge(state)));
    };
    let offers = |scheme| state.premises.schemes.contains(&scheme);
    let value = value.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" if offers(AuthScheme::Basic) => basic(state, value),
        "bearer" if offers(AuthScheme::Bearer) => Ok(Authenticated::Bearer),
        "ntlm" if offers(AuthScheme::Ntlm) => handshake(state, connection, "NTLM", value),
        "negotiate" if offers(AuthScheme::Negotiate) => handshake(state, connection, "Negotiate", value),
        _ => Err(Box::new(challenge(state))),
    }
}

fn basic(state: &mut State, value: &str) -> Result<Authenticated, Box<Reply>> {
    let decoded = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((login, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Err(Box::new(challenge(state)));
    };
    let proved = state.premises.account(login).is_some_and(|a| a.password == password);
    judge(state, login, proved)
}

/// Counts wrong passwords, and refuses a locked account even with the right one.
fn judge(state: &mut State, login: &str, proved: bool) -> Result<Authenticated, Box<Reply>> {
    let lockout = state.premises.lockout_after;
    let (user, locked) = match state.premises.account_mut(login) {
        None => return Err(Box::new(challenge(state))),
        Some(account) => {
            account.failures = if proved { 0 } else { account.failures.saturating_add(1) };
            account.locked |= lockout > 0 && account.failures >= lockout;
            (account.user, account.locked)
        }
    };
    if locked {
        let mut reply = challenge(state);
        *reply.body_mut() =
            "The referenced account is currently locked out and may not be logged on to.".into();
        return Err(Box::new(reply));
    }
    if proved { Ok(Authenticated::Account(user)) } else { Err(Box::new(challenge(state))) }
}

fn handshake(
    state: &mut State,
    connection: &Connection,
    scheme: &str,
    value: &str,
) -> Result<Authenticated, Box<Reply>> {
    let token = BASE64_STANDARD.decode(value).unwrap_or_default();
    let mut remembered = connection.remembered();
    match ntlm::kind(&token) {
        Some(1) => {
            // Somebody else begins: what the connection proved before is void.
            remembered.account = None;
            let Some((begun, answer)) = Handshake::begin(&token) else {
                return Err(Box::new(challenge(state)));
            };
            remembered.handshake = Some(begun);
            let mut reply = reply::empty(StatusCode::UNAUTHORIZED);
            let text = format!("{scheme} {}", BASE64_STANDARD.encode(answer));
            reply::set(&mut reply, "www-authenticate", &text);
            Err(Box::new(reply))
        }
        Some(3) => {
            let (Some(begun), Some(claim)) = (remembered.handshake.take(), Claim::read(&token)) else {
                return Err(Box::new(challenge(state)));
            };
            let protection = state.premises.extended_protection;
            let binding = remembered.binding.clone().filter(|_| protection != ExtendedProtection::Off);
            let bound = protection != ExtendedProtection::Require || binding.is_none() || claim.bound;
            let login = claim.login();
            let password = state.premises.account(&login).map(|a| a.password.clone());
            let proved =
                bound && password.is_some_and(|p| begun.finish(&token, &claim, &p, binding.as_deref()));
            let judged = judge(state, &login, proved);
            if let Ok(Authenticated::Account(user)) = &judged {
                remembered.account = Some(*user);
            }
            judged
        }
        _ => Err(Box::new(challenge(state))),
    }
}

/// 401 with what the server offers, a header for each.
pub(super) fn challenge(state: &State) -> Reply {
    let mut reply = reply::empty(StatusCode::UNAUTHORIZED);
    for scheme in &state.premises.schemes {
        let text = match scheme {
            AuthScheme::Bearer => {
                "Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", token_types=\"app_asserted_user_v1 service_asserted_app_v1\", authorization_uri=\"https://login.windows.net/common/oauth2/authorize\""
            }
            AuthScheme::Negotiate => "Negotiate",
            AuthScheme::Ntlm => "NTLM",
            AuthScheme::Basic => "Basic realm=\"mail.contoso.example\"",
        };
        let name = HeaderName::from_static("www-authenticate");
        reply.headers_mut().append(name, HeaderValue::from_static(text));
    }
    reply
}
