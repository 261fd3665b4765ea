use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::federated_credential::{FederatedIdentityCredential, path};

/// `GET /applications/{id}/federatedIdentityCredentials`: whose tokens may stand for the app's own credential.
///
/// <https://learn.microsoft.com/graph/api/application-list-federatedidentitycredentials>
#[derive(Clone, Debug)]
pub struct ListFederatedCredentials {
    /// Object id of the registration.
    pub application: ApplicationObjectId,
}

impl Operation for ListFederatedCredentials {
    type Output = Page<FederatedIdentityCredential>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list federated credentials", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, &path(self.application))
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
        let operation = ListFederatedCredentials { application: APPLICATION.parse().unwrap() };
        assert_eq!(sent(&operation), format!("GET /applications/{APPLICATION}/federatedIdentityCredentials"));
        // One that matches by an expression has no subject.
        let body = r#"{"value":[{"id":"1","name":"flexible","issuer":"https://ci.example","subject":null,"audiences":["a"]}]}"#;
        assert_eq!(answered(&operation, 200, body).unwrap().value[0].subject, None);
    }
}
