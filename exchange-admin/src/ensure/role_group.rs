use std::collections::BTreeSet;

use m365_core::{Acted, Error, ErrorKind, Result};

use super::{Ensured, Found, conflict};
use crate::cmdlets::{
    AddRoleGroupMember, AdminRoleGroup, FindManagementRole, GetManagementRoleEntry, GetRoleGroup,
    GetRoleGroupMember, ListRoleAssignments, ManagementRole, NewManagementRole, NewRoleGroup,
};
use crate::types::{GrantedScope, Names};
use crate::{Cmdlet as _, ExchangeAdmin, already_exists};

impl ExchangeAdmin {
    /// Has a role group with exactly these roles and this write scope, and these members among its members.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when a group of the name has other roles or another write scope:
    /// it is left as it is; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) when the tenant needs
    /// `Enable-OrganizationCustomization` first; [`ErrorKind::NotReady`](crate::ErrorKind::NotReady).
    pub async fn ensure_role_group(&self, wanted: &NewRoleGroup) -> Result<Ensured<AdminRoleGroup>> {
        let operation = NewRoleGroup::NAME.as_str();
        let lower = |names: Vec<String>| names.iter().map(|n| n.to_lowercase()).collect::<BTreeSet<_>>();
        let roles = lower(wanted.roles.iter().map(ToString::to_string).collect());
        let judge = |found: Option<AdminRoleGroup>| match found {
            None => Ok(Found::Absent),
            Some(group) if lower(group.roles.clone()) == roles => Ok(Found::There(group)),
            Some(group) => Err(conflict(format!(
                "role group \"{}\" exists with other roles than wanted: {}",
                group.name,
                group.roles.join(", ")
            ))
            .with_operation(operation)),
        };
        let ensured = self.ensure(&GetRoleGroup::new(wanted.name.clone()), judge, wanted).await?;
        self.compare_write_scope(wanted, ensured.is_created())
            .await
            .map_err(|e| e.with_operation(operation))?;
        let members = self.run(&GetRoleGroupMember::new(wanted.name.clone())).await?.value;
        for member in &wanted.members {
            if members.iter().any(|m| m.is(&member.to_string())) {
                continue;
            }
            match self.run(&AddRoleGroupMember::new(wanted.name.clone(), member.clone())).await {
                Err(error) if !already_exists(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(ensured)
    }

    /// A group that writes elsewhere than wanted is another group.
    async fn compare_write_scope(&self, wanted: &NewRoleGroup, created: bool) -> Result<()> {
        let group = Names::new([wanted.name.as_str()]);
        let assignments = self.run(&ListRoleAssignments::of_role_group(wanted.name.clone())).await?.value;
        let wanted_scope = wanted.write_scope.as_ref().map(|s| s.as_str().to_lowercase());
        let own: Vec<_> = assignments.iter().filter(|a| a.is_of(&group)).collect();
        if own.is_empty() && !created {
            return Err(Error::new(
                ErrorKind::NotReady,
                format!("role group \"{}\" exists, and no assignment shows where it may write", wanted.name),
            )
            .with_acted(Acted::No));
        }
        for assignment in own {
            let same = match (&assignment.scope, &wanted_scope) {
                // Roles that only read write nowhere, whatever the group's scope.
                (GrantedScope::Unknown(scope), _) if scope == "None" => true,
                (GrantedScope::Organization, None) => true,
                (GrantedScope::Custom(scope), Some(wanted)) => scope.to_lowercase() == *wanted,
                _ => false,
            };
            if !same {
                return Err(conflict(format!(
                    "role group \"{}\" exists with another write scope than wanted ({:?})",
                    wanted.name, assignment.scope
                )));
            }
        }
        Ok(())
    }

    /// Has a custom role of this name below this parent, with no other cmdlets than these.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when a role of the name is built in, has another parent, or other
    /// cmdlets; as [`ensure_role_group`](Self::ensure_role_group) otherwise.
    pub async fn ensure_management_role(
        &self,
        wanted: &NewManagementRole,
    ) -> Result<Ensured<ManagementRole>> {
        let operation = NewManagementRole::NAME.as_str();
        let below = |parent: &str| parent.to_lowercase() == wanted.parent.as_str().to_lowercase();
        let judge = |found: Option<ManagementRole>| match found {
            None => Ok(Found::Absent),
            Some(role) if role.parent.as_deref().is_some_and(below) => Ok(Found::There(role)),
            Some(role) => Err(conflict(format!(
                "role \"{}\" exists, and it is not made from {}",
                role.name, wanted.parent
            ))
            .with_operation(operation)),
        };
        let ensured = self.ensure(&FindManagementRole::new(wanted.name.clone()), judge, wanted).await?;
        if !ensured.is_created() {
            let entries = self.run(&GetManagementRoleEntry::of_role(wanted.name.clone())).await?.value;
            let other = entries.iter().find(|e| !wanted.cmdlets.iter().any(|c| e.is_of(*c)));
            let missing = wanted.cmdlets.iter().find(|c| !entries.iter().any(|e| e.is_of(**c)));
            if other.is_some() || missing.is_some() {
                return Err(conflict(format!(
                    "role \"{}\" exists with other cmdlets than wanted: {} {}",
                    wanted.name,
                    other.map_or("lacks", |_| "has"),
                    other.map_or_else(
                        || missing.map(ToString::to_string).unwrap_or_default(),
                        |e| e.cmdlet.clone()
                    )
                ))
                .with_operation(operation));
            }
        }
        Ok(ensured)
    }
}
