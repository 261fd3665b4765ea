use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, Request};
use m365_core::{Acted, Authority, Error, ErrorKind, Result};
use url::{Host, Url};

/// A path at a host, which may carry a port.
pub(super) fn at_host(host: &str, path: &str) -> Result<Url> {
    let bad = || Error::invalid("a host is a name, or a name and a port");
    // What ends a host, or begins a user name, would put another one in its place.
    if host.is_empty() || host.contains(['/', '\\', '?', '#', '@']) || host.chars().any(char::is_whitespace) {
        return Err(bad());
    }
    Url::parse(&format!("https://{host}{path}")).ok().filter(Url::has_host).ok_or_else(bad)
}

/// A request without credentials.
pub(super) fn http_request(
    method: Method,
    url: &Url,
    accept: &'static str,
    body: Bytes,
) -> Result<Request<Bytes>> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() =
        url.as_str().parse().map_err(|_| Error::invalid("the URL cannot stand in a request"))?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
    Ok(request)
}

/// Which hosts may be asked, and so may see credentials: the domain of the mailbox, its host `autodiscover`, and those
/// that the caller named. No list of public suffixes is needed for that, and none is wrong about it.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedHosts {
    /// As [`Url::host_str`] writes them, with the port when it is not 443.
    exact: BTreeSet<Box<str>>,
    /// The mailbox's own domain: EWS below it is taken, questions go to it and to `autodiscover` only.
    domain: Box<str>,
    /// For tests on the machine itself.
    pub(super) local: bool,
}

impl AllowedHosts {
    pub(super) fn add(&mut self, host: &str) -> Result<()> {
        let url = at_host(host, "/")?;
        if url.path() != "/" || url.host_str().is_none_or(|host| host.contains('*')) {
            return Err(Error::invalid("an allowed host is one name, without placeholders"));
        }
        self.exact.insert(key(&url));
        Ok(())
    }

    /// Begins with the domain of the mailbox asked about; redirects to other addresses do not come here.
    pub(super) fn begin(&mut self, domain: &str) -> Result<()> {
        let bad = || Error::invalid("the mailbox's address does not end in the name of a domain");
        let Ok(Host::Domain(name)) = Host::parse(domain) else { return Err(bad()) };
        let own = at_host(&name, "/").map_err(|_| bad())?;
        let auto = at_host(&format!("autodiscover.{name}"), "/").map_err(|_| bad())?;
        self.domain = key(&own);
        self.exact.extend([key(&own), key(&auto)]);
        Ok(())
    }

    /// Whether a question may be asked there, with credentials.
    pub(super) fn may_ask(&self, url: &Url) -> Result<()> {
        if url.scheme() != "https" {
            return Err(refused(url, "it is not https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(url, "it holds a user name"));
        }
        self.not_local(url)?;
        if self.exact.contains(&key(url)) {
            Ok(())
        } else {
            Err(refused(url, "the host is not the mailbox's own; allow it if you know it"))
        }
    }

    /// Whether EWS may be spoken there. Every host below the mailbox's own domain will do.
    pub(super) fn may_serve(&self, url: &Url) -> Result<()> {
        self.may_ask(url).or_else(|error| {
            let below = |host: &str| {
                host.strip_suffix(&*self.domain).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            };
            let host = url.host_str().unwrap_or("");
            let plain = url.scheme() == "https"
                && url.username().is_empty()
                && url.password().is_none()
                && !self.domain.is_empty();
            self.not_local(url)?;
            if plain && below(host) { Ok(()) } else { Err(error) }
        })
    }

    /// Whether the host is, by its name or address alone, none of the machine itself or of its link.
    pub(super) fn not_local(&self, url: &Url) -> Result<()> {
        let local = match url.host() {
            Some(Host::Ipv4(ip)) => is_local(ip.into()),
            Some(Host::Ipv6(ip)) => is_local(ip.into()),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name == "localhost" || name.ends_with(".localhost")
            }
            None => true,
        };
        if local && !self.local { Err(refused(url, "it leads to this machine or its link")) } else { Ok(()) }
    }
}

/// Why nothing is sent there. The host's name is told, since the caller may want to allow it.
pub(super) fn refused(url: &Url, why: &str) -> Error {
    let host = key(url);
    let scheme = if url.scheme() == "https" { "" } else { url.scheme() };
    let colon = if scheme.is_empty() { "" } else { "://" };
    Error::new(
        ErrorKind::PermissionDenied,
        format!("Autodiscover leads to {scheme}{colon}{host}, where nothing is sent: {why}"),
    )
    .with_authority(Authority::Caller)
    .with_transient(false)
    .with_acted(Acted::No)
}

fn key(url: &Url) -> Box<str> {
    let host = url.host_str().unwrap_or("").trim_end_matches('.');
    match url.port() {
        Some(port) => format!("{host}:{port}").into(),
        None => host.into(),
    }
}

/// Loopback, link-local, or no address of a host at all.
pub(super) fn is_local(ip: IpAddr) -> bool {
    let v4 = |ip: Ipv4Addr| {
        ip.is_loopback()
            || ip.is_link_local()
            || ip.is_broadcast()
            || ip.is_multicast()
            || ip.octets().starts_with(&[0])
    };
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => {
            let unicast_link_local = ip.segments().first().is_some_and(|s| s & 0xFFC0 == 0xFE80);
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || unicast_link_local
                || inner(ip).is_some_and(v4)
        }
    }
}

