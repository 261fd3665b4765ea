//! Environment variables as Microsoft's own libraries read them.

use m365_core::{ClientId, Cloud, Error, ErrorKind, Result, TenantName};
use url::Url;

/// Variables by name. Behind a function, because a process's environment cannot be changed safely in a test.
#[derive(Clone, Copy)]
pub(super) struct Vars<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Vars<'_> {
    /// A variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable without which there is no such credential here.
    pub(super) fn need(&self, name: &str) -> Result<String> {
        self.get(name).ok_or_else(|| absent(format!("the variable {name} is not set")))
    }

    /// `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`, and that `AZURE_AUTHORITY_HOST` does not ask for another cloud: a
    /// half-switched cloud fails far away from its cause.
    pub(super) fn app(&self, cloud: &Cloud) -> Result<(TenantName, ClientId)> {
        let named = |name: &'static str| move |e: Error| Error::invalid(format!("{name}: {}", e.message()));
        let tenant = self.need("AZURE_TENANT_ID")?;
        let client = self.need("AZURE_CLIENT_ID")?;
        let tenant = TenantName::parse(&tenant).map_err(named("AZURE_TENANT_ID"))?;
        let client = ClientId::parse(&client).map_err(named("AZURE_CLIENT_ID"))?;
        if let Some(host) = self.get("AZURE_AUTHORITY_HOST") {
            let url = Url::parse(&host).or_else(|_| Url::parse(&format!("https://{host}")));
            if url.ok().is_none_or(|url| url.origin() != cloud.login().origin()) {
                return Err(Error::invalid(format!(
                    "AZURE_AUTHORITY_HOST is not the sign-in host of the cloud \"{}\"",
                    cloud.name()
                )));
            }
        }
        Ok((tenant, client))
    }
}

/// There is no such credential here; a chain goes on to the next one.
pub(super) fn absent(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Unsupported, message).with_acted(m365_core::Acted::No)
}

/// An address that a secret is sent to: https, or this machine and its private network.
pub(super) fn safe_endpoint(name: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|_| Error::invalid(format!("{name} is no address")))?;
    let local = url
        .host_str()
        .is_some_and(|host| host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_local));
    let plain = url.username().is_empty() && url.password().is_none();
    if plain && (url.scheme() == "https" || url.scheme() == "http" && local) {
        return Ok(url);
    }
    Err(Error::invalid(format!(
        "{name} is neither https nor in a private network, so no secret is sent there"
    )))
}

/// Loopback, and the link-local and private addresses at which platforms put their identity services.
fn is_local(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_private(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_https_or_to_a_private_network() {
        for good in
            ["https://x.example/a", "http://localhost:40342/m", "http://127.0.0.1:1", "http://[::1]:1/"]
        {
            assert!(safe_endpoint("X", good).is_ok(), "{good}");
        }
        for bad in
            ["http://x.example/", "ftp://localhost/", "nonsense", "http://8.8.8.8/", "https://u:p@x.example/"]
        {
            assert_eq!(safe_endpoint("X", bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }
}
