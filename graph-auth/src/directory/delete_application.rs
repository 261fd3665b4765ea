use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

/// `DELETE /applications/{id}`: moves the application to the recycle bin, with its service principal.
///
/// <https://learn.microsoft.com/graph/api/application-delete>
#[derive(Clone, Debug)]
pub struct DeleteApplication {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
}

impl Operation for DeleteApplication {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("delete application", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_empty(cloud, Method::DELETE, &format!("/v1.0/applications/{}", self.id))
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
        let operation = DeleteApplication { id: APPLICATION.parse().unwrap() };
        assert_eq!(sent(&operation), format!("DELETE /applications/{APPLICATION}"));
    }
}
