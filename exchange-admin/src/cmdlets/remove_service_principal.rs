use m365_core::{Error, Result, ServicePrincipalObjectId};

use super::already_gone;
use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts, Removal};

/// `Remove-ServicePrincipal`: removes Exchange's pointer, and with it what names it. Management scopes stay.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/remove-serviceprincipal>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveServicePrincipal {
    object: ServicePrincipalObjectId,
}

impl RemoveServicePrincipal {
    /// The pointer with this object id, be it the right one or not.
    pub const fn new(object: ServicePrincipalObjectId) -> Self {
        Self { object }
    }
}

impl Cmdlet for RemoveServicePrincipal {
    type Output = Removal;

    const FACTS: &'static Facts = facts!(
        "Remove-ServicePrincipal",
        "remove-serviceprincipal",
        ["Role Management"],
        OrganizationManagement,
        PERMISSION,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.object.to_string()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<Removal> {
        Ok(Removal::Removed)
    }

    fn recover(&self, error: Error) -> Result<Removal> {
        already_gone(error)
    }
}
