use bytes::Bytes;
use http::{Request, Response};
use m365_core::{Cloud, GroupObjectId, Idempotency, Meta, Operation, Result, odata};
use serde::Deserialize;

/// `GET /groups/{id}`: a group.
///
/// <https://learn.microsoft.com/graph/api/group-get>
#[derive(Clone, Debug)]
pub struct GetGroup {
    /// Object id.
    pub id: GroupObjectId,
}

/// A group: <https://learn.microsoft.com/graph/api/resources/group>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Group {
    /// Object id.
    pub id: GroupObjectId,
    /// Displayed name.
    pub display_name: Option<String>,
    /// Address of a mail-enabled group.
    pub mail: Option<String>,
    /// Whether it takes mail.
    pub mail_enabled: Option<bool>,
    /// Whether it can hold rights. Scoping an app needs both.
    pub security_enabled: Option<bool>,
}

impl Operation for GetGroup {
    type Output = Group;

    fn meta(&self) -> Meta<'_> {
        super::meta("get group", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path =
            format!("/v1.0/groups/{}?$select=id,displayName,mail,mailEnabled,securityEnabled", self.id);
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
        let operation = GetGroup { id: CLIENT.parse().unwrap() };
        assert_eq!(
            sent(&operation),
            format!("GET /groups/{CLIENT}?$select=id,displayName,mail,mailEnabled,securityEnabled")
        );
    }
}
