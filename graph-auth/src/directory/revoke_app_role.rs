use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, ServicePrincipalObjectId, odata};

/// `DELETE /servicePrincipals/{id}/appRoleAssignments/{assignment}`: takes consent to one application permission back.
/// Tokens issued before keep it until they expire.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-delete-approleassignments>
#[derive(Clone, Debug)]
pub struct RevokeAppRole {
    /// Who holds it.
    pub principal: ServicePrincipalObjectId,
    /// Id of the assignment.
    pub assignment: String,
}

impl Operation for RevokeAppRole {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("revoke application permission", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!(
            "/v1.0/servicePrincipals/{}/appRoleAssignments/{}",
            self.principal,
            odata::segment(&self.assignment)
        );
        odata::send_empty(cloud, Method::DELETE, &path)
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
        let operation =
            RevokeAppRole { principal: PRINCIPAL.parse().unwrap(), assignment: "x/y_1-2".to_owned() };
        assert_eq!(
            sent(&operation),
            format!("DELETE /servicePrincipals/{PRINCIPAL}/appRoleAssignments/x%2Fy_1-2")
        );
    }
}
