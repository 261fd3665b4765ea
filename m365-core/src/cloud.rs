//! The hosts and audiences of one Microsoft cloud, kept together so that none is switched alone.

use std::sync::Arc;

use url::{Position, Url};

use crate::{Error, ErrorKind, TenantName};

/// A resource that tokens are minted for. One token serves one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Resource {
    /// Microsoft Graph.
    Graph,
    /// Exchange: EWS, IMAP, POP, SMTP and the Exchange Admin API.
    Exchange,
    /// Another API, named by its application id URI without `/.default`.
    Other(Arc<str>),
}

/// A host and port of a line protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// DNS name; also the name that the server's certificate must carry.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl HostPort {
    /// A host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

/// One Microsoft cloud: where tokens, Graph, Exchange, IMAP and SMTP live, and what audience their tokens carry.
///
/// Hosts: <https://learn.microsoft.com/graph/deployments>,
/// <https://learn.microsoft.com/exchange/reference/admin-api-get-started>. IMAP and SMTP hosts outside the worldwide
/// cloud are not published in one place; override them with [`Cloud::with_imap`] and [`Cloud::with_smtp`] where yours differ.
///
/// ```
/// use m365_core::{Cloud, Resource};
/// let cloud = Cloud::us_gov_l4();
/// assert_eq!(cloud.login().as_str(), "https://login.microsoftonline.us/");
/// assert_eq!(cloud.scope(&Resource::Graph), "https://graph.microsoft.us/.default");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud(Arc<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    name: &'static str,
    login: Url,
    graph: Url,
    outlook: Url,
    graph_audience: String,
    outlook_audience: String,
    imap: HostPort,
    smtp: HostPort,
}

impl Cloud {
    /// The worldwide cloud; also GCC.
    pub fn public() -> Self {
        Self::of(
            "public",
            "login.microsoftonline.com",
            "graph.microsoft.com",
            "outlook.office365.com",
            "smtp.office365.com",
        )
    }

    /// US Government GCC High (L4).
    pub fn us_gov_l4() -> Self {
        Self::of(
            "us-gov-l4",
            "login.microsoftonline.us",
            "graph.microsoft.us",
            "outlook.office365.us",
            "smtp.office365.us",
        )
    }

    /// US Government DoD (L5).
    pub fn us_gov_dod() -> Self {
        Self::of(
            "us-gov-dod",
            "login.microsoftonline.us",
            "dod-graph.microsoft.us",
            "outlook-dod.office365.us",
            "outlook-dod.office365.us",
        )
    }

    /// China, operated by 21Vianet.
    pub fn china() -> Self {
        Self::of(
            "china",
            "login.partner.microsoftonline.cn",
            "microsoftgraph.chinacloudapi.cn",
            "outlook.office365.cn",
            "smtp.partner.outlook.cn",
        )
    }

