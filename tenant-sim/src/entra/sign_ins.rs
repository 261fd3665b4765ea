//! People who are signing in or have signed in: codes that wait, and families of refresh tokens.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Refused;
use crate::state::{State, User};

/// Microsoft Graph Command Line Tools: a public client of Microsoft's own that every tenant knows.
const GRAPH_TOOLS: Uuid = uuid::uuid!("14d82eec-204b-4c2f-b7e8-296a70dab67e");
/// How long an unused refresh token lives.
const IDLE: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Everything that sign-ins leave behind; not part of the directory's state.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    /// Redirect addresses of the public clients that were registered here.
    pub(crate) clients: BTreeMap<Uuid, Vec<String>>,
    /// Who is signed in to the browser that opens sign-in pages.
    pub(crate) browser: Option<String>,
    pub(crate) devices: BTreeMap<String, Device>,
    pub(crate) codes: BTreeMap<String, Code>,
    tokens: BTreeMap<String, RefreshToken>,
    ended: BTreeSet<u64>,
    families: u64,
}

/// A code pair of the device flow.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) client: Uuid,
    pub(crate) user_code: String,
    pub(crate) scope: String,
    pub(crate) expires: Timestamp,
    pub(crate) answer: Answer,
}

/// What the person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    Approved(Uuid),
    Declined,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) client: Uuid,
    pub(crate) user: Uuid,
    pub(crate) redirect: String,
    pub(crate) challenge: Option<String>,
    pub(crate) scope: String,
    pub(crate) expires: Timestamp,
    /// The family that it began, once it was redeemed.
    pub(crate) redeemed: Option<u64>,
}

#[derive(Clone, Debug)]
struct RefreshToken {
    family: u64,
    client: Uuid,
    user: Uuid,
    issued: Timestamp,
    used: bool,
}

impl SignIns {
    /// Redirect addresses of a public client; none when the app is not one.
    pub(crate) fn redirects(&self, client: Uuid) -> Option<Vec<String>> {
        if client == GRAPH_TOOLS {
            return Some(vec!["http://localhost".to_owned()]);
        }
        self.clients.get(&client).cloned()
    }

    /// The person signs in: a new family begins.
    pub(crate) fn begin(&mut self) -> u64 {
        self.families += 1;
        self.families
    }

    /// A refresh token of this family.
    pub(crate) fn issue(
        &mut self,
        rng: &mut fastrand::Rng,
        family: u64,
        client: Uuid,
        user: Uuid,
        now: Timestamp,
    ) -> String {
        let text = secret("0.", rng);
        self.tokens.insert(text.clone(), RefreshToken { family, client, user, issued: now, used: false });
        text
    }

    /// Uses a refresh token up: (family, user). One that was used before ends its whole family: two parties hold it.
    pub(crate) fn redeem(
        &mut self,
        text: &str,
        client: Uuid,
        now: Timestamp,
    ) -> Result<(u64, Uuid), Refused> {
        let dead = |number, text: &str| {
            Err(Refused::new(400, "invalid_grant", number, text).with_suberror("bad_token"))
        };
        let Some(token) = self.tokens.get_mut(text).filter(|t| t.client == client) else {
            return dead(9_002_313, "Invalid request. Request is malformed or invalid.");
        };
        if self.ended.contains(&token.family) {
            return dead(
                50173,
                "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
            );
        }
        if token.used {
            self.ended.insert(token.family);
            return dead(70000, "Provided grant is invalid or malformed: the refresh token was used before.");
        }
        if token.issued.checked_add(IDLE).is_ok_and(|end| end <= now) {
            return dead(700_082, "The refresh token has expired due to inactivity.");
        }
        token.used = true;
        Ok((token.family, token.user))
    }

    pub(crate) fn end(&mut self, family: u64) {
        self.ended.insert(family);
    }

    /// Ends every session of a person.
    pub(crate) fn revoke(&mut self, user: Uuid) {
        self.ended.extend(self.tokens.values().filter(|t| t.user == user).map(|t| t.family));
    }
}

/// A random text of 128 hexadecimal digits.
pub(crate) fn secret(prefix: &str, rng: &mut fastrand::Rng) -> String {
    (0..4).fold(prefix.to_owned(), |text, _| format!("{text}{:032x}", rng.u128(..)))
}

/// The person with this sign-in name.
pub(crate) fn person<'a>(state: &'a State, upn: &str) -> Option<&'a User> {
    let users = state.directory.users.iter().filter(|u| u.is_configured()).map(|u| &u.value);
    users.into_iter().find(|u| u.upn.eq_ignore_ascii_case(upn))
}

/// Directory roles of the person.
pub(crate) fn roles_of(state: &State, user: Uuid) -> Vec<String> {
    let held = state.directory.directory_roles.iter().filter(|(holder, _)| *holder == user);
    held.map(|(_, role)| role.clone()).collect()
}
