use bytes::Bytes;
use http::HeaderValue;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::model::{Application, ApplicationSettings};

/// `PATCH /applications(uniqueName='…')` with `Prefer: create-if-missing`: creates the application or updates it.
///
/// The answer holds the application when it was created and nothing when it existed. `display_name` is required, and the
/// permissions should be left to [`UpdateApplication`](super::UpdateApplication): this call would replace those of an
/// application that exists.
///
/// <https://learn.microsoft.com/graph/api/application-upsert>
#[derive(Clone, Debug)]
pub struct UpsertApplication {
    /// The name under which it is found again.
    pub unique_name: String,
    /// What is to be set.
    pub settings: ApplicationSettings,
}

impl Operation for UpsertApplication {
    type Output = Option<Application>;

    fn meta(&self) -> Meta<'_> {
        super::meta("create or update application", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!("/v1.0/applications({})", super::key("uniqueName", &self.unique_name));
        let mut request = odata::send_json(cloud, Method::PATCH, &path, &self.settings)?;
        request.headers_mut().insert("prefer", const { HeaderValue::from_static("create-if-missing") });
        Ok(request)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Self::Output> {
        if response.body().is_empty() { Ok(None) } else { odata::json(&response).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::testing::*;

    #[test]
    fn trap_1_201_has_a_body_and_204_has_none() {
        let operation = UpsertApplication {
            unique_name: "acme o'mail".to_owned(),
            settings: ApplicationSettings {
                display_name: Some("Acme".to_owned()),
                sign_in_audience: Some(super::super::Audience::SingleTenant),
                ..ApplicationSettings::default()
            },
        };
        assert_eq!(
            sent(&operation),
            r#"PATCH /applications(uniqueName='acme%20o%27%27mail') {"displayName":"Acme","signInAudience":"AzureADMyOrg"}"#
        );
        let request = operation.request(&Cloud::public()).unwrap();
        assert_eq!(request.headers()["prefer"], "create-if-missing");
        let body = format!(r#"{{"id":"{APPLICATION}","appId":"{CLIENT}","displayName":"Acme"}}"#);
        assert_eq!(answered(&operation, 201, &body).unwrap().unwrap().client_id.to_string(), CLIENT);
        assert_eq!(answered(&operation, 204, "").unwrap(), None);
    }
}
