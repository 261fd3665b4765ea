use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use m365_core::{ApplicationObjectId, Cloud, Idempotency, KeyId, Meta, Operation, Result, odata};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// `POST /applications/{id}/addPassword`: adds a secret. Its text is in this one answer and nowhere else: when the answer
/// is lost, the secret is lost, and its entry is to be removed.
///
/// <https://learn.microsoft.com/graph/api/application-addpassword>
#[derive(Clone, Debug)]
pub struct AddPassword {
    /// Object id of the registration (not the client id).
    pub id: ApplicationObjectId,
    /// Displayed name.
    pub display_name: String,
    /// When it ends to work; two years from now when left out.
    pub end: Option<Timestamp>,
}

/// A new secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewPassword {
    /// The Secret ID.
    pub key_id: KeyId,
    /// The secret.
    pub secret: SecretString,
    /// When it ends to work.
    pub end: Option<Timestamp>,
}

impl Operation for AddPassword {
    type Output = NewPassword;

    fn meta(&self) -> Meta<'_> {
        super::meta("add secret", Idempotency::NotIdempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            password_credential: Credential<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Credential<'a> {
            display_name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            end_date_time: Option<Timestamp>,
        }
        let body = Body {
            password_credential: Credential { display_name: &self.display_name, end_date_time: self.end },
        };
        odata::send_json(cloud, Method::POST, &format!("/v1.0/applications/{}/addPassword", self.id), &body)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            key_id: KeyId,
            secret_text: String,
            end_date_time: Option<Timestamp>,
        }
        let answer: Answer = odata::json(&response)?;
        Ok(NewPassword {
            key_id: answer.key_id,
            secret: answer.secret_text.into(),
            end: answer.end_date_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;

    use secrecy::ExposeSecret as _;

    #[test]
    fn trap_7_the_text_is_read_once_and_shown_nowhere() {
        let operation = AddPassword {
            id: APPLICATION.parse().unwrap(),
            display_name: "acme".to_owned(),
            end: Some("2027-05-21T00:00:00Z".parse().unwrap()),
        };
        assert_eq!(
            sent(&operation),
            format!(
                r#"POST /applications/{APPLICATION}/addPassword {{"passwordCredential":{{"displayName":"acme","endDateTime":"2027-05-21T00:00:00Z"}}}}"#
            )
        );
        let body = format!(
            r#"{{"keyId":"{ROLE}","secretText":"Zy9~hidden","hint":"Zy9","endDateTime":"2027-05-21T00:00:00Z"}}"#
        );
        let new = answered(&operation, 200, &body).unwrap();
        assert_eq!(new.secret.expose_secret(), "Zy9~hidden");
        assert!(!format!("{new:?}").contains("hidden"));
        let cut = answered(&operation, 200, r#"{"keyId":7,"secretText":"Zy9~hidden"}"#).unwrap_err();
        assert!(!format!("{cut} {cut:?}").contains("hidden"));
    }
}
