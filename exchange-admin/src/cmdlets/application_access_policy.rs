use std::fmt;

use m365_core::{ClientId, Error, Result};
use uuid::Uuid;

use crate::row::Row;
use crate::types::{AccessRight, Names};

/// The identity of an access policy as Exchange made it: `{organisation}\{app}:{group's SID};{group's GUID}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessPolicyIdentity(String);

impl AccessPolicyIdentity {
    /// Takes an identity from a policy that was read.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is empty.
    pub fn parse(text: &str) -> Result<Self> {
        match text.trim() {
            "" => Err(Error::invalid("the access policy's identity is empty")),
            text => Ok(Self(text.to_owned())),
        }
    }

    /// The identity's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// GUID of the scope's object, its last part.
    pub fn scope_guid(&self) -> Option<Uuid> {
        self.0.rsplit_once(';').and_then(|(_, id)| Uuid::parse_str(id.trim()).ok())
    }

    /// SID of the scope's object.
    pub fn scope_sid(&self) -> Option<&str> {
        self.0.rsplit_once(';').and_then(|(head, _)| head.rsplit_once(':')).map(|(_, sid)| sid)
    }
}

impl fmt::Display for AccessPolicyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a policy concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyApp {
    /// One app.
    App(ClientId),
    /// Every app: `*`.
    Every,
}

/// An application access policy: it limits what an app got by consent in Entra, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationAccessPolicy {
    /// Its identity.
    pub identity: AccessPolicyIdentity,
    /// Whom it concerns.
    pub app: PolicyApp,
    /// What it does with the mailboxes of its scope; `None` for a word without a name here, which must never be taken
    /// for a restriction.
    pub right: Option<AccessRight>,
    /// Name of the scope's object.
    pub scope_name: String,
    /// Identity of the scope's object.
    pub scope_identity: String,
    /// Free text.
    pub description: String,
    /// Whether Exchange still finds the scope's object.
    pub is_valid: Option<bool>,
}

impl ApplicationAccessPolicy {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        let app = match row.required("AppId")? {
            "*" => PolicyApp::Every,
            _ => PolicyApp::App(row.required_parsed("AppId")?),
        };
        Ok(Self {
            identity: AccessPolicyIdentity::parse(row.required("Identity")?)?,
            app,
            right: AccessRight::read(row.required("AccessRight")?),
            scope_name: row.owned("ScopeName"),
            scope_identity: row.owned("ScopeIdentity"),
            description: row.owned("Description"),
            is_valid: row.truth("IsValid"),
        })
    }

    /// Whether its scope is the object with these names.
    pub fn scope_is(&self, names: &Names) -> bool {
        if let Some(guid) = self.identity.scope_guid()
            && names.contain(&guid.to_string())
        {
            return true;
        }
        [self.scope_name.as_str(), self.scope_identity.as_str()]
            .iter()
            .any(|n| !n.is_empty() && names.contain(n))
    }
}
