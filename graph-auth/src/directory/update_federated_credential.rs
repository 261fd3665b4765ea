use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::federated_credential::{FederatedTrust, path};

/// `PATCH /applications/{id}/federatedIdentityCredentials/{credential}`: changes what it trusts; its name stays.
///
/// <https://learn.microsoft.com/graph/api/federatedidentitycredential-update>
#[derive(Clone, Debug)]
pub struct UpdateFederatedCredential {
    /// Object id of the registration.
    pub application: ApplicationObjectId,
    /// Id of the credential.
    pub id: String,
    /// What it trusts from now on.
    pub trust: FederatedTrust,
}

impl Operation for UpdateFederatedCredential {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("update federated credential", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!("{}/{}", path(self.application), odata::segment(&self.id));
        odata::send_json(cloud, Method::PATCH, &path, &self.trust)
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
    fn the_name_is_not_sent() {
        let operation = UpdateFederatedCredential {
            application: APPLICATION.parse().unwrap(),
            id: ROLE.to_owned(),
            trust: FederatedTrust {
                issuer: "https://ci.example".to_owned(),
                subject: "s".to_owned(),
                audiences: vec!["a".to_owned()],
                description: Some("d".to_owned()),
            },
        };
        assert_eq!(
            sent(&operation),
            format!(
                r#"PATCH /applications/{APPLICATION}/federatedIdentityCredentials/{ROLE} {{"issuer":"https://ci.example","subject":"s","audiences":["a"],"description":"d"}}"#
            )
        );
    }
}
