use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use m365_core::{ClientId, Cloud, Error, ErrorKind, Result, TenantName};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::token;
use crate::token::engine::{Engine, credential};
use crate::token::entra::{Asking, ClientAuth, Entra};
use crate::token::vars::Vars;
use crate::token::wire::Proof;

/// Largest token file, in bytes. Cluster tokens have about a thousand.
const LARGEST: u64 = 64 * 1024;

/// App-only tokens by a token that the platform keeps in a file: Kubernetes with workload identity. The file is read for
/// every token request, because the platform replaces it about once an hour and an old one is refused. Cached as
/// [`ClientSecretCredential`](crate::ClientSecretCredential) does.
///
/// <https://learn.microsoft.com/azure/aks/workload-identity-overview>
///
/// ```
/// use graph_auth::WorkloadIdentityCredential;
/// use m365_core::{ClientId, Cloud, TenantName};
///
/// let credential = WorkloadIdentityCredential::new(
///     Cloud::public(),
///     TenantName::parse("contoso.example")?,
///     ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
///     "/var/run/secrets/azure/tokens/azure-identity-token",
/// );
/// # drop(credential);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct WorkloadIdentityCredential {
    engine: Engine<Entra<TokenFile>>,
}

struct TokenFile(PathBuf);

impl WorkloadIdentityCredential {
    /// A credential of this app in this tenant. The file need not exist yet.
    pub fn new(cloud: Cloud, tenant: TenantName, client: ClientId, file: impl Into<PathBuf>) -> Self {
        Self { engine: Engine::new(Entra::new(cloud, tenant, client, TokenFile(file.into()))) }
    }

    /// What the platform put into the environment: `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] naming a variable that is missing; [`ErrorKind::InvalidInput`] for one that is no id,
    /// and when `AZURE_AUTHORITY_HOST` belongs to another cloud than `cloud`.
    pub fn from_env(cloud: Cloud) -> Result<Self> {
        Self::from_vars(cloud, |name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with the variables from elsewhere.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(cloud: Cloud, vars: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let vars = Vars(&vars);
        let file = vars.need("AZURE_FEDERATED_TOKEN_FILE")?;
        let (tenant, client) = vars.app(&cloud)?;
        Ok(Self::new(cloud, tenant, client, file))
    }
}

credential!(WorkloadIdentityCredential of an app);

impl ClientAuth for TokenFile {
    async fn prove(&self, _asking: Asking<'_>) -> Result<Proof> {
        read(&self.0).map(Proof::Assertion)
    }
}

/// Blocks for as long as a small file takes: the platform mounts it from memory.
fn read(path: &Path) -> Result<SecretString> {
    let unreadable = |e: std::io::Error| {
        let text = format!("the federated token file {} cannot be read", path.display());
        Error::new(ErrorKind::InvalidInput, text).with_source(e)
    };
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    token(&text, &format!("the content of {}", path.display()))
}
