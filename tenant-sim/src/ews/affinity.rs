//! Which mailbox server behind the front end a request reaches.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-maintain-affinity-between-group-of-subscriptions-and-mailbox-server>

use http::HeaderMap;

use super::Context;
use crate::server::reply::{self, Reply};

const COOKIE: &str = "X-BackEndOverrideCookie";
/// Second half of the cookie's value: a build that never changes here.
const NUMBER: u32 = 1_941_996_295;

/// The server of a request, and whether its answer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Affinity {
    pub(super) back_end: u32,
    tells: bool,
}

/// The server's name in cookies and ids.
pub(super) fn server_name(back_end: u32) -> String {
    format!("mbx{:02}.example", back_end + 1)
}

impl Affinity {
    /// By the cookie, else by the anchor mailbox, else by the mailbox itself.
    pub(super) fn of(context: &Context<'_>) -> Self {
        let servers = context.state.ews.limits().back_ends.max(1);
        Self::from_headers(context.headers, &context.mailbox.to_string(), servers)
    }

    fn from_headers(headers: &HeaderMap, mailbox: &str, servers: u32) -> Self {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let named = cookie(headers)
            .and_then(|value| (0..servers).find(|n| value.split('~').next() == Some(&server_name(*n))));
        let prefers = header("x-preferserveraffinity").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let back_end = named.unwrap_or_else(|| {
            let anchor = header("x-anchormailbox").unwrap_or(mailbox).to_ascii_lowercase();
            // Any spread over the servers will do, as long as it is the same each time.
            let sum =
                anchor.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
            sum % servers
        });
        Self { back_end, tells: prefers && named.is_none() }
    }

    /// Names the server in the answer's cookie, when the client asked for it and does not know it yet.
    pub(super) fn tell(self, reply: &mut Reply) {
        if self.tells {
            let value = format!("{COOKIE}={}~{NUMBER}; path=/; HttpOnly", server_name(self.back_end));
            reply::set(reply, "set-cookie", &value);
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all("cookie")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_goes_before_the_anchor_and_only_the_first_answer_sets_it() {
        let anchored =
            headers(&[("x-anchormailbox", "anna@adatum.example"), ("x-preferserveraffinity", "true")]);
        let first = Affinity::from_headers(&anchored, "", 4);
        assert!(first.tells);
        let other = (first.back_end + 1) % 4;
        let value = format!("a=b; {COOKIE}={}~1", server_name(other));
        let mut later = anchored;
        later.insert("cookie", value.parse().unwrap());
        assert_eq!(Affinity::from_headers(&later, "", 4), Affinity { back_end: other, tells: false });
        later.insert("cookie", format!("{COOKIE}=gone.example~1").parse().unwrap());
        assert_eq!(Affinity::from_headers(&later, "", 4), first, "a server that is no more is chosen anew");
        assert!(!Affinity::from_headers(&headers(&[]), "m", 4).tells);
    }
}
