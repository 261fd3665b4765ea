use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use m365_core::{Cloud, Error, Idempotency, Meta, Operation, Resource, Result, Service, TenantId};
use serde_json::Value;
use uuid::Uuid;

use super::admin_api::common_headers;
use super::failure::error_of;
use crate::command::CmdletName;

/// The cmdlets that the caller may run: what its roles come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<String>);

impl Capabilities {
    /// Whether the caller may run this cmdlet.
    pub fn allows(&self, cmdlet: CmdletName) -> bool {
        self.0.contains(&cmdlet.as_str().to_ascii_lowercase())
    }

    /// All of them, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: AsRef<str>> FromIterator<S> for Capabilities {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(
            names
                .into_iter()
                .map(|name| name.as_ref().trim().to_ascii_lowercase())
                .filter(|name| !name.is_empty())
                .collect(),
        )
    }
}

/// `GET {base}/AdminApi/v1.0/{tenant}/EXOModuleFile` with `CommandName: *`: what the PowerShell module asks before it
/// makes its proxy functions.
pub(super) struct GetCapabilities {
    pub(super) tenant: TenantId,
    pub(super) connection: Uuid,
}

const NAME: &str = "list the cmdlets allowed";

impl Operation for GetCapabilities {
    type Output = Capabilities;

    fn meta(&self) -> Meta<'_> {
        Meta::new(NAME, Resource::Exchange, Service::ExchangeAdmin, Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!("/AdminApi/v1.0/{}/EXOModuleFile", self.tenant);
        let url = m365_core::odata::join(cloud.outlook(), &path)?;
        let mut request = Request::get(url.as_str())
            .body(Bytes::new())
            .map_err(|e| Error::invalid("the request cannot be built").with_source(e))?;
        common_headers(request.headers_mut(), self.connection)?;
        request.headers_mut().insert(
            const { HeaderName::from_static("commandname") },
            const { HeaderValue::from_static("*") },
        );
        Ok(request)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Capabilities> {
        let answer: Value = m365_core::odata::json(&response)?;
        let first = match answer.get("value") {
            Some(Value::Array(rows)) => rows.first(),
            other => other,
        };
        match first.and_then(|row| row.get("exportedCmdlets")) {
            Some(Value::String(names)) => Ok(names.split([',', ';', ' ']).collect()),
            Some(Value::Array(names)) => Ok(names.iter().filter_map(Value::as_str).collect()),
            _ => Err(Error::unreadable("the answer lists no cmdlets")),
        }
    }

    fn classify(&self, response: &Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        error_of(response, NAME, now).map_or(Ok(()), Err)
    }
}
