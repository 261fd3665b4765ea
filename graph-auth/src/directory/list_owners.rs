use bytes::Bytes;
use http::{Request, Response};
use m365_core::odata::Page;
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, odata};

use super::owner::{ListedOwner, OwnedObject};

/// `GET /applications/{id}/owners`, or the same of a service principal: who may change it without a directory role.
///
/// <https://learn.microsoft.com/graph/api/application-list-owners>
#[derive(Clone, Debug)]
pub struct ListOwners {
    /// What they own.
    pub of: OwnedObject,
}

impl Operation for ListOwners {
    type Output = Page<ListedOwner>;

    fn meta(&self) -> Meta<'_> {
        super::meta("list owners", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, &format!("{}?$select=id,displayName", self.of.path()))
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
        let operation = ListOwners { of: OwnedObject::Application(APPLICATION.parse().unwrap()) };
        assert_eq!(
            sent(&operation),
            format!("GET /applications/{APPLICATION}/owners?$select=id,displayName")
        );
        let body = format!(r##"{{"value":[{{"@odata.type":"#microsoft.graph.user","id":"{ROLE}"}}]}}"##);
        let page = answered(&operation, 200, &body).unwrap();
        assert_eq!(page.value[0].kind.as_deref(), Some("#microsoft.graph.user"));
        assert!(crate::directory::Owner::User(ROLE.parse().unwrap()).is(&page.value[0]));
        assert!(answered(&operation, 200, "{}").is_err(), "no rows is no empty list");
    }
}
