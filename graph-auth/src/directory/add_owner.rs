use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::owner::{OwnedObject, Owner};

/// `POST /applications/{id}/owners/$ref`, or the same of a service principal. A repeat is refused with 400, so trying
/// again is safe.
///
/// <https://learn.microsoft.com/graph/api/application-post-owners>
#[derive(Clone, Debug)]
pub struct AddOwner {
    /// What is owned.
    pub of: OwnedObject,
    /// The new owner.
    pub owner: Owner,
}

impl Operation for AddOwner {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        super::meta("add owner", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let owner = odata::join(cloud.graph(), &format!("/v1.0/directoryObjects/{}", self.owner))?;
        let body = serde_json::json!({ "@odata.id": owner });
        odata::send_json(cloud, Method::POST, &format!("{}/$ref", self.of.path()), &body)
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
    fn the_request_names_the_owner_on_the_clouds_own_host() {
        let operation = AddOwner {
            of: OwnedObject::ServicePrincipal(PRINCIPAL.parse().unwrap()),
            owner: Owner::User(ROLE.parse().unwrap()),
        };
        assert_eq!(
            sent(&operation),
            format!(
                r#"POST /servicePrincipals/{PRINCIPAL}/owners/$ref {{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/{ROLE}"}}"#
            )
        );
        let request = operation.request(&Cloud::china()).unwrap();
        assert!(
            String::from_utf8_lossy(request.body()).contains("https://microsoftgraph.chinacloudapi.cn/v1.0/")
        );
    }
}
