use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{Cloud, Error, Idempotency, Meta, Operation, Result, TenantId, odata};
use serde::Deserialize;

/// `GET /organization`: the tenant's id and verified domains.
///
/// <https://learn.microsoft.com/graph/api/organization-list>
#[derive(Clone, Copy, Debug, Default)]
pub struct GetOrganization;

/// The tenant: <https://learn.microsoft.com/graph/api/resources/organization>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Organization {
    /// Tenant id.
    pub id: TenantId,
    /// Displayed name.
    pub display_name: Option<String>,
    /// Its domains.
    #[serde(default)]
    pub verified_domains: Vec<VerifiedDomain>,
}

/// A domain of the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerifiedDomain {
    /// Its name.
    pub name: String,
    /// Whether new users get it.
    #[serde(default)]
    pub is_default: bool,
}

impl Operation for GetOrganization {
    type Output = Organization;

    fn meta(&self) -> Meta<'_> {
        super::meta("get organization", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, "/v1.0/organization?$select=id,displayName,verifiedDomains")
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        let page: Page<Organization> = odata::json(&response)?;
        page.value.into_iter().next().ok_or_else(|| Error::unreadable("the tenant names no organization"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;

    #[test]
    fn the_first_row_is_the_tenant() {
        assert_eq!(sent(&GetOrganization), "GET /organization?$select=id,displayName,verifiedDomains");
        let body = format!(
            r#"{{"value":[{{"id":"{CLIENT}","verifiedDomains":[{{"name":"contoso.example","isDefault":true}}]}}]}}"#
        );
        assert_eq!(
            answered(&GetOrganization, 200, &body).unwrap().verified_domains[0].name,
            "contoso.example"
        );
        assert!(answered(&GetOrganization, 200, r#"{"value":[]}"#).is_err());
    }
}
