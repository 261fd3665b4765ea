use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, ServicePrincipalObjectId, odata};

use super::model::PermissionGrant;

/// `GET /oauth2PermissionGrants?$filter=clientId eq '…'`: the delegated permissions consented to an app.
///
/// <https://learn.microsoft.com/graph/api/oauth2permissiongrant-list>
#[derive(Clone, Debug)]
pub struct ListPermissionGrants {
    /// The app's enterprise application.
    pub client: ServicePrincipalObjectId,
}

impl Operation for ListPermissionGrants {
    type Output = Page<PermissionGrant>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list delegated permissions", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!(
            "/v1.0/oauth2PermissionGrants?$filter=clientId%20eq%20{}",
            odata::literal(&self.client.to_string())
        );
        odata::get(cloud, &path)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        odata::json(&response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;

    #[test]
    fn the_request() {
        let operation = ListPermissionGrants { client: PRINCIPAL.parse().unwrap() };
        assert_eq!(
            sent(&operation),
            format!("GET /oauth2PermissionGrants?$filter=clientId%20eq%20%27{PRINCIPAL}%27")
        );
    }
}
