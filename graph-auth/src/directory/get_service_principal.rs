use bytes::Bytes;
use http::{Request, Response};
use m365_core::{ClientId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::{SERVICE_PRINCIPAL_FIELDS, ServicePrincipal};

/// `GET /servicePrincipals(appId='…')`: an enterprise application with the roles that it offers.
///
/// <https://learn.microsoft.com/graph/api/serviceprincipal-get>
#[derive(Clone, Debug)]
pub struct GetServicePrincipal {
    /// Client id of the application or API.
    pub client_id: ClientId,
}

impl Operation for GetServicePrincipal {
    type Output = ServicePrincipal;

    fn meta(&self) -> Meta<'_> {
        super::meta("get service principal", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path =
            format!("/v1.0/servicePrincipals(appId='{}')?$select={SERVICE_PRINCIPAL_FIELDS}", self.client_id);
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
        let operation = GetServicePrincipal { client_id: ClientId::MICROSOFT_GRAPH };
        assert_eq!(
            sent(&operation),
            "GET /servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=id,appId,displayName,accountEnabled,appRoles,appOwnerOrganizationId,appRoleAssignmentRequired"
        );
        let body = format!(
            r#"{{"id":"{API}","appId":"{CLIENT}","appRoles":[{{"id":"{ROLE}","value":"Mail.Read","isEnabled":true,"allowedMemberTypes":["Application"]}},{{"id":"{CLIENT}","value":null,"isEnabled":true,"allowedMemberTypes":["User"]}}]}}"#
        );
        let roles: Vec<bool> =
            answered(&operation, 200, &body).unwrap().app_roles.iter().map(|role| role.is_usable()).collect();
        assert_eq!(roles, [true, false]);
    }
}
