use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::app_management_policy::AppManagementPolicy;

/// The policies for single applications: `GET /policies/appManagementPolicies`, or those of one application,
/// `GET /applications/{id}/appManagementPolicies`, which override the tenant's default for it.
///
/// <https://learn.microsoft.com/graph/api/appmanagementpolicy-list>
#[derive(Clone, Debug)]
pub struct ListAppManagementPolicies {
    application: Option<ApplicationObjectId>,
}

impl ListAppManagementPolicies {
    /// All of the tenant.
    pub const fn all() -> Self {
        Self { application: None }
    }

    /// Those of one application.
    pub const fn of_application(application: ApplicationObjectId) -> Self {
        Self { application: Some(application) }
    }
}

impl Operation for ListAppManagementPolicies {
    type Output = Page<AppManagementPolicy>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list app management policies", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = match self.application {
            Some(id) => format!("/v1.0/applications/{id}/appManagementPolicies"),
            None => "/v1.0/policies/appManagementPolicies".to_owned(),
        };
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
    fn the_requests() {
        assert_eq!(sent(&ListAppManagementPolicies::all()), "GET /policies/appManagementPolicies");
        let operation = ListAppManagementPolicies::of_application(APPLICATION.parse().unwrap());
        assert_eq!(sent(&operation), format!("GET /applications/{APPLICATION}/appManagementPolicies"));
        let body = r#"{"value":[{"id":"p","isEnabled":true,"restrictions":{"passwordCredentials":[{"restrictionType":"passwordAddition","state":"disabled"}]}}]}"#;
        let page = answered(&operation, 200, body).unwrap();
        assert!(page.value[0].application_restrictions.is_some());
    }
}
