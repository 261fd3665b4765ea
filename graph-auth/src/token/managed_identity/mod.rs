//! Managed identities: the platform holds the credential, the process asks it for tokens.

mod arc;
mod request;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use m365_core::{
    AccessToken, ClientId, Cloud, Error, ErrorKind, Result, ServicePrincipalObjectId, TenantName, Transport,
};

use super::engine::{Call, Engine, Issuer, credential};
use super::vars::{Vars, absent};
use super::wire;
use request::Host;

/// How long a machine's metadata service may take to show that it exists. It answers within milliseconds; elsewhere the
/// address leads nowhere and a connection would be tried for a long time.
const PROBE: Duration = Duration::from_secs(2);

/// Names a user-assigned identity; without one the system-assigned identity answers, or the only user-assigned one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagedIdentityId {
    /// By its client id.
    Client(ClientId),
    /// By the object id of its service principal.
    Object(ServicePrincipalObjectId),
    /// By the Azure resource id, `/subscriptions/…/userAssignedIdentities/…`.
    Resource(String),
}

/// App-only tokens of a managed identity: on virtual machines (IMDS), in App Service, Functions and Container Apps, and on
/// machines with the Azure Arc agent; the environment tells which. Cached as
/// [`ClientSecretCredential`](crate::ClientSecretCredential) does.
///
/// It serves its own tenant only. A host without a metadata service is noticed within 2 s and not asked again for seconds.
/// The address must be reached directly: where the process has a proxy set, name `169.254.169.254` and `localhost` in
/// `NO_PROXY`.
///
/// The platform keeps tokens of its own for up to a day, so a role granted to a managed identity takes that long to
/// arrive, whatever is asked of this credential.
///
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>
///
/// ```
/// use graph_auth::{ManagedIdentityCredential, ManagedIdentityId};
/// use m365_core::{ClientId, Cloud};
///
/// let credential = ManagedIdentityCredential::from_env(Cloud::public())?
///     .with_identity(ManagedIdentityId::Client(ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?));
/// # drop(credential);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct ManagedIdentityCredential {
    engine: Engine<ManagedIdentity>,
}

struct ManagedIdentity {
    cloud: Cloud,
    host: std::sync::Arc<Host>,
    identity: Option<ManagedIdentityId>,
    arc_directory: PathBuf,
    /// The metadata service has answered before.
    there: AtomicBool,
}

impl ManagedIdentityCredential {
    /// The identity of the host that this process runs on. Nothing is sent yet.
    ///
    /// Read are `IDENTITY_ENDPOINT` with `IDENTITY_HEADER` (App Service) or with `IMDS_ENDPOINT` (Arc), and
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when an address is none, or neither https nor in a private network;
    /// [`ErrorKind::Unsupported`] on Service Fabric.
    pub fn from_env(cloud: Cloud) -> Result<Self> {
        Self::from_vars(cloud, |name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with the variables from elsewhere.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(cloud: Cloud, vars: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let host = std::sync::Arc::new(Host::find(Vars(&vars))?);
        let there = AtomicBool::new(!matches!(*host, Host::Imds { known: false, .. }));
        let arc_directory = arc::directory();
        let issuer = ManagedIdentity { cloud, host, identity: None, arc_directory, there };
        Ok(Self { engine: Engine::new(issuer) })
    }

    /// A user-assigned identity. Drops cached tokens.
    #[must_use]
    pub fn with_identity(self, identity: ManagedIdentityId) -> Self {
        self.change(|issuer| issuer.identity = Some(identity))
    }

    fn change(self, change: impl FnOnce(&mut ManagedIdentity)) -> Self {
        let old = self.engine.issuer();
        let mut issuer = ManagedIdentity {
            cloud: old.cloud.clone(),
            host: old.host.clone(),
            identity: old.identity.clone(),
            arc_directory: old.arc_directory.clone(),
            there: AtomicBool::new(old.there.load(Ordering::Relaxed)),
        };
        change(&mut issuer);
        Self { engine: self.engine.with_issuer(issuer) }
    }
}

credential!(ManagedIdentityCredential);

impl ManagedIdentity {
    async fn probe(&self, transport: &Transport) -> Result<()> {
        if self.there.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Any answer will do. Real time: nothing answers, on any clock, where there is no such service.
        let nobody = match tokio::time::timeout(PROBE, transport.send(self.host.probe()?)).await {
            Ok(Ok(_)) => {
                self.there.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Ok(Err(error)) => absent("no instance metadata service here: 169.254.169.254 cannot be reached")
                .with_source(error),
            Err(_) => absent("no instance metadata service here: 169.254.169.254 does not answer"),
        };
        Err(nobody)
    }

    async fn send(&self, call: Call<'_>, basic: Option<&str>) -> Result<Response<Bytes>> {
        let resource = self.cloud.audience(call.key.resource);
        let request = self.host.request(resource, self.identity.as_ref(), basic, call.user_agent)?;
        let (head, body) = call.transport.send(request).await.map_err(Error::from)?.into_parts();
        let body =
            body.collect(wire::BODY_LIMIT).await.map_err(|e| Error::from(e).with_status(head.status))?;
        Ok(Response::from_parts(head, body))
    }
}

impl Issuer for ManagedIdentity {
    #[cfg(feature = "reqwest")]
    const LOCAL: bool = true;

    fn authority(&self) -> &str {
        self.host.endpoint().as_str()
    }

    fn tenant(&self) -> Option<&TenantName> {
        None
    }

    fn client(&self) -> Option<ClientId> {
        match &self.identity {
            Some(ManagedIdentityId::Client(id)) => Some(*id),
            _ => None,
        }
    }

    async fn issue(&self, call: Call<'_>) -> Result<AccessToken> {
        if call.key.claims.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a managed identity takes no claims challenge: its platform has no continuous access evaluation",
            ));
        }
        let tenant = match call.key.tenant {
            None => None,
            Some(name) => Some(name.id().ok_or_else(|| {
                Error::invalid(
                    "a managed identity serves its own tenant: name that by its GUID, so that the token can be checked",
                )
            })?),
        };
        self.probe(call.transport).await?;
        let mut response = self.send(call, None).await?;
        if matches!(*self.host, Host::Arc { .. }) && response.status() == StatusCode::UNAUTHORIZED {
            let key = arc::read(&arc::challenged(response.headers())?, &self.arc_directory)?;
            response = self.send(call, Some(&key)).await?;
        }
        self.host.read(&response, call.clock.now(), self.identity.as_ref(), tenant)
    }
}

#[cfg(test)]
mod tests;
