use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::owner::{OwnedObject, Owner};

/// `DELETE /applications/{id}/owners/{owner}/$ref`, or the same of a service principal.
///
/// <https://learn.microsoft.com/graph/api/application-delete-owners>
#[derive(Clone, Debug)]
pub struct RemoveOwner {
    /// What is owned.
    pub of: OwnedObject,
    /// The owner that shall be none any more.
    pub owner: Owner,
}

impl Operation for RemoveOwner {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("remove owner", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_empty(cloud, Method::DELETE, &format!("{}/{}/$ref", self.of.path(), self.owner))
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
    fn the_reference_is_removed_and_not_the_object() {
        let operation = RemoveOwner {
            of: OwnedObject::Application(APPLICATION.parse().unwrap()),
            owner: Owner::ServicePrincipal(PRINCIPAL.parse().unwrap()),
        };
        assert_eq!(sent(&operation), format!("DELETE /applications/{APPLICATION}/owners/{PRINCIPAL}/$ref"));
    }
}
