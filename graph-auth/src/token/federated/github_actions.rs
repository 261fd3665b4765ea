use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use m365_core::{ClientId, Cloud, Error, ErrorKind, Result, TenantName};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{AUDIENCE, token};
use crate::token::engine::{Engine, credential};
use crate::token::entra::{Asking, ClientAuth, Entra};
use crate::token::vars::{Vars, safe_endpoint};
use crate::token::wire::{self, Proof};

/// App-only tokens inside a GitHub Actions job: for each token request the job's own identity token is fetched anew and
/// sent as the assertion. The job needs `permissions: id-token: write`. Cached as
/// [`ClientSecretCredential`](crate::ClientSecretCredential) does.
///
/// The registration must trust the job's issuer and subject exactly. New repositories carry numeric ids in the subject
/// (`repo:OWNER@ID/REPO@ID:ref:refs/heads/main`), and a credential without them is refused.
///
/// <https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/configuring-openid-connect-in-azure>
///
/// ```
/// use graph_auth::GitHubActionsCredential;
/// use m365_core::{ClientId, Cloud, TenantName};
///
/// let outside = GitHubActionsCredential::from_vars(
///     Cloud::public(),
///     TenantName::parse("contoso.example")?,
///     ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?,
///     |_name| None,
/// );
/// assert!(outside.unwrap_err().to_string().contains("ACTIONS_ID_TOKEN_REQUEST_URL"));
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone)]
pub struct GitHubActionsCredential {
    engine: Engine<Entra<Job>>,
}

struct Job {
    url: Url,
    token: Arc<SecretString>,
}

impl GitHubActionsCredential {
    /// A credential of this app in this tenant, for the job that this process runs in.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when `ACTIONS_ID_TOKEN_REQUEST_URL` or `ACTIONS_ID_TOKEN_REQUEST_TOKEN` is missing:
    /// this is no such job, or it lacks the permission. [`ErrorKind::InvalidInput`] when the address is not https.
    pub fn from_env(cloud: Cloud, tenant: TenantName, client: ClientId) -> Result<Self> {
        Self::from_vars(cloud, tenant, client, |name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with the variables from elsewhere.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(
        cloud: Cloud,
        tenant: TenantName,
        client: ClientId,
        vars: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let vars = Vars(&vars);
        let mut url =
            safe_endpoint("ACTIONS_ID_TOKEN_REQUEST_URL", &vars.need("ACTIONS_ID_TOKEN_REQUEST_URL")?)?;
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        let token = Arc::new(vars.need("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?.into());
        Ok(Self { engine: Engine::new(Entra::new(cloud, tenant, client, Job { url, token })) })
    }
}

credential!(GitHubActionsCredential of an app);

impl ClientAuth for Job {
    async fn prove(&self, asking: Asking<'_>) -> Result<Proof> {
        let request = self.request(asking.user_agent)?;
        let response = asking.transport.send(request).await.map_err(Error::from)?;
        let (head, body) = response.into_parts();
        let body =
            body.collect(wire::BODY_LIMIT).await.map_err(|e| Error::from(e).with_status(head.status))?;
        let response = http::Response::from_parts(head, body);
        if !response.status().is_success() {
            let hidden = self.token.expose_secret();
            return Err(wire::foreign(
                "the identity token service of the job",
                &response,
                asking.now,
                hidden,
            ));
        }
        let Ok(Answer { value }) = serde_json::from_slice(response.body()) else {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the job's identity token answer holds no token",
            ));
        };
        token(&value, "the job's identity token").map(Proof::Assertion)
    }
}

impl Job {
    fn request(&self, user_agent: &HeaderValue) -> Result<Request<Bytes>> {
        let mut bearer = HeaderValue::try_from(format!("bearer {}", self.token.expose_secret()))
            .map_err(|_| Error::invalid("ACTIONS_ID_TOKEN_REQUEST_TOKEN cannot stand in a header"))?;
        bearer.set_sensitive(true);
        Request::get(self.url.as_str())
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, const { HeaderValue::from_static("application/json") })
            .header(USER_AGENT, user_agent)
            .body(Bytes::new())
            .map_err(|e| Error::invalid("the identity token request cannot be built").with_source(e))
    }
}

#[derive(Deserialize)]
struct Answer {
    value: wire::Zeroed,
}
