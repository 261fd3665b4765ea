//! The role group that suffices for a plan.
//!
//! Administrators hand out what they can read. So this gives the smallest set of built-in roles that holds every cmdlet of
//! the plan, or custom roles below them with these cmdlets and these parameters alone, each with the steps that need it;
//! as cmdlets, as steps of a script, and as their inverse. Built-in roles hold far more than a plan needs; only the custom
//! ones are for nothing else.

mod apply;
mod cover;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use m365_core::{Error, Result};

pub use self::apply::LackingRole;
use crate::cmdlets::{
    NewManagementRole, NewRoleGroup, RemoveManagementRole, RemoveRoleGroup, SetManagementRoleEntry,
};
use crate::command::{CmdletName, Command, ParameterName, Value};
use crate::script::{Script, Step};
use crate::types::{Grantee, ManagementRoleName, ManagementScopeName, RoleGroupName};
use crate::{Cmdlet as _, Facts};

/// Longest name that Exchange takes, in characters.
const LONGEST: usize = 64;

/// The role group for a plan. Compute it from the plan's commands, look at [`roles`](Self::roles) and
/// [`notes`](Self::notes), then write it with
/// [`ExchangeAdmin::ensure_least_privilege`](crate::ExchangeAdmin::ensure_least_privilege) or print
/// [`commands`](Self::commands).
///
/// For Exchange Online: some parameters of the cmdlets that make custom roles are unknown to Exchange Server.
///
/// ```
/// use exchange_admin::cmdlets::{AddMailboxPermission, GetMailbox};
/// use exchange_admin::{Cmdlet, LeastPrivilege, MailboxAddress, MailboxRight, RecipientIdentity, RoleGroupName};
/// use exchange_admin::ServicePrincipalObjectId;
/// let app = ServicePrincipalObjectId::parse("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b")?;
/// let anna = RecipientIdentity::from(MailboxAddress::parse("anna@contoso.example")?);
/// let plan = [
///     GetMailbox::new(anna.clone()).command()?,
///     AddMailboxPermission::new(anna, app, MailboxRight::FullAccess).command()?,
/// ];
/// let group = LeastPrivilege::for_commands(RoleGroupName::parse("Acme set-up")?, &plan)?.with_member(app);
/// assert_eq!(group.commands()?.len(), 1);
/// let line = group.commands()?[0].to_powershell()?;
/// assert!(line.starts_with("New-RoleGroup -Name 'Acme set-up' -Roles @('Mail Recipients') -Members @("));
/// // Tighter: two cmdlets of the role's hundreds.
/// let tight = group.with_custom_roles();
/// assert!(tight.commands()?[0].to_powershell()?.contains("-EnabledCmdlets @('Add-MailboxPermission','Get-Mailbox')"));
/// assert!(plan.iter().all(|command| tight.allows(command)));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LeastPrivilege {
    name: RoleGroupName,
    members: Vec<Grantee>,
    write_scope: Option<ManagementScopeName>,
    custom: bool,
    /// By role.
    roles: BTreeMap<&'static str, Vec<NeededCmdlet>>,
    /// Cmdlets that no role group can be given.
    beyond: BTreeMap<CmdletName, BTreeSet<usize>>,
    notes: Vec<String>,
}

/// A role of the group, and what needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededRole {
    /// The role that the group holds: a built-in one, or the custom one below it.
    pub role: ManagementRoleName,
    /// The built-in role.
    pub built_in: ManagementRoleName,
    /// The cmdlets that are taken from it, by name.
    pub cmdlets: Vec<NeededCmdlet>,
}

/// A cmdlet of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededCmdlet {
    /// Its name.
    pub cmdlet: CmdletName,
    /// The parameters that the plan gives it.
    pub parameters: BTreeSet<ParameterName>,
    /// The commands that need it, counted from 1; the steps where the plan is a script.
    pub steps: BTreeSet<usize>,
}

