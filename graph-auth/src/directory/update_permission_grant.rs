use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

/// `PATCH /oauth2PermissionGrants/{id}`: replaces the delegated permissions of one grant.
///
/// <https://learn.microsoft.com/graph/api/oauth2permissiongrant-update>
#[derive(Clone, Debug)]
pub struct UpdatePermissionGrant {
    /// Id of the grant.
    pub id: String,
    /// The permissions that remain, separated by blanks.
    pub scope: String,
}

impl Operation for UpdatePermissionGrant {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("update delegated permissions", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!("/v1.0/oauth2PermissionGrants/{}", odata::segment(&self.id));
        odata::send_json(cloud, Method::PATCH, &path, &serde_json::json!({ "scope": self.scope }))
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
        let operation = UpdatePermissionGrant { id: "g-1".to_owned(), scope: "openid".to_owned() };
        assert_eq!(sent(&operation), r#"PATCH /oauth2PermissionGrants/g-1 {"scope":"openid"}"#);
    }
}
