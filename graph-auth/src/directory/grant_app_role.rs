use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{AppRoleId, Cloud, Idempotency, Meta, Operation, Result, ServicePrincipalObjectId, odata};

use super::model::AppRoleAssignment;

/// `POST /servicePrincipals/{api}/appRoleAssignedTo`: admin consent to one application permission. A repeat is refused
/// as existing, so trying again is safe.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignedto>
#[derive(Clone, Debug)]
pub struct GrantAppRole {
    /// Who gets it: the app's enterprise application.
    pub principal: ServicePrincipalObjectId,
    /// Who offers it: the API's service principal in this tenant.
    pub api: ServicePrincipalObjectId,
    /// The permission.
    pub role: AppRoleId,
}

impl Operation for GrantAppRole {
    type Output = AppRoleAssignment;

    fn meta(&self) -> Meta<'_> {
        super::meta("grant application permission", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let body = serde_json::json!({
            "principalId": self.principal,
            "resourceId": self.api,
            "appRoleId": self.role,
        });
        odata::send_json(
            cloud,
            Method::POST,
            &format!("/v1.0/servicePrincipals/{}/appRoleAssignedTo", self.api),
            &body,
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
        let operation = GrantAppRole {
            principal: PRINCIPAL.parse().unwrap(),
            api: API.parse().unwrap(),
            role: ROLE.parse().unwrap(),
        };
        let request = operation.request(&Cloud::public()).unwrap();
        assert_eq!(request.uri().path(), format!("/v1.0/servicePrincipals/{API}/appRoleAssignedTo"));
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body, serde_json::json!({"principalId": PRINCIPAL, "resourceId": API, "appRoleId": ROLE}));
    }
}
