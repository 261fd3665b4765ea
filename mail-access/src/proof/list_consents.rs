use bytes::Bytes;
use graph_auth::directory::AppRoleAssignment;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{
    Cloud, Idempotency, Meta, Operation, Resource, Result, Service, ServicePrincipalObjectId, odata,
};

/// `GET /servicePrincipals/{api}/appRoleAssignedTo`: everybody who holds a permission of an API.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-list-approleassignedto>
#[derive(Clone, Debug)]
pub(super) struct ListConsents {
    /// The API's own service principal.
    pub(super) api: ServicePrincipalObjectId,
}

impl Operation for ListConsents {
    type Output = Page<AppRoleAssignment>;

    fn meta(&self) -> Meta<'_> {
        Meta::new(
            "list who holds an API's permissions",
            Resource::Graph,
            Service::Directory,
            Idempotency::Idempotent,
        )
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, &format!("/v1.0/servicePrincipals/{}/appRoleAssignedTo?$top=999", self.api))
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        odata::json(&response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request() {
        let api = "b0000000-0000-4000-8000-000000000004".parse().unwrap();
        let request = ListConsents { api }.request(&Cloud::public()).unwrap();
        assert_eq!(
            request.uri(),
            "https://graph.microsoft.com/v1.0/servicePrincipals/b0000000-0000-4000-8000-000000000004/appRoleAssignedTo?$top=999"
        );
    }
}
