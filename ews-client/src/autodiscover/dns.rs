use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use m365_core::Result;

/// An SRV record: a host that offers a service of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SrvRecord {
    /// Lower ones first.
    pub priority: u16,
    /// Among equals, heavier ones first.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host's name.
    pub target: String,
}

/// Asks the DNS. This crate brings no DNS library along; give the one that the application has, or none: then the step
/// that needs SRV records is left out.
///
/// Implementors write `async fn`s; users hold a [`Resolver`].
///
/// ```
/// use std::net::IpAddr;
/// use ews_client::autodiscover::{DnsResolver, SrvRecord};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// impl DnsResolver for Fixed {
///     async fn srv(&self, name: &str) -> m365_core::Result<Vec<SrvRecord>> {
///         assert_eq!(name, "_autodiscover._tcp.contoso.example");
///         Ok(vec![SrvRecord { priority: 0, weight: 0, port: 443, target: "mail.contoso.example".into() }])
///     }
///     async fn addresses(&self, _host: &str) -> m365_core::Result<Vec<IpAddr>> {
///         Ok(vec![[203, 0, 113, 7].into()])
///     }
/// }
/// ```
pub trait DnsResolver: fmt::Debug + Send + Sync + 'static {
    /// The SRV records of this name; none when there are none.
    ///
    /// # Errors
    /// The DNS could not be asked.
    fn srv(&self, name: &str) -> impl Future<Output = Result<Vec<SrvRecord>>> + Send;

    /// The addresses of this host, so that one which leads to the machine itself or to its link is not asked. None when
    /// there are none, or when nobody knows.
    ///
    /// # Errors
    /// The DNS could not be asked.
    fn addresses(&self, host: &str) -> impl Future<Output = Result<Vec<IpAddr>>> + Send;
}

/// A cheap handle to any [`DnsResolver`].
#[derive(Clone)]
pub struct Resolver(Arc<dyn dynamic::DnsResolver>);

impl Resolver {
    /// A handle to this resolver.
    pub fn new(resolver: impl DnsResolver) -> Self {
        Self(Arc::new(resolver))
    }

    /// The best hosts first.
    pub(super) async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>> {
        let mut records = self.0.srv(name).await?;
        records.sort_by(|a, b| a.priority.cmp(&b.priority).then(b.weight.cmp(&a.weight)));
        // RFC 2782: a target of `.` says that there is no such service.
        records.retain(|record| !record.target.trim_end_matches('.').is_empty());
        Ok(records)
    }

    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>> {
        self.0.addresses(host).await
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

mod dynamic {
    use std::fmt;
    use std::net::IpAddr;

    use m365_core::Result;

    use super::SrvRecord;

    #[async_trait::async_trait]
    pub(super) trait DnsResolver: fmt::Debug + Send + Sync {
        async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>>;
        async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>>;
    }

    #[async_trait::async_trait]
    impl<T: super::DnsResolver> DnsResolver for T {
        async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>> {
            super::DnsResolver::srv(self, name).await
        }
        async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>> {
            super::DnsResolver::addresses(self, host).await
        }
    }
}

/// The operating system's own way from a name to addresses. It knows nothing of SRV records, and answers that there are
/// none.
#[cfg(feature = "reqwest")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[cfg(feature = "reqwest")]
impl DnsResolver for SystemResolver {
    async fn srv(&self, _name: &str) -> Result<Vec<SrvRecord>> {
        Ok(Vec::new())
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>> {
        match tokio::net::lookup_host((host, 443)).await {
            Ok(found) => Ok(found.map(|address| address.ip()).collect()),
            Err(error) => Err(m365_core::Error::new(
                m365_core::ErrorKind::Network,
                "the operating system finds no address of the host",
            )
            .with_source(error)),
        }
    }
}
