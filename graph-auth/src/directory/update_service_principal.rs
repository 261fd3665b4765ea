use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, ServicePrincipalObjectId, odata};
use serde::Serialize;

/// `PATCH /servicePrincipals/{id}`: the customer's switch that lets the app sign in, or not.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-update>
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateServicePrincipal {
    /// Object id of the enterprise application.
    #[serde(skip)]
    pub id: ServicePrincipalObjectId,
    /// Whether it may sign in.
    pub account_enabled: bool,
}

impl Operation for UpdateServicePrincipal {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("update service principal", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_json(cloud, Method::PATCH, &format!("/v1.0/servicePrincipals/{}", self.id), self)
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
        let operation = UpdateServicePrincipal { id: PRINCIPAL.parse().unwrap(), account_enabled: true };
        assert_eq!(
            sent(&operation),
            format!(r#"PATCH /servicePrincipals/{PRINCIPAL} {{"accountEnabled":true}}"#)
        );
    }
}
