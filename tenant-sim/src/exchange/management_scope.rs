//! `*-ManagementScope`. <https://learn.microsoft.com/powershell/module/exchangepowershell/new-managementscope>

use jiff::SignedDuration;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use crate::access::filter::Filter;
use crate::access::rbac;
use crate::state::{ManagementScope, ResourceScope, State, Timed};

/// Longest name of a scope or assignment.
pub(super) const NAME_LIMIT: usize = 64;

/// `Get-ManagementScope`.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if let Some(identity) = params.optional("Identity")? {
        return Ok(vec![row(&named(run.state, &identity)?)]);
    }
    let exclusive = params.boolean("Exclusive")?;
    let all = configured(run.state).filter(|s| exclusive.is_none_or(|e| s.exclusive == e));
    // A scope that no assignment uses is an orphan.
    let orphans_only = params.switch("Orphan")?;
    Ok(all.filter(|s| !orphans_only || !in_use(run.state, &s.name)).map(row).collect())
}

/// `New-ManagementScope`; the filter is kept in Exchange's normal form.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if run.state.exchange.dehydrated {
        return Err(Failure::dehydrated());
    }
    let name = params.text("Name")?;
    check_name(&name)?;
    let recipient_filter = normal_filter(params)?;
    if configured(run.state).any(|s| s.name.eq_ignore_ascii_case(&name)) {
        return Err(Failure::already_exists(&name));
    }
    rbac::about_to_change(run.state, run.now);
    let scope = ManagementScope { name, recipient_filter, exclusive: params.switch("Exclusive")? };
    let output = row(&scope);
    run.state.exchange.scopes.push(Timed::new(scope, run.now, SignedDuration::ZERO));
    Ok(vec![output])
}

/// `Set-ManagementScope`. The old filter stays in force for every app whose picture is older than the change.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if run.state.exchange.dehydrated {
        return Err(Failure::dehydrated());
    }
    let old = named(run.state, &params.text("Identity")?)?;
    if params.optional("RecipientRestrictionFilter")?.is_none() {
        return Ok(vec![]);
    }
    let recipient_filter = normal_filter(params)?;
    if recipient_filter == old.recipient_filter {
        run.warnings.push(format!(
            "The command completed successfully but no settings of '{}' have been modified.",
            old.name
        ));
        return Ok(vec![]);
    }
    rbac::about_to_change(run.state, run.now);
    delete(run, &old.name);
    let scope = ManagementScope { recipient_filter, ..old };
    run.state.exchange.scopes.push(Timed::new(scope, run.now, SignedDuration::ZERO));
    Ok(vec![])
}

/// `Remove-ManagementScope`; refused while an assignment uses it.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let scope = named(run.state, &params.text("Identity")?)?;
    if in_use(run.state, &scope.name) {
        return Err(Failure::invalid_operation(&format!(
            "The management scope '{}' can't be removed because role assignments use it.",
            scope.name
        )));
    }
    rbac::about_to_change(run.state, run.now);
    delete(run, &scope.name);
    Ok(vec![])
}

/// The scope that administrators see under this name.
pub(super) fn named(state: &State, name: &str) -> Result<ManagementScope, Failure> {
    configured(state)
        .find(|s| s.name.eq_ignore_ascii_case(name))
        .cloned()
        .ok_or_else(|| Failure::not_found(name))
}

/// Names are limited in length.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    if name.chars().count() <= NAME_LIMIT {
        return Ok(());
    }
    Err(Failure::bad_request(
        "Ex55A1D0",
        "Microsoft.Exchange.Data.DataValidationException",
        &format!("The name is too long: its maximum length is {NAME_LIMIT} characters."),
    ))
}

fn configured(state: &State) -> impl Iterator<Item = &ManagementScope> {
    state.exchange.scopes.iter().filter(|s| s.is_configured()).map(|s| &s.value)
}

fn in_use(state: &State, name: &str) -> bool {
    let used = |scope: &Option<String>| scope.as_deref().is_some_and(|s| s.eq_ignore_ascii_case(name));
    if state.exchange.role_groups.iter().any(|g| used(&g.write_scope)) {
        return true;
    }
    state.exchange.role_assignments.iter().any(|a| {
        a.is_configured()
            && matches!(&a.value.scope, ResourceScope::Custom(used) if used.eq_ignore_ascii_case(name))
    })
}

fn delete(run: &mut Run<'_>, name: &str) {
    for record in run.state.exchange.scopes.iter_mut().filter(|s| s.is_configured() && s.value.name == name) {
        record.delete(run.now, SignedDuration::ZERO);
    }
}

fn normal_filter(params: &Params) -> Result<String, Failure> {
    let text = params.text("RecipientRestrictionFilter")?;
    Filter::parse(&text)
        .map(|f| f.to_string())
        .map_err(|error| Failure::bad_request("Ex4D2B90", "Microsoft.Exchange.Data.ParsingException", &error))
}

fn row(scope: &ManagementScope) -> Row {
    Row::default()
        .text("Identity", &scope.name)
        .text("Name", &scope.name)
        .text("RecipientFilter", &scope.recipient_filter)
        .text("ScopeRestrictionType", "RecipientScope")
        .boolean("Exclusive", scope.exclusive)
        .null("RecipientRoot")
        .boolean("IsValid", true)
}
