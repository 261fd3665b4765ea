//! How far an app reaches beyond one mailbox, and what would narrow it.

use std::fmt;

use m365_core::ClientId;
use serde::Serialize;

use super::permission::{level, role_grants};
use super::{AccessPicture, AssignmentScope, EntraGrant, EntraGrants, Outcome, is_limited_by_policies};
use crate::Cmdlet;
use crate::cmdlets::{NewManagementRoleAssignment, RemoveManagementRoleAssignment};
use crate::command::powershell::single_quoted;
use crate::types::{AccessRight, ApplicationRole, ObjectName, ResourceScope, RoleAssignmentName};

/// The group that suggested lines name when nobody said which.
const SOME_GROUP: &str = "NAME-OF-THE-GROUP";

/// Something that an app holds in the whole organisation, or that makes a limit smaller than it looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OrganizationWide {
    /// What it is.
    pub kind: WideKind,
    /// [`Outcome::Unknown`] where a part that was not read may limit it.
    pub sure: Outcome,
    /// In words.
    pub text: String,
    /// The object, as its administrators name it.
    pub object: String,
}

impl fmt::Display for OrganizationWide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Kinds of [`OrganizationWide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WideKind {
    /// A consent that no policy restricts to some mailboxes.
    Consent,
    /// A role assigned without a scope.
    Role,
    /// A policy for every app, which lets each consented app into its scope.
    PolicyForEveryApp,
    /// An exclusive scope, which keeps other administrators out and no app.
    ExclusiveScope,
}

/// Advice towards least privilege.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Suggestion {
    /// What it is about.
    pub kind: SuggestionKind,
    /// What to do, and why.
    pub sentence: String,
    /// Lines of PowerShell that do it, in this order. To be reviewed, never run as they are.
    pub commands: Vec<String>,
}

/// Kinds of [`Suggestion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SuggestionKind {
    /// A consent beside a scoped role voids the scope.
    RemoveConsent,
    /// A consent that opens every mailbox should become a scoped role.
    ReplaceConsentByRole,
    /// A role without a scope should have one.
    ScopeRole,
    /// A lesser permission suffices.
    NarrowPermission,
    /// A permission that nobody asked for.
    RemoveUnneeded,
}

impl AccessPicture {
    /// What the app holds in the whole organisation. Complete only as far as consents, policies and assignments were read:
    /// parts that were not are in [`gaps`](Self::gaps) or unread in the picture, and show as not sure.
    pub fn blast_radius(&self) -> Vec<OrganizationWide> {
        let mut found = Vec::new();
        let mut note = |kind, sure, text: String, object: &str| {
            found.push(OrganizationWide { kind, sure, text, object: object.to_owned() });
        };
        if self.app.consents == EntraGrants::Unread {
            let text = "consents in Entra were not read, and one of them may open every mailbox".to_owned();
            note(WideKind::Consent, Outcome::Unknown, text, "");
        }
        let policies = self.policies_of_app();
        for consent in self.app.consents.iter().filter(|c| opens_mailboxes(c)) {
            let limited = is_limited_by_policies(consent.resource, &consent.permission);
            let restricted = policies.as_ref().map(|p| p.iter().any(|p| p.right != Some(AccessRight::Deny)));
            let name = consent.to_string();
            match (limited, restricted) {
                (true, Some(true)) => {}
                (true, None) => note(
                    WideKind::Consent,
                    Outcome::Unknown,
                    format!(
                        "consent to {name} opens every mailbox, unless an access policy that was not read limits it"
                    ),
                    &name,
                ),
                (true, Some(false)) => {
                    let but = match policies.as_ref().is_some_and(|p| !p.is_empty()) {
                        true => " but those that a policy denies",
                        false => "",
                    };
                    let text = format!("consent to {name} opens every mailbox{but}: no policy restricts it");
                    note(WideKind::Consent, Outcome::Allowed, text, &name);
                }
                (false, _) => {
                    let text = format!(
                        "consent to {name} opens every mailbox: policies do not limit this permission"
                    );
                    note(WideKind::Consent, Outcome::Allowed, text, &name);
                }
            }
        }
        let pointer = self.by_pointer();
        for assignment in self.assignments.iter().flatten().filter(|_| pointer != Outcome::Denied) {
            let role = shown(assignment.role);
            if assignment.scope == AssignmentScope::Organization {
                let text = format!("{role} is assigned without a scope, for every mailbox");
                note(WideKind::Role, pointer, text, &assignment.name);
            }
            if assignment.exclusive {
                let text = format!(
                    "the scope of {role} is exclusive: that keeps other administrators out of its mailboxes, and no app"
                );
                note(WideKind::ExclusiveScope, Outcome::Allowed, text, &assignment.name);
            }
        }
        for policy in
            policies.iter().flatten().filter(|p| p.app.is_none() && p.right == Some(AccessRight::Restrict))
        {
            let text = "an access policy for every app (*) lets each consented app into its scope".to_owned();
            note(WideKind::PolicyForEveryApp, Outcome::Allowed, text, &policy.identity);
        }
        found
    }

    /// What would narrow the app. `asked` are the permissions of which one is in question; `needs` all that the app needs,
    /// or nothing where that is not known.
    pub fn suggestions(&self, asked: &[EntraGrant], needs: &[EntraGrant]) -> Vec<Suggestion> {
        let mut found = Vec::new();
        for consent in self.app.consents.iter().filter(|c| role_of(c).is_some()) {
            let scoped = self.assignments.iter().flatten().find(|a| {
                a.scope != AssignmentScope::Organization
                    && a.role
                        .is_some_and(|role| role_of(consent).is_some_and(|of| stands_for(role, of, consent)))
            });
            if let Some(assignment) = scoped {
                let sentence = match consent.permission.as_str() {
                    "SMTP.SendAsApp" => "Remove the consent to SMTP.SendAsApp: the scoped role suffices, and with the consent Exchange asks for an entry on every mailbox besides.".to_owned(),
                    _ => format!(
                        "Remove the consent to {consent}: beside it the scope of {} means nothing, since the two add up.",
                        shown(assignment.role)
                    ),
                };
                found.push(Suggestion {
                    kind: SuggestionKind::RemoveConsent,
                    sentence,
                    commands: self.remove_consent(consent),
                });
            }
        }
        self.scope_consents(&mut found);
        self.scope_roles(&mut found);
        self.narrow(asked, needs, &mut found);
        self.unneeded(needs, &mut found);
        found
    }

    /// Consents without any limit, and without a role that could take over.
    fn scope_consents(&self, found: &mut Vec<Suggestion>) {
        let restricted =
            self.policies_of_app().is_none_or(|p| p.iter().any(|p| p.right != Some(AccessRight::Deny)));
        for consent in self.app.consents.iter().filter(|c| opens_mailboxes(c)) {
            let told = found.iter().any(|s| s.commands == self.remove_consent(consent));
            let limited = restricted && is_limited_by_policies(consent.resource, &consent.permission);
            let Some(role) = role_of(consent).filter(|_| !told && !limited) else { continue };
            let mut commands: Vec<String> = self.assign(role, None).into_iter().collect();
            commands.extend(self.remove_consent(consent));
            found.push(Suggestion {
                kind: SuggestionKind::ReplaceConsentByRole,
                sentence: format!(
                    "Give {role} for a group of the mailboxes that are needed, and when that works remove the consent to {consent}, which opens every mailbox."
                ),
                commands,
            });
        }
    }

    fn scope_roles(&self, found: &mut Vec<Suggestion>) {
        let wide = self.assignments.iter().flatten().filter(|a| a.scope == AssignmentScope::Organization);
        for assignment in wide {
            let Some(role) = assignment.role else { continue };
            found.push(Suggestion {
                kind: SuggestionKind::ScopeRole,
                sentence: format!(
                    "Assign {role} for a group of the mailboxes that are needed, then remove the assignment {}, which holds everywhere.",
                    assignment.name
                ),
                commands: self.assign(role, None).into_iter().chain(unassign(&assignment.name)).collect(),
            });
        }
    }

    /// A role that gives more than the least of what was asked for.
    fn narrow(&self, asked: &[EntraGrant], needs: &[EntraGrant], found: &mut Vec<Suggestion>) {
        // What is needed for other work must stay.
        let needed_elsewhere =
            |permission: &str| needs.iter().any(|n| n.permission == permission && !asked.contains(n));
        let least = asked.iter().min_by_key(|a| level(&a.permission).map(|(_, level)| level));
        let Some((least, (area, wanted))) = least.and_then(|l| Some((l, level(&l.permission)?))) else {
            return;
        };
        if needs.iter().any(|n| level(&n.permission).is_some_and(|(a, l)| a == area && l > wanted)) {
            return;
        }
        let broader = |permission: &str| {
            level(permission).is_some_and(|(a, l)| a == area && l > wanted) && !needed_elsewhere(permission)
        };
        for assignment in self.assignments.iter().flatten() {
            let Some(role) = assignment.role else { continue };
            let (Some(permission), Some(lesser)) =
                (role.permissions().iter().find(|p| broader(p)), role_of(least))
            else {
                continue;
            };
            let mut commands: Vec<String> =
                self.assign(lesser, Some(&assignment.scope)).into_iter().collect();
            commands.extend(unassign(&assignment.name));
            found.push(Suggestion {
                kind: SuggestionKind::NarrowPermission,
                sentence: format!("{role} gives {permission}; {} suffices: {lesser}.", least.permission),
                commands,
            });
        }
        for consent in
            self.app.consents.iter().filter(|c| c.resource == least.resource && broader(&c.permission))
        {
            found.push(Suggestion {
                kind: SuggestionKind::NarrowPermission,
                sentence: format!("{consent} is consented; {} suffices.", least.permission),
                commands: self.remove_consent(consent),
            });
        }
    }

    /// Permissions that open mailboxes and stand for nothing that the app needs.
    fn unneeded(&self, needs: &[EntraGrant], found: &mut Vec<Suggestion>) {
        if needs.is_empty() {
            return;
        }
        let serves = |held: &EntraGrant| needs.iter().any(|need| serves(held, need));
        for consent in self.app.consents.iter().filter(|c| c.concerns_mailboxes() && !serves(c)) {
            found.push(Suggestion {
                kind: SuggestionKind::RemoveUnneeded,
                sentence: format!("Nobody asked for {consent}: remove the consent."),
                commands: self.remove_consent(consent),
            });
        }
        for assignment in self.assignments.iter().flatten() {
            let Some(role) = assignment.role else { continue };
            let useful = needs.iter().any(|need| {
                role_grants(role, need.resource, &[need.permission.as_str()])
                    || (role_of(need) == Some(role))
                    || role
                        .permissions()
                        .iter()
                        .any(|p| serves(&EntraGrant { resource: need.resource, permission: (*p).to_owned() }))
            });
            if !useful {
                found.push(Suggestion {
                    kind: SuggestionKind::RemoveUnneeded,
                    sentence: format!("Nobody asked for {role}: remove the assignment {}.", assignment.name),
                    commands: unassign(&assignment.name).into_iter().collect(),
                });
            }
        }
    }

    /// A line that assigns a role, in the scope of an assignment there is or for a group to be named.
    fn assign(&self, role: ApplicationRole, scope: Option<&AssignmentScope>) -> Option<String> {
        let scope = match scope {
            Some(AssignmentScope::AdministrativeUnit(unit)) => {
                ResourceScope::AdministrativeUnit(ObjectName::parse(unit).ok()?)
            }
            _ => ResourceScope::Group(ObjectName::parse(SOME_GROUP).ok()?.into()),
        };
        let object = self.app.object_id()?;
        // Names are unique in the tenant; the id's first part keeps two apps apart.
        let name = format!("{} {:.8}", role.name().trim_start_matches("Application "), object.to_string());
        let cmdlet =
            NewManagementRoleAssignment::new(RoleAssignmentName::parse(&name).ok()?, object, role, scope);
        cmdlet.command().ok()?.to_powershell().ok()
    }

    fn remove_consent(&self, consent: &EntraGrant) -> Vec<String> {
        let (Some(object), Ok(permission)) = (self.app.object_id(), single_quoted(&consent.permission))
        else {
            return Vec::new();
        };
        let resource = consent.resource;
        vec![
            format!("$api = Get-MgServicePrincipal -Filter \"appId eq '{resource}'\""),
            format!("$role = $api.AppRoles | Where-Object Value -eq {permission}"),
            format!(
                "Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId '{object}' -All | Where-Object {{ $_.ResourceId -eq $api.Id -and $_.AppRoleId -eq $role.Id }} | ForEach-Object {{ Remove-MgServicePrincipalAppRoleAssignment -ServicePrincipalId '{object}' -AppRoleAssignmentId $_.Id }}"
            ),
        ]
    }
}

fn unassign(name: &str) -> Option<String> {
    let name = RoleAssignmentName::parse(name).ok()?;
    RemoveManagementRoleAssignment::new(name).command().ok()?.to_powershell().ok()
}

fn shown(role: Option<ApplicationRole>) -> String {
    role.map_or_else(|| "a role unknown to this version".to_owned(), |role| role.to_string())
}

/// The role that could stand in for a consent.
fn role_of(consent: &EntraGrant) -> Option<ApplicationRole> {
    ApplicationRole::from_permission(consent.resource, &consent.permission)
}

/// Whether a role gives what a consent gives.
fn stands_for(role: ApplicationRole, of: ApplicationRole, consent: &EntraGrant) -> bool {
    role == of || role_grants(role, consent.resource, &[consent.permission.as_str()])
}

/// Whether a consent by itself opens mailboxes: not so for IMAP, POP and SMTP, which look for an entry on each.
fn opens_mailboxes(consent: &EntraGrant) -> bool {
    match consent.resource {
        ClientId::MICROSOFT_GRAPH => consent.concerns_mailboxes(),
        ClientId::EXCHANGE_ONLINE => consent.permission == "full_access_as_app",
        _ => false,
    }
}

/// Whether what is held serves what is needed.
fn serves(held: &EntraGrant, need: &EntraGrant) -> bool {
    held.resource == need.resource
        && (held.permission == need.permission
            || match (level(&held.permission), level(&need.permission)) {
                (Some((a, held)), Some((b, need))) => a == b && held >= need,
                _ => false,
            })
}
