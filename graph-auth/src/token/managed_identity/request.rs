//! What the hosts of managed identities are asked, and what they answer, as pure functions.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use m365_core::{
    AccessToken, Acted, Authority, Error, ErrorKind, Result, ServicePrincipalObjectId, TenantId,
    retry::retry_after,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::ManagedIdentityId;
use crate::token::vars::{Vars, safe_endpoint};
use crate::token::wire;

const METADATA: HeaderName = HeaderName::from_static("metadata");
const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// Where this process runs, by what its environment says.
pub(super) enum Host {
    /// A virtual machine: the instance metadata service.
    Imds {
        endpoint: Url,
        /// The address was set, so something is there.
        known: bool,
    },
    /// App Service, Functions, Container Apps.
    AppService { endpoint: Url, header: SecretString },
    /// A machine outside Azure with the Arc agent.
    Arc { endpoint: Url },
}

impl Host {
    pub(super) fn find(vars: Vars<'_>) -> Result<Self> {
        let endpoint = vars.get("IDENTITY_ENDPOINT");
        if let (Some(endpoint), Some(header)) = (&endpoint, vars.get("IDENTITY_HEADER")) {
            if vars.get("IDENTITY_SERVER_THUMBPRINT").is_some() {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "Service Fabric's managed identity is not served",
                ));
            }
            let endpoint = safe_endpoint("IDENTITY_ENDPOINT", endpoint)?;
            return Ok(Self::AppService { endpoint, header: header.into() });
        }
        if let (Some(endpoint), Some(_)) = (&endpoint, vars.get("IMDS_ENDPOINT")) {
            return Ok(Self::Arc { endpoint: safe_endpoint("IDENTITY_ENDPOINT", endpoint)? });
        }
        let base = vars.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        let known = base.is_some();
        let base = base.unwrap_or_else(|| "http://169.254.169.254".to_owned());
        let mut endpoint = safe_endpoint("AZURE_POD_IDENTITY_AUTHORITY_HOST", &base)?;
        endpoint.set_path("/metadata/identity/oauth2/token");
        Ok(Self::Imds { endpoint, known })
    }

    pub(super) fn endpoint(&self) -> &Url {
        match self {
            Self::Imds { endpoint, .. } | Self::AppService { endpoint, .. } | Self::Arc { endpoint } => {
                endpoint
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Imds { .. } => "the instance metadata service",
            Self::AppService { .. } => "the app's identity endpoint",
            Self::Arc { .. } => "the Arc agent",
        }
    }

    fn version(&self) -> &'static str {
        match self {
            Self::Imds { .. } => "2018-02-01",
            Self::AppService { .. } => "2019-08-01",
            Self::Arc { .. } => "2020-06-01",
        }
    }

    /// What must not be repeated from an answer.
    pub(super) fn hidden(&self) -> &str {
        match self {
            Self::AppService { header, .. } => header.expose_secret(),
            _ => "",
        }
    }

    /// A call that every metadata service refuses at once, because it lacks the header.
    pub(super) fn probe(&self) -> Result<Request<Bytes>> {
        let mut url = self.endpoint().clone();
        url.query_pairs_mut().append_pair("api-version", self.version());
        Request::get(url.as_str()).body(Bytes::new()).map_err(unbuildable)
    }

    pub(super) fn request(
        &self,
        resource: &str,
        identity: Option<&ManagedIdentityId>,
        basic: Option<&str>,
        user_agent: &HeaderValue,
    ) -> Result<Request<Bytes>> {
        let mut url = self.endpoint().clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("api-version", self.version()).append_pair("resource", resource);
        if let Some(identity) = identity {
            let (name, value) = self.selector(identity);
            query.append_pair(name, &value);
        }
        drop(query);
        let mut request = Request::get(url.as_str()).header(USER_AGENT, user_agent);
        request = match self {
            Self::Imds { .. } | Self::Arc { .. } => {
                request.header(METADATA, const { HeaderValue::from_static("true") })
            }
            Self::AppService { header, .. } => {
                request.header(IDENTITY_HEADER, sensitive(header.expose_secret())?)
            }
        };
        if let Some(key) = basic {
            request = request.header(AUTHORIZATION, sensitive(&format!("Basic {key}"))?);
        }
        request.body(Bytes::new()).map_err(unbuildable)
    }

    fn selector(&self, identity: &ManagedIdentityId) -> (&'static str, String) {
        match (identity, self) {
            (ManagedIdentityId::Client(id), _) => ("client_id", id.to_string()),
            (ManagedIdentityId::Object(id), _) => ("object_id", id.to_string()),
            (ManagedIdentityId::Resource(id), Self::AppService { .. }) => ("mi_res_id", id.clone()),
            (ManagedIdentityId::Resource(id), _) => ("msi_res_id", id.clone()),
        }
    }

    pub(super) fn read(
        &self,
        response: &Response<Bytes>,
        now: Timestamp,
        identity: Option<&ManagedIdentityId>,
        tenant: Option<TenantId>,
    ) -> Result<AccessToken> {
        let (status, hidden) = (response.status(), self.hidden());
        if !status.is_success() {
            return Err(self.refusal(response, now));
        }
        // An agent that knows nothing of user-assigned identities answers with the machine's own.
        if let (Self::Arc { .. }, Some(identity)) = (self, identity)
            && !echoed(response.body(), identity)
        {
            return Err(Error::new(
                ErrorKind::Authentication,
                "the Arc agent answered for another identity than the one asked for",
            ));
        }
        wire::success(response, now, tenant, hidden).map_err(|e| e.with_status(status))
    }

    fn refusal(&self, response: &Response<Bytes>, now: Timestamp) -> Error {
        let status = response.status();
        // While the metadata service is updated it answers 404 and 410.
        let updating =
            matches!(self, Self::Imds { .. }) && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        let Ok(failure) = serde_json::from_slice::<Refusal>(response.body()) else {
            let error = wire::foreign(self.name(), response, now, self.hidden());
            return if updating { error.with_transient(true) } else { error };
        };
        let kind = match status.as_u16() {
            429 => ErrorKind::Throttled,
            408 => ErrorKind::Timeout,
            500..=599 => ErrorKind::Unavailable,
            _ if updating => ErrorKind::Unavailable,
            _ => ErrorKind::Authentication,
        };
        let code = failure.error.as_deref().or(failure.code.as_deref()).unwrap_or("unknown");
        let text = failure.description.as_deref().or(failure.message.as_deref()).unwrap_or(code);
        let text = if !self.hidden().is_empty() && text.contains(self.hidden()) { code } else { text };
        Error::new(kind, format!("{} refused: {text}", self.name()))
            .with_authority(Authority::EntraToken)
            .with_status(status)
            .with_code(code)
            .with_acted(Acted::No)
            .with_transient(kind != ErrorKind::Authentication)
            .with_retry_after(retry_after(response.headers(), now))
    }
}

fn echoed(body: &[u8], identity: &ManagedIdentityId) -> bool {
    let Ok(echo) = serde_json::from_slice::<Echo>(body) else { return false };
    match identity {
        ManagedIdentityId::Client(id) => {
            echo.client_id.is_some_and(|e| e.eq_ignore_ascii_case(&id.to_string()))
        }
        ManagedIdentityId::Object(id) => {
            echo.object_id.and_then(|e| ServicePrincipalObjectId::parse(&e).ok()) == Some(*id)
        }
        ManagedIdentityId::Resource(id) => {
            echo.msi_res_id.or(echo.mi_res_id).is_some_and(|e| e.eq_ignore_ascii_case(id))
        }
    }
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::invalid("the key of the identity endpoint cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unbuildable(error: http::Error) -> Error {
    Error::invalid("the managed identity request cannot be built").with_source(error)
}

#[derive(Deserialize)]
struct Echo {
    client_id: Option<String>,
    object_id: Option<String>,
    msi_res_id: Option<String>,
    mi_res_id: Option<String>,
}

/// Entra's shape, or the one of App Service.
#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
    #[serde(rename = "error_description")]
    description: Option<String>,
    code: Option<String>,
    message: Option<String>,
}
