use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

/// `DELETE /oauth2PermissionGrants/{id}`: takes consent to delegated permissions back.
///
/// <https://learn.microsoft.com/graph/api/oauth2permissiongrant-delete>
#[derive(Clone, Debug)]
pub struct DeletePermissionGrant {
    /// Id of the grant.
    pub id: String,
}

impl Operation for DeletePermissionGrant {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("delete delegated permissions", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!("/v1.0/oauth2PermissionGrants/{}", odata::segment(&self.id));
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
        let operation = DeletePermissionGrant { id: "g-1".to_owned() };
        assert_eq!(sent(&operation), "DELETE /oauth2PermissionGrants/g-1");
    }
}
