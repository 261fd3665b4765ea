use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};
use serde::Serialize;
use serde_json::value::RawValue;

use super::get_credentials::KeyEntry;
use crate::PublicCertificate;

/// `PATCH /applications/{id}` of `keyCredentials`: the list becomes exactly this one. What is kept must be named, and is sent
/// as it was read: Graph refuses an entry whose dates differ by a digit, and takes away one that is not there.
///
/// Read the list first with [`GetCredentials`](super::GetCredentials).
/// <https://learn.microsoft.com/graph/applications-how-to-add-certificate>
#[derive(Clone, Debug)]
pub struct ReplaceCertificates {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
    /// Entries that stay.
    pub kept: Vec<KeyEntry>,
    /// Entries that come.
    pub added: Vec<NewCertificate>,
}

/// A certificate that an application is to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCertificate {
    /// Displayed name; Graph cuts it after 90 characters.
    pub display_name: String,
    /// The certificate.
    pub certificate: PublicCertificate,
}

impl Operation for ReplaceCertificates {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("replace certificates", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            key_credentials: Vec<Entry<'a>>,
        }
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Entry<'a> {
            Kept(&'a RawValue),
            New(Wire<'a>),
        }
        let kept = self.kept.iter().map(|entry| Entry::Kept(entry.raw()));
        let added =
            self.added.iter().map(|new| Entry::New(Wire::new(&new.certificate, Some(&new.display_name))));
        let body = Body { key_credentials: kept.chain(added).collect() };
        odata::send_json(cloud, Method::PATCH, &format!("/v1.0/applications/{}", self.id), &body)
    }

    fn read(&self, _response: Response<Bytes>) -> Result<Self::Output> {
        Ok(())
    }
}

/// A new entry as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    usage: &'static str,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(certificate: &PublicCertificate, display_name: Option<&'a str>) -> Self {
        let key = BASE64_STANDARD.encode(certificate.der());
        Self { kind: "AsymmetricX509Cert", usage: "Verify", key, display_name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::GetCredentials;
    use crate::directory::testing::*;

    #[test]
    fn trap_2_foreign_certificates_are_written_back_byte_for_byte() {
        let id = APPLICATION.parse().unwrap();
        let entry = format!(
            r#"{{"keyId":"{ROLE}","endDateTime":"2027-01-01T00:00:00.1230000Z","key":null,"theirs":{{"b":1,"a":2}}}}"#
        );
        let body = format!(r#"{{"passwordCredentials":[],"keyCredentials":[{entry}]}}"#);
        let kept = answered(&GetCredentials { id }, 200, &body).unwrap().keys;
        let certificate = PublicCertificate::sample();
        let key = BASE64_STANDARD.encode(certificate.der());
        let added = vec![NewCertificate { display_name: "acme".to_owned(), certificate }];
        assert_eq!(
            sent(&ReplaceCertificates { id, kept, added }),
            format!(
                r#"PATCH /applications/{APPLICATION} {{"keyCredentials":[{entry},{{"type":"AsymmetricX509Cert","usage":"Verify","key":"{key}","displayName":"acme"}}]}}"#
            )
        );
    }
}
