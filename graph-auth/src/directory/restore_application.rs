use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

/// `POST /directory/deletedItems/{id}/restore`: takes a registration out of the recycle bin, with its credentials. Its
/// enterprise application may have to be made again.
///
/// <https://learn.microsoft.com/graph/api/directory-deleteditems-restore>
#[derive(Clone, Debug)]
pub struct RestoreApplication {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
}

impl Operation for RestoreApplication {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("restore application", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_empty(cloud, Method::POST, &format!("/v1.0/directory/deletedItems/{}/restore", self.id))
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
        let operation = RestoreApplication { id: APPLICATION.parse().unwrap() };
        assert_eq!(sent(&operation), format!("POST /directory/deletedItems/{APPLICATION}/restore"));
    }
}