/// The address of the old protocol that one of the new carries: mapped, compatible, or translated (RFC 6052).
fn inner(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    ip.to_ipv4().or_else(|| match ip.segments() {
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> AllowedHosts {
        let mut allowed = AllowedHosts::default();
        allowed.begin("Contoso.Example").unwrap();
        allowed.add("mail.hoster.example").unwrap();
        allowed.add("edge.hoster.example:8443").unwrap();
        allowed
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn trap_19_questions_go_to_the_hosts_named_and_nowhere_else() {
        let allowed = allowed();
        for yes in [
            "https://contoso.example/x",
            "https://AUTODISCOVER.contoso.example/",
            "https://autodiscover.contoso.example.:443/",
            "https://mail.hoster.example/",
            "https://edge.hoster.example:8443/",
        ] {
            allowed.may_ask(&url(yes)).unwrap();
        }
        for no in [
            "http://contoso.example/",
            "http://contoso.example:443/",
            "https://contoso.example:8443/",
            "https://mail.contoso.example/",
            "https://autodiscover.contoso.example.evil.example/",
            "https://evilcontoso.example/",
            "https://contoso.example@evil.example/",
            "https://u:p@contoso.example/",
            "https://edge.hoster.example/",
            "https://hoster.example/",
            "https://127.0.0.1/",
            "ftp://contoso.example/",
            "data:,x",
        ] {
            let error = allowed.may_ask(&url(no)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{no}");
            assert!(!error.is_transient() && !error.to_string().contains("u:p"));
        }
    }

    #[test]
    fn ews_may_be_anywhere_below_the_mailboxs_own_domain() {
        let allowed = allowed();
        for yes in [
            "https://mail.contoso.example/EWS",
            "https://a.b.contoso.example:8443/",
            "https://mail.hoster.example/",
        ] {
            allowed.may_serve(&url(yes)).unwrap();
        }
        for no in [
            "https://evilcontoso.example/",
            "https://.contoso.example/",
            "http://mail.contoso.example/",
            "https://u@mail.contoso.example/",
            "https://mail.contoso.example.evil.example/",
            "https://hoster.example/",
        ] {
            assert!(allowed.may_serve(&url(no)).is_err(), "{no}");
        }
        assert!(AllowedHosts::default().may_serve(&url("https://mail.contoso.example/")).is_err());
    }

    #[test]
    fn trap_19_the_machine_itself_and_its_link_are_no_hosts() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:169.254.1.1",
            "64:ff9b::7f00:1",
            "ff02::1",
        ] {
            assert!(is_local(text.parse().unwrap()), "{text}");
        }
        for text in [
            "10.0.0.1",
            "192.168.1.1",
            "203.0.113.7",
            "2001:db8::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_local(text.parse().unwrap()), "{text}");
        }
        let mut local = AllowedHosts::default();
        for host in ["localhost", "a.localhost.", "127.0.0.1", "[::1]", "0x7f.1", "2130706433"] {
            local.add(host).unwrap();
            let url = at_host(host, "/").unwrap();
            assert!(local.may_ask(&url).is_err(), "{host}");
            local.local = true;
            local.may_ask(&url).unwrap();
            local.local = false;
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let mut allowed = AllowedHosts::default();
        for bad in ["", "a/b", "a?b", "a#b", "u@a", "a b", "*.contoso.example", "a:x", "https://a"] {
            assert_eq!(allowed.add(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
        for bad in ["127.0.0.1", "contoso.example:80", "a?b.example", "1.2", "[::1]", "evil.example#.x"] {
            assert!(allowed.begin(bad).is_err(), "{bad}");
        }
    }
}
