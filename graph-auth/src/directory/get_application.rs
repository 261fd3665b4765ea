use bytes::Bytes;
use http::{Request, Response};
use m365_core::{ApplicationObjectId, ClientId, Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::{APPLICATION_FIELDS, Application};

/// `GET /applications…`: an application with its declared permissions and its credentials (secrets without their texts).
///
/// <https://learn.microsoft.com/graph/api/application-get>
#[derive(Clone, Debug)]
pub struct GetApplication {
    path: String,
}

impl GetApplication {
    /// By the name given when it was created.
    pub fn by_unique_name(name: &str) -> Self {
        Self { path: format!("/v1.0/applications({})", super::key("uniqueName", name)) }
    }

    /// By client id.
    pub fn by_client_id(id: ClientId) -> Self {
        Self { path: format!("/v1.0/applications(appId='{id}')") }
    }

    /// By the object id of the registration.
    pub fn by_object_id(id: ApplicationObjectId) -> Self {
        Self { path: format!("/v1.0/applications/{id}") }
    }
}

impl Operation for GetApplication {
    type Output = Application;

    fn meta(&self) -> Meta<'_> {
        super::meta("get application", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, &format!("{}?$select={APPLICATION_FIELDS}", self.path))
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
    fn three_ways_to_name_it() {
        let path = |operation: GetApplication| sent(&operation).split('?').next().unwrap().to_owned();
        assert_eq!(path(GetApplication::by_unique_name("acme")), "GET /applications(uniqueName='acme')");
        assert_eq!(
            path(GetApplication::by_client_id(CLIENT.parse().unwrap())),
            format!("GET /applications(appId='{CLIENT}')")
        );
        let by_id = GetApplication::by_object_id(APPLICATION.parse().unwrap());
        assert_eq!(
            sent(&by_id),
            format!(
                "GET /applications/{APPLICATION}?$select=id,appId,uniqueName,displayName,signInAudience,createdDateTime,requiredResourceAccess,passwordCredentials,keyCredentials,web,verifiedPublisher"
            )
        );
    }

    #[test]
    fn credentials_are_read_without_their_texts() {
        let body = format!(
            r#"{{"id":"{APPLICATION}","appId":"{CLIENT}","passwordCredentials":[{{"keyId":"{ROLE}","displayName":"x","endDateTime":"2027-05-21T00:00:00Z","secretText":"hidden~1"}}]}}"#
        );
        let application = answered(&GetApplication::by_unique_name("a"), 200, &body).unwrap();
        assert!(!format!("{application:?}").contains("hidden"));
        assert_eq!(application.password_credentials[0].key_id.to_string(), ROLE);
    }
}
