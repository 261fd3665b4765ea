//! `*-ManagementRoleAssignment` for apps, and `Test-ServicePrincipalAuthorization`.
//! <https://learn.microsoft.com/exchange/permissions-exo/application-rbac>

use jiff::SignedDuration;
use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::management_scope::{self, NAME_LIMIT, check_name};
use super::recipient::{group_named, mailbox_named};
use super::{role_group, service_principal};
use crate::access::{View, rbac};
use crate::state::{ManagementRoleAssignment, ResourceScope, State, Timed};

/// `Get-ManagementRoleAssignment`.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    if let Some(identity) = params.optional("Identity")? {
        let found = configured(state).find(|a| a.name.eq_ignore_ascii_case(&identity));
        return found.map(|a| vec![row(state, a)]).ok_or_else(|| Failure::not_found(&identity));
    }
    let role = params.optional("Role")?;
    let scope = params.optional("CustomRecipientWriteScope")?;
    // Assignments that let somebody hand a role on are not kept here.
    if params.boolean("Delegating")? == Some(true) {
        return Ok(vec![]);
    }
    let effective = params.switch("GetEffectiveUsers")?;
    if let Some(name) = params.optional("RoleAssignee")?
        && let Ok(group) = role_group::named(state, &name)
    {
        return Ok(role_group::assignments(state, &group, effective));
    }
    let mut of_groups = vec![];
    if let (Some(role), None) = (&role, params.optional("RoleAssignee")?) {
        for group in &state.exchange.role_groups {
            let mut one = group.clone();
            one.roles.retain(|r| r.eq_ignore_ascii_case(role));
            of_groups.extend(role_group::assignments(state, &one, effective));
        }
    }
    let assignee =
        params.optional("RoleAssignee")?.map(|a| service_principal::one_named(state, &a)).transpose()?;
    Ok(configured(state)
        .filter(|a| role.as_deref().is_none_or(|r| a.role.eq_ignore_ascii_case(r)))
        .filter(|a| assignee.as_ref().is_none_or(|p| a.app == p.object_id))
        .filter(|a| {
            scope.as_deref().is_none_or(
                |wanted| matches!(&a.scope, ResourceScope::Custom(name) if name.eq_ignore_ascii_case(wanted)),
            )
        })
        .map(|a| row(state, a))
        .chain(of_groups)
        .collect())
}

/// `New-ManagementRoleAssignment -App`. Without a scope parameter the role holds in the whole organisation.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if run.state.exchange.dehydrated {
        return Err(Failure::dehydrated());
    }
    let app = service_principal::one_named(run.state, &params.text("App")?)?.object_id;
    let role = params.text("Role")?;
    let (role, _) = rbac::application_role(&role).ok_or_else(|| Failure::not_found(&role))?;
    let scope = requested_scope(run, params)?;
    if configured(run.state).any(|a| a.app == app && a.role == role && a.scope == scope) {
        return Err(Failure::already_exists(&format!("{role}-{app}")));
    }
    let name = match params.optional("Name")? {
        Some(name) => name,
        None => free_name(run.state, role, app),
    };
    check_name(&name)?;
    if configured(run.state).any(|a| a.name.eq_ignore_ascii_case(&name)) {
        return Err(Failure::already_exists(&name));
    }
    rbac::about_to_change(run.state, run.now);
    let assignment = ManagementRoleAssignment { name, app, role: role.to_owned(), scope };
    let output = row(run.state, &assignment);
    run.state.exchange.role_assignments.push(Timed::new(assignment, run.now, SignedDuration::ZERO));
    Ok(vec![output])
}

/// `Remove-ManagementRoleAssignment`.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let identity = params.text("Identity")?;
    if !configured(run.state).any(|a| a.name.eq_ignore_ascii_case(&identity)) {
        return Err(Failure::not_found(&identity));
    }
    rbac::about_to_change(run.state, run.now);
    let records = run.state.exchange.role_assignments.iter_mut();
    for record in records.filter(|a| a.is_configured() && a.value.name.eq_ignore_ascii_case(&identity)) {
        record.delete(run.now, SignedDuration::ZERO);
    }
    Ok(vec![])
}

