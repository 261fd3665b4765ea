use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::Application;

/// `GET /applications`: every registration of the tenant with its credentials, 999 to a page. Certificates come without their
/// bytes.
///
/// <https://learn.microsoft.com/graph/api/application-list>
#[derive(Clone, Copy, Debug, Default)]
pub struct ListAllApplications;

impl Operation for ListAllApplications {
    type Output = Page<Application>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list all applications", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let fields = "id,appId,uniqueName,displayName,passwordCredentials,keyCredentials";
        odata::get(cloud, &format!("/v1.0/applications?$top=999&$select={fields}"))
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
        assert_eq!(
            sent(&ListAllApplications),
            "GET /applications?$top=999&$select=id,appId,uniqueName,displayName,passwordCredentials,keyCredentials"
        );
    }
}
