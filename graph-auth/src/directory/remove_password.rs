use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, KeyId, Meta, Operation, Result, odata};

/// `POST /applications/{id}/removePassword`: removes a secret.
///
/// <https://learn.microsoft.com/graph/api/application-removepassword>
#[derive(Clone, Debug)]
pub struct RemovePassword {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
    /// The Secret ID.
    pub key_id: KeyId,
}

impl Operation for RemovePassword {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("remove secret", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let body = serde_json::json!({ "keyId": self.key_id });
        odata::send_json(
            cloud,
            Method::POST,
            &format!("/v1.0/applications/{}/removePassword", self.id),
            &body,
        )
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
        let operation = RemovePassword { id: APPLICATION.parse().unwrap(), key_id: ROLE.parse().unwrap() };
        assert_eq!(
            sent(&operation),
            format!(r#"POST /applications/{APPLICATION}/removePassword {{"keyId":"{ROLE}"}}"#)
        );
    }
}
