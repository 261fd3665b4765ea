use bytes::Bytes;
use http::{Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Error, Idempotency, Meta, Operation, Result, odata};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::model::{KeyCredential, PasswordCredential};

/// `GET /applications/{id}`: its secrets (without texts) and certificates, each certificate also as it was written, so that
/// it can be sent back byte for byte.
///
/// The certificates' bytes (`key`) come only because one object is read and the list is selected by name.
/// <https://learn.microsoft.com/graph/api/resources/keycredential>
#[derive(Clone, Debug)]
pub struct GetCredentials {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
}

/// The credentials of an application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CredentialLists {
    /// The name under which the application is found again.
    pub unique_name: Option<String>,
    /// Its secrets.
    pub secrets: Vec<PasswordCredential>,
    /// Its certificates.
    pub keys: Vec<KeyEntry>,
}

/// One certificate of an application: what it says, and its JSON as Graph wrote it, unknown properties included.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    credential: KeyCredential,
    raw: Box<RawValue>,
}

impl KeyEntry {
    /// What it says.
    pub fn credential(&self) -> &KeyCredential {
        &self.credential
    }

    /// Its JSON, byte for byte.
    pub fn raw(&self) -> &RawValue {
        &self.raw
    }
}

impl Operation for GetCredentials {
    type Output = CredentialLists;

    fn meta(&self) -> Meta<'_> {
        super::meta("get credentials", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!(
            "/v1.0/applications/{}?$select=id,uniqueName,passwordCredentials,keyCredentials",
            self.id
        );
        odata::get(cloud, &path)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        // Neither list has a default: one that is missing must not pass for an empty one, or a write would empty it.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            unique_name: Option<String>,
            password_credentials: Vec<PasswordCredential>,
            key_credentials: Vec<Box<RawValue>>,
        }
        let answer: Answer = odata::json(&response)?;
        let entry = |raw: Box<RawValue>| {
            let credential = serde_json::from_str(raw.get()).map_err(|_| {
                Error::unreadable("a certificate of the application is not of the form expected")
                    .with_status(response.status())
            })?;
            Ok(KeyEntry { credential, raw })
        };
        Ok(CredentialLists {
            unique_name: answer.unique_name,
            secrets: answer.password_credentials,
            keys: answer.key_credentials.into_iter().map(entry).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;

    #[test]
    fn the_request_and_the_answer_as_it_was_written() {
        let operation = GetCredentials { id: APPLICATION.parse().unwrap() };
        assert_eq!(
            sent(&operation),
            format!(
                "GET /applications/{APPLICATION}?$select=id,uniqueName,passwordCredentials,keyCredentials"
            )
        );
        let entry = format!(r#"{{ "keyId":"{ROLE}",  "note" : 1.50, "key":null }}"#);
        let body = format!(r#"{{"passwordCredentials":[],"keyCredentials":[{entry}]}}"#);
        let lists = answered(&operation, 200, &body).unwrap();
        assert_eq!(lists.keys[0].raw().get(), entry);
        assert_eq!(lists.keys[0].credential().key_id.to_string(), ROLE);
    }

    #[test]
    fn a_list_that_is_missing_is_not_an_empty_one() {
        let operation = GetCredentials { id: APPLICATION.parse().unwrap() };
        for body in [r#"{"passwordCredentials":[]}"#, r#"{"keyCredentials":[]}"#, "{}"] {
            let error = answered(&operation, 200, body).unwrap_err();
            assert_eq!(error.kind(), m365_core::ErrorKind::InvalidResponse);
        }
    }
}
