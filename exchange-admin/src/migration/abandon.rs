use std::collections::BTreeSet;

use super::draft::Draft;
use super::plan::plan;
use super::scope::same;
use super::{Blocked, Blocker, MigrationAction, MigrationInput, MigrationOptions, MigrationPlan};
use crate::types::{ApplicationRole, GrantedScope};

/// Plans the way back from a migration that was begun: the roles that it gave, then its scope. Consents and policies are as
/// they were, so nothing is lost; the group and Exchange's pointer stay, and open nothing.
///
/// # Errors
/// [`Blocked`] when a consent is gone already: without its role the app would lose access. Then go forward, or consent again
/// first, while the policies are there. Also when the migration could not be planned as it stands, since then it is not sure
/// that the scope is its own.
pub fn abandon(input: &MigrationInput, options: &MigrationOptions) -> Result<MigrationPlan, Blocked> {
    let whole = plan(input, options)?;
    let mut draft = Draft::new(input, options);
    let replaced: BTreeSet<ApplicationRole> = whole
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            MigrationAction::RemoveConsent { replaced_by, .. } => Some(replaced_by),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    let Some(scope) = &input.scope else { return draft.finish(true) };
    for assignment in &input.assignments {
        let (Some(role), GrantedScope::Custom(of)) = (assignment.role, &assignment.scope) else { continue };
        if !same(of, &scope.name) {
            continue;
        }
        match options.assignment_name(role) {
            Ok(name) if same(&assignment.name, name.as_str()) && replaced.contains(&role) => {
                draft.actions.push(MigrationAction::RemoveAssignment { name });
            }
            Ok(name) if same(&assignment.name, name.as_str()) => {
                draft.blockers.push(Blocker::Invalid {
                    why: format!(
                        "the consent that \"{role}\" replaces is gone: without the role the app would lose access"
                    ),
                });
            }
            Ok(_) => {}
            Err(error) => draft.blockers.push(Blocker::invalid(&error)),
        }
    }
    match options.scope_name() {
        Ok(name) => draft.actions.push(MigrationAction::RemoveScope { name }),
        Err(error) => draft.blockers.push(Blocker::invalid(&error)),
    }
    draft.finish(true)
}
