use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ClientId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::ServicePrincipal;

/// `POST /servicePrincipals`: makes the enterprise application of an app registration, or of an API that the tenant lacks.
/// A repeat is refused with 409, so trying again is safe.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-post-serviceprincipals>
#[derive(Clone, Debug)]
pub struct CreateServicePrincipal {
    /// Client id of the application.
    pub client_id: ClientId,
}

impl Operation for CreateServicePrincipal {
    type Output = ServicePrincipal;

    fn meta(&self) -> Meta<'_> {
        super::meta("create service principal", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_json(
            cloud,
            Method::POST,
            "/v1.0/servicePrincipals",
            &serde_json::json!({ "appId": self.client_id }),
        )
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
        let operation = CreateServicePrincipal { client_id: CLIENT.parse().unwrap() };
        assert_eq!(sent(&operation), format!(r#"POST /servicePrincipals {{"appId":"{CLIENT}"}}"#));
    }
}
