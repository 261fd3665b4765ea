use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::{APPLICATION_FIELDS, Application};

/// `GET /applications?$filter=uniqueName eq '…'`: the search behind find-then-create.
///
/// <https://learn.microsoft.com/graph/api/application-list>
#[derive(Clone, Debug)]
pub struct ListApplications {
    /// The name that must match whole.
    pub unique_name: String,
}

impl Operation for ListApplications {
    type Output = Page<Application>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list applications", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!(
            "/v1.0/applications?$filter=uniqueName%20eq%20{}&$select={APPLICATION_FIELDS}",
            odata::literal(&self.unique_name)
        );
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
    fn the_filter_is_quoted() {
        let sent = sent(&ListApplications { unique_name: "o'a".to_owned() });
        assert!(
            sent.starts_with("GET /applications?$filter=uniqueName%20eq%20%27o%27%27a%27&$select=id,appId,"),
            "{sent}"
        );
    }
}
