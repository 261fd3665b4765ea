use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};
use serde::Serialize;

use super::federated_credential::{FederatedIdentityCredential, FederatedTrust, path};

/// `POST /applications/{id}/federatedIdentityCredentials`. The name is unique on the application, so a repeat is refused
/// with 409 and trying again is safe. An application takes 20 at most.
///
/// <https://learn.microsoft.com/graph/api/application-post-federatedidentitycredentials>
#[derive(Clone, Debug)]
pub struct AddFederatedCredential {
    /// Object id of the registration.
    pub application: ApplicationObjectId,
    /// Its name.
    pub name: String,
    /// What it trusts.
    pub trust: FederatedTrust,
}

impl Operation for AddFederatedCredential {
    type Output = FederatedIdentityCredential;

    fn meta(&self) -> Meta<'_> {
        super::meta("add federated credential", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        struct Named<'a> {
            name: &'a str,
            #[serde(flatten)]
            trust: &'a FederatedTrust,
        }
        let body = Named { name: &self.name, trust: &self.trust };
        odata::send_json(cloud, Method::POST, &path(self.application), &body)
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
        let operation = AddFederatedCredential {
            application: APPLICATION.parse().unwrap(),
            name: "github-main".to_owned(),
            trust: FederatedTrust {
                issuer: "https://ci.example".to_owned(),
                subject: "repo:acme@11/connector@22:ref:refs/heads/main".to_owned(),
                audiences: vec!["api://AzureADTokenExchange".to_owned()],
                description: None,
            },
        };
        assert_eq!(
            sent(&operation),
            format!(
                r#"POST /applications/{APPLICATION}/federatedIdentityCredentials {{"name":"github-main","issuer":"https://ci.example","subject":"repo:acme@11/connector@22:ref:refs/heads/main","audiences":["api://AzureADTokenExchange"]}}"#
            )
        );
    }
}
