use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, KeyId, Meta, Operation, Result, odata};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

/// `POST /applications/{id}/removeKey`: removes a certificate, proving possession of one that is valid. An app needs no
/// permission to do so for itself.
///
/// <https://learn.microsoft.com/graph/api/application-removekey>
#[derive(Clone, Debug)]
pub struct RemoveKey {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
    /// The entry to be removed.
    pub key_id: KeyId,
    /// The proof of possession: [`ClientCertificate::proof_of_possession`](crate::ClientCertificate::proof_of_possession).
    pub proof: SecretString,
}

impl Operation for RemoveKey {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("remove key", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let body = json!({ "keyId": self.key_id, "proof": self.proof.expose_secret() });
        odata::send_json(cloud, Method::POST, &format!("/v1.0/applications/{}/removeKey", self.id), &body)
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
        let operation = RemoveKey {
            id: APPLICATION.parse().unwrap(),
            key_id: ROLE.parse().unwrap(),
            proof: "a.b.c".into(),
        };
        assert_eq!(
            sent(&operation),
            format!(r#"POST /applications/{APPLICATION}/removeKey {{"keyId":"{ROLE}","proof":"a.b.c"}}"#)
        );
    }
}
