use m365_core::{ClientId, MailboxAddress, Result};

use super::step::{asked_later, filter_of};
use super::{Executor, MigrationAction, MigrationPlan, MigrationStep, ScopeGroup};
use crate::cmdlets::{
    AddDistributionGroupMember, NewDistributionGroup, NewManagementRoleAssignment, NewManagementScope,
    NewServicePrincipal,
};
use crate::command::powershell::{comment_text, single_quoted};
use crate::types::ResourceScope;
use crate::{Cmdlet as _, Script, Step};

/// A part of a migration for one person to review and run. The parts are run in their order; between them lies the
/// waiting that each part's head names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationScript {
    /// What it is.
    pub title: String,
    /// Who runs it.
    pub executor: Executor,
    /// Its text. Without `-Apply` it changes nothing.
    pub text: String,
}

impl MigrationScript {
    /// The script as a file: UTF-8 with a byte order mark, for Windows PowerShell.
    pub fn to_file(&self) -> Vec<u8> {
        let mut bytes = b"\xEF\xBB\xBF".to_vec();
        bytes.extend_from_slice(self.text.as_bytes());
        bytes
    }
}

impl MigrationPlan {
    /// The plan as scripts: what is made in Exchange, the look at each role, the consents for an administrator of Entra, and
    /// the policies at the end. Each of them can be run again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when a value holds a character that has no place in a
    /// script under review.
    pub fn to_scripts(&self, app: ClientId) -> Result<Vec<MigrationScript>> {
        let mut scripts = Vec::new();
        let mut make = Script::new("Migration to roles: what is made", app)
            .with_note("It opens nothing that was closed, and closes nothing. Wait two hours after it.");
        let mut later: Option<MailboxAddress> = None;
        for step in &self.steps {
            if let Some(wanted) = make_step(&step.action, &mut later)? {
                make = make.with_step(wanted.with_title(&step.sentence));
            }
        }
        for part in make.split_by_role().into_iter().filter(|p| !p.steps().is_empty()) {
            let text = part.render()?;
            let text = match &later {
                Some(group) => asked_later(&text, group)?,
                None => text,
            };
            let executor = Executor::Exchange(part.minimum_role_group());
            scripts.push(MigrationScript { title: "What is made".to_owned(), executor, text });
        }
        let stages: [Stage; 4] = [
            (
                "The list for EWS",
                "Other administrators may change the list, too: look at it afterwards.",
                |a| matches!(a, MigrationAction::AllowEws { .. }),
            ),
            (
                "A look at each role",
                "It changes nothing. Every line must say what it expects before the consents go.",
                |a| matches!(a, MigrationAction::VerifyRole { .. }),
            ),
            (
                "The consents",
                "For an administrator of Entra, with Connect-MgGraph -Scopes AppRoleAssignment.ReadWrite.All, Application.Read.All. Try the product between any two of them. The policies stand until all are gone.",
                |a| matches!(a, MigrationAction::RemoveConsent { .. }),
            ),
            (
                "The policies",
                "Only when all consents are gone, their tokens are dead (28 hours) and a mailbox outside is refused. Run before, it would open every mailbox.",
                |a| {
                    matches!(
                        a,
                        MigrationAction::RemovePolicy { .. }
                            | MigrationAction::RemoveAssignment { .. }
                            | MigrationAction::RemoveScope { .. }
                    )
                },
            ),
        ];
        for (title, head, of) in stages {
            let steps: Vec<&MigrationStep> = self.steps.iter().filter(|s| of(&s.action)).collect();
            if let Some(first) = steps.first() {
                let executor = first.executor;
                let text = plain(title, head, app, &steps)?;
                scripts.push(MigrationScript { title: title.to_owned(), executor, text });
            }
        }
        Ok(scripts)
    }
}

/// Title, what to know before, and which steps.
type Stage = (&'static str, &'static str, fn(&MigrationAction) -> bool);

/// Lines that are shown, and run with `-Apply`. Looking is done either way.
fn plain(title: &str, head: &str, app: ClientId, steps: &[&MigrationStep]) -> Result<String> {
    let mut text = format!(
        "<#\nMigration to roles: {}\nPrepared for app {app}.\n{}\n#>\nparam([switch] $Apply)\n\n# Cmdlets of a module see the session's preference, and not the script's own.\n$preference = $global:ErrorActionPreference\n$global:ErrorActionPreference = 'Stop'\n$ErrorActionPreference = 'Stop'\ntry {{\n",
        comment_text(title),
        comment_text(head)
    );
    for step in steps {
        text.push_str(&format!("Write-Host {}\n", single_quoted(&step.sentence)?));
        match &step.action {
            MigrationAction::VerifyRole { object, role, inside, canary } => {
                for (mailbox, expected) in inside.iter().map(|m| (m, "True")).chain([(canary, "False")]) {
                    let test = crate::cmdlets::TestServicePrincipalAuthorization::new(*object)
                        .with_resource(mailbox.clone());
                    text.push_str(&format!(
                        "$found = @({} | Where-Object {{ $_.RoleName -eq {} -and \"$($_.InScope)\" -eq 'True' }})\nif ([string] ($found.Count -gt 0) -ne '{expected}') {{ throw {} }}\n",
                        test.command()?.to_powershell()?,
                        single_quoted(role.name())?,
                        single_quoted(&format!("{role}: in scope for {mailbox} should be {expected}"))?,
                    ));
                }
            }
            _ => text.push_str(&format!("if ($Apply) {{ {} }}\n", step.powershell)),
        }
    }
    text.push_str("}\nfinally { $global:ErrorActionPreference = $preference }\n");
    Ok(text)
}

/// The step of a script that looks before it writes.
fn make_step(action: &MigrationAction, later: &mut Option<MailboxAddress>) -> Result<Option<Step>> {
    Ok(Some(match action {
        MigrationAction::MakeGroup { name, address } => {
            Step::security_group(&NewDistributionGroup::security(name.clone(), address.clone()))?
        }
        MigrationAction::AddMember { group, member } => {
            Step::group_member(&AddDistributionGroupMember::new(group.clone(), member.identity()?))?
        }
        MigrationAction::MakeScope { name, groups, filter } => {
            if let Some(address) = groups.iter().find_map(|g| match g {
                ScopeGroup::Made(address) => Some(address),
                ScopeGroup::Known { .. } => None,
            }) {
                *later = Some(address.clone());
            }
            let filter = filter_of(groups, filter.as_ref())?;
            Step::management_scope(&NewManagementScope::new(name.clone(), filter))?
        }
        MigrationAction::MakeServicePrincipal { app, object, display_name } => {
            Step::service_principal(&NewServicePrincipal::new(*app, *object, display_name))?
        }
        MigrationAction::AssignRole { name, object, role, scope } => {
            Step::management_role_assignment(&NewManagementRoleAssignment::new(
                name.clone(),
                *object,
                *role,
                ResourceScope::Custom(scope.clone()),
            ))?
        }
        _ => return Ok(None),
    }))
}
