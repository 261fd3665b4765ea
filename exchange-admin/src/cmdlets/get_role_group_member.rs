use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::types::{Names, RoleGroupName};
use crate::{Cmdlet, Facts};

/// A member of a role group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGroupMember {
    /// Its name.
    pub name: String,
    /// What it is, as Exchange writes it: `ServicePrincipal` for apps.
    pub kind: String,
    names: Names,
}

impl RoleGroupMember {
    fn read(row: &Row) -> Result<Self> {
        let mut names = Names::of_recipient(row);
        names.extend(["ObjectId", "AppId", "ServiceId"].iter().filter_map(|p| row.text(p)));
        Ok(Self {
            name: row.required("Name")?.to_owned(),
            kind: row
                .text("RecipientTypeDetails")
                .or(row.text("RecipientType"))
                .unwrap_or_default()
                .to_owned(),
            names,
        })
    }

    /// Whether it is somebody or some app with one of these names.
    pub fn is(&self, name: &str) -> bool {
        self.names.contain(name)
    }
}

/// `Get-RoleGroupMember`: the members of a role group.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-rolegroupmember>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRoleGroupMember {
    group: RoleGroupName,
}

impl GetRoleGroupMember {
    /// Of this group.
    pub fn new(group: RoleGroupName) -> Self {
        Self { group }
    }
}

impl Cmdlet for GetRoleGroupMember {
    type Output = Vec<RoleGroupMember>;

    const FACTS: &'static Facts = facts!(
        "Get-RoleGroupMember",
        "get-rolegroupmember",
        ["View-Only Configuration", "Role Management"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", self.group.as_str()).with("ResultSize", "Unlimited"))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(RoleGroupMember::read).collect()
    }
}
