//! Steps for role groups and the roles that are made for them.

use std::collections::BTreeSet;

use m365_core::Result;

use super::{Condition, Step};
use crate::Cmdlet as _;
use crate::cmdlets::{
    AddRoleGroupMember, FindManagementRole, GetManagementRoleEntry, GetRoleGroup, GetRoleGroupMember,
    NewManagementRole, NewRoleGroup, SetManagementRoleEntry,
};
use crate::command::{CmdletName, ParameterName};
use crate::types::ManagementRoleName;

impl Step {
    /// The custom role exists, with these cmdlets and no others.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn management_role(wanted: &NewManagementRole) -> Result<Self> {
        let mut step = Self::new(
            format!("Role {} exists", wanted.name),
            FindManagementRole::new(wanted.name.clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Is("Name", wanted.name.to_string()));
        step.fits.push(Condition::Is("Parent", wanted.parent.to_string()));
        step.fits.push(Condition::NamesAre(
            GetManagementRoleEntry::of_role(wanted.name.clone()).command()?,
            wanted.cmdlets.iter().map(ToString::to_string).collect(),
        ));
        Ok(step)
    }

    /// A custom role permits these parameters of a cmdlet and no others.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn management_role_entry(
        role: &ManagementRoleName,
        cmdlet: CmdletName,
        parameters: &BTreeSet<ParameterName>,
    ) -> Result<Self> {
        let mut step = Self::new(
            format!("{role} permits {cmdlet} with the parameters of the plan alone"),
            GetManagementRoleEntry::of_role(role.clone()).command()?,
            SetManagementRoleEntry::new(role.clone(), cmdlet, parameters.iter().copied()).command()?,
        );
        // An entry with other parameters is not a conflict: it is what the role was made with.
        step.mine.push(Condition::Is("Name", cmdlet.to_string()));
        step.mine
            .push(Condition::SetIs("Parameters", parameters.iter().map(|p| p.as_str().to_owned()).collect()));
        Ok(step)
    }

    /// The role group exists with these roles. The members and the write scope of one that was there are not compared:
    /// reading the group does not show the scope.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn role_group(wanted: &NewRoleGroup) -> Result<Self> {
        let mut step = Self::new(
            format!("Role group {} exists", wanted.name),
            GetRoleGroup::new(wanted.name.clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Is("Name", wanted.name.to_string()));
        step.fits.push(Condition::SetIs("Roles", wanted.roles.iter().map(ToString::to_string).collect()));
        Ok(step)
    }

    /// Somebody, or some app, is a member of the role group.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn role_group_member(wanted: &AddRoleGroupMember) -> Result<Self> {
        let mut step = Self::new(
            format!("{} is a member of the role group {}", wanted.member(), wanted.group()),
            GetRoleGroupMember::new(wanted.group().clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::IsCalled(wanted.member().to_string()));
        Ok(step)
    }

    /// Every command of it, in the order in which they run.
    pub(crate) fn all(&self) -> impl Iterator<Item = &crate::Command> {
        let within = self.fits.iter().filter_map(|condition| match condition {
            Condition::NamesAre(read, _) => Some(read),
            _ => None,
        });
        self.target.iter().chain([&self.check]).chain(within).chain([&self.apply])
    }
}
