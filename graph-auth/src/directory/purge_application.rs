use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

/// `DELETE /directory/deletedItems/{id}`: deletes a registration in the recycle bin for good.
///
/// <https://learn.microsoft.com/graph/api/directory-deleteditems-delete>
#[derive(Clone, Debug)]
pub struct PurgeApplication {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
}

impl Operation for PurgeApplication {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("purge application", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_empty(cloud, Method::DELETE, &format!("/v1.0/directory/deletedItems/{}", self.id))
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
        let operation = PurgeApplication { id: APPLICATION.parse().unwrap() };
        assert_eq!(sent(&operation), format!("DELETE /directory/deletedItems/{APPLICATION}"));
    }
}
