use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use m365_core::{ClientId, MailboxAddress, Result, ServicePrincipalObjectId};

use super::{Consent, Member};
use crate::cmdlets::{
    AccessPolicyIdentity, AddDistributionGroupMember, NewDistributionGroup, NewManagementRoleAssignment,
    NewManagementScope, NewServicePrincipal, RemoveApplicationAccessPolicy, RemoveManagementRoleAssignment,
    RemoveManagementScope, SetOrganizationConfig, TestServicePrincipalAuthorization,
};
use crate::command::Command;
use crate::command::powershell::single_quoted;
use crate::types::{ApplicationRole, ManagementScopeName, ObjectName, ResourceScope, RoleAssignmentName};
use crate::{Cmdlet, PropagationWindow, RecipientFilter, RoleGroup};

/// Who runs a step by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Executor {
    /// An administrator of Exchange.
    Exchange(RoleGroup),
    /// An administrator of Entra, who takes consents back.
    Entra,
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(group) => group.fmt(f),
            Self::Entra => f.write_str("Privileged Role Administrator"),
        }
    }
}

/// A group that a scope names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeGroup {
    /// One that is there, with its distinguished name.
    Known {
        /// Id of the group among the members that were read.
        id: String,
        /// Its distinguished name.
        distinguished_name: String,
    },
    /// The migration's own, made by a step before.
    Made(MailboxAddress),
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationAction {
    /// Makes the migration's own group.
    MakeGroup {
        /// Its name.
        name: ObjectName,
        /// Its address.
        address: MailboxAddress,
    },
    /// Puts a mailbox into it.
    AddMember {
        /// The group.
        group: MailboxAddress,
        /// The mailbox.
        member: Member,
    },
    /// Makes the scope.
    MakeScope {
        /// Its name.
        name: ManagementScopeName,
        /// The groups whose direct members it holds.
        groups: Vec<ScopeGroup>,
        /// A filter that was taken over as it was; then there are no groups.
        filter: Option<RecipientFilter>,
    },
    /// Tells Exchange of the app.
    MakeServicePrincipal {
        /// The app.
        app: ClientId,
        /// Its enterprise application.
        object: ServicePrincipalObjectId,
        /// Its name.
        display_name: String,
    },
    /// Gives the app a role.
    AssignRole {
        /// Name of the assignment.
        name: RoleAssignmentName,
        /// The enterprise application.
        object: ServicePrincipalObjectId,
        /// The role.
        role: ApplicationRole,
        /// Where it holds.
        scope: ManagementScopeName,
    },
    /// Puts the app on the list of those that may use EWS.
    AllowEws {
        /// The app.
        app: ClientId,
    },
    /// Waits until a role is enforced, and looks: inside it must hold, outside not.
    VerifyRole {
        /// The enterprise application.
        object: ServicePrincipalObjectId,
        /// The role.
        role: ApplicationRole,
        /// Mailboxes of the scope, one of each group.
        inside: Vec<MailboxAddress>,
        /// The mailbox that must stay closed.
        canary: MailboxAddress,
    },
    /// Takes a consent back.
    RemoveConsent {
        /// The enterprise application.
        object: ServicePrincipalObjectId,
        /// The consent.
        consent: Consent,
        /// The roles that replace it.
        replaced_by: BTreeSet<ApplicationRole>,
    },
    /// Waits until no token with the old consents is left, and tries with a fresh one: inside open, the canary refused.
    Prove {
        /// Mailboxes of the scope, one of each group.
        inside: Vec<MailboxAddress>,
        /// The mailbox that must stay closed.
        canary: MailboxAddress,
    },
    /// Removes a policy.
    RemovePolicy {
        /// Its identity.
        policy: AccessPolicyIdentity,
        /// Name of its scope, for people.
        scope_name: String,
    },
    /// Takes a role back: only ever when a migration is given up.
    RemoveAssignment {
        /// Name of the assignment.
        name: RoleAssignmentName,
    },
    /// Removes the scope: only ever when a migration is given up.
    RemoveScope {
        /// Its name.
        name: ManagementScopeName,
    },
}

/// One step of a migration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MigrationStep {
    /// Stable id, the same in every plan of the migration.
    pub id: String,
    /// What it does, in one sentence.
    pub sentence: String,
    /// What it does.
    pub action: MigrationAction,
    /// Who may run it.
    pub executor: Executor,
    /// The cmdlet; none for a consent, and for a scope over a group that does not exist yet.
    pub command: Option<Command>,
    /// The same as PowerShell, on one line.
    pub powershell: String,
    /// When it is enforced, counted from the moment it was taken.
    pub window: PropagationWindow,
    /// How to take it back, in one sentence.
    pub inverse: String,
    /// The same in PowerShell; empty when there is nothing to run.
    pub inverse_powershell: String,
}

