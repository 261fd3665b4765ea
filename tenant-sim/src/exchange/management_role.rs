//! `*-ManagementRole` and `*-ManagementRoleEntry`: built-in roles follow from the table of cmdlets; custom ones have a part of
//! their parent's entries. <https://learn.microsoft.com/exchange/understanding-management-roles-exchange-2013-help>

use super::cmdlet::{COMMON, Cmdlet, Params, Run};
use super::envelope::{Failure, Row};
use super::management_scope::check_name;
use super::table::TABLE;
use crate::access::rbac;
use crate::state::{ManagementRole, ManagementRoleEntry, State};

/// `Get-ManagementRole`: the roles there are, or those that contain a cmdlet with all of these parameters.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let cmdlet = params.optional("Cmdlet")?;
    let parameters = params.list("CmdletParameters")?;
    let mut names: Vec<String> = built_in().map(str::to_owned).collect();
    names.extend(state.exchange.management_roles.iter().map(|r| r.name.clone()));
    names.sort_unstable();
    names.dedup();
    if let Some(cmdlet) = &cmdlet {
        if Cmdlet::find(cmdlet).is_none() {
            return Err(Failure::not_found(cmdlet));
        }
        names.retain(|name| {
            let entries = entries_of(state, name).unwrap_or_default();
            entries.iter().filter(|e| e.cmdlet.eq_ignore_ascii_case(cmdlet)).any(|e| {
                parameters.iter().all(|wanted| e.parameters.iter().any(|p| p.eq_ignore_ascii_case(wanted)))
            })
        });
    }
    if let Some(identity) = params.optional("Identity")? {
        names.retain(|n| n.eq_ignore_ascii_case(&identity));
        if names.is_empty() {
            return Err(Failure::not_found(&identity));
        }
    }
    Ok(names.iter().map(|name| row(state, name)).collect())
}

/// `New-ManagementRole`: the parent's entries, or those that are named.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if run.state.exchange.dehydrated {
        return Err(Failure::dehydrated());
    }
    let name = params.text("Name")?;
    check_name(&name)?;
    let parent = params.text("Parent")?;
    if rbac::application_role(&parent).is_some() {
        return Err(Failure::invalid_operation(&format!("The role \"{parent}\" can't have child roles.")));
    }
    let parent = known(run.state, &parent).ok_or_else(|| Failure::not_found(&parent))?;
    if known(run.state, &name).is_some() {
        return Err(Failure::already_exists(&name));
    }
    let mut entries = entries_of(run.state, &parent).unwrap_or_default();
    let enabled = params.list("EnabledCmdlets")?;
    if let Some(foreign) = enabled.iter().find(|c| !entries.iter().any(|e| e.cmdlet.eq_ignore_ascii_case(c)))
    {
        return Err(not_in_parent(foreign, &parent));
    }
    entries.retain(|e| enabled.is_empty() || enabled.iter().any(|c| c.eq_ignore_ascii_case(&e.cmdlet)));
    run.state.exchange.management_roles.push(ManagementRole { name: name.clone(), parent, entries });
    Ok(vec![row(run.state, &name)])
}

/// `Remove-ManagementRole`; refused for built-in roles, and while a role group or a child needs it.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let identity = params.text("Identity")?;
    let name = changeable(run.state, &identity)?.name.clone();
    let exchange = &mut run.state.exchange;
    let held = exchange.role_groups.iter().any(|g| g.roles.iter().any(|r| r.eq_ignore_ascii_case(&name)));
    let parent = exchange.management_roles.iter().any(|r| r.parent.eq_ignore_ascii_case(&name));
    if held || parent {
        return Err(Failure::invalid_operation(&format!(
            "The role \"{name}\" can't be removed because role assignments or child roles use it."
        )));
    }
    exchange.management_roles.retain(|r| r.name != name);
    Ok(vec![])
}

/// `Get-ManagementRoleEntry`: `role\cmdlet`, with `*` for either.
pub(super) fn get_entries(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let (role, cmdlet) = split(params)?;
    let roles: Vec<String> = if role == "*" {
        let custom = state.exchange.management_roles.iter().map(|r| r.name.clone());
        built_in().map(str::to_owned).chain(custom).collect()
    } else {
        vec![known(state, &role).ok_or_else(|| Failure::not_found(&role))?]
    };
    let mut rows = vec![];
    for role in roles {
        for entry in entries_of(state, &role).unwrap_or_default() {
            if cmdlet == "*" || entry.cmdlet.eq_ignore_ascii_case(&cmdlet) {
                rows.push(
                    Row::default()
                        .text("Identity", format!("{role}\\{}", entry.cmdlet))
                        .text("Name", entry.cmdlet)
                        .text("Role", role.clone())
                        .list("Parameters", entry.parameters)
                        .text("Type", "Cmdlet"),
                );
            }
        }
    }
    if rows.is_empty() && cmdlet != "*" {
        return Err(Failure::not_found(&cmdlet));
    }
    Ok(rows)
}

/// `Add-ManagementRoleEntry`: what the parent has, and no more.
pub(super) fn add_entry(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let (role, cmdlet) = split(params)?;
    let target = changeable(run.state, &role)?;
    if entry(target, &cmdlet).is_some() && !params.switch("Overwrite")? {
        return Err(Failure::already_exists(&cmdlet));
    }
    let wanted = params.list("Parameters")?;
    write(run, &role, &cmdlet, |parents| if wanted.is_empty() { parents.to_vec() } else { wanted.clone() })
}

