use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use m365_core::odata::Page;
use m365_core::{ApplicationObjectId, ClientId, Cloud, Idempotency, Meta, Operation, Result, odata};
use serde::Deserialize;

/// An application in the recycle bin, where it lies for 30 days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeletedApplication {
    /// Object id of the registration; it keeps it when it is restored.
    pub id: ApplicationObjectId,
    /// Client id.
    #[serde(rename = "appId")]
    pub client_id: ClientId,
    /// The name under which it was found.
    pub unique_name: Option<String>,
    /// Displayed name.
    #[serde(default)]
    pub display_name: String,
    /// When it was deleted.
    pub deleted_date_time: Option<Timestamp>,
}

/// `GET /directory/deletedItems/microsoft.graph.application`: the applications that were deleted within 30 days.
///
/// Filters of this list are few, so all of them come and the caller chooses.
///
/// <https://learn.microsoft.com/graph/api/directory-deleteditems-list>
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListDeletedApplications;

impl Operation for ListDeletedApplications {
    type Output = Page<DeletedApplication>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list deleted applications", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let fields = "id,appId,uniqueName,displayName,deletedDateTime";
        odata::get(
            cloud,
            &format!("/v1.0/directory/deletedItems/microsoft.graph.application?$select={fields}"),
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
        assert_eq!(
            sent(&ListDeletedApplications),
            "GET /directory/deletedItems/microsoft.graph.application?$select=id,appId,uniqueName,displayName,deletedDateTime"
        );
        let body = format!(
            r#"{{"value":[{{"id":"{APPLICATION}","appId":"{CLIENT}","displayName":"Acme","deletedDateTime":"2026-11-20T08:00:00Z"}}]}}"#
        );
        let page = answered(&ListDeletedApplications, 200, &body).unwrap();
        assert_eq!(page.value[0].client_id.to_string(), CLIENT);
    }
}
