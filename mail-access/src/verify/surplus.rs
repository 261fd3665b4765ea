use std::collections::BTreeSet;

use exchange_admin::cmdlets::PolicyApp;
use exchange_admin::{AccessRight, GrantedScope};
use m365_core::Result;

use crate::names;
use crate::permission::Permission;
use crate::profile::{AppProfile, GrantMode};
use crate::tenant::TenantPicture;

/// What an app has been given beyond its profile, by whomever: consents of either API, roles and policies of Exchange.
/// They widen it although everything of the profile is in place.
pub(crate) fn surplus(app: &AppProfile, picture: &TenantPicture) -> Result<Vec<String>> {
    let Some(state) = picture.apps.get(&app.unique_name) else { return Ok(Vec::new()) };
    let mut found = Vec::new();

    let wanted: BTreeSet<_> = app
        .permissions
        .iter()
        .map(|p| Permission::parse(p))
        .filter(|p| names::is_consented(app.scope.grant, p))
        .map(|p| (p.api(), p.name().to_owned()))
        .collect();
    for consent in state.registration.consented() {
        if !wanted.contains(&(consent.api, consent.name.clone())) {
            found.push(format!("consent to {} ({})", consent.name, consent.api));
        }
    }

    let scope = names::scope(app)?;
    let roles: BTreeSet<_> = names::roles(app).into_iter().map(|(_, role)| role).collect();
    for assignment in state.assignments.iter().filter(|a| a.enabled) {
        let ours = assignment.role.is_some_and(|role| roles.contains(&role))
            && matches!(&assignment.scope, GrantedScope::Custom(name) if name.eq_ignore_ascii_case(scope.as_str()));
        if !ours {
            found.push(format!(
                "the role \"{}\" by the assignment \"{}\"",
                assignment.role_name, assignment.name
            ));
        }
    }

    let group =
        app.scope.group.as_ref().and_then(|g| picture.groups.get(&g.address)).and_then(names::group_key);
    let client = state.registration.client_id();
    for policy in &picture.policies {
        let names_us = matches!(policy.policy.app, PolicyApp::App(named) if Some(named) == client);
        let ours =
            app.scope.grant == GrantMode::AccessPolicy && policy.scope.is_some() && policy.scope == group;
        // Another restriction *adds* its mailboxes; a denial only narrows.
        if names_us && !ours && policy.policy.right != Some(AccessRight::Deny) {
            found.push(format!("an access policy that also lets it into {}", policy.policy.scope_name));
        }
    }
    Ok(found)
}
