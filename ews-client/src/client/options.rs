use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use m365_core::MailboxAddress;

const COOKIE: &str = "X-BackEndOverrideCookie=";

/// Longest cookie that is carried on; Exchange's have some hundred bytes.
const LONGEST: usize = 4096;

/// What one call may have of its own.
///
/// ```
/// use ews_client::CallOptions;
/// use std::time::Duration;
/// let options = CallOptions::default()
///     .with_time_zone("Romance Standard Time")
///     .with_deadline(Duration::from_secs(20));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    pub(crate) time_zone: Option<Box<str>>,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) deadline: Option<Duration>,
}

impl CallOptions {
    /// The Windows id of the zone that times without an offset are in, and that answers are given in; see
    /// [`RequestContext::with_time_zone`](crate::RequestContext::with_time_zone).
    #[must_use]
    pub fn with_time_zone(mut self, windows_id: impl Into<Box<str>>) -> Self {
        self.time_zone = Some(windows_id.into());
        self
    }

    /// The same server as other calls of a group; its anchor takes the place of the target's own.
    #[must_use]
    pub fn with_affinity(mut self, affinity: Affinity) -> Self {
        self.affinity = Some(affinity);
        self
    }

    /// The call ends by then, whatever it is doing: waiting for a permit, for an answer, or between attempts. Without it,
    /// the client's [`RetryPolicy`](m365_core::RetryPolicy) says until when an attempt may begin.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// Keeps the calls of a group on one server: subscriptions live in the memory of the server that made them.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-maintain-affinity-between-group-of-subscriptions-and-mailbox-server>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affinity {
    pub(crate) anchor: MailboxAddress,
    pub(crate) cookie: Option<BackEndCookie>,
}

impl Affinity {
    /// A group whose calls all bear this mailbox as `X-AnchorMailbox`, with `X-PreferServerAffinity: true`.
    pub fn new(anchor: MailboxAddress) -> Self {
        Self { anchor, cookie: None }
    }

    /// With the cookie that the group's first answer gave ([`Answer::back_end`](crate::Answer::back_end)).
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<BackEndCookie>) -> Self {
        self.cookie = cookie;
        self
    }

    /// The mailbox that the group is anchored at.
    pub fn anchor(&self) -> &MailboxAddress {
        &self.anchor
    }

    /// The cookie, once an answer gave one.
    pub fn cookie(&self) -> Option<&BackEndCookie> {
        self.cookie.as_ref()
    }
}

/// The value of `X-BackEndOverrideCookie`, which names the server that answered. Opaque; its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BackEndCookie(Arc<str>);

impl BackEndCookie {
    /// What an answer's `Set-Cookie` names, if it names one. All other cookies are left alone.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(SET_COOKIE).iter().find_map(|value| {
            let text = value.to_str().ok()?.trim_ascii_start();
            let (name, rest) = text.split_at_checked(COOKIE.len())?;
            let value = rest.split(';').next().unwrap_or("").trim_ascii();
            let fits = name.eq_ignore_ascii_case(COOKIE) && !value.is_empty() && value.len() <= LONGEST;
            fits.then(|| Self(value.into()))
        })
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::try_from(format!("{COOKIE}{}", self.0)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl fmt::Debug for BackEndCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackEndCookie")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<BackEndCookie> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(SET_COOKIE, value.parse().unwrap());
        }
        BackEndCookie::of(&headers)
    }

    #[test]
    fn one_cookie_is_kept_and_no_other() {
        let cookie =
            of(&["exchangecookie=1; path=/", "X-BackEndOverrideCookie=mbx-7~42; path=/; secure; HttpOnly"]);
        let cookie = cookie.unwrap();
        assert_eq!(cookie.header().unwrap(), "X-BackEndOverrideCookie=mbx-7~42");
        assert!(cookie.header().unwrap().is_sensitive());
        assert!(!format!("{cookie:?}").contains("mbx-7"));
        assert_eq!(
            of(&["x-backendoverridecookie= mbx-8 "]).unwrap().header().unwrap(),
            "X-BackEndOverrideCookie=mbx-8"
        );
        assert_eq!(of(&["exchangecookie=1"]), None);
        assert_eq!(of(&["X-BackEndOverrideCookie=; path=/"]), None);
        assert_eq!(of(&[&format!("X-BackEndOverrideCookie={}", "x".repeat(LONGEST + 1))]), None);
        assert_eq!(of(&["é"]), None);
        assert_eq!(of(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_server_sets_can_be_sent_back(value in "[ -~]{0,80}", prefix in proptest::bool::ANY) {
            let prefix = if prefix { COOKIE } else { "" };
            if let Some(cookie) = of(&[&format!("{prefix}{value}")]) {
                let header = cookie.header().unwrap();
                proptest::prop_assert!(!header.to_str().unwrap().contains(';'), "one cookie, never two");
            }
        }
    }
}
