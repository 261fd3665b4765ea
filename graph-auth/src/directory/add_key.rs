use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, KeyId, Meta, Operation, Result, odata};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::replace_certificates::Wire;
use crate::PublicCertificate;

/// `POST /applications/{id}/addKey`: adds a certificate, proving possession of one that is valid. An app needs no permission
/// to do so for itself; it works only with a token of the app, and not without a valid certificate.
///
/// <https://learn.microsoft.com/graph/api/application-addkey>
#[derive(Clone, Debug)]
pub struct AddKey {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
    /// The new certificate.
    pub certificate: PublicCertificate,
    /// The proof of possession: [`ClientCertificate::proof_of_possession`](crate::ClientCertificate::proof_of_possession).
    pub proof: SecretString,
}

impl Operation for AddKey {
    /// The id of the new entry; Graph's own example leaves it out, so it may be missing.
    type Output = Option<KeyId>;

    fn meta(&self) -> Meta<'_> {
        super::meta("add key", Idempotency::NotIdempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            key_credential: Wire<'a>,
            password_credential: Option<()>,
            proof: &'a str,
        }
        let body = Body {
            key_credential: Wire::new(&self.certificate, None),
            password_credential: None,
            proof: self.proof.expose_secret(),
        };
        odata::send_json(cloud, Method::POST, &format!("/v1.0/applications/{}/addKey", self.id), &body)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            key_id: Option<KeyId>,
        }
        odata::json(&response).map(|answer: Answer| answer.key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;
    use base64::Engine as _;

    #[test]
    fn the_request_and_the_answer() {
        let certificate = PublicCertificate::sample();
        let key = base64::prelude::BASE64_STANDARD.encode(certificate.der());
        let operation = AddKey { id: APPLICATION.parse().unwrap(), certificate, proof: "a.b.c".into() };
        assert_eq!(
            sent(&operation),
            format!(
                r#"POST /applications/{APPLICATION}/addKey {{"keyCredential":{{"type":"AsymmetricX509Cert","usage":"Verify","key":"{key}"}},"passwordCredential":null,"proof":"a.b.c"}}"#
            )
        );
        let id = answered(&operation, 200, &format!(r#"{{"keyId":"{ROLE}"}}"#)).unwrap();
        assert_eq!(id.unwrap().to_string(), ROLE);
        assert_eq!(answered(&operation, 200, r#"{"@odata.context":"x"}"#).unwrap(), None);
        assert!(!format!("{operation:?}").contains("a.b.c"));
    }
}