impl fmt::Display for NeededRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.built_in)?;
        for (n, needed) in self.cmdlets.iter().enumerate() {
            let steps: Vec<String> = needed.steps.iter().map(ToString::to_string).collect();
            let comma = if n == 0 { "" } else { ";" };
            write!(f, "{comma} {} (step {})", needed.cmdlet, steps.join(", "))?;
        }
        Ok(())
    }
}

impl LeastPrivilege {
    /// The group for these commands, reads included.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when there is none.
    pub fn for_commands<'a>(
        name: RoleGroupName,
        commands: impl IntoIterator<Item = &'a Command>,
    ) -> Result<Self> {
        Self::of(name, commands.into_iter().zip(1..))
    }

    /// The group for a script: what its steps read and what they write.
    ///
    /// # Errors
    /// As [`for_commands`](Self::for_commands).
    pub fn for_script(name: RoleGroupName, script: &Script) -> Result<Self> {
        Self::of(name, script.steps().iter().zip(1..).flat_map(|(step, n)| step.all().map(move |c| (c, n))))
    }

    fn of<'a>(name: RoleGroupName, commands: impl Iterator<Item = (&'a Command, usize)>) -> Result<Self> {
        let mut needs: BTreeMap<CmdletName, (&'static Facts, NeededCmdlet)> = BTreeMap::new();
        let mut notes = BTreeSet::new();
        for (command, step) in commands {
            let cmdlet = command.name();
            let (_, needed) = needs.entry(cmdlet).or_insert_with(|| {
                let needed = NeededCmdlet { cmdlet, parameters: BTreeSet::new(), steps: BTreeSet::new() };
                (command.facts(), needed)
            });
            needed.parameters.extend(command.parameters().iter().map(|(name, _)| *name));
            needed.steps.insert(step);
            notes.extend(delegation(command));
        }
        if needs.is_empty() {
            return Err(Error::invalid("a role group for no command at all permits nothing"));
        }
        let chosen =
            cover::smallest(&needs.values().filter(|(f, _)| is_given(f)).map(|(f, _)| f.roles).collect());
        let mut roles: BTreeMap<&'static str, Vec<NeededCmdlet>> = BTreeMap::new();
        let mut beyond = BTreeMap::new();
        for (cmdlet, (facts, needed)) in needs {
            match chosen.iter().find(|role| facts.roles.contains(role)) {
                Some(role) => roles.entry(role).or_default().push(needed),
                None => _ = beyond.insert(cmdlet, needed.steps),
            }
        }
        Ok(Self {
            name,
            members: Vec::new(),
            write_scope: None,
            custom: false,
            roles,
            beyond,
            notes: notes.into_iter().collect(),
        })
    }

    /// With this member: an app by the object id of its enterprise application, or an administrator. An app needs the
    /// permission `Exchange.ManageAsApp` besides, and its service principal in Exchange before the group is made.
    #[must_use]
    pub fn with_member(mut self, member: impl Into<Grantee>) -> Self {
        self.members.push(member.into());
        self
    }

    /// With writes limited to the recipients of a management scope. What is not a recipient, such as the settings of the
    /// organisation, roles and policies, is not limited by it.
    #[must_use]
    pub fn with_write_scope(mut self, scope: ManagementScopeName) -> Self {
        self.write_scope = Some(scope);
        self
    }

    /// With custom roles that hold the plan's cmdlets and parameters alone, instead of the built-in ones. Common parameters
    /// that the plan does not send (`-WhatIf`, `-ErrorAction`) are not among them.
    #[must_use]
    pub fn with_custom_roles(mut self) -> Self {
        self.custom = true;
        self
    }

    /// The group's name.
    pub fn name(&self) -> &RoleGroupName {
        &self.name
    }

    /// Every role of the group with what needs it: the table for the administrator who is to agree.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) when a role's name does not fit.
    pub fn roles(&self) -> Result<Vec<NeededRole>> {
        self.roles
            .iter()
            .map(|(built_in, cmdlets)| {
                let built_in = ManagementRoleName::parse(built_in)?;
                let role = if self.custom { custom_name(&self.name, &built_in)? } else { built_in.clone() };
                Ok(NeededRole { role, built_in, cmdlets: cmdlets.clone() })
            })
            .collect()
    }

    /// What the group does not give, and what its limits do not limit; sentences for people.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if !self.custom && !self.roles.is_empty() {
            notes.push(
                "The built-in roles permit other cmdlets and parameters too; custom roles would not."
                    .to_owned(),
            );
            if self.roles.contains_key("Role Management") {
                notes.push(
                    "Role Management lets its members change who is in any role group, Organization Management among \
                     them: who gets it can take every other role."
                        .to_owned(),
                );
            }
        }
        for (cmdlet, steps) in &self.beyond {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "{cmdlet} (step {}) is not in a role that a role group takes: a member of Organization Management runs it.",
                steps.join(", ")
            ));
        }
        if let Some(scope) = &self.write_scope {
            for needed in self.roles.values().flatten() {
                match needed.cmdlet.as_str() {
                    name @ ("New-Mailbox" | "New-DistributionGroup") => notes.push(format!(
                        "{name} makes recipients that scope {scope} must hold from the first moment; one by group \
                         membership does not."
                    )),
                    name if !name.starts_with("Get-")
                        && !name.starts_with("Test-")
                        && !writes_recipients(needed.cmdlet) =>
                    {
                        notes.push(format!("{name} does not write to recipients, so scope {scope} does not limit it."));
                    }
                    _ => {}
                }
            }
        }
        notes
    }

    /// Cmdlets of the plan that no role group can be given; [`notes`](Self::notes) says who runs them.
    pub fn beyond(&self) -> impl Iterator<Item = CmdletName> {
        self.beyond.keys().copied()
    }

    /// Whether the group's members may run this command, write scope aside.
    pub fn allows(&self, command: &Command) -> bool {
        self.allows_without(command, "")
    }

    fn allows_without(&self, command: &Command, dropped: &str) -> bool {
        self.roles.iter().filter(|(role, _)| **role != dropped).any(|(role, cmdlets)| {
            if !self.custom {
                return command.facts().roles.contains(role);
            }
            cmdlets.iter().any(|needed| {
                needed.cmdlet == command.name()
                    && command.parameters().iter().all(|(name, _)| needed.parameters.contains(name))
            })
        })
    }

    /// `New-RoleGroup` with these roles and members.
    ///
    /// # Errors
    /// As [`roles`](Self::roles); [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the group would be left
    /// without a role.
    pub fn role_group(&self) -> Result<NewRoleGroup> {
        let roles = self.roles()?;
        if roles.is_empty() {
            return Err(Error::invalid("no role group can be given any of these commands"));
        }
        let mut group = NewRoleGroup::new(self.name.clone(), roles.into_iter().map(|r| r.role))
            .with_description(if self.custom {
                "Exactly what one plan needs. Made by that plan."
            } else {
                "The built-in roles that one plan needs. Made by that plan."
            });
        group.members.clone_from(&self.members);
        group.write_scope.clone_from(&self.write_scope);
        Ok(group)
    }

    /// The custom roles, without those that are built in.
    ///
    /// # Errors
    /// As [`roles`](Self::roles).
    pub fn custom_roles(&self) -> Result<Vec<NewManagementRole>> {
        if !self.custom {
            return Ok(Vec::new());
        }
        let custom = |needed: NeededRole| {
            let cmdlets: Vec<CmdletName> = needed.cmdlets.iter().map(|c| c.cmdlet).collect();
            NewManagementRole::new(needed.role, needed.built_in, cmdlets)
        };
        Ok(self.roles()?.into_iter().map(custom).collect())
    }

    fn entries(&self) -> Result<Vec<(ManagementRoleName, NeededCmdlet)>> {
        if !self.custom {
            return Ok(Vec::new());
        }
        let entries = |needed: NeededRole| {
            let role = needed.role;
            needed.cmdlets.into_iter().map(move |cmdlet| (role.clone(), cmdlet))
        };
        Ok(self.roles()?.into_iter().flat_map(entries).collect())
    }

    /// The commands that make it, in order: custom roles, their parameters, and the group last, so that nobody ever holds
    /// more than is wanted in the end.
    ///
    /// # Errors
    /// As [`role_group`](Self::role_group).
    pub fn commands(&self) -> Result<Vec<Command>> {
        let mut commands: Vec<Command> =
            self.custom_roles()?.iter().map(crate::Cmdlet::command).collect::<Result<_>>()?;
        for (role, needed) in self.entries()? {
            commands.push(SetManagementRoleEntry::new(role, needed.cmdlet, needed.parameters).command()?);
        }
        commands.push(self.role_group()?.command()?);
        Ok(commands)
    }

    /// The same as steps of a script, which read before they write.
    ///
    /// # Errors
    /// As [`role_group`](Self::role_group).
    pub fn script_steps(&self) -> Result<Vec<Step>> {
        let mut steps = self.custom_roles()?.iter().map(Step::management_role).collect::<Result<Vec<_>>>()?;
        for (role, needed) in self.entries()? {
            steps.push(Step::management_role_entry(&role, needed.cmdlet, &needed.parameters)?);
        }
        steps.push(Step::role_group(&self.role_group()?)?);
        Ok(steps)
    }

    /// The inverse: the group goes first, then the roles that were made for it.
    ///
    /// # Errors
    /// As [`roles`](Self::roles).
    pub fn removal(&self) -> Result<Vec<Command>> {
        let mut commands = vec![RemoveRoleGroup::new(self.name.clone()).command()?];
        for role in self.custom_roles()? {
            commands.push(RemoveManagementRole::new(role.name).command()?);
        }
        Ok(commands)
    }
}

