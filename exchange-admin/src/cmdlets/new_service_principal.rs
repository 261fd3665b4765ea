use m365_core::{ClientId, Result, ServicePrincipalObjectId};

use super::{ServicePrincipal, last};
use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// `New-ServicePrincipal`: makes Exchange's pointer to an enterprise application, so that permissions can name the app.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-serviceprincipal>
///
/// The object id is that of the enterprise application. With the app registration's, everything would seem to succeed
/// and the sign-in fail later, so that id has another type:
///
/// ```compile_fail,E0308
/// use exchange_admin::{ApplicationObjectId, ClientId, cmdlets::NewServicePrincipal};
/// # fn f(app: ClientId, registration: ApplicationObjectId) {
/// NewServicePrincipal::new(app, registration, "Acme");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServicePrincipal {
    pub(crate) app: ClientId,
    pub(crate) object: ServicePrincipalObjectId,
    display_name: Option<String>,
}

impl NewServicePrincipal {
    /// The pointer of `app` to its enterprise application. An empty name is left out.
    pub fn new(app: ClientId, object: ServicePrincipalObjectId, display_name: &str) -> Self {
        let display_name = Some(display_name.trim().to_owned()).filter(|n| !n.is_empty());
        Self { app, object, display_name }
    }
}

impl Cmdlet for NewServicePrincipal {
    type Output = Option<ServicePrincipal>;

    const FACTS: &'static Facts = facts!(
        "New-ServicePrincipal",
        "new-serviceprincipal",
        ["Role Management"],
        OrganizationManagement,
        PERMISSION,
        NotIdempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("AppId", self.app.to_string())
            .with("ObjectId", self.object.to_string())
            .with_some("DisplayName", self.display_name.clone()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(ServicePrincipal::read).collect::<Result<Vec<_>>>().map(last)
    }
}