    /// A cloud whose hosts are not in this crate, by their names: the sovereign ones of France, Germany and Singapore sign in at
    /// `login.sovcloud-identity.fr`, `.de` and `.sg`; ask the operator for the others. IMAP is taken to be on Exchange's host,
    /// SMTP too.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when a text is not the name of a host.
    ///
    /// ```
    /// use m365_core::{Cloud, Resource};
    /// let cloud = Cloud::of_hosts("login.sovcloud-identity.fr", "graph.cloud.example", "outlook.cloud.example")?;
    /// assert_eq!(cloud.scope(&Resource::Graph), "https://graph.cloud.example/.default");
    /// assert!(Cloud::of_hosts("https://login.example", "graph.example", "outlook.example").is_err());
    /// # Ok::<(), m365_core::Error>(())
    /// ```
    pub fn of_hosts(login: &str, graph: &str, exchange: &str) -> Result<Self, Error> {
        for host in [login, graph, exchange] {
            let is_name = host.contains('.')
                && !host.starts_with('.')
                && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
                && Url::parse(&format!("https://{host}/")).is_ok_and(|url| url.domain() == Some(host));
            if !is_name {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("\"{}\" is not the name of a host in lower case", crate::redact::line(host)),
                ));
            }
        }
        Ok(Self::of("custom", login, graph, exchange, exchange))
    }

    fn of(name: &'static str, login: &str, graph: &str, outlook: &str, smtp: &str) -> Self {
        Self(Arc::new(Inner {
            name,
            login: https(login),
            graph: https(graph),
            outlook: https(outlook),
            graph_audience: format!("https://{graph}"),
            outlook_audience: format!("https://{outlook}"),
            imap: HostPort::new(outlook, 993),
            smtp: HostPort::new(smtp, 587),
        }))
    }

    /// The same cloud with all HTTP services at other addresses, for a simulated tenant or a gateway. Audiences stay: a
    /// token for the test double still says `https://graph.microsoft.com`.
    #[must_use]
    pub fn with_base_urls(mut self, login: Url, graph: Url, outlook: Url) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.login = login;
        inner.graph = graph;
        inner.outlook = outlook;
        self
    }

    /// Another IMAP host.
    #[must_use]
    pub fn with_imap(mut self, imap: HostPort) -> Self {
        Arc::make_mut(&mut self.0).imap = imap;
        self
    }

    /// Another SMTP submission host.
    #[must_use]
    pub fn with_smtp(mut self, smtp: HostPort) -> Self {
        Arc::make_mut(&mut self.0).smtp = smtp;
        self
    }

    /// The cloud of this name: `public`, `us-gov-l4`, `us-gov-dod` or `china`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] listing the names.
    pub fn by_name(name: &str) -> Result<Self, Error> {
        match name {
            "public" | "gcc" => Ok(Self::public()),
            "us-gov-l4" | "gcc-high" => Ok(Self::us_gov_l4()),
            "us-gov-dod" | "dod" => Ok(Self::us_gov_dod()),
            "china" => Ok(Self::china()),
            other => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "there is no cloud \"{}\": use public, us-gov-l4, us-gov-dod or china",
                    crate::redact::line(other)
                ),
            )),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Base of the token service.
    pub fn login(&self) -> &Url {
        &self.0.login
    }

    /// Base of Microsoft Graph, without the version.
    pub fn graph(&self) -> &Url {
        &self.0.graph
    }

    /// Base of Exchange's HTTP services.
    pub fn outlook(&self) -> &Url {
        &self.0.outlook
    }

    /// IMAP over implicit TLS.
    pub fn imap(&self) -> &HostPort {
        &self.0.imap
    }

    /// SMTP submission with STARTTLS.
    pub fn smtp(&self) -> &HostPort {
        &self.0.smtp
    }

    /// What `aud` must say in tokens for this resource.
    pub fn audience<'a>(&'a self, resource: &'a Resource) -> &'a str {
        match resource {
            Resource::Graph => &self.0.graph_audience,
            Resource::Exchange => &self.0.outlook_audience,
            Resource::Other(uri) => uri,
        }
    }

    /// The scope of a token request: audience and `/.default`.
    pub fn scope(&self, resource: &Resource) -> String {
        format!("{}/.default", self.audience(resource))
    }

    /// The v2.0 token endpoint of a tenant; also the `aud` of client assertions.
    pub fn token_endpoint(&self, tenant: &TenantName) -> Url {
        let mut url = self.0.login.clone();
        url.set_path(&format!("/{}/oauth2/v2.0/token", tenant.as_str()));
        url
    }

    fn base(&self, resource: &Resource) -> Option<&Url> {
        match resource {
            Resource::Graph => Some(&self.0.graph),
            Resource::Exchange => Some(&self.0.outlook),
            Resource::Other(_) => None,
        }
    }

    /// Whether scheme, host and port are spelled as in the resource's own base: then a token may travel there. `false`
    /// only means that the spelling differs.
    pub(crate) fn is_base_of(&self, resource: &Resource, uri: &http::Uri) -> bool {
        self.base(resource).is_some_and(|base| {
            uri.scheme_str() == Some(base.scheme())
                && uri.authority().is_some_and(|authority| {
                    !authority.as_str().contains('@')
                        && authority.as_str() == &base[Position::BeforeHost..Position::BeforePath]
                })
        })
    }

    /// Whether a token for `resource` may travel to `url`: same scheme and port as the configured base, and the host
    /// itself or, for Exchange, one of its regional front ends (`<region>.<host>`). Guards redirects and paging links.
    pub fn may_receive_token(&self, resource: &Resource, url: &Url) -> bool {
        let base = match (self.base(resource), resource) {
            (Some(base), _) => base,
            (None, Resource::Other(uri)) => {
                return Url::parse(uri)
                    .is_ok_and(|base| base.scheme() == "https" && base.origin() == url.origin());
            }
            (None, _) => return false,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        if base.origin() == url.origin() {
            return true;
        }
        let regional = || match (base.host_str(), url.host_str()) {
            (Some(base), Some(host)) => {
                host.strip_suffix(base).and_then(|front| front.strip_suffix('.')).is_some_and(|region| {
                    !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                })
            }
            _ => false,
        };
        *resource == Resource::Exchange
            && base.scheme() == url.scheme()
            && base.port_or_known_default() == url.port_or_known_default()
            && regional()
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self::public()
    }
}

