use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{ApplicationObjectId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::ApplicationSettings;

/// `PATCH /applications/{id}`: changes what is given. A given list of permissions replaces the old one: read, modify, write.
///
/// <https://learn.microsoft.com/graph/api/application-update>
#[derive(Clone, Debug)]
pub struct UpdateApplication {
    /// Object id of the registration.
    pub id: ApplicationObjectId,
    /// What is to be set.
    pub settings: ApplicationSettings,
}

impl Operation for UpdateApplication {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("update application", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_json(cloud, Method::PATCH, &format!("/v1.0/applications/{}", self.id), &self.settings)
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
    fn trap_2_foreign_entries_are_written_back_as_they_were_read() {
        let entry = format!(
            r#"{{"resourceAppId":"{CLIENT}","resourceAccess":[{{"id":"{ROLE}","type":"Scope","note":"theirs"}}],"extra":1}}"#
        );
        let settings = ApplicationSettings {
            required_resource_access: Some(vec![serde_json::from_str(&entry).unwrap()]),
            ..ApplicationSettings::default()
        };
        let operation = UpdateApplication { id: APPLICATION.parse().unwrap(), settings };
        assert_eq!(
            sent(&operation),
            format!(r#"PATCH /applications/{APPLICATION} {{"requiredResourceAccess":[{entry}]}}"#)
        );
    }
}
