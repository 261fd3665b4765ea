use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// `Enable-OrganizationCustomization`: makes room for own roles and scopes in a fresh tenant. Once: a second run is an
/// error, so read [`OrganizationConfig::is_dehydrated`](super::OrganizationConfig::is_dehydrated) first.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/enable-organizationcustomization>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnableOrganizationCustomization;

impl EnableOrganizationCustomization {
    /// Of this tenant.
    pub const fn new() -> Self {
        Self
    }
}

impl Cmdlet for EnableOrganizationCustomization {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Enable-OrganizationCustomization",
        "enable-organizationcustomization",
        ["Organization Management"],
        OrganizationManagement,
        CUSTOMIZATION,
        NotIdempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