#[expect(
    clippy::expect_used,
    reason = "the hosts are constants of this file, which a test parses, or were parsed before"
)]
fn https(host: &str) -> Url {
    Url::parse(&format!("https://{host}/")).expect("constant host")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_half_switched_cloud_is_impossible() {
        for cloud in [Cloud::public(), Cloud::us_gov_l4(), Cloud::us_gov_dod(), Cloud::china()] {
            assert_eq!(Cloud::by_name(cloud.name()).unwrap(), cloud);
            assert!(cloud.login().as_str().starts_with("https://login."));
            assert!(cloud.scope(&Resource::Graph).ends_with("/.default"));
            assert_eq!(cloud.audience(&Resource::Exchange), cloud.outlook().as_str().trim_end_matches('/'));
        }
        assert!(Cloud::by_name("germany").is_err());
    }

    #[test]
    fn a_token_is_never_sent_to_a_host_outside_the_clouds_list() {
        let cloud = Cloud::public();
        let allowed = |r: &Resource, u: &str| {
            let allowed = cloud.may_receive_token(r, &url(u));
            assert!(allowed || !cloud.is_base_of(r, &u.parse().unwrap()), "{u}");
            allowed
        };
        assert!(cloud.is_base_of(&Resource::Graph, &"https://graph.microsoft.com/v1.0".parse().unwrap()));
        assert!(allowed(&Resource::Graph, "https://graph.microsoft.com/v1.0/users?$skiptoken=x"));
        assert!(allowed(&Resource::Exchange, "https://outlook.office365.com/adminapi/"));
        assert!(allowed(&Resource::Exchange, "https://eurprd01.outlook.office365.com/adminapi/"));
        for (r, u) in [
            (Resource::Graph, "http://graph.microsoft.com/"),
            (Resource::Graph, "https://graph.microsoft.com:8443/"),
            (Resource::Graph, "https://eu.graph.microsoft.com/"),
            (Resource::Graph, "https://graph.microsoft.com.evil.example/"),
            (Resource::Graph, "https://user:pass@graph.microsoft.com/"),
            (Resource::Exchange, "https://graph.microsoft.com/"),
            (Resource::Exchange, "https://a.b.outlook.office365.com/"),
            (Resource::Exchange, "https://evil-outlook.office365.com/"),
            (Resource::Exchange, "https://.outlook.office365.com/"),
        ] {
            assert!(!allowed(&r, u), "{u}");
        }
    }
}
