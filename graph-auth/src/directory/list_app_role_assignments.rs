use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, ServicePrincipalObjectId, odata};

use super::model::AppRoleAssignment;

/// `GET /servicePrincipals/{id}/appRoleAssignments`: the application permissions consented to an app.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-list-approleassignments>
#[derive(Clone, Debug)]
pub struct ListAppRoleAssignments {
    /// The app's enterprise application.
    pub principal: ServicePrincipalObjectId,
}

impl Operation for ListAppRoleAssignments {
    type Output = Page<AppRoleAssignment>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list application permissions", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, &format!("/v1.0/servicePrincipals/{}/appRoleAssignments", self.principal))
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
        let operation = ListAppRoleAssignments { principal: PRINCIPAL.parse().unwrap() };
        assert_eq!(sent(&operation), format!("GET /servicePrincipals/{PRINCIPAL}/appRoleAssignments"));
    }
}
