use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::federated_credential::path_by_name;

/// `DELETE /applications/{id}/federatedIdentityCredentials/{name}`: its tokens stand for the app no longer.
///
/// <https://learn.microsoft.com/graph/api/federatedidentitycredential-delete>
#[derive(Clone, Debug)]
pub struct RemoveFederatedCredential {
    /// Object id of the registration.
    pub application: ApplicationObjectId,
    /// Id or name of the credential.
    pub name: String,
}

impl Operation for RemoveFederatedCredential {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("remove federated credential", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_empty(cloud, Method::DELETE, &path_by_name(self.application, &self.name))
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
        let operation =
            RemoveFederatedCredential { application: APPLICATION.parse().unwrap(), name: "a b".to_owned() };
        assert_eq!(
            sent(&operation),
            format!("DELETE /applications/{APPLICATION}/federatedIdentityCredentials/a%20b")
        );
    }
}
