use bytes::Bytes;
use graph_auth::directory::ServicePrincipal;
use http::{Request, Response};
use m365_core::{
    Cloud, Idempotency, Meta, Operation, Resource, Result, Service, ServicePrincipalObjectId, odata,
};

/// `GET /servicePrincipals/{id}`: an enterprise application by its object id, as consents name it.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-get>
#[derive(Clone, Debug)]
pub(super) struct PrincipalById {
    /// Its object id.
    pub(super) id: ServicePrincipalObjectId,
}

impl Operation for PrincipalById {
    type Output = ServicePrincipal;

    fn meta(&self) -> Meta<'_> {
        Meta::new("get enterprise application", Resource::Graph, Service::Directory, Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let fields = "id,appId,displayName,accountEnabled";
        odata::get(cloud, &format!("/v1.0/servicePrincipals/{}?$select={fields}", self.id))
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
        let id = "b0000000-0000-4000-8000-000000000003".parse().unwrap();
        let request = PrincipalById { id }.request(&Cloud::public()).unwrap();
        assert_eq!(
            request.uri(),
            "https://graph.microsoft.com/v1.0/servicePrincipals/b0000000-0000-4000-8000-000000000003?$select=id,appId,displayName,accountEnabled"
        );
    }
}