impl fmt::Display for MigrationStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Until a token that was issued before a consent was taken back is dead everywhere: usually after its hour or so, and
/// after 28 hours for apps that announce continuous access evaluation.
const OLD_TOKENS: PropagationWindow = PropagationWindow {
    earliest: Duration::ZERO,
    likely: Duration::from_secs(90 * 60),
    latest: Duration::from_secs(28 * 60 * 60),
};

/// Stands for the distinguished name of a group that is made by the plan itself.
const LATER_GROUP: &str = "CN=the-group-made-above";

/// Sentence, inverse and its PowerShell.
type Words = (String, &'static str, String);

impl MigrationAction {
    /// Describes the action.
    pub(super) fn into_step(self) -> Result<MigrationStep> {
        let (sentence, inverse, inverse_powershell) = self.words()?;
        let (executor, command, powershell, window) = self.call()?;
        Ok(MigrationStep {
            id: self.id(),
            sentence,
            executor,
            command,
            powershell,
            window,
            inverse: inverse.to_owned(),
            inverse_powershell,
            action: self,
        })
    }

    fn id(&self) -> String {
        match self {
            Self::MakeGroup { .. } => "group".to_owned(),
            Self::AddMember { member, .. } => format!("member/{}", member.id),
            Self::MakeScope { .. } => "scope".to_owned(),
            Self::MakeServicePrincipal { .. } => "service-principal".to_owned(),
            Self::AssignRole { role, .. } => format!("role/{}", short(*role)),
            Self::AllowEws { .. } => "ews-list".to_owned(),
            Self::VerifyRole { role, .. } => format!("verify/{}", short(*role)),
            Self::RemoveConsent { consent, .. } => {
                format!("consent/{}/{}", consent.resource, consent.permission)
            }
            Self::Prove { .. } => "prove".to_owned(),
            Self::RemovePolicy { policy, .. } => match policy.scope_guid() {
                Some(scope) => format!("policy/{scope}"),
                None => format!("policy/{policy}"),
            },
            Self::RemoveAssignment { name } => format!("undo/role/{name}"),
            Self::RemoveScope { name } => format!("undo/scope/{name}"),
        }
    }

    /// Whether the change is one of roles and what they look at, which Exchange keeps in a cache for each app.
    pub fn changes_roles(&self) -> bool {
        matches!(
            self,
            Self::MakeGroup { .. }
                | Self::AddMember { .. }
                | Self::MakeScope { .. }
                | Self::MakeServicePrincipal { .. }
                | Self::AssignRole { .. }
        )
    }

    fn words(&self) -> Result<Words> {
        Ok(match self {
            Self::MakeGroup { address, .. } => (
                format!("Make the mail-enabled security group {address} for the mailboxes of the scope."),
                "Remove the group, after the scope that names it.",
                format!("Remove-DistributionGroup -Identity {} -Confirm:$false", quoted(address.as_str())?),
            ),
            Self::AddMember { group, member } => (
                format!("Put {} into the group {group}.", member.label()),
                "Take the mailbox out of the group.",
                format!(
                    "Remove-DistributionGroupMember -Identity {} -Member {} -Confirm:$false",
                    quoted(group.as_str())?,
                    quoted(&member.identity()?.to_string())?
                ),
            ),
            Self::MakeScope { name, groups, filter } => (
                match filter {
                    Some(filter) => format!("Make the management scope \"{name}\" with the filter {filter}."),
                    None => format!(
                        "Make the management scope \"{name}\" of the direct members of these groups: {}.",
                        groups.iter().map(common_name).collect::<Vec<_>>().join(", ")
                    ),
                },
                "Remove the scope, after the roles that use it.",
                format!("Remove-ManagementScope -Identity {} -Confirm:$false", quoted(name.as_str())?),
            ),
            Self::MakeServicePrincipal { object, .. } => (
                "Tell Exchange of the app: a service principal with the object id of the enterprise application (not of the registration).".to_owned(),
                "Remove Exchange's service principal; its roles go with it.",
                format!("Remove-ServicePrincipal -Identity {} -Confirm:$false", quoted(&object.to_string())?),
            ),
            Self::AssignRole { name, role, scope, .. } => (
                format!("Give the app the role \"{role}\" for the mailboxes of \"{scope}\", and for no other."),
                "Take the role back, as long as the consent that it replaces is there.",
                format!("Remove-ManagementRoleAssignment -Identity {} -Confirm:$false", quoted(name.as_str())?),
            ),
            Self::AllowEws { .. } => (
                "Put the app on the list of those that may use EWS, besides those that are on it; EWS ends on 2027-04-01 all the same.".to_owned(),
                "Take the app off the list, and leave the others.",
                String::new(),
            ),
            Self::VerifyRole { role, inside, canary, .. } => (
                format!(
                    "Wait until \"{role}\" is enforced, and look: in scope for {}, out of scope for {canary}.",
                    list(inside)
                ),
                "Nothing was changed.",
                String::new(),
            ),
            Self::RemoveConsent { consent, replaced_by, object } => (
                format!(
                    "Take the consent to {consent} back: {} takes its place.",
                    replaced_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                ),
                "Consent again, as long as the policies are there: without them it opens every mailbox.",
                consent_line(*object, consent, false)?,
            ),
            Self::Prove { inside, canary } => (
                format!(
                    "Wait until tokens from before are dead, and try with a fresh one: {} open, {canary} refused.",
                    list(inside)
                ),
                "Nothing was changed.",
                String::new(),
            ),
            Self::RemovePolicy { policy, scope_name } => (
                format!(
                    "Remove the application access policy to {}: nothing that it limits is left.",
                    if scope_name.is_empty() { policy.as_str() } else { scope_name }
                ),
                "Make the policy again; it has to come before any consent.",
                String::new(),
            ),
            Self::RemoveAssignment { name } => (
                format!("Take the role \"{name}\" back; the consent still stands."),
                "Plan the migration again.",
                String::new(),
            ),
            Self::RemoveScope { name } => (
                format!("Remove the management scope \"{name}\"."),
                "Plan the migration again.",
                String::new(),
            ),
        })
    }

    fn call(&self) -> Result<(Executor, Option<Command>, String, PropagationWindow)> {
        match self {
            Self::MakeGroup { name, address } => {
                of(&NewDistributionGroup::security(name.clone(), address.clone()))
            }
            Self::AddMember { group, member } => {
                let add = AddDistributionGroupMember::new(group.clone(), member.identity()?);
                let (executor, command, line, _) = of(&add)?;
                // Into a group that a scope looks at.
                Ok((executor, command, line, PropagationWindow::APPLICATION_RBAC))
            }
            Self::MakeScope { name, groups, filter } => {
                let later = groups.iter().find_map(|g| match g {
                    ScopeGroup::Made(address) => Some(address),
                    ScopeGroup::Known { .. } => None,
                });
                let filter = filter_of(groups, filter.as_ref())?;
                let (executor, command, line, window) = of(&NewManagementScope::new(name.clone(), filter))?;
                Ok(match later {
                    None => (executor, command, line, window),
                    Some(address) => (executor, None, asked_later(&line, address)?, window),
                })
            }
            Self::MakeServicePrincipal { app, object, display_name } => {
                of(&NewServicePrincipal::new(*app, *object, display_name))
            }
            Self::AssignRole { name, object, role, scope } => of(&NewManagementRoleAssignment::new(
                name.clone(),
                *object,
                *role,
                ResourceScope::Custom(scope.clone()),
            )),
            Self::AllowEws { app } => {
                // The list is read and merged when the step is taken; the facts are those of the cmdlet.
                let facts = SetOrganizationConfig::FACTS;
                let line = crate::script::ews_allow_line(*app)?;
                Ok((Executor::Exchange(facts.role_group), None, line, facts.window))
            }
            Self::VerifyRole { object, inside, canary, .. } => {
                let mut lines = Vec::new();
                let mut first = None;
                for mailbox in inside.iter().chain([canary]) {
                    let test = TestServicePrincipalAuthorization::new(*object).with_resource(mailbox.clone());
                    lines.push(test.command()?.to_powershell()?);
                    first.get_or_insert(test);
                }
                let facts = TestServicePrincipalAuthorization::FACTS;
                let command = first.map(|test| test.command()).transpose()?;
                Ok((
                    Executor::Exchange(facts.role_group),
                    command,
                    lines.join("; "),
                    PropagationWindow::IMMEDIATE,
                ))
            }
            Self::RemoveConsent { object, consent, .. } => {
                Ok((Executor::Entra, None, consent_line(*object, consent, true)?, OLD_TOKENS))
            }
            Self::Prove { .. } => Ok((
                Executor::Exchange(RoleGroup::ViewOnlyOrganizationManagement),
                None,
                String::new(),
                PropagationWindow::IMMEDIATE,
            )),
            Self::RemovePolicy { policy, .. } => of(&RemoveApplicationAccessPolicy::new(policy.clone())),
            Self::RemoveAssignment { name } => of(&RemoveManagementRoleAssignment::new(name.clone())),
            Self::RemoveScope { name } => of(&RemoveManagementScope::new(name.clone())),
        }
    }
}

fn of<C: Cmdlet>(cmdlet: &C) -> Result<(Executor, Option<Command>, String, PropagationWindow)> {
    let command = cmdlet.command()?;
    let line = command.to_powershell()?;
    Ok((Executor::Exchange(C::minimum_role_group()), Some(command), line, C::window()))
}

/// The filter of a scope; a group that is not there yet is in it under a name of ours.
pub(super) fn filter_of(groups: &[ScopeGroup], filter: Option<&RecipientFilter>) -> Result<RecipientFilter> {
    if let Some(filter) = filter {
        return Ok(filter.clone());
    }
    RecipientFilter::members_of(groups.iter().map(|g| match g {
        ScopeGroup::Known { distinguished_name, .. } => distinguished_name.as_str(),
        ScopeGroup::Made(_) => LATER_GROUP,
    }))
}

/// Asks for the distinguished name of a group that does not exist while the plan is made: every literal that names it
/// becomes an expression.
pub(super) fn asked_later(text: &str, group: &MailboxAddress) -> Result<String> {
    let asked = crate::script::group_name_in_filter(group)?;
    let (mut out, mut rest) = (String::new(), text);
    while let Some((head, tail)) = rest.split_once(LATER_GROUP) {
        // The literal begins with the filter, and ends at the first quote that is not doubled.
        let begin = [" 'MemberOfGroup", " '(MemberOfGroup"].iter().filter_map(|b| head.rfind(b)).max();
        let (before, literal) = begin.and_then(|at| head.split_at_checked(at + 1)).unwrap_or((head, ""));
        let bare = literal.contains("MemberOfGroup-eq");
        let asked = if bare { format!(r"({asked} -replace '[\s()]', '')") } else { asked.clone() };
        let (end, after) = literal_end(tail);
        out.push_str(&format!("{before}({literal}' + {asked} + '{end})"));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Splits behind the quote that ends a literal.
fn literal_end(text: &str) -> (&str, &str) {
    let is_quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201B}');
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if is_quote(c) && chars.next_if(|(_, next)| is_quote(*next)).is_none() {
            return text.split_at_checked(at + c.len_utf8()).unwrap_or((text, ""));
        }
    }
    (text, "")
}

fn consent_line(object: ServicePrincipalObjectId, consent: &Consent, remove: bool) -> Result<String> {
    let (object, permission) = (quoted(&object.to_string())?, quoted(&consent.permission)?);
    let api =
        format!("Get-MgServicePrincipal -Filter {}", quoted(&format!("appId eq '{}'", consent.resource))?);
    let role = format!(
        "($api.AppRoles | Where-Object {{ $_.Value -eq {permission} -and $_.IsEnabled -and $_.AllowedMemberTypes -contains 'Application' }}).Id"
    );
    Ok(if remove {
        format!(
            "$api = {api}; $role = {role}; Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId {object} -All | Where-Object {{ $_.ResourceId -eq $api.Id -and $_.AppRoleId -eq $role }} | ForEach-Object {{ Remove-MgServicePrincipalAppRoleAssignment -ServicePrincipalId {object} -AppRoleAssignmentId $_.Id }}"
        )
    } else {
        format!(
            "$api = {api}; $role = {role}; New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId {object} -PrincipalId {object} -ResourceId $api.Id -AppRoleId $role"
        )
    })
}

/// What people call a group of a scope: the first part of its distinguished name, or the address it is about to get.
fn common_name(group: &ScopeGroup) -> String {
    let name = match group {
        ScopeGroup::Made(address) => return address.to_string(),
        ScopeGroup::Known { distinguished_name, .. } => distinguished_name,
    };
    let first = name.split_once('=').map_or(name.as_str(), |(_, rest)| rest);
    let (mut shown, mut characters) = (String::new(), first.chars());
    while let Some(character) = characters.next() {
        match character {
            ',' => break,
            '\\' => shown.extend(characters.next()),
            other => shown.push(other),
        }
    }
    shown
}

fn quoted(text: &str) -> Result<String> {
    single_quoted(text)
}

fn short(role: ApplicationRole) -> &'static str {
    role.name().strip_prefix("Application ").unwrap_or(role.name())
}

fn list(mailboxes: &[MailboxAddress]) -> String {
    mailboxes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_shown_by_the_first_part_of_its_distinguished_name() {
        let known = |distinguished_name: &str| ScopeGroup::Known {
            id: "1".to_owned(),
            distinguished_name: distinguished_name.to_owned(),
        };
        for (name, shown) in [
            ("CN=Sales North,OU=contoso,DC=x", "Sales North"),
            (r"CN=Sales\, North\+South,OU=contoso", "Sales, North+South"),
            ("CN=only", "only"),
            ("no name at all", "no name at all"),
        ] {
            assert_eq!(common_name(&known(name)), shown);
        }
    }
}
