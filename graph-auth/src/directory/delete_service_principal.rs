use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, ServicePrincipalObjectId, odata};

/// `DELETE /servicePrincipals/{id}`: takes the app out of this tenant, with all that was consented to it. The registration
/// stays where it is.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-delete>
#[derive(Clone, Debug)]
pub struct DeleteServicePrincipal {
    /// Object id of the enterprise application.
    pub id: ServicePrincipalObjectId,
}

impl Operation for DeleteServicePrincipal {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("delete service principal", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_empty(cloud, Method::DELETE, &format!("/v1.0/servicePrincipals/{}", self.id))
    }

    fn read(&self, _response: Response<Bytes>) -> Result<Self::Output> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;

    #[test]
    fn the_request() {
        let operation = DeleteServicePrincipal { id: PRINCIPAL.parse().unwrap() };
        assert_eq!(sent(&operation), format!("DELETE /servicePrincipals/{PRINCIPAL}"));
    }
}
