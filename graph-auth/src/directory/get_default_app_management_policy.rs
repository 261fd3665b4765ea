use bytes::Bytes;
use http::{Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::app_management_policy::AppManagementPolicy;

/// `GET /policies/defaultAppManagementPolicy`: what the tenant allows of every application without a policy of its own.
/// Needs `Policy.Read.All` or `Policy.Read.ApplicationConfiguration`.
///
/// <https://learn.microsoft.com/graph/api/tenantappmanagementpolicy-get>
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GetDefaultAppManagementPolicy;

impl Operation for GetDefaultAppManagementPolicy {
    type Output = AppManagementPolicy;

    fn meta(&self) -> Meta<'_> {
        super::meta("get default app management policy", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, "/v1.0/policies/defaultAppManagementPolicy")
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
        assert_eq!(sent(&GetDefaultAppManagementPolicy), "GET /policies/defaultAppManagementPolicy");
        let body = r#"{"id":"p","isEnabled":true,"applicationRestrictions":{"passwordCredentials":[{"restrictionType":"passwordLifetime","maxLifetime":"P90D","restrictForAppsCreatedAfterDateTime":"2026-01-01T00:00:00Z"}],"keyCredentials":[]}}"#;
        let policy = answered(&GetDefaultAppManagementPolicy, 200, body).unwrap();
        let restrictions = policy.application_restrictions.unwrap();
        assert_eq!(restrictions.password_credentials[0].max_lifetime.as_deref(), Some("P90D"));
        assert!(answered(&GetDefaultAppManagementPolicy, 403, "").is_err(), "unreadable is not absent");
    }
}
