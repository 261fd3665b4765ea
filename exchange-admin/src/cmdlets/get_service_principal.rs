use m365_core::{ClientId, Error, Result, ServicePrincipalObjectId};

use super::absent;
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::Names;
use crate::{Cmdlet, Facts};

/// Exchange's pointer to an enterprise application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Client id of the app.
    pub app_id: ClientId,
    /// What the pointer points to. Right only when it is the object id of the *enterprise application*: claim `oid` of
    /// the app's tokens.
    pub object_id: ServicePrincipalObjectId,
    /// Name for people.
    pub display_name: String,
    /// Exchange's own identity of the pointer.
    pub identity: String,
    /// Security identifier; permission lists show it when the name is gone.
    pub sid: Option<String>,
}

impl ServicePrincipal {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        // Older rings call it ServiceId.
        let property = if row.text("ObjectId").is_some() { "ObjectId" } else { "ServiceId" };
        Ok(Self {
            app_id: row.required_parsed("AppId")?,
            object_id: row.required_parsed(property)?,
            display_name: row.owned("DisplayName"),
            identity: row.owned("Identity"),
            sid: row.text("Sid").map(str::to_owned),
        })
    }

    /// All names under which Exchange may echo it.
    pub fn names(&self) -> Names {
        let mut names = Names::new([
            self.app_id.to_string(),
            self.object_id.to_string(),
            self.display_name.clone(),
            self.identity.clone(),
        ]);
        names.extend(self.sid.clone());
        names
    }

    /// The names that no other object shares.
    pub(crate) fn sure_names(&self) -> Names {
        let mut names =
            Names::new([self.app_id.to_string(), self.object_id.to_string(), self.identity.clone()]);
        names.extend(self.sid.clone());
        names
    }
}

/// `Get-ServicePrincipal -Identity`: the pointer of one app.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-serviceprincipal>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetServicePrincipal(By);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    App(ClientId),
    Object(ServicePrincipalObjectId),
}

impl GetServicePrincipal {
    /// By the app's client id.
    pub const fn of_app(app: ClientId) -> Self {
        Self(By::App(app))
    }

    /// By the object id of the enterprise application.
    pub const fn of_object(object: ServicePrincipalObjectId) -> Self {
        Self(By::Object(object))
    }
}

impl Cmdlet for GetServicePrincipal {
    type Output = Option<ServicePrincipal>;

    const FACTS: &'static Facts = facts!(
        "Get-ServicePrincipal",
        "get-serviceprincipal",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        let identity = match self.0 {
            By::App(app) => app.to_string(),
            By::Object(object) => object.to_string(),
        };
        Ok(Command::new(Self::FACTS).with("Identity", identity))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let all = rows.iter().map(ServicePrincipal::read).collect::<Result<Vec<_>>>()?;
        only(all, "the app", |p| match self.0 {
            By::App(app) => p.app_id == app,
            By::Object(object) => p.object_id == object,
        })
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}

/// `Get-ServicePrincipal`: the pointers of all apps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListServicePrincipals;

impl ListServicePrincipals {
    /// All of them.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for ListServicePrincipals {
    type Output = Vec<ServicePrincipal>;

    const FACTS: &'static Facts = GetServicePrincipal::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ServicePrincipal::read).collect()
    }
}
