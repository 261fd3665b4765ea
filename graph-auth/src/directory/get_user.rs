use bytes::Bytes;
use http::{Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Result, UserObjectId, odata};
use serde::Deserialize;

/// `GET /users/{id}`: a user, also the one behind a shared mailbox.
///
/// <https://learn.microsoft.com/graph/api/user-get>
#[derive(Clone, Debug)]
pub struct GetUser {
    id: String,
}

impl GetUser {
    /// By object id.
    pub fn by_id(id: UserObjectId) -> Self {
        Self { id: id.to_string() }
    }

    /// By user principal name. It is often, but not always, the mailbox's address.
    pub fn by_principal_name(name: &str) -> Self {
        Self { id: odata::segment(name) }
    }
}

/// A user: <https://learn.microsoft.com/graph/api/resources/user>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct User {
    /// Object id.
    pub id: UserObjectId,
    /// Sign-in name.
    pub user_principal_name: Option<String>,
    /// Primary address; absent without a mailbox.
    pub mail: Option<String>,
    /// Displayed name.
    pub display_name: Option<String>,
    /// Whether the user may sign in; shared mailboxes normally may not.
    pub account_enabled: Option<bool>,
}

impl Operation for GetUser {
    type Output = User;

    fn meta(&self) -> Meta<'_> {
        super::meta("get user", Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path =
            format!("/v1.0/users/{}?$select=id,userPrincipalName,mail,displayName,accountEnabled", self.id);
        odata::get(cloud, &path)
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
        let select = "$select=id,userPrincipalName,mail,displayName,accountEnabled";
        assert_eq!(sent(&GetUser::by_id(CLIENT.parse().unwrap())), format!("GET /users/{CLIENT}?{select}"));
        assert_eq!(
            sent(&GetUser::by_principal_name("a#b@x.example")),
            format!("GET /users/a%23b%40x.example?{select}")
        );
    }
}