/// `Test-ServicePrincipalAuthorization`: what is configured, past the cache, blind to consents in Entra.
pub(super) fn test(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let app = service_principal::one_named(state, &params.text("Identity")?)?;
    let mailbox = params.optional("Resource")?.map(|r| mailbox_named(state, &r)).transpose()?;
    Ok(configured(state)
        .filter(|a| a.app == app.object_id)
        .map(|a| {
            let permissions = rbac::application_role(&a.role).map(|(_, granted)| granted.join(", "));
            let in_scope = match &mailbox {
                None => "Not Run",
                Some(mailbox) if rbac::in_scope(state, &a.scope, mailbox, View::Configured) => "True",
                Some(_) => "False",
            };
            let (scope_type, scope) = match &a.scope {
                ResourceScope::Organization => ("Organization", "Organization".to_owned()),
                ResourceScope::Custom(name) => ("CustomRecipientScope", name.clone()),
                ResourceScope::Group(id) => ("CustomRecipientScope", group_name(state, *id)),
                ResourceScope::AdministrativeUnit(name) => ("AdministrativeUnit", name.clone()),
            };
            Row::default()
                .text("RoleName", &a.role)
                .text("GrantedPermissions", permissions.unwrap_or_default())
                .text("AllowedResourceScope", scope)
                .text("ScopeType", scope_type)
                .text("InScope", in_scope)
        })
        .collect())
}

fn configured(state: &State) -> impl Iterator<Item = &ManagementRoleAssignment> {
    state.exchange.role_assignments.iter().filter(|a| a.is_configured()).map(|a| &a.value)
}

/// At most one scope parameter; what it names must exist.
fn requested_scope(run: &Run<'_>, params: &Params) -> Result<ResourceScope, Failure> {
    let state = &*run.state;
    let custom = params.optional("CustomResourceScope")?;
    let group = params.optional("RecipientGroupScope")?;
    let unit = params.optional("RecipientAdministrativeUnitScope")?;
    match (custom, group, unit) {
        (None, None, None) => Ok(ResourceScope::Organization),
        (Some(name), None, None) => {
            management_scope::named(state, &name).map(|scope| ResourceScope::Custom(scope.name))
        }
        (None, Some(identity), None) => {
            let id = group_named(state, &identity)?.object_id;
            let complete =
                state.exchange.groups.iter().any(|g| g.value.object_id == id && g.is_effective(run.now));
            if complete { Ok(ResourceScope::Group(id)) } else { Err(Failure::not_found(&identity)) }
        }
        (None, None, Some(identity)) => state
            .exchange
            .administrative_units
            .iter()
            .find(|u| u.is_configured() && u.value.answers_to(&identity))
            .map(|u| ResourceScope::AdministrativeUnit(u.value.name.clone()))
            .ok_or_else(|| Failure::not_found(&identity)),
        _ => Err(Failure::parameter_set("CustomResourceScope")),
    }
}

/// The name that Exchange makes up: role and app, cut to the limit, numbered when taken.
fn free_name(state: &State, role: &str, app: Uuid) -> String {
    let mut number = 0;
    loop {
        let suffix = if number == 0 { format!("-{app}") } else { format!("-{app}-{number}") };
        let head: String = role.chars().take(NAME_LIMIT.saturating_sub(suffix.len())).collect();
        let name = head + &suffix;
        if !configured(state).any(|a| a.name.eq_ignore_ascii_case(&name)) {
            return name;
        }
        number += 1;
    }
}

fn group_name(state: &State, id: Uuid) -> String {
    let group = state.exchange.groups.iter().map(|g| &g.value).find(|g| g.object_id == id);
    group.map_or_else(|| id.to_string(), |g| g.name.clone())
}

fn row(state: &State, assignment: &ManagementRoleAssignment) -> Row {
    let assignee = service_principal::configured(state).find(|p| p.object_id == assignment.app);
    let (custom, group, unit) = match &assignment.scope {
        ResourceScope::Organization => (None, None, None),
        ResourceScope::Custom(name) => (Some(name.clone()), None, None),
        ResourceScope::Group(id) => (None, Some(group_name(state, *id)), None),
        ResourceScope::AdministrativeUnit(name) => (None, None, Some(name.clone())),
    };
    let write_scope = match &assignment.scope {
        ResourceScope::Organization => "Organization",
        ResourceScope::Custom(_) => "CustomRecipientScope",
        ResourceScope::Group(_) => "RecipientGroupScope",
        ResourceScope::AdministrativeUnit(_) => "AdministrativeUnit",
    };
    Row::default()
        .text("Identity", &assignment.name)
        .text("Name", &assignment.name)
        .text("Role", &assignment.role)
        .text("App", assignment.app.to_string())
        .text("RoleAssignee", assignment.app.to_string())
        .text("RoleAssigneeName", assignee.map(|p| p.display_name.clone()).unwrap_or_default())
        .text("RoleAssigneeType", "ServicePrincipal")
        .text("RoleAssignmentDelegationType", "Regular")
        .text("AssignmentMethod", "Direct")
        .text("RecipientWriteScope", write_scope)
        .optional("CustomRecipientWriteScope", custom.clone())
        .optional("CustomResourceScope", custom)
        .optional("RecipientGroupScope", group)
        .optional("RecipientAdministrativeUnitScope", unit)
        .boolean("Enabled", true)
        .boolean("IsValid", true)
}