/// "Organization Management" is named as a role where only that group's members may run the cmdlet.
fn is_given(facts: &Facts) -> bool {
    facts.roles.iter().all(|role| *role != crate::RoleGroup::OrganizationManagement.name())
}

fn writes_recipients(cmdlet: CmdletName) -> bool {
    const NOUNS: [&str; 8] = [
        "Mailbox",
        "MailboxPermission",
        "MailboxFolderPermission",
        "RecipientPermission",
        "CASMailbox",
        "DistributionGroup",
        "DistributionGroupMember",
        "User",
    ];
    cmdlet.as_str().split_once('-').is_some_and(|(_, noun)| NOUNS.contains(&noun))
}

/// What a role does not give: handing roles on. Our cmdlets do not pass over the managers of a role group.
fn delegation(command: &Command) -> Option<String> {
    match (command.name().as_str(), command.parameter("App"), command.parameter("Role")) {
        ("New-ManagementRoleAssignment", Some(_), Some(Value::Text(role))) => Some(format!(
            "To assign {role}, the caller needs that role's delegating assignment besides. Organization Management has it; no \
             role is made from it, and no role group gets it this way."
        )),
        ("New-ManagementRoleAssignment", None, Some(Value::Text(role))) => Some(format!(
            "To assign {role}, the caller needs that role's delegating assignment besides. Organization Management has it."
        )),
        (name @ ("Add-RoleGroupMember" | "Remove-RoleGroupMember" | "Remove-RoleGroup"), ..) => {
            Some(format!(
                "{name} is for the managers of the role group (`ManagedBy`): the caller must be one of them."
            ))
        }
        ("New-RoleGroup" | "New-ManagementRole", ..) => Some(format!(
            "{} hands roles on, for which the caller needs their delegating assignments besides. Organization Management has \
             them.",
            command.name()
        )),
        _ => None,
    }
}

/// Group and built-in role; the group's name gives way where both are too long.
fn custom_name(group: &RoleGroupName, role: &ManagementRoleName) -> Result<ManagementRoleName> {
    let tail = format!(" - {role}");
    let room = LONGEST.saturating_sub(tail.chars().count());
    let head: String = group.as_str().chars().take(room).collect();
    ManagementRoleName::parse(&format!("{}{tail}", head.trim_end()))
}

#[cfg(test)]
mod tests;
