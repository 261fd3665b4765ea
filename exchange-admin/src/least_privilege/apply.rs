use std::collections::BTreeSet;

use m365_core::{Acted, Error, ErrorKind, Result};

use super::LeastPrivilege;
use crate::ExchangeAdmin;
use crate::cmdlets::{
    AdminRoleGroup, FindManagementRole, GetManagementRole, GetManagementRoleEntry, GetRoleGroup,
    ListRoleAssignments, RemoveManagementRole, RemoveManagementRoleEntry, RemoveRoleGroup,
    SetManagementRoleEntry,
};
use crate::command::CmdletName;
use crate::ensure::Ensured;
use crate::types::ManagementRoleName;

/// A role that does not permit, in this tenant, what it is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LackingRole {
    /// The role.
    pub role: ManagementRoleName,
    /// The cmdlet that it lacks, or lacks parameters of.
    pub cmdlet: CmdletName,
    /// The roles that do permit it, in the tenant's own words.
    pub permitted_by: Vec<String>,
}

impl ExchangeAdmin {
    /// Which roles of the group do not permit, by the tenant's own account, what the plan needs of them; empty: it
    /// suffices. Custom roles must have been made. Which cmdlet is in which built-in role is Exchange's to change, so ask
    /// before the group is relied upon.
    ///
    /// # Errors
    /// As [`run`](Self::run); a failed read is not "suffices".
    pub async fn check_least_privilege(&self, group: &LeastPrivilege) -> Result<Vec<LackingRole>> {
        self.lacking(group, false).await
    }

    async fn lacking(&self, group: &LeastPrivilege, built_in: bool) -> Result<Vec<LackingRole>> {
        let mut lacking = Vec::new();
        for needed in group.roles()? {
            let role = if built_in { needed.built_in } else { needed.role };
            for cmdlet in needed.cmdlets {
                let ask = GetManagementRole::permitting(cmdlet.cmdlet, cmdlet.parameters);
                let permitted_by: Vec<String> =
                    self.run(&ask).await?.value.into_iter().map(|r| r.name).collect();
                if !permitted_by.iter().any(|name| name.to_lowercase() == role.as_str().to_lowercase()) {
                    lacking.push(LackingRole { role: role.clone(), cmdlet: cmdlet.cmdlet, permitted_by });
                }
            }
        }
        Ok(lacking)
    }

    /// Has this role group, with its custom roles made before it. What is there already is compared; a second run writes
    /// nothing, and an interrupted one goes on where nobody holds the roles yet. For another plan, take the group away
    /// first ([`remove_least_privilege`](Self::remove_least_privilege)) or give it another name.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before anything is written when a built-in role of this tenant does not hold a cmdlet or
    /// parameter of the plan; [`ErrorKind::Conflict`] when a role or group of the name has something else;
    /// [`ErrorKind::NotReady`].
    pub async fn ensure_least_privilege(&self, group: &LeastPrivilege) -> Result<Ensured<AdminRoleGroup>> {
        if let Some(lacking) = self.lacking(group, true).await?.first() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "role {} of this tenant does not hold {} with the plan's parameters; these do: {}",
                    lacking.role,
                    lacking.cmdlet,
                    lacking.permitted_by.join(", ")
                ),
            )
            .with_acted(Acted::No));
        }
        let mut made_now = BTreeSet::new();
        for role in group.custom_roles()? {
            let made = self.ensure_management_role(&role).await?;
            // Older servers copy all of the parent. What was made just now holds for nobody yet, so it may be cut.
            if made.is_created() {
                made_now.insert(role.name.to_string());
                let entries = self.run(&GetManagementRoleEntry::of_role(role.name.clone())).await?.value;
                for extra in entries.iter().filter(|e| !role.cmdlets.iter().any(|c| e.is_of(*c))) {
                    self.run(&RemoveManagementRoleEntry::named(role.name.clone(), &extra.cmdlet)).await?;
                }
            }
        }
        for (role, needed) in group.entries()? {
            let entries = self.run(&GetManagementRoleEntry::of_role(role.clone())).await?.value;
            match entries.iter().find(|e| e.is_of(needed.cmdlet)) {
                Some(entry) if entry.permits_exactly(&needed.parameters) => {}
                _ => {
                    if !made_now.contains(role.as_str()) {
                        self.held_by_nobody(&role, needed.cmdlet).await?;
                    }
                    self.run(&SetManagementRoleEntry::new(role, needed.cmdlet, needed.parameters)).await?;
                }
            }
        }
        self.ensure_role_group(&group.role_group()?).await
    }

    /// Whoever holds a role keeps what it permits.
    async fn held_by_nobody(&self, role: &ManagementRoleName, cmdlet: CmdletName) -> Result<()> {
        let held = self.run(&ListRoleAssignments::of_role(role.clone())).await?.value;
        match held.iter().find(|a| same(&a.role_name, role.as_str())) {
            None => Ok(()),
            Some(assignment) => Err(conflict(format!(
                "role \"{role}\" exists with other parameters of {cmdlet} than wanted, and assignment \"{}\" gives it",
                assignment.name
            ))),
        }
    }

    /// Takes away the group, and then the custom roles that were made for it. What is gone already is no error.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when a group of the name has other roles, or a role of the name another parent: it is
    /// somebody else's, and left as it is. As [`run`](Self::run) otherwise.
    pub async fn remove_least_privilege(&self, group: &LeastPrivilege) -> Result<()> {
        let lower = |names: Vec<String>| names.iter().map(|n| n.to_lowercase()).collect::<BTreeSet<_>>();
        let own = lower(group.roles()?.into_iter().map(|r| r.role.to_string()).collect());
        if let Some(found) = self.run(&GetRoleGroup::new(group.name().clone())).await?.value {
            if lower(found.roles) != own {
                return Err(conflict(format!(
                    "role group \"{}\" has other roles than the plan's",
                    found.name
                )));
            }
            self.run(&RemoveRoleGroup::new(group.name().clone())).await?;
        }
        for role in group.custom_roles()? {
            let Some(found) = self.run(&FindManagementRole::new(role.name.clone())).await?.value else {
                continue;
            };
            if !found.parent.is_some_and(|parent| same(&parent, role.parent.as_str())) {
                return Err(conflict(format!("role \"{}\" is not made from {}", found.name, role.parent)));
            }
            self.run(&RemoveManagementRole::new(role.name)).await?;
        }
        Ok(())
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, message).with_acted(Acted::No)
}
