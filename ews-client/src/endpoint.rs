use std::fmt;

use m365_core::{Cloud, Error, Resource, Result};
use url::Url;

/// The path that every Exchange serves EWS under.
const PATH: &str = "/EWS/Exchange.asmx";

/// Where EWS is spoken.
///
/// Online the address is fixed per cloud and needs no Autodiscover, which app-only identities with scoped roles cannot
/// use anyway: <https://learn.microsoft.com/exchange/permissions-exo/application-rbac>. On premises it is the server's
/// external EWS URL: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-set-the-ews-service-url-by-using-the-ews-managed-api>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EwsEndpoint {
    url: Url,
    /// Made of a cloud, perhaps a simulated one: tokens are asked for as for Exchange Online.
    of_cloud: bool,
}

impl EwsEndpoint {
    /// Exchange Online in this cloud. A cloud with other base URLs, such as a simulated tenant, keeps their scheme, host
    /// and port.
    pub fn online(cloud: &Cloud) -> Self {
        let mut url = cloud.outlook().clone();
        url.set_path(PATH);
        url.set_query(None);
        url.set_fragment(None);
        Self { url, of_cloud: true }
    }

    /// A server of one's own. A bare host gets the standard path `/EWS/Exchange.asmx`; any other path is kept, since a
    /// proxy may serve EWS elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when the URL is not https, carries a user name or
    /// a password, or has a query or a fragment. The message never repeats what the URL carried.
    pub fn on_premises(mut url: Url) -> Result<Self> {
        if url.scheme() != "https" || url.host_str().is_none() {
            return Err(Error::invalid("an EWS address begins with https:// and names a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid(
                "an EWS address holds no user name or password: give them to the credential",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::invalid("an EWS address has no query and no fragment"));
        }
        if url.path() == "/" {
            url.set_path(PATH);
        }
        Ok(Self { url, of_cloud: false })
    }

    /// A server of one's own that is reached without TLS, such as one behind a tunnel. Only a password whose owner said so
    /// ([`EwsClientBuilder::send_password_without_tls`](crate::EwsClientBuilder::send_password_without_tls)) is sent
    /// there; on the machine's own loopback address, where simulated servers listen, any credential is.
    ///
    /// # Errors
    /// As [`on_premises`](Self::on_premises), for http.
    pub fn on_premises_without_tls(mut url: Url) -> Result<Self> {
        if url.scheme() != "http" {
            return Err(Error::invalid("an EWS address without TLS begins with http://"));
        }
        // The port is written out: http's default is not https's.
        let port = url.port_or_known_default();
        if url.set_scheme("https").is_err() {
            return Err(Error::invalid("an EWS address names a host"));
        }
        let mut checked = Self::on_premises(url)?;
        if checked.url.set_scheme("http").is_err() || checked.url.set_port(port).is_err() {
            return Err(Error::invalid("an EWS address names a host"));
        }
        Ok(checked)
    }

    /// Whether it is Exchange Online, of any cloud: EWS ends there, and a password is refused.
    pub fn is_online(&self) -> bool {
        [Cloud::public(), Cloud::us_gov_l4(), Cloud::us_gov_dod(), Cloud::china()]
            .iter()
            .any(|cloud| cloud.may_receive_token(&Resource::Exchange, &self.url))
    }

    /// Whether what is sent there cannot be read on the way.
    pub(crate) fn is_private(&self) -> bool {
        self.url.scheme() == "https"
            || match self.url.host() {
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
                None => false,
            }
    }

    /// The address that requests are posted to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Which API a token for it is asked for: Exchange Online, or, with hybrid modern authentication, the server itself.
    pub(crate) fn resource(&self) -> Resource {
        if self.of_cloud || self.is_online() {
            Resource::Exchange
        } else {
            Resource::Other(self.url.origin().ascii_serialization().into())
        }
    }
}

impl fmt::Display for EwsEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use m365_core::ErrorKind;

    use super::*;

    fn on_premises(text: &str) -> Result<EwsEndpoint> {
        EwsEndpoint::on_premises(text.parse().unwrap())
    }

    #[test]
    fn the_address_of_a_cloud_is_fixed() {
        let online = |cloud: Cloud| EwsEndpoint::online(&cloud).to_string();
        assert_eq!(online(Cloud::public()), "https://outlook.office365.com/EWS/Exchange.asmx");
        assert_eq!(online(Cloud::us_gov_l4()), "https://outlook.office365.us/EWS/Exchange.asmx");
        assert_eq!(online(Cloud::us_gov_dod()), "https://outlook-dod.office365.us/EWS/Exchange.asmx");
        assert_eq!(online(Cloud::china()), "https://outlook.office365.cn/EWS/Exchange.asmx");
    }

    #[test]
    fn a_simulated_tenant_is_spoken_to_where_it_listens() {
        let base = |path: &str| format!("http://127.0.0.1:4711/{path}").parse().unwrap();
        let cloud = Cloud::public().with_base_urls(base("login"), base("graph"), base("outlook?x=1"));
        assert_eq!(EwsEndpoint::online(&cloud).to_string(), "http://127.0.0.1:4711/EWS/Exchange.asmx");
    }

    #[test]
    fn a_token_may_travel_to_the_endpoint_of_its_cloud() {
        for cloud in [Cloud::public(), Cloud::us_gov_l4(), Cloud::us_gov_dod(), Cloud::china()] {
            let endpoint = EwsEndpoint::online(&cloud);
            assert!(cloud.may_receive_token(&Resource::Exchange, endpoint.url()), "{endpoint}");
        }
    }

    #[test]
    fn a_bare_host_gets_the_standard_path_and_another_path_is_kept() {
        let standard = on_premises("https://mail.fabrikam.example").unwrap();
        assert_eq!(standard.to_string(), "https://mail.fabrikam.example/EWS/Exchange.asmx");
        let proxied = on_premises("https://edge.fabrikam.example:8443/mail/ews").unwrap();
        assert_eq!(proxied.to_string(), "https://edge.fabrikam.example:8443/mail/ews");
    }

    #[test]
    fn an_address_in_the_clear_is_refused() {
        for text in
            ["http://mail.fabrikam.example/EWS/Exchange.asmx", "ftp://mail.fabrikam.example/", "data:,x"]
        {
            assert_eq!(on_premises(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }

    #[test]
    fn what_was_hidden_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "https://svc:hunter2@mail.fabrikam.example/",
            "https://hunter2@mail.fabrikam.example/",
            "https://mail.fabrikam.example/EWS/Exchange.asmx?token=hunter2",
            "https://mail.fabrikam.example/EWS/Exchange.asmx#hunter2",
        ] {
            let error = on_premises(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
