//! `*-RoleGroup`, `*-RoleGroupMember`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/new-rolegroup>

use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::management_scope::{self, check_name};
use super::recipient::grantee_named;
use super::{management_role, recipient_permission, service_principal};
use crate::access::rbac;
use crate::state::{RoleGroup, State};

/// `Get-RoleGroup`.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    match params.optional("Identity")? {
        Some(identity) => Ok(vec![row(run.state, &named(run.state, &identity)?)]),
        None => Ok(run.state.exchange.role_groups.iter().map(|g| row(run.state, g)).collect()),
    }
}

/// `New-RoleGroup`. Roles of apps are not for role groups.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if run.state.exchange.dehydrated {
        return Err(Failure::dehydrated());
    }
    let name = params.text("Name")?;
    check_name(&name)?;
    if named(run.state, &name).is_ok() {
        return Err(Failure::already_exists(&name));
    }
    let mut roles = vec![];
    for role in params.list("Roles")? {
        if rbac::application_role(&role).is_some() {
            return Err(Failure::invalid_operation(&format!(
                "The role \"{role}\" can be assigned to applications only."
            )));
        }
        roles.push(management_role::known(run.state, &role).ok_or_else(|| Failure::not_found(&role))?);
    }
    let members =
        params.list("Members")?.iter().map(|m| grantee_named(run.state, m)).collect::<Result<Vec<_>, _>>()?;
    let write_scope = params
        .optional("CustomRecipientWriteScope")?
        .map(|scope| management_scope::named(run.state, &scope).map(|s| s.name))
        .transpose()?;
    let group = RoleGroup { name, roles, members, write_scope };
    let output = row(run.state, &group);
    run.state.exchange.role_groups.push(group);
    Ok(vec![output])
}

/// `Remove-RoleGroup`.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let group = named(run.state, &params.text("Identity")?)?;
    run.state.exchange.role_groups.retain(|g| g.name != group.name);
    Ok(vec![])
}

/// `Get-RoleGroupMember`.
pub(super) fn get_members(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let group = named(state, &params.text("Identity")?)?;
    Ok(group.members.iter().map(|id| member_row(state, *id)).collect())
}

/// `Add-RoleGroupMember`; prints nothing.
pub(super) fn add_member(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let group = named(run.state, &params.text("Identity")?)?;
    let text = params.text("Member")?;
    let member = grantee_named(run.state, &text)?;
    if group.members.contains(&member) {
        return Err(Failure::bad_request(
            "Ex88CB1A",
            "Microsoft.Exchange.Management.Tasks.MemberAlreadyExistsException",
            &format!("The recipient \"{text}\" is already a member of the group \"{}\".", group.name),
        ));
    }
    for record in run.state.exchange.role_groups.iter_mut().filter(|g| g.name == group.name) {
        record.members.push(member);
    }
    Ok(vec![])
}

/// `Remove-RoleGroupMember`; prints nothing.
pub(super) fn remove_member(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let group = named(run.state, &params.text("Identity")?)?;
    let text = params.text("Member")?;
    let member = grantee_named(run.state, &text)?;
    if !group.members.contains(&member) {
        return Err(Failure::bad_request(
            "Ex0E5C72",
            "Microsoft.Exchange.Management.Tasks.MemberNotFoundException",
            &format!("The recipient \"{text}\" isn't a member of the group \"{}\".", group.name),
        ));
    }
    for record in run.state.exchange.role_groups.iter_mut().filter(|g| g.name == group.name) {
        record.members.retain(|m| *m != member);
    }
    Ok(vec![])
}

/// The role group with this name.
pub(super) fn named(state: &State, name: &str) -> Result<RoleGroup, Failure> {
    let found = state.exchange.role_groups.iter().find(|g| g.name.eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(|| Failure::not_found(name))
}

/// What the group's roles look like as assignments; `Some(member)` with the account that holds the role in the end.
pub(super) fn assignments(state: &State, group: &RoleGroup, effective: bool) -> Vec<Row> {
    let mut rows = vec![];
    for role in &group.roles {
        let row = || {
            let scope = if group.write_scope.is_some() { "CustomRecipientScope" } else { "Organization" };
            Row::default()
                .text("Name", format!("{role}-{}", group.name))
                .text("Identity", format!("{role}-{}", group.name))
                .text("Role", role)
                .text("RoleAssignee", &group.name)
                .text("RoleAssigneeName", &group.name)
                .text("RoleAssigneeType", "RoleGroup")
                .text("RoleAssignmentDelegationType", "Regular")
                .text("AssignmentMethod", "Direct")
                .text("RecipientWriteScope", scope)
                .optional("CustomRecipientWriteScope", group.write_scope.clone())
                .boolean("Enabled", true)
        };
        if effective {
            let names = group.members.iter().map(|m| recipient_permission::name(state, *m));
            rows.extend(names.map(|name| row().text("EffectiveUserName", name)));
        } else {
            rows.push(row());
        }
    }
    rows
}

fn member_row(state: &State, id: Uuid) -> Row {
    let app = service_principal::configured(state).find(|p| p.object_id == id);
    let name = recipient_permission::name(state, id);
    Row::default()
        .text("Name", &name)
        .text("DisplayName", name)
        .text("ExternalDirectoryObjectId", id.to_string())
        .text("RecipientTypeDetails", if app.is_some() { "ServicePrincipal" } else { "UserMailbox" })
}

fn row(state: &State, group: &RoleGroup) -> Row {
    Row::default()
        .text("Name", &group.name)
        .text("Identity", &group.name)
        .text("DisplayName", &group.name)
        .list("Roles", group.roles.clone())
        .list("Members", group.members.iter().map(|m| recipient_permission::name(state, *m)).collect())
        .boolean("IsValid", true)
}
