use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};
use serde::Serialize;

use super::model::{Application, ApplicationSettings};

/// `POST /applications`: creates an application, for clouds where
/// [`UpsertApplication`](super::UpsertApplication) is not served. The unique name makes a repeat fail with 409 instead of
/// making a second one.
///
/// <https://learn.microsoft.com/graph/api/application-post-applications>
#[derive(Clone, Debug)]
pub struct CreateApplication {
    /// The name under which it is found again.
    pub unique_name: String,
    /// What is to be set.
    pub settings: ApplicationSettings,
}

impl Operation for CreateApplication {
    type Output = Application;

    fn meta(&self) -> Meta<'_> {
        super::meta("create application", Idempotency::NotIdempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            unique_name: &'a str,
            #[serde(flatten)]
            settings: &'a ApplicationSettings,
        }
        let body = Body { unique_name: &self.unique_name, settings: &self.settings };
        odata::send_json(cloud, Method::POST, "/v1.0/applications", &body)
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
    fn the_request() {
        let settings =
            ApplicationSettings { display_name: Some("Acme".to_owned()), ..ApplicationSettings::default() };
        let operation = CreateApplication { unique_name: "acme".to_owned(), settings };
        assert_eq!(sent(&operation), r#"POST /applications {"uniqueName":"acme","displayName":"Acme"}"#);
    }
}
