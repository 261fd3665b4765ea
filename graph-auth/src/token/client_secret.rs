use std::sync::Arc;

use m365_core::{ClientId, Cloud, Error, Result, TenantName};
use secrecy::{ExposeSecret as _, SecretString};

use super::engine::{Engine, credential};
use super::entra::{Asking, ClientAuth, Entra};
use super::wire::Proof;

/// App-only tokens by a client secret, cached per (authority, tenant, client, resource, claims).
///
/// One caller per key asks Entra, the others wait for its answer or keep the valid token; callers of other keys never
/// wait. A token is refreshed ahead of its end, and kept when that fails. Failures are shared and remembered for
/// seconds (or for as long as `Retry-After` says). There is no background task: all work happens in callers.
///
/// Cloning it copies pointers; clones share the cache.
///
/// ```
/// use graph_auth::ClientSecretCredential;
/// use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential, TokenRequest};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let simulated = tenant_sim::Tenant::start(tenant_sim::Scenario::contoso()).await?;
/// # let setup = simulated.setup_identity();
/// # let (client_id, secret) = (setup.client_id.to_string(), setup.secret);
/// # let base = url::Url::parse(&simulated.http_url())?;
/// let cloud = Cloud::public();
/// # let cloud = cloud.with_base_urls(base.clone(), base.clone(), base);
/// let credential = ClientSecretCredential::new(
///     cloud,
///     TenantName::parse("contoso.example")?,
///     ClientId::parse(&client_id)?,
///     secret.into(),
/// )?;
/// let token = credential.get_token(&TokenRequest::new(Resource::Graph)).await?;
/// println!("valid until {}", token.expires_on());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientSecretCredential {
    engine: Engine<Entra<Secret>>,
}

struct Secret(Arc<SecretString>);

impl ClientSecretCredential {
    /// A credential of this app in this tenant. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the secret is empty, framed by blanks, or a
    /// GUID: that is the *Secret ID* of the portal's list, not the secret's value.
    pub fn new(cloud: Cloud, tenant: TenantName, client: ClientId, secret: SecretString) -> Result<Self> {
        check(secret.expose_secret())?;
        let engine = Engine::new(Entra::new(cloud, tenant, client, Secret(Arc::new(secret))));
        Ok(Self { engine })
    }
}

credential!(ClientSecretCredential of an app);

impl ClientAuth for Secret {
    async fn prove(&self, _asking: Asking<'_>) -> Result<Proof> {
        Ok(Proof::Secret(self.0.clone()))
    }
}

/// Refuses what cannot be a secret's value before it goes anywhere.
fn check(secret: &str) -> Result<()> {
    let why = if secret.is_empty() {
        "the client secret is empty"
    } else if uuid::Uuid::parse_str(secret.trim()).is_ok() {
        return Err(Error::invalid(
            "the client secret is a GUID: that is the Secret ID of the portal's list. Use the secret's Value, which is \
             shown only once, right after the secret was added; if nobody kept it, add another one",
        )
        .with_diagnosis("AUTH-SECRET-ID"));
    } else if secret.trim() != secret {
        "the client secret begins or ends with a blank or a line break, which no secret does"
    } else {
        return Ok(());
    };
    Err(Error::invalid(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn new(secret: &str) -> Result<ClientSecretCredential> {
        ClientSecretCredential::new(
            Cloud::public(),
            TenantName::parse("contoso.example")?,
            ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
            secret.into(),
        )
    }

    #[test]
    fn trap_9_a_secret_that_is_a_guid_is_refused_with_the_remedy() {
        for guid in ["3f6d0c1a-2b3c-4d5e-8f90-a1b2c3d4e5f6", " {3F6D0C1A-2B3C-4D5E-8F90-A1B2C3D4E5F6} "] {
            let error = new(guid).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains("Secret ID") && error.message().contains("Value"), "{error}");
            assert!(!error.to_string().to_lowercase().contains("3f6d0c1a"), "{error}");
        }
    }

    #[test]
    fn secrets_that_are_no_secrets_are_refused() {
        for bad in ["", "Q8~abc\n", " Q8~abc"] {
            assert_eq!(new(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        for good in ["~Q8.x+y=z", ".starts.with.a.dot", "+x", "=x"] {
            assert!(new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", new("Q8~hidden").unwrap()).contains("hidden"));
    }
}