/// `Set-ManagementRoleEntry`: adds, removes, or replaces parameters.
pub(super) fn set_entry(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let (role, cmdlet) = split(params)?;
    let target = changeable(run.state, &role)?;
    let old = entry(target, &cmdlet).ok_or_else(|| Failure::not_found(&cmdlet))?.parameters.clone();
    let named = params.list("Parameters")?;
    let has = |list: &[String], p: &String| list.iter().any(|o| o.eq_ignore_ascii_case(p));
    let wanted: Vec<String> = match (params.switch("AddParameter")?, params.switch("RemoveParameter")?) {
        (true, true) => return Err(Failure::parameter_set("RemoveParameter")),
        (true, false) => old.iter().chain(named.iter().filter(|p| !has(&old, p))).cloned().collect(),
        (false, true) => old.into_iter().filter(|p| !has(&named, p)).collect(),
        (false, false) => named,
    };
    write(run, &role, &cmdlet, |_| wanted)
}

/// `Remove-ManagementRoleEntry`.
pub(super) fn remove_entry(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let (role, cmdlet) = split(params)?;
    let name = changeable(run.state, &role)?.name.clone();
    let mut roles = run.state.exchange.management_roles.iter_mut();
    let target = roles.find(|r| r.name == name).ok_or_else(|| Failure::not_found(&role))?;
    let before = target.entries.len();
    target.entries.retain(|e| !e.cmdlet.eq_ignore_ascii_case(&cmdlet));
    if target.entries.len() == before { Err(Failure::not_found(&cmdlet)) } else { Ok(vec![]) }
}

/// The custom role with this name.
pub(super) fn custom<'a>(state: &'a State, name: &str) -> Option<&'a ManagementRole> {
    state.exchange.management_roles.iter().find(|r| r.name.eq_ignore_ascii_case(name))
}

/// A custom role's entry for a cmdlet.
pub(super) fn entry<'a>(role: &'a ManagementRole, cmdlet: &str) -> Option<&'a ManagementRoleEntry> {
    role.entries.iter().find(|e| e.cmdlet.eq_ignore_ascii_case(cmdlet))
}

/// The role's name in Exchange's spelling.
pub(super) fn known(state: &State, name: &str) -> Option<String> {
    built_in()
        .find(|r| r.eq_ignore_ascii_case(name))
        .map(str::to_owned)
        .or_else(|| custom(state, name).map(|r| r.name.clone()))
}

fn built_in() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|c| c.roles).copied()
}

fn entries_of(state: &State, role: &str) -> Option<Vec<ManagementRoleEntry>> {
    if let Some(role) = custom(state, role) {
        return Some(role.entries.clone());
    }
    let held: Vec<ManagementRoleEntry> = TABLE
        .iter()
        .filter(|c| c.roles.iter().any(|r| r.eq_ignore_ascii_case(role)))
        .map(|c| ManagementRoleEntry {
            cmdlet: c.name.to_owned(),
            parameters: c
                .parameters
                .iter()
                .map(|p| p.trim_start_matches('!'))
                .chain(COMMON)
                .map(str::to_owned)
                .collect(),
        })
        .collect();
    (!held.is_empty()).then_some(held)
}

fn changeable<'a>(state: &'a State, name: &str) -> Result<&'a ManagementRole, Failure> {
    if built_in().any(|r| r.eq_ignore_ascii_case(name)) {
        return Err(Failure::invalid_operation(&format!("The built-in role \"{name}\" can't be changed.")));
    }
    custom(state, name).ok_or_else(|| Failure::not_found(name))
}

/// Writes an entry, after a look at the parent's.
fn write(
    run: &mut Run<'_>,
    role: &str,
    cmdlet: &str,
    wanted: impl FnOnce(&[String]) -> Vec<String>,
) -> Result<Vec<Row>, Failure> {
    let target = changeable(run.state, role)?;
    let above = entries_of(run.state, &target.parent).unwrap_or_default();
    let above = above.into_iter().find(|e| e.cmdlet.eq_ignore_ascii_case(cmdlet));
    let above = above.ok_or_else(|| not_in_parent(cmdlet, &target.parent))?;
    let parameters = wanted(&above.parameters);
    if let Some(foreign) =
        parameters.iter().find(|p| !above.parameters.iter().any(|a| a.eq_ignore_ascii_case(p)))
    {
        return Err(not_in_parent(foreign, &target.parent));
    }
    let name = target.name.clone();
    for target in run.state.exchange.management_roles.iter_mut().filter(|r| r.name == name) {
        target.entries.retain(|e| !e.cmdlet.eq_ignore_ascii_case(cmdlet));
        target
            .entries
            .push(ManagementRoleEntry { cmdlet: above.cmdlet.clone(), parameters: parameters.clone() });
    }
    Ok(vec![])
}

fn not_in_parent(what: &str, parent: &str) -> Failure {
    Failure::invalid_operation(&format!("\"{what}\" isn't present on the parent role \"{parent}\"."))
}

fn split(params: &Params) -> Result<(String, String), Failure> {
    let identity = params.text("Identity")?;
    match identity.rsplit_once('\\') {
        Some((role, cmdlet)) => Ok((role.to_owned(), cmdlet.to_owned())),
        None => Err(Failure::not_found(&identity)),
    }
}

fn row(state: &State, name: &str) -> Row {
    let parent = custom(state, name).map(|r| r.parent.clone());
    let mut root = name.to_owned();
    while let Some(above) = custom(state, &root) {
        root.clone_from(&above.parent);
    }
    Row::default()
        .text("Name", name)
        .text("Identity", name)
        .text("RoleType", root.replace(' ', ""))
        .boolean("IsRootRole", parent.is_none())
        .optional("Parent", parent)
}
